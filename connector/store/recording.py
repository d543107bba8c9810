"""One received message made durable: message, duplicates, lanes, deliveries, documents, contents; many of them in one transaction."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from connector.exchange.known import Earlier, Known
from connector.issues import Issue, IssueCode, Severity, worst
from connector.ports import Contradicted, DuplicateControlId, Recorded
from connector.store.exchange_index import ExchangeIndex
from connector.store.patients import PatientIndex, Weighed
from connector.store.preparing import Prepared, bucket_of, codes_of, unpack_answers
from connector.store.statements import Cursor, Statement, any_of, insert_of, many
from connector.store.tables import content, content_use, delivery, document, lane, message
from connector.store.tasks import Tasks
from connector.store.writer import Operation, Transaction

__all__ = ["Again", "Recording", "verdict_on", "with_issues"]

_IDENTITY_LOCKS = 7103  # first number of the two-number advisory locks; 7102 is the lanes'

_encode = msgspec.json.Encoder().encode


class Recording:
    """The statements of ingest for one dialect. Everything here runs on the writer's thread, inside its transaction."""

    def __init__(self, dialect: Dialect, window: float, announce: Callable[[Sequence[str]], None]) -> None:
        self.dialect = dialect
        self.window = window
        self._announce = announce
        self._postgres = dialect.name == "postgresql"
        self._numbers: dict[str, int] = {}  # SQLite: the last id given, by table
        earlier = sa.select(
            message.c.identity, message.c.digest, message.c.id, message.c.answers, message.c.conflicts_with
        )
        self._earlier = Statement(
            earlier.where(
                any_of(message.c.identity, "identities", dialect),
                message.c.received >= sa.bindparam("since", type_=sa.Double),
            ).order_by(message.c.id),
            dialect,
        )
        self._seen = Statement(
            sa.select(document.c.document_id, document.c.role, sa.func.min(document.c.message_id))
            .join(message, message.c.id == document.c.message_id)
            .where(any_of(document.c.document_id, "ids", dialect), message.c.state == sa.literal_column("'translated'"))
            .group_by(document.c.document_id, document.c.role),
            dialect,
        )
        self._insert_message = insert_of(message, dialect)
        self._insert_delivery = insert_of(delivery, dialect)
        self._insert_document = _insert_or_leave(document, dialect)
        self._insert_content = _insert_or_leave(content, dialect)
        self._insert_use = _insert_or_leave(content_use, dialect)
        self._lane = _upsert_lane(dialect)
        self.tasks = Tasks(dialect)
        self.patients = PatientIndex(dialect, self.numbers)
        self.exchanges = ExchangeIndex(dialect)

    # --- applied by the writer

    def record(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """Record the prepared entries: duplicates judged, new ones inserted; results `Recorded`, DuplicateControlId or Contradicted."""
        cursor = transaction.cursor
        fresh, weighed = self._uncontradicted(cursor, self._without_duplicates(cursor, operations))
        if not fresh:
            return
        entries = [operation.argument for operation in fresh]
        lanes = self.lanes(cursor, {each[:2] for entry in entries for each in entry.lanes}, entries[0].row["received"])
        ids = self.numbers(cursor, "message", len(entries))
        seen, overtaken = self._documents_seen(cursor, entries)
        rows = []
        for operation, found, number in zip(fresh, weighed, ids, strict=True):
            entry = operation.argument
            duplicate_of = _duplicate_of(entry, seen)
            operation.result = Recorded(message_id=number, possible_duplicate_of=duplicate_of)
            row = {**entry.row, "id": number, "possible_duplicate_of": duplicate_of}
            issues = list(found.issues)
            if duplicate_of is not None:
                issues.append(Issue.of(Severity.WARNING, IssueCode.DOCUMENT_DUPLICATE))
            if entry.flagged and row["state"] == "translated" and overtaken.intersection(entry.documents):
                issues.append(Issue.of(Severity.WARNING, IssueCode.DOCUMENT_OVERTAKEN))
            rows.append(with_issues(row, issues) if issues else row)
        self._insert_message.each(cursor, rows)
        numbered = list(zip(entries, ids, strict=True))
        self.deliver(
            transaction,
            [(number, each) for entry, number in numbered for each in entry.lanes],
            lanes,
            rows[0]["received"],
        )
        self.documents_of(cursor, [(*role, number) for entry, number in numbered for role in entry.roles])
        self.patients.apply(cursor, list(zip(weighed, ids, strict=True)), rows[0]["received"])
        self.exchanges.apply(cursor, numbered, rows[0]["received"])
        self.bodies_of(
            cursor, [(*body, f"m{number}") for entry, number in numbered for body in entry.bodies], rows[0]["received"]
        )
        met = [(number, each) for entry, number in numbered for each in entry.untranslated]
        self.tasks.count(cursor, met, rows[0]["received"])

    def lanes(self, cursor: Cursor, pairs: set[tuple[str, str]], now: float) -> dict[tuple[str, str], int]:
        """The lanes' ids, made active. Their rows are locked in (destination, key) order by everybody: no deadlock by construction."""
        rows = [
            {
                "destination": destination,
                "key": key,
                "bucket": bucket_of(destination, key),
                "active": True,
                "due": now,
                "version": 1,
            }
            for destination, key in sorted(pairs)
        ]
        if self._postgres:
            return self._lanes_at_once(cursor, rows)
        found = {}
        for row in rows:
            for number, destination, key in self._lane.rows(cursor, **row):
                found[destination, key] = number
        return found

    def _lanes_at_once(self, cursor: Any, rows: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        if not rows:
            return found
        cursor.executemany(self._lane.sql, rows, returning=True)
        while True:
            for number, destination, key in cursor.fetchall():
                found[destination, key] = number
            if not cursor.nextset():
                return found

    def deliver(
        self,
        transaction: Transaction,
        wanted: Sequence[tuple[int, tuple[str, str, str]]],
        lanes: Mapping[tuple[str, str], int],
        now: float,
    ) -> Sequence[int]:
        """Queue deliveries (message id; destination, key, part); returns their ids. Ids are taken after the lanes' rows are locked, so that within a lane their order is that of the commits."""
        if not wanted:
            return ()
        numbers = self.numbers(transaction.cursor, "delivery", len(wanted))
        self._insert_delivery.each(
            transaction.cursor,
            [
                {
                    **_NEW_DELIVERY,
                    "id": number,
                    "message_id": of,
                    "lane_id": lanes[destination, key],
                    "destination": destination,
                    "part": part,
                    "queued": now,
                }
                for number, (of, (destination, key, part)) in zip(numbers, wanted, strict=True)
            ],
        )
        self.wake(transaction, sorted({each[0] for _, each in wanted}))
        return numbers

    def wake(self, transaction: Transaction, destinations: Sequence[str]) -> None:
        """Tell the workers of these destinations, here and on other nodes, once it is committed."""
        if self._postgres:
            for name in destinations:
                transaction.cursor.execute("SELECT pg_notify('connector_work', %(name)s)", {"name": name})
        transaction.after_commit(lambda: self._announce(destinations))

    def numbers(self, cursor: Cursor, table: str, count: int) -> Sequence[int]:
        """Ids that were never used: SQLite has one writer, which counts; PostgreSQL has a sequence."""
        if self._postgres:
            cursor.execute(f"SELECT nextval('{table}_id_seq') FROM generate_series(1, %(count)s)", {"count": count})  # noqa: S608 - our own tables
            return [row[0] for row in cursor.fetchall()]
        if table not in self._numbers:
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = :table", {"table": table})
            found = cursor.fetchone()
            self._numbers[table] = found[0] if found else 0
        first = self._numbers[table] + 1
        self._numbers[table] += count
        return range(first, first + count)

    def documents_of(self, cursor: Cursor, roles: Sequence[tuple[str, str, str, int]]) -> None:
        """Note which document ids a message holds, and what it does to them: (id, role, detail, message id)."""
        names = ("document_id", "role", "detail", "message_id")
        if roles:
            self._insert_document.each(cursor, [dict(zip(names, row, strict=True)) for row in roles])

    def bodies_of(self, cursor: Cursor, bodies: Sequence[tuple[str, bytes | None, str]], now: float) -> None:
        """Contents (digest, bytes or None when they are a file, owner), each kept once."""
        if not bodies:
            return
        self._insert_content.each(
            cursor,
            [
                {"sha256": digest, "size": len(body or b""), "created": now, "body": body}
                for digest, body, _ in sorted(bodies, key=lambda item: item[0])
            ],
        )
        self._insert_use.each(
            cursor,
            [{"sha256": digest, "owner": owner} for digest, _, owner in sorted(bodies, key=lambda item: item[0])],
        )

    # --- duplicates

    def earlier(
        self, cursor: Cursor, identities: Sequence[str], now: float
    ) -> dict[str, list[tuple[str, int, bytes, int | None]]]:
        """Earlier messages of these identities within the window: (digest, id, answers, conflicts with)."""
        found: dict[str, list[tuple[str, int, bytes, int | None]]] = {}
        for identity, digest, number, answers, conflict in self._earlier.rows(
            cursor, identities=many(identities, self.dialect), since=now - self.window
        ):
            found.setdefault(identity, []).append((digest, number, bytes(answers), conflict))
        return found

    def _without_duplicates(self, cursor: Cursor, operations: Sequence[Operation]) -> list[Operation]:
        asked = sorted(
            {op.argument.identity for op in operations if op.argument.identity and not op.argument.judged_apart}
        )
        if not asked:
            return list(operations)
        if self._postgres:
            # Two nodes may hold the same MSH-10 at this moment: one waits for the other's commit, and then sees it.
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%(space)s, n) FROM unnest(%(numbers)s::int[]) AS n",
                {
                    "space": _IDENTITY_LOCKS,
                    "numbers": sorted({zlib.crc32(item.encode()) & 0x7FFFFFFF for item in asked}),
                },
            )
        known = self.earlier(cursor, asked, operations[0].argument.row["received"])
        fresh = []
        here: dict[str, Operation] = {}
        for operation in operations:
            entry = operation.argument
            if not entry.identity or entry.judged_apart:
                fresh.append(operation)
            elif entry.identity in known:
                operation.result = verdict_on(known[entry.identity], entry.digest)
            elif entry.identity in here:
                # The same MSH-10 twice in one transaction: only the first has an id to speak of once it is inserted; ask again then.
                operation.result = Again(here[entry.identity])
            else:
                here[entry.identity] = operation
                fresh.append(operation)
        return fresh

    def _uncontradicted(self, cursor: Cursor, operations: list[Operation]) -> tuple[list[Operation], list[Weighed]]:
        """Those whose verdict stands; the others learn what the store knows, nothing of them is kept."""
        operations = self._up_to_date(cursor, operations)
        fresh, kept = [], []
        for operation, weighed in zip(
            operations, self.patients.weigh(cursor, [operation.argument for operation in operations]), strict=True
        ):
            if weighed.known is not None:
                operation.result = Contradicted(weighed.known)
            else:
                fresh.append(operation)
                kept.append(weighed)
        return fresh, kept

    def _up_to_date(self, cursor: Cursor, operations: list[Operation]) -> list[Operation]:
        """Those whose verdict knows the exchange that is there under their id; of two in one transaction the second is asked again."""
        stale = self.exchanges.weigh(cursor, [operation.argument for operation in operations])
        for place, found in stale.items():
            known = Contradicted(Known(earlier=found)) if isinstance(found, Earlier) else Again(operations[found])
            operations[place].result = known
        return [operation for place, operation in enumerate(operations) if place not in stale]

    def _documents_seen(self, cursor: Cursor, entries: Sequence[Prepared]) -> tuple[dict[str, int], set[str]]:
        """The first message of each document that came before, and the documents that a later one replaces already."""
        names = sorted({name for entry in entries if entry.flagged for name in entry.documents})
        seen: dict[str, int] = {}
        overtaken = set()
        for name, role, number in self._seen.rows(cursor, ids=many(names, self.dialect)) if names else ():
            if role == "replaced":
                overtaken.add(name)
            else:
                seen[name] = min(number, seen.get(name, number))
        return seen, overtaken


class Again:
    """The result of a message whose identity another one of the same transaction claimed first; the journal asks once more."""

    __slots__ = ("first",)

    def __init__(self, first: Operation) -> None:
        self.first = first


def verdict_on(earlier: Sequence[tuple[str, int, bytes, int | None]], digest: str) -> Recorded | DuplicateControlId:
    """Same bytes: the earlier message with its stored answers. Other bytes: DuplicateControlId of the first that used the id."""
    for known, number, answers, _ in earlier:
        if known == digest:
            return Recorded(message_id=number, duplicate=True, answers=unpack_answers(answers))
    return DuplicateControlId(next((number for _, number, _, conflict in earlier if conflict is None), earlier[0][1]))


_NEW_DELIVERY: dict[str, Any] = {
    "state": "queued",
    "open": True,
    "resent": False,
    "attempts": 0,
    "sent_at": None,
    "settled": None,
    "reference": "",
    "issues": b"[]",
    "sent_digest": None,
    "sent": None,
    "reply": None,
}


def _duplicate_of(entry: Prepared, seen: Mapping[str, int]) -> int | None:
    given: int | None = entry.row["possible_duplicate_of"]
    if given is not None or not entry.flagged or entry.row["state"] != "translated":
        return given
    return next((seen[name] for name in entry.documents if name in seen), None)


def with_issues(row: dict[str, Any], more: Sequence[Issue]) -> dict[str, Any]:
    """The row with issues that only the store can tell (a document that came before, hostile D10; a merged patient): said, not refused."""
    issues = msgspec.json.decode(row["issues"], type=tuple[Issue, ...])
    known = {issue.code for issue in issues}
    issues = (*issues, *(issue for issue in more if issue.code not in known))
    return {**row, "issues": _encode(issues), "codes": codes_of(issues), "severity": int(worst(issues))}


def _insert_or_leave(table: sa.Table, dialect: Dialect) -> Statement:
    make = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    values = {column.name: sa.bindparam(column.name, type_=column.type) for column in table.c}
    return Statement(make(table).values(values).on_conflict_do_nothing(), dialect)


def _upsert_lane(dialect: Dialect) -> Statement:
    """A lane wakes and its version grows; one that waits to be tried again keeps its time."""
    make = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    names = ("destination", "key", "bucket", "active", "due", "version")
    statement = make(lane).values({name: sa.bindparam(name, type_=lane.c[name].type) for name in names})
    statement = statement.on_conflict_do_update(
        index_elements=["destination", "key"],
        set_={
            "active": sa.true() if dialect.name == "postgresql" else sa.literal_column("1"),
            "version": lane.c.version + sa.literal_column("1"),
            "due": sa.case((lane.c.active, lane.c.due), else_=statement.excluded.due),
        },
    )
    return Statement(statement.returning(lane.c.id, lane.c.destination, lane.c.key), dialect)
