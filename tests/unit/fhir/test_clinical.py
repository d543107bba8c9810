"""What R4 requires of clinical resources: said to be unknown, never invented, and taken away again when it is read."""

from __future__ import annotations

from typing import Any

import pytest

from connector.exchange.clinical import Allergy, Immunization, Medication, Problem, Procedure, Section
from connector.exchange.documents import Document
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, Period
from connector.exchange.results import Quantity
from connector.fhir.validate import validate
from tests.unit.fhir.site import PATIENT, over_the_wire, read, resources, run, write

CODE = Concept(code="X1", system="1.2.250.1.99")
UNKNOWN = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}


def letter(section: Section, **more: Any) -> Exchange:
    document = Document(id="1.2.250.1.9^A", status="final", sections=(section,))
    return Exchange(**{"intent": "submit", "mode": "document", "origin": "feed", "documents": (document,), **more})


def made(section: Section, kind: str, **more: Any) -> dict[str, Any]:
    """The one resource of a kind that a section becomes; the Bundle is FHIR, and is read as what was written."""
    exchange = letter(section, **more)
    bundle = over_the_wire(write(exchange, run(options={"shape": "document"})))
    assert validate(bundle) == []
    assert read(bundle).documents[0].sections == (section,)
    (resource,) = resources(bundle, kind)
    return resource


PER = Period(start=Moment("2020-01-01"), end=Moment("2021-01-01"))
LEAST = [
    (Section(problems=(Problem(code=CODE),)), "Condition", {"subject": UNKNOWN}),
    (Section(allergies=(Allergy(substance=CODE),)), "AllergyIntolerance", {"patient": UNKNOWN, "clinicalStatus": UNKNOWN}),
    (Section(medications=(Medication(status="active", text="Aspirine"),)), "MedicationStatement", {"status": "active"}),
    (Section(immunizations=(Immunization(lot="L1"),)), "Immunization", {"vaccineCode": {"text": "?"}, "occurrenceString": "?"}),
    (Section(procedures=(Procedure(code=CODE),)), "Procedure", {"status": "unknown", "subject": UNKNOWN}),
]  # fmt: skip


@pytest.mark.parametrize(("section", "kind", "expected"), LEAST, ids=[each[1] for each in LEAST])
def test_what_nobody_said_is_unknown_and_is_not_read_back(
    section: Section, kind: str, expected: dict[str, Any]
) -> None:
    assert made(section, kind).items() >= expected.items()


DENIED = [
    (Section(medications=(Medication(product=CODE, not_taken=True),)), "MedicationStatement", "not-taken"),
    (Section(immunizations=(Immunization(vaccine=CODE, not_given=True),)), "Immunization", "not-done"),
    (Section(procedures=(Procedure(code=CODE, not_done=True),)), "Procedure", "not-done"),
]


@pytest.mark.parametrize(("section", "kind", "status"), DENIED, ids=[each[1] for each in DENIED])
def test_what_did_not_happen_is_said_by_the_status(section: Section, kind: str, status: str) -> None:
    assert made(section, kind)["status"] == status


def test_a_problem_that_ended_is_not_active() -> None:
    resource = made(Section(problems=(Problem(code=CODE, period=PER, status="resolved"),)), "Condition")
    assert resource["abatementDateTime"] == "2021-01-01"


def test_an_end_of_what_is_active_stays_beside_its_onset() -> None:
    resource = made(Section(problems=(Problem(code=CODE, period=PER, status="active"),)), "Condition")
    assert resource["onsetPeriod"] == {"start": "2020-01-01", "end": "2021-01-01"}
    assert "abatementDateTime" not in resource


def test_kind_and_criticality_are_codes_of_r4_beside_what_was_coded() -> None:
    allergy = Allergy(
        substance=CODE,
        status="active",
        kind=Concept(code="414285001", system="2.16.840.1.113883.6.96"),
        criticality=Concept(code="CRITL", system="2.16.840.1.113883.5.1063"),
    )
    resource = made(Section(allergies=(allergy,)), "AllergyIntolerance", patient=PATIENT)
    assert (resource["type"], resource["category"], resource["criticality"]) == ("allergy", ["food"], "low")


def test_codes_of_r4_alone_are_read_as_concepts() -> None:
    exchange = letter(Section(allergies=(Allergy(substance=CODE, status="active"),)))
    bundle = over_the_wire(write(exchange, run(options={"shape": "document"})))
    (resource,) = resources(bundle, "AllergyIntolerance")
    resource |= {"type": "intolerance", "category": ["medication"], "criticality": "high"}
    (allergy,) = read(bundle).documents[0].sections[0].allergies
    assert (allergy.kind and allergy.kind.code, allergy.criticality and allergy.criticality.code) == (
        "59037007",
        "CRITH",
    )


def test_a_dose_every_eight_hours_is_a_frequency() -> None:
    unit = Concept(code="h", system="2.16.840.1.113883.6.8")
    tablet = Quantity(value="1", unit=Concept(code="{tablet}", system="2.16.840.1.113883.6.8"))
    medication = Medication(
        status="active", product=CODE, every=Quantity(value="8", unit=unit), dose=tablet, dose_high=tablet
    )
    (dosage,) = made(Section(medications=(medication,)), "MedicationStatement")["dosage"]
    assert dosage["timing"]["repeat"] == {"frequency": 1, "period": 8, "periodUnit": "h"}
    assert dosage["doseAndRate"][0]["doseQuantity"]["value"] == 1


def test_a_section_without_anything_has_a_narrative_that_says_so() -> None:
    bundle = write(letter(Section(title="Antécédents")), run(options={"shape": "document"}))
    (composition,) = resources(bundle, "Composition")
    assert composition["section"][0]["text"]["status"] == "empty"
