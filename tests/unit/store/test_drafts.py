"""A large body while it arrives: on the disk under no name, then the content that the journal keeps, or gone."""

from __future__ import annotations

import errno
import io
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from connector.ports import JournalUnavailable
from connector.store.content import ContentFiles, Draft, sha256
from connector.store.journal import SqlJournal
from connector.store.keeping import Keeping
from tests.journal_kit import HandClock

BODY = os.urandom(300_000)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def arrived(files: ContentFiles, body: bytes = BODY) -> tuple[Draft, memoryview, str]:
    draft = files.draft()
    for start in range(0, len(body), 7_000):
        draft.write(body[start : start + 7_000])
    return draft, *draft.whole()


def abandoned(files: ContentFiles) -> None:
    """What a process leaves that is killed."""
    draft, _, _ = arrived(files)
    (path,) = (files.directory / "arriving").iterdir()
    copy = path.read_bytes()
    draft.close()
    path.write_bytes(copy)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_arrived_is_mapped_and_becomes_the_content_without_being_written_again(tmp_path: Path) -> None:
    files = ContentFiles(tmp_path)
    draft, view, digest = arrived(files)
    assert (bytes(view), view.readonly, digest) == (BODY, True, sha256(BODY))
    [file] = (tmp_path / "arriving").iterdir()
    number = file.stat().st_ino
    files.keep(digest, view)
    assert files.path(digest).stat().st_ino == number
    draft.close()
    assert left(tmp_path) == [digest]
    assert bytes(view) == files.read(digest) == bytes(files.view(digest)) == BODY


def test_bytes_and_name_are_durable_before_keep_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ContentFiles(tmp_path)
    draft, view, digest = arrived(files)
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(Path(f"/proc/self/fd/{number}").readlink().name))
    files.keep(digest, view)
    draft.close()
    assert [name.rpartition(".")[2] for name in synced] == [tmp_path.name, "part", digest[:2]]


def test_what_nobody_took_is_gone_when_it_is_closed(tmp_path: Path) -> None:
    files = ContentFiles(tmp_path)
    draft, view, digest = arrived(files)
    draft.close()
    draft.close()
    assert left(tmp_path) == []
    assert bytes(view) == BODY
    with pytest.raises(OSError, match="closed"):
        draft.write(b"x")
    files.keep(digest, view)  # whoever came too late writes it
    assert left(tmp_path) == [digest]


def test_the_same_twice_is_kept_once_and_either_may_end_first(tmp_path: Path) -> None:
    files = ContentFiles(tmp_path)
    first, view, digest = arrived(files)
    second, _, _ = arrived(files)
    first.close()
    files.keep(digest, view)
    files.keep(digest, view)
    third, _, _ = arrived(files)
    files.keep(digest, view)
    second.close()
    third.close()
    assert left(tmp_path) == [digest]


def test_kept_and_ended_at_once_it_is_whole_or_written_anew(tmp_path: Path) -> None:
    files = ContentFiles(tmp_path)
    for number in range(20):
        draft, view, digest = arrived(files, BODY + b"%d" % number)
        ending = threading.Thread(target=draft.close)
        ending.start()
        files.keep(digest, view)
        ending.join()
        assert files.read(digest) == view
    assert len(left(tmp_path)) == 20


def test_a_start_of_the_only_process_removes_what_a_crash_left_and_others_leave_it(tmp_path: Path) -> None:
    files = ContentFiles(tmp_path)
    abandoned(files)
    Keeping(files).start(alone=False)
    assert len(left(tmp_path)) == 1
    [file] = (tmp_path / "arriving").iterdir()
    old = time.time() - 100
    os.utime(file, (old, old))
    assert list(files.orphans(lambda names: set(), time.time() - 50)) == [file]
    Keeping(files).start(alone=True)
    assert left(tmp_path) == []


@pytest.mark.anyio
async def test_the_journal_on_sqlite_removes_them_when_it_opens(tmp_path: Path) -> None:
    abandoned(ContentFiles(tmp_path / "contents"))
    journal = SqlJournal(str(tmp_path / "journal.db"), clock=HandClock(), contents=tmp_path / "contents")
    await journal.start()
    await journal.stop()
    assert left(tmp_path / "contents") == []


@pytest.mark.anyio
async def test_a_full_disk_is_the_journal_away_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            if self.tell() > 20_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(memoryview(data)[:5_000])

    monkeypatch.setattr(Path, "open", lambda path, mode, **_: Full(path, mode.replace("b", "")))
    arriving = Keeping(ContentFiles(tmp_path)).draft()
    assert arriving is not None
    with pytest.raises(JournalUnavailable):
        await arriving.write(BODY)
    assert len(left(tmp_path)) == 1
    arriving.close()
    assert left(tmp_path) == []


def test_without_a_folder_there_is_no_draft() -> None:
    assert Keeping(None).draft() is None
