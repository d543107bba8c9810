"""LISTEN: what other nodes queued wakes the workers here (PostgreSQL)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Listener"]

_TURN = 0.1  # seconds; how long `stop` may take

log = logging.getLogger(__name__)


class Listener:
    """One connection in one thread that hears `connector_work`; it reconnects by itself, and wakes everybody after a gap."""

    def __init__(self, connect: Callable[[], Any], heard: Callable[[Sequence[str] | None], None]) -> None:
        self._connect = connect
        self._heard = heard
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
            connection.execute("LISTEN connector_work")
            self._heard(None)  # what was told while nobody listened
            while not self._stop.is_set():
                # One at a time: the driver gives back the whole batch that came with it, and waits for no second one.
                names = {notice.payload for notice in connection.notifies(timeout=_TURN, stop_after=1)}
                if names:
                    self._heard(sorted(names))
