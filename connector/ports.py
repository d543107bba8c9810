"""What the engine owes the outside and the outside owes the engine: values and protocols, no behaviour.

An endpoint moves bytes and judges one thing: may this be sent again? (`Retry`). The store keeps promises: `Journal.record`
returns only when the bytes are durable.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from enum import Enum, StrEnum
from typing import Any, Protocol

import msgspec

from connector.exchange.known import Known
from connector.exchange.model import Exchange
from connector.fhir.search import IndexRow, Page, Query
from connector.issues import Issue
from connector.pipeline.journey import (
    Delivery,
    Entry,
    ExchangeQuery,
    Filing,
    Inbound,
    KeptExchange,
    MessageState,
    Peeked,
    Policy,
    Put,
    Written,
)

__all__ = [
    "Answer",
    "Claimed",
    "Clock",
    "Contradicted",
    "Delivery",
    "DeliveryFailed",
    "DeliveryState",
    "DocumentStore",
    "DuplicateControlId",
    "Entry",
    "ExchangeQuery",
    "ExchangeStore",
    "Filing",
    "FilingStale",
    "Inbound",
    "Intake",
    "Journal",
    "JournalUnavailable",
    "Judge",
    "KeptExchange",
    "MessageState",
    "OwnershipLost",
    "Peeked",
    "Policy",
    "Put",
    "Receipt",
    "Receiver",
    "Recorded",
    "Retry",
    "Sender",
    "Written",
]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What to write back to the sender, in order: no message (nothing was asked for), one ACK, or CA and then the application ACK.

    `later` gives what follows once the verdict is there (enhanced mode and large messages, settings). `close` the connection after it.
    `told`: called once by the receiver, True when the messages were written to an open connection, False when the sender was gone.
    `state` and `issues` are the verdict, for receivers whose formats have no answer of their own; absent for a message that came before.
    `repeated`: nothing was kept, `message_id` is the earlier message. `filed`: what was written of the message's filing, when it was accepted.
    """

    messages: tuple[bytes, ...] = ()
    close: bool = False
    message_id: int | None = None
    later: Awaitable[Answer] | None = None
    told: Callable[[bool], None] | None = None
    state: MessageState | None = None
    issues: tuple[Issue, ...] = ()
    repeated: bool = False
    filed: tuple[Written, ...] = ()


class DeliveryState(StrEnum):
    """QUEUED → CLAIMED → SENT → ACCEPTED | REJECTED | FAILED (will retry) | PARKED (a person decides) | CANCELLED."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENT = "sent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    PARKED = "parked"
    CANCELLED = "cancelled"


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What `Journal.record` did: the new message's id, or the earlier one's with its stored answer."""

    message_id: int
    duplicate: bool = False
    answers: tuple[bytes, ...] = ()
    filed: tuple[Written, ...] = ()  # of an entry with a filing
    possible_duplicate_of: int | None = None  # an earlier message holds the same document under another control id


class Judge(Protocol):
    """The pure half of intake: parse, map, check, route, acknowledge. Never raises for what a message holds."""

    def peek(self, inbound: Inbound) -> Peeked:
        """Read sender (`MSH-3|MSH-4`), MSH-10 and MSH-9; empty strings when there is no readable header."""
        ...

    def judge(self, inbound: Inbound, digest: str, now: str, known: Known | None = None) -> Entry:
        """The whole verdict, with the answers owed and the deliveries to make. `known`: what the store said against an earlier verdict."""
        ...

    def received(self, inbound: Inbound, digest: str, now: str) -> Entry:
        """The entry of a message whose verdict follows: state RECEIVED, the accept ACK (CA, or AA for a route that defers) as its answer."""
        ...

    def unavailable(self, inbound: Inbound, now: str) -> tuple[bytes, ...]:
        """The AR/CR that says: nothing was kept, send again (database down, disk full)."""
        ...

    def duplicate(self, inbound: Inbound, digest: str, now: str, earlier: int) -> Entry:
        """The entry of a message that uses an earlier MSH-10 with other bytes: REFUSED, AE 205."""
        ...

    def broken(self, inbound: Inbound, digest: str, now: str, what: str) -> Entry:
        """The entry of a message that our own code failed on: PARKED, AE 207 with INTERNAL (`what`: the kind of error and its place in our code)."""
        ...


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery taken by this node: all that a sender needs. `attempts` counts earlier tries; `resent` = perhaps sent before. `raw` is a view
    of the disk when it is a large exchange."""

    delivery_id: int
    message_id: int
    destination: str
    key: str
    attempts: int
    resent: bool
    in_flight: bool = False  # it was being sent when its node went away: nobody knows whether it arrived
    control_id: str
    type: str
    raw: bytes | memoryview
    exchange: Exchange | None
    part: str = ""  # which of the messages that say the exchange (Delivery.part)


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The peer's answer, raw, what was sent, and the peer's reference (a FHIR URL, a path, MSA-1)."""

    reference: str = ""
    sent: bytes = b""
    answer: bytes = b""
    issues: tuple[Issue, ...] = ()


class Retry(Enum):
    """SAFE: surely not accepted, send again. AMBIGUOUS: perhaps accepted. NEVER: judged and refused."""

    SAFE = "safe"
    AMBIGUOUS = "ambiguous"
    NEVER = "never"


class DeliveryFailed(Exception):
    """A sender could not deliver. `park` asks for a person at once; `answer` is what the peer said, if anything."""

    def __init__(
        self, retry: Retry, issue: Issue, *, answer: bytes = b"", sent: bytes = b"", park: bool = False
    ) -> None:
        super().__init__(issue.text())
        self.retry = retry
        self.issue = issue
        self.answer = answer
        self.sent = sent
        self.park = park


class OwnershipLost(Exception):
    """This node may no longer send this delivery (another node has its lane, or it was cancelled): raised by `before_send`, passed on by senders."""


class DuplicateControlId(Exception):
    """The same sender used this control id for other bytes within the window. `message_id` is the earlier message."""

    def __init__(self, message_id: int) -> None:
        super().__init__("control id already used with other content")
        self.message_id = message_id


class FilingStale(Exception):
    """What was seen when resources were made ready to write has changed since: nothing was kept, make them ready again."""


class Contradicted(Exception):
    """What the store knows bears on the verdict: nothing was kept; judge again with `known` and record that verdict."""

    def __init__(self, known: Known) -> None:
        super().__init__("the store knows more")
        self.known = known


class JournalUnavailable(Exception):
    """The journal could not make the entry durable (database down, disk full): the sender may send again."""


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> str:
        """Wall clock, ISO with zone and milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


Intake = Callable[[Inbound], Awaitable[Answer]]


class Receiver(Protocol):
    """An endpoint that listens: it gives each `Inbound` to `intake` and writes the `Answer`."""

    async def start(self, intake: Intake) -> None:
        """Listen; return when ready to accept."""
        ...

    async def stop(self) -> None:
        """Stop accepting, finish what is in hand, close."""
        ...


class Sender(Protocol):
    """An endpoint that delivers."""

    async def deliver(self, claimed: Claimed, before_send: Callable[[], Awaitable[None]]) -> Receipt:
        """Deliver one; `before_send()` is awaited right before the first byte leaves (it stamps `sent_at` and checks ownership). Raises DeliveryFailed."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Journal(Protocol):
    """The durable memory: every message, verdict, delivery and answer. Verbs of the domain; SQL stays behind it."""

    async def start(self) -> None:
        """Open, lock and recover; deliveries that were in flight at a crash are queued again, marked resent."""
        ...

    async def stop(self) -> None:
        """Flush and close."""
        ...

    async def find(self, sender: str, control_id: str, digest: str) -> Recorded | None:
        """An earlier message of this sender and control id in the window, or None. Raises DuplicateControlId when its bytes differ."""
        ...

    async def record(self, entry: Entry) -> Recorded:
        """Make the entry durable in one commit (group commit). Duplicates are judged again inside it. Raises DuplicateControlId, Contradicted, JournalUnavailable."""
        ...

    async def settle_verdict(self, message_id: int, entry: Entry) -> tuple[bytes, ...]:
        """Give a RECEIVED message its verdict, Exchange and deliveries (enhanced mode and large messages); returns the answers still owed.

        REFUSED and PARKED messages are judged anew by it; one that is TRANSLATED keeps its verdict. Raises Contradicted.
        """
        ...

    async def unjudged(self, after: int, limit: int) -> Sequence[tuple[int, Inbound]]:
        """RECEIVED messages with an id above `after`: their verdict was not reached before the last stop."""
        ...

    async def inbound(self, message_id: int) -> Inbound | None:
        """A message as it was received, to judge it again."""
        ...

    async def answered(self, message_id: int, told: bool) -> None:
        """The owed answer was written (told) or the sender was gone (untold). May be batched: losing it only costs a repeated answer."""
        ...

    async def claim(self, destination: str, limit: int) -> Sequence[tuple[int, str, str]]:
        """Take up to `limit` due lanes of a destination: (lane id, destination, key). A lane is owned until `idle` or `release`."""
        ...

    async def fetch(self, lane_id: int, limit: int) -> tuple[int, Sequence[Claimed]]:
        """The lane's version and its next open deliveries in order; version -1 when the lane is not in this node's hands any more."""
        ...

    async def sending(self, delivery_id: int) -> bool:
        """Stamp sent_at right before the first byte; False when this node no longer owns the lane or the delivery was cancelled."""
        ...

    async def done(self, delivery_id: int, receipt: Receipt) -> bool:
        """Settle as ACCEPTED; False when it was settled elsewhere."""
        ...

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
        """Keep the failure (`ambiguous`: the next try may be a repetition); `wait` seconds until the lane is due again; state FAILED keeps the head, REJECTED or PARKED lets the next one go."""
        ...

    async def idle(self, lane_id: int, version: int) -> bool:
        """Put the lane to sleep and give it up, if nothing came meanwhile."""
        ...

    async def release(self, lane_id: int) -> None:
        """Give the lane up."""
        ...

    async def wait_for_work(self, destination: str, longest: float) -> None:
        """Return when something may be due for the destination, at the latest after `longest` seconds."""
        ...

    def wake(self, destination: str) -> None:
        """Let `wait_for_work` of the destination return: a lane was put off or given up."""
        ...

    def still_owner(self) -> bool:
        """Whether this node may still send (the owner session answered recently enough)."""
        ...


class ExchangeStore(Protocol):
    """Exchanges by their own id, as exchange_in gives them."""

    async def get(self, exchange_id: str, *, attachments: bool = False) -> KeptExchange | None:
        """The version in force, or None; with its bytes when `attachments`."""
        ...

    async def search(self, query: ExchangeQuery) -> tuple[Sequence[KeptExchange], bool]:
        """One page without bytes, newest first, and whether there is more."""
        ...


class DocumentStore(Protocol):
    """What fhir_in and the local FHIR destination need: resources by type and id, all versions, searched by index."""

    async def put_many(
        self, resources: Sequence[tuple[Mapping[str, Any], Sequence[IndexRow]]], blobs: Mapping[str, bytes]
    ) -> Sequence[str]:
        """Create or update all or none; returns `Type/id` of each. Each comes with its index rows (fhir.search.index). `blobs` holds the
        data of Binary resources by id (their resource has none). A resource equal to its latest version makes no new one."""
        ...

    async def write(self, puts: Sequence[Put]) -> Sequence[Written]:
        """The same, on conditions. Raises FilingStale when one of them does not hold any more."""
        ...

    async def get(self, resource_type: str, resource_id: str) -> Mapping[str, Any] | None:
        """The latest version, with `meta.versionId` and `meta.lastUpdated` set, or None."""
        ...

    async def many(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The latest versions of those that are there, by `Type/id`."""
        ...

    async def versions(self, resource_type: str, resource_id: str) -> Sequence[Mapping[str, Any]]:
        """Every version, the latest first; none for what is unknown."""
        ...

    async def blob(self, resource_id: str, version: int | None = None) -> tuple[str, bytes] | None:
        """Media type and bytes of a Binary, of its latest version or of that one; None for what is unknown."""
        ...

    async def search(self, query: Query) -> Page:
        """One page; resources as `get` gives them. What criteria mean is said in connector.fhir.search."""
        ...

    def changes(self) -> AsyncIterator[str]:
        """`Type/id` of what is written from now on."""
        ...
