"""Ingest and delivery rates of the journal beside the floor (group commit alone), in one run.

    python tests/bench/bench_store.py [SQLITE_FILE_OR_URL] [messages]

Prints messages a second with 1, 8 and 64 producers, the raw group commit of the same rows' size, a drain, and the whole way with one
destination (record, claim, stamp, deliver, settle).
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from connector.engine.clock import SystemClock  # noqa: E402
from connector.engine.intake import Reception  # noqa: E402
from connector.engine.worker import Worker  # noqa: E402
from connector.ports import Inbound, Policy, Receipt  # noqa: E402
from connector.store.database import sqlite_module  # noqa: E402
from connector.store.journal import SqlJournal  # noqa: E402
from tests.journal_kit import TinyJudge, entry_of, raw_of  # noqa: E402

TEXT = "x" * 900


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def floor(folder: Path, group: int, total: int) -> float:
    """Rows of the same size in transactions of `group`: what the disk and SQLite allow."""
    connection = sqlite_module().connect(str(folder / f"floor{group}.db"), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB)")
    body = raw_of(1, TEXT)
    started = time.perf_counter()
    for _ in range(total // group):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO t (body) VALUES (?)", [(body,)] * group)
        connection.execute("COMMIT")
    took = time.perf_counter() - started
    connection.close()
    return total / took


async def producers(call, count: int, total: int, start: int) -> tuple[float, float, float]:
    numbers = iter(range(start, start + total))
    took: list[float] = []

    async def one() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await call(number)
            took.append((time.perf_counter() - begun) * 1000)

    started = time.perf_counter()
    await asyncio.gather(*[one() for _ in range(count)])
    rate = total / (time.perf_counter() - started)
    took.sort()
    return rate, took[len(took) // 2], took[int(len(took) * 0.99)]


class Counter:
    def __init__(self) -> None:
        self.count = 0

    async def deliver(self, claimed, before_send):
        await before_send()
        self.count += 1
        return Receipt(answer=b"AA", sent=claimed.raw)

    async def close(self) -> None: ...


async def reach(counter: Counter, total: int) -> None:
    while counter.count < total:
        await asyncio.sleep(0.002)


async def main(url: str, total: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-store-"))
    for group in (1, 8, 64):
        print(f"floor: groups of {group:>2}                    {floor(folder, group, total):8.0f} /s")
    clock = SystemClock()
    journal = SqlJournal(url or str(folder / "j.db"), clock=clock)
    await journal.start()
    intake = Reception(journal, TinyJudge(), clock)

    async def ingest(number: int, to: str = "waiting") -> None:
        raw = raw_of(number, f"{TEXT};key=k{number % 50};to={to}")
        await intake(Inbound(raw=raw, endpoint="b", remote="r", received_at="2026-03-01T00:00:00Z"))

    for count in (1, 8, 64):
        used = cpu()
        rate, p50, p99 = await producers(ingest, count, total, count * 10_000_000)
        used = (cpu() - used) * 1000 / total
        print(
            f"ingest, {count:>2} producers    {rate:8.0f} /s   ack p50 {p50:6.2f} p99 {p99:6.2f} ms   {used:.3f} ms CPU each"
        )
    for parallel in (4, 16):
        counter = Counter()
        worker = Worker(journal, f"live{parallel}", counter, Policy(), clock, parallel=parallel)
        entries = [entry_of(f"d{parallel}-{n}", key=f"k{n % 150}", to=(f"live{parallel}",)) for n in range(total)]
        await asyncio.gather(*[journal.record(entry) for entry in entries])
        used, started = cpu(), time.perf_counter()
        task = asyncio.create_task(worker.run())
        await reach(counter, total)
        rate, used = total / (time.perf_counter() - started), (cpu() - used) * 1000 / total
        print(f"drain, parallel {parallel:>2}       {rate:8.0f} /s   {used:.3f} ms CPU each")
        used, started = cpu(), time.perf_counter()
        rate, _, p99 = await producers(
            partial(ingest, to=f"live{parallel}"),
            16,
            total,
            900_000_000 + parallel * 1_000_000,
        )
        await reach(counter, 2 * total)
        rate, used = total / (time.perf_counter() - started), (cpu() - used) * 1000 / total
        print(f"the whole way, parallel {parallel:>2} {rate:6.0f} /s   ack p99 {p99:.1f} ms   {used:.3f} ms CPU each")
        await worker.stop()
        await task
    await journal.stop()


if __name__ == "__main__":
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    run(main(sys.argv[1] if len(sys.argv) > 1 else "", int(sys.argv[2]) if len(sys.argv) > 2 else 4000))
