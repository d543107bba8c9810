"""Ctrl-C and SIGTERM end what runs, in order and with exit code 0; other signals ask for something."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator

__all__ = ["heard", "until_stopped"]


@contextlib.contextmanager
def heard(name: str, call: Callable[[], object]) -> Iterator[None]:
    """Call this on the running loop at a signal (`SIGTERM`, `SIGHUP`…), as long as the context lasts.

    Nothing is heard where signals cannot be: loops on Windows and threads other than the main one have no handlers.
    """
    number = getattr(signal, name, None)
    if number is None or sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, call)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)


async def until_stopped(also: asyncio.Event | None = None) -> None:
    """Return at SIGINT, SIGTERM, or when `also` is set."""
    stopped = also or asyncio.Event()
    with heard("SIGINT", stopped.set), heard("SIGTERM", stopped.set):
        await stopped.wait()
