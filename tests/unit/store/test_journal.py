"""The journal's promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.issues import Issue, IssueCode, Severity
from connector.ports import (
    Delivery,
    DeliveryState,
    DuplicateControlId,
    Inbound,
    JournalUnavailable,
    MessageState,
    Receipt,
)
from connector.store.database import Database, JournalDamaged, JournalLocked
from connector.store.journal import SqlJournal
from connector.store.search import Filters, Search
from tests.journal_kit import HandClock, entry_of, opened, raw_of
from tests.waiting import until

ISSUE = Issue.of(Severity.ERROR, IssueCode.UNREACHABLE, what="refused")


def run(coroutine):
    return asyncio.run(coroutine)


async def take(journal, destination="dpi", limit=1):
    """Claim and fetch: the first lane, its version and what waits in it."""
    ((lane_id, _, key), *_) = await journal.claim(destination, limit)
    version, waiting = await journal.fetch(lane_id, 8)
    return lane_id, key, version, waiting


def test_a_recorded_message_is_there_after_a_restart(url):
    async def case():
        async with opened(url) as journal:
            recorded = await journal.record(entry_of(1, to=("dpi", "fhir")))
        async with opened(url) as journal:
            shown = journal.search.show(recorded.message_id)
            assert shown.message.control_id == "1"
            assert shown.answers == (b"MSH|ACK|1\r",)
            assert [(leg.destination, leg.state) for leg in shown.legs] == [("dpi", "queued"), ("fhir", "queued")]
            assert journal.search.body(recorded.message_id).raw == raw_of(1)

    run(case())


def test_the_same_bytes_again_get_the_stored_answer_and_no_second_delivery(url):
    async def case():
        async with opened(url) as journal:
            first = await journal.record(entry_of(1))
            again = await journal.record(entry_of(1, answers=(b"another answer",)))
            assert again.duplicate
            assert (again.message_id, again.answers) == (first.message_id, (b"MSH|ACK|1\r",))
            found = await journal.find("SGL|CHU", "1", entry_of(1).digest)
            assert (found.message_id, found.answers) == (first.message_id, (b"MSH|ACK|1\r",))
            assert journal.search.waiting()[0].open == 1

    run(case())


def test_duplicate_with_other_content_is_refused(url):
    async def case():
        async with opened(url) as journal:
            first = await journal.record(entry_of(1))
            other = entry_of(1, raw=raw_of(1, "other"))
            with pytest.raises(DuplicateControlId) as found:
                await journal.find("SGL|CHU", "1", other.digest)
            with pytest.raises(DuplicateControlId) as inside:
                await journal.record(other)
            assert found.value.message_id == inside.value.message_id == first.message_id

    run(case())


def test_a_refused_conflict_is_kept_and_answers_its_own_repetition(url):
    async def case():
        async with opened(url) as journal:
            first = await journal.record(entry_of(1))
            conflict = entry_of(
                1,
                raw=raw_of(1, "x"),
                state=MessageState.REFUSED,
                to=(),
                answers=(b"AE",),
                conflicts_with=first.message_id,
            )
            kept = await journal.record(conflict)
            assert not kept.duplicate
            assert (await journal.find("SGL|CHU", "1", conflict.digest)).answers == (b"AE",)
            assert (await journal.find("SGL|CHU", "1", entry_of(1).digest)).message_id == first.message_id
            with pytest.raises(DuplicateControlId) as third:
                await journal.find("SGL|CHU", "1", "00")
            assert third.value.message_id == first.message_id

    run(case())


def test_two_connections_with_the_same_message_at_once_make_one(url):
    async def case():
        async with opened(url) as journal:
            results = await asyncio.gather(*[journal.record(entry_of(1)) for _ in range(20)])
            assert len({result.message_id for result in results}) == 1
            assert sum(not result.duplicate for result in results) == 1
            mixed = [journal.record(entry_of(2, raw=raw_of(2, str(n % 2)))) for n in range(20)]
            results = await asyncio.gather(*mixed, return_exceptions=True)
            kinds = [type(result).__name__ for result in results]
            assert kinds.count("Recorded") == kinds.count("DuplicateControlId") == 10

    run(case())


def test_a_control_id_is_free_again_after_the_window_and_for_another_sender(tmp_path):
    async def case():
        clock = HandClock()
        async with opened(tmp_path / "j.db", clock=clock, window_days=90) as journal:
            await journal.record(entry_of(1))
            other = await journal.record(entry_of(1, sender="RIS|CHU", raw=raw_of(1, "y")))
            assert not other.duplicate
            clock.forward(91 * 86400)
            assert await journal.find("SGL|CHU", "1", "00") is None
            later = await journal.record(entry_of(1, raw=raw_of(1, "z")))
            assert not later.duplicate

    run(case())


def test_without_a_control_id_nothing_is_a_duplicate_and_broken_frames_claim_none(url):
    async def case():
        async with opened(url) as journal:
            ids = [(await journal.record(entry_of("", raw=b"text"))).message_id for _ in range(2)]
            assert len(set(ids)) == 2
            cut = Issue.of(Severity.FATAL, IssueCode.FRAME_BROKEN)
            part = Inbound(raw=b"MSH|part", endpoint="m", remote="r", received_at="2026-03-01T00:00:00Z", issues=(cut,))
            await journal.record(entry_of(7, inbound=part, state=MessageState.REFUSED, to=()))
            whole = await journal.record(entry_of(7))
            assert not whole.duplicate

    run(case())


@pytest.mark.parametrize("control_id", ["x" * 300, "nul\x00inside", "accent é", "tab\t"])
def test_any_control_id_is_kept_and_found_again(url, control_id):
    async def case():
        async with opened(url) as journal:
            await journal.record(entry_of(control_id, raw=b"raw"))
            found = await journal.find("SGL|CHU", control_id, entry_of(control_id, raw=b"raw").digest)
            assert found is not None

    run(case())


def test_a_document_seen_under_another_control_id_is_said_not_refused(url):
    async def case():
        exchange = Exchange(intent="submit")
        async with opened(url) as journal:
            first = await journal.record(entry_of(1, document_ids=("1.2^3",), exchange=exchange))
            second = await journal.record(entry_of(2, document_ids=("1.2^3",), exchange=exchange))
            assert second.possible_duplicate_of == first.message_id
            shown = journal.search.show(second.message_id)
            assert [issue.code for issue in shown.issues] == ["DOCUMENT_DUPLICATE"]
            assert len(shown.legs) == 1
            deletion = await journal.record(entry_of(3, document_ids=("1.2^3",), exchange=Exchange(intent="delete")))
            assert deletion.possible_duplicate_of is None

    run(case())


def test_documents_come_back_with_their_bytes_however_large(url):
    import base64

    small, large, alone = b"small pdf " * 10, bytes(range(256)) * 2000, b"nowhere in the message" * 20000
    raw = b"MSH|OBX|" + base64.b64encode(large) + b"|" + base64.b64encode(small)
    exchange = Exchange(
        documents=(
            Document(id="1", content=Content(media_type="text/xml", data=large), body=Content(data=small)),
            Document(id="2", content=Content(data=alone)),
        )
    )

    async def case():
        async with opened(url) as journal:
            await journal.record(entry_of(1, raw=raw, exchange=exchange))
        async with opened(url) as journal:
            *_, (claimed,) = await take(journal)
            assert claimed.raw == raw
            assert [d.content.data for d in claimed.exchange.documents] == [large, alone]
            assert claimed.exchange.documents[0].body.data == small

    run(case())


def test_a_delivery_goes_through_its_states_and_the_lane_sleeps(url):
    async def case():
        async with opened(url) as journal:
            recorded = await journal.record(entry_of(1))
            lane_id, key, version, (claimed,) = await take(journal)
            assert (key, claimed.attempts, claimed.resent, claimed.in_flight) == ("k", 0, False, False)
            assert await journal.sending(claimed.delivery_id)
            assert journal.search.show(recorded.message_id).legs[0].state == "sent"
            assert await journal.done(claimed.delivery_id, Receipt(reference="url", sent=claimed.raw, answer=b"AA"))
            assert not await journal.done(claimed.delivery_id, Receipt())
            assert await journal.idle(lane_id, version)
            assert await journal.claim("dpi", 5) == []
            leg = journal.search.show(recorded.message_id).legs[0]
            assert (leg.state, leg.attempts, leg.reference, leg.answer_size) == ("accepted", 1, "url", 2)
            assert leg.sent_size == len(raw_of(1))
            assert journal.search.sent(leg.id) == raw_of(1)
            assert journal.search.reply(leg.id) == b"AA"

    run(case())


def test_a_lane_does_not_sleep_when_something_came_meanwhile(url):
    async def case():
        async with opened(url) as journal:
            await journal.record(entry_of(1))
            lane_id, _, version, (claimed,) = await take(journal)
            await journal.sending(claimed.delivery_id)
            await journal.done(claimed.delivery_id, Receipt())
            await journal.record(entry_of(2))
            assert not await journal.idle(lane_id, version)
            version, (second,) = await journal.fetch(lane_id, 8)
            assert second.control_id == "2"

    run(case())


def test_a_lane_in_hand_is_not_claimed_twice_and_keys_do_not_wait_for_each_other(url):
    async def case():
        async with opened(url) as journal:
            for number in range(4):
                await journal.record(entry_of(number, key=f"k{number % 2}"))
            first = await journal.claim("dpi", 1)
            second = await journal.claim("dpi", 5)
            assert sorted(key for _, _, key in [*first, *second]) == ["k0", "k1"]
            assert await journal.claim("dpi", 5) == []
            await journal.release(first[0][0])
            assert [lane for lane, _, _ in await journal.claim("dpi", 5)] == [first[0][0]]

    run(case())


def test_a_failed_head_keeps_its_lane_waiting_and_overtakes_nobody(url):
    async def case():
        clock = HandClock()
        async with opened(url, clock=clock) as journal:
            for number in range(3):
                await journal.record(entry_of(number))
            lane_id, _, _, (head, *_) = await take(journal)
            await journal.failed(
                head.delivery_id, lane_id, issue=ISSUE, sent=b"", answer=b"", wait=0.3, state=DeliveryState.FAILED
            )
            await journal.release(lane_id)
            assert await journal.claim("dpi", 5) == []
            await journal.record(entry_of(3))
            assert await journal.claim("dpi", 5) == [], "a new message does not wake a lane that waits"
            clock.forward(0.35)
            _, _, _, (head, *others) = await take(journal)
            assert (head.control_id, head.attempts) == ("0", 1)
            assert [item.control_id for item in others] == ["1", "2", "3"]

    run(case())


@pytest.mark.parametrize("state", [DeliveryState.PARKED, DeliveryState.REJECTED])
def test_a_parked_or_rejected_one_lets_the_next_go_and_can_be_retried_in_its_place(url, state):
    async def case():
        async with opened(url) as journal:
            ids = [(await journal.record(entry_of(number))).message_id for number in range(2)]
            lane_id, _, _, (head, _) = await take(journal)
            await journal.failed(
                head.delivery_id, lane_id, issue=ISSUE, sent=b"s" * 10, answer=b"AE", wait=None, state=state
            )
            _, (following,) = await journal.fetch(lane_id, 8)
            assert following.control_id == "1"
            await journal.release(lane_id)
            assert journal.search.counts()["dpi"] == {state.value: 1, "queued": 1}
            leg = journal.search.show(ids[0]).legs[0]
            assert [issue.code for issue in leg.issues] == ["UNREACHABLE"]
            assert (journal.search.sent(leg.id), journal.search.reply(leg.id)) == (b"s" * 10, b"AE")
            assert await journal.retry([head.delivery_id]) == 1
            *_, waiting = await take(journal)
            assert [item.control_id for item in waiting] == ["0", "1"]

    run(case())


def test_cancelled_ones_are_not_sent_and_the_lane_goes_on(url):
    async def case():
        async with opened(url) as journal:
            for number in range(3):
                await journal.record(entry_of(number))
            lane_id, _, _, (head, second, third) = await take(journal)
            assert await journal.sending(head.delivery_id)
            assert await journal.cancel([head.delivery_id, second.delivery_id]) == 1, (
                "what is being sent is not cancelled"
            )
            assert not await journal.sending(second.delivery_id)
            assert await journal.sending(third.delivery_id)
            await journal.release(lane_id)

    run(case())


def test_replay_queues_anew_at_the_end_for_all_or_one_destination(url):
    async def case():
        async with opened(url) as journal:
            recorded = await journal.record(entry_of(1, to=("dpi", "fhir")))
            assert len(await journal.replay(recorded.message_id)) == 2
            assert len(await journal.replay(recorded.message_id, "fhir")) == 1
            assert len(await journal.replay(recorded.message_id, "archive")) == 1
            assert len(await journal.replay(9999)) == 0
            legs = journal.search.show(recorded.message_id).legs
            assert [leg.destination for leg in legs] == ["dpi", "fhir", "dpi", "fhir", "fhir", "archive"]

    run(case())


def test_what_was_in_flight_at_a_crash_is_first_and_marked(url):
    async def case():
        async with opened(url) as journal:
            for number in range(2):
                await journal.record(entry_of(number))
            *_, (head, _) = await take(journal)
            await journal.sending(head.delivery_id)
        async with opened(url) as journal:
            *_, (head, second) = await take(journal)
            assert (head.control_id, head.in_flight, head.resent, head.attempts) == ("0", True, True, 1)
            assert (second.in_flight, second.resent) == (False, False)

    run(case())


def test_an_ambiguous_failure_marks_the_next_try_as_a_repetition(url):
    async def case():
        async with opened(url) as journal:
            await journal.record(entry_of(1))
            lane_id, _, _, (head,) = await take(journal)
            await journal.sending(head.delivery_id)
            await journal.failed(
                head.delivery_id,
                lane_id,
                issue=ISSUE,
                sent=b"",
                answer=b"",
                wait=0,
                state=DeliveryState.FAILED,
                ambiguous=True,
            )
            await journal.release(lane_id)
            *_, (head,) = await take(journal)
            assert (head.resent, head.in_flight) == (True, False)

    run(case())


def test_a_deferred_verdict_is_settled_once(url):
    async def case():
        async with opened(url) as journal:
            waiting = entry_of(1, state=MessageState.RECEIVED, to=(), answers=(b"CA",))
            recorded = await journal.record(waiting)
            assert await journal.claim("dpi", 5) == []
        async with opened(url) as journal:
            ((number, inbound),) = await journal.unjudged(0, 10)
            assert (number, inbound.raw) == (recorded.message_id, raw_of(1))
            verdict = entry_of(1, answers=(b"CA made anew", b"AA"))
            assert await journal.settle_verdict(number, verdict) == (b"AA",)
            assert await journal.settle_verdict(number, verdict) == ()
            assert await journal.unjudged(0, 10) == []
            shown = journal.search.show(number)
            assert (shown.message.state, shown.answers, len(shown.legs)) == ("translated", (b"CA", b"AA"), 1)

    run(case())


def test_whether_the_answer_was_written_is_noted(url):
    async def case():
        async with opened(url) as journal:
            ids = [(await journal.record(entry_of(number))).message_id for number in range(3)]
            await journal.answered(ids[0], told=True)
            await journal.answered(ids[1], told=False)
            await until(lambda: journal.search.show(ids[0]).message.answer != "pending")
            noted = [journal.search.show(number).message.answer for number in ids]
            assert noted == ["told", "untold", "pending"]
            await journal.answered(ids[2], told=True)
            await until(lambda: journal.search.show(ids[2]).message.answer == "told")

    run(case())


def test_one_commit_serves_many(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            before = journal.transactions
            await asyncio.gather(*[journal.record(entry_of(number)) for number in range(500)])
            assert journal.transactions - before < 100

    run(case())


def test_one_bad_operation_fails_alone(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            good = [journal.record(entry_of(number)) for number in range(10)]
            bad = journal.write("retry", (object(),))
            *results, failure = await asyncio.gather(*good, bad, return_exceptions=True)
            assert isinstance(failure, TypeError)
            assert len({result.message_id for result in results}) == 10

    run(case())


def test_a_claim_that_was_rolled_back_with_another_operation_leaves_no_lane_without_a_task(url):
    async def case():
        async with opened(url) as journal:
            await journal.record(entry_of(1))
            kept, failures = journal._owner.phases["fetch"], [ValueError("a defect")]

            def fetch(transaction, operations):
                if failures:
                    raise failures.pop()
                kept(transaction, operations)

            journal._owner.phases["fetch"] = fetch
            claimed, _ = await asyncio.gather(journal.claim("dpi", 1), journal.fetch(99, 1), return_exceptions=True)
            assert len(claimed) == 1
            lane_id, version = claimed[0][0], (await journal.fetch(claimed[0][0], 8))[0]
            assert version > 0
            await journal.release(lane_id)
            assert len(await journal.claim("dpi", 1)) == 1

    run(case())


def test_a_stopped_journal_is_read_by_another_program(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            await journal.record(entry_of(1))

    run(case())
    database = Database(str(tmp_path / "j.db"))
    assert [row.control_id for row in Search(database, None).list_messages()] == ["1"]
    with pytest.raises(OperationalError, match="readonly"), database.engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM message")
    database.close()


def test_a_second_process_is_told_who_has_the_journal(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db"):
            with pytest.raises(JournalLocked, match=r"in use by process \d+"):
                await SqlJournal(str(tmp_path / "j.db"), clock=HandClock()).start()
        async with opened(tmp_path / "j.db"):
            pass

    run(case())


def test_a_file_that_is_no_journal_is_refused_with_what_to_do(tmp_path):
    path = Path(tmp_path / "j.db")
    path.write_bytes(b"not a database at all " * 300)

    async def case():
        with pytest.raises(JournalDamaged, match="restore the last backup"):
            await SqlJournal(str(path), clock=HandClock()).start()

    run(case())


def test_a_journal_of_a_newer_program_is_refused(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db"):
            pass
        with sqlite3.connect(tmp_path / "j.db") as connection:
            connection.execute("UPDATE meta SET value = '999'")
        connection.close()
        with pytest.raises(JournalDamaged, match="schema 999"):
            await SqlJournal(str(tmp_path / "j.db"), clock=HandClock()).start()

    run(case())


def test_after_stop_the_journal_says_unavailable(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            await journal.record(entry_of(1))
        with pytest.raises(JournalUnavailable):
            await journal.record(entry_of(2))
        assert not journal.still_owner()

    run(case())


def test_wait_for_work_returns_when_something_is_due_and_not_before(url):
    async def case():
        async with opened(url) as journal:
            assert await journal.claim("dpi", 1) == []
            for _ in range(2):  # a listener that has just connected wakes everybody once
                waiting = asyncio.create_task(journal.wait_for_work("dpi", 600))
                await asyncio.sleep(0.05)
                if not waiting.done():
                    break
            assert not waiting.done()
            await journal.record(entry_of(1))
            await asyncio.wait_for(waiting, 60)
            lane_id, _, _, (head,) = await take(journal)
            clock = asyncio.get_running_loop().time
            started = clock()
            await journal.failed(
                head.delivery_id, lane_id, issue=ISSUE, sent=b"", answer=b"", wait=0.4, state=DeliveryState.FAILED
            )
            await journal.release(lane_id)
            while not await journal.claim("dpi", 1):
                await asyncio.wait_for(journal.wait_for_work("dpi", 600), 60)
            assert clock() - started >= 0.4

    run(case())


def test_filters_find_what_they_name(url):
    async def case():
        async with opened(url) as journal:
            await journal.record(entry_of(1, patient="p1", document_ids=("d1",)))
            await journal.record(entry_of(2, patient="p2", type="ORU^R01", issues=(ISSUE,), to=("fhir",)))
            find = journal.search.list_messages
            cases = [
                (Filters(), ["2", "1"]),
                (Filters(patient="p1"), ["1"]),
                (Filters(document="d1"), ["1"]),
                (Filters(type="ORU^R01"), ["2"]),
                (Filters(code="UNREACHABLE"), ["2"]),
                (Filters(code="UNREACH"), []),
                (Filters(destination="fhir"), ["2"]),
                (Filters(destination="fhir", delivery_state="accepted"), []),
                (Filters(control_id="1"), ["1"]),
                (Filters(limit=1), ["2"]),
                (Filters(before=2), ["1"]),
                (Filters(until=1.0), []),
            ]
            for filters, expected in cases:
                assert [row.control_id for row in find(filters)] == expected, filters

    run(case())


def test_a_delivery_keeps_its_part_and_a_replay_repeats_each(url):
    async def case():
        async with opened(url) as journal:
            made = tuple(Delivery(destination="dpi", key="k", part=part) for part in ("1", "2", "status"))
            recorded = await journal.record(entry_of(1, deliveries=made))
            assert [claimed.part for claimed in (await take(journal))[-1]] == ["1", "2", "status"]
            assert len(await journal.replay(recorded.message_id)) == 3
            legs = journal.search.show(recorded.message_id).legs
            assert [leg.part for leg in legs] == ["1", "2", "status"] * 2

    run(case())


def test_of_several_deliveries_to_one_destination_the_least_done_is_shown(url):
    async def case():
        async with opened(url) as journal:
            made = tuple(Delivery(destination="dpi", key="k", part=part) for part in ("1", "2"))
            await journal.record(entry_of(1, deliveries=made))
            head = (await take(journal))[-1][0]
            await journal.sending(head.delivery_id)
            await journal.done(head.delivery_id, Receipt(reference="AA"))
            (row,) = journal.search.list_messages(Filters())
            assert row.by_destination == {"dpi": "queued"}

    run(case())
