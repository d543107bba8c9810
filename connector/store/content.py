"""Large bodies as content-addressed files: written and fsynced before the row that names them commits (design decision 10)."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["ContentFiles", "sha256"]

_PIECE = 1 << 20


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


class ContentFiles:
    """Files named by the SHA-256 of what they hold, in 256 folders. Writing what is there already costs one stat."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._folders: set[str] = set()
        self._sweeping = threading.Lock()

    def path(self, digest: str) -> Path:
        """Where a content is or would be."""
        return self.directory / digest[:2] / digest

    def keep(self, digest: str, data: bytes) -> None:
        """Make the bytes durable: file fsynced, renamed, folder fsynced. Raises OSError (disk full…); nothing half is ever left under the name."""
        path = self.path(digest)
        with self._sweeping:
            if path.exists() and path.stat().st_size == len(data):
                # Touched so that the sweep of orphans leaves it to the row that is about to name it.
                os.utime(path)
                return
        self._folder(path.parent)
        draft = path.with_name(f"{digest}.{os.urandom(4).hex()}.part")
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
        _fsync_directory(path.parent)

    def read(self, digest: str) -> bytes:
        """The bytes; raises FileNotFoundError, or OSError when they are not those that were kept."""
        data = self.path(digest).read_bytes()
        if sha256(data) != digest:
            raise OSError(f"content {digest} is damaged on disk")
        return data

    def drop_old(self, path: Path, before: float) -> bool:
        """Remove an orphan, unless it was written or touched meanwhile; whether it was removed."""
        with self._sweeping:
            if path.stat().st_mtime >= before:
                return False
            path.unlink(missing_ok=True)
            return True

    def orphans(self, known: Callable[[list[str]], set[str]], before: float) -> Iterator[Path]:
        """Files older than `before` (seconds, file system time) that no row names, and drafts that a crash left."""
        for folder in sorted(self.directory.glob("[0-9a-f][0-9a-f]")):
            old = [file for file in sorted(folder.iterdir()) if file.stat().st_mtime < before]
            named = known([file.name for file in old if not file.name.endswith(".part")]) if old else set()
            yield from (file for file in old if file.name not in named)

    def _folder(self, folder: Path) -> None:
        if folder.name in self._folders:
            return
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _fsync_directory(folder.parent)
        self._folders.add(folder.name)


def _fsync_directory(folder: Path) -> None:
    """Without it a power cut may forget the name of a file whose bytes are safe. Windows has no such call and needs none."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
