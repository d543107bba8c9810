"""Acknowledgements that belong to no message in hand: kept as files in the data folder, for a person; never taken for another's."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from connector.ports import Clock

__all__ = ["keeper"]

log = logging.getLogger(__name__)

#: More than this is a partner gone wrong: the first ones tell the story, and the disk is not theirs to fill.
_MOST = 10_000


def keeper(folder: Path, clock: Clock) -> Callable[[str, bytes], Awaitable[None]]:
    """A function that keeps (destination, answer as received) as `<destination>-<moment>-<n>.hl7`."""
    count = 0

    async def keep(destination: str, answer: bytes) -> None:
        nonlocal count
        count += 1
        if count > _MOST:
            log.warning(
                "%s: an acknowledgement of no message in hand was dropped (more than %d were kept)", destination, _MOST
            )
            return
        moment = re.sub(r"[^0-9T]", "", clock.now())[:18]
        path = folder / f"{destination}-{moment}-{count}.hl7"
        await asyncio.to_thread(_write, path, answer)
        log.warning("%s: an acknowledgement of no message in hand is kept as %s", destination, path.name)

    return keep


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("xb") as file:
        file.write(content)
