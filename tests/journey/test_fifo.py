"""From the supervisor down: order per key with failing heads, start and stop in order, restart of a crashed part."""

from __future__ import annotations

import asyncio

import pytest

from connector.engine.clock import SystemClock
from connector.engine.supervisor import Destination, Supervisor
from connector.issues import Issue, IssueCode, Severity
from connector.ports import DeliveryFailed, Inbound, Policy, Retry
from connector.store.database import JournalLocked
from connector.store.journal import SqlJournal
from tests.journal_kit import ListSender, TinyJudge, opened, postgres, postgres_server, raw_of, url
from tests.waiting import until

__all__ = ["postgres", "postgres_server", "url"]

FAST = Policy(first=0.02, factor=1.5, longest=0.1)


class Door:
    """A receiver that the test knocks at."""

    def __init__(self, log: list[str], fails: bool = False) -> None:
        self.log, self.fails, self.intake = log, fails, None

    async def start(self, intake):
        if self.fails:
            raise OSError("address in use")
        self.log.append("door opens")
        self.intake = intake

    async def stop(self):
        self.log.append("door closes")
        self.intake = None

    async def knock(self, number, text):
        return await self.intake(
            Inbound(raw=raw_of(number, text), endpoint="t", remote="r", received_at="2026-03-01T00:00:00Z")
        )


def busy() -> DeliveryFailed:
    return DeliveryFailed(Retry.SAFE, Issue.of(Severity.ERROR, IssueCode.UNREACHABLE, what="test"))


def test_heads_that_fail_are_overtaken_by_nobody(url):
    numbers = range(60)
    fails = {str(n): [busy() for _ in range(n % 4)] for n in numbers}

    async def case():
        senders = {"dpi": ListSender({k: list(v) for k, v in fails.items()}), "dmp": ListSender()}
        door = Door([])
        journal = SqlJournal(url, clock=SystemClock())
        destinations = {name: Destination(sender=sender, policy=FAST) for name, sender in senders.items()}
        engine = Supervisor(journal, TinyJudge(), SystemClock(), destinations, [door])
        await engine.start()
        answers = [await door.knock(n, f"key=k{n % 5};to=dpi,dmp") for n in numbers]
        assert all(answer.messages[0].startswith(b"AA") for answer in answers)
        await until(lambda: all(len(sender.got) == len(numbers) for sender in senders.values()))
        await engine.stop()
        for sender in senders.values():
            for key in range(5):
                mine = [int(c.control_id) for c in sender.got if c.key == f"k{key}"]
                assert mine == [n for n in numbers if n % 5 == key]
            assert sender.closed

    asyncio.run(case())


def test_the_door_closes_before_the_journal_and_opens_after_it(tmp_path):
    async def case():
        log: list[str] = []
        door, sender = Door(log), ListSender()
        journal = SqlJournal(str(tmp_path / "j.db"), clock=SystemClock())
        engine = Supervisor(journal, TinyJudge(), SystemClock(), {"dpi": Destination(sender=sender)}, [door])
        await engine.start()
        await door.knock(1, "")
        await until(lambda: sender.got)
        await engine.stop()
        assert log == ["door opens", "door closes"]
        assert sender.closed
        async with opened(tmp_path / "j.db") as journal:
            assert journal.search.list_messages()[0].deliveries == (("dpi", "accepted"),)

    asyncio.run(case())


def test_what_fails_to_start_leaves_nothing_behind(tmp_path):
    async def case():
        def engine(fails):
            journal = SqlJournal(str(tmp_path / "j.db"), clock=SystemClock())
            doors = [Door([]), Door([], fails=fails)]
            return Supervisor(journal, TinyJudge(), SystemClock(), {"dpi": Destination(sender=ListSender())}, doors)

        with pytest.raises(OSError, match="address in use"):
            await engine(True).start()
        running = engine(False)
        await running.start()
        with pytest.raises(JournalLocked):
            await engine(False).start()
        await running.stop()

    asyncio.run(case())


def test_a_worker_that_crashes_is_started_again(tmp_path, caplog):
    async def case():
        sender = ListSender()
        door = Door([])
        journal = SqlJournal(str(tmp_path / "j.db"), clock=SystemClock())
        engine = Supervisor(journal, TinyJudge(), SystemClock(), {"dpi": Destination(sender=sender)}, [door])
        kept, crashes = journal.claim, [ValueError("a defect")]

        async def claim(*arguments):
            if crashes:
                raise crashes.pop()
            return await kept(*arguments)

        journal.claim = claim
        await engine.start()
        await door.knock(1, "")
        await until(lambda: sender.got)
        await engine.stop()
        assert "worker ended (ValueError" in caplog.text

    asyncio.run(case())
