"""A site that takes exchanges: a real journal with its way in and no destination that answers; the profile needs no mapping."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

from connector.engine.clock import SystemClock
from connector.engine.intake import Reception
from connector.mapping.catalogue import load_library
from connector.pipeline.formats import SHAPES
from connector.pipeline.judge import Desk, DeskSettings
from connector.pipeline.route import Route
from connector.pipeline.translate import Translator
from connector.ports import Answer, ExchangeQuery, Inbound
from connector.store.exchanges import SqlExchanges
from connector.store.journal import SqlJournal
from tests.journal_kit import HandClock
from tests.unit.monsisra.sample import context, tables

BOXES = ("business_software", "regional_record", "ma_sante_connectee")


@cache
def desk() -> Desk:
    """No mapping is needed to read the profile."""
    settings = DeskSettings(routes=(Route(to=("dpi",), boxes=BOXES), Route(to=("dpi",))))
    return Desk(Translator(load_library({}, SHAPES, tables())), lambda _: context(), settings)


class Site:
    """A journal with its way in."""

    def __init__(self, journal: SqlJournal, clock: HandClock, judge: Desk | None = None) -> None:
        self.journal = journal
        self.clock = clock
        self.exchanges = SqlExchanges(journal)
        self.intake = Reception(journal, judge or desk(), SystemClock())

    async def post(self, value: dict[str, Any]) -> Answer:
        """Data through intake."""
        return await self.give(json.dumps(value).encode())

    async def give(self, raw: bytes, name: str = "exchange") -> Answer:
        """Bytes through intake."""
        inbound = Inbound(raw=raw, endpoint="rest", remote="r", received_at="2026-03-01T00:00:00Z", format=name)
        return await self.intake(inbound)

    async def found(self, **filters: Any) -> list[str]:
        page, _ = await self.exchanges.search(ExchangeQuery(**filters))
        return [each.exchange.mode or "" for each in page]


@contextlib.asynccontextmanager
async def site(url: str, judge: Desk | None = None) -> AsyncIterator[Site]:
    """A site that has started."""
    clock = HandClock()
    journal = SqlJournal(url, clock=clock)
    await journal.start()
    made = Site(journal, clock, judge)
    try:
        yield made
    finally:
        await made.intake.stop()
        await journal.stop()
