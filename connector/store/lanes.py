"""Lanes: the unit of ownership (destination + ordering key). Order, retry and parking follow from it, not from the jobs.

Everything here runs on the owner's writer thread. `held` are the lanes that this node works on; on PostgreSQL each lies in a bucket
whose advisory lock the owner session holds (`store/postgres.py`), on SQLite the process itself is the owner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from connector.issues import Issue
from connector.ports import DeliveryState
from connector.store.statements import Cursor, Statement, any_of, many
from connector.store.tables import delivery, lane, message
from connector.store.writer import Operation, Transaction

__all__ = ["Buckets", "Hold", "Lanes", "Settled", "Waiting"]

_KEPT_ISSUES = 20
_SOON = 0.5  # seconds until lanes in another node's hands are looked at again
_decode_issues = msgspec.json.Decoder(list[Issue]).decode
_encode = msgspec.json.Encoder().encode


# (cursor, (digest, bytes or None when it is a file, owner) …, now): Recording.bodies_of
Keep = Callable[[Cursor, Sequence[tuple[str, bytes | None, str]], float], None]


class Hold(msgspec.Struct, frozen=True):
    """A lane in this node's hands."""

    lane_id: int
    destination: str
    key: str
    bucket: int


class Waiting(msgspec.Struct, frozen=True):
    """One open delivery of a lane, without bodies. `in_flight`: it was being sent when its owner went away."""

    delivery_id: int
    message_id: int
    attempts: int
    resent: bool
    in_flight: bool
    control_id: str
    type: str
    digest: str
    size: int
    part: str = ""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """How a delivery ended, or why not yet. `wait`: seconds until its lane is due again (only for FAILED)."""

    delivery_id: int
    lane_id: int = 0
    state: DeliveryState
    issues: tuple[Issue, ...] = ()
    reference: str = ""
    sent_digest: str | None = None
    sent: bytes | None = None
    reply: bytes = b""
    wait: float | None = None
    ambiguous: bool = False
    apart: bool = False  # what was sent is a content of its own


class Buckets(Protocol):
    """Who may work on a lane. On SQLite everything is this process's.

    `contended`: at the last `ready`, lanes were due that another node holds; its death is told by nobody, so look again soon.
    """

    contended: bool

    def ready(
        self, cursor: Cursor, destination: str, now: float, wanted: int, held: frozenset[int]
    ) -> list[tuple[int, str, int, int]]:
        """Due lanes that this node may take: (id, key, bucket, version), earliest first."""
        ...

    def drop(self, buckets: set[int]) -> None:
        """No lane of these buckets is in hand any more."""
        ...


class Lanes:
    """The statements of ownership and settling for one dialect, and the memory of what is in hand."""

    def __init__(self, dialect: Dialect, buckets: Buckets, now: Callable[[], float], keep: Keep) -> None:
        self._dialect = dialect
        self._buckets = buckets
        self._now = now
        self._keep = keep
        self.session = 1  # grows with each session that was lost
        self.held: dict[int, Hold] = {}
        self.flight: dict[int, int] = {}
        self.next_due: dict[str, float | None] = {}
        whole = sa.bindparam("lane_id", type_=sa.BigInteger)
        self._version = Statement(sa.select(lane.c.version).where(lane.c.id == whole), dialect)
        self._open = Statement(_open_deliveries(whole), dialect)
        self._following = Statement(
            sa.select(sa.func.min(lane.c.due)).where(
                lane.c.destination == sa.bindparam("destination", type_=sa.Text),
                lane.c.active,
                lane.c.due > sa.bindparam("now", type_=sa.Double),
            ),
            dialect,
        )
        self._sending = Statement(_sending(dialect), dialect)
        self._still_open = Statement(
            sa.select(delivery.c.id).where(any_of(delivery.c.id, "ids", dialect), delivery.c.open), dialect
        )
        self._settle = Statement(_settling(), dialect)
        self._issues = Statement(
            sa.select(delivery.c.issues).where(delivery.c.id == sa.bindparam("delivery_id", type_=sa.BigInteger)),
            dialect,
        )
        self._later = Statement(_lane_update({"due": sa.bindparam("due_at", type_=sa.Double)}), dialect)
        self._sleep = Statement(
            _lane_update({"active": sa.literal_column("false" if dialect.name == "postgresql" else "0")}).where(
                lane.c.version == sa.bindparam("version_seen", type_=sa.BigInteger),
                # Not only the version: what was read ahead may have been cut short.
                ~sa.exists().where(delivery.c.lane_id == lane.c.id, delivery.c.open),
            ),
            dialect,
        )

    # --- applied by the writer

    def claim(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """(destination, limit, deliveries) → [(Hold, version, [Waiting])], with the first deliveries of each lane."""
        claimed: dict[int, Hold] = {}
        for operation in operations:
            destination, wanted, depth = operation.argument
            now = self._now()
            in_hand = frozenset([*self.held, *claimed])
            found = self._buckets.ready(transaction.cursor, destination, now, wanted, in_hand)
            taken = [(Hold(lane_id, destination, key, bucket), version) for lane_id, key, bucket, version in found]
            claimed.update((hold.lane_id, hold) for hold, _ in taken)
            operation.result = [
                (hold, version, self._waiting(transaction.cursor, hold.lane_id, depth)) for hold, version in taken
            ]
            self.next_due[destination] = now
            if len(taken) < wanted:
                following = self._following.rows(transaction.cursor, destination=destination, now=now)
                self.next_due[destination] = following[0][0]
                if self._buckets.contended:
                    self.next_due[destination] = min(following[0][0] or now + _SOON, now + _SOON)
        # Not before: a transaction that is rolled back leaves nothing in hand that nobody works on.
        transaction.after_commit(lambda: self.held.update(claimed))

    def fetch(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """(lane id, limit) → (version, [Waiting]); version -1 when the lane is not in hand."""
        for operation in operations:
            lane_id, depth = operation.argument
            if lane_id not in self.held:
                operation.result = (-1, [])
                continue
            # The version first: what commits in between makes `idle` fail, and the lane is read again.
            version = self._version.rows(transaction.cursor, lane_id=lane_id)
            operation.result = (version[0][0] if version else -1, self._waiting(transaction.cursor, lane_id, depth))

    def sending(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """Delivery id → the session's number when it may be sent (the lane is in hand and the delivery still open), else 0."""
        ours = [op for op in operations if self.flight.get(op.argument) in self.held]
        for operation in operations:
            operation.result = 0
        if not ours:
            return
        stamped = {
            row[0]
            for row in self._sending.rows(
                transaction.cursor, ids=many(sorted(op.argument for op in ours), self._dialect), stamped_at=self._now()
            )
        }
        for operation in ours:
            operation.result = self.session if operation.argument in stamped else 0

    def done(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """Settled → whether it was open. What a peer accepted is noted even when the lane has been lost meanwhile: it is true."""
        ids = sorted(op.argument.delivery_id for op in operations)
        found = {row[0] for row in self._still_open.rows(transaction.cursor, ids=many(ids, self._dialect))}
        now = self._now()
        rows = []
        for operation in sorted(operations, key=lambda op: op.argument.delivery_id):
            settled: Settled = operation.argument
            operation.result = settled.delivery_id in found
            if operation.result:
                # Duplicates within one transaction settle once.
                found.discard(settled.delivery_id)
                rows.append(_columns(settled, now, issues=_encode(settled.issues)))
        if rows:
            self._settle.each(transaction.cursor, rows)
        self._keep(transaction.cursor, _apart(operations), now)
        self._forget(transaction, [op.argument.delivery_id for op in operations])

    def failed(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """Settled → whether it was noted: not when the lane is no longer in hand, for then its new owner decides."""
        now = self._now()
        for operation in sorted(operations, key=lambda op: self._place(op.argument.lane_id)):
            settled: Settled = operation.argument
            operation.result = settled.lane_id in self.held
            if not operation.result:
                continue
            known = self._issues.rows(transaction.cursor, delivery_id=settled.delivery_id)
            issues = [*(_decode_issues(bytes(known[0][0])) if known else []), *settled.issues][-_KEPT_ISSUES:]
            self._settle.each(transaction.cursor, [_columns(settled, now, issues=_encode(issues))])
            if settled.wait is not None:
                self._later.run(transaction.cursor, lane_id=settled.lane_id, due_at=now + settled.wait)
        self._keep(transaction.cursor, _apart(operations), now)
        self._forget(transaction, [op.argument.delivery_id for op in operations])

    def idle(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """(lane id, version) → whether the lane sleeps now and is given up; False when something came meanwhile."""
        asleep = []
        for operation in sorted(operations, key=lambda op: self._place(op.argument[0])):
            lane_id, version = operation.argument
            operation.result = True
            if lane_id in self.held:
                cursor = self._sleep.run(transaction.cursor, lane_id=lane_id, version_seen=version)
                operation.result = cursor.rowcount > 0
                if operation.result:
                    asleep.append(lane_id)
        if asleep:
            transaction.after_commit(lambda: self._give_up(asleep))

    def release(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """Give lanes up. Their next owner comes after this transaction, so it sees all that was settled."""
        numbers = [operation.argument for operation in operations]
        transaction.after_commit(lambda: self._give_up(numbers))

    # --- memory

    def lost(self) -> None:
        """The owner session is gone: nothing is in hand any more."""
        self.session += 1
        self.held.clear()
        self.flight.clear()
        self.next_due.clear()

    def _give_up(self, numbers: Sequence[int]) -> None:
        gone = {hold.bucket for number in numbers if (hold := self.held.pop(number, None)) is not None}
        if len(self.flight) > 1000 + 16 * len(self.held):  # what was read ahead in lanes that were given up
            self.flight = {number: lane_id for number, lane_id in self.flight.items() if lane_id in self.held}
        if gone:
            self._buckets.drop(gone.difference(hold.bucket for hold in self.held.values()))

    def _forget(self, transaction: Transaction, deliveries: Sequence[int]) -> None:
        def forget() -> None:
            for number in deliveries:
                self.flight.pop(number, None)

        transaction.after_commit(forget)

    def _place(self, lane_id: int) -> tuple[str, str]:
        """Lane rows are locked in (destination, key) order, here as in ingest."""
        hold = self.held.get(lane_id)
        return (hold.destination, hold.key) if hold else ("", "")

    def _waiting(self, cursor: Cursor, lane_id: int, depth: int) -> list[Waiting]:
        found = [
            Waiting(
                number,
                of,
                attempts,
                bool(resent) or state == "sent",
                state == "sent",
                control_id,
                kind,
                digest,
                size,
                part,
            )
            for number, of, state, attempts, resent, part, control_id, kind, digest, size in self._open.rows(
                cursor, lane_id=lane_id, depth=depth
            )
        ]
        for waiting in found:
            self.flight[waiting.delivery_id] = lane_id
        return found


def _apart(operations: Sequence[Operation]) -> list[tuple[str, bytes | None, str]]:
    """Large bodies that were sent; their files are durable already."""
    return [
        (op.argument.sent_digest, None, f"d{op.argument.delivery_id}")
        for op in operations
        if op.result and op.argument.apart
    ]


def _open_deliveries(whole: sa.BindParameter[int]) -> sa.Select[Any]:
    names = ("id", "message_id", "state", "attempts", "resent", "part")
    columns = [delivery.c[name] for name in names]
    return (
        sa.select(*columns, message.c.control_id, message.c.type, message.c.digest, message.c.size)
        .join(message, message.c.id == delivery.c.message_id)
        .where(delivery.c.lane_id == whole, delivery.c.open)
        .order_by(delivery.c.id)
        .limit(sa.bindparam("depth", type_=sa.Integer))
    )


def _sending(dialect: Dialect) -> sa.Update:
    true: sa.ColumnElement[bool] = sa.literal_column("true" if dialect.name == "postgresql" else "1")
    return (
        sa.update(delivery)
        .where(any_of(delivery.c.id, "ids", dialect), delivery.c.open)
        .values(
            resent=sa.case((delivery.c.state == sa.literal_column("'sent'"), true), else_=delivery.c.resent),
            state=sa.literal_column("'sent'"),
            sent_at=sa.bindparam("stamped_at", type_=sa.Double),
            attempts=delivery.c.attempts + sa.literal_column("1"),
        )
        .returning(delivery.c.id)
    )


def _settling() -> sa.Update:
    def given(name: str) -> sa.BindParameter[Any]:
        return sa.bindparam(f"new_{name}", type_=delivery.c[name].type)

    names = ("state", "open", "settled", "reference", "issues", "sent_digest", "sent", "reply")
    resent = sa.or_(delivery.c.resent, given("resent"))
    values: dict[str, Any] = {name: given(name) for name in names}
    # A try that failed before its first byte was not counted by `sending`.
    tried = sa.case(
        (delivery.c.state == sa.literal_column("'sent'"), sa.literal_column("0")), else_=sa.literal_column("1")
    )
    return (
        sa.update(delivery)
        .where(delivery.c.id == sa.bindparam("delivery_id", type_=sa.BigInteger), delivery.c.open)
        .values(**values, resent=resent, attempts=delivery.c.attempts + tried)
    )


def _lane_update(values: dict[str, Any]) -> sa.Update:
    return sa.update(lane).where(lane.c.id == sa.bindparam("lane_id", type_=sa.BigInteger)).values(**values)


def _columns(settled: Settled, now: float, *, issues: bytes) -> dict[str, Any]:
    closed = settled.state is not DeliveryState.FAILED
    return {
        "delivery_id": settled.delivery_id,
        "new_state": settled.state.value,
        "new_open": not closed,
        "new_settled": now if closed else None,
        "new_reference": settled.reference,
        "new_issues": issues,
        "new_sent_digest": settled.sent_digest,
        "new_sent": settled.sent,
        "new_reply": settled.reply,
        "new_resent": settled.ambiguous,
    }
