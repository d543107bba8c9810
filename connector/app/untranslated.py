"""Codes that writing met without a translation: collected from the senders' threads, counted in the journal a little later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from connector.ports import JournalUnavailable

if TYPE_CHECKING:
    from connector.store.journal import SqlJournal
    from connector.terminology import Untranslated

__all__ = ["Noted"]

log = logging.getLogger(__name__)

_WAIT = 0.5  # seconds for company: a burst of deliveries is one write


class Noted:
    """Made on the loop of the journal. What is not durable at a stop is counted when it is met again."""

    def __init__(self, journal: SqlJournal) -> None:
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._met: list[tuple[int, Untranslated]] = []
        self._flushing: set[asyncio.Task[None]] = set()

    def note(self, message_id: int, codes: Iterable[Untranslated]) -> None:
        """Count these codes of a message, each once. From any thread."""
        met = [(message_id, code) for code in dict.fromkeys(codes)]
        if met and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, met)

    def _take(self, met: list[tuple[int, Untranslated]]) -> None:
        if not self._met:
            self._loop.call_later(_WAIT, self._flush)
        self._met += met

    def _flush(self) -> None:
        task = self._loop.create_task(self._count())
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)

    async def _count(self) -> None:
        met, self._met = self._met, []
        try:
            await self._journal.write("count_tasks", (tuple(met), self._journal.timeline.now()))
        except JournalUnavailable:
            log.warning("journal: %d codes without a translation were not counted", len(met))
