"""One sender's connection: frames in, intake, answers out in order; what it may hold is bounded."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from typing import cast

import msgspec

from connector.endpoints import Endpoint
from connector.endpoints.mllp_in.admission import Admission, keep_alive
from connector.endpoints.mllp_in.budget import Budget
from connector.endpoints.mllp_in.settings import MllpInSettings
from connector.hl7.mllp import Frame, FrameDecoder, FrameTrouble, Trouble, frame
from connector.issues import Issue
from connector.ports import Answer, Inbound, Intake

__all__ = ["Connection", "Floor"]

log = logging.getLogger("connector.endpoints.mllp_in")

#: Times that text in front of frames is forgiven: at the next one the connection is closed.
STRIKES = 2
#: Seconds that a closing connection is still read, so that its last answer is not lost in a reset.
PARTING = 1.0


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """What the connections of one receiver share."""

    settings: MllpInSettings
    endpoint: Endpoint
    intake: Intake
    loop: asyncio.AbstractEventLoop
    admission: Admission
    budget: Budget
    counts: Counter[str]
    connections: set[Connection]


class Connection(asyncio.Protocol):
    """One sender. Messages go to the intake in the order received; answers leave in the same order."""

    def __init__(self, floor: Floor) -> None:
        self.gone = False
        self._floor = floor
        self._decoder = FrameDecoder(floor.settings.max_message, require_cr=floor.settings.require_cr)
        self._backlog: deque[tuple[bytes, tuple[Issue, ...], bool]] = deque()
        self._owed: deque[tuple[asyncio.Future[Answer], int, bool]] = deque()
        self._later: set[asyncio.Future[Answer]] = set()
        self._wait: set[str] = set()  # why reading is paused: answers, writing, memory
        self._paused = False
        self._closing = False  # nothing more is taken; closes once nothing is owed
        self._linger = False  # the sender still writes: see `_part`
        self._parted = False
        self._ended = False  # the sender closed, wholly or for its part: TCP does not say which
        self._admitted = False
        self._strikes = 0
        self._begun = 0
        self._frame_since = self._last = floor.loop.time()
        self._address = self._remote = ""
        self._transport: asyncio.Transport

    # --- events of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit or close, before anything is read."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        self._address = str(peer[0])
        self._remote = f"{peer[0]}:{peer[1]}"
        floor = self._floor
        reason = floor.admission.admit(self._address, self._transport)
        if reason:
            floor.counts["refused connections"] += 1
            self._say("refused: %s", reason)
            self._closing = True
            self._transport.abort()
            return
        self._admitted = True
        floor.connections.add(self)
        floor.counts["connections"] += 1
        keep_alive(transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        """What is in hand goes on; its answers cannot be told."""
        self.gone = True
        self._read_end()
        if self._admitted:
            self._floor.admission.left(self._address)
        self._closing = True
        self._pump()
        self._floor.budget.release(self, 0)

    def eof_received(self) -> bool:
        """The sender will send nothing more but may still read: answer what is in hand, then close."""
        self._linger = False
        self._ended = True
        self._read_end()
        self.finish()
        return not self._parted and not self._transport.is_closing() and self._floor.settings.tls is None

    def pause_writing(self) -> None:
        """The sender does not read its answers: take no more messages from it."""
        self._wait.add("writing")
        self._throttle()

    def resume_writing(self) -> None:
        """It reads again."""
        self._wait.discard("writing")
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Take frames out of the chunk."""
        if self._closing:
            return
        decoder = self._decoder
        before = decoder.held
        self._last = self._floor.loop.time()
        found = decoder.feed(data)
        if decoder.begun != self._begun:
            self._begun = decoder.begun
            self._frame_since = self._last
        change = decoder.held - before
        for item in found:
            if isinstance(item, Frame):
                self._backlog.append((item.data, (), True))
                change += len(item.data)
            else:
                change += self._met(item)
                if item.fatal or self._strikes > STRIKES:
                    break
        if change and not self._floor.budget.may_read(self, change):
            self._wait.add("memory")
        self._pump()

    # --- from frames to the intake and back

    def _met(self, trouble: FrameTrouble) -> int:
        """What is done about what is no frame: counted, told in the log without content, kept when it is part of a message.

        Returns the bytes kept.
        """
        self._floor.counts[trouble.kind.value] += 1
        if trouble.kind is Trouble.EMPTY:
            return 0
        if trouble.kind is Trouble.FOREIGN:
            self._say("looks like %s on an MLLP port; closed", trouble.protocol)
        else:
            self._say("%s (%d bytes)", trouble.kind.value, trouble.count)
        if trouble.kind is Trouble.STRAY:
            self._strikes += 1
        if trouble.fatal or self._strikes > STRIKES:
            self._closing = True
            self._linger = trouble.kind is Trouble.TOO_LARGE
        if trouble.data[:16].lstrip(b"\xef\xbb\xbf\r\n ")[:3] != b"MSH":
            return 0
        answered = trouble.kind in (Trouble.FS_IN_DATA, Trouble.TOO_LARGE)
        self._backlog.append((trouble.data, (trouble.issue,), answered))
        return len(trouble.data)

    def _read_end(self) -> None:
        """The stream has ended: the beginning of a frame in hand is kept."""
        if not self._decoder.closed:
            change = -self._decoder.held
            change += sum(self._met(item) for item in self._decoder.end() if isinstance(item, FrameTrouble))
            self._floor.budget.release(self, -change)

    def _pump(self) -> None:
        """Give the intake what it may have, then read on, wait or close."""
        owed, backlog, floor = self._owed, self._backlog, self._floor
        while backlog and len(owed) < floor.settings.in_flight and ("writing" not in self._wait or self.gone):
            raw, issues, answered = backlog.popleft()
            floor.counts["messages"] += 1
            inbound = Inbound(
                raw=raw,
                endpoint=floor.endpoint.name,
                remote=self._remote,
                received_at=floor.endpoint.clock.now(),
                issues=issues,
            )
            task = asyncio.ensure_future(floor.intake(inbound))
            owed.append((task, len(raw), answered))
            task.add_done_callback(self._judged)
        # Reading goes on until another message waits: a sender that leaves is noticed while its answer is owed.
        if backlog:
            self._wait.add("answers")
        else:
            self._wait.discard("answers")
        self._throttle()
        if self._closing and not owed and not backlog and not self._later:
            self._part()

    def _judged(self, _task: asyncio.Future[Answer]) -> None:
        """Write every answer whose turn has come."""
        owed = self._owed
        while owed and owed[0][0].done():
            task, size, answered = owed.popleft()
            if task.cancelled() or task.exception() is not None:
                # Without a verdict nothing may be said: the sender will send again on a new connection.
                log.error("%s: %s intake failed: %s", self._floor.endpoint.name, self._remote, _named(task))
                self._closing = True
            else:
                self._answer(task.result(), answered)
            self._floor.budget.release(self, size)
        self._pump()

    def _answer(self, answer: Answer, wanted: bool = True) -> None:
        writable = wanted and not self.gone and not self._transport.is_closing()
        if writable and answer.messages:
            self._transport.write(b"".join(map(frame, answer.messages)))
        if answer.told is not None:
            # To a sender that has closed one may still write, but not claim that it was heard.
            answer.told(writable and not self._ended)
        if answer.close:
            self._closing = True
        if answer.later is not None:
            later = asyncio.ensure_future(answer.later)
            self._later.add(later)
            later.add_done_callback(self._settled)

    def _settled(self, later: asyncio.Future[Answer]) -> None:
        self._later.discard(later)
        if later.cancelled() or later.exception() is not None:
            log.error(
                "%s: %s the verdict that was to follow failed: %s",
                self._floor.endpoint.name,
                self._remote,
                _named(later),
            )
        else:
            self._answer(later.result())
        self._pump()

    # --- reading, pausing, closing

    def relieved(self) -> None:
        """There is room in memory again."""
        self._wait.discard("memory")
        self._throttle()

    def _throttle(self) -> None:
        if self.gone or self._transport.is_closing():
            return
        wanted = bool(self._wait) and not self._closing
        if wanted and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        elif not wanted and self._paused:
            self._paused = False
            # Our own waiting is not the sender's slowness.
            self._last = self._frame_since = self._floor.loop.time()
            self._transport.resume_reading()

    def check_time(self, now: float) -> None:
        """Close when the message in hand takes too long, when nothing comes and nothing is owed, or when answers are not read."""
        settings = self._floor.settings
        if self._closing:
            return
        if self._paused:
            if "writing" in self._wait and now - self._last > settings.idle_timeout:
                self._late("answers not read")
                self.abort()
        elif self._decoder.in_frame and now - self._frame_since > settings.frame_timeout:
            self._late("frame timeout")
            self.finish()
        elif not (self._decoder.in_frame or self._owed or self._later) and now - self._last > settings.idle_timeout:
            self._late("idle timeout")
            self.finish()

    def _late(self, reason: str) -> None:
        self._floor.counts[reason] += 1
        self._say("closed: %s", reason)
        self._read_end()

    def finish(self) -> None:
        """Read nothing more, answer what is in hand, close."""
        self._closing = True
        self._pump()

    def _part(self) -> None:
        """Close so that the last answer arrives: bytes still unread would make the system reset the connection and drop it."""
        if self.gone:
            self._floor.connections.discard(self)
        elif not self._parted and not self._transport.is_closing():
            self._parted = True
            if self._linger and self._transport.can_write_eof():
                self._transport.write_eof()
                self._floor.loop.call_later(PARTING, self._transport.close)
            else:
                self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _say(self, text: str, *parameters: object) -> None:
        log.warning("%s: %s " + text, self._floor.endpoint.name, self._remote, *parameters)


def _named(task: asyncio.Future[Answer]) -> str:
    """The kind of a failure: its text might hold what was sent."""
    return "cancelled" if task.cancelled() else type(task.exception()).__name__
