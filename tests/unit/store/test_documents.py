"""Resources kept by the connector itself: versions, search, bytes."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal

import pytest

from connector.fhir.search import IndexRow, index, parse
from connector.store.documents import SqlDocuments
from connector.store.journal import SqlJournal
from tests.journal_kit import HandClock


@contextlib.asynccontextmanager
async def store(url, clock=None):
    journal = SqlJournal(url, clock=clock or HandClock())
    documents = SqlDocuments(journal)
    await journal.start()
    try:
        yield documents, journal
    finally:
        await journal.stop()


def patient(number, family="Dupont", born="1970-02-03", **more):
    return {
        "resourceType": "Patient",
        "id": number,
        "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.10", "value": f"ins-{number}"}],
        "name": [{"family": family, "given": ["Zoé"]}],
        "gender": "female",
        "birthDate": born,
        **more,
    }


def indexed(*resources):
    return [(resource, index(resource)) for resource in resources]


async def ids(documents, kind, *parameters):
    total, page = await documents.search(parse(kind, parameters).value)
    assert total == len(page)
    return [item["id"] for item in page]


def test_what_is_put_is_got_with_version_and_time(url):
    async def case():
        clock = HandClock()
        async with store(url, clock) as (documents, _):
            resource = patient("p1", extension=[{"url": "u", "valueDecimal": Decimal("1.50")}], meta={"profile": ["x"]})
            assert await documents.put_many(indexed(resource), {}) == ["Patient/p1"]
            got = await documents.get("Patient", "p1")
            assert got["meta"] == {"versionId": "1", "lastUpdated": "2026-03-01T00:00:00.000+00:00", "profile": ["x"]}
            assert str(got["extension"][0]["valueDecimal"]) == "1.50"
            assert list(got)[:3] == ["resourceType", "id", "meta"]
            assert await documents.get("Patient", "p2") is None

    asyncio.run(case())


def test_an_equal_resource_makes_no_new_version_and_another_one_does(url):
    async def case():
        async with store(url) as (documents, _):
            for family in ("Dupont", "Dupont", "Durand"):
                await documents.put_many(indexed(patient("p1", family)), {})
            assert (await documents.get("Patient", "p1"))["meta"]["versionId"] == "2"
            assert await ids(documents, "Patient", ("family", "dupont")) == []
            assert await ids(documents, "Patient", ("family", "durand")) == ["p1"]

    asyncio.run(case())


def test_all_or_none(url):
    async def case():
        async with store(url) as (documents, journal):
            bad = (patient("p2"), [IndexRow("family", "", object())])
            with pytest.raises(Exception, match=r"."):
                await documents.put_many([*indexed(patient("p1")), bad], {})
            assert await documents.get("Patient", "p1") is None
            assert journal.still_owner()

    asyncio.run(case())


SEARCHES = [
    ([], ["p3", "p2", "p1"]),
    ([("identifier", "urn:oid:1.2.250.1.213.1.4.10|ins-p1")], ["p1"]),
    ([("identifier", "ins-p1,ins-p2")], ["p2", "p1"]),
    ([("identifier", "other|ins-p1")], []),
    ([("identifier", "|ins-p1")], []),
    ([("family", "dup")], ["p2", "p1"]),
    ([("family", "DUPÔNT")], ["p2", "p1"]),
    ([("family:exact", "Dupont")], ["p1"]),
    ([("family:contains", "artin")], ["p3"]),
    ([("family", "50%")], []),
    ([("family", "dup"), ("birthdate", "1970-02-03")], ["p1"]),
    ([("birthdate", "1970")], ["p1"]),
    ([("birthdate", "ge1980")], ["p3", "p2"]),
    ([("birthdate", "lt1980")], ["p1"]),
    ([("birthdate", "ne1970-02-03")], ["p3", "p2"]),
    ([("birthdate", "sa1985")], ["p3"]),
    ([("birthdate", "eb1980")], ["p1"]),
    ([("_id", "p1,p3")], ["p3", "p1"]),
    ([("_lastUpdated", "ge2026-02-01")], ["p3", "p2", "p1"]),
    ([("_lastUpdated", "lt2026-02-01")], []),
    ([("gender", "female"), ("_id", "p2")], ["p2"]),
]


def test_search(url):
    async def case():
        async with store(url) as (documents, _):
            people = [patient("p1"), patient("p2", "Dupônt", "1980-01-01"), patient("p3", "Martin", "1990")]
            for person in people:
                await documents.put_many(indexed(person), {})
            for parameters, expected in SEARCHES:
                assert await ids(documents, "Patient", *parameters) == expected, parameters

    asyncio.run(case())


def test_pages_are_stable_and_the_total_is_of_all(url):
    async def case():
        async with store(url) as (documents, _):
            await documents.put_many(indexed(*[patient(f"p{n}") for n in range(5)]), {})
            pages = []
            for offset in (0, 2, 4, 6):
                query = parse("Patient", [("_count", "2"), ("_offset", str(offset))]).value
                total, page = await documents.search(query)
                assert total == 5
                pages.append([item["id"] for item in page])
            assert pages == [["p4", "p3"], ["p2", "p1"], ["p0"], []]
            assert (await documents.search(parse("Patient", [("_count", "0")]).value)) == (5, [])

    asyncio.run(case())


@pytest.mark.parametrize("size", [10, 600_000])
def test_a_binary_is_bytes_beside_the_resource(url, size):
    async def case():
        data = b"%PDF" + b"x" * size
        binary = {"resourceType": "Binary", "id": "b1", "contentType": "application/pdf"}
        async with store(url) as (documents, journal):
            await documents.put_many(indexed(binary), {"b1": data})
            assert await documents.blob("b1") == ("application/pdf", data)
            assert "data" not in await documents.get("Binary", "b1")
            await documents.put_many(indexed(binary), {"b1": data + b"2"})
            assert (await documents.get("Binary", "b1"))["meta"]["versionId"] == "2"
            assert (await documents.blob("b1"))[1] == data + b"2"
            assert await documents.blob("b2") is None
            if journal.files is not None:
                assert len(list(journal.files.directory.glob("*/*"))) == (2 if size > 256 * 1024 else 0)

    asyncio.run(case())


def test_changes_are_heard(tmp_path):
    async def case():
        async with store(str(tmp_path / "j.db")) as (documents, _):
            changes = documents.changes()
            first = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0)
            await documents.put_many(indexed(patient("p1")), {})
            assert await asyncio.wait_for(first, 2) == "Patient/p1"
            await changes.aclose()

    asyncio.run(case())
