"""The FHIR resources that this connector keeps itself: latest versions, their index, and the bytes of Binaries (`connector.ports.DocumentStore`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from connector.fhir.codec import dump, load
from connector.fhir.search import IndexRow, Query
from connector.ports import JournalUnavailable
from connector.store.content import sha256
from connector.store.criteria import condition
from connector.store.journal import SqlJournal
from connector.store.preparing import INLINE
from connector.store.recording import Recording
from connector.store.statements import Statement, insert_of
from connector.store.tables import content_use, fhir_index, fhir_resource
from connector.store.times import iso
from connector.store.writer import Operation, Transaction, translated

__all__ = ["SqlDocuments"]


class _Version(msgspec.Struct, frozen=True):
    """A resource to write. `digest` names a Binary's bytes; `stored` are they, or None when they are a file already."""

    type: str
    id: str
    body: bytes
    rows: tuple[IndexRow, ...]
    media_type: str | None = None
    digest: str | None = None
    stored: bytes | None = None


class SqlDocuments:
    """Shares the journal's database and its writer. Create it after the journal and before the journal starts."""

    def __init__(self, journal: SqlJournal) -> None:
        self._journal = journal
        self._engine = journal.database.engine
        self._listeners: set[asyncio.Queue[str]] = set()
        journal.add_phases({"put": _Writing(journal.database.dialect, journal.recording).put})

    async def put_many(
        self, resources: Sequence[tuple[Mapping[str, Any], Sequence[IndexRow]]], blobs: Mapping[str, bytes]
    ) -> Sequence[str]:
        """Create or update all in one transaction; returns `Type/id` of each. Raises JournalUnavailable, KeyError for a resource without id."""
        versions = [await self._version(resource, rows, blobs) for resource, rows in resources]
        changed = await self._journal.write("put", (versions, self._journal.timeline.now()))
        names = [f"{version.type}/{version.id}" for version in versions]
        for name, is_new in zip(names, changed, strict=True):
            if is_new:
                for listener in self._listeners:
                    listener.put_nowait(name)
        return names

    async def get(self, resource_type: str, resource_id: str) -> Mapping[str, Any] | None:
        """The latest version with its `meta`, or None."""
        chosen = _ROW.where(fhir_resource.c.type == resource_type, fhir_resource.c.id == resource_id)
        rows = await self._read(chosen)
        return _resource(rows[0]) if rows else None

    async def blob(self, resource_id: str) -> tuple[str, bytes] | None:
        """Media type and bytes of a Binary, or None."""
        chosen = sa.select(fhir_resource.c.media_type, fhir_resource.c.digest)
        rows = await self._read(chosen.where(fhir_resource.c.type == "Binary", fhir_resource.c.id == resource_id))
        if not rows or rows[0].digest is None:
            return None
        data = await asyncio.to_thread(self._journal.bodies.content, rows[0].digest)
        return rows[0].media_type or "application/octet-stream", data

    async def search(self, query: Query) -> tuple[int, Sequence[Mapping[str, Any]]]:
        """Total and one page, newest first."""
        where = [
            fhir_resource.c.type == query.type,
            *[condition(criterion, query.type) for criterion in query.criteria],
        ]
        total = await self._read(sa.select(sa.func.count()).select_from(fhir_resource).where(*where))
        if query.limit <= 0 or query.offset >= total[0][0]:
            return total[0][0], []
        page = _ROW.where(*where).order_by(fhir_resource.c.sequence.desc(), fhir_resource.c.id)
        rows = await self._read(page.limit(query.limit).offset(query.offset))
        return total[0][0], [_resource(row) for row in rows]

    async def changes(self) -> AsyncIterator[str]:
        """`Type/id` of what this process writes from now on."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def _version(
        self, resource: Mapping[str, Any], rows: Sequence[IndexRow], blobs: Mapping[str, bytes]
    ) -> _Version:
        kind, number = resource["resourceType"], resource["id"]
        body = dump(_without_meta(resource))
        if kind != "Binary" or number not in blobs:
            return _Version(kind, number, body, tuple(rows))
        data = blobs[number]
        digest = await asyncio.to_thread(sha256, data) if len(data) > INLINE else sha256(data)
        stored: bytes | None = data
        files = self._journal.files
        if files is not None and len(data) > INLINE:
            try:
                await asyncio.to_thread(files.keep, digest, data)
            except OSError as error:
                raise JournalUnavailable("content") from error
            stored = None
        return _Version(kind, number, body, tuple(rows), resource.get("contentType"), digest, stored)

    async def _read(self, chosen: sa.Select[Any]) -> Sequence[Any]:
        def ask() -> Sequence[Any]:
            with self._engine.connect() as connection:
                return connection.execute(chosen).all()

        try:
            return await asyncio.to_thread(ask)
        except Exception as error:
            raise translated(error) from error


_ROW = sa.select(fhir_resource.c.body, fhir_resource.c.version, fhir_resource.c.updated)


def _without_meta(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """Version and time are the store's to say; what else stands in `meta` (profile, security, tag) stays."""
    if "meta" not in resource:
        return resource
    meta = {name: value for name, value in resource["meta"].items() if name not in ("versionId", "lastUpdated")}
    return {name: meta if name == "meta" else value for name, value in resource.items() if name != "meta" or meta}


def _resource(row: Any) -> Mapping[str, Any]:
    read: Mapping[str, Any] = load(bytes(row.body)).value or {}
    meta = {"versionId": str(row.version), "lastUpdated": iso(row.updated), **read.get("meta", {})}
    first = {name: read[name] for name in ("resourceType", "id") if name in read}
    return {**first, "meta": meta, **{name: value for name, value in read.items() if name not in (*first, "meta")}}


class _Writing:
    """The statements; applied on the writer's thread."""

    def __init__(self, dialect: Dialect, recording: Recording) -> None:
        self._recording = recording
        kind, number = sa.bindparam("of_type", type_=sa.Text), sa.bindparam("of_id", type_=sa.Text)
        this = (fhir_resource.c.type == kind, fhir_resource.c.id == number)
        known = sa.select(
            fhir_resource.c.version, fhir_resource.c.body, fhir_resource.c.digest, fhir_resource.c.media_type
        )
        self._known = Statement(known.where(*this), dialect)
        self._drop = Statement(sa.delete(fhir_resource).where(*this), dialect)
        self._drop_rows = Statement(
            sa.delete(fhir_index).where(fhir_index.c.type == kind, fhir_index.c.id == number), dialect
        )
        self._drop_use = Statement(
            sa.delete(content_use).where(content_use.c.owner == sa.bindparam("of_owner", type_=sa.Text)), dialect
        )
        self._last = Statement(
            sa.select(sa.func.max(fhir_resource.c.sequence)).where(fhir_resource.c.type == kind), dialect
        )
        self._insert = insert_of(fhir_resource, dialect)
        self._insert_row = insert_of(fhir_index, dialect)
        self._alone = dialect.name == "postgresql"

    def put(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """([_Version], now) → for each whether it is a new version."""
        if self._alone:  # two nodes writing the same resource: one after the other
            transaction.cursor.execute("SELECT pg_advisory_xact_lock(7104)")
        for operation in operations:
            versions, now = operation.argument
            operation.result = [self._put(transaction, version, now) for version in versions]

    def _put(self, transaction: Transaction, version: _Version, now: float) -> bool:
        cursor = transaction.cursor
        found = self._known.rows(cursor, of_type=version.type, of_id=version.id)
        latest = 0
        if found:
            latest, body, digest, media_type = found[0]
            if (bytes(body), digest, media_type) == (version.body, version.digest, version.media_type):
                return False
            self._drop.run(cursor, of_type=version.type, of_id=version.id)
            self._drop_rows.run(cursor, of_type=version.type, of_id=version.id)
            if digest is not None:
                self._drop_use.run(cursor, of_owner=f"b{version.id}")
        last = self._last.rows(cursor, of_type=version.type)[0][0]
        row = {
            "type": version.type,
            "id": version.id,
            "sequence": (last or 0) + 1,
            "version": latest + 1,
            "updated": now,
            "media_type": version.media_type,
            "digest": version.digest,
            "body": version.body,
        }
        self._insert.each(cursor, [row])
        rows = [{"type": version.type, "id": version.id, **item._asdict()} for item in version.rows]
        if rows:
            self._insert_row.each(cursor, rows)
        if version.digest is not None:
            self._recording.bodies_of(cursor, [(version.digest, version.stored, f"b{version.id}")], now)
        return True
