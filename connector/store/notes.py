"""Notes that answers were written, or that their senders were gone: collected for a moment, durable a little later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from connector.ports import JournalUnavailable

__all__ = ["Notes"]

log = logging.getLogger(__name__)

_FLUSH = 0.2  # seconds that notes wait for company


class Notes:
    """Gathers (message id, told) and writes them together as one `answered`."""

    def __init__(self, write: Callable[[str, Any], Awaitable[Any]]) -> None:
        self._write = write
        self._told: dict[int, bool] = {}

    def add(self, message_id: int, told: bool) -> None:
        """On the loop's thread."""
        if not self._told:
            asyncio.get_running_loop().call_later(_FLUSH, lambda: asyncio.ensure_future(self.flush()))
        self._told[message_id] = told

    async def flush(self) -> None:
        """Write what was gathered. A note that is lost only costs a repeated answer."""
        told, self._told = self._told, {}
        if not told:
            return
        try:
            await self._write("answered", told)
        except JournalUnavailable:
            log.warning("journal: %d notes of written answers are lost", len(told))
