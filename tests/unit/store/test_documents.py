"""Resources kept by the connector itself: versions, search, bytes."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal

import pytest
import sqlalchemy as sa

from connector.fhir.search import IndexRow, index, parse
from connector.ports import FilingStale, Put
from connector.store.criteria import page
from connector.store.database import Database
from connector.store.documents import SqlDocuments
from connector.store.journal import SqlJournal
from connector.store.reindexing import reindex
from connector.store.tables import meta
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
    page = await documents.search(parse(kind, parameters).value)
    assert page.total == len(page.resources)
    return [item["id"] for item in page.resources]


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


async def all_pages(documents, *parameters, between=None):
    """The ids of each page, following `next`."""
    pages, cursor = [], []
    while True:
        found = await documents.search(parse("Patient", [("_count", "2"), *parameters, *cursor]).value)
        pages.append([item["id"] for item in found.resources])
        if found.next is None:
            return pages
        cursor = [("_cursor", found.next)]
        if between is not None:
            await between()


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", [["p4", "p3"], ["p2", "p1"], ["p0"]]),
        ("-birthdate", [["p0", "p1"], ["p2", "p3"], ["p4"]]),
        ("birthdate", [["p4", "p3"], ["p2", "p1"], ["p0"]]),
        ("_lastUpdated", [["p0", "p1"], ["p2", "p3"], ["p4"]]),
    ],
)
def test_pages_go_on_where_the_one_before_ended(url, sort, expected):
    async def case():
        async with store(url) as (documents, _):
            people = [patient(f"p{n}", born=f"19{99 - n}") for n in range(4)]
            await documents.put_many(indexed(*people, {"resourceType": "Patient", "id": "p4"}), {})
            assert await all_pages(documents, *([("_sort", sort)] if sort else [])) == expected
            assert await documents.search(parse("Patient", [("_count", "0")]).value) == (5, [], None)
            assert (await documents.search(parse("Patient", [("_total", "none")]).value)).total is None

    asyncio.run(case())


def test_what_is_written_meanwhile_neither_repeats_nor_hides_a_resource(url):
    async def case():
        async with store(url) as (documents, _):
            await documents.put_many(indexed(*[patient(f"p{n}") for n in range(4)]), {})

            async def between():
                await documents.put_many(indexed(patient("new"), patient("p0", "Durand")), {})

            assert await all_pages(documents, between=between) == [["p3", "p2"], ["p1", "p0"]]

    asyncio.run(case())


def test_every_version_is_kept(url):
    async def case():
        async with store(url) as (documents, _):
            for family in ("Un", "Deux", "Trois"):
                await documents.put_many(indexed(patient("p1", family)), {})
            versions = await documents.versions("Patient", "p1")
            assert [(v["meta"]["versionId"], v["name"][0]["family"]) for v in versions] == [
                ("3", "Trois"),
                ("2", "Deux"),
                ("1", "Un"),
            ]
            assert await documents.versions("Patient", "p2") == []
            binary = {"resourceType": "Binary", "id": "b1", "contentType": "text/plain"}
            for data in (b"one", b"two"):
                await documents.put_many(indexed(binary), {"b1": data})
            assert [await documents.blob("b1", n) for n in (None, 1, 2, 3)] == [
                ("text/plain", b"two"),
                ("text/plain", b"one"),
                ("text/plain", b"two"),
                None,
            ]

    asyncio.run(case())


def test_a_condition_that_does_not_hold_any_more_writes_nothing(url):
    async def case():
        async with store(url) as (documents, _):
            condition = parse("Patient", [("identifier", "ins-p1")]).value
            put = Put(resource=patient("p1"), rows=index(patient("p1")), seen=0, unless=condition)
            other = Put(resource=patient("p2"), rows=index(patient("p2")), seen=0)
            assert [(w.name, w.version, w.changed) for w in await documents.write([put, other])] == [
                ("Patient/p1", 1, True),
                ("Patient/p2", 1, True),
            ]
            again = Put(resource=patient("p3"), rows=index(patient("p3")), unless=condition)
            for stale in ([again, other], [Put(resource=patient("p4"), rows=()), put]):
                with pytest.raises(FilingStale):
                    await documents.write(stale)
            assert (await documents.search(parse("Patient", []).value)).total == 2

    asyncio.run(case())


def test_of_fifty_that_create_under_one_condition_at_once_one_does(url):
    async def case():
        async with store(url) as (documents, _):
            condition = parse("Patient", [("identifier", "ins-x")]).value
            people = [{**patient("x"), "id": f"p{n}"} for n in range(50)]
            puts = [[Put(resource=each, rows=index(each), seen=0, unless=condition)] for each in people]
            done = await asyncio.gather(*[documents.write(each) for each in puts], return_exceptions=True)
            assert sum(isinstance(each, FilingStale) for each in done) == 49
            assert (await documents.search(parse("Patient", []).value)).total == 1

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
            assert await asyncio.wait_for(first, 60) == "Patient/p1"
            await changes.aclose()

    asyncio.run(case())


@pytest.mark.parametrize(
    ("parameters", "index_used"),
    [
        ([("patient", "Patient/p1"), ("status", "current")], "fhir_index_value"),
        ([("patient.identifier", "urn:oid:1.2|9"), ("status", "current")], "fhir_index_value"),
        ([("status", "current")], "fhir_index_value"),
        ([("status", "current"), ("date", "ge2026-01-01")], "fhir_index_value"),
        ([("description", "compte")], "fhir_index_value"),
        ([("date", "ge2026-01-01")], "fhir_index_low"),
        ([("_id", "a,b")], "sqlite_autoindex_fhir_resource"),
        ([("_lastUpdated", "ge2026-01-01")], "fhir_resource_updated"),
        ([], "fhir_resource_newest"),
    ],
)
def test_a_search_goes_by_its_index_and_looks_the_rest_up_by_number(tmp_path, parameters, index_used):
    async def case():
        async with store(str(tmp_path / "j.db")) as (_, journal):
            query = parse("DocumentReference", parameters).value
            statement = page(query).compile(dialect=journal.database.dialect, compile_kwargs={"literal_binds": True})
            with journal.database.engine.connect() as connection:
                plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
        searches = [line for line in plan if "fhir_" in line]
        assert index_used in searches[0], plan
        assert not [line for line in searches if line.startswith("SCAN")], plan
        assert not [line for line in searches if "fhir_index_of" in line and "sequence=?" not in line], plan
        assert [line for line in searches if "fhir_resource" in line][-1].endswith(
            "fhir_resource_newest (type=? AND sequence=?)"
        )

    asyncio.run(case())


def test_what_was_filed_before_is_found_by_what_is_indexed_since(url):
    async def case():
        async with store(url) as (documents, _):
            await documents.put_many([(patient(f"p{n}"), []) for n in range(3)], {})
            assert await ids(documents, "Patient", ("family", "dup")) == []
        database = Database(url)
        with database.writing_engine().connect() as connection:
            connection.execute(sa.update(meta).where(meta.c.name == "fhir_index").values(value="older"))
            if not database.lite:
                connection.commit()
        database.close()
        async with store(url) as (documents, journal):
            assert await ids(documents, "Patient", ("family", "dup")) == ["p2", "p1", "p0"]
            assert reindex(journal.database) == 0

    asyncio.run(case())


@pytest.mark.real
def test_of_two_nodes_that_create_under_one_condition_one_does(postgres):
    async def case():
        async with store(postgres) as (one, _), store(postgres) as (two, _):
            condition = parse("Patient", [("identifier", "ins-x")]).value
            people = [{**patient("x"), "id": f"p{n}"} for n in range(50)]
            puts = [Put(resource=each, rows=index(each), seen=0, unless=condition) for each in people]
            done = await asyncio.gather(
                *[(one if number % 2 else two).write([put]) for number, put in enumerate(puts)], return_exceptions=True
            )
            assert sum(isinstance(each, FilingStale) for each in done) == 49
            assert (await two.search(parse("Patient", []).value)).total == 1

    asyncio.run(case())
