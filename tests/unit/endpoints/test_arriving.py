"""Bodies and lines while they arrive: the same whatever the chunks, large ones apart and a few at once, nothing kept of what is not taken."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.endpoints import Draft
from connector.endpoints.exchange_in import arriving
from connector.endpoints.exchange_in.arriving import Body, Doors, lines
from connector.endpoints.exchange_in.refusing import RefusedError
from connector.ports import JournalUnavailable

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Disk:
    """Drafts in memory; full beyond `room` bytes."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.open: set[_Draft] = set()
        self.most = 0

    def draft(self) -> Draft:
        made = _Draft(self)
        self.open.add(made)
        self.most = max(self.most, len(self.open))
        return made


class _Draft:
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._held = b""

    async def write(self, piece: bytes | bytearray) -> None:
        if len(self._held) + len(piece) > self._disk.room:
            raise JournalUnavailable("content")
        self._held += bytes(piece)

    async def whole(self) -> tuple[memoryview, str]:
        return memoryview(self._held), hashlib.sha256(self._held).hexdigest()

    def close(self) -> None:
        self._disk.open.discard(self)


async def each(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(pieces: Sequence[bytes], doors: Doors) -> list[bytes | int]:
    """Lines, and the status (503: the disk) in the place of those that were not taken."""
    found: list[bytes | int] = []
    async for line in lines(each(pieces), doors):
        if isinstance(line, Body):
            raw, digest = await line.whole()
            assert digest in ("", hashlib.sha256(raw).hexdigest())
            assert bool(digest) is line.large
            found.append(bytes(raw))
        else:
            found.append(line.status if isinstance(line, RefusedError) else 503)
    return found


def cut(body: bytes, at: Sequence[int]) -> list[bytes]:
    marks = sorted({0, len(body), *[mark % (len(body) + 1) for mark in at]})
    return [body[start:end] for start, end in itertools.pairwise(marks)]


@settings(max_examples=60, deadline=None)
@given(
    body=st.lists(st.sampled_from([b"{}", b" ", b"\t", b"\r", b"\n", b"a b", b"x" * 40]), max_size=30).map(b"".join),
    at=st.lists(st.integers(0, 400), max_size=12),
    large=st.sampled_from([5, 1000]),
)
def test_the_lines_are_those_of_the_whole_wherever_it_is_cut(body: bytes, at: list[int], large: int) -> None:
    expected: list[bytes | int] = [
        413 if len(line) > 60 else line.strip() for line in body.split(b"\n") if line.strip() or len(line) > 60
    ]

    async def found() -> list[bytes | int]:
        disk = Disk()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(arriving, "_LARGE", large)
            said = await read(cut(body, at), Doors(60, disk.draft))
        assert not disk.open
        assert disk.most <= 1
        return said

    assert asyncio.run(found()) == expected


async def test_a_few_large_ones_at_once_and_the_others_wait() -> None:
    disk = Disk()
    doors = Doors(10_000_000, disk.draft)

    async def one() -> int:
        async with Body(doors) as body:
            for _ in range(30):
                await body.add(bytes(50_000))
                await asyncio.sleep(0)
            return len((await body.whole())[0])

    assert await asyncio.gather(*[one() for _ in range(20)]) == [1_500_000] * 20
    assert (disk.most, len(disk.open), doors.room.locked()) == (4, 0, False)


async def test_a_small_one_waits_for_nobody() -> None:
    doors = Doors(10_000_000, Disk().draft)
    for _ in range(4):
        await doors.room.acquire()
    async with Body(doors) as body:
        await body.add(b"{}")
        assert await body.whole() == (b"{}", "")


async def test_without_a_disk_a_large_one_is_held_in_memory() -> None:
    async with Body(Doors(10_000_000, lambda: None)) as body:
        for _ in range(30):
            await body.add(bytes(50_000))
        assert await body.whole() == (bytes(1_500_000), "")


async def test_the_limit_in_the_middle_leaves_nothing_and_frees_the_room() -> None:
    disk = Disk()
    doors = Doors(2_000_000, disk.draft)

    async def gathered() -> None:
        async with Body(doors) as body:
            for _ in range(50):
                await body.add(bytes(50_000))

    with pytest.raises(RefusedError) as refused:
        await gathered()
    assert (refused.value.status, disk.most, len(disk.open)) == (413, 1, 0)
    assert doors.room._value == 4


async def test_a_line_that_finds_the_disk_full_is_503_and_the_next_is_taken() -> None:
    disk = Disk(room=1_500_000)
    doors = Doors(10_000_000, disk.draft)
    long = b"a" * 1_200_000
    assert await read(cut(long + long + b"\r\n" + long + b"\n{}", range(0, 4_000_000, 65_536)), doors) == [
        503,
        long,
        b"{}",
    ]
    assert (len(disk.open), doors.room._value) == (0, 4)


async def test_a_large_line_whose_rest_does_not_come_is_408_and_ends_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arriving, "PATIENCE", 0.05)
    disk = Disk()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"{}\n" + b"a" * 1_200_000
        await asyncio.Event().wait()

    said = [line async for line in lines(stalled(), Doors(10_000_000, disk.draft))]
    assert [getattr(line, "status", 0) for line in said] == [0, 408]
    assert not disk.open


async def test_a_caller_who_goes_away_in_the_middle_of_a_line_leaves_nothing() -> None:
    disk = Disk()

    async def broken() -> AsyncIterator[bytes]:
        yield b"a" * 1_200_000
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await anext(lines(broken(), Doors(10_000_000, disk.draft)))
    assert (disk.most, len(disk.open)) == (1, 0)
