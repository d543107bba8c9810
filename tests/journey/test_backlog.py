"""A dead destination with much waiting does not slow the others; a full disk refuses and recovers by itself (faults S03, S18)."""

from __future__ import annotations

import asyncio
import errno

import pytest

from connector.engine.clock import SystemClock
from connector.engine.intake import Reception
from connector.engine.worker import Worker
from connector.issues import Issue, IssueCode, Severity
from connector.ports import DeliveryFailed, Inbound, JournalUnavailable, Policy, Retry
from tests.journal_kit import ListSender, TinyJudge, entry_of, opened, raw_of
from tests.waiting import until

WAITING = 20_000
DOWN = DeliveryFailed(Retry.SAFE, Issue.of(Severity.ERROR, IssueCode.UNREACHABLE, what="test"))


async def round_trips(journal, sender, start, rounds=30):
    """From record to delivered, one after the other. The instructions of SQLite's machine for one: the work, whatever else a computer does."""
    done = [0]

    def instruction():
        done[0] += 1

    await journal.write("sql", lambda connection: connection.set_progress_handler(instruction, 1))
    for number in range(start, start + rounds):
        before = len(sender.got)
        await journal.record(entry_of(f"live{number}", key=f"l{number % 7}", to=("alive",)))
        await until(lambda: len(sender.got) > before)  # noqa: B023
    await journal.write("sql", lambda connection: connection.set_progress_handler(None, 1))
    return done[0] / rounds


def test_twenty_thousand_waiting_on_a_dead_destination_do_not_slow_the_others(tmp_path):
    async def case():
        alive, dead = ListSender(), ListSender()
        dead.down = DOWN
        async with opened(tmp_path / "j.db") as journal:
            clock = SystemClock()
            workers = [
                Worker(journal, "alive", alive, Policy(first=0.1), clock),
                Worker(journal, "dead", dead, Policy(first=0.1, longest=0.5), clock),
            ]
            tasks = [asyncio.create_task(worker.run()) for worker in workers]
            idle = await round_trips(journal, alive, 0)
            for start in range(0, WAITING, 2000):
                entries = [entry_of(n, key=str(n % 5000), to=("dead",)) for n in range(start, start + 2000)]
                await asyncio.gather(*[journal.record(entry) for entry in entries])
            await round_trips(journal, alive, 1000)
            assert dead.tried, "the dead one is tried all the while"
            workers[1].pause()
            loaded = await round_trips(journal, alive, 2000)
            for worker in workers:
                await worker.stop(60)
            await asyncio.gather(*tasks)
            assert journal.search.waiting()[0].open == WAITING
            assert loaded < 1.5 * idle

    asyncio.run(case())


def test_a_disk_that_is_full_for_large_bodies_refuses_and_recovers_alone(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            intake = Reception(journal, TinyJudge(), SystemClock())
            kept = journal.files.keep

            def full(digest, data):
                raise OSError(errno.ENOSPC, "No space left on device")

            journal.files.keep = full
            large = Inbound(raw=raw_of(1, "x" * 400_000), endpoint="t", remote="r", received_at="2026-03-01T00:00:00Z")
            assert (await intake(large)).messages == (b"AR|1",)
            assert journal.search.list_messages() == []
            journal.files.keep = kept
            assert (await intake(large)).messages == (b"AA|1",)
            await intake.stop()

    asyncio.run(case())


def test_a_database_that_is_full_refuses_and_recovers_alone(tmp_path):
    """SQLite itself says SQLITE_FULL: the number of its pages is limited."""

    async def case():
        async with opened(tmp_path / "j.db") as journal:
            await journal.record(entry_of(1))
            await journal.write("sql", "PRAGMA max_page_count = 60")
            failures = 0
            for number in range(2, 60):
                try:
                    await journal.record(entry_of(number, raw=raw_of(number, "x" * 8000)))
                except JournalUnavailable:
                    failures += 1
            assert failures > 10
            assert not journal.available
            known = {row.control_id for row in journal.search.list_messages()}
            await journal.write("sql", "PRAGMA max_page_count = 100000")
            await journal.record(entry_of(99))
            assert journal.available
            assert known | {"99"} == {row.control_id for row in journal.search.list_messages()}
            sender = ListSender()
            worker = Worker(journal, "dpi", sender, Policy(), SystemClock())
            task = asyncio.create_task(worker.run())
            await until(lambda: len(sender.got) == len(known) + 1)
            await worker.stop()
            await task

    asyncio.run(case())


@pytest.fixture(autouse=True)
def _sql_phase(monkeypatch):
    """One more kind of write, so that a test can set a pragma on the writing connection, in its thread."""
    from connector.store.journal import SqlJournal

    started = SqlJournal.start

    async def start(self):
        def apply(transaction, operations):
            for operation in operations:
                if callable(operation.argument):
                    operation.argument(transaction.cursor.connection)
                else:
                    transaction.cursor.execute(operation.argument)

        self.add_phases({"sql": apply})
        await started(self)

    monkeypatch.setattr(SqlJournal, "start", start)
