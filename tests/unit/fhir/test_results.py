"""Results as DiagnosticReport and Observation: as many as were given, numbers digit for digit, and the same read back."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from connector.exchange.documents import Content
from connector.exchange.model import Exchange
from connector.exchange.people import Concept, Identifier
from connector.exchange.results import Observation, Quantity, Range, Report
from connector.fhir.codec import dump
from connector.fhir.validate import validate
from tests.unit.fhir.site import PATIENT, over_the_wire, read, resources, run, write

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


def test_a_result_that_is_a_file_is_a_form_of_the_report() -> None:
    content = Content(media_type="application/pdf", data=b"%PDF-1.7")
    made = write(exchange(Observation(content=content)))
    assert resources(made, "DiagnosticReport")[0]["presentedForm"][0]["contentType"] == "application/pdf"
    back = read(over_the_wire(made)).reports[0].observations[0].content
    assert back is not None
    assert replace(back, size=None, sha1=None) == content
