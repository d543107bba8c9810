"""Large bodies made durable as files before the commit that names them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec

from connector.ports import JournalUnavailable
from connector.store.content import ContentFiles, sha256
from connector.store.lanes import Settled
from connector.store.preparing import INLINE, Prepared

__all__ = ["Arriving", "Keeping"]

log = logging.getLogger(__name__)

T = TypeVar("T")


class Arriving:
    """`connector.ports.Draft` over a file of the contents."""

    def __init__(self, files: ContentFiles) -> None:
        self._draft = files.draft()
        self.close = self._draft.close

    async def write(self, piece: bytes | bytearray) -> None:
        """Append. Raises JournalUnavailable."""
        await _kept(partial(self._draft.write, piece))

    async def whole(self) -> tuple[memoryview, str]:
        """View and digest of what was written. Raises JournalUnavailable."""
        return await _kept(self._draft.whole)


class Keeping:
    """What is above 256 kB goes to `files`; without a folder of contents everything is a row."""

    def __init__(self, files: ContentFiles | None) -> None:
        self._files = files

    def start(self, *, alone: bool) -> None:
        """Forget what a crash left of bodies on their way; of another node's (not `alone`) nobody knows, the sweep finds old ones."""
        if self._files is not None and alone:
            self._files.clear_drafts()

    def draft(self) -> Arriving | None:
        """A large body that is about to arrive; None without a folder of contents."""
        return Arriving(self._files) if self._files is not None else None

    async def entry(self, prepared: Prepared, *, raw: bool = True) -> Prepared:
        """The entry with its large bodies replaced by their digests. `raw` False: the message's own bytes are kept already."""
        whole: bytes | memoryview = prepared.row["raw"]
        if self._files is None:
            return prepared
        large: dict[str, bytes | memoryview] = {
            digest: body for digest, body in prepared.bodies if len(body or b"") > INLINE and body is not None
        }
        if raw and len(whole) > INLINE:
            large[prepared.digest] = whole
        if not large:
            return prepared
        for digest, body in large.items():
            await self._keep(self._files, digest, body)
        bodies = [(digest, None if digest in large else body) for digest, body in prepared.bodies]
        row = prepared.row
        if prepared.digest in large:
            row = {**row, "raw": None}
            bodies.append((prepared.digest, None))
        return msgspec.structs.replace(prepared, row=row, bodies=tuple(bodies))

    async def sent(self, settled: Settled, sent: bytes, message_digest: str) -> Settled:
        """With what was sent: nothing more when it is the message itself, in the row when small, else a content."""
        digest = sha256(sent) if len(sent) <= INLINE else await asyncio.to_thread(sha256, sent)
        if digest == message_digest:
            return msgspec.structs.replace(settled, sent_digest=digest)
        if len(sent) <= INLINE or self._files is None:
            return msgspec.structs.replace(settled, sent=sent, sent_digest=digest)
        await self._keep(self._files, digest, sent)
        return msgspec.structs.replace(settled, sent_digest=digest, apart=True)

    async def _keep(self, files: ContentFiles, digest: str, body: bytes | memoryview) -> None:
        await _kept(partial(files.keep, digest, body))


async def _kept(act: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(act)
    except OSError as error:
        log.error("journal unavailable: a content could not be kept (%s)", error.strerror)
        raise JournalUnavailable("content") from error
