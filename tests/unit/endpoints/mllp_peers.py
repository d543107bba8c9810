"""Peers for the tests of the MLLP endpoints: a fixed clock, a sender that speaks raw bytes, a receiver that answers from a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from connector.endpoints import Endpoint
from connector.endpoints.mllp_in import MllpIn, MllpInSettings
from connector.endpoints.mllp_out import MllpOut, MllpOutSettings
from connector.hl7.mllp import Frame, FrameDecoder, frame
from connector.ports import Answer, Claimed, DeliveryFailed, Inbound
from tests.waiting import time_passes, until


class FixedClock:
    """Time stands still."""

    def now(self) -> str:
        return "2026-03-04T05:06:07.000+01:00"

    def monotonic(self) -> float:
        return 0.0


def message(control_id: str = "1", extra: str = "") -> bytes:
    """A small message with a name that no log may hold."""
    return f"MSH|^~\\&|SIL|LABO|PFI|CHU|20260304||ADT^A01^ADT_A01|{control_id}|T|2.5\rPID|1||9^^^X||CANARI^JEANNE\r{extra}".encode()


def ack(control_id: str, code: str = "AA") -> bytes:
    """An acknowledgement."""
    return f"MSH|^~\\&|PFI|CHU|SIL|LABO|20260304||ACK^A01^ACK|9|T|2.5\rMSA|{code}|{control_id}\r".encode()


def control_id_of(raw: bytes) -> str:
    """MSH-10 of a whole message."""
    return raw.split(b"\r")[0].split(b"|")[9].decode()


class Desk:
    """An intake that remembers what it was given; `verdict` makes the answer."""

    def __init__(self, verdict: Callable[[Inbound], Awaitable[Answer]] | None = None) -> None:
        self.taken: list[Inbound] = []
        self.told: list[bool] = []
        self.verdict = verdict

    async def __call__(self, inbound: Inbound) -> Answer:
        self.taken.append(inbound)
        if self.verdict is not None:
            return await self.verdict(inbound)
        return Answer(
            messages=(ack(control_id_of(inbound.raw), "AR" if inbound.issues else "AA"),), told=self.told.append
        )


@asynccontextmanager
async def receiving(desk: Desk, **settings: Any) -> AsyncIterator[MllpIn]:
    """A receiver on a free port."""
    receiver = MllpIn(MllpInSettings(port=0, **settings), Endpoint(name="lab", clock=FixedClock()))
    await receiver.start(desk)
    try:
        yield receiver
    finally:
        await receiver.stop()


class Peer:
    """A sender at the level of bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.decoder = FrameDecoder()
        self.waiting: list[bytes] = []

    @classmethod
    async def to(cls, receiver: MllpIn, **options: Any) -> Peer:
        """Connect."""
        host, port = receiver.addresses[0]
        return cls(*await asyncio.open_connection(host, port, **options))

    def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.writer.write(data)

    async def answer(self, timeout: float = 60.0) -> bytes:
        """The next answer."""
        async with asyncio.timeout(timeout):
            while not self.waiting:
                chunk = await self.reader.read(65536)
                if not chunk:
                    raise EOFError
                self.waiting += [item.data for item in self.decoder.feed(chunk) if isinstance(item, Frame)]
        return self.waiting.pop(0)

    async def closed(self) -> bytes:
        """Wait until the receiver closes; what it said before."""
        async with asyncio.timeout(60):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def good(self, control_id: str = "good") -> None:
        """A good message is accepted."""
        self.send(frame(message(control_id)))
        assert await self.answer() == ack(control_id)

    async def leave(self) -> None:
        """Close."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


def claimed(raw: bytes) -> Claimed:
    """A delivery of these bytes."""
    return Claimed(
        delivery_id=1,
        message_id=1,
        destination="pfi",
        key="k",
        attempts=0,
        resent=False,
        control_id="",
        type="",
        raw=raw,
        exchange=None,
    )


async def nothing() -> None:
    """A `before_send` that has nothing to stamp."""


async def unanswered(sender: MllpOut, raw: bytes, met: Callable[[], object]) -> DeliveryFailed:
    """The failure of a delivery whose time is over once it has `met` what it should meet before."""
    delivery = asyncio.create_task(sender.deliver(claimed(raw), nothing))
    await until(met)
    time_passes(max(sender.settings.ack_timeout, sender.settings.application_timeout) + 1)
    with pytest.raises(DeliveryFailed) as failed:
        await delivery
    return failed.value


class Script:
    """A receiver that does what it is told: `answer(message, write, close)` for each message."""

    def __init__(self, answer: Callable[[bytes, Script], Awaitable[None]]) -> None:
        self.answering = answer
        self.taken: list[bytes] = []
        self.accepted = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.writer: asyncio.StreamWriter

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.writers.append(writer)
        decoder = FrameDecoder()
        try:
            while chunk := await reader.read(65536):
                for item in decoder.feed(chunk):
                    assert isinstance(item, Frame)
                    self.taken.append(item.data)
                    self.writer = writer
                    await self.answering(item.data, self)
        except ConnectionError:
            pass
        finally:
            writer.close()

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.writer.write(data)


@asynccontextmanager
async def delivering(script: Script, **settings: Any) -> AsyncIterator[tuple[MllpOut, list[bytes]]]:
    """A sender connected to a scripted receiver, and the answers that it kept apart."""
    kept: list[bytes] = []

    async def unmatched(destination: str, answer: bytes) -> None:
        assert destination == "pfi"
        kept.append(answer)

    server = await asyncio.start_server(script, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    endpoint = Endpoint(name="pfi", clock=FixedClock(), unmatched=unmatched)
    sender = MllpOut(MllpOutSettings(host="127.0.0.1", port=port, **settings), endpoint)
    try:
        yield sender, kept
    finally:
        await sender.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)
