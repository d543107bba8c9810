"""Waking the workers: by what this process recorded, and by what other nodes told (LISTEN, PostgreSQL)."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Bell", "Listener"]

_TURN = 0.1  # seconds; how long `stop` may take

log = logging.getLogger(__name__)


class Bell:
    """An event for each destination, set from any thread. `loop` is the one on which the workers wait."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._events: dict[str, asyncio.Event] = {}

    def event(self, destination: str) -> asyncio.Event:
        """The event of a destination; on the loop's thread."""
        return self._events.setdefault(destination, asyncio.Event())

    def ring(self, destinations: Sequence[str] | None) -> None:
        """From any thread: wake the workers of these destinations, or all."""
        if self.loop is None or self.loop.is_closed():
            return
        try:
            self.loop.call_soon_threadsafe(self._wake, destinations)
        except RuntimeError:
            log.debug("journal: nobody to wake, the loop is closed")

    def _wake(self, destinations: Sequence[str] | None) -> None:
        for name in list(self._events) if destinations is None else destinations:
            self.event(name).set()


class Listener:
    """One connection in one thread that hears `connector_work`; it reconnects by itself, and wakes everybody after a gap.

    `opened` prepares each connection; `look` is done on it, `pulse` seconds apart: the others may be waiting for a lock."""

    def __init__(
        self,
        connect: Callable[[], Any],
        heard: Callable[[Sequence[str] | None], None],
        *,
        opened: Callable[[Any], None],
        look: Callable[[Any], None],
        pulse: float,
    ) -> None:
        self._connect = connect
        self._heard = heard
        self._opened = opened
        self._look = look
        self._pulse = pulse
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-listen", daemon=True)

    def start(self) -> None:
        """Start listening."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; blocks for at most one turn."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except Exception as error:
                log.warning("journal: listening again (%s)", type(error).__name__)
                self._stop.wait(1.0)

    def _listen(self) -> None:
        with self._connect() as connection:
            self._opened(connection)
            connection.execute("LISTEN connector_work")
            self._heard(None)  # what was told while nobody listened
            looked = 0.0
            while not self._stop.is_set():
                # One at a time: the driver gives back the whole batch that came with it, and waits for no second one.
                names = {notice.payload for notice in connection.notifies(timeout=_TURN, stop_after=1)}
                if names:
                    self._heard(sorted(names))
                if time.monotonic() - looked >= self._pulse:
                    self._look(connection)
                    looked = time.monotonic()
