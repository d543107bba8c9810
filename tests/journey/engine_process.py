"""The engine alone as a process, for tests that kill it: ingest of numbered messages, delivery to a file that survives kill -9.

    python engine_process.py URL FOLDER NODE [ingest=1] [deliver=1] [keys=20] [delay=0.0]

Each message goes to two destinations. `FOLDER/acked` gets a line for each message after its commit, `FOLDER/sink` for each delivery
when it is made (one O_APPEND write each). Ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from connector.engine.clock import SystemClock
from connector.engine.intake import Reception
from connector.engine.worker import Worker
from connector.ports import Inbound, JournalUnavailable, Policy, Receipt
from connector.store.journal import SqlJournal
from tests.journal_kit import TinyJudge, raw_of

DESTINATIONS = ("dpi", "dmp")


class Lines:
    """One write(2) a line."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)

    def put(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


class FileSender:
    """Delivers to the sink: a moment of work, then the guard, then one line."""

    def __init__(self, sink: Lines, node: str, delay: float) -> None:
        self._sink, self._node, self._delay = sink, node, delay

    async def deliver(self, claimed, before_send):
        if self._delay:
            await asyncio.sleep(random.random() * self._delay)
        await before_send()
        self._sink.put(claimed.destination, claimed.key, claimed.control_id, self._node, int(claimed.resent))
        if self._delay:
            await asyncio.sleep(random.random() * self._delay)
        return Receipt(answer=b"AA")

    async def close(self) -> None:
        """Nothing is open."""


async def ingest(intake, acked: Lines, node: str, keys: int, part: int, going: asyncio.Event) -> None:
    number = 0
    start = os.getpid() * 1_000_000 + part * 500_000
    while not going.is_set():
        number += 1
        key = f"{node}-{number % keys}"
        raw = raw_of(start + number, f"key={key};to={','.join(DESTINATIONS)}")
        answer = await intake(Inbound(raw=raw, endpoint="t", remote="r", received_at="2026-03-01T00:00:00Z"))
        if answer.messages and answer.messages[0].startswith(b"AA"):
            acked.put(key, start + number)
        else:
            await asyncio.sleep(0.05)
        if number % 4 == 0:
            await asyncio.sleep(0.002)


async def main(url: str, folder: Path, node: str, options: dict[str, str]) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    clock = SystemClock()
    journal = SqlJournal(url, clock=clock, freeze=float(options.get("freeze", "8")))
    tries = 0
    while True:
        try:
            await journal.start()
            break
        except Exception:  # the database may still be coming back
            tries += 1
            if tries > 100:
                raise
            await asyncio.sleep(0.1)
            journal = SqlJournal(url, clock=clock, freeze=float(options.get("freeze", "8")))
    tasks, workers = [], []
    reception = Reception(journal, TinyJudge(), clock)
    if options.get("deliver", "1") == "1":
        sender = FileSender(Lines(folder / "sink"), node, float(options.get("delay", "0")))
        policy = Policy(first=0.05, longest=0.5)
        workers = [Worker(journal, name, sender, policy, clock, parallel=8) for name in DESTINATIONS]
        tasks += [asyncio.create_task(worker.run()) for worker in workers]
    if options.get("ingest", "1") == "1":
        acked = Lines(folder / "acked")
        tasks += [
            asyncio.create_task(
                ingest(reception, acked, f"{node}{part}", int(options.get("keys", "20")), part, stopped)
            )
            for part in (0, 1)
        ]
    Lines(folder / "ready").put(node, os.getpid())
    await stopped.wait()
    for worker in workers:
        await worker.stop(30)
    await asyncio.gather(*tasks)
    await reception.stop()
    try:
        await journal.stop()
    except JournalUnavailable:
        return


if __name__ == "__main__":
    given = dict(word.split("=", 1) for word in sys.argv[4:])
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], given))
