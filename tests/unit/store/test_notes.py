"""Notes of written answers: none is lost behind a slow write, a held writer or a stop."""

from __future__ import annotations

import asyncio
import threading

from connector.store import notes
from connector.store.notes import Notes
from tests.journal_kit import entry_of, opened
from tests.waiting import until


def test_a_note_that_comes_while_others_are_being_written_is_written_without_waiting_for_them(monkeypatch):
    monkeypatch.setattr(notes, "_FLUSH", 0.0)

    async def case():
        slow, written = asyncio.Event(), []

        async def write(kind, told):
            written.append((kind, told))
            await slow.wait()

        kept = Notes(write)
        kept.add(1, True)
        await until(lambda: written)
        kept.add(2, False)
        kept.add(3, True)
        await until(lambda: len(written) == 2)
        slow.set()
        assert written == [("answered", {1: True}), ("answered", {2: False, 3: True})]

    asyncio.run(case())


def test_notes_that_a_held_writer_kept_waiting_are_durable_once_it_goes_on(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            held, going = threading.Event(), threading.Event()

            def hold(transaction, operations):
                held.set()
                assert going.wait(60)

            journal._ingest.phases["hold"] = hold
            ids = [(await journal.record(entry_of(number))).message_id for number in range(2)]
            blocked = journal._ingest.submit("hold", None)
            await asyncio.to_thread(held.wait, 60)
            await journal.answered(ids[0], told=True)
            await until(lambda: not journal._notes._told)  # its time has come, and it waits behind the writer
            await journal.answered(ids[1], told=False)
            going.set()
            await blocked
            await until(lambda: journal.search.show(ids[1]).message.answer == "untold")
            assert journal.search.show(ids[0]).message.answer == "told"

    asyncio.run(case())


def test_a_stop_writes_the_notes_in_hand(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            number = (await journal.record(entry_of(1))).message_id
            await journal.answered(number, told=True)
        async with opened(tmp_path / "j.db") as journal:
            assert journal.search.show(number).message.answer == "told"

    asyncio.run(case())
