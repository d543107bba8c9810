"""What ingest reads: earlier messages of an identity, and messages whose verdict is still to come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
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

    async def earlier(self, identity: str) -> Sequence[Earlier]:
        """Earlier messages of the identity within the window."""
        if not self._database.lite:
            return await asyncio.to_thread(self._ask, identity)
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

    def _ask(self, identity: str) -> Sequence[Earlier]:
        connection = self._database.engine.raw_connection()
        try:
            found = self._recording.earlier(cast("Cursor", connection.cursor()), [identity], self._now())
            connection.rollback()
            return found.get(identity, ())
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
