"""What a person asks of the journal: messages by filter, one message with all its legs, counts, what waits longest. Blocking; reads only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from connector.issues import Issue
from connector.store.bodies import Bodies, Body
from connector.store.content import ContentFiles
from connector.store.database import Database
from connector.store.preparing import bounded, unpack_answers
from connector.store.tables import ATTENTION, content, delivery, document, lane, message
from connector.store.times import iso

__all__ = ["Filters", "Leg", "MessageRow", "Search", "Shown", "Waiting"]

_issues = msgspec.json.Decoder(tuple[Issue, ...]).decode


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Every filter given must hold. `since` and `until` are seconds since the epoch; `before` is the id to page from (newest first)."""

    sender: str = ""
    control_id: str = ""
    type: str = ""
    patient: str = ""
    document: str = ""
    endpoint: str = ""
    state: str = ""
    destination: str = ""
    delivery_state: str = ""
    code: str = ""
    since: float | None = None
    until: float | None = None
    before: int | None = None
    limit: int = 50


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery as it stands; times in ISO, sizes in bytes."""

    id: int
    destination: str
    part: str
    key: str
    state: str
    attempts: int
    resent: bool
    queued: str | None
    sent_at: str | None
    settled: str | None
    next_try: str | None
    reference: str
    issues: tuple[Issue, ...]
    sent_size: int
    answer_size: int


class MessageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list. `deliveries`: (destination, state)."""

    id: int
    received_at: str
    endpoint: str
    remote: str
    sender: str
    control_id: str
    type: str
    state: str
    patient: str
    key: str
    size: int
    digest: str
    answer: str
    severity: int
    mapping: str
    possible_duplicate_of: int | None
    conflicts_with: int | None
    deliveries: tuple[tuple[str, str], ...] = ()

    @property
    def by_destination(self) -> dict[str, str]:
        """Each destination's state: of several deliveries to one, the least done."""
        found: dict[str, str] = {}
        for name, state in self.deliveries:
            if name not in found or _LEAST.index(state) < _LEAST.index(found[name]):
                found[name] = state
        return found


#: States of a delivery, what needs somebody first.
_LEAST = ("rejected", "parked", "failed", "queued", "claimed", "sent", "cancelled", "accepted")


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One message whole, without bodies (`Search.body`, `sent`, `reply` give them)."""

    message: MessageRow
    issues: tuple[Issue, ...]
    answers: tuple[bytes, ...]
    documents: tuple[str, ...]
    legs: tuple[Leg, ...]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a destination: open deliveries, since when (ISO), lanes."""

    destination: str
    open: int
    oldest: str | None
    lanes: int


_ROW = tuple(message.c[name] for name in MessageRow.__struct_fields__ if name != "deliveries")


class Search:
    """Reads beside the running engine, also from another process."""

    def __init__(self, database: Database, files: ContentFiles | None) -> None:
        self._database = database
        self._bodies = Bodies(database, files)

    def list_messages(self, filters: Filters = Filters()) -> Sequence[MessageRow]:  # noqa: B008 - frozen
        """The newest first, `limit` at most."""
        chosen = sa.select(*_ROW).where(*_conditions(filters)).order_by(message.c.id.desc()).limit(filters.limit)
        with self._database.engine.connect() as connection:
            rows = connection.execute(chosen).mappings().all()
            legs = connection.execute(
                sa.select(delivery.c.message_id, delivery.c.destination, delivery.c.state)
                .where(delivery.c.message_id.in_([row["id"] for row in rows]))
                .order_by(delivery.c.id)
            ).all()
        states: dict[int, list[tuple[str, str]]] = {}
        for leg in legs:
            states.setdefault(leg.message_id, []).append((leg.destination, leg.state))
        return [MessageRow(**row, deliveries=tuple(states.get(row["id"], ()))) for row in rows]

    def show(self, message_id: int) -> Shown | None:
        """One message with issues, answers, documents and legs; None for an unknown id."""
        with self._database.engine.connect() as connection:
            row = (
                connection.execute(
                    sa.select(*_ROW, message.c.issues, message.c.answers).where(message.c.id == message_id)
                )
                .mappings()
                .one_or_none()
            )
            if row is None:
                return None
            names = connection.execute(
                sa.select(document.c.document_id).where(document.c.message_id == message_id).order_by("document_id")
            ).scalars()
            legs = tuple([_leg(item) for item in connection.execute(_legs(message_id)).mappings()])
            fields = {name: row[name] for name in MessageRow.__struct_fields__ if name != "deliveries"}
            return Shown(
                message=MessageRow(**fields, deliveries=tuple([(leg.destination, leg.state) for leg in legs])),
                issues=_issues(bytes(row["issues"])),
                answers=unpack_answers(bytes(row["answers"])),
                documents=tuple(names),
                legs=legs,
            )

    def body(self, message_id: int) -> Body | None:
        """The bytes as received and the Exchange with its documents; None when unknown or damaged."""
        return self._bodies.of([message_id]).get(message_id)

    def sent(self, delivery_id: int) -> bytes | None:
        """What was sent, as it left; b"" when nothing was; None for an unknown delivery."""
        columns = (delivery.c.sent, delivery.c.sent_digest, message.c.digest, delivery.c.message_id)
        joined = sa.select(*columns).join(message, message.c.id == delivery.c.message_id)
        with self._database.engine.connect() as connection:
            row = connection.execute(joined.where(delivery.c.id == delivery_id)).one_or_none()
        if row is None:
            return None
        if row.sent is not None:
            return bytes(row.sent)
        if row.sent_digest is None:
            return b""
        return (
            self._bodies.raw(row.message_id) if row.sent_digest == row.digest else self._bodies.content(row.sent_digest)
        )

    def reply(self, delivery_id: int) -> bytes | None:
        """What the peer answered; None for an unknown delivery."""
        with self._database.engine.connect() as connection:
            row = connection.execute(sa.select(delivery.c.reply).where(delivery.c.id == delivery_id)).one_or_none()
        return None if row is None else bytes(row.reply or b"")

    def counts(self) -> dict[str, dict[str, int]]:
        """Open, parked and rejected deliveries by destination and state; under "" the messages that need a person or a verdict."""
        states = sa.select(delivery.c.destination, delivery.c.state, sa.func.count())
        grouped = (delivery.c.destination, delivery.c.state)
        # Two questions, for each has its partial index; millions of accepted ones are not read.
        by_state = sa.union_all(
            states.where(delivery.c.open).group_by(*grouped), states.where(sa.text(ATTENTION)).group_by(*grouped)
        )
        unjudged = (
            sa.select(message.c.state, sa.func.count())
            .where(sa.text("message.state IN ('received', 'parked')"))
            .group_by(message.c.state)
        )
        found: dict[str, dict[str, int]] = {}
        with self._database.engine.connect() as connection:
            for destination, state, count in connection.execute(by_state):
                found.setdefault(destination, {})[state] = count
            for state, count in connection.execute(unjudged):
                found.setdefault("", {})[state] = count
        return found

    def waiting(self) -> Sequence[Waiting]:
        """What waits, by destination."""
        chosen = (
            sa.select(
                delivery.c.destination,
                sa.func.count(),
                sa.func.min(delivery.c.queued),
                sa.func.count(sa.distinct(delivery.c.lane_id)),
            )
            .where(delivery.c.open)
            .group_by(delivery.c.destination)
            .order_by(delivery.c.destination)
        )
        with self._database.engine.connect() as connection:
            return [
                Waiting(destination=name, open=count, oldest=iso(oldest), lanes=lanes)
                for name, count, oldest, lanes in connection.execute(chosen)
            ]


def _legs(message_id: int) -> sa.Select[Any]:
    names = (
        "id",
        "destination",
        "part",
        "state",
        "attempts",
        "resent",
        "queued",
        "sent_at",
        "settled",
        "reference",
        "issues",
    )
    columns = [delivery.c[name] for name in names]
    sent = sa.func.coalesce(
        sa.func.length(delivery.c.sent),
        sa.select(content.c.size).where(content.c.sha256 == delivery.c.sent_digest).scalar_subquery(),
        sa.case((delivery.c.sent_digest == message.c.digest, message.c.size), else_=0),
    )
    return (
        sa.select(
            *columns,
            sa.func.coalesce(lane.c.key, message.c.key).label("key"),
            sa.case((delivery.c.state == "failed", lane.c.due)).label("next_try"),
            sent.label("sent_size"),
            sa.func.coalesce(sa.func.length(delivery.c.reply), 0).label("answer_size"),
        )
        .join(message, message.c.id == delivery.c.message_id)
        .outerjoin(lane, lane.c.id == delivery.c.lane_id)
        .where(delivery.c.message_id == message_id)
        .order_by(delivery.c.id)
    )


def _leg(row: Any) -> Leg:
    fields = dict(row)
    for name in ("queued", "sent_at", "settled", "next_try"):
        fields[name] = iso(fields[name])
    fields["issues"] = _issues(bytes(fields["issues"]))
    fields["resent"] = bool(fields["resent"])
    return Leg(**fields)


def _conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    names = ("sender", "control_id", "type", "endpoint", "state")
    found: list[sa.ColumnElement[bool]] = [
        message.c[name] == value for name in names if (value := getattr(filters, name))
    ]
    if filters.patient:  # said twice, so that the partial index is used
        found += [message.c.patient == bounded(filters.patient), message.c.patient != sa.literal_column("''")]
    if filters.document:
        of = sa.select(document.c.message_id).where(document.c.document_id == bounded(filters.document))
        found.append(message.c.id.in_(of))
    if filters.code:
        found.append(message.c.codes.contains(f" {filters.code} ", autoescape=True))
    if filters.since is not None:
        found.append(message.c.received >= filters.since)
    if filters.until is not None:
        found.append(message.c.received < filters.until)
    if filters.before is not None:
        found.append(message.c.id < filters.before)
    legs = [
        delivery.c[column] == value
        for column, value in (("destination", filters.destination), ("state", filters.delivery_state))
        if value
    ]
    if legs:
        found.append(sa.exists().where(delivery.c.message_id == message.c.id, *legs))
    return found
