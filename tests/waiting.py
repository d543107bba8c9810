"""Waiting until something has happened: as short as it takes, with an end that only catches what never comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

__all__ = ["eventually", "time_passes", "until"]

_Found = TypeVar("_Found")

_HANGS = 60.0  # seconds: what takes so long does not come on any machine


def eventually(look: Callable[[], _Found | None], seconds: float = _HANGS) -> _Found:
    """What `look` finds as soon as it finds something (true); for threads and other processes."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"nothing within {seconds:g} s"
        time.sleep(0.02)
    return found


async def until(look: Callable[[], _Found | Awaitable[_Found] | None], seconds: float = _HANGS) -> _Found:
    """The same on a loop, which goes on meanwhile; `look` may be a coroutine function."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        found = await seen if isawaitable(seen) else seen
        if found:
            return found
        assert time.monotonic() < end, f"nothing within {seconds:g} s"
        await asyncio.sleep(0.005)


def time_passes(seconds: float) -> None:
    """Move the running loop's clock forward: a time-out below `seconds` ends now, and no test need be quicker than a short one."""
    loop = asyncio.get_running_loop()
    now = loop.time
    loop.time = lambda: now() + seconds  # type: ignore[method-assign]
