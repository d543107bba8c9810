"""What is forgotten is forgotten whole; what is open stays."""

from __future__ import annotations

import asyncio
import os
import time

from connector.issues import Issue, IssueCode, Severity
from connector.ports import DeliveryState, MessageState, Receipt
from connector.store.retention import Keep, Retention
from tests.journal_kit import HandClock, entry_of, opened, raw_of

ISSUE = Issue.of(Severity.ERROR, IssueCode.UNREACHABLE, what="test")


async def deliver(journal, state=None):
    """Take every lane and settle what waits."""
    while lanes := await journal.claim("dpi", 50):
        for lane_id, _, _ in lanes:
            while True:
                version, waiting = await journal.fetch(lane_id, 8)
                if not waiting:
                    break
                for claimed in waiting:
                    await journal.sending(claimed.delivery_id)
                    if state is None:
                        await journal.done(claimed.delivery_id, Receipt())
                    else:
                        await journal.failed(
                            claimed.delivery_id, lane_id, issue=ISSUE, sent=b"", answer=b"", wait=None, state=state
                        )
            assert await journal.idle(lane_id, version)


def test_only_old_and_finished_messages_are_forgotten(url):
    async def case():
        clock = HandClock()
        async with opened(url, clock=clock, window_days=1) as journal:
            retention = Retention(journal)
            await journal.record(entry_of("done", document_ids=("d",), key="done"))
            await deliver(journal)
            await journal.record(entry_of("parked", key="parked"))
            await deliver(journal, DeliveryState.PARKED)
            await journal.record(entry_of("waiting", key="waiting"))
            await journal.record(entry_of("owed", state=MessageState.RECEIVED, to=()))
            assert (await retention.prune(Keep(messages_days=30))).messages == 0
            clock.forward(31 * 86400)
            await journal.record(entry_of("new", to=()))
            forgotten = await retention.prune(Keep(messages_days=30))
            assert (forgotten.messages, forgotten.lanes) == (1, 2), "the sleeping lanes of done and parked"
            left = {row.control_id for row in journal.search.list_messages()}
            assert left == {"parked", "waiting", "owed", "new"}
            parked = next(row for row in journal.search.list_messages() if row.control_id == "parked")
            leg = journal.search.show(parked.id).legs[0]
            assert await journal.retry([leg.id]) == 1, "its lane is made anew"
            assert len(await journal.claim("dpi", 9)) == 2
            again = await journal.record(entry_of("done2"))
            assert again.message_id > parked.id + 3, "ids are not used again"

    asyncio.run(case())


def test_nothing_within_the_duplicate_window_is_forgotten(tmp_path):
    async def case():
        clock = HandClock()
        async with opened(tmp_path / "j.db", clock=clock, window_days=90) as journal:
            retention = Retention(journal)
            await journal.record(entry_of(1, to=()))
            clock.forward(80 * 86400)
            assert (await retention.prune(Keep(messages_days=1))).messages == 0
            clock.forward(11 * 86400)
            assert (await retention.prune(Keep(messages_days=1))).messages == 1

    asyncio.run(case())


def test_contents_go_with_their_last_message(tmp_path):
    async def case():
        clock = HandClock()
        async with opened(tmp_path / "j.db", clock=clock, window_days=1) as journal:
            retention = Retention(journal)
            same = raw_of("x", "y" * 400_000)
            await journal.record(entry_of(1, raw=same, to=()))
            clock.forward(10 * 86400)
            await journal.record(entry_of(2, raw=same, to=()))
            (file,) = journal.files.directory.glob("*/*")
            os.utime(file, (time.time() - 200_000,) * 2)
            clock.forward(25 * 86400)
            first = await retention.prune(Keep(messages_days=30))
            assert (first.messages, first.contents, first.files) == (1, 0, 0)
            assert journal.search.body(2).raw == same
            clock.forward(10 * 86400)
            second = await retention.prune(Keep(messages_days=30))
            assert (second.messages, second.contents, second.files) == (1, 1, 1)
            assert list(journal.files.directory.glob("*/*")) == []

    asyncio.run(case())


def test_many_are_forgotten_in_small_transactions(tmp_path):
    async def case():
        clock = HandClock()
        async with opened(tmp_path / "j.db", clock=clock, window_days=1) as journal:
            retention = Retention(journal)
            await asyncio.gather(*[journal.record(entry_of(n, to=())) for n in range(450)])
            clock.forward(400 * 86400)
            before = journal.transactions
            assert (await retention.prune(Keep())).messages == 450
            assert journal.transactions - before >= 5

    asyncio.run(case())
