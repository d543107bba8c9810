"""Hot statements: written in SQLAlchemy Core, compiled once per dialect, then run on the driver's own cursor.

Core builds and caches well but costs four times the statement itself at some thousand a second; what is asked rarely
(search, operator's acts, retention) stays ordinary Core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

__all__ = ["Cursor", "Statement", "any_of", "many"]


class Cursor(Protocol):
    """What both drivers' cursors do (PEP 249)."""

    rowcount: int

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:
        """Run one statement."""
        ...

    def executemany(self, sql: str, rows: Any, /) -> Any:
        """Run it for each row."""
        ...

    def fetchone(self) -> Any:
        """One row or None."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows."""
        ...


class Statement:
    """One compiled statement; parameters by name on both drivers."""

    __slots__ = ("_constants", "sql")

    def __init__(self, clause: sa.sql.ClauseElement, dialect: Dialect) -> None:
        compiled = clause.compile(dialect=dialect)
        self.sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def run(self, cursor: Cursor, /, **parameters: Any) -> Cursor:
        """Execute; returns the cursor."""
        cursor.execute(self.sql, {**self._constants, **parameters})
        return cursor

    def rows(self, cursor: Cursor, /, **parameters: Any) -> list[Any]:
        """Execute and take all rows."""
        cursor.execute(self.sql, {**self._constants, **parameters})
        return cursor.fetchall()

    def each(self, cursor: Cursor, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute for each row; the rows hold every parameter."""
        cursor.executemany(self.sql, rows if not self._constants else [{**self._constants, **row} for row in rows])


def insert_of(table: sa.Table, dialect: Dialect) -> Statement:
    """INSERT of every column, by name, with the id given."""
    return Statement(sa.insert(table).values({c.name: sa.bindparam(c.name, type_=c.type) for c in table.c}), dialect)


def any_of(column: sa.ColumnElement[Any], name: str, dialect: Dialect) -> sa.ColumnElement[bool]:
    """`column` is one of the values of parameter `name` (given through `many`): one text whatever their number."""
    if dialect.name == "postgresql":
        return column == sa.func.any(sa.bindparam(name, type_=postgresql.ARRAY(column.type)))
    each = sa.func.json_each(sa.bindparam(name, type_=sa.Text())).table_valued("value")
    return column.in_(sa.select(each.c.value))


def many(values: Sequence[Any], dialect: Dialect) -> Any:
    """The parameter of `any_of`."""
    return list(values) if dialect.name == "postgresql" else msgspec.json.encode(values).decode()
