"""What ingest reads: earlier messages of an identity, and messages whose verdict is still to come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa

from connector.ports import Inbound
from connector.store.bodies import Bodies
from connector.store.database import Database
from connector.store.recording import Recording
from connector.store.statements import Cursor
from connector.store.tables import message

__all__ = ["Earlier", "Reading"]

Earlier = tuple[str, int, bytes, int | None]


class Reading:
    """SQLite answers in microseconds and is asked in place; PostgreSQL is asked in a thread."""

    def __init__(self, database: Database, recording: Recording, now: Callable[[], float]) -> None:
        self._database = database
        self._recording = recording
        self._now = now
        self._pooled: Any = None
        self._asked: list[tuple[str, asyncio.Future[Sequence[Earlier]]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def earlier(self, identity: str) -> Sequence[Earlier]:
        """Earlier messages of the identity within the window."""
        if not self._database.lite:
            return await self._together(identity)
        if self._pooled is None:
            self._pooled = self._database.engine.raw_connection()
        cursor = self._pooled.driver_connection.cursor()
        return self._recording.earlier(cursor, [identity], self._now()).get(identity, ())

    async def unjudged(self, after: int, limit: int, bodies: Bodies) -> Sequence[tuple[int, Inbound]]:
        """RECEIVED messages above an id, with their bytes."""
        return await asyncio.to_thread(self._unjudged, after, limit, bodies)

    def close(self) -> None:
        """Give the reading connection back."""
        if self._pooled is not None:
            self._pooled.close()
            self._pooled = None

    async def _together(self, identity: str) -> Sequence[Earlier]:
        """One question for all who ask while the last one is being answered."""
        future: asyncio.Future[Sequence[Earlier]] = asyncio.get_running_loop().create_future()
        self._asked.append((identity, future))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._answer_all())
        return await future

    async def _answer_all(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            try:
                found = await asyncio.to_thread(self._ask, sorted({identity for identity, _ in asked}))
            except Exception as error:
                for _, future in asked:
                    if not future.done():
                        future.set_exception(error)
                continue
            for identity, future in asked:
                if not future.done():
                    future.set_result(found.get(identity, ()))

    def _ask(self, identities: Sequence[str]) -> Mapping[str, Sequence[Earlier]]:
        connection = self._database.engine.raw_connection()
        try:
            found = self._recording.earlier(cast("Cursor", connection.cursor()), identities, self._now())
            connection.rollback()
            return found
        finally:
            connection.close()

    def inbound(self, message_id: int, bodies: Bodies) -> Inbound | None:
        """One message as it was received. Blocks."""
        found = self._inbounds(message.c.id == message_id, 1, bodies)
        return found[0][1] if found else None

    def _unjudged(self, after: int, limit: int, bodies: Bodies) -> list[tuple[int, Inbound]]:
        return self._inbounds(sa.and_(message.c.state == "received", message.c.id > after), limit, bodies)

    def _inbounds(self, which: sa.ColumnElement[bool], limit: int, bodies: Bodies) -> list[tuple[int, Inbound]]:
        names = ("endpoint", "remote", "received_at", "format")
        columns = (message.c.id, *(message.c[name] for name in names))
        with self._database.engine.connect() as connection:
            rows = connection.execute(sa.select(*columns).where(which).order_by(message.c.id).limit(limit)).all()
        found = []
        for number, *values in rows:
            raw = bodies.raw(number)
            if raw is not None:
                found.append((number, Inbound(raw=raw, **dict(zip(names, values, strict=True)))))
        return found
