"""A partner to try a connection with: send messages and see each answer; listen and answer as told (well, badly, late, never).

Not an endpoint kind: `connector send`, `connector listen`, `connector demo` and tests use it. Messages leave byte for byte as they
are, unless a fresh MSH-10 is asked for: then that one field is replaced in the bytes.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Literal

import msgspec

from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.hl7.acknowledge import Ack, acknowledge, read_ack, read_header
from connector.hl7.mllp import CR, FS, VT, Frame, FrameDecoder
from connector.issues import Issue, IssueCode, Severity

__all__ = ["Answered", "Answering", "ScriptedPeer", "answering", "control_id", "send_messages", "with_control_id"]

_CHUNK = 262_144
_MSH10 = 10


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message sent: the answers as received and read, the seconds until the last, and why there is none."""

    control_id: str
    answers: tuple[bytes, ...] = ()
    acks: tuple[Ack, ...] = ()
    seconds: float = 0.0
    trouble: str = ""

    @property
    def accepted(self) -> bool:
        """True when the last answer is AA, or CA with nothing after it, for this message."""
        return bool(self.acks) and self.acks[-1].accepted and self.acks[-1].control_id == self.control_id


class Answering(msgspec.Struct, frozen=True):
    """How a scripted partner answers: with an acknowledgement code, after so many seconds, not at all, or by a reset."""

    code: Literal["AA", "AE", "AR"] = "AA"
    after: float = 0.0
    silent: bool = False
    reset: bool = False


def answering(text: str) -> Answering:
    """`AA`, `AE`, `AR`, `none`, `late:S` (AA after S seconds) or `reset`. Raises ValueError naming these."""
    word = text.strip()
    if word.upper() in ("AA", "AE", "AR"):
        return msgspec.convert({"code": word.upper()}, Answering)
    if word.lower() == "none":
        return Answering(silent=True)
    if word.lower() == "reset":
        return Answering(reset=True)
    if late := re.fullmatch(r"late:([0-9]+(?:\.[0-9]+)?)", word, re.IGNORECASE):
        return Answering(after=float(late[1]))
    raise ValueError("AA, AE, AR, none, late:S or reset")


def control_id(raw: bytes) -> str:
    """MSH-10 as it stands, "" when there is no readable header."""
    header = read_header(raw)
    return header.text(_MSH10) if header else ""


def with_control_id(raw: bytes, fresh: str) -> bytes:
    """The same bytes with another MSH-10. Raises ValueError when there is no header to put it in."""
    header = read_header(raw)
    if header is None:
        raise ValueError("no MSH segment")
    start = raw.index(b"MSH")
    ends = [end for mark in (b"\r", b"\n") if (end := raw.find(mark, start)) >= 0]
    end = min(ends, default=len(raw))
    mark = header.separators.field.encode()
    fields = raw[start:end].split(mark)
    fields += [b""] * (_MSH10 - len(fields))
    fields[_MSH10 - 1] = fresh.encode("ascii")  # MSH-1 is the separator itself: MSH-n stands at n - 1
    return raw[:start] + mark.join(fields) + raw[end:]


async def send_messages(
    host: str,
    port: int,
    messages: Iterable[bytes],
    *,
    timeout: float = 30.0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Answered]:
    """Send over one connection, one after the other, each after the answer to the one before. Raises OSError when nobody listens."""
    reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port, ssl=tls), timeout)
    decoder = FrameDecoder()
    try:
        for raw in messages:
            yield await _exchange(reader, writer, decoder, raw, timeout)
    finally:
        writer.close()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, decoder: FrameDecoder, raw: bytes, timeout: float
) -> Answered:
    header = read_header(raw)
    identity = header.text(_MSH10) if header else ""
    accept, application = (header.text(15).upper(), header.text(16).upper()) if header else ("", "")
    if header is not None and accept == "NE" and application == "NE":
        writer.writelines((VT, raw, FS, CR))
        await writer.drain()
        return Answered(control_id=identity, trouble="no answer asked for")
    started = time.monotonic()
    answers: list[bytes] = []
    trouble = ""
    try:
        async with asyncio.timeout(timeout):
            writer.writelines((VT, raw, FS, CR))
            await writer.drain()
            # Enhanced mode: after CA the application's own answer follows when it was asked for.
            while not answers or (read_ack(answers[-1]).code == "CA" and application in ("AL", "SU", "ER")):
                chunk = await reader.read(_CHUNK)
                if not chunk:
                    trouble = "connection closed without an answer" if not answers else ""
                    break
                answers += [found.data for found in decoder.feed(chunk) if isinstance(found, Frame)]
    except TimeoutError:
        trouble = f"no answer within {timeout:g} s" if not answers else ""
    except ConnectionError as error:
        trouble = f"connection lost ({type(error).__name__})"
    acks = tuple(read_ack(answer) for answer in answers)
    seconds = time.monotonic() - started
    return Answered(control_id=identity, answers=tuple(answers), acks=acks, seconds=seconds, trouble=trouble)


class ScriptedPeer:
    """Listens and answers as told; `received` is called with each message, before the answer. `port` 0 takes a free one."""

    def __init__(
        self,
        answer: Answering,
        received: Callable[[bytes], None],
        *,
        now: Callable[[], str],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self.port = 0
        self._received = received
        self._now = now
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> None:
        """Listen; `port` then says where. Raises OSError."""
        self._server = await asyncio.start_server(self._accept, host, port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close, and the connections with it."""
        if self._server is not None:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.get_running_loop().create_task(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = FrameDecoder()
        try:
            while chunk := await reader.read(_CHUNK):
                for found in decoder.feed(chunk):
                    if isinstance(found, Frame) and not await self._answer(found.data, writer):
                        return
        except ConnectionError:
            return  # the other side went away: that is what a listener is told by
        finally:
            writer.close()

    async def _answer(self, raw: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer one message; False when the connection is to end."""
        self._received(raw)
        answer = self.answer
        if answer.reset:
            writer.transport.abort()
            return False
        if answer.after:
            await asyncio.sleep(answer.after)
        header = None if answer.silent else read_header(raw)
        if header is not None:
            issues = () if answer.code == "AA" else (Issue.of(Severity.ERROR, IssueCode.INTERNAL, what="listen"),)
            ack = acknowledge(header, answer.code, issues, Context(now=Moment(self._now())))
            writer.writelines((VT, ack, FS, CR))
            await writer.drain()
        return True
