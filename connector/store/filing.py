"""FHIR resources written: conditions asked again, versions kept, index rows replaced, inside the commit that also records their message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from connector.fhir.search import IndexRow, Query
from connector.ports import FilingStale
from connector.store.criteria import numbered
from connector.store.preparing import Prepared
from connector.store.recording import Recording
from connector.store.statements import Cursor, Statement, insert_of
from connector.store.tables import fhir_index, fhir_resource, fhir_version
from connector.store.writer import Operation, Transaction

__all__ = ["Version", "Wanted", "Writing"]

_LOCK = 7104  # two nodes write resources one after the other: conditions and numbers hold until the commit


class Version(msgspec.Struct, frozen=True):
    """A `Put` made ready. `digest` names a Binary's bytes; `stored` are they, or None when they are a file already."""

    type: str
    id: str
    body: bytes
    rows: tuple[IndexRow, ...]
    seen: int | None = None
    unless: Query | None = None
    media_type: str | None = None
    digest: str | None = None
    stored: bytes | None = None


class Wanted(msgspec.Struct, frozen=True):
    """What to write now, with the message that brought it."""

    versions: tuple[Version, ...]
    now: float
    prepared: Prepared | None = None


class Writing:
    """The statements; applied on the writer's thread."""

    def __init__(self, dialect: Dialect, recording: Recording) -> None:
        self._dialect = dialect
        self._recording = recording
        kind, number = sa.bindparam("of_type", type_=sa.Text), sa.bindparam("of_id", type_=sa.Text)
        this = (fhir_resource.c.type == kind, fhir_resource.c.id == number)
        columns = ("sequence", "version", "updated", "body", "digest", "media_type")
        self._known = Statement(sa.select(*[fhir_resource.c[name] for name in columns]).where(*this), dialect)
        kept = [column.name for column in fhir_version.c]
        earlier = sa.select(*[fhir_resource.c[name] for name in kept]).where(*this)
        self._keep = Statement(sa.insert(fhir_version).from_select(kept, earlier), dialect)
        self._drop = Statement(sa.delete(fhir_resource).where(*this), dialect)
        of_number = fhir_index.c.sequence == sa.bindparam("of_number", type_=sa.BigInteger)
        self._drop_rows = Statement(sa.delete(fhir_index).where(fhir_index.c.type == kind, of_number), dialect)
        self._last = Statement(
            sa.select(sa.func.max(fhir_resource.c.sequence)).where(fhir_resource.c.type == kind), dialect
        )
        self._insert = insert_of(fhir_resource, dialect)
        self._insert_row = insert_of(fhir_index, dialect)

    def file(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """`Wanted` → ((version, time, whether it is new) of each, the operation that records the message), or FilingStale.

        All of the conditions of one are asked before any of it is written; the next one sees what was written.
        """
        cursor = transaction.cursor
        if self._dialect.name == "postgresql":
            cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        for operation in operations:
            wanted: Wanted = operation.argument
            if not all(self._holds(cursor, version) for version in wanted.versions):
                operation.result = FilingStale()
                continue
            written = [self._put(cursor, version, wanted.now) for version in wanted.versions]
            inner = None
            if wanted.prepared is not None:
                inner = Operation("record", wanted.prepared, operation.future, operation.loop)
                transaction.then(inner)
            operation.result = (written, inner)

    def _holds(self, cursor: Cursor, version: Version) -> bool:
        if version.seen is not None:
            found = self._known.rows(cursor, of_type=version.type, of_id=version.id)
            if (found[0][1] if found else 0) != version.seen:
                return False
        return version.unless is None or not self._finds(cursor, version.unless)

    def _finds(self, cursor: Cursor, query: Query) -> bool:
        compiled = numbered(query).limit(1).compile(dialect=self._dialect, compile_kwargs={"render_postcompile": True})
        cursor.execute(str(compiled), dict(compiled.params))
        return cursor.fetchone() is not None

    def _put(self, cursor: Cursor, version: Version, now: float) -> tuple[int, float, bool]:
        found = self._known.rows(cursor, of_type=version.type, of_id=version.id)
        latest = 0
        if found:
            number, latest, updated, body, digest, media_type = found[0]
            if (bytes(body), digest, media_type) == (version.body, version.digest, version.media_type):
                return latest, updated, False
            self._keep.run(cursor, of_type=version.type, of_id=version.id)
            self._drop.run(cursor, of_type=version.type, of_id=version.id)
            self._drop_rows.run(cursor, of_type=version.type, of_number=number)
        else:
            number = (self._last.rows(cursor, of_type=version.type)[0][0] or 0) + 1
        row: dict[str, Any] = {
            "type": version.type,
            "id": version.id,
            "sequence": number,
            "version": latest + 1,
            "updated": now,
            "media_type": version.media_type,
            "digest": version.digest,
            "body": version.body,
        }
        self._insert.each(cursor, [row])
        rows = [{"type": version.type, "sequence": number, **item._asdict()} for item in version.rows]
        if rows:
            self._insert_row.each(cursor, rows)
        if version.digest is not None:
            self._recording.bodies_of(cursor, [(version.digest, version.stored, f"b{version.id}")], now)
        return latest + 1, now, True
