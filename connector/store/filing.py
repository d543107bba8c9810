"""FHIR resources written: conditions asked again, versions kept, index rows replaced, inside the commit that also records their message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from connector.fhir.search import IndexRow, Query
from connector.ports import FilingStale, Recorded
from connector.store.criteria import numbered
from connector.store.preparing import Prepared
from connector.store.recording import Again, Recording
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

    def depends_on(self, names: set[tuple[str, str]]) -> bool:
        """Whether what is there to see of these resources bears on it."""
        kinds = {kind for kind, _ in names}
        return any(
            (each.type, each.id) in names or (each.unless is not None and each.unless.type in kinds)
            for each in self.versions
        )


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
        """`Wanted` → (version, time, whether it is new) of each, FilingStale, or Again.

        Conditions are asked before anything is written. What comes with a message is written in `filed`, when the message is recorded; one
        whose conditions bear on that waits for the next transaction.
        """
        cursor = transaction.cursor
        if self._dialect.name == "postgresql":
            cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        names: set[tuple[str, str]] = set()
        for operation in operations:
            wanted: Wanted = operation.argument
            if wanted.depends_on(names):
                operation.result = Again(operation)
            elif not all(self._holds(cursor, version) for version in wanted.versions):
                operation.result = FilingStale()
            elif wanted.prepared is None:
                operation.result = ([self._put(cursor, version, wanted.now) for version in wanted.versions], None)
            else:
                names.update((version.type, version.id) for version in wanted.versions)
                message = Operation("record", wanted.prepared, operation.future, operation.loop)
                transaction.then(message)
                transaction.then(Operation("filed", (operation, message), operation.future, operation.loop))

    def filed(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """Write what came with messages that were recorded; what was not recorded says why."""
        for each in operations:
            operation, message = each.argument
            if isinstance(message.result, Recorded) and not message.result.duplicate:
                wanted: Wanted = operation.argument
                written = [self._put(transaction.cursor, version, wanted.now) for version in wanted.versions]
                operation.result = (written, message.result)
            else:
                operation.result = message.result

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
