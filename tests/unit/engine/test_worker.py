"""The way out: order, retry, parking, pause, and what a failing head does to others."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from connector.engine.clock import SystemClock
from connector.engine.worker import Worker
from connector.issues import Issue, IssueCode, Severity
from connector.ports import DeliveryFailed, JournalUnavailable, Policy, Receipt, Retry
from tests.journal_kit import ListSender, entry_of, opened
from tests.waiting import until

FAST = Policy(first=0.02, factor=2, longest=0.1)


def failure(retry: Retry = Retry.SAFE, **more: object) -> DeliveryFailed:
    return DeliveryFailed(retry, Issue.of(Severity.ERROR, IssueCode.UNREACHABLE, what="test"), **more)


@contextlib.asynccontextmanager
async def working(journal, sender, policy=FAST, destination="dpi", **more):
    worker = Worker(journal, destination, sender, policy, SystemClock(), **more)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.stop(60)
        await task


def order(sender):
    return [claimed.control_id for claimed in sender.got]


def states(journal):
    return [state for row in reversed(journal.search.list_messages()) for _, state in row.deliveries]


def test_deliveries_of_a_key_come_in_order_and_once(tmp_path):
    async def case():
        sender = ListSender()
        async with opened(tmp_path / "j.db") as journal, working(journal, sender):
            await asyncio.gather(*[journal.record(entry_of(n, key=f"k{n % 7}")) for n in range(200)])
            await until(lambda: len(sender.got) == 200)
            for key in range(7):
                mine = [int(c.control_id) for c in sender.got if c.key == f"k{key}"]
                assert mine == sorted(mine)
            await until(lambda: set(states(journal)) == {"accepted"})

    asyncio.run(case())


def test_a_failing_head_is_not_overtaken_and_other_keys_go_on(tmp_path):
    async def case():
        sender = ListSender({"0": [failure() for _ in range(3)]})
        async with opened(tmp_path / "j.db") as journal:
            for number in range(5):
                await journal.record(entry_of(number))
            await journal.record(entry_of("other", key="free"))
            async with working(journal, sender):
                await until(lambda: len(sender.got) == 6)
            assert [item for item in order(sender) if item != "other"] == ["0", "1", "2", "3", "4"]
            assert order(sender)[0] == "other"
            assert sender.tried.count("0") == 4

    asyncio.run(case())


@pytest.mark.parametrize(
    ("retry", "policy", "park", "state"),
    [
        (Retry.NEVER, FAST, False, "rejected"),
        (Retry.AMBIGUOUS, Policy(ambiguous="park"), False, "parked"),
        (Retry.SAFE, Policy(attempts=1), False, "parked"),
        (Retry.SAFE, FAST, True, "parked"),
    ],
)
def test_what_is_put_aside_lets_the_next_one_go(tmp_path, retry, policy, park, state):
    async def case():
        sender = ListSender({"0": [failure(retry, park=park, answer=b"AE")]})
        async with opened(tmp_path / "j.db") as journal:
            for number in range(2):
                await journal.record(entry_of(number))
            async with working(journal, sender, policy):
                await until(lambda: order(sender) == ["1"])
                await until(lambda: states(journal) == [state, "accepted"])
            leg = journal.search.show(1).legs[0]
            assert (journal.search.reply(leg.id), leg.attempts) == (b"AE", 1)

    asyncio.run(case())


def test_a_try_after_an_ambiguous_failure_is_marked_as_a_repetition(tmp_path):
    async def case():
        sender = ListSender({"0": [failure(Retry.AMBIGUOUS)]})
        async with opened(tmp_path / "j.db") as journal, working(journal, sender):
            await journal.record(entry_of(0))
            await journal.record(entry_of(1))
            await until(lambda: len(sender.got) == 2)
            assert [(c.control_id, c.resent, c.attempts) for c in sender.got] == [("0", True, 1), ("1", False, 0)]

    asyncio.run(case())


def test_what_a_crash_left_in_flight_is_sent_again_or_parked_as_the_policy_says(tmp_path):
    async def case():
        for policy, expected in ((FAST, ["accepted"]), (Policy(ambiguous="park"), ["parked"])):
            path = tmp_path / f"{policy.ambiguous}.db"
            async with opened(path) as journal:
                await journal.record(entry_of(0))
                ((lane_id, _, _),) = await journal.claim("dpi", 1)
                _, (head,) = await journal.fetch(lane_id, 1)
                await journal.sending(head.delivery_id)
            sender = ListSender()
            async with opened(path) as journal, working(journal, sender, policy):
                await until(lambda: states(journal) == expected)  # noqa: B023
                assert [c.in_flight for c in sender.got] == ([True] if policy is FAST else [])

    asyncio.run(case())


def test_a_defect_of_a_sender_is_ambiguous_once_bytes_may_have_left(tmp_path):
    async def case():
        sender = ListSender({"0": [ZeroDivisionError("patient's name")]})
        async with opened(tmp_path / "j.db") as journal, working(journal, sender):
            await journal.record(entry_of(0))
            await until(lambda: order(sender) == ["0"])
            await until(lambda: states(journal) == ["accepted"])
            assert sender.got[0].resent

    asyncio.run(case())


def test_no_more_than_parallel_are_sent_at_once(tmp_path):
    async def case():
        sender = ListSender()
        sender.delay = 0.02
        async with opened(tmp_path / "j.db") as journal:
            await asyncio.gather(*[journal.record(entry_of(n, key=str(n))) for n in range(40)])
            async with working(journal, sender, parallel=3):
                await until(lambda: len(sender.got) == 40)
            assert sender.most == 3

    asyncio.run(case())


def test_a_dead_destination_is_not_tried_once_a_key(tmp_path):
    async def case():
        sender = ListSender()
        sender.down = failure()
        async with opened(tmp_path / "j.db") as journal:
            await asyncio.gather(*[journal.record(entry_of(n, key=str(n))) for n in range(200)])
            async with working(journal, sender, Policy(first=0.2, factor=2, longest=1)):
                await asyncio.sleep(1.0)
                assert len(sender.tried) < 30
                sender.down = None
                await until(lambda: len(sender.got) == 200)

    asyncio.run(case())


def test_pause_and_resume(tmp_path):
    async def case():
        sender = ListSender()
        async with opened(tmp_path / "j.db") as journal, working(journal, sender) as worker:
            worker.pause()
            await journal.record(entry_of(0))
            await asyncio.sleep(0.1)
            assert sender.got == []
            worker.resume()
            await until(lambda: len(sender.got) == 1)

    asyncio.run(case())


def test_stop_finishes_what_is_in_hand(tmp_path):
    async def case():
        sender = ListSender()
        sender.delay = 0.2
        async with opened(tmp_path / "j.db") as journal:
            for number in range(3):
                await journal.record(entry_of(number))
            async with working(journal, sender):
                await until(lambda: sender.at_once == 1)
            assert order(sender) == ["0"]
            assert states(journal) == ["accepted", "queued", "queued"]

    asyncio.run(case())


def test_stop_cuts_off_what_takes_too_long_and_it_counts_as_perhaps_sent(tmp_path):
    async def case():
        sender = ListSender()
        sender.delay = 60
        async with opened(tmp_path / "j.db") as journal:
            await journal.record(entry_of(0))
            worker = Worker(journal, "dpi", sender, FAST, SystemClock())
            task = asyncio.create_task(worker.run())
            await until(lambda: sender.at_once == 1)
            await worker.stop(0.1)
            await task
            assert states(journal) == ["sent"]

    asyncio.run(case())


def test_an_acceptance_is_noted_however_long_the_journal_is_away(tmp_path):
    async def case():
        sender = ListSender()
        async with opened(tmp_path / "j.db") as journal:
            kept, left = journal.done, [3]

            async def away(delivery_id, receipt):
                if left[0]:
                    left[0] -= 1
                    raise JournalUnavailable("disk full")
                return await kept(delivery_id, receipt)

            journal.done = away
            await journal.record(entry_of(0))
            async with working(journal, sender):
                await until(lambda: states(journal) == ["accepted"])
            assert order(sender) == ["0"]

    asyncio.run(case())


def test_a_node_that_is_not_the_owner_any_more_sends_nothing(tmp_path):
    async def case():
        sender = ListSender()
        async with opened(tmp_path / "j.db") as journal:
            await journal.record(entry_of(0))
            kept, journal.still_owner = journal.still_owner, lambda: False
            async with working(journal, sender):
                await until(lambda: sender.tried)
                await asyncio.sleep(0.05)
                assert sender.got == []
                journal.still_owner = kept
                await until(lambda: order(sender) == ["0"])

    asyncio.run(case())


def test_a_delivery_cancelled_while_it_waited_is_not_sent(tmp_path):
    class Cancelling(ListSender):
        async def deliver(self, claimed, before_send):
            if claimed.control_id == "0":
                await self.journal.cancel([claimed.delivery_id + 1])
            return await super().deliver(claimed, before_send)

    async def case():
        sender = Cancelling()
        async with opened(tmp_path / "j.db") as journal:
            sender.journal = journal
            for number in range(3):
                await journal.record(entry_of(number))
            async with working(journal, sender):
                await until(lambda: order(sender) == ["0", "2"])
                await until(lambda: states(journal) == ["accepted", "cancelled", "accepted"])

    asyncio.run(case())


def test_large_sent_bytes_are_kept_as_a_content(tmp_path):
    class Large(ListSender):
        async def deliver(self, claimed, before_send):
            await before_send()
            self.got.append(claimed)
            return Receipt(sent=b"y" * 400_000, answer=b"201")

    async def case():
        sender = Large()
        async with opened(tmp_path / "j.db") as journal, working(journal, sender):
            await journal.record(entry_of(0))
            await until(lambda: states(journal) == ["accepted"])
            leg = journal.search.show(1).legs[0]
            assert journal.search.sent(leg.id) == b"y" * 400_000
            assert len(list(journal.files.directory.glob("*/*"))) == 1

    asyncio.run(case())
