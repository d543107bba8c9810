"""Counts what a run of `engine_process` did: lost, reordered, twice, stale."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent.parent
DESTINATIONS = ("dpi", "dmp")
IN_FLIGHT = 16  # lanes that may be on their way at once: 8 a destination


_STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """No process of a test outlives it, whatever its outcome."""
    yield
    while _STARTED:
        process = _STARTED.pop()
        if process.poll() is None:
            process.kill()
            process.wait()


class Count(NamedTuple):
    """Acknowledged messages; deliveries lost, reordered (first occurrences), twice, and unmarked repetitions."""

    acked: int
    lost: int
    reordered: int
    twice: int
    stale: int
    unmarked: int


def count(folder: Path) -> Count:
    """`stale`: an old message sent again after a newer one of its lane."""
    acked = [tuple(line.split()) for line in _lines(folder / "acked")]
    events = [line.split() for line in _lines(folder / "sink")]
    seen: Counter[tuple[str, str]] = Counter()
    newest: dict[tuple[str, str], int] = {}
    reordered = stale = unmarked = 0
    for destination, key, number, _node, resent in events:
        lane, value = (destination, key), int(number)
        if seen[destination, number]:
            unmarked += resent == "0"
            stale += value < newest[lane]
        elif value < newest.get(lane, -1):
            reordered += 1
        seen[destination, number] += 1
        newest[lane] = max(value, newest.get(lane, -1))
    wanted = [(destination, number) for _, number in acked for destination in DESTINATIONS]
    lost = sum(item not in seen for item in wanted)
    return Count(len(acked), lost, reordered, sum(n - 1 for n in seen.values()), stale, unmarked)


def delivered(folder: Path) -> bool:
    """Whether everything acknowledged has arrived."""
    return count(folder).lost == 0


def spawn(url: str, folder: Path, node: str, **options: object) -> subprocess.Popen[bytes]:
    """Start the engine as a process and wait until it works; its output is in FOLDER/output."""
    words = [f"{name}={value}" for name, value in options.items()]
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.journey.engine_process", url, str(folder), node, *words],
            cwd=ROOT,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    _STARTED.append(process)
    line = f"{node} {process.pid}"
    eventually(lambda: line in _lines(folder / "ready") or process.poll() is not None)
    assert process.poll() is None, "the engine did not start"
    return process


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
