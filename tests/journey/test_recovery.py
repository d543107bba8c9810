"""kill -9 at any moment: nothing acknowledged is lost, nothing is reordered, repetitions are few and marked (faults S01)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.journey.ledger import IN_FLIGHT, count, delivered, ended, spawn
from tests.waiting import eventually

__all__ = ["ended"]

KILLS = int(os.environ.get("KILLS", "5"))


def finish(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_a_killed_process_loses_and_reorders_nothing(tmp_path: Path) -> None:
    url = str(tmp_path / "j.db")
    dice = random.Random(1)
    for turn in range(KILLS):
        process = spawn(url, tmp_path, f"n{turn}", delay=0.01)
        eventually(lambda turn=turn: count(tmp_path).acked > 25 * (turn + 1))
        time.sleep(dice.random() * 0.6)
        process.kill()
        process.wait()
    last = spawn(url, tmp_path, "last", ingest=0)
    eventually(lambda: delivered(tmp_path))
    finish(last)
    found = count(tmp_path)
    assert found.acked > 20 * KILLS
    assert (found.lost, found.reordered, found.stale) == (0, 0, 0)
    assert found.twice <= KILLS * IN_FLIGHT
    assert found.unmarked == 0, "every repetition says that it may be one"
    assert "Traceback" not in (tmp_path / "output").read_text()


def test_a_stopped_process_repeats_nothing(tmp_path: Path) -> None:
    url = str(tmp_path / "j.db")
    for turn in range(2):
        process = spawn(url, tmp_path, f"n{turn}", delay=0.005)
        eventually(lambda turn=turn: count(tmp_path).acked > 50 * (turn + 1))
        finish(process)
    last = spawn(url, tmp_path, "last", ingest=0)
    eventually(lambda: delivered(tmp_path))
    finish(last)
    found = count(tmp_path)
    assert found[1:] == (0, 0, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("SLOW") != "1", reason="fills a journal with 100,000 messages; SLOW=1 runs it")
def test_a_restart_with_a_hundred_thousand_waiting_delivers_within_three_seconds_of_work(tmp_path: Path) -> None:
    import asyncio

    from tests.journal_kit import entry_of, opened

    async def fill() -> None:
        async with opened(tmp_path / "j.db") as journal:
            for start in range(0, 100_000, 1000):
                await asyncio.gather(
                    *[journal.record(entry_of(n, key=str(n % 5000), to=("dead",))) for n in range(start, start + 1000)]
                )
            await journal.record(entry_of("x", to=("dpi",)))

    asyncio.run(fill())
    process = spawn(str(tmp_path / "j.db"), tmp_path, "n", ingest=0)
    eventually(lambda: (tmp_path / "sink").exists() and (tmp_path / "sink").read_text())
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    worked = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # its own, not what a loaded machine adds
    finish(process)
    assert worked < 3 + 1.5, "the engine's own start is about a second here"
