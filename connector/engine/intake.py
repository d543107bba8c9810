"""The way in: duplicate asked first, verdict, one commit, and only then the answer (design 2.6)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from connector.engine.faults import place_of
from connector.exchange.known import Known
from connector.ports import (
    Answer,
    Clock,
    Contradicted,
    DuplicateControlId,
    Entry,
    Inbound,
    Journal,
    JournalUnavailable,
    Judge,
    MessageState,
    Peeked,
    Recorded,
)

__all__ = ["Reception"]

log = logging.getLogger(__name__)

_INLINE = 512 * 1024  # bytes; above it the verdict is reached in a thread, so that small messages do not wait behind it
# (a message of 300 kB takes two milliseconds; in a thread twice that, waiting for the interpreter's lock)
_PAGE = 100
_AGAIN = (0.5, 1.0, 2.0, 5.0, 10.0)  # seconds between tries to note a verdict while the journal is away


class Reception:
    """`connector.ports.Intake` over a journal and a judge. Create it on the loop's thread, call it for each message, `stop` it at the end."""

    def __init__(self, journal: Journal, judge: Judge, clock: Clock, *, threads: int = 2) -> None:
        self._journal = journal
        self._judge = judge
        self._clock = clock
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="judge")
        self._pending: dict[int, asyncio.Task[Answer]] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def __call__(self, inbound: Inbound) -> Answer:
        """Never raises for what a message holds: whatever comes is kept and answered, or answered with "send it again".

        FilingStale passes: the receiver makes the message's resources ready again.
        """
        try:
            return await self._received(inbound)
        except JournalUnavailable:
            return Answer(messages=self._unavailable(inbound))

    async def resume(self) -> int:
        """Reach the verdicts that were owed when the process last ended. Returns how many were found."""
        after = count = 0
        while page := await self._journal.unjudged(after, _PAGE):
            for number, inbound in page:
                if number not in self._pending:
                    self._defer(number, inbound, await self._digest(inbound))
                    count += 1
            await asyncio.gather(*[self._pending[number] for number, _ in page if number in self._pending])
            after = page[-1][0]
        return count

    async def rejudge(self, message_id: int) -> bool:
        """Judge a REFUSED or PARKED message again with today's rules; False when it is unknown. Nothing is written to its sender."""
        inbound = await self._journal.inbound(message_id)
        if inbound is None:
            return False
        digest = await self._digest(inbound)
        await self._settled(message_id, inbound, digest)
        return True

    async def stop(self, grace: float = 10.0) -> None:
        """Wait for verdicts in hand, at most `grace` seconds; the others are reached after the next start."""
        await asyncio.gather(*self._notes, return_exceptions=True)
        if self._pending:
            _, late = await asyncio.wait(list(self._pending.values()), timeout=grace)
            for task in late:
                task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _received(self, inbound: Inbound) -> Answer:
        digest = await self._digest(inbound)
        peeked = self._peek(inbound)
        # What a broken frame left is only a part of a message: it never claims a control id.
        if peeked.control_id and not inbound.issues:
            try:
                earlier = await self._journal.find(peeked.sender, peeked.control_id, digest)
            except DuplicateControlId as conflict:
                return await self._conflict(inbound, digest, conflict.message_id)
            if earlier is not None:
                return self._again(earlier)
        if peeked.defer and not inbound.issues:
            return await self._answer_first(inbound, digest)
        entry = await self._verdict(inbound, digest)
        return await self._record(inbound, digest, entry)

    async def _record(self, inbound: Inbound, digest: str, entry: Entry, known: Known | None = None) -> Answer:
        if entry.repeats is not None:
            return Answer(message_id=entry.repeats, state=MessageState.TRANSLATED, repeated=True)
        try:
            recorded = await self._journal.record(entry)
        except DuplicateControlId as conflict:
            return await self._conflict(inbound, digest, conflict.message_id)
        except Contradicted as more:
            known = more.known.and_before(known)
            return await self._record(inbound, digest, await self._verdict(inbound, digest, known), known)
        if recorded.duplicate:
            return self._again(recorded)
        answer = self._answer(recorded.message_id, entry.answers)
        return msgspec.structs.replace(answer, state=entry.state, issues=entry.issues, filed=recorded.filed)

    async def _answer_first(self, inbound: Inbound, digest: str) -> Answer:
        """Enhanced mode and large messages: the raw bytes are safe, CA (or AA) leaves, the verdict follows."""
        entry = self._guarded(inbound, digest, lambda now: self._judge.received(inbound, digest, now))
        answer = await self._record(inbound, digest, entry)
        if answer.message_id is None or answer.later is not None or entry.state is not MessageState.RECEIVED:
            return answer
        if answer.messages != entry.answers:  # another connection was first with the same message
            return answer
        task = self._defer(answer.message_id, inbound, digest)
        return msgspec.structs.replace(answer, later=asyncio.shield(task))

    async def _conflict(self, inbound: Inbound, digest: str, earlier: int) -> Answer:
        """An earlier MSH-10 with other bytes: kept, refused with 205, never delivered (hostile D09)."""
        log.warning("message %d: its control id was used again with other content", earlier)
        entry = self._guarded(inbound, digest, lambda now: self._judge.duplicate(inbound, digest, now, earlier))
        entry = msgspec.structs.replace(entry, conflicts_with=earlier, deliveries=())
        recorded = await self._journal.record(entry)
        return self._answer(recorded.message_id, entry.answers)

    def _again(self, earlier: Recorded) -> Answer:
        """The stored answer; when the verdict is still to come, this connection hears it too."""
        pending = self._pending.get(earlier.message_id)
        later = asyncio.shield(pending) if pending is not None else None
        return msgspec.structs.replace(self._answer(earlier.message_id, earlier.answers, later), repeated=True)

    def _answer(self, message_id: int, messages: tuple[bytes, ...], later: Awaitable[Answer] | None = None) -> Answer:
        """With the note that the receiver makes: the answer was written, or the sender was gone."""
        told = partial(self._note, message_id) if messages else None
        return Answer(messages=messages, message_id=message_id, later=later, told=told)

    def _note(self, message_id: int, told: bool) -> None:
        task = asyncio.ensure_future(self._journal.answered(message_id, told))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    def _defer(self, message_id: int, inbound: Inbound, digest: str) -> asyncio.Task[Answer]:
        task = asyncio.create_task(self._settle(message_id, inbound, digest), name=f"verdict-{message_id}")
        self._pending[message_id] = task
        task.add_done_callback(lambda _: self._pending.pop(message_id, None))
        return task

    async def _settle(self, message_id: int, inbound: Inbound, digest: str) -> Answer:
        tries = 0
        while True:
            try:
                return self._answer(message_id, await self._settled(message_id, inbound, digest, threaded=True))
            except JournalUnavailable:
                # The message is safe as RECEIVED; its verdict is only not noted yet.
                await asyncio.sleep(_AGAIN[min(tries, len(_AGAIN) - 1)])
                tries += 1

    async def _settled(
        self, message_id: int, inbound: Inbound, digest: str, *, threaded: bool = False
    ) -> tuple[bytes, ...]:
        known: Known | None = None
        while True:
            entry = await self._verdict(inbound, digest, known, threaded=threaded)
            if entry.repeats is not None:  # it came again meanwhile, and was accepted
                return ()
            try:
                return await self._journal.settle_verdict(message_id, entry)
            except Contradicted as more:
                known = more.known.and_before(known)

    async def _verdict(
        self, inbound: Inbound, digest: str, known: Known | None = None, *, threaded: bool = False
    ) -> Entry:
        def judge() -> Entry:
            return self._guarded(inbound, digest, lambda now: self._judge.judge(inbound, digest, now, known))

        if threaded or len(inbound.raw) > _INLINE:
            return await asyncio.get_running_loop().run_in_executor(self._threads, judge)
        return judge()

    def _guarded(self, inbound: Inbound, digest: str, make: Callable[[str], Entry]) -> Entry:
        """The entry, or the one that says that our own code failed: the message is kept for a person and the next one goes through."""
        now = self._clock.now()
        try:
            return make(now)
        except Exception as error:
            what = place_of(error)
            log.error("a message could not be judged: %s; it is kept, parked", what)
        try:
            return self._judge.broken(inbound, digest, now, what)
        except Exception as error:
            log.error("nor could that be said: %s", place_of(error))
            return Entry(inbound=inbound, digest=digest, state=MessageState.PARKED)

    def _peek(self, inbound: Inbound) -> Peeked:
        try:
            return self._judge.peek(inbound)
        except Exception as error:
            log.error("a message header could not be read: %s", place_of(error))
            return Peeked()

    def _unavailable(self, inbound: Inbound) -> tuple[bytes, ...]:
        try:
            return self._judge.unavailable(inbound, self._clock.now())
        except Exception as error:
            log.error("no answer could be made: %s", place_of(error))
            return ()

    async def _digest(self, inbound: Inbound) -> str:
        raw = inbound.raw
        if inbound.digest:
            return inbound.digest
        if len(raw) <= _INLINE:
            return hashlib.sha256(raw).hexdigest()
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: hashlib.sha256(raw).hexdigest())
