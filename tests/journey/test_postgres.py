"""What only PostgreSQL can show: 50,000 keys in 64 locks, takeover after a kill and after a freeze, its own crash."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connector.ports import Receipt
from connector.store.ownership import Watch, guard_session
from connector.store.preparing import bucket_of
from tests.journal_kit import PostgresServer, entry_of, opened, postgres, postgres_server
from tests.journey.ledger import IN_FLIGHT, count, delivered, ended, spawn
from tests.waiting import eventually

__all__ = ["ended", "postgres", "postgres_server"]

pytestmark = pytest.mark.real


def ask(url: str, sql: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(sql).fetchone()
        assert row is not None
        return int(row[0])


LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7102 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"


def test_fifty_thousand_keys_need_at_most_sixty_four_locks(postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True):
        pass

    async def case() -> None:
        async with opened(postgres) as journal:
            await journal.record(entry_of(0))
            with psycopg.connect(postgres) as connection:
                connection.execute(
                    "INSERT INTO lane (destination, key, bucket, active, due, version)"
                    " SELECT 'dpi', 'k' || n, 64 * 5 + n % 64, true, 0, 1 FROM generate_series(1, 50000) n"
                )
            async with opened(postgres) as other:
                taken: list[tuple[int, str, str]] = []
                started = time.perf_counter()
                while len(taken) < 1000:
                    taken += await journal.claim("dpi", 250)
                assert time.perf_counter() - started < 60
                assert ask(postgres, LOCKS) <= 65
                rest = await other.claim("dpi", 250)
                assert not {lane for lane, _, _ in taken} & {lane for lane, _, _ in rest}
                for lane_id, _, _ in taken:
                    await journal.release(lane_id)
                assert len(await other.claim("dpi", 250)) == 250
            assert ask(postgres, LOCKS) == 0

    asyncio.run(case())


def test_a_bucket_stays_locked_when_one_of_its_lanes_sleeps_while_another_is_claimed(postgres: str) -> None:
    """Both in one transaction, as load makes it."""
    first = "k0"
    second = next(f"k{n}" for n in range(1, 10_000) if bucket_of("dpi", f"k{n}") == bucket_of("dpi", first))

    async def case() -> None:
        async with opened(postgres) as journal:
            held, going = threading.Event(), threading.Event()

            def hold(transaction: object, operations: object) -> None:
                held.set()
                assert going.wait(60)

            journal._owner.phases["hold"] = hold
            await journal.record(entry_of(1, key=first))
            ((lane_id, _, _),) = await journal.claim("dpi", 1)
            version, (head,) = await journal.fetch(lane_id, 1)
            assert await journal.sending(head.delivery_id)
            await journal.done(head.delivery_id, Receipt())
            await journal.record(entry_of(2, key=second))
            blocked = journal._owner.submit("hold", None)
            await asyncio.to_thread(held.wait, 60)
            together = [
                asyncio.ensure_future(journal.idle(lane_id, version)),
                asyncio.ensure_future(journal.claim("dpi", 1)),
            ]
            await asyncio.sleep(0)
            going.set()
            asleep, claimed = await asyncio.gather(*together)
            await blocked
            assert asleep
            assert [key for _, _, key in claimed] == [second]
            assert ask(postgres, LOCKS) == 1
            async with opened(postgres) as other:
                assert await other.claim("dpi", 1) == []

    asyncio.run(case())


def _between_two_statements(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SELECT 1")


def _after_a_batch(connection: psycopg.Connection[Any]) -> None:
    """The driver ends it with Sync and Flush, and the Flush stops PostgreSQL's timer."""
    connection.cursor().executemany("INSERT INTO meta VALUES (%s, '')", [("a",), ("b",)])


def _amid_a_batch(connection: psycopg.Connection[Any]) -> None:
    """Executed in part, no Sync yet: what a process does that is frozen between two writes to its socket."""
    connection.pgconn.enter_pipeline_mode()
    connection.pgconn.send_query_params(b"INSERT INTO meta VALUES ('a', '')", None)
    connection.pgconn.send_flush_request()
    while connection.pgconn.flush():
        time.sleep(0.01)


STOPS = [_between_two_statements, _after_a_batch, _amid_a_batch]


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("beats", [True, False], ids=["owner", "ingest"])
def test_a_node_that_froze_inside_a_transaction_keeps_no_lock_wherever_it_stopped(
    postgres: str, stop: Callable[[psycopg.Connection[Any]], None], beats: bool
) -> None:
    """The lock of a lane's row, for which the ingest of every other node would wait; and the lock of its bucket."""

    async def case() -> None:
        async with opened(postgres, freeze=1.0) as journal:
            await journal.record(entry_of(0))
            with closing(psycopg.connect(postgres, autocommit=True)) as frozen:
                guard_session(frozen, "test", 1.0, beats=beats)
                frozen.execute("BEGIN")
                frozen.execute("SELECT pg_advisory_lock(7102, bucket) FROM lane")
                frozen.execute("UPDATE lane SET version = version + 1")
                stop(frozen)
                await asyncio.wait_for(journal.record(entry_of(1)), 60)
                while not await journal.claim("dpi", 1):
                    await journal.wait_for_work("dpi", 1)

    asyncio.run(asyncio.wait_for(case(), 60))


@pytest.mark.parametrize("stop", STOPS)
def test_a_session_is_ended_when_it_was_silent_for_as_long_as_its_node_may_be(
    postgres: str, stop: Callable[[psycopg.Connection[Any]], None]
) -> None:
    now = [0.0]
    watch = Watch(lambda: now[0])
    with (
        closing(psycopg.connect(postgres, autocommit=True)) as watching,
        closing(psycopg.connect(postgres, autocommit=True)) as silent,
        closing(psycopg.connect(postgres, autocommit=True)) as spoken,
        closing(psycopg.connect(postgres, autocommit=True)) as idle,
        closing(psycopg.connect(postgres, autocommit=True)) as foreign,
    ):
        watching.execute("CREATE TABLE IF NOT EXISTS meta (name TEXT, value TEXT)")
        for connection in (silent, spoken, idle):
            guard_session(connection, "test", 600.0)
        for connection in (silent, spoken, foreign):
            connection.execute("BEGIN")
        stop(silent)
        living = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid = "
        process = silent.info.backend_pid
        for now[0] in (0.0, 300.0, 599.0):
            watch.look(watching)
            spoken.execute("SELECT 1")
            assert ask(postgres, f"{living}{process}") == 1
        now[0] = 600.0
        watch.look(watching)
        eventually(lambda: ask(postgres, f"{living}{process}") == 0, 60)
        now[0] = 1100.0
        watch.look(watching)
        for connection in (spoken, idle, foreign):
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_two_nodes_share_the_lanes_and_none_is_worked_on_twice(postgres: str) -> None:
    async def case() -> None:
        async with opened(postgres) as one, opened(postgres) as two:
            await asyncio.gather(*[one.record(entry_of(n, key=f"k{n}")) for n in range(200)])
            first = await one.claim("dpi", 20)
            second = await two.claim("dpi", 20)
            assert len(first) == len(second) == 20
            assert not set(first) & set(second)

    asyncio.run(case())


def test_the_other_node_is_woken_by_what_one_records(postgres: str) -> None:
    async def case() -> None:
        async with opened(postgres) as one, opened(postgres) as two:
            await asyncio.sleep(0.3)
            assert await two.claim("dpi", 1) == []
            await two.wait_for_work("dpi", 0.5)
            waiting = asyncio.create_task(two.wait_for_work("dpi", 600))
            await asyncio.sleep(0.05)
            await one.record(entry_of(1))
            await asyncio.wait_for(waiting, 60)
            assert len(await two.claim("dpi", 1)) == 1

    asyncio.run(case())


def test_lanes_of_a_node_that_went_away_are_found_though_nothing_new_comes(postgres: str) -> None:
    async def case() -> None:
        async with opened(postgres) as two:
            async with opened(postgres) as one:
                await one.record(entry_of(1))
                await asyncio.sleep(0.3)
                assert len(await one.claim("dpi", 1)) == 1
                assert await two.claim("dpi", 1) == []
            while not await two.claim("dpi", 1):
                await two.wait_for_work("dpi", 600)

    asyncio.run(asyncio.wait_for(case(), 60))


def test_the_same_message_at_two_nodes_at_once_is_one(postgres: str) -> None:
    async def case() -> None:
        async with opened(postgres) as one, opened(postgres) as two:
            for number in range(20):
                results = await asyncio.gather(one.record(entry_of(number)), two.record(entry_of(number)))
                assert results[0].message_id == results[1].message_id
                assert sorted(result.duplicate for result in results) == [False, True]

    asyncio.run(case())


def _lines(folder: Path, node: str) -> int:
    sink = folder / "sink"
    return sum(f" {node} " in line for line in sink.read_text().splitlines()) if sink.exists() else 0


def test_lanes_of_a_killed_node_go_on(tmp_path: Path, postgres: str) -> None:
    ingest = spawn(postgres, tmp_path, "in", deliver=0, keys=6)
    first = spawn(postgres, tmp_path, "w1", ingest=0, delay=0.05)
    eventually(lambda: _lines(tmp_path, "w1") > 20)
    second = spawn(postgres, tmp_path, "w2", ingest=0, delay=0.05)
    first.kill()
    first.wait()
    before = _lines(tmp_path, "w2")
    eventually(lambda: _lines(tmp_path, "w2") > before)
    ingest.send_signal(signal.SIGTERM)
    assert ingest.wait(60) == 0
    eventually(lambda: delivered(tmp_path))
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    found = count(tmp_path)
    assert (found.lost, found.reordered, found.stale, found.unmarked) == (0, 0, 0, 0)
    assert found.twice <= IN_FLIGHT


def test_a_frozen_node_loses_its_lanes_and_sends_nothing_stale_when_it_thaws(tmp_path: Path, postgres: str) -> None:
    ingest = spawn(postgres, tmp_path, "in", deliver=0, keys=6)
    first = spawn(postgres, tmp_path, "w1", ingest=0, delay=0.05, freeze=3)
    eventually(lambda: _lines(tmp_path, "w1") > 20)
    first.send_signal(signal.SIGSTOP)
    second = spawn(postgres, tmp_path, "w2", ingest=0, delay=0.05, freeze=3)
    eventually(lambda: _lines(tmp_path, "w2") > 50)
    ingest.send_signal(signal.SIGTERM)
    assert ingest.wait(60) == 0
    first.send_signal(signal.SIGCONT)
    eventually(lambda: delivered(tmp_path))
    time.sleep(0.5)
    for node in (first, second):
        node.send_signal(signal.SIGTERM)
        assert node.wait(60) == 0
    found = count(tmp_path)
    assert (found.lost, found.reordered, found.stale, found.unmarked) == (0, 0, 0, 0)


def test_after_a_crash_of_postgresql_the_same_process_goes_on(
    tmp_path: Path, postgres: str, postgres_server: PostgresServer
) -> None:
    node = spawn(postgres, tmp_path, "n", keys=6, delay=0.02)
    eventually(lambda: _lines(tmp_path, "n") > 20)
    postgres_server.crash()
    time.sleep(1.0)
    postgres_server.start()
    before = _lines(tmp_path, "n")
    eventually(lambda: _lines(tmp_path, "n") > before + 5)
    time.sleep(0.5)
    node.send_signal(signal.SIGTERM)
    assert node.wait(60) == 0
    last = spawn(postgres, tmp_path, "last", ingest=0)
    eventually(lambda: delivered(tmp_path))
    last.send_signal(signal.SIGTERM)
    assert last.wait(60) == 0
    found = count(tmp_path)
    assert found.acked > 10
    assert (found.lost, found.reordered, found.stale, found.unmarked) == (0, 0, 0, 0)
