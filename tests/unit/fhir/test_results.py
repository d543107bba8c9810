"""Results as DiagnosticReport and Observation: as many as were given, numbers digit for digit, and the same read back."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from connector.exchange.documents import Content
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, Identifier
from connector.exchange.results import Observation, Quantity, Range, Report
from connector.exchange.teleexpertise import Teleexpertise
from connector.fhir.codec import dump
from connector.fhir.validate import validate
from tests.unit.fhir.site import EXCHANGE, PATIENT, over_the_wire, read, resources, run, write

CODE = Concept(code="718-7", system="2.16.840.1.113883.6.1", display="Hémoglobine")
GRAMS = Concept(code="g/dL", system="2.16.840.1.113883.6.8", display="g/dL")


def exchange(*observations: Observation) -> Exchange:
    filler = Identifier(value="L-1", system="1.2.250.1.999.1")
    return Exchange(
        patient=PATIENT, reports=(Report(filler=filler, code=CODE, status="final", observations=observations),)
    )


def test_sixty_results_are_sixty_observations_even_when_two_say_the_same() -> None:
    numbers = [f"{number % 50}.10" for number in range(60)]
    given = exchange(*(Observation(code=CODE, status="final", quantity=Quantity(value=n, unit=GRAMS)) for n in numbers))
    made = write(given)
    found = resources(made, "Observation")
    assert len({each["id"] for each in found}) == 60
    assert [str(each["valueQuantity"]["value"]) for each in found] == numbers
    assert write(given) == made
    assert validate(over_the_wire(made)) == []
    assert read(over_the_wire(made)).reports == given.reports


@pytest.mark.parametrize(
    "value",
    [
        Observation(code=CODE, status="final", quantity=Quantity(value="1.10", comparator="<", unit=GRAMS)),
        Observation(code=CODE, status="preliminary", text="ligne 1\nligne 2", notes=("contrôlé",)),
        Observation(code=CODE, status="corrected", coded=(CODE,), interpretation=(Concept(code="H"),)),
        Observation(code=CODE, status="final", moment="2026-04-01", reference=Range(low="1.0", high="2.50", text="1 à 2,5")),
        Observation(code=CODE, status="final", range=Range(low="1", high="2.0")),
        Observation(code=CODE, status="cancelled"),
        Observation(code=CODE, status="final", coded=(CODE, Concept(code="2", system="2.16.840.1.113883.6.1"))),
        Observation(code=CODE, status="final", range=Range(low="1"), quantity=Quantity(unit=GRAMS)),
        Observation(code=CODE, status="final", boolean=True, sub_id="1.2", analysed=Moment("2026-04-01T10:00:00+02:00")),
        Observation(code=CODE, status="final", text="x", producer=Concept(code="LAB", system="1.2.250.1.999.7", display="LABO")),
        Observation(code=CODE, quantity=Quantity(value="1"), identifiers=(Identifier(value="1", system="1.2.250.1.999.8"),)),
    ],
)  # fmt: skip
def test_a_result_of_each_kind_reads_back_the_same(value: Observation) -> None:
    using, given = run(), exchange(value)
    made = over_the_wire(write(given, using))
    assert using.issues == []
    assert validate(made) == []
    assert read(made).reports == given.reports


def test_a_number_is_written_as_it_was() -> None:
    assert b'"value":1.10' in dump(
        write(exchange(Observation(code=CODE, status="final", quantity=Quantity(value="1.10"))))
    )


def test_a_result_that_is_a_file_is_a_form_of_the_report_its_bytes_once() -> None:
    content = Content(media_type="application/pdf", data=b"%PDF-1.7")
    given = exchange(Observation(code=CODE, status="final", content=content))
    made = write(given)
    [form] = resources(made, "DiagnosticReport")[0]["presentedForm"]
    [binary] = resources(made, "Binary")
    assert (form["contentType"], form["url"]) == ("application/pdf", f"urn:uuid:{binary['id']}")
    assert "dataAbsentReason" not in resources(made, "Observation")[0]
    [back] = read(over_the_wire(made)).reports[0].observations
    assert back.content is not None
    assert replace(back, content=replace(back.content, size=None, sha1=None)) == given.reports[0].observations[0]


def test_a_form_that_no_result_is_becomes_one() -> None:
    made = over_the_wire(write(exchange(Observation(code=CODE, status="final", text="x"))))
    resources(made, "DiagnosticReport")[0]["presentedForm"] = [{"contentType": "application/pdf", "data": "JVBERg=="}]
    first, second = read(made).reports[0].observations
    assert (first.text, second.content) == ("x", Content(media_type="application/pdf", data=b"%PDF"))


def test_what_was_asked_for_is_a_request_and_no_teleexpertise() -> None:
    given = replace(
        exchange(), reports=(replace(exchange().reports[0], placer=Identifier(value="D-1", system="1.2.250.1.999.2")),)
    )
    made = over_the_wire(write(given))
    [asked] = resources(made, "ServiceRequest")
    assert (asked["intent"], asked["identifier"][0]["value"], asked["code"]) == (
        "order", "D-1", resources(made, "DiagnosticReport")[0]["code"],
    )  # fmt: skip
    back = read(made)
    assert (back.teleexpertise, back.reports) == (None, given.reports)


def test_a_request_with_a_task_stays_a_teleexpertise() -> None:
    made = over_the_wire(
        write(replace(EXCHANGE, documents=(), mode="teleexpertise", teleexpertise=Teleexpertise(id="T-1")))
    )
    [asked] = [each for each in made["entry"] if each["resource"]["resourceType"] == "ServiceRequest"]
    report = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "?"}}
    made["entry"].append({"resource": {**report, "basedOn": [{"reference": asked["fullUrl"]}]}})
    back = read(made)
    assert back.teleexpertise is not None
    assert back.reports[0].placer is not None


def test_components_of_another_code_are_no_values_of_the_result() -> None:
    made = over_the_wire(write(exchange(Observation(code=CODE, status="final"))))
    other = {"coding": [{"system": "http://loinc.org", "code": "1-8"}]}
    value = {"coding": [{"system": "http://loinc.org", "code": "LA1"}]}
    resources(made, "Observation")[0]["component"] = [
        {"code": other, "valueCodeableConcept": value},
        {"code": {"text": "autre"}, "valueCodeableConcept": value},
    ]
    assert read(made).reports[0].observations[0].coded == ()


def test_bounds_have_the_unit_of_their_number() -> None:
    reference = Range(low="1.0", high="2.50")
    made = write(exchange(Observation(code=CODE, quantity=Quantity(value="1", unit=GRAMS), reference=reference)))
    assert [str(each["value"]) + each["code"] for each in resources(made, "Observation")[0]["referenceRange"][0].values()] == [
        "1.0g/dL", "2.50g/dL",
    ]  # fmt: skip


def test_the_notes_of_a_report_are_the_paragraphs_of_its_conclusion() -> None:
    given = replace(exchange(), reports=(replace(exchange().reports[0], notes=("un\ndeux", "trois")),))
    made = over_the_wire(write(given))
    assert resources(made, "DiagnosticReport")[0]["conclusion"] == "un\ndeux\n\ntrois"
    assert read(made).reports == given.reports


def test_an_unknown_status_is_none() -> None:
    made = over_the_wire(write(exchange(Observation(code=CODE, text="x"))))
    assert resources(made, "Observation")[0]["status"] == "unknown"
    using = run()
    assert read(made, using).reports[0].observations[0].status is None
    assert using.issues == []
