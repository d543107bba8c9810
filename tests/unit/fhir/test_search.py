"""What is indexed and what a query asks, held together by an in-memory store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connector.fhir.search import MOST_COUNT, IndexRow, folded, index, parse
from connector.fhir.transaction import detached, relative
from tests.unit.fhir.site import EXCHANGE, MemoryStore, write


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    made, _ = detached(write(EXCHANGE), -1)
    flat = relative(made)
    known = {f"{each['resourceType']}/{each['id']}": each for each in flat}
    store = MemoryStore()
    asyncio.run(store.put_many([(each, index(each, known.get)) for each in flat], {}))
    return store


def found(store: MemoryStore, kind: str, *parameters: tuple[str, str]) -> int:
    query = parse(kind, parameters)
    assert query.value is not None, query.issues
    return asyncio.run(store.search(query.value))[0]


@pytest.mark.parametrize(
    ("kind", "name", "value", "total"),
    [
        ("DocumentReference", "patient.identifier", "279035121518989", 1),
        ("DocumentReference", "patient.identifier", "urn:oid:1.2.250.1.213.1.4.10|279035121518989", 1),
        ("DocumentReference", "patient:identifier", "urn:oid:1.2.3.4|4242", 1),
        ("DocumentReference", "patient.identifier", "urn:oid:1.2.3.5|4242", 0),
        ("DocumentReference", "patient.identifier", "|4242", 0),
        ("DocumentReference", "identifier", "urn:oid:1.2.250.1.213.1.1.9|ABC", 1),
        ("DocumentReference", "identifier", "ABC", 1),
        ("DocumentReference", "identifier", "1.2.250.9.9", 1),
        ("DocumentReference", "identifier", "urn:oid:1.2.250.9.9", 1),
        ("DocumentReference", "relatesto:identifier", "urn:oid:1.2.250.1.213.1.1.9|ABB", 1),
        ("DocumentReference", "type", "http://loinc.org|34133-9", 1),
        ("DocumentReference", "type", "http://loinc.org|", 1),
        ("DocumentReference", "type", "11111-1,34133-9", 1),
        ("DocumentReference", "type", "11111-1", 0),
        ("DocumentReference", "status", "current", 1),
        ("DocumentReference", "status", "superseded", 0),
        ("DocumentReference", "security-label", "INVISIBLE_PATIENT", 1),
        ("DocumentReference", "date", "2026-02-28", 1),
        ("DocumentReference", "date", "eq2026-02", 1),
        ("DocumentReference", "date", "2026-03-01", 0),
        ("DocumentReference", "date", "ge2026-02-28", 1),
        ("DocumentReference", "date", "gt2026-02-28", 0),
        ("DocumentReference", "date", "lt2026-02-28", 0),
        ("DocumentReference", "date", "le2026-02-28T10:00:00Z", 1),
        ("DocumentReference", "date", "lt2026-02-28T10:00:00Z", 0),
        ("DocumentReference", "date", "sa2026-02-27", 1),
        ("DocumentReference", "date", "eb2026-03-01", 1),
        ("DocumentReference", "date", "ne2026-02-28", 0),
        ("DocumentReference", "date", "2026-02-28T11:00:00 01:00", 1),
        ("DocumentReference", "period", "2026-02", 1),
        ("Patient", "family", "pat-trois", 1),
        ("Patient", "family", "PATTÉ", 1),
        ("Patient", "family", "trois", 0),
        ("Patient", "family:contains", "trois", 1),
        ("Patient", "family:exact", "PATTE", 1),
        ("Patient", "family:exact", "patte", 0),
        ("Patient", "given", "marie", 0),
        ("Patient", "given", "dominique", 1),
        ("Patient", "name", "dom", 1),
        ("Patient", "birthdate", "1979-03-28", 1),
        ("Patient", "birthdate", "1979", 1),
        ("Patient", "birthdate", "lt1979", 0),
        ("Patient", "_id", "nobody", 0),
        ("Encounter", "identifier", "V1", 1),
        ("Practitioner", "identifier", "801234567897", 1),
        ("Organization", "name", "ch", 2),
        ("List", "code", "submissionset", 1),
    ],
)
def test_a_search_finds_what_it_asks(store: MemoryStore, kind: str, name: str, value: str, total: int) -> None:
    assert found(store, kind, (name, value)) == total


def test_a_reference_is_asked_by_type_and_id_by_id_and_by_address(store: MemoryStore) -> None:
    patient = next(identity for kind, identity in store.kept if kind == "Patient")
    for name, value in (
        ("patient", f"Patient/{patient}"),
        ("patient", patient),
        ("patient:Patient", patient),
        ("subject", f"https://x.example/fhir/Patient/{patient}"),
    ):
        assert found(store, "DocumentReference", (name, value)) == 1
    assert found(store, "DocumentReference", ("patient", f"Group/{patient}")) == 0


def test_every_criterion_must_hold(store: MemoryStore) -> None:
    assert found(store, "DocumentReference", ("status", "current"), ("type", "34133-9")) == 1
    assert found(store, "DocumentReference", ("status", "current"), ("type", "x")) == 0


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("patien", "1", "did you mean 'patient'?"),
        ("_include", "DocumentReference:patient", "a search parameter of DocumentReference"),
        ("_has:Observation:patient:code", "x", "a search parameter"),
        ("status:not", "current", "status without a modifier"),
        ("date", "yesterday", "date: a valid value"),
        ("date", "ap2026", "date: a valid value"),
        ("_count", "many", "a whole number"),
        ("_offset", "-1", "a whole number"),
        ("patient:a b", "1", "Type/id"),
    ],
)
def test_what_is_not_answered_is_refused_not_ignored(name: str, value: str, expected: str) -> None:
    outcome = parse("DocumentReference", [(name, value)])
    assert outcome.value is None
    assert expected in outcome.issues[0].text()
    assert outcome.issues[0].place.path == name


def test_a_modifier_of_a_string_is_exact_or_contains() -> None:
    assert parse("Patient", [("family:phonetic", "x")]).value is None


def test_a_page_has_a_limit_and_escapes_are_understood() -> None:
    query = parse(
        "Patient", [("_count", "100000"), ("_offset", "40"), ("family", "a\\,b,c"), ("_format", "json")]
    ).value
    assert query is not None
    assert (query.limit, query.offset) == (MOST_COUNT, 40)
    assert [each.value for each in query.criteria[0].alternatives] == ["a,b", "c"]


def test_an_empty_value_asks_nothing() -> None:
    query = parse("Patient", [("family", "")]).value
    assert query is not None
    assert query.criteria == ()


def test_strings_are_compared_without_case_accents_and_double_spaces() -> None:
    assert folded("  ÉLÉONORE  de  Œuvre") == "eleonore de œuvre"


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Patient", "birthDate": "not a date"},
        {"resourceType": "Observation", "status": "final"},
        {},
        {"resourceType": "DocumentReference", "subject": {"display": "x"}, "context": {"period": {}}},
    ],
)
def test_what_cannot_be_indexed_gives_no_row(resource: dict[str, Any]) -> None:
    assert index(resource) == []


def test_an_open_period_has_no_end() -> None:
    rows = index({"resourceType": "Encounter", "period": {"start": "2026-01-01"}})
    assert [(row.parameter, row.high) for row in rows] == [("date", 1e13)]
    assert isinstance(rows[0], IndexRow)
