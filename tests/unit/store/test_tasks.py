"""Codes without a translation are counted in the commit of their message; a message without one costs no statement."""

from __future__ import annotations

import asyncio

import msgspec

from connector.ports import MessageState
from connector.store.tasks import list_tasks
from connector.terminology import untranslated
from tests.journal_kit import entry_of, opened

SEX = untranslated("sex", "read", "hl7", "X")
CLASS = untranslated("encounter-class", "read", "hl7", "Q", "HL70004")


def met(number, *codes, **named):
    return msgspec.structs.replace(entry_of(number, **named), untranslated=codes)


def test_a_code_is_one_task_however_often_it_comes(url):
    async def case():
        async with opened(url) as journal:
            await asyncio.gather(*(journal.record(met(number, SEX)) for number in range(5)))
            last = await journal.record(met(9, SEX, CLASS))
            first, second = list_tasks(journal.database)
            assert (first.terminology, first.code, first.seen, first.message_id) == ("sex", "X", 6, last.message_id)
            assert (second.code, second.system, second.seen) == ("Q", "HL70004", 1)
            assert first.first_seen <= first.last_seen

    asyncio.run(case())


def test_the_same_message_again_counts_nothing(url):
    async def case():
        async with opened(url) as journal:
            await journal.record(met(1, SEX))
            assert (await journal.record(met(1, SEX))).duplicate
            assert [task.seen for task in list_tasks(journal.database)] == [1]

    asyncio.run(case())


def test_a_late_verdict_counts_too(url):
    async def case():
        async with opened(url) as journal:
            kept = await journal.record(entry_of(1, state=MessageState.RECEIVED))
            await journal.settle_verdict(kept.message_id, met(1, SEX))
            await journal.settle_verdict(kept.message_id, met(1, SEX))
            assert [task.seen for task in list_tasks(journal.database)] == [1]

    asyncio.run(case())


def test_codes_met_in_writing_are_counted_apart_and_a_task_can_be_ignored(url):
    async def case():
        async with opened(url) as journal:
            kept = await journal.record(entry_of(1))
            word = untranslated("sex", "write", "hl7", "other")
            await journal.write("count_tasks", (((kept.message_id, word), (kept.message_id, word)), 1.0))
            [task] = list_tasks(journal.database)
            assert (task.way, task.seen, task.ignored) == ("write", 2, False)
            assert await journal.write("ignore_task", (task.id, True)) == 1
            assert await journal.write("ignore_task", (task.id + 1, True)) == 0
            assert [task.ignored for task in list_tasks(journal.database)] == [True]

    asyncio.run(case())


def test_a_message_without_such_a_code_costs_no_statement(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            journal.recording.tasks._count = None  # a use of it would fail
            await journal.record(entry_of(1))

    asyncio.run(case())
