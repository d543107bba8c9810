"""Delivers HL7 v2 over MLLP: a few persistent connections to one destination, one message in hand on each.

An acknowledgement is matched by MSA-2 alone. What it says is judged by the partner's table; what belongs to no message in hand
(late, foreign, repeated) is kept through `Endpoint.unmatched` and never taken for another message's.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Literal, cast

from pydantic import Field

from connector.endpoints import Endpoint, EndpointKind, EndpointSettings
from connector.endpoints.tls import ClientTls, client_context
from connector.hl7.acknowledge import ACK_LIMIT, Ack, read_ack, read_header
from connector.hl7.mllp import CR, FS, VT, Frame, FrameDecoder, Trouble, frame
from connector.issues import Issue, IssueCode, Severity
from connector.ports import Claimed, DeliveryFailed, Receipt, Retry

__all__ = ["KIND", "MllpOut", "MllpOutSettings"]

log = logging.getLogger(__name__)

_LARGE = 64 * 1024  # bytes

Verdict = Literal["accepted", "retry", "park"]
Code = Literal["AA", "AE", "AR", "CA", "CE", "CR"]

#: CI-SIS: AR and CR are circumstances and may be sent again; AE and CE are the content's fault and need a person.
VERDICTS: dict[Code, Verdict] = {
    "AA": "accepted",
    "CA": "accepted",
    "AE": "park",
    "CE": "park",
    "AR": "retry",
    "CR": "retry",
}


class MllpOutSettings(EndpointSettings):
    """Settings of an MLLP destination."""

    host: str = Field(description="Host of the destination.")
    port: int = Field(ge=1, le=65535, description="Its port.")
    tls: ClientTls | None = Field(default=None, description="TLS; without it the messages travel in clear.")
    format: str = Field(
        default="raw", description="`raw`: the bytes as received, MSH-10 included; `hl7`: written by the mappings."
    )
    documents: Literal["", "transmission", "lps"] = Field(
        default="",
        description="Volet that says a document, when written: `transmission` (CISIS_CDA_HL7_V2) or `lps` (CISIS_CDA_HL7_LPS, with the mail around it); by default `lps` for what a mailbox or a user of MonSisra sent.",
    )
    requests: Literal["teleexpertise", "referral", "none"] = Field(
        default="teleexpertise",
        description="Messages that say the state of a téléexpertise, when written: `teleexpertise` (ORM^O01, ORU^R01), `referral` (REF^I12, RRI^I12) or `none`, its documents alone. Both are profiles of this project.",
    )
    connections: int = Field(
        default=4, ge=1, le=64, description="Connections at most; each carries one message at a time."
    )
    connect_timeout: float = Field(default=10.0, gt=0, description="Seconds to connect.")
    ack_timeout: float = Field(default=30.0, gt=0, description="Seconds to wait for an acknowledgement after sending.")
    await_application: bool = Field(
        default=False,
        description="Whether a commit acknowledgement (CA) must be followed by the application's (AA) on the same connection.",
    )
    application_timeout: float = Field(default=60.0, gt=0, description="Seconds to wait for it after CA.")
    answers: dict[Code, Verdict] = Field(
        default={},
        description="What MSA-1 means for this partner where it differs: `accepted`, `retry` (send again) or `park` (a person decides).",
    )
    linger: float = Field(
        default=30.0,
        ge=0,
        description="Seconds that a connection without answer is still heard, to keep a late acknowledgement.",
    )

    def verdict(self, code: str) -> Verdict:
        """What an MSA-1 means."""
        known = cast("Code", code)
        return self.answers.get(known, VERDICTS[known])


class MllpOut:
    """A `Sender`. `counts` says what happened since the start, for metrics."""

    def __init__(self, settings: MllpOutSettings, endpoint: Endpoint) -> None:
        self.settings = settings
        self.endpoint = endpoint
        self.counts: Counter[str] = Counter()
        self._context = client_context(settings.tls) if settings.tls else None
        self._free = asyncio.Semaphore(settings.connections)
        self._idle: list[_Line] = []
        self._lines: set[_Line] = set()
        self._lingering: deque[_Line] = deque()
        self._keeping: set[asyncio.Future[None]] = set()
        if self._context is None and not _loopback(settings.host):
            log.warning("%s: messages travel in clear to %s", endpoint.name, settings.host)

    async def deliver(self, claimed: Claimed, before_send: Callable[[], Awaitable[None]]) -> Receipt:
        """Send one message and wait for its acknowledgement. Raises DeliveryFailed: SAFE when nothing left or the peer asks for
        another try, AMBIGUOUS when no readable answer came, NEVER (parked) when it was refused."""
        data = self._bytes(claimed)
        header = read_header(data)
        if header is None:
            raise DeliveryFailed(Retry.NEVER, _issue(IssueCode.NOT_HL7, expected="MSH"), park=True)
        async with self._free:
            line = await self._line()
            try:
                await before_send()
            except BaseException:
                self._put_back(line)
                raise
            try:
                ack, answer = await line.exchange(data, header.control_id)
            except DeliveryFailed:
                self._linger(line)
                raise
            except BaseException:
                line.close()
                raise
            self._put_back(line)
        return self._judged(ack, answer, data)

    async def close(self) -> None:
        """Release connections; a message in hand becomes ambiguous."""
        for line in list(self._lines):
            line.close()
        await asyncio.gather(*self._keeping, return_exceptions=True)

    def _bytes(self, claimed: Claimed) -> bytes:
        if self.settings.format == "raw" or self.endpoint.write is None:
            return bytes(claimed.raw)
        written = self.endpoint.write(claimed, self.settings.format)
        if written.value is None:
            issue = max(
                written.issues, key=lambda found: found.severity, default=_issue(IssueCode.INTERNAL, what="write")
            )
            raise DeliveryFailed(Retry.NEVER, issue, park=True)
        return written.value

    def _judged(self, ack: Ack, answer: bytes, data: bytes) -> Receipt:
        verdict = self.settings.verdict(ack.code)
        self.counts[ack.code] += 1
        if verdict == "accepted":
            return Receipt(reference=ack.code, sent=data, answer=answer)
        retry = Retry.SAFE if verdict == "retry" else Retry.NEVER
        raise DeliveryFailed(
            retry, _issue(IssueCode.ANSWER_REFUSED, what=_codes(ack)), answer=answer, sent=data, park=verdict == "park"
        )

    async def _line(self) -> _Line:
        """An idle connection, else a new one. Raises DeliveryFailed SAFE."""
        while self._idle:
            line = self._idle.pop()
            if not line.gone:
                return line
        # A partner that takes few connections must not be kept from the next message by one that only listens for a late answer.
        while self._lingering and len(self._lines) >= self.settings.connections:
            self._lingering.popleft().close()
        settings = self.settings
        where = f"{settings.host}:{settings.port}"
        name = (settings.tls.server_name or settings.host) if settings.tls else None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(settings.connect_timeout):
                _, line = await loop.create_connection(
                    lambda: _Line(self, loop), settings.host, settings.port, ssl=self._context, server_hostname=name
                )
        except ssl.SSLCertVerificationError as error:
            raise _unreachable(where, f"certificate: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise _unreachable(where, f"TLS: {error.reason}") from error
        except TimeoutError as error:
            raise _unreachable(where, "timeout") from error
        except OSError as error:
            raise _unreachable(where, error.strerror or type(error).__name__) from error
        self.counts["connections"] += 1
        return line

    def joined(self, line: _Line) -> None:
        """A connection is open."""
        self._lines.add(line)

    def left(self, line: _Line) -> None:
        """A connection is gone."""
        self._lines.discard(line)
        for kept in (self._idle, self._lingering):
            if line in kept:
                kept.remove(line)

    def unmatched(self, answer: bytes) -> None:
        """Keep an answer that belongs to no message in hand."""
        self.counts["unmatched"] += 1
        log.warning("%s: an acknowledgement of no message in hand, kept apart", self.endpoint.name)
        if self.endpoint.unmatched is not None:
            task = asyncio.ensure_future(self.endpoint.unmatched(self.endpoint.name, answer))
            self._keeping.add(task)
            task.add_done_callback(self._kept)

    def _kept(self, task: asyncio.Future[None]) -> None:
        self._keeping.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error(
                "%s: an acknowledgement could not be kept: %s", self.endpoint.name, type(task.exception()).__name__
            )

    def _put_back(self, line: _Line) -> None:
        if not line.gone:
            self._idle.append(line)

    def _linger(self, line: _Line) -> None:
        """Listen a while for the late answer; the connection is not used again."""
        if line.gone or line.unusable or not self.settings.linger:
            line.close()
        else:
            self._lingering.append(line)
            line.loop.call_later(self.settings.linger, line.close)


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, owner: MllpOut, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.gone = False
        self.unusable = False
        self._owner = owner
        self._decoder = FrameDecoder(ACK_LIMIT, require_cr=False)
        self._control_id = ""
        self._waiting: asyncio.Future[tuple[Ack, bytes]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._commit = b""
        self._transport: asyncio.Transport

    async def exchange(self, data: bytes, control_id: str) -> tuple[Ack, bytes]:
        """Send and wait. Raises DeliveryFailed AMBIGUOUS."""
        waiting: asyncio.Future[tuple[Ack, bytes]] = self.loop.create_future()
        self._waiting = waiting
        self._control_id = control_id
        self._commit = b""
        if len(data) > _LARGE:
            self._transport.writelines((VT, data, FS, CR))  # no copy of a large document
        else:
            self._transport.write(frame(data))
        self._wait(self._owner.settings.ack_timeout, "ack_timeout")
        try:
            return await waiting
        except DeliveryFailed as failed:
            failed.sent = data
            raise
        finally:
            self._waiting = None
            if self._timer is not None:
                self._timer.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._owner.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody will answer on it any more."""
        self.gone = True
        self._owner.left(self)
        self._fail(IssueCode.NO_ANSWER, what="connection closed")

    def eof_received(self) -> bool:
        """The peer closes: so do we."""
        return False

    def data_received(self, data: bytes) -> None:
        """Take answers out of the chunk."""
        for item in self._decoder.feed(data):
            if isinstance(item, Frame):
                self._answered(item.data)
                continue
            if item.kind is not Trouble.STRAY or item.fatal:
                self._unreadable(item.data)
            if item.fatal:
                self.close()

    def close(self) -> None:
        """Close at once."""
        self.unusable = True
        if not self.gone:
            self._transport.abort()

    def _answered(self, answer: bytes) -> None:
        ack = read_ack(answer)
        waiting = self._waiting
        if ack.unreadable is not None:
            self._unreadable(answer)
        elif waiting is None or waiting.done() or ack.control_id != self._control_id:
            self._owner.unmatched(answer)
        elif ack.code == "CA" and self._owner.settings.await_application:
            if self._commit:
                self._owner.unmatched(answer)
            self._commit = answer
            self._wait(self._owner.settings.application_timeout, "application_timeout")
        else:
            waiting.set_result((ack, self._commit + answer))

    def _unreadable(self, answer: bytes) -> None:
        """An answer that says nothing: what became of the message is unknown, and so is what would come next on this connection."""
        self.unusable = True
        if self._waiting is None or self._waiting.done():
            self._owner.unmatched(answer)
        self._fail(IssueCode.ANSWER_UNREADABLE, answer)

    def _wait(self, seconds: float, name: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, lambda: self._fail(IssueCode.NO_ANSWER, what=name))

    def _fail(self, code: IssueCode, answer: bytes = b"", **parameters: str) -> None:
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.set_exception(
                DeliveryFailed(Retry.AMBIGUOUS, _issue(code, **parameters), answer=self._commit + answer)
            )


def _codes(ack: Ack) -> str:
    """MSA-1 and the codes of the errors: no text, which could name a patient."""
    words = [ack.code]
    for error in ack.errors[:5]:
        words += [
            code
            for code in (error.condition, error.application)
            if code.isascii() and code.isalnum() and len(code) < 20
        ]
    return " ".join(words)


def _issue(code: IssueCode, **parameters: str) -> Issue:
    return Issue.of(Severity.ERROR, code, **parameters)


def _unreachable(where: str, reason: str) -> DeliveryFailed:
    return DeliveryFailed(Retry.SAFE, _issue(IssueCode.UNREACHABLE, what=f"{where}, {reason}"))


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


KIND = EndpointKind(
    name="mllp_out",
    direction="out",
    title=("Envoi HL7 v2 par MLLP", "HL7 v2 over MLLP, sending"),
    settings=MllpOutSettings,
    build=MllpOut,
)
