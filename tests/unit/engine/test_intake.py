"""The way in: what is answered, and what is in the journal when it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading

import pytest

from connector.engine.clock import SystemClock
from connector.engine.intake import Reception
from connector.issues import Issue, IssueCode, Severity
from connector.ports import Inbound, JournalUnavailable
from tests.journal_kit import TinyJudge, opened, raw_of


def inbound(number: object, text: str = "", **more: object) -> Inbound:
    raw = more.pop("raw", None) or raw_of(number, text)
    return Inbound(raw=raw, endpoint="mllp", remote="r", received_at="2026-03-01T00:00:00Z", **more)


@contextlib.asynccontextmanager
async def reception(tmp_path, judge=None):
    async with opened(tmp_path / "j.db") as journal:
        intake = Reception(journal, judge or TinyJudge(), SystemClock())
        try:
            yield intake, journal
        finally:
            await intake.stop()


def states(journal):
    return [
        (row.control_id, row.state, [state for _, state in row.deliveries]) for row in journal.search.list_messages()
    ]


def test_an_understood_message_is_answered_when_it_is_durable(tmp_path):
    async def case():
        async with reception(tmp_path) as (intake, journal):
            answer = await intake(inbound(1))
            assert answer.messages == (b"AA|1",)
            assert journal.search.show(answer.message_id).answers == (b"AA|1",)
            assert states(journal) == [("1", "translated", ["queued"])]

    asyncio.run(case())


def test_whether_the_answer_was_written_is_noted(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            intake = Reception(journal, TinyJudge(), SystemClock())
            (await intake(inbound(1))).told(True)
            (await intake(inbound(2))).told(False)
            assert (await intake(inbound(3))).told is not None
            (await (await intake(inbound(4, "defer"))).later).told(True)
            await intake.stop()
        async with opened(tmp_path / "j.db") as journal:
            assert [row.answer for row in journal.search.list_messages()] == ["told", "pending", "untold", "told"]

    asyncio.run(case())


def test_a_repetition_gets_the_stored_answer_without_being_judged(tmp_path):
    class Counting(TinyJudge):
        judged = 0

        def judge(self, *arguments):
            self.judged += 1
            return super().judge(*arguments)

    async def case():
        judge = Counting()
        async with reception(tmp_path, judge) as (intake, journal):
            first, again = await intake(inbound(1)), await intake(inbound(1))
            assert (first.messages, first.message_id) == (again.messages, again.message_id)
            assert judge.judged == 1
            assert states(journal) == [("1", "translated", ["queued"])]

    asyncio.run(case())


def test_other_content_under_a_used_control_id_is_kept_refused_and_not_delivered(tmp_path):
    async def case():
        async with reception(tmp_path) as (intake, journal):
            await intake(inbound(1))
            for _ in range(2):
                assert (await intake(inbound(1, "other"))).messages == (b"AE205|1",)
            assert states(journal) == [("1", "refused", []), ("1", "translated", ["queued"])]
            assert journal.search.list_messages()[0].conflicts_with == journal.search.list_messages()[1].id

    asyncio.run(case())


def test_the_race_of_two_connections_is_decided_in_the_transaction(tmp_path):
    async def case():
        async with reception(tmp_path) as (intake, journal):
            answers = await asyncio.gather(*[intake(inbound(1, str(n % 2))) for n in range(10)])
            said = sorted(answer.messages[0] for answer in answers)
            assert said == [b"AA|1"] * 5 + [b"AE205|1"] * 5
            assert len([row for row in states(journal) if row[1] == "translated"]) == 1

    asyncio.run(case())


def test_a_defect_of_ours_keeps_the_message_and_the_next_one_goes_through(tmp_path, caplog):
    async def case():
        async with reception(tmp_path) as (intake, journal):
            with caplog.at_level(logging.DEBUG):
                assert (await intake(inbound(1, "bug"))).messages == (b"AE207|1",)
            assert (await intake(inbound(2))).messages == (b"AA|2",)
            assert states(journal)[1] == ("1", "parked", [])
            assert journal.search.counts()[""] == {"parked": 1}
            assert "KeyError" in caplog.text
            assert "patient's name" not in caplog.text

    asyncio.run(case())


def test_a_judge_that_cannot_even_say_so_loses_nothing(tmp_path):
    class Hopeless(TinyJudge):
        def peek(self, inbound):
            raise ValueError

        judge = broken = received = peek

    async def case():
        async with reception(tmp_path, Hopeless()) as (intake, journal):
            assert (await intake(inbound(1))).messages == ()
            assert journal.search.body(1).raw == raw_of(1)

    asyncio.run(case())


def test_when_the_journal_is_away_the_sender_is_told_to_send_again(tmp_path):
    async def case():
        async with reception(tmp_path) as (intake, journal):

            async def away(entry):
                raise JournalUnavailable("disk full")

            kept, journal.record = journal.record, away
            answer = await intake(inbound(1))
            assert (answer.messages, answer.message_id) == ((b"AR|1",), None)
            journal.record = kept
            assert (await intake(inbound(1))).messages == (b"AA|1",)

    asyncio.run(case())


def test_a_deferred_message_is_answered_first_and_judged_later(tmp_path):
    async def case():
        async with reception(tmp_path) as (intake, journal):
            answer = await intake(inbound(1, "defer"))
            assert answer.messages == (b"CA|1",)
            later = await answer.later
            assert later.messages == (b"AA|1",)
            assert states(journal) == [("1", "translated", ["queued"])]
            again = await intake(inbound(1, "defer"))
            assert again.messages == (b"CA|1", b"AA|1")
            assert again.later is None

    asyncio.run(case())


def test_a_repetition_while_the_verdict_is_to_come_hears_it_too(tmp_path):
    held = threading.Event()

    class Slow(TinyJudge):
        def judge(self, *arguments):
            assert held.wait(10)
            return super().judge(*arguments)

    async def case():
        async with reception(tmp_path, Slow()) as (intake, _):
            first = await intake(inbound(1, "defer"))
            again = await intake(inbound(1, "defer"))
            assert first.messages == again.messages == (b"CA|1",)
            held.set()
            assert (await first.later).messages == (await again.later).messages == (b"AA|1",)

    asyncio.run(case())


def test_a_verdict_that_was_owed_at_the_end_is_reached_after_the_start(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            message = inbound(1, "defer")
            judge = TinyJudge()
            for number in range(3):
                message = inbound(number, "defer")
                await journal.record(judge.received(message, f"digest{number}", ""))
        async with reception(tmp_path) as (intake, journal):
            assert await intake.resume() == 3
            assert [state for _, state, _ in states(journal)] == ["translated"] * 3
            assert await intake.resume() == 0

    asyncio.run(case())


def test_a_parked_message_can_be_judged_again(tmp_path):
    class Mended(TinyJudge):
        mended = False

        def judge(self, message, digest, now, known=None):
            if not self.mended:
                raise KeyError
            return super().judge(message, digest, now)

    async def case():
        judge = Mended()
        async with reception(tmp_path, judge) as (intake, journal):
            answer = await intake(inbound(1))
            judge.mended = True
            assert await intake.rejudge(answer.message_id)
            assert states(journal) == [("1", "translated", ["queued"])]
            assert not await intake.rejudge(999)

    asyncio.run(case())


def test_a_cut_frame_is_judged_but_claims_no_control_id(tmp_path):
    async def case():
        async with reception(tmp_path) as (intake, journal):
            cut = Issue.of(Severity.FATAL, IssueCode.FRAME_BROKEN)
            await intake(inbound(1, raw=raw_of(1)[:-3], issues=(cut,)))
            assert (await intake(inbound(1))).messages == (b"AA|1",)
            assert len(states(journal)) == 2

    asyncio.run(case())


@pytest.mark.parametrize("size", [1_000, 100_000, 1_000_000])
def test_small_and_large_messages_take_the_same_way(tmp_path, size):
    async def case():
        async with reception(tmp_path) as (intake, journal):
            message = inbound(1, "x" * size)
            assert (await intake(message)).messages == (b"AA|1",)
            assert journal.search.body(1).raw == message.raw
            assert len(list(journal.files.directory.glob("*/*"))) == (1 if size > 256 * 1024 else 0)

    asyncio.run(case())
