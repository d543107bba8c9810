"""The FHIR resources that this connector keeps itself: their versions, their index, and the bytes of Binaries (`connector.ports.DocumentStore`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from connector.fhir.codec import dump, load
from connector.fhir.search import MOST_TOTAL, IndexRow, Page, Query
from connector.ports import Filing, JournalUnavailable, Put, Recorded, Written
from connector.store.content import sha256
from connector.store.criteria import count, page
from connector.store.filing import Version, Wanted, Writing
from connector.store.journal import SqlJournal
from connector.store.preparing import INLINE, Prepared
from connector.store.recording import Again
from connector.store.tables import fhir_resource, fhir_version
from connector.store.times import iso
from connector.store.writer import translated

__all__ = ["SqlDocuments"]

T = TypeVar("T")
_AT_ONCE = 500


class SqlDocuments:
    """Shares the journal's database and its writer. Create it after the journal and before the journal starts."""

    def __init__(self, journal: SqlJournal) -> None:
        self._journal = journal
        # Each read is one statement or two that need not agree: no transaction is begun and ended around them.
        engine = journal.database.engine
        self._engine = engine if journal.database.lite else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._listeners: set[asyncio.Queue[str]] = set()
        writing = Writing(journal.database.dialect, journal.recording)
        # Its lock is taken before those of messages: everywhere in the same order.
        journal.add_phases({"file": writing.file}, first=True)
        journal.add_phases({"filed": writing.filed})
        journal.filing = self.record

    async def put_many(
        self, resources: Sequence[tuple[Mapping[str, Any], Sequence[IndexRow]]], blobs: Mapping[str, bytes]
    ) -> Sequence[str]:
        """Create or update all in one transaction; returns `Type/id` of each. Raises JournalUnavailable, KeyError for a resource without id."""
        puts = [
            Put(
                resource=resource,
                rows=rows,
                data=blobs.get(resource["id"]) if resource["resourceType"] == "Binary" else None,
            )
            for resource, rows in resources
        ]
        return [written.name for written in await self.write(puts)]

    async def write(self, puts: Sequence[Put]) -> Sequence[Written]:
        """All in one transaction. Raises FilingStale when a condition does not hold any more, JournalUnavailable."""
        written, _ = await self._file(puts, None)
        return written

    async def record(self, prepared: Prepared, filing: Filing) -> Recorded:
        """A message and the resources that it brought, in one commit. Raises as `write`, and what recording a message raises."""
        written, recorded = await self._file(filing.puts, prepared)
        if recorded is None:
            raise ValueError("recorded without its message")
        return msgspec.structs.replace(recorded, filed=tuple(written))

    async def _file(self, puts: Sequence[Put], prepared: Prepared | None) -> tuple[list[Written], Recorded | None]:
        versions = tuple([await self._version(put) for put in puts])
        wanted = Wanted(versions, self._journal.timeline.now(), prepared)
        while isinstance(result := await self._journal.write("file", wanted), Again):
            continue
        numbers, recorded = result
        written = [
            Written(type=each.type, id=each.id, version=number, updated=iso(updated) or "", changed=changed)
            for each, (number, updated, changed) in zip(versions, numbers, strict=True)
        ]
        for each in written:
            if each.changed:
                for listener in self._listeners:
                    listener.put_nowait(each.name)
        return written, recorded

    async def get(self, resource_type: str, resource_id: str) -> Mapping[str, Any] | None:
        """The latest version with its `meta`, or None."""
        chosen = _ROW.where(fhir_resource.c.type == resource_type, fhir_resource.c.id == resource_id)
        rows = await self._read(chosen)
        return _resource(rows[0]) if rows else None

    async def many(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The latest versions of those that are there, by `Type/id`."""
        by_type: dict[str, dict[str, None]] = {}
        for name in names:
            kind, _, identity = name.partition("/")
            by_type.setdefault(kind, {})[identity] = None
        found: dict[str, Mapping[str, Any]] = {}
        for kind, ids in by_type.items():
            listed = list(ids)
            for start in range(0, len(listed), _AT_ONCE):
                chosen = _ROW.where(
                    fhir_resource.c.type == kind, fhir_resource.c.id.in_(listed[start : start + _AT_ONCE])
                )
                for row in await self._read(chosen):
                    resource = _resource(row)
                    found[f"{kind}/{resource['id']}"] = resource
        return found

    async def versions(self, resource_type: str, resource_id: str) -> Sequence[Mapping[str, Any]]:
        """Every version, the latest first."""
        here = (fhir_version.c.type == resource_type, fhir_version.c.id == resource_id)
        earlier = sa.select(fhir_version.c.body, fhir_version.c.version, fhir_version.c.updated).where(*here)
        latest = await self.get(resource_type, resource_id)
        if latest is None:
            return []
        rows = await self._read(earlier.order_by(fhir_version.c.version.desc()))
        number = int(latest["meta"]["versionId"])
        return [latest, *[_resource(row) for row in rows if row.version < number]]

    async def blob(self, resource_id: str, version: int | None = None) -> tuple[str, bytes] | None:
        """Media type and bytes of a Binary, of its latest version or of that one, or None."""
        rows: list[Any] = []
        for table in (fhir_resource, fhir_version):
            chosen = sa.select(table.c.media_type, table.c.digest)
            chosen = chosen.where(table.c.type == "Binary", table.c.id == resource_id)
            rows += await self._read(chosen if version is None else chosen.where(table.c.version == version))
            if rows or version is None:
                break
        if not rows or rows[0].digest is None:
            return None
        data = await asyncio.to_thread(self._journal.bodies.content, rows[0].digest)
        return rows[0].media_type or "application/octet-stream", data

    async def search(self, query: Query) -> Page:
        """One page, by the index."""
        return await self._ask(lambda connection: _page(connection, query))

    async def changes(self) -> AsyncIterator[str]:
        """`Type/id` of what this process writes from now on."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def _version(self, put: Put) -> Version:
        resource = put.resource
        body = dump(_without_meta(resource))
        version = Version(resource["resourceType"], resource["id"], body, tuple(put.rows), put.seen, put.unless)
        if put.data is None:
            return version
        data = put.data
        digest = await asyncio.to_thread(sha256, data) if len(data) > INLINE else sha256(data)
        stored: bytes | None = data
        files = self._journal.files
        if files is not None and len(data) > INLINE:
            try:
                await asyncio.to_thread(files.keep, digest, data)
            except OSError as error:
                raise JournalUnavailable("content") from error
            stored = None
        return msgspec.structs.replace(version, media_type=resource.get("contentType"), digest=digest, stored=stored)

    async def _read(self, chosen: sa.Select[Any]) -> Sequence[Any]:
        return await self._ask(lambda connection: connection.execute(chosen).all())

    async def _ask(self, question: Callable[[sa.Connection], T]) -> T:
        def ask() -> T:
            with self._engine.connect() as connection:
                return question(connection)

        try:
            return await asyncio.to_thread(ask)
        except Exception as error:
            raise translated(error) from error


def _page(connection: sa.Connection, query: Query) -> Page:
    """The page, and the count where the page alone does not tell it."""
    rows = list(connection.execute(page(query))) if query.limit > 0 else []
    following = None
    if len(rows) > query.limit:
        last = rows[query.limit - 1]
        following = f"{last.key.hex()}_{last.sequence}" if query.sort else f"_{last.sequence}"
    total: int | None = len(rows)
    if not query.total:
        total = None
    elif following is not None or query.after is not None or query.limit <= 0:
        total = connection.execute(count(query, MOST_TOTAL + 1)).scalar_one()
        total = None if total is not None and total > MOST_TOTAL else total
    return Page(total, [_resource(row) for row in rows[: query.limit]], following)


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
