"""Ctrl-C and SIGTERM end what runs, in order and with exit code 0."""

from __future__ import annotations

import asyncio
import signal

__all__ = ["until_stopped"]


async def until_stopped(also: asyncio.Event | None = None) -> None:
    """Return at SIGINT, SIGTERM, or when `also` is set; the handlers are put back."""
    loop = asyncio.get_running_loop()
    stopped = also or asyncio.Event()
    caught = []
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stopped.set)
        except (
            NotImplementedError,
            RuntimeError,
        ):  # Windows loops and threads other than the main one have no handlers
            continue
        caught.append(number)
    try:
        await stopped.wait()
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
