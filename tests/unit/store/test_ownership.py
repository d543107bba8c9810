"""What a lost session means, a content that is gone, a clock that was wrong."""

from __future__ import annotations

import asyncio

from connector.ports import Receipt
from connector.store.lanes import Lanes
from tests.journal_kit import HandClock, entry_of, opened, raw_of


def test_what_the_old_session_allowed_is_void_in_the_new_one(tmp_path, monkeypatch):
    """Frozen between the stamp and the send: on waking, the writer may have a new session before the sender goes on."""

    async def case():
        async with opened(tmp_path / "j.db") as journal:
            await journal.record(entry_of(1))
            ((lane_id, _, _),) = await journal.claim("dpi", 1)
            _, (head,) = await journal.fetch(lane_id, 1)
            stamp = Lanes.sending

            def stamped_then_lost(self, transaction, operations):
                stamp(self, transaction, operations)
                transaction.after_commit(self.lost)

            journal._ingest.phases["sending"] = stamped_then_lost.__get__(journal._lanes)
            assert not await journal.sending(head.delivery_id)
            assert (await journal.fetch(lane_id, 1))[0] == -1
            ((lane_id, _, _),) = await journal.claim("dpi", 1)
            _, (head,) = await journal.fetch(lane_id, 1)
            assert head.in_flight, "nobody knows any more whether it left"

    asyncio.run(case())


def test_an_acceptance_is_true_even_when_the_lane_was_lost_meanwhile(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            await journal.record(entry_of(1))
            ((lane_id, _, _),) = await journal.claim("dpi", 1)
            _, (head,) = await journal.fetch(lane_id, 1)
            assert await journal.sending(head.delivery_id)
            journal._lanes.lost()
            assert await journal.done(head.delivery_id, Receipt())
            assert journal.search.list_messages()[0].deliveries == (("dpi", "accepted"),)

    asyncio.run(case())


def test_a_message_whose_content_is_gone_is_parked_and_the_lane_goes_on(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            await journal.record(entry_of(1, raw=raw_of(1, "x" * 400_000)))
            await journal.record(entry_of(2))
        async with opened(tmp_path / "j.db") as journal:
            next(journal.files.directory.glob("*/*")).unlink()
            ((lane_id, _, _),) = await journal.claim("dpi", 1)
            _, waiting = await journal.fetch(lane_id, 8)
            assert [item.control_id for item in waiting] == ["2"]
            assert journal.search.counts()["dpi"]["parked"] == 1

    asyncio.run(case())


def test_a_wall_clock_that_was_wrong_puts_no_lane_to_sleep(tmp_path):
    from connector.issues import Issue, IssueCode, Severity
    from connector.ports import DeliveryState

    async def case():
        ahead, right = HandClock(), HandClock()
        ahead.wall += 365 * 86400
        async with opened(tmp_path / "j.db", clock=ahead) as journal:
            await journal.record(entry_of(1))
            ((lane_id, _, _),) = await journal.claim("dpi", 1)
            _, (head,) = await journal.fetch(lane_id, 1)
            issue = Issue.of(Severity.ERROR, IssueCode.UNREACHABLE, what="test")
            await journal.failed(
                head.delivery_id, lane_id, issue=issue, sent=b"", answer=b"", wait=60, state=DeliveryState.FAILED
            )
            ahead.wall -= 7200  # a jump while running moves nothing
            ahead.seconds += 61
            await journal.release(lane_id)
            assert len(await journal.claim("dpi", 1)) == 1
        async with opened(tmp_path / "j.db", clock=right) as journal:
            assert len(await journal.claim("dpi", 1)) == 1

    asyncio.run(case())
