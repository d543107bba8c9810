"""Writes that are not ingest of a new message: late verdicts, notes of answers, and what a person asks (retry, cancel, replay)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from connector.exchange.known import Earlier, Known
from connector.ports import Contradicted
from connector.store.database import Database
from connector.store.preparing import Prepared, pack_answers, unpack_answers
from connector.store.recording import Recording, with_issues
from connector.store.statements import Statement, any_of, many
from connector.store.tables import delivery, lane, message
from connector.store.writer import Apply, Operation, Transaction

__all__ = ["Acts"]

# A lane is never due later than this after a start; a wall clock that was an hour wrong must not put it to sleep (faults S20).
_FARTHEST = 3600.0
_RETRIED = ("queued", "failed", "parked", "rejected", "cancelled")
_CANCELLED = ("queued", "failed", "parked", "rejected")
_VERDICT = (
    "type",
    "state",
    "key",
    "patient",
    "mapping",
    "answer",
    "severity",
    "codes",
    "possible_duplicate_of",
    "judged",
    "answers",
    "issues",
    "contents",
    "exchange",
)


class Acts:
    """The statements for one dialect; applied on the ingest writer's thread."""

    def __init__(self, dialect: Dialect, recording: Recording, now: Callable[[], float]) -> None:
        self._dialect = dialect
        self._recording = recording
        self._now = now
        postgres = dialect.name == "postgresql"
        number = sa.bindparam("message_id", type_=sa.BigInteger)
        true: sa.ColumnElement[bool] = sa.literal_column("true" if postgres else "1")
        false: sa.ColumnElement[bool] = sa.literal_column("false" if postgres else "0")
        before = sa.select(message.c.state, message.c.answers).where(message.c.id == number)
        self._before = Statement(before.with_for_update() if postgres else before, dialect)
        values = {name: sa.bindparam(f"new_{name}", type_=message.c[name].type) for name in _VERDICT}
        self._verdict = Statement(sa.update(message).where(message.c.id == number).values(**values), dialect)
        answer = sa.bindparam("new_answer", type_=sa.Text)
        self._answered = Statement(
            sa.update(message).where(any_of(message.c.id, "ids", dialect)).values(answer=answer), dialect
        )
        chosen = any_of(delivery.c.id, "ids", dialect)
        self._lanes_of = Statement(
            # A lane that slept for long may be forgotten; its key is then the message's.
            sa.select(delivery.c.destination, sa.func.coalesce(lane.c.key, message.c.key), delivery.c.id)
            .outerjoin(lane, lane.c.id == delivery.c.lane_id)
            .join(message, message.c.id == delivery.c.message_id)
            .where(chosen, delivery.c.state.in_([sa.literal_column(f"'{state}'") for state in {*_RETRIED}])),
            dialect,
        )
        self._reopen = Statement(
            sa.update(delivery)
            .where(delivery.c.id == sa.bindparam("delivery_id", type_=sa.BigInteger))
            .values(
                state=sa.literal_column("'queued'"),
                open=true,
                settled=sa.null(),
                lane_id=sa.bindparam("in_lane", type_=sa.BigInteger),
            ),
            dialect,
        )
        self._cancel = Statement(
            sa.update(delivery)
            .where(chosen, delivery.c.state.in_([sa.literal_column(f"'{state}'") for state in _CANCELLED]))
            .values(
                state=sa.literal_column("'cancelled'"),
                open=false,
                settled=sa.bindparam("cancelled_at", type_=sa.Double),
            )
            .returning(delivery.c.id),
            dialect,
        )
        self._due_now = Statement(
            sa.update(lane)
            .where(
                lane.c.destination == sa.bindparam("of", type_=sa.Text),
                lane.c.key == sa.bindparam("under", type_=sa.Text),
            )
            .values(due=sa.bindparam("due_at", type_=sa.Double)),
            dialect,
        )
        self._routed = Statement(
            sa.select(lane.c.destination, lane.c.key, delivery.c.part)
            .join(delivery, delivery.c.lane_id == lane.c.id)
            .where(delivery.c.message_id == number)
            .order_by(delivery.c.id),
            dialect,
        )
        self._key = Statement(sa.select(message.c.key, message.c.state).where(message.c.id == number), dialect)
        self.phases: dict[str, Apply] = {
            "verdict": self._settle_verdicts,
            "answered": self._note_answers,
            "retry": self._retry,
            "cancel": self._cancel_them,
            "replay": self._replay,
            **recording.tasks.phases,
        }

    def recover(self, database: Database) -> None:
        """After the lock, before the first work: lanes that a wrong clock put far off become due."""
        now = self._now()
        connection = database.writing()
        try:
            Statement(
                sa.update(lane)
                .where(lane.c.active, lane.c.due > sa.bindparam("far", type_=sa.Double))
                .values(due=sa.bindparam("due_at", type_=sa.Double)),
                self._dialect,
            ).run(connection.cursor(), far=now + _FARTHEST, due_at=now)
        finally:
            connection.close()

    def _settle_verdicts(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """(message id, Prepared, answers) → the answers still owed; a message that has its verdict keeps it."""
        cursor, now = transaction.cursor, self._now()
        for operation in sorted(operations, key=lambda op: op.argument[0]):
            number, prepared, answers = operation.argument
            operation.result = ()
            before = self._before.rows(cursor, message_id=number)
            if not before or before[0][0] == "translated":
                continue
            if earlier := self._recording.exchanges.weigh(cursor, [prepared]).get(0):
                operation.result = Contradicted(Known(earlier=earlier if isinstance(earlier, Earlier) else None))
                continue
            (weighed,) = self._recording.patients.weigh(cursor, [prepared])
            if weighed.known is not None:
                operation.result = Contradicted(weighed.known)
                continue
            # What was already answered stays as it was written; what follows comes from the verdict.
            told = unpack_answers(bytes(before[0][1])) if before[0][0] == "received" else ()
            operation.result = tuple(answers[len(told) :])
            row: dict[str, Any] = with_issues({**prepared.row}, weighed.issues)
            row["answers"] = pack_answers((*told, *operation.result))
            row["answer"] = "pending" if operation.result else "told" if told else "none"
            self._verdict.run(cursor, message_id=number, **{f"new_{name}": row[name] for name in _VERDICT})
            self._add(transaction, number, prepared, now)
            self._recording.patients.apply(cursor, [(weighed, number)], now)
            self._recording.exchanges.apply(cursor, [(prepared, number)], now)

    def _add(self, transaction: Transaction, number: int, prepared: Prepared, now: float) -> None:
        cursor, recording = transaction.cursor, self._recording
        lanes = recording.lanes(cursor, {each[:2] for each in prepared.lanes}, now)
        recording.deliver(transaction, [(number, each) for each in prepared.lanes], lanes, now)
        recording.documents_of(cursor, [(*role, number) for role in prepared.roles])
        recording.bodies_of(cursor, [(*body, f"m{number}") for body in prepared.bodies], now)
        recording.tasks.count(cursor, [(number, each) for each in prepared.untranslated], now)

    def _note_answers(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """{message id: told}."""
        for word, wanted in (("told", True), ("untold", False)):
            ids = sorted(number for op in operations for number, told in op.argument.items() if told is wanted)
            if ids:
                self._answered.run(transaction.cursor, ids=many(ids, self._dialect), new_answer=word)

    def _retry(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """Delivery ids → how many are queued again. The lanes' rows are locked first and in order, like everywhere."""
        for operation in operations:
            found = self._lanes_of.rows(transaction.cursor, ids=many(operation.argument, self._dialect))
            lanes = self._awaken(transaction, {(destination, key) for destination, key, _ in found})
            rows = [
                {"delivery_id": number, "in_lane": lanes[destination, key]}
                for destination, key, number in sorted(found, key=lambda row: row[2])
            ]
            if rows:
                self._reopen.each(transaction.cursor, rows)
            operation.result = len(rows)

    def _cancel_them(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """Delivery ids → how many were cancelled; the next of each lane may go at once."""
        for operation in operations:
            found = self._lanes_of.rows(transaction.cursor, ids=many(operation.argument, self._dialect))
            self._awaken(transaction, {(destination, key) for destination, key, _ in found})
            ids = many(sorted(number for _, _, number in found), self._dialect)
            operation.result = len(self._cancel.rows(transaction.cursor, ids=ids, cancelled_at=self._now()))

    def _replay(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """(message id, destination or None) → ids of new deliveries, at the end of their lanes."""
        now = self._now()
        for operation in operations:
            number, destination = operation.argument
            routed = dict.fromkeys(tuple(row) for row in self._routed.rows(transaction.cursor, message_id=number))
            if destination is not None:
                found = self._key.rows(transaction.cursor, message_id=number)
                chosen = [each for each in routed if each[0] == destination]
                whole = [(destination, key, "") for key, state in found if state == "translated"]
                routed = dict.fromkeys(chosen or whole)
            lanes = self._recording.lanes(transaction.cursor, {each[:2] for each in routed}, now)
            operation.result = self._recording.deliver(transaction, [(number, each) for each in routed], lanes, now)

    def _awaken(self, transaction: Transaction, pairs: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
        now = self._now()
        lanes = self._recording.lanes(transaction.cursor, pairs, now)
        for destination, key in sorted(pairs):
            self._due_now.run(transaction.cursor, of=destination, under=key, due_at=now)
        self._recording.wake(transaction, sorted({destination for destination, _ in pairs}))
        return lanes
