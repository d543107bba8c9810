"""Codes met without a translation, counted: one row a code, whatever the number of messages that held it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from connector.store.database import Database
from connector.store.statements import Cursor, Statement
from connector.store.tables import terminology_task
from connector.store.times import iso
from connector.store.writer import Apply, Operation, Transaction
from connector.terminology import Untranslated

__all__ = ["Task", "Tasks", "list_tasks"]

_KEY = ("terminology", "way", "side", "system", "code")


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A code to settle. `message_id` is the latest message that held it; times in ISO; `code` is empty when no code stood there."""

    id: int
    terminology: str
    way: str
    side: str
    system: str
    code: str
    first_seen: str
    last_seen: str
    seen: int
    message_id: int
    ignored: bool


class Tasks:
    """The statements for one dialect, run inside the transaction that records a message (reading) or apart (writing)."""

    def __init__(self, dialect: Dialect) -> None:
        make: Any = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        table = terminology_task
        names = (*_KEY, "first_seen", "last_seen", "seen", "message_id", "ignored")
        statement = make(table).values({name: sa.bindparam(name, type_=table.c[name].type) for name in names})
        new = statement.excluded
        self._count = Statement(
            statement.on_conflict_do_update(
                index_elements=list(_KEY),
                set_={"last_seen": new.last_seen, "seen": table.c.seen + new.seen, "message_id": new.message_id},
            ),
            dialect,
        )
        self._ignore = Statement(
            sa.update(table)
            .where(table.c.id == sa.bindparam("task", type_=sa.BigInteger))
            .values(ignored=sa.bindparam("new_ignored", type_=sa.Boolean)),
            dialect,
        )
        self.phases: dict[str, Apply] = {"count_tasks": self._count_apart, "ignore_task": self._ignore_them}

    def count(self, cursor: Cursor, met: Sequence[tuple[int, Untranslated]], now: float) -> None:
        """Count each (message id, code); nothing is asked of the database when there is none."""
        if not met:
            return
        rows: dict[Untranslated, dict[str, Any]] = {}
        for number, each in met:
            row = rows.setdefault(each, {**each._asdict(), "first_seen": now, "seen": 0, "ignored": False})
            row |= {"last_seen": now, "seen": row["seen"] + 1, "message_id": number}
        self._count.each(cursor, [rows[each] for each in sorted(rows)])  # everybody locks the rows in this order

    def _count_apart(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """(codes with their messages, time)."""
        for operation in operations:
            met, now = operation.argument
            self.count(transaction.cursor, met, now)

    def _ignore_them(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """(task id, whether it is to be ignored) → how many there were: 0 or 1."""
        for operation in operations:
            task, ignored = operation.argument
            operation.result = self._ignore.run(transaction.cursor, task=task, new_ignored=ignored).rowcount


def list_tasks(database: Database) -> list[Task]:
    """Every task, those met most often first; none in a journal that an older program made. Blocking."""
    table = terminology_task
    if not sa.inspect(database.engine).has_table(table.name):
        return []
    chosen = sa.select(table).order_by(table.c.seen.desc(), table.c.id)
    with database.engine.connect() as connection:
        rows = connection.execute(chosen).mappings().all()
    return [Task(**{**row, "first_seen": iso(row["first_seen"]), "last_seen": iso(row["last_seen"])}) for row in rows]
