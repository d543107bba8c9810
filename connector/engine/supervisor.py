"""Starts and stops everything in the right order, and starts again what crashed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence

import msgspec

from connector.engine.faults import place_of
from connector.engine.intake import Reception
from connector.engine.worker import Worker
from connector.ports import Clock, Journal, JournalUnavailable, Judge, Policy, Receiver, Sender

__all__ = ["Destination", "Supervisor"]

log = logging.getLogger(__name__)

_RESTARTS = (0.5, 1.0, 2.0, 5.0, 15.0)  # seconds before a crashed worker is started again
_STEADY = 60.0  # after so many seconds without a crash the count begins anew


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where to deliver, how it is retried, how many at once."""

    sender: Sender
    policy: Policy = Policy()
    parallel: int = 4


class Supervisor:
    """Journal, then workers, then receivers; the other way round at the end."""

    def __init__(
        self,
        journal: Journal,
        judge: Judge,
        clock: Clock,
        destinations: Mapping[str, Destination],
        receivers: Sequence[Receiver],
        *,
        grace: float = 10.0,
    ) -> None:
        self.journal = journal
        self.reception = Reception(journal, judge, clock)
        self.workers: dict[str, Worker] = {
            name: Worker(journal, name, item.sender, item.policy, clock, parallel=item.parallel)
            for name, item in destinations.items()
        }
        self._senders = [item.sender for item in destinations.values()]
        self._receivers = receivers
        self._clock = clock
        self._grace = grace
        self._tasks: list[asyncio.Task[None]] = []
        self._listening: list[Receiver] = []

    async def start(self) -> None:
        """Ready to accept when it returns. What fails to start (lock, port in use) is raised after what was started is stopped again."""
        await self.journal.start()
        try:
            self._tasks = [asyncio.create_task(self._kept_going(worker)) for worker in self.workers.values()]
            self._tasks.append(asyncio.create_task(self._resumed()))
            for receiver in self._receivers:
                await receiver.start(self.reception)
                self._listening.append(receiver)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Nothing new is accepted, what is in hand is finished within the grace, everything is closed."""
        await self._each("receiver", [receiver.stop() for receiver in reversed(self._listening)])
        self._listening.clear()
        await self.reception.stop(self._grace)
        await self._each("worker", [worker.stop(self._grace) for worker in self.workers.values()])
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._each("sender", [sender.close() for sender in self._senders])
        await self.journal.stop()

    async def _kept_going(self, worker: Worker) -> None:
        crashes = 0
        while True:
            started = self._clock.monotonic()
            try:
                await worker.run()
                return
            except Exception as error:
                if self._clock.monotonic() - started > _STEADY:
                    crashes = 0
                wait = _RESTARTS[min(crashes, len(_RESTARTS) - 1)]
                crashes += 1
                log.error("%s: worker ended (%s), again in %s s", worker.destination, place_of(error), wait)
                await asyncio.sleep(wait)

    async def _resumed(self) -> None:
        tries = 0
        while True:
            try:
                count = await self.reception.resume()
                if count:
                    log.info("%d verdicts were still owed and are reached now", count)
                return
            except JournalUnavailable:
                await asyncio.sleep(_RESTARTS[min(tries, len(_RESTARTS) - 1)])
                tries += 1

    async def _each(self, what: str, ends: Sequence[Awaitable[None]]) -> None:
        """End several at once; one that fails is told and does not keep the others from ending."""
        for result in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("a %s did not end well: %s", what, place_of(result))
