"""Exchanges by their own id, fed in the commit of the message: of two versions of one exchange each knows the other."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from connector.exchange.known import Earlier
from connector.exchange.model import Exchange
from connector.store.preparing import Prepared
from connector.store.statements import Cursor, Statement, any_of, many
from connector.store.tables import exchange, exchange_patient, message

__all__ = ["ExchangeIndex"]

_LOCKS = 7106  # first number of the two-number advisory locks
_decode = msgspec.json.Decoder(Exchange).decode


class ExchangeIndex:
    """The statements of ingest; applied on the ingest writer's thread, inside its transaction."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._postgres = dialect.name == "postgresql"
        make = postgresql.insert if self._postgres else sqlite.insert
        self._current = Statement(
            sa.select(exchange.c.id, exchange.c.message_id).where(any_of(exchange.c.id, "ids", dialect)), dialect
        )
        self._held = Statement(
            sa.select(message.c.exchange).where(message.c.id == sa.bindparam("of", type_=sa.BigInteger)), dialect
        )
        upsert = make(exchange).values({c.name: sa.bindparam(c.name, type_=c.type) for c in exchange.c})
        self._upsert = Statement(
            upsert.on_conflict_do_update(
                index_elements=["id"],
                set_={name: upsert.excluded[name] for name in ("message_id", "mode", "state", "updated")},
            ),
            dialect,
        )
        found = {c.name: sa.bindparam(c.name, type_=c.type) for c in exchange_patient.c}
        self._insert_patient = Statement(make(exchange_patient).values(found).on_conflict_do_nothing(), dialect)

    def weigh(self, cursor: Cursor, entries: Sequence[Prepared]) -> dict[int, Earlier | int]:
        """By position, the entries whose verdict does not know what is there under their id: that exchange, or (an int) the position of the
        entry of the same transaction that has the id first."""
        asked = {place: entry.held for place, entry in enumerate(entries) if entry.held is not None}
        if not asked:
            return {}
        ids = sorted({held.id for held in asked.values()})
        if self._postgres:  # two nodes with one exchange: one waits for the other's commit, and then sees it
            numbers = sorted({zlib.crc32(each.encode()) & 0x7FFFFFFF for each in ids})
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%(space)s, n) FROM unnest(%(numbers)s::int[]) AS n",
                {"space": _LOCKS, "numbers": numbers},
            )
        current = dict(self._current.rows(cursor, ids=many(ids, self._dialect)))
        stale: dict[int, Earlier | int] = {}
        first: dict[str, int] = {}
        for place, held in asked.items():
            if held.id in first:
                stale[place] = first[held.id]
            elif (number := current.get(held.id, 0)) not in (0, held.after):  # 0: it was forgotten meanwhile
                stale[place] = Earlier(number, _decode(bytes(self._held.rows(cursor, of=number)[0][0])))
            else:
                first[held.id] = place
        return stale

    def apply(self, cursor: Cursor, entries: Sequence[tuple[Prepared, int]], now: float) -> None:
        """The accepted ones are the versions in force."""
        kept = [(entry.held, number) for entry, number in entries if entry.held is not None and entry.held.accepted]
        if not kept:
            return
        self._upsert.each(
            cursor,
            [
                {"id": held.id, "message_id": number, "mode": held.mode, "state": held.state, "updated": now}
                for held, number in sorted(kept, key=lambda item: item[0].id)
            ],
        )
        rows = [
            {"value": value, "system": system, "exchange_id": held.id}
            for held, _ in kept
            for value, system in held.patients
        ]
        if rows:
            self._insert_patient.each(cursor, rows)
