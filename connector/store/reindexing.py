"""The index of FHIR resources made again when what is indexed has changed since it was made: what was filed before is found by new parameters too."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import sqlalchemy as sa

from connector.fhir.codec import load
from connector.fhir.search import PARAMETERS, index
from connector.store.database import Database
from connector.store.tables import fhir_index, fhir_resource, meta

__all__ = ["reindex"]

log = logging.getLogger(__name__)

#: Grows when `connector.fhir.indexing` makes other rows of the same parameters.
_ROWS = 1
_NAME = "fhir_index"
_AT_ONCE = 500


def reindex(database: Database) -> int:
    """Before anybody writes: make every row again if the index is of other parameters; returns of how many resources."""
    wanted = hashlib.sha256(f"{_ROWS}{sorted(PARAMETERS.items())}".encode()).hexdigest()
    with database.writing_engine().connect() as connection:
        known = connection.execute(sa.select(meta.c.value).where(meta.c.name == _NAME)).scalar()
        connection.rollback()
        if known == wanted:
            return 0
        done, after = 0, ("", 0)
        while page := _page(connection, after):
            _begin(connection, database)
            for row in page:
                _again(connection, row)
            _commit(connection, database)
            done, after = done + len(page), (page[-1].type, page[-1].sequence)
        _begin(connection, database)
        connection.execute(sa.delete(meta).where(meta.c.name == _NAME))
        connection.execute(sa.insert(meta).values(name=_NAME, value=wanted))
        _commit(connection, database)
    if done:
        log.info("FHIR index made again: %d resources", done)
    return done


def _page(connection: sa.Connection, after: tuple[str, int]) -> list[Any]:
    chosen = sa.select(fhir_resource.c.type, fhir_resource.c.sequence, fhir_resource.c.body)
    behind = sa.tuple_(fhir_resource.c.type, fhir_resource.c.sequence) > sa.tuple_(*map(sa.literal, after))
    rows = connection.execute(
        chosen.where(behind).order_by(fhir_resource.c.type, fhir_resource.c.sequence).limit(_AT_ONCE)
    ).all()
    connection.rollback()
    return list(rows)


def _again(connection: sa.Connection, row: Any) -> None:
    this = (fhir_index.c.type == row.type, fhir_index.c.sequence == row.sequence)
    connection.execute(sa.delete(fhir_index).where(*this))
    rows = index(load(bytes(row.body)).value or {})
    if rows:
        made = [{"type": row.type, "sequence": row.sequence, **each._asdict()} for each in rows]
        connection.execute(sa.insert(fhir_index), made)


def _begin(connection: sa.Connection, database: Database) -> None:
    if database.lite:  # the driver is in autocommit: transactions are begun by word
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _commit(connection: sa.Connection, database: Database) -> None:
    connection.exec_driver_sql("COMMIT") if database.lite else connection.commit()
