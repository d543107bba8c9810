"""What is indexed and what a query asks, held together by the store on SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connector.fhir.search import MOST_COUNT, Include, IndexRow, Query, folded, index, parse
from connector.fhir.transaction import detached, relative
from connector.store.documents import SqlDocuments
from connector.store.journal import SqlJournal
from tests.journal_kit import HandClock
from tests.unit.fhir.site import EXCHANGE, write

Search = Callable[[Query], list[dict[str, Any]]]

#: A document whose author and patient stand inside it, as PDSm has it, and one whose patient is said by its number alone.
CONTAINED: list[dict[str, Any]] = [
    {
        "resourceType": "DocumentReference",
        "id": "contained",
        "status": "current",
        "extension": [{"url": "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived", "valueBoolean": True}],
        "contained": [
            {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "#p"}},
            {"resourceType": "Practitioner", "id": "p", "name": [{"family": "Zébulon", "given": ["Ève"]}], "identifier": [{"system": "urn:oid:1.2", "value": "77"}]},
        ],
        "author": [{"reference": "#r"}],
        "subject": {"identifier": {"system": "urn:oid:1.9", "value": "logical"}},
    },
    {"resourceType": "Practitioner", "id": "real", "name": [{"family": "Réel"}]},
    {"resourceType": "PractitionerRole", "id": "role", "practitioner": {"reference": "Practitioner/real"}},
    {
        "resourceType": "Communication",
        "id": "c1",
        "status": "completed",
        "sender": {"reference": "PractitionerRole/role"},
        "partOf": [{"reference": "Communication/root"}],
        "sent": "2026-02-01T10:00:00+01:00",
    },
    {"resourceType": "Communication", "id": "root", "status": "completed", "sent": "2026-01-01T10:00:00+01:00"},
    {"resourceType": "QuestionnaireResponse", "id": "q", "status": "completed", "questionnaire": "https://x.example/q|2"},
]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    made, _ = detached(write(EXCHANGE), -1)
    with asyncio.Runner() as runner:
        journal = SqlJournal(str(tmp_path_factory.mktemp("search") / "j.db"), clock=HandClock())
        documents = SqlDocuments(journal)
        runner.run(journal.start())
        kept = [*relative(made), *CONTAINED]
        runner.run(documents.put_many([(each, index(each)) for each in kept], {}))
        yield lambda query: [dict(each) for each in runner.run(documents.search(query)).resources]
        runner.run(journal.stop())


def found(store: Search, kind: str, *parameters: tuple[str, str]) -> list[str]:
    query = parse(kind, parameters)
    assert query.value is not None, query.issues
    return [each["id"] for each in store(query.value)]


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
        ("DocumentReference", "status", "current", 2),
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
        ("DocumentReference", "author.family", "zeb", 1),
        ("DocumentReference", "author.given:exact", "Ève", 1),
        ("DocumentReference", "author.identifier", "urn:oid:1.2|77", 1),
        ("DocumentReference", "patient.identifier", "urn:oid:1.9|logical", 1),
        ("DocumentReference", "subject:identifier", "logical", 1),
        ("DocumentReference", "isArchived", "true", 1),
        ("DocumentReference", "isArchived:missing", "true", 1),
        ("DocumentReference", "isArchived:missing", "false", 1),
        ("DocumentReference", "status:not", "current", 0),
        ("DocumentReference", "status:not", "superseded", 2),
        ("DocumentReference", "type:not", "34133-9", 1),
        ("Communication", "part-of", "Communication/root", 1),
        ("Communication", "part-of", "root", 1),
        ("Communication", "sender.family", "reel", 1),
        ("Communication", "sender.family", "zeb", 0),
        ("Communication", "sender:PractitionerRole.family", "reel", 1),
        ("Communication", "sender:Patient.family", "reel", 0),
        ("Communication", "sent", "ge2026-02-01", 1),
        ("QuestionnaireResponse", "questionnaire", "https://x.example/q", 1),
        ("QuestionnaireResponse", "questionnaire", "https://x.example/q|2", 1),
        ("QuestionnaireResponse", "questionnaire", "https://x.example/q|3", 0),
        ("Organization", "name", "ch", 1),
        ("List", "code", "submissionset", 1),
    ],
)
def test_a_search_finds_what_it_asks(store: Search, kind: str, name: str, value: str, total: int) -> None:
    assert len(found(store, kind, (name, value))) == total


def test_a_reference_is_asked_by_type_and_id_by_id_and_by_address(store: Search) -> None:
    (patient,) = found(store, "Patient")
    for name, value in (
        ("patient", f"Patient/{patient}"),
        ("patient", patient),
        ("patient:Patient", patient),
        ("subject", f"https://x.example/fhir/Patient/{patient}"),
    ):
        assert len(found(store, "DocumentReference", (name, value))) == 1
    assert found(store, "DocumentReference", ("patient", f"Group/{patient}")) == []


def test_every_criterion_must_hold(store: Search) -> None:
    assert found(store, "DocumentReference", ("status", "current"), ("type", "34133-9")) != []
    assert found(store, "DocumentReference", ("status", "current"), ("type", "x")) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("patien", "1", "did you mean 'patient'?"),
        ("_include", "*", "`*` is not answered"),
        ("_include", "Patient:name", "DocumentReference:parameter"),
        ("_revinclude", "Provenance:when", "Type:parameter"),
        ("_include:iterate", "DocumentReference:patient", "without a modifier"),
        ("_sort", "status", "_sort by one of"),
        ("_cursor", "x", "a cursor as a next link gives it"),
        ("patient.colour", "red", "one of its parameters"),
        ("status:missing", "perhaps", "true or false"),
        ("_has:Observation:patient:code", "x", "a search parameter"),
        ("status:above", "current", "status without a modifier"),
        ("date", "yesterday", "date: a valid value"),
        ("date", "ap2026", "date: a valid value"),
        ("_count", "many", "a whole number"),
        ("_summary", "text", "_summary=count"),
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
        "Patient", [("_count", "100000"), ("_cursor", "_40"), ("family", "a\\,b,c"), ("_format", "json")]
    ).value
    assert query is not None
    assert (query.limit, query.after) == (MOST_COUNT, (0.0, 40))
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
        {"resourceType": "Basic", "status": "final"},
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


def test_an_unknown_parameter_is_left_out_for_who_asks_for_leniency_and_a_bad_value_is_not() -> None:
    lenient = parse("Patient", [("nam", "x"), ("family", "y")], lenient=True)
    assert lenient.value is not None
    assert [each.parameter for each in lenient.value.criteria] == ["family"]
    assert [each.place.path for each in lenient.issues] == ["nam"]
    assert parse("Patient", [("birthdate", "x")], lenient=True).value is None


def test_what_is_to_come_along_is_named() -> None:
    query = parse(
        "DocumentReference", [("_include", "DocumentReference:author:Practitioner"), ("_revinclude", "List:item")]
    ).value
    assert query is not None
    assert query.include == (Include("DocumentReference", "author", "Practitioner"),)
    assert query.reverse == (Include("List", "item"),)


def test_long_texts_and_zero_characters_fit_an_index() -> None:
    rows = index(
        {"resourceType": "Patient", "identifier": [{"value": "x" * 5000}], "name": [{"family": "a\x00" * 300}]}
    )
    assert max(len(row.value) for row in rows) <= 240
    assert not any("\x00" in row.value + row.system for row in rows)
