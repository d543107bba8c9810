"""A body while it arrives: a small one in memory; a large one waits for room and goes to the disk, so that memory does not grow with the callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from connector.endpoints import Draft
from connector.endpoints.exchange_in.refusing import RefusedError
from connector.issues import IssueCode
from connector.ports import JournalUnavailable

__all__ = ["PATIENCE", "Body", "Doors", "Line", "lines"]

#: Seconds without a byte of a body after which nobody waits for it.
PATIENCE = 60.0
_LARGE = 1_000_000  # bytes
_LARGE_AT_ONCE = 4


class Doors:
    """What all bodies share: the limit, room for a few large ones at once, and where these are kept meanwhile."""

    def __init__(self, limit: int, draft: Callable[[], Draft | None]) -> None:
        self.limit = limit
        self.room = asyncio.Semaphore(_LARGE_AT_ONCE)
        self.draft = draft

    def too_large(self) -> RefusedError:
        """413."""
        return RefusedError(413, IssueCode.TOO_MANY, limit=self.limit, what="bytes")


class Body:
    """One body. Use it with `async with`: what nobody took of it is gone at the end, and its room is free."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._held = bytearray()
        self._draft: Draft | None = None
        self._size = 0
        self.large = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._draft is not None:
            self._draft.close()
        if self.large:
            self._doors.room.release()

    def __len__(self) -> int:
        return self._size

    async def add(self, piece: bytes | bytearray | memoryview) -> None:
        """Append. Raises RefusedError (413) beyond the limit, JournalUnavailable when the disk is full."""
        self._size += len(piece)
        if self._size > self._doors.limit:
            raise self._doors.too_large()
        self._held += piece
        if len(self._held) > _LARGE:
            if not self.large:
                await self._doors.room.acquire()
                self.large = True
                self._draft = self._doors.draft()
            await self._spill()

    async def whole(self) -> tuple[bytes | memoryview, str]:
        """All of it, and its SHA-256 when it went to the disk, else "". Raises JournalUnavailable."""
        if self._draft is None:
            return bytes(self._held), ""
        await self._spill()
        return await self._draft.whole()

    async def _spill(self) -> None:
        if self._draft is not None and self._held:
            held, self._held = self._held, bytearray()
            await self._draft.write(held)


#: A line that was read, or why it was not.
Line = Body | RefusedError | JournalUnavailable


async def lines(chunks: AsyncIterator[bytes], doors: Doors) -> AsyncIterator[Line]:
    """The lines of a stream without blanks around them, empty ones left out; one that is not taken is passed over, after why. Each `Body` is
    whole, and gone when the next one is asked for. A large line whose rest does not come (PATIENCE) ends the stream."""
    reader = _Lines(doors)
    try:
        while True:
            try:
                async with asyncio.timeout(PATIENCE if reader.line.large else None):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                break
            except TimeoutError:
                yield RefusedError(408, IssueCode.TRUNCATED, expected=f"{PATIENCE:g} s")
                return
            for number, piece in enumerate(chunk.split(b"\n")):
                if number:  # a line end stood before this piece
                    if len(reader.line):
                        yield reader.line
                    await reader.next()
                if (refused := await reader.add(piece)) is not None:
                    yield refused
        if len(reader.line):
            yield reader.line
    finally:
        await reader.next()


class _Lines:
    """The line in hand, and the blanks after it, which belong to it only when something follows."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self.line = Body(doors)
        self._blanks = bytearray()
        self._read = 0
        self._dropping = False

    async def add(self, piece: bytes) -> RefusedError | JournalUnavailable | None:
        """A piece of the line; why the line is not taken, once: the rest of it is passed over."""
        if self._dropping:
            return None
        try:
            await self._add(piece)
        except (RefusedError, JournalUnavailable) as error:
            await self.next()
            self._dropping = True
            return error
        return None

    async def _add(self, piece: bytes) -> None:
        self._read += len(piece)
        if self._read > self._doors.limit:
            raise self._doors.too_large()
        if not len(self.line):
            piece = piece.lstrip()
        text = piece.rstrip()
        if text:
            if self._blanks:
                await self.line.add(self._blanks)
                self._blanks = bytearray()
            await self.line.add(text)
        self._blanks += memoryview(piece)[len(text) :]

    async def next(self) -> None:
        """A line of its own."""
        await self.line.__aexit__(None, None, None)
        self.line, self._blanks, self._read, self._dropping = Body(self._doors), bytearray(), 0, False
