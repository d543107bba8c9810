"""The journal: `connector.ports.Journal` on SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from connector.issues import Issue, IssueCode, Severity
from connector.ports import (
    Claimed,
    Clock,
    DeliveryState,
    DuplicateControlId,
    Entry,
    Filing,
    Inbound,
    MessageState,
    Receipt,
    Recorded,
)
from connector.store.acts import Acts
from connector.store.bodies import Bodies, Body, Recent, claimed, within
from connector.store.content import ContentFiles
from connector.store.database import Database
from connector.store.keeping import Keeping
from connector.store.lanes import Lanes, Settled, Waiting
from connector.store.listening import Bell, Listener
from connector.store.migrations import migrate
from connector.store.notes import Notes
from connector.store.ownership import AdvisoryBuckets, OneProcess, Watch, boot_seconds, guard_session
from connector.store.patient_search import Patients
from connector.store.preparing import Prepared, identity_of, prepare
from connector.store.reading import Reading
from connector.store.recording import Again, Recording, verdict_on
from connector.store.reindexing import reindex
from connector.store.search import Search
from connector.store.times import Timeline
from connector.store.writer import Writer, translated

__all__ = ["SqlJournal"]

log = logging.getLogger(__name__)

_DAY = 86_400.0
_READ_AHEAD = 8 << 20  # bytes of bodies that one lane brings into memory at once


class SqlJournal:
    """Messages, verdicts, deliveries, answers behind one writer (SQLite) or two (PostgreSQL: ingest, and the owner of the lanes).

    `contents` is the folder of large bodies; without it they are rows (nodes that share only PostgreSQL). `freeze` seconds
    without a word from this node end its owner session (PostgreSQL)."""

    def __init__(
        self, url: str, *, clock: Clock, contents: Path | None = None, window_days: float = 90.0, freeze: float = 8.0
    ) -> None:
        self.database = Database(url)
        if self.database.lite and contents is None:
            contents = self.database.path.with_name(self.database.path.name + ".contents")
        self.files = ContentFiles(contents) if contents is not None else None
        self.keeping = Keeping(self.files)
        self.bodies = Bodies(self.database, self.files)
        self.timeline = Timeline(clock)
        self.window = window_days * _DAY
        self.search = Search(self.database, self.files)
        self.patients = Patients(self.database)
        self._freeze = freeze
        self._seen = boot_seconds()
        self._bell = Bell()
        self._running = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.recording = Recording(self.database.dialect, self.window, self._bell.ring)
        self._acts = Acts(self.database.dialect, self.recording, self.timeline.now)
        self._reading = Reading(self.database, self.recording, self.timeline.now)
        self._buckets = (
            OneProcess(self.database.dialect)
            if self.database.lite
            else AdvisoryBuckets(self.database.dialect, self._run_on_owner)
        )
        self._lanes = Lanes(self.database.dialect, self._buckets, self.timeline.now, self.recording.bodies_of)
        self._ingest, self._owner = self._writers()
        self._listener: Listener | None = None
        self.filing: Callable[[Prepared, Filing], Awaitable[Recorded]] | None = None  # set by the document store
        self._recent = Recent()
        self._ahead: dict[int, tuple[int, list[Waiting]]] = {}
        self._flight: dict[int, Waiting] = {}
        self._read: dict[int, tuple[int, ...]] = {}  # the deliveries of `_flight` by lane
        self._notes = Notes(self.write)

    # --- life

    async def start(self) -> None:
        """Lock, migrate, open. Raises JournalLocked, JournalDamaged. Nothing is scanned: what was in flight at a crash is seen when its lane is next read."""
        self._loop = self._bell.loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._open)
        self._running = True

    async def stop(self) -> None:
        """Flush and close; what was submitted before is made durable."""
        if not self._running:
            return
        await self._notes.flush()
        self._running = False
        await asyncio.to_thread(self._shut)

    def still_owner(self) -> bool:
        """Ask right before the first byte leaves: the owner session answered recently, so PostgreSQL cannot have given the lane away."""
        return self._running and (self.database.lite or boot_seconds() - self._seen < self._freeze - 1.0)

    @property
    def available(self) -> bool:
        """Whether messages can be kept at this moment, as far as the last transactions tell (`/ready`)."""
        return self._running and self._ingest.available and self._owner.available

    @property
    def transactions(self) -> int:
        """How many transactions ingest made."""
        return self._ingest.transactions

    # --- ingest

    async def find(self, sender: str, control_id: str, digest: str) -> Recorded | None:
        """An earlier message of this identity within the window, or None. Raises DuplicateControlId, JournalUnavailable."""
        identity = identity_of(sender, control_id)
        if identity is None:
            return None
        try:
            earlier = await self._reading.earlier(identity)
        except Exception as error:
            raise translated(error) from error
        if not earlier:
            return None
        verdict = verdict_on(earlier, digest)
        if isinstance(verdict, DuplicateControlId):
            raise verdict
        return verdict

    async def record(self, entry: Entry) -> Recorded:
        """One commit for everything. Raises DuplicateControlId, JournalUnavailable; returns the earlier message for the same bytes."""
        prepared = await self.keeping.entry(prepare(entry, self.timeline.now()))
        filing = entry.inbound.filing if entry.state is MessageState.TRANSLATED else None
        while True:
            if filing is not None and self.filing is not None:
                result = await self.filing(prepared, filing)
                break
            result = await self._ingest.submit("record", prepared)
            if not isinstance(result, Again):
                break
        recorded: Recorded = result
        if not recorded.duplicate:
            self._recent.put(recorded.message_id, entry)
        return recorded

    async def settle_verdict(self, message_id: int, entry: Entry) -> tuple[bytes, ...]:
        """Give a message that is RECEIVED (or PARKED, REFUSED: judged anew) its verdict; returns the answers still owed. Once: later calls return nothing."""
        prepared = await self.keeping.entry(prepare(entry, self.timeline.now()), raw=False)
        owed: tuple[bytes, ...] = await self._ingest.submit("verdict", (message_id, prepared, entry.answers))
        return owed

    async def unjudged(self, after: int, limit: int) -> Sequence[tuple[int, Inbound]]:
        """Messages that are RECEIVED with an id above `after`: their verdict was not reached before the last stop."""
        return await self._reading.unjudged(after, limit, self.bodies)

    async def inbound(self, message_id: int) -> Inbound | None:
        """A message as it was received, or None for an unknown id."""
        return await asyncio.to_thread(self._reading.inbound, message_id, self.bodies)

    async def answered(self, message_id: int, told: bool) -> None:
        """Note that the answer was written or not; collected for a moment, durable a little later."""
        self._notes.add(message_id, told)

    # --- lanes

    async def claim(self, destination: str, limit: int, depth: int = 8) -> Sequence[tuple[int, str, str]]:
        """Take up to `limit` due lanes of a destination: (lane id, destination, key). Owned until `idle` or `release`."""
        found = []
        for hold, version, waiting in await self._owner.submit("claim", (destination, limit, depth)):
            self._ahead[hold.lane_id] = (version, waiting)
            found.append((hold.lane_id, hold.destination, hold.key))
        return found

    async def fetch(self, lane_id: int, limit: int) -> tuple[int, Sequence[Claimed]]:
        """The lane's version and its next open deliveries in order; version -1 when the lane is not in hand. Raises JournalUnavailable."""
        ahead = self._ahead.pop(lane_id, None)
        version, waiting = ahead if ahead is not None else await self._owner.submit("fetch", (lane_id, limit))
        hold = self._lanes.held.get(lane_id)
        if hold is None or not waiting:
            return (version if hold is not None else -1), ()
        chosen = within(waiting, _READ_AHEAD)
        bodies = await self._bodies_of([item.message_id for item in chosen])
        self._forget(lane_id)
        self._read[lane_id] = tuple([item.delivery_id for item in chosen])
        self._flight.update((item.delivery_id, item) for item in chosen)
        readable = [item for item in chosen if item.message_id in bodies]
        for item in chosen:
            if item.message_id not in bodies:
                await self._park_unreadable(item, lane_id)
        return version, [claimed(item, bodies[item.message_id], hold.destination, hold.key) for item in readable]

    async def sending(self, delivery_id: int) -> bool:
        """Stamp sent_at, durable before the first byte leaves; False: not ours any more, or cancelled."""
        session = await self._owner.submit("sending", delivery_id)
        # A thawed node may have a new session before this line is reached; what the old one allowed is void.
        return bool(session == self._lanes.session) and self.still_owner()

    async def done(self, delivery_id: int, receipt: Receipt) -> bool:
        """Settle as ACCEPTED; False when it was settled elsewhere. Raises JournalUnavailable: try again, it was delivered."""
        settled = Settled(
            delivery_id=delivery_id,
            state=DeliveryState.ACCEPTED,
            issues=receipt.issues,
            reference=receipt.reference,
            reply=receipt.answer,
        )
        return await self._settle("done", settled, receipt.sent)

    async def failed(
        self,
        delivery_id: int,
        lane_id: int,
        *,
        issue: Issue,
        sent: bytes,
        answer: bytes,
        wait: float | None,
        state: DeliveryState,
        ambiguous: bool = False,
    ) -> None:
        """Keep the failure. FAILED keeps the head and puts the lane off by `wait` seconds; REJECTED and PARKED let the next one go."""
        settled = Settled(
            delivery_id=delivery_id,
            lane_id=lane_id,
            state=state,
            issues=(issue,),
            reply=answer,
            wait=wait,
            ambiguous=ambiguous,
        )
        await self._settle("failed", settled, sent)

    async def idle(self, lane_id: int, version: int) -> bool:
        """Put the lane to sleep and give it up, if nothing came meanwhile."""
        asleep = bool(await self._owner.submit("idle", (lane_id, version)))
        if asleep:
            self._forget(lane_id)
        return asleep

    async def release(self, lane_id: int) -> None:
        """Give the lane up; another lane task or node may take it when it is due."""
        self._ahead.pop(lane_id, None)
        self._forget(lane_id)
        await self._owner.submit("release", lane_id)

    async def wait_for_work(self, destination: str, longest: float) -> None:
        """Return when something may be due for the destination, at the latest after `longest` seconds."""
        due = self._lanes.next_due.get(destination)
        if due is not None:
            longest = min(longest, max(0.0, due - self.timeline.now()) + 0.001)
        event = self._bell.event(destination)
        try:
            await asyncio.wait_for(event.wait(), longest)
        except TimeoutError:
            return
        event.clear()

    def wake(self, destination: str) -> None:
        """Let `wait_for_work` return; on the loop's thread."""
        self._bell.event(destination).set()

    # --- a person's acts (store/search.py reads)

    async def retry(self, deliveries: Sequence[int]) -> int:
        """Queue parked, rejected or cancelled deliveries again, in their old place of the lane; waiting ones become due now. Returns how many."""
        return int(await self._ingest.submit("retry", tuple(deliveries)))

    async def cancel(self, deliveries: Sequence[int]) -> int:
        """Cancel deliveries that are not being sent at this moment. Returns how many."""
        return int(await self._ingest.submit("cancel", tuple(deliveries)))

    async def replay(self, message_id: int, destination: str | None = None) -> Sequence[int]:
        """New deliveries of a translated message, to all its destinations or to one (any). Returns their ids; none for an unknown message."""
        return tuple(await self._ingest.submit("replay", (message_id, destination)))

    async def write(self, kind: str, argument: Any) -> Any:
        """One more kind of write that the store itself adds (documents, retention)."""
        return await self._ingest.submit(kind, argument)

    # --- inside

    def _writers(self) -> tuple[Writer, Writer]:
        ingest = {"record": self.recording.record, **self._acts.phases}
        # Claims before what gives lanes up: a bucket whose last lane sleeps in the same transaction in which another of its lanes is
        # claimed must stay locked, and what follows a commit is done in this order.
        order = ("sending", "done", "failed", "claim", "idle", "release", "fetch")
        owner = {name: getattr(self._lanes, name) for name in order}
        if self.database.lite:
            both = Writer("write", self.database.writing, {**ingest, **owner}, began="BEGIN IMMEDIATE", lost=self._lost)
            return both, both
        return (
            Writer(
                "ingest",
                self.database.writing,
                ingest,
                opened=partial(guard_session, what="ingest", freeze=self._freeze, beats=False),
            ),
            Writer(
                "owner",
                self.database.writing,
                owner,
                pulse=min(2.0, self._freeze / 4),
                opened=partial(guard_session, what="owner", freeze=self._freeze),
                answered=partial(setattr, self, "_seen"),
                now=boot_seconds,
                lost=self._lost,
            ),
        )

    def add_phases(self, phases: dict[str, Any], *, first: bool = False) -> None:
        """Kinds of writes of other parts of the store; `first`: before a message is recorded in the same transaction."""
        known = self._ingest.phases
        self._ingest.phases = {**phases, **known} if first else {**known, **phases}

    def _open(self) -> None:
        self.database.lock()
        try:
            migrate(self.database)
            reindex(self.database)
            if self._ingest is not self._owner:
                # First of all: what comes next may wait for the locks of a node that froze.
                self._listener = Listener(
                    self.database.writing,
                    self._bell.ring,
                    opened=partial(guard_session, what="listener", freeze=self._freeze),
                    look=Watch().look,
                    pulse=min(1.0, self._freeze / 4),
                )
                self._listener.start()
            self._acts.recover(self.database)
            self.keeping.start(alone=self.database.lite)
            self._owner.start()
            if self._ingest is not self._owner:
                self._ingest.start()
        except BaseException:
            self._shut()
            raise

    def _shut(self) -> None:
        if self._listener is not None:
            self._listener.stop()
        self._ingest.stop()
        self._owner.stop()
        self._reading.close()
        self.database.close()

    def _lost(self) -> None:
        self._lanes.lost()
        if isinstance(self._buckets, AdvisoryBuckets):
            self._buckets.forget()
        self._bell.ring(None)

    def _run_on_owner(self, sql: str, parameters: dict[str, Any]) -> None:
        self._owner.run_now(sql, parameters)

    async def _settle(self, kind: str, settled: Settled, sent: bytes) -> bool:
        waiting = self._flight.get(settled.delivery_id)
        if sent:
            settled = await self.keeping.sent(settled, sent, waiting.digest if waiting else "")
        result = bool(await self._owner.submit(kind, settled))
        self._flight.pop(settled.delivery_id, None)
        if waiting is not None and settled.state is not DeliveryState.FAILED:
            self._recent.settled(waiting.message_id)
        return result

    def _forget(self, lane_id: int) -> None:
        for number in self._read.pop(lane_id, ()):
            self._flight.pop(number, None)

    async def _park_unreadable(self, item: Waiting, lane_id: int) -> None:
        """The bytes are gone or damaged on disk: a person must look, the lane goes on."""
        log.error(
            "delivery %d: a content of message %d is missing or damaged; parked", item.delivery_id, item.message_id
        )
        issue = Issue.of(Severity.ERROR, IssueCode.INTERNAL, what="content missing or damaged")
        await self.failed(
            item.delivery_id, lane_id, issue=issue, sent=b"", answer=b"", wait=None, state=DeliveryState.PARKED
        )

    async def _bodies_of(self, message_ids: Sequence[int]) -> dict[int, Body]:
        found = {number: body for number in message_ids if (body := self._recent.get(number)) is not None}
        missing = [number for number in message_ids if number not in found]
        if missing:
            try:
                found.update(await asyncio.to_thread(self.bodies.of, missing))
            except Exception as error:
                raise translated(error) from error
        return found
