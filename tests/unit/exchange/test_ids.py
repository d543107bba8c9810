"""Ids come from business identity alone, and each says which places it depends on."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from connector.exchange import ids
from connector.exchange.care import Encounter
from connector.exchange.documents import Content, Document
from connector.exchange.model import Context, Envelope, Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import HumanName, Identifier, Patient

CONTEXT = Context(now=Moment("2026-11-24T10:00:00+01:00"))
INS = Identifier(value="279035121518989", system="1.2.250.1.213.1.4.10", kind="INS")
IPP = Identifier(value="42", system="1.2.3", kind="PI")
BIRTH = HumanName(use="birth", family="PAT-TROIS", given=("DOMINIQUE",))


def test_an_id_is_the_same_twice_and_another_in_another_namespace() -> None:
    there = replace(CONTEXT, namespace="1.2.250.1.999")
    assert ids.derived(CONTEXT, "patient", "a", "b") == ids.derived(CONTEXT, "patient", "a", "b")
    assert ids.derived(CONTEXT, "patient", "a", "b") != ids.derived(there, "patient", "a", "b")
    assert ids.derived(CONTEXT, "patient", "a") != ids.derived(CONTEXT, "document", "a")
    assert ids.derived(CONTEXT, "patient", "ab", "c") != ids.derived(CONTEXT, "patient", "a", "bc")


def test_the_clock_and_the_zone_do_not_count() -> None:
    later = replace(CONTEXT, now=Moment("2030-01-01T00:00:00+00:00"), zone="UTC")
    assert ids.derived(CONTEXT, "patient", "a") == ids.derived(later, "patient", "a")


def test_a_uuid_has_an_oid() -> None:
    uuid = ids.derived(CONTEXT, "document", "x")
    assert ids.oid_of(uuid).startswith("2.25.")
    assert len(ids.oid_of(uuid)) <= 64
    assert ids.is_uuid(uuid)
    assert ids.is_uuid(f"urn:uuid:{uuid}")


@pytest.mark.parametrize("text", ["1.2.3", "", "x" * 36, "f81d4fae7dec11d0a76500a0c91e6bf6"])
def test_what_is_no_uuid(text: str) -> None:
    assert not ids.is_uuid(text)


@pytest.mark.parametrize(
    ("root", "good"),
    [("1.2.3", True), ("1.2.3^abc", True), ("urn:oid:1.2.3", True), ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", True), ("abc", False), ("^1", False)],
)  # fmt: skip
def test_root_of_a_document_id(root: str, good: bool) -> None:
    assert ids.is_document_root(root) is good


PATIENTS: list[tuple[Patient, tuple[str, ...], tuple[str, ...]]] = [
    (
        Patient(identifiers=(IPP, INS)),
        ("INS", "1.2.250.1.213.1.4.10", "279035121518989"),
        ("identifiers[2].value", "identifiers[2].system", "identifiers[2].kind"),
    ),
    (
        Patient(identifiers=(IPP,), names=(BIRTH,)),
        ("1.2.3", "42"),
        ("identifiers[1].value", "identifiers[1].system", "identifiers[1].kind"),
    ),
    (
        Patient(identifiers=(Identifier(value="42", authority="CHU-X", kind="PI"),)),
        ("CHU-X", "42"),
        ("identifiers[1].value", "identifiers[1].authority", "identifiers[1].kind"),
    ),
    (
        Patient(names=(HumanName(use="usual", family="X"), BIRTH), birth_date=Moment("1979-03-28"), sex="female"),
        ("PAT-TROIS", "DOMINIQUE", "1979-03-28", "female"),
        ("names[2].family", "names[2].given[1]", "birth_date", "sex"),
    ),
    (Patient(sex="female"), (), ()),
]


@pytest.mark.parametrize(("patient", "parts", "places"), PATIENTS)
def test_key_of_a_patient(patient: Patient, parts: tuple[str, ...], places: tuple[str, ...]) -> None:
    key = ids.patient_key(patient)
    assert key.parts == parts
    assert key.places == places
    assert bool(key) is bool(parts)


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        name, _, number = step.partition("[")
        value = getattr(value, name)
        if number:
            value = value[int(number.rstrip("]")) - 1]
    return value


KEYED = [
    *((ids.patient_key, patient) for patient, parts, _ in PATIENTS if parts),
    (ids.document_key, Document(id="1.2.3")),
    (ids.document_key, Document(set_id="1.2.3", version="2")),
    (ids.encounter_key, Encounter(number=Identifier(value="V1", system="1.2.3", kind="VN"))),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), KEYED)
def test_every_place_of_a_key_is_filled(key: Any, value: Any) -> None:
    found = key(value)
    assert found.parts
    assert all(_at(value, place) for place in found.places)


def test_the_same_ipp_of_two_hospitals_is_two_patients() -> None:
    other = Identifier(value="42", system="1.2.4", kind="PI")
    here, there = Patient(identifiers=(IPP,)), Patient(identifiers=(other,))
    assert ids.patient_key(here) != ids.patient_key(there)


def test_a_document_without_id_is_its_bytes() -> None:
    document = Document(content=Content(sha256="ab"))
    assert ids.document_key(document) == (("ab",), ("content.data",))
    assert not ids.document_key(Document())


@pytest.mark.parametrize(
    ("exchange", "key"),
    [
        (Exchange(patient=Patient(identifiers=(IPP, INS)), documents=(Document(id="1.2"),)), "ins|279035121518989"),
        (Exchange(patient=Patient(identifiers=(IPP,)), documents=(Document(id="1.2"),)), "ipp|1.2.3|42"),
        (Exchange(documents=(Document(id="1.2", set_id="1.3", replaces="1.1"),)), "document|1.3"),
        (Exchange(documents=(Document(id="1.2", replaces="1.1"),)), "document|1.1"),
        (Exchange(documents=(Document(), Document(id="1.2"))), "document|1.2"),
        (Exchange(envelope=Envelope(control_id="M1")), "message|M1"),
        (Exchange(), "message|"),
    ],
)
def test_what_keeps_deliveries_in_order(exchange: Exchange, key: str) -> None:
    assert ids.ordering_key(exchange) == key
