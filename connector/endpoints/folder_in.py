"""A watched folder: HL7 v2 files, one message or a batch each, HPRIM Médecin files of one letter or several, or exchanges, taken once they are whole.

    <path>/…               files to read; hidden and temporary names are left alone
    <path>/processed/…     the file when each of its messages was taken, and its answers as `<name>.ack`
    <path>/refused/…       the file when one of its messages was not, the answers, and why: `<name>.reasons.txt`

A file is whole when its size and time have not changed for a while (`stable`), or when it appears under a name of the pattern
(`rename`: writers use a temporary name and rename when done). Read as a stream: a batch of any size is held one message at a time. A
file met again after a crash is read again: the journal knows its messages by MSH-10 and gives the stored answers.
"""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
from pydantic import Field

from connector.endpoints import Endpoint, EndpointKind, EndpointSettings
from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.hl7.acknowledge import read_ack
from connector.hl7.batch import BatchMessage, BatchReader, batch_answer, read_batch
from connector.hl7.mllp import DEFAULT_LIMIT
from connector.hprim.codec import split
from connector.issues import Issue, IssueCode, Severity
from connector.ports import Answer, Inbound, Intake, MessageState

__all__ = ["KIND", "FolderIn", "FolderInSettings"]

log = logging.getLogger(__name__)

_CHUNK = 262_144
_WITHOUT_BLANKS = re.compile(rb"\S(?:.*\S)?", re.DOTALL)
_PATTERNS = {
    "hl7": "*.hl7, *.er7, *.txt",
    "hprim": "*.hpr, *.hprim, *.hpm, *.hpm?, *.txt",
    "exchange": "*.json, *.ndjson",
}
_TEMPORARY = (".part", ".tmp", ".temp", ".filepart", ".crdownload", "~")


class FolderInSettings(EndpointSettings):
    """Settings of a watched folder."""

    path: Path = Field(
        description="Folder to watch; made when it does not exist. Its files are moved, so it must be writable."
    )
    format: Literal["hl7", "hprim", "exchange"] = Field(
        default="hl7",
        description="What the files are: `hl7` (HL7 v2), `hprim` (HPRIM Médecin letters) or `exchange` (the exchange profile: `.json` one, `.ndjson` one a line).",
    )
    pattern: str = Field(
        default="",
        description="Names that are read, with `*`, separated by commas. By default `*.hl7, *.er7, *.txt`; for HPRIM `*.hpr, *.hprim, *.hpm, *.hpm?, *.txt`; for exchanges `*.json, *.ndjson`.",
    )
    ready: Literal["stable", "rename"] = Field(
        default="stable",
        description="When a file is whole: `stable` (unchanged for `stable_seconds`) or `rename` (its writer renames it when done).",
    )
    stable_seconds: float = Field(
        default=3.0, gt=0, description="Seconds without a change after which a file is whole."
    )
    poll_seconds: float = Field(default=1.0, gt=0, description="Seconds between two looks at the folder.")
    max_message: int = Field(default=DEFAULT_LIMIT, ge=1024, description="Largest message in bytes.")


class _Seen(msgspec.Struct, frozen=True):
    size: int
    changed: int
    since: float


class _Told(msgspec.Struct):
    """What the messages of one file became."""

    answers: list[bytes]
    reasons: list[str]


class FolderIn:
    """A `Receiver` of files."""

    def __init__(self, settings: FolderInSettings, endpoint: Endpoint) -> None:
        self.settings = settings
        self._endpoint = endpoint
        self._patterns = tuple(
            part.strip() for part in (settings.pattern or _PATTERNS[settings.format]).split(",") if part.strip()
        )
        self._seen: dict[Path, _Seen] = {}
        self._watching: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self.listening = False

    async def start(self, intake: Intake) -> None:
        """Watch. Raises OSError when the folder cannot be made or written."""
        for folder in (self.settings.path, self.settings.path / "processed", self.settings.path / "refused"):
            folder.mkdir(parents=True, exist_ok=True)
        self._ended.clear()
        self._watching = asyncio.get_running_loop().create_task(self._watch(intake))
        self.listening = True

    async def stop(self) -> None:
        """Finish the file in hand."""
        self._ended.set()
        if self._watching is not None:
            await self._watching
        self.listening = False

    async def _watch(self, intake: Intake) -> None:
        while not self._ended.is_set():
            try:
                for path in await asyncio.to_thread(self._whole):
                    await self._take(path, intake)
                    if self._ended.is_set():
                        break
            except OSError as error:  # a share that went away comes back
                log.warning("%s: the folder cannot be read (%s)", self._endpoint.name, type(error).__name__)
            try:
                await asyncio.wait_for(self._ended.wait(), self.settings.poll_seconds)
            except TimeoutError:
                continue

    def _whole(self) -> list[Path]:
        """Files that are whole, in order of name."""
        now = self._endpoint.clock.monotonic()
        found: dict[Path, _Seen] = {}
        whole: list[Path] = []
        with os.scandir(self.settings.path) as entries:
            for entry in entries:
                if not self._wanted(entry):
                    continue
                status = entry.stat(follow_symlinks=False)
                path = Path(entry.path)
                before = self._seen.get(path)
                same = before is not None and (before.size, before.changed) == (status.st_size, status.st_mtime_ns)
                seen = before if before is not None and same else _Seen(status.st_size, status.st_mtime_ns, now)
                found[path] = seen
                if self.settings.ready == "rename" or now - seen.since >= self.settings.stable_seconds:
                    whole.append(path)
        self._seen = found
        return sorted(whole)

    def _wanted(self, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        if name.startswith(".") or name.lower().endswith(_TEMPORARY) or not entry.is_file(follow_symlinks=False):
            return False
        return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in self._patterns)

    async def _take(self, path: Path, intake: Intake) -> None:
        """Give each message to intake, then file the file where its messages ended."""
        reader = BatchReader(self.settings.max_message)
        told = _Told([], [])
        file = await asyncio.to_thread(path.open, "rb")
        try:
            messages = self._messages(path, file, reader)
            while (message := await asyncio.to_thread(next, messages, None)) is not None:
                answer = await intake(self._inbound(path, message))
                if answer.message_id is None:
                    log.warning("%s: nothing can be kept now; the file is read again later", self._endpoint.name)
                    self._seen.pop(path, None)
                    return
                await _note(message, answer, told)
        finally:
            file.close()
        if reader.messages == 0:
            told.reasons.append("no message in the file")
        told.reasons += [f"{issue.place.path}: {issue.text()}" for issue in reader.issues]
        await asyncio.to_thread(self._file, path, reader, told)
        self._seen.pop(path, None)

    def _messages(self, path: Path, file: BinaryIO, reader: BatchReader) -> Iterator[BatchMessage]:
        if self.settings.format == "hl7":
            return read_batch(_chunks(file), reader)
        if path.suffix.lower() == ".ndjson":
            return _lines(file, reader)
        return _parts(file, reader, split if self.settings.format == "hprim" else lambda raw: [raw])

    def _inbound(self, path: Path, message: BatchMessage) -> Inbound:
        issues = (message.issue,) if message.issue is not None else ()
        return Inbound(
            raw=message.raw,
            endpoint=self._endpoint.name,
            remote=f"{path.name}#{message.number}",
            received_at=self._endpoint.clock.now(),
            format=self.settings.format,
            issues=issues,
        )

    def _file(self, path: Path, reader: BatchReader, told: _Told) -> None:
        """Move the file, its answers and the reasons beside each other; the file last: until then it is read again."""
        refused = bool(told.reasons)
        folder = self.settings.path / ("refused" if refused else "processed")
        target = _free(folder, path.name)
        context = Context(now=Moment(self._endpoint.clock.now()))
        if told.answers:
            _replace(target.with_name(f"{target.name}.ack"), b"".join(batch_answer(reader, told.answers, context)))
        if refused:
            _replace(target.with_name(f"{target.name}.reasons.txt"), ("\n".join(told.reasons) + "\n").encode())
        path.rename(target)
        log.info("%s: %d messages read, file %s", self._endpoint.name, reader.messages, folder.name)


async def _note(message: BatchMessage, answer: Answer, told: _Told) -> None:
    """Keep the answers, the late ones too; a refusal is a reason: its codes and places, never a text that may hold a value."""
    while True:
        for raw in answer.messages:
            ack = read_ack(raw)
            told.answers.append(raw)
            if not ack.accepted:
                errors = "; ".join(
                    f"{error.location} {error.condition} {error.application}".strip() for error in ack.errors
                )
                told.reasons.append(f"message {message.number}: {ack.code} {errors}".rstrip())
        if not answer.messages and answer.state not in (None, MessageState.TRANSLATED):
            told.reasons += [
                f"message {message.number}: {issue.place.path} {issue.code}: {issue.text()}"
                for issue in answer.issues
                if issue.severity >= Severity.ERROR
            ]
        if answer.told is not None:
            answer.told(True)
        if answer.later is None:
            break
        answer = await answer.later
    if message.issue is not None and not told.reasons:
        told.reasons.append(f"message {message.number}: {message.issue.text()}")


def _parts(file: BinaryIO, reader: BatchReader, cut: Callable[[bytes], list[bytes]]) -> Iterator[BatchMessage]:
    """The letters or the exchange of a file; a file beyond the limit is only a part."""
    raw = file.read(reader.limit + 1)
    if len(raw) > reader.limit:
        too_large = Issue.of(Severity.ERROR, IssueCode.FRAME_TOO_LARGE, limit=reader.limit)
        letters = [BatchMessage(raw[:_CHUNK], 1, 0, too_large)]
    else:
        letters = [BatchMessage(letter, number, 0) for number, letter in enumerate(cut(raw), 1)]
    reader.messages = len(letters)
    yield from letters


def _lines(file: BinaryIO, reader: BatchReader) -> Iterator[BatchMessage]:
    """One exchange a line, blank lines left out; a line beyond the limit is only a part."""
    number = 0
    while line := file.readline(reader.limit + 1):
        number += 1
        issue = None
        if len(line) > reader.limit and not line.endswith(b"\n"):
            issue = Issue.of(Severity.ERROR, IssueCode.FRAME_TOO_LARGE, limit=reader.limit)
            while (rest := file.readline(_CHUNK)) and not rest.endswith(b"\n"):
                continue
            line = line[:_CHUNK]
        if (found := _WITHOUT_BLANKS.search(line)) is not None:
            reader.messages += 1
            # A large line is not there twice.
            text = memoryview(line)[slice(*found.span())] if len(line) > _CHUNK else found[0]
            yield BatchMessage(text, number, 0, issue)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _free(folder: Path, name: str) -> Path:
    """A name that nothing has yet: what was filed before is never overwritten."""
    target, number = folder / name, 1
    while os.path.lexists(target):
        target = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        number += 1
    return target


def _replace(path: Path, content: bytes) -> None:
    """Written under a temporary name and renamed: nobody reads half of it."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.replace(path)


KIND = EndpointKind(
    name="folder_in",
    direction="in",
    title=("Dossier surveillé", "Watched folder"),
    settings=FolderInSettings,
    build=FolderIn,
)
