"""Exchanges by their own id: the version in force, found by patient, mode, state and time (`ports.ExchangeStore`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from connector.exchange.model import Exchange
from connector.ports import ExchangeQuery, KeptExchange
from connector.store.journal import SqlJournal
from connector.store.preparing import bounded
from connector.store.tables import delivery, exchange, exchange_patient, message
from connector.store.times import iso
from connector.store.writer import translated

__all__ = ["SqlExchanges"]

T = TypeVar("T")

_decode = msgspec.json.Decoder(Exchange).decode


class SqlExchanges:
    """`connector.ports.ExchangeStore` over the journal's reading connections."""

    def __init__(self, journal: SqlJournal) -> None:
        self._journal = journal
        self._engine = journal.database.engine

    async def get(self, exchange_id: str, *, attachments: bool = False) -> KeptExchange | None:
        """The version in force; with its bytes when `attachments`."""
        return await self._asked(lambda: self._get(exchange_id, attachments))

    async def search(self, query: ExchangeQuery) -> tuple[Sequence[KeptExchange], bool]:
        """One page without bytes, newest first, and whether there is more (`KeptExchange.position` is where it goes on)."""
        return await self._asked(lambda: self._search(query))

    async def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(ask)
        except Exception as error:
            raise translated(error) from error

    def _get(self, exchange_id: str, attachments: bool) -> KeptExchange | None:
        with self._engine.connect() as connection:
            row = connection.execute(_ROWS.where(exchange.c.id == bounded(exchange_id))).one_or_none()
            if row is None:
                return None
            legs = _legs(connection, [row.message_id])
        if not attachments:
            return _kept(row, legs)
        body = self._journal.bodies.of([row.message_id]).get(row.message_id)
        if body is None or body.exchange is None:
            raise OSError("a content is missing")
        return msgspec.structs.replace(_kept(row, legs), exchange=body.exchange)

    def _search(self, query: ExchangeQuery) -> tuple[Sequence[KeptExchange], bool]:
        of: Any = _of_patient(query) if query.patient else exchange
        chosen = (
            sa.select(*of.c, message.c.exchange.label("body"))
            .join(message, message.c.id == of.c.message_id)
            .order_by(of.c.updated.desc(), of.c.id)
            .limit(query.count + 1)
        )
        for column, value in ((of.c.mode, query.mode), (of.c.state, query.state)):
            if value:
                chosen = chosen.where(column == value)
        if query.since is not None:
            chosen = chosen.where(of.c.updated >= datetime.fromisoformat(query.since).timestamp())
        if query.after is not None:
            updated, number = query.after
            beyond = sa.and_(of.c.updated == updated, of.c.id > number)
            chosen = chosen.where(sa.or_(of.c.updated < updated, beyond))
        with self._engine.connect() as connection:
            rows = connection.execute(chosen).all()
            page = rows[: query.count]
            legs = _legs(connection, [row.message_id for row in page])
        return [_kept(row, legs) for row in page], len(rows) > query.count


_ROWS = sa.select(*exchange.c, message.c.exchange.label("body")).join(message, message.c.id == exchange.c.message_id)


def _of_patient(query: ExchangeQuery) -> sa.CTE:
    """The patient's exchanges, few, found first: the databases would rather walk through everybody's in their order."""
    numbers = sa.select(exchange_patient.c.exchange_id).where(exchange_patient.c.value == bounded(query.patient))
    if query.system is not None:
        numbers = numbers.where(exchange_patient.c.system == query.system)
    return sa.select(*exchange.c).where(exchange.c.id.in_(numbers)).cte("of_patient").prefix_with("MATERIALIZED")


def _legs(connection: sa.Connection, messages: Sequence[int]) -> Mapping[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    chosen = sa.select(delivery.c.message_id, delivery.c.destination, delivery.c.state)
    for number, destination, state in connection.execute(
        chosen.where(delivery.c.message_id.in_(messages)).order_by(delivery.c.id)
    ):
        found.setdefault(number, []).append((destination, state))
    return found


def _kept(row: Any, legs: Mapping[int, list[tuple[str, str]]]) -> KeptExchange:
    return KeptExchange(
        exchange=_decode(bytes(row.body)), message_id=row.message_id, state=row.state, updated=iso(row.updated) or "",
        deliveries=tuple(legs.get(row.message_id, ())), position=(row.updated, row.id),
    )  # fmt: skip
