"""The patient index in both databases: fed with the message, searched by name and number, merged with a trace."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from connector.exchange.documents import Document
from connector.exchange.identifiers import nir_key
from connector.exchange.model import Envelope, Exchange
from connector.exchange.people import HumanName, Identifier, Organization, Patient
from connector.exchange.registry import keys_of
from connector.pipeline.journey import Delivery, MessageState
from connector.ports import Contradicted
from tests.journal_kit import entry_of, opened

HOSPITAL, LABORATORY = "1.2.250.1.213.1.4.10.9.1", "1.2.250.1.213.1.4.10.9.2"


def run(case):
    asyncio.run(case())


def ins(first13="2790351215189"):
    return Identifier(value=first13 + nir_key(first13), system="1.2.250.1.213.1.4.10", kind="INS")


def ipp(value, system=HOSPITAL):
    return Identifier(value=value, system=system, kind="PI")


def patient(*identifiers, family="PAT-TROIS", given="DOMINIQUE", birth_date="1979-03-28", **more):
    name = HumanName(use="birth", family=family, given=(given,))
    return Patient(identifiers=identifiers, names=(name,), birth_date=birth_date, sex="female", **more)


def adt(number, who, *, event="A28", prior=None, source="GAP|CHU"):
    exchange = Exchange(
        intent="notify", patient=who, prior=prior, envelope=Envelope(type="ADT", event=event, occurred_at="2026-03-01")
    )
    return entry_of(number, exchange=exchange, sender=source, type=f"ADT^{event}", deliveries=())


def letter(number, who, *, key="k", document=None, intent="submit", replaces=None, by="300017985", source="LAB|VILLE"):
    custodian = Organization(identifiers=(Identifier(value=by, kind="FINEG"),))
    documents = (Document(id=document or f"1.2.{number}", replaces=replaces, custodian=custodian),)
    exchange = Exchange(intent=intent, patient=who, documents=documents, envelope=Envelope(type="MDM"))
    ids = tuple(each.id for each in documents)
    to = (Delivery(destination="dpi", key=key),)
    return entry_of(number, exchange=exchange, sender=source, document_ids=ids, deliveries=to)


def test_a_patient_is_found_by_the_beginning_of_any_name_and_by_number_in_its_domain(url):
    async def case():
        async with opened(url) as journal:
            who = replace(
                patient(ins(), ipp("42")),
                names=(
                    HumanName(use="birth", family="Lefèbvre-Œillet", given=("Anne",), birth_given="ANNE MARIE"),
                    HumanName(use="usual", family="Martin", given=("Nina",)),
                ),
            )
            await journal.record(adt(1, who))
            await journal.record(adt(2, patient(ipp("42", LABORATORY), family="LEFEVRE", given="PAUL")))
            index = journal.patients
            order = {row.id: position for position, row in enumerate(index.search(family="lef"), 1)}

            def found(**terms):
                return [order[row.id] for row in index.search(**terms)]

            assert found(family="lefebvre oei", given="marie") == [1]
            assert found(family="MARTIN", given="ni") == [1]
            assert found(family="lef", birth_date="1979") == [1, 2]
            assert found(family="lef", birth_date="1979-04") == []
            assert found(given="nine") == found(family="ebvre") == []
            assert found(number="42") == [1, 2]
            assert found(number="42", domain=LABORATORY) == [2]
            assert found(number="2 79 03 51 215 189 89", domain="ins") == [1]
            assert found(family="lef", limit=1, offset=1) == [2]
            assert found(family="%") == found(family="le_", given="%") == []
            shown = index.show(next(iter(order)))
            assert (shown.source, shown.identity, shown.message_id, shown.patient.identifiers) == (
                "GAP|CHU", True, 1, who.identifiers,
            )  # fmt: skip
            assert index.show(99_999) is None

    run(case)


def test_two_messages_of_one_commit_see_each_other(url):
    async def case():
        async with opened(url) as journal:
            entries = [letter(n, patient(ins(), ipp(str(n), LABORATORY))) for n in range(20)]
            await asyncio.gather(*[journal.record(each) for each in entries])
            [row] = journal.patients.search(family="PAT")
            assert len(row.patient.identifiers) == 21

    run(case)


def test_what_contradicts_the_index_is_not_kept_until_it_is_judged_with_it(url):
    async def case():
        async with opened(url) as journal:
            await journal.record(adt(1, patient(ins())))
            other = letter(2, patient(ins(), birth_date="1979-03-29"))
            with pytest.raises(Contradicted) as more:
                await journal.record(other)
            assert more.value.known.patient.birth_date == "1979-03-28"
            assert len(journal.search.list_messages()) == 1
            await journal.record(replace(other, informed=True))
            assert len(journal.search.list_messages()) == 2
            [row] = journal.patients.search(number=ins().value)
            assert row.birth_date == "1979-03-28", "a document does not say who somebody is"

    run(case)


def test_what_follows_another_document_is_weighed_with_it(url):
    async def case():
        async with opened(url) as journal:
            who = patient(ins())
            await journal.record(letter(1, who, document="1.2.A"))
            await journal.record(letter(2, who, document="1.2.B", intent="replace", replaces="1.2.A"))
            for entry in (
                letter(3, who, document="1.2.C", intent="replace", replaces="1.2.A"),
                letter(4, who, document="1.2.A", intent="delete"),
                letter(5, who, document="1.2.B", intent="delete", by="630000404"),
                letter(6, who, document="1.2.Z", intent="delete"),
            ):
                with pytest.raises(Contradicted):
                    await journal.record(entry)
            await journal.record(letter(7, who, document="1.2.B", intent="delete"))

    run(case)


def test_a_merge_keeps_the_old_record_with_its_trace_and_leads_to_the_other(url):
    async def case():
        async with opened(url) as journal:
            await journal.record(adt(1, patient(ipp("1"), family="ANCIEN")))
            await journal.record(adt(2, patient(ins(), ipp("2"))))
            waiting = await journal.record(letter(3, patient(ipp("1"), family="ANCIEN"), key=f"ipp|{HOSPITAL}|1"))
            merge = await journal.record(adt(4, patient(ins(), ipp("2")), event="A40", prior=patient(ipp("1"))))
            [old] = journal.patients.search(number="1")
            [new] = journal.patients.search(number="2")
            assert (old.merged_into, old.merged_by, old.family) == (new.id, merge.message_id, "ANCIEN")
            assert old.merged_at is not None
            assert new.merged_into is None
            assert list(journal.patients.absorbed(new.id)) == [old.id]
            found = journal.patients.known(keys_of(patient(ipp("1"))))
            assert found is not None
            assert found.identifiers == (ins(), ipp("2"))
            [leg] = journal.search.show(waiting.message_id).legs
            assert (leg.state, [issue.code for issue in leg.issues]) == ("parked", ["PATIENT_MERGED"])
            assert leg.issues[0].params == {"what": str(merge.message_id)}
            later = await journal.record(letter(5, patient(ipp("1"), family="ANCIEN")))
            assert [issue.code for issue in journal.search.show(later.message_id).issues] == ["PATIENT_MERGED"]

    run(case)


def test_a_delivery_in_hand_when_the_merge_comes_is_not_sent_any_more(url):
    async def case():
        async with opened(url) as journal:
            await journal.record(adt(1, patient(ipp("2"))))
            await journal.record(letter(2, patient(ipp("1"), family="ANCIEN"), key=f"ipp|{HOSPITAL}|1"))
            [(lane, _, _)] = await journal.claim("dpi", 1)
            _, [claimed] = await journal.fetch(lane, 8)
            await journal.record(adt(3, patient(ipp("2")), event="A40", prior=patient(ipp("1"))))
            assert not await journal.sending(claimed.delivery_id)

    run(case)


def test_a_late_verdict_feeds_the_index_too(url):
    async def case():
        async with opened(url) as journal:
            entry = adt(1, patient(ins()))
            received = replace(entry, state=MessageState.RECEIVED, exchange=None)
            message = (await journal.record(received)).message_id
            assert journal.patients.search(family="PAT") == []
            await journal.settle_verdict(message, entry)
            assert [row.message_id for row in journal.patients.search(family="PAT")] == [message]

    run(case)


def test_a_refused_message_says_nothing_of_anybody(url):
    async def case():
        async with opened(url) as journal:
            await journal.record(replace(adt(1, patient(ins())), state=MessageState.REFUSED))
            assert journal.patients.search(family="PAT") == []

    run(case)


def test_two_nodes_that_meet_a_patient_at_once_make_one_record(postgres):
    async def case():
        async with opened(postgres) as first, opened(postgres) as second:
            entries = [letter(n, patient(ins(), ipp(str(n), LABORATORY))) for n in range(40)]
            await asyncio.gather(*[(first if n % 2 else second).record(each) for n, each in enumerate(entries)])
            [row] = first.patients.search(family="PAT")
            assert len(row.patient.identifiers) == 41

    run(case)


def test_names_are_found_by_their_index(tmp_path):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            sql = "SELECT patient_id FROM patient_name WHERE family >= 'A' AND family < 'B'"
            with journal.database.engine.connect() as connection:
                plan = str(connection.exec_driver_sql("EXPLAIN QUERY PLAN " + sql).all())
            assert "patient_name_family" in plan

    run(case)
