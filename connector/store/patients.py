"""The patient index, fed in the commit of the message that says something new (`connector.exchange.registry` decides what)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from connector.exchange.known import Known, KnownDocument
from connector.exchange.lineage import fault, followed
from connector.exchange.moments import date_of
from connector.exchange.people import Patient
from connector.exchange.registry import (
    Key,
    Plan,
    Record,
    birth_of,
    contradicts,
    key_of,
    keys_of,
    lane_keys,
    plan,
    searchable,
    searched,
)
from connector.issues import Issue, IssueCode, Severity
from connector.store.preparing import Prepared, bounded
from connector.store.statements import Cursor, Statement, any_of, insert_of, many
from connector.store.tables import delivery, document, lane, message, patient, patient_identifier, patient_name

__all__ = ["PatientIndex", "Weighed"]

_LOCK = 7105  # one node at a time changes the index (PostgreSQL)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Patient).decode
_decode_issues = msgspec.json.Decoder(tuple[Issue, ...]).decode


class Weighed(msgspec.Struct):
    """What the store has to say to one entry: what the verdict did not know, what changes in the index, what is told in the journal."""

    known: Known | None = None
    plan: Plan = Plan()
    record: int = 0
    fingerprint: bytes = b""
    issues: tuple[Issue, ...] = ()


class _Row(msgspec.Struct):
    """A row of the index in hand; its patient is decoded when somebody looks."""

    id: int
    source: str
    identity: bool
    fingerprint: bytes
    merged_into: int | None
    merged_by: int | None
    body: bytes
    decoded: Patient | None = None

    def record(self) -> Record:
        """The same as a pure value."""
        if self.decoded is None:
            self.decoded = _decode(self.body)
        return Record(id=self.id, patient=self.decoded, source=self.source, identity=self.identity)


class _Hand:
    """The rows that a transaction has read or is about to write, so that two messages of one commit see each other."""

    def __init__(self) -> None:
        self.rows: dict[int, _Row] = {}
        self.keys: dict[Key, set[int]] = {}
        self.ended: dict[Key, int] = {}

    def living(self, keys: Iterable[Key]) -> list[_Row]:
        """The records of these keys, those that were merged followed to where they are now; in order of id."""
        found = {}
        for number in {number for key in keys for number in self.keys.get(key, ())}:
            row = self.rows[number]
            while row.merged_into is not None:
                row = self.rows[row.merged_into]
            found[row.id] = row
        return [found[number] for number in sorted(found)]

    def stale(self, keys: Sequence[Key]) -> int | None:
        """The message that merged or ended one of these keys when nothing else names a living record by it."""
        for key in keys:
            if (by := self.ended.get(key)) is not None:
                return by
            rows = [self.rows[number] for number in self.keys.get(key, ())]
            if rows and all(row.merged_into is not None for row in rows):
                return rows[0].merged_by
        return None


class PatientIndex:
    """The statements for one dialect; applied on the ingest writer's thread, inside its transaction. `numbers` gives new ids."""

    def __init__(self, dialect: Dialect, numbers: Callable[[Cursor, str, int], Sequence[int]]) -> None:
        self._dialect = dialect
        self._numbers = numbers
        self._postgres = dialect.name == "postgresql"
        columns = [patient.c[name] for name in _Row.__struct_fields__ if name != "decoded"]
        keys = (patient_identifier.c.domain, patient_identifier.c.value, patient_identifier.c.ended_by)
        self.known = Statement(
            sa.select(*keys, *columns)
            .join(patient, patient.c.id == patient_identifier.c.patient_id)
            .where(any_of(patient_identifier.c.value, "numbers", dialect)),
            dialect,
        )
        self._by_id = Statement(sa.select(*columns).where(any_of(patient.c.id, "ids", dialect)), dialect)
        self._followed = Statement(
            sa.select(document.c.document_id, document.c.role, document.c.detail)
            .join(message, message.c.id == document.c.message_id)
            .where(any_of(document.c.document_id, "ids", dialect), message.c.state == sa.literal_column("'translated'"))
            .order_by(document.c.message_id),
            dialect,
        )
        this = patient.c.id == sa.bindparam("of", type_=sa.BigInteger)
        self._insert = insert_of(patient, dialect)
        self._update = Statement(sa.update(patient).where(this).values(**_given(_WRITTEN)), dialect)
        self._merge = Statement(
            sa.update(patient).where(this).values(**_given(("merged_into", "merged_by", "merged_at"))), dialect
        )
        self._drop = [
            Statement(sa.delete(table).where(table.c.patient_id == sa.bindparam("of", type_=sa.BigInteger)), dialect)
            for table in (patient_name, patient_identifier)
        ]
        self._insert_name = insert_of(patient_name, dialect)
        self._insert_identifier = insert_of(patient_identifier, dialect)
        self._waiting = Statement(_waiting(dialect), dialect)
        self._park = Statement(_parking(dialect), dialect)

    # --- weighing: reads alone

    def weigh(self, cursor: Cursor, entries: Sequence[Prepared]) -> list[Weighed]:
        """What each entry meets, in their order; each sees what the ones before it change."""
        keys = {key for entry in entries if entry.sighting for key in _asked(entry)}
        hand = self._hand(cursor, keys) if keys else _Hand()
        weighed = self._weighed(cursor, hand, entries)
        if self._postgres and any(each.plan for each in weighed):
            cursor.execute("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
            weighed = self._weighed(cursor, self._hand(cursor, keys), entries)
        return weighed

    def _weighed(self, cursor: Cursor, hand: _Hand, entries: Sequence[Prepared]) -> list[Weighed]:
        documents = self._documents(cursor, entries)
        return [self._one(cursor, hand, documents, entry) for entry in entries]

    def _one(
        self, cursor: Cursor, hand: _Hand, documents: Mapping[str, KnownDocument | None], entry: Prepared
    ) -> Weighed:
        seen = entry.sighting
        keys = keys_of(seen.patient) if seen is not None else ()
        rows = hand.living(keys)
        if not entry.informed:
            other = None
            # The same words as last time cannot contradict what they made.
            if seen is not None and any(row.fingerprint != seen.fingerprint for row in rows):
                other = contradicts(seen, [row.record() for row in rows])
            before = {step.target: documents[step.target] for step in entry.steps}
            if other is not None or any(fault(step, before[step.target]) for step in entry.steps):
                return Weighed(known=Known(patient=other.patient if other else None, documents=before))
        if seen is None:
            return Weighed()
        issues = []
        if (by := hand.stale(keys)) is not None:
            issues.append(Issue.of(Severity.WARNING, IssueCode.PATIENT_MERGED, "patient.identifiers", what=by))
        if not seen.act and len(rows) == 1 and rows[0].fingerprint == seen.fingerprint:
            return Weighed(issues=tuple(issues))
        prior = hand.living(keys_of(seen.prior)) if seen.prior is not None else []
        made = plan(seen, [row.record() for row in rows], [row.record() for row in prior])
        if made.issue is not None and not issues:  # a merge explains why the old traits do not fit any more
            issues.append(Issue.of(Severity.WARNING, made.issue, "patient.identifiers"))
        weighed = Weighed(plan=made, fingerprint=seen.fingerprint, issues=tuple(issues))
        if made:
            self._take_in(cursor, hand, weighed)
        return weighed

    def _take_in(self, cursor: Cursor, hand: _Hand, weighed: Weighed) -> None:
        """Let the entries behind see what this one changes. Ids are taken here; rows are written once the messages have theirs."""
        made = weighed.plan
        number = made.into if made.into is not None else self._numbers(cursor, "patient", 1)[0]
        weighed.record = number
        if made.patient is not None:
            hand.rows[number] = _Row(
                number, made.source, made.identity, weighed.fingerprint, None, None, b"", made.patient
            )
            for key in keys_of(made.patient):
                hand.keys.setdefault(key, set()).add(number)
        for loser in made.absorbed:
            hand.rows[loser].merged_into = number

    def _hand(self, cursor: Cursor, keys: Iterable[Key]) -> _Hand:
        wanted = {(bounded(key.domain), bounded(key.value)): key for key in keys}
        hand = _Hand()
        asked = sorted({value for _, value in wanted})
        for domain, value, ended_by, *columns in self.known.rows(cursor, numbers=many(asked, self._dialect)):
            key = wanted.get((domain, value))
            if key is None:  # the same number in another domain (J05)
                continue
            hand.rows.setdefault(columns[0], _row(columns))
            hand.keys.setdefault(key, set()).add(columns[0])
            if ended_by is not None:
                hand.ended[key] = ended_by
        while missing := {row.merged_into for row in hand.rows.values()} - {None, *hand.rows}:
            for columns in self._by_id.rows(cursor, ids=many(sorted(missing), self._dialect)):
                hand.rows[columns[0]] = _row(columns)
        return hand

    def _documents(self, cursor: Cursor, entries: Sequence[Prepared]) -> dict[str, KnownDocument | None]:
        targets = sorted({step.target for entry in entries for step in entry.steps})
        if not targets:
            return {}
        came: dict[str, list[tuple[str, str]]] = {}
        names = [bounded(target) for target in targets]
        for name, role, detail in self._followed.rows(cursor, ids=many(names, self._dialect)):
            came.setdefault(name, []).append((role, detail))
        return {target: followed(came.get(bounded(target), ())) for target in targets}

    # --- writing

    def apply(self, cursor: Cursor, changes: Sequence[tuple[Weighed, int]], now: float) -> None:
        """Write what messages (by their ids) changed, and park the documents that wait under a number that is no more."""
        for weighed, number in changes:
            made = weighed.plan
            if made.patient is not None:
                self._write(cursor, weighed.record, made, weighed.fingerprint, number, now)
            for loser in made.absorbed:
                merged = {"new_merged_into": weighed.record, "new_merged_by": number, "new_merged_at": now}
                self._merge.run(cursor, of=loser, **merged)
            if made.lost is not None:
                self._keep_lost(cursor, weighed.record, made, number, now)
            if made.stale:
                self._park_waiting(cursor, made, number, now)

    def _write(self, cursor: Cursor, record: int, made: Plan, fingerprint: bytes, number: int, now: float) -> None:
        assert made.patient is not None  # noqa: S101 - the caller saw to it
        row = _columns(made.patient, made.source, made.identity, fingerprint, number, now)
        if made.into is None:
            nowhere = {"merged_into": None, "merged_by": None, "merged_at": None}
            self._insert.each(cursor, [{"id": record, **row, **nowhere}])
        else:
            self._update.run(cursor, of=record, **{f"new_{name}": value for name, value in row.items()})
            for drop in self._drop:
                drop.run(cursor, of=record)
        self._index(cursor, record, made.patient, number)

    def _index(self, cursor: Cursor, record: int, content: Patient, number: int) -> None:
        names = [
            {"patient_id": record, "family": bounded(family), "given": bounded(given)}
            for family, given in searchable(content)
        ]
        if names:
            self._insert_name.each(cursor, names)
        ends = {key_of(each): number if each.end is not None else None for each in content.identifiers}
        self._insert_identifier.each(
            cursor,
            [
                {
                    "patient_id": record,
                    "domain": bounded(key.domain),
                    "value": bounded(key.value),
                    "ended_by": ends[key],
                }
                for key in keys_of(content)
            ],
        )

    def _keep_lost(self, cursor: Cursor, record: int, made: Plan, number: int, now: float) -> None:
        """A merged identity that nobody knew: its record, merged from the beginning."""
        assert made.lost is not None  # noqa: S101 - the caller saw to it
        lost = self._numbers(cursor, "patient", 1)[0]
        row = _columns(made.lost, made.source, True, b"", number, now)
        merged = {"merged_into": record, "merged_by": number, "merged_at": now}
        self._insert.each(cursor, [{"id": lost, **row, **merged}])
        self._index(cursor, lost, made.lost, number)

    def _park_waiting(self, cursor: Cursor, made: Plan, number: int, now: float) -> None:
        """Documents that wait under a number that is no more are for a person (J13): what they carry is that number."""
        living = set(lane_keys(made.patient)) if made.patient is not None else set()
        keys = sorted({bounded(key) for stale in made.stale for key in lane_keys(stale)} - living)
        issue = Issue.of(Severity.ERROR, IssueCode.PATIENT_MERGED, what=number)
        for of, issues in self._waiting.rows(cursor, keys=many(keys, self._dialect)):
            told = _encode((*_decode_issues(bytes(issues)), issue))
            self._park.run(cursor, of=of, new_issues=told, parked_at=now)


_WRITTEN = (
    "message_id",
    "updated",
    "source",
    "identity",
    "fingerprint",
    "family",
    "given",
    "birth_date",
    "sex",
    "body",
)


def _columns(
    content: Patient, source: str, identity: bool, fingerprint: bytes, number: int, now: float
) -> dict[str, Any]:
    name = birth_of(content)
    return {
        "message_id": number,
        "updated": now,
        "source": source,
        "identity": identity,
        "fingerprint": fingerprint,
        "family": bounded(searched(name.family or "")),
        "given": bounded(searched(" ".join(name.given) or name.birth_given or "")),
        "birth_date": date_of(content.birth_date) if content.birth_date is not None else "",
        "sex": content.sex or "",
        "body": _encode(content),
    }


def _asked(entry: Prepared) -> Iterable[Key]:
    seen = entry.sighting
    if seen is None:
        return ()
    return (*keys_of(seen.patient), *(keys_of(seen.prior) if seen.prior is not None else ()))


def _row(columns: Sequence[Any]) -> _Row:
    number, source, identity, fingerprint, merged_into, merged_by, body = columns
    return _Row(number, source, bool(identity), bytes(fingerprint), merged_into, merged_by, bytes(body))


def _given(names: Iterable[str]) -> dict[str, Any]:
    return {name: sa.bindparam(f"new_{name}", type_=patient.c[name].type) for name in names}


def _waiting(dialect: Dialect) -> sa.Select[Any]:
    holds = sa.exists().where(document.c.message_id == delivery.c.message_id)
    waits = delivery.c.state.in_([sa.literal_column("'queued'"), sa.literal_column("'failed'")])
    return (
        sa.select(delivery.c.id, delivery.c.issues)
        .join(lane, lane.c.id == delivery.c.lane_id)
        .where(any_of(lane.c.key, "keys", dialect), delivery.c.open, waits, holds)
        .order_by(lane.c.destination, lane.c.key, delivery.c.id)
    )


def _parking(dialect: Dialect) -> sa.Update:
    return (
        sa.update(delivery)
        .where(delivery.c.id == sa.bindparam("of", type_=sa.BigInteger), delivery.c.open)
        .values(
            state=sa.literal_column("'parked'"),
            open=sa.literal_column("false" if dialect.name == "postgresql" else "0"),
            settled=sa.bindparam("parked_at", type_=sa.Double),
            issues=sa.bindparam("new_issues", type_=sa.LargeBinary),
        )
    )
