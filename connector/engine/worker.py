"""The way out: one worker a destination takes lanes that are due and delivers each lane's messages one after the other."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any

from connector.engine.faults import place_of
from connector.engine.pace import Pace
from connector.engine.retry import next_attempt
from connector.issues import Issue, IssueCode, Severity
from connector.ports import (
    Claimed,
    Clock,
    DeliveryFailed,
    DeliveryState,
    Journal,
    JournalUnavailable,
    OwnershipLost,
    Policy,
    Receipt,
    Retry,
    Sender,
)

__all__ = ["Worker"]

log = logging.getLogger(__name__)

_DEPTH = 8  # deliveries of one lane that are read at once
_LONGEST = 30.0  # seconds without looking, when nothing is said
_AGAIN = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries while the journal is away


class Again(Enum):
    """Why there is no receipt: go on with the next delivery, or read the lane again."""

    NEXT = "next"
    FETCH = "fetch"


class _Noting:
    """The acceptance that is being noted while the lane's next delivery is stamped: one commit for both. Nothing leaves before it is durable."""

    def __init__(self) -> None:
        self._task: asyncio.Task[bool] | None = None

    async def begin(self, settling: Coroutine[Any, Any, bool]) -> None:
        """Start noting; what is asked of the journal next comes after it, in the same transaction or a later one."""
        self._task = asyncio.create_task(settling)
        await asyncio.sleep(0)

    async def noted(self) -> None:
        """Wait until it is durable. Raises what noting met."""
        if self._task is not None:
            await self._task
            self._task = None


def _jitter() -> float:
    """Up to a tenth more, so that lanes that failed together do not come back together."""
    return 1.0 + random.random() / 10  # noqa: S311 - no secret


class Worker:
    """Delivers to one destination: at most `parallel` at once, one at a time a lane, in order, until `stop`."""

    def __init__(
        self,
        journal: Journal,
        destination: str,
        sender: Sender,
        policy: Policy,
        clock: Clock,
        *,
        parallel: int = 4,
        jitter: Callable[[], float] = _jitter,
    ) -> None:
        self.destination = destination
        self._journal = journal
        self._sender = sender
        self._policy = policy
        self._clock = clock
        self._parallel = parallel
        self._jitter = jitter
        self._pace = Pace(parallel, policy)
        # Lanes beyond `parallel` are in hand so that the next one starts while the last one is being settled.
        self._ahead = parallel + max(4, parallel // 2)
        self._sending = asyncio.Semaphore(parallel)
        self._lanes: dict[int, asyncio.Task[None]] = {}
        self._freed = asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()
        self._stopping = False

    async def run(self) -> None:
        """Work until `stop`; an error that leaves here is a defect, the supervisor starts again."""
        tries = 0
        while not self._stopping:
            try:
                await self._turn()
                tries = 0
            except JournalUnavailable:
                await self._sleep(_AGAIN[min(tries, len(_AGAIN) - 1)])
                tries += 1

    def pause(self) -> None:
        """Start nothing new; what is on its way is finished."""
        self._going.clear()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._going.set()

    @property
    def paused(self) -> bool:
        """Whether a person halted this destination."""
        return not self._going.is_set()

    async def stop(self, grace: float = 10.0) -> None:
        """Finish what is being sent, at most `grace` seconds. What is cut off then counts as perhaps sent."""
        self._stopping = True
        self._going.set()
        self._freed.set()
        self._journal.wake(self.destination)
        if self._lanes:
            _, late = await asyncio.wait(list(self._lanes.values()), timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=2.0)

    async def _turn(self) -> None:
        await self._going.wait()
        rest = self._pace.rest(self._clock.monotonic())
        if rest > 0:
            await self._sleep(rest)
            return
        room = min(self._ahead, self._pace.width + self._ahead - self._parallel) if self._pace.width > 1 else 1
        room -= len(self._lanes)
        if room <= 0:
            self._freed.clear()
            await self._freed.wait()
            return
        claimed = await self._journal.claim(self.destination, room)
        for lane_id, _, _ in claimed:
            self._begin(lane_id)
        if len(claimed) < room and not self._stopping:
            await self._journal.wait_for_work(self.destination, _LONGEST)

    def _begin(self, lane_id: int) -> None:
        """Start on a lane. When it was lost and is ours again while its old task still runs, that one finishes first."""
        before = self._lanes.get(lane_id)
        task = asyncio.create_task(self._work(lane_id, before), name=f"{self.destination}-{lane_id}")
        self._lanes[lane_id] = task
        task.add_done_callback(lambda done: self._ended(lane_id, done))

    def _ended(self, lane_id: int, task: asyncio.Task[None]) -> None:
        if self._lanes.get(lane_id) is task:
            del self._lanes[lane_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: a lane was given up: %s", self.destination, place_of(error))
        self._freed.set()
        self._journal.wake(self.destination)

    async def _work(self, lane_id: int, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        owned = True
        try:
            owned = await self._lane(lane_id)
        finally:
            if owned:
                await self._release(lane_id)

    async def _release(self, lane_id: int) -> None:
        try:
            await self._journal.release(lane_id)
        except JournalUnavailable:
            # The owner session is gone and its lanes with it, or the journal is stopped.
            log.debug("%s: a lane could not be released", self.destination)

    async def _lane(self, lane_id: int) -> bool:
        """Deliver what waits in the lane; returns whether it is still in hand."""
        noting = _Noting()
        try:
            return await self._deliver(lane_id, noting)
        finally:
            await noting.noted()

    async def _deliver(self, lane_id: int, noting: _Noting) -> bool:
        while not self._halted():
            await noting.noted()  # else what was accepted last would be read as perhaps sent
            version, waiting = await self._journal.fetch(lane_id, _DEPTH)
            if version < 0:
                return False
            awake = len(waiting) == _DEPTH
            for number, claimed in enumerate(waiting):
                if self._halted():
                    return True
                receipt = await self._one(claimed, lane_id, noting)
                if receipt is None:
                    return True
                if receipt is Again.FETCH:
                    if not self._journal.still_owner():
                        await asyncio.sleep(_AGAIN[0])
                        return True
                    break
                if not isinstance(receipt, Receipt):
                    continue
                await noting.noted()
                if awake or number + 1 < len(waiting):
                    await noting.begin(self._settle(claimed, receipt, lane_id, None))
                elif await self._settle(claimed, receipt, lane_id, version):
                    return False
                else:
                    awake = True
            else:
                await noting.noted()
                if not awake and await self._journal.idle(lane_id, version):
                    return False
        return True

    async def _settle(self, claimed: Claimed, receipt: Receipt, lane_id: int, version: int | None) -> bool:
        """Note that it was accepted, however long the journal is away; with a version, put the lane to sleep in the same commit."""
        tries = 0
        while True:
            try:
                if version is None:
                    await self._journal.done(claimed.delivery_id, receipt)
                    return False
                _, asleep = await asyncio.gather(
                    self._journal.done(claimed.delivery_id, receipt), self._journal.idle(lane_id, version)
                )
                return asleep
            except JournalUnavailable:
                if self._stopping and tries >= len(_AGAIN):
                    raise
                await asyncio.sleep(_AGAIN[min(tries, len(_AGAIN) - 1)])
                tries += 1
                version = None

    async def _one(self, claimed: Claimed, lane_id: int, noting: _Noting) -> Receipt | Again | None:
        """Deliver one: its Receipt; Again.NEXT when it was put aside; Again.FETCH when it is not ours to send; None when the lane must wait."""
        if claimed.in_flight and self._policy.ambiguous == "park":
            issue = Issue.of(Severity.ERROR, IssueCode.NO_ANSWER, what="interrupted while sending")
            await self._note(claimed, lane_id, DeliveryFailed(Retry.AMBIGUOUS, issue, park=True))
            return Again.NEXT
        stamped = False

        async def before_send() -> None:
            nonlocal stamped
            # Again after the stamp is durable: a node that was frozen meanwhile must not send what another one now holds.
            ours = await self._journal.sending(claimed.delivery_id)
            await noting.noted()
            if not ours or not self._journal.still_owner():
                raise OwnershipLost
            stamped = True

        async with self._sending:
            if self._halted():
                return None
            try:
                receipt = await self._sender.deliver(claimed, before_send)
            except OwnershipLost:
                return Again.FETCH
            except DeliveryFailed as failure:
                failed = failure
            except JournalUnavailable:
                return None
            except Exception as error:
                failed = _defect(error, stamped)
                log.error("%s: delivery %d: %s", self.destination, claimed.delivery_id, place_of(error))
            else:
                self._pace.accepted()
                return receipt
        return await self._note(claimed, lane_id, failed)

    async def _note(self, claimed: Claimed, lane_id: int, failure: DeliveryFailed) -> Again | None:
        decision = next_attempt(failure.retry, claimed.attempts + 1, self._policy, park=failure.park)
        if failure.retry is Retry.NEVER:
            self._pace.accepted()
        elif not failure.park:
            self._pace.failed(lane_id, self._clock.monotonic())
        log.warning(
            "%s: delivery %d %s: %s", self.destination, claimed.delivery_id, decision.state.value, failure.issue.code
        )
        wait = None if decision.wait is None else decision.wait * self._jitter()
        tries = 0
        while True:
            try:
                await self._journal.failed(
                    claimed.delivery_id,
                    lane_id,
                    issue=failure.issue,
                    sent=failure.sent,
                    answer=failure.answer,
                    wait=wait,
                    state=decision.state,
                    ambiguous=failure.retry is Retry.AMBIGUOUS,
                )
                break
            except JournalUnavailable:
                if self._stopping and tries >= len(_AGAIN):
                    raise
                await asyncio.sleep(_AGAIN[min(tries, len(_AGAIN) - 1)])
                tries += 1
        return None if decision.state is DeliveryState.FAILED else Again.NEXT

    def _halted(self) -> bool:
        return self._stopping or self.paused or self._pace.rest(self._clock.monotonic()) > 0

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not through a `stop`."""
        end = self._clock.monotonic() + seconds
        while not self._stopping and (left := end - self._clock.monotonic()) > 0:
            self._freed.clear()
            try:
                await asyncio.wait_for(self._freed.wait(), left)
            except TimeoutError:
                return


def _defect(error: Exception, stamped: bool) -> DeliveryFailed:
    issue = Issue.of(Severity.ERROR, IssueCode.INTERNAL, what=place_of(error))
    return DeliveryFailed(Retry.AMBIGUOUS if stamped else Retry.SAFE, issue)
