"""Several nodes on one PostgreSQL, killed and frozen at random: 0 lost, 0 reordered, 0 stale (faults S23). CI runs it longer: CHAOS=35."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.journal_kit import postgres, postgres_server
from tests.journey.ledger import IN_FLIGHT, count, delivered, ended, spawn
from tests.waiting import eventually

__all__ = ["ended", "postgres", "postgres_server"]

SECONDS = float(os.environ.get("CHAOS", "5"))
pytestmark = pytest.mark.real


def test_killed_and_frozen_nodes_lose_reorder_and_repeat_out_of_order_nothing(tmp_path: Path, postgres: str) -> None:
    dice = random.Random(2)
    ingest = spawn(postgres, tmp_path, "in", deliver=0, keys=30)
    workers = {n: spawn(postgres, tmp_path, f"w{n}", ingest=0, delay=0.02, freeze=3) for n in range(3)}
    kills = 0
    end = time.monotonic() + SECONDS
    time.sleep(1.5)
    workers[2].send_signal(signal.SIGSTOP)
    while time.monotonic() < end:
        time.sleep(1.2)
        victim = dice.choice((0, 1))
        workers[victim].kill()
        workers[victim].wait()
        kills += 1
        workers[victim] = spawn(postgres, tmp_path, f"w{victim}k{kills}", ingest=0, delay=0.02, freeze=3)
    workers[2].send_signal(signal.SIGCONT)
    eventually(lambda: count(tmp_path).acked > 100)
    ingest.send_signal(signal.SIGTERM)
    assert ingest.wait(60) == 0
    eventually(lambda: delivered(tmp_path), 120)
    for process in workers.values():
        process.send_signal(signal.SIGTERM)
    for process in workers.values():
        assert process.wait(60) == 0
    found = count(tmp_path)
    assert (found.lost, found.reordered, found.stale) == (0, 0, 0)
    assert found.twice <= (kills + 1) * IN_FLIGHT
    assert found.unmarked == 0
