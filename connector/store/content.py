"""Large bodies as content-addressed files: written and fsynced before the row that names them commits (design decision 10)."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["ContentFiles", "Draft", "sha256"]

_PIECE = 1 << 20
_ARRIVING = "arriving"  # folder of the drafts: their digest is known at their end


def sha256(data: bytes | memoryview) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


class ContentFiles:
    """Files named by the SHA-256 of what they hold, in 256 folders. Writing what is there already costs one stat."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._folders: set[str] = set()
        self._sweeping = threading.Lock()
        self._whole: dict[str, list[Draft]] = {}
        self._counting = threading.Lock()

    def path(self, digest: str) -> Path:
        """Where a content is or would be."""
        return self.directory / digest[:2] / digest

    def draft(self) -> Draft:
        """A body that is about to arrive: a file once something of it is written."""
        return Draft(self, self.directory / _ARRIVING / f"{os.urandom(8).hex()}.part")

    def clear_drafts(self) -> int:
        """Remove what a crash left of bodies on their way; only when nobody else writes in this folder. Returns how many there were."""
        left = list((self.directory / _ARRIVING).glob("*.part"))
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def announce(self, digest: str, draft: Draft) -> None:
        """A draft is whole: `keep` of this digest takes its file."""
        with self._counting:
            self._whole.setdefault(digest, []).append(draft)

    def withdraw(self, digest: str, draft: Draft) -> None:
        """The draft is given up."""
        with self._counting:
            left = [each for each in self._whole.pop(digest, ()) if each is not draft]
            if left:
                self._whole[digest] = left

    def keep(self, digest: str, data: bytes | memoryview) -> None:
        """Make the bytes durable: file fsynced, renamed, folder fsynced. Raises OSError (disk full…); nothing half is ever left under the name.

        The file of a draft that holds them is taken, nothing is written again.
        """
        path = self.path(digest)
        with self._sweeping:
            if path.exists() and path.stat().st_size == len(data):
                # Touched so that the sweep of orphans leaves it to the row that is about to name it.
                os.utime(path)
                return
        self.folder(path.parent)
        with self._counting:
            arrived = list(self._whole.get(digest, ()))
        if not any(draft.become(path) for draft in arrived):
            self._write(path, data)
        _fsync_directory(path.parent)

    def _write(self, path: Path, data: bytes | memoryview) -> None:
        draft = path.with_name(f"{path.name}.{os.urandom(4).hex()}.part")
        try:
            with draft.open("xb", buffering=0) as file:
                view = memoryview(data)
                while view:
                    view = view[file.write(view[:_PIECE]) :]
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def read(self, digest: str) -> bytes:
        """The bytes; raises FileNotFoundError, or OSError when they are not those that were kept."""
        data = self.path(digest).read_bytes()
        if sha256(data) != digest:
            raise OSError(f"content {digest} is damaged on disk")
        return data

    def view(self, digest: str) -> memoryview:
        """The same, mapped read-only: nothing of it is in memory until it is looked at. Raises the same."""
        with self.path(digest).open("rb") as file:
            whole = os.fstat(file.fileno()).st_size  # nothing cannot be mapped
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise OSError(f"content {digest} is damaged on disk")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if whole else b"")

    def piece(self, digest: str, offset: int, length: int) -> bytes:
        """Some of the bytes, read and not mapped. Raises OSError when they are not there."""
        with self.path(digest).open("rb", buffering=0) as file:
            file.seek(offset)
            found = file.read(length)
        if len(found) != length:
            raise OSError(f"content {digest} is damaged on disk")
        return found

    def drop_old(self, path: Path, before: float) -> bool:
        """Remove an orphan, unless it was written or touched meanwhile; whether it was removed."""
        with self._sweeping:
            if path.stat().st_mtime >= before:
                return False
            path.unlink(missing_ok=True)
            return True

    def orphans(self, known: Callable[[list[str]], set[str]], before: float) -> Iterator[Path]:
        """Files older than `before` (seconds, file system time) that no row names, and drafts that a crash left."""
        for folder in sorted([*self.directory.glob("[0-9a-f][0-9a-f]"), *self.directory.glob(_ARRIVING)]):
            old = [file for file in sorted(folder.iterdir()) if file.stat().st_mtime < before]
            named = known([file.name for file in old if not file.name.endswith(".part")]) if old else set()
            yield from (file for file in old if file.name not in named)

    def folder(self, folder: Path) -> None:
        """Make one of the folders, durably. Raises OSError."""
        if folder.name in self._folders:
            return
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _fsync_directory(folder.parent)
        self._folders.add(folder.name)


class Draft:
    """A large body while it arrives: written and hashed piece by piece, then a read-only mapping of its file. One task writes, another thread
    may give the file its name (`become`), and whoever ends it may do so in the middle of either (`close`)."""

    def __init__(self, files: ContentFiles, path: Path) -> None:
        self._files = files
        self._path = path
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._digest = ""
        self._ended = False  # closed, or its file has its name
        self._lock = threading.Lock()

    def write(self, piece: bytes | bytearray) -> None:
        """Append. Raises OSError (disk full…)."""
        with self._lock:
            file, view = self._opened(), memoryview(piece)
            self._hash.update(view)
            while view:
                view = view[file.write(view) :]

    def whole(self) -> tuple[memoryview, str]:
        """All that was written, which is something, and its digest. The mapping lives as long as the view. Raises OSError."""
        with self._lock:
            view = memoryview(mmap.mmap(self._opened().fileno(), 0, access=mmap.ACCESS_READ))
            self._digest = self._hash.hexdigest()
        self._files.announce(self._digest, self)
        return view, self._digest

    def become(self, path: Path) -> bool:
        """Give the file this name, its bytes being durable; False when there is none to give. Raises OSError."""
        with self._lock:
            if self._ended or self._file is None:
                return False
            os.fsync(self._file.fileno())
            self._path.replace(path)
            self._ended = True
            return True

    def close(self) -> None:
        """Forget it; the file is gone unless it has its name. Once is enough."""
        self._files.withdraw(self._digest, self)
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
                if not self._ended:
                    self._path.unlink(missing_ok=True)
            self._ended = True

    def _opened(self) -> BinaryIO:
        if self._ended:
            raise OSError(errno.EBADF, "the draft is closed")
        if self._file is None:
            self._files.folder(self._path.parent)
            self._file = self._path.open("x+b", buffering=0)
        return self._file


def _fsync_directory(folder: Path) -> None:
    """Without it a power cut may forget the name of a file whose bytes are safe. Windows has no such call and needs none."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
