"""FHIR XML."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.fhir.xml import dump_xml, load_xml
from tests.unit.fhir.site import EXCHANGE, over_the_wire, write

NS = b'xmlns="http://hl7.org/fhir"'


def test_a_whole_bundle_goes_to_xml_and_comes_back() -> None:
    made = over_the_wire(write(EXCHANGE))
    outcome = load_xml(dump_xml(made))
    assert outcome.issues == ()
    assert outcome.value == made


def test_elements_stand_in_the_order_of_the_standard() -> None:
    raw = dump_xml({"resourceType": "Patient", "gender": "male", "name": [{"given": ["A"], "family": "B"}], "id": "x"})
    assert (
        raw.index(b"<id ") < raw.index(b"<name>") < raw.index(b"<family") < raw.index(b"<given") < raw.index(b"<gender")
    )


def test_numbers_and_booleans_are_those_of_json() -> None:
    raw = b"<Patient %b><active value='true'/><multipleBirthInteger value='2'/></Patient>" % NS
    assert load_xml(raw).value == {"resourceType": "Patient", "active": True, "multipleBirthInteger": 2}
    raw = b"<Location %b><position><longitude value='1.10'/><latitude value='2'/></position></Location>" % NS
    assert load_xml(raw).value == {
        "resourceType": "Location",
        "position": {"longitude": Decimal("1.10"), "latitude": Decimal("2")},
    }


def test_what_extends_a_primitive_and_narrative_come_back() -> None:
    patient = {
        "resourceType": "Patient",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>é</p></div>'},
        "name": [{"given": ["A", None], "_given": [None, {"extension": [{"url": "http://x", "valueCode": "asked"}]}]}],
        "birthDate": "1979",
        "_birthDate": {"id": "b", "extension": [{"url": "http://x", "valueString": "y"}]},
        "contained": [{"resourceType": "Organization", "id": "o", "name": "O"}],
    }
    assert load_xml(dump_xml(patient)).value == patient


def test_bytes_are_base64_and_comments_are_no_data() -> None:
    assert b'<data value="YWJj"/>' in dump_xml({"resourceType": "Binary", "contentType": "text/plain", "data": b"abc"})
    raw = b"<Patient %b><!-- x --><?y z?><gender value='male'/></Patient>" % NS
    assert load_xml(raw).value == {"resourceType": "Patient", "gender": "male"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"<!DOCTYPE x><Patient %b/>" % NS, "DOCTYPE"),
        (b"<Patient %b>" % NS, "well-formed"),
        (b"<Patient/>", "http://hl7.org/fhir"),
        (b"<Nobody %b/>" % NS, "resource type"),
        (b"<Patient %b><nam value='x'/></Patient>" % NS, "elements of Patient"),
        (b"<Patient %b><active value='yes'/></Patient>" % NS, "true or false"),
        (b"<Patient %b><multipleBirthInteger value='two'/></Patient>" % NS, "numbers"),
        (b"<Location %b><position><longitude value='x'/></position></Location>" % NS, "numbers"),
        (b"<Patient %b><contained/></Patient>" % NS, "resource"),
        (
            b"<Patient %b>" % NS + b"<extension url='x'>" * 80 + b"</extension>" * 80 + b"</Patient>",
            "at most",
        ),
    ],
)
def test_what_is_no_fhir_xml_is_refused_with_a_reason(raw: bytes, expected: str) -> None:
    outcome = load_xml(raw)
    assert outcome.value is None
    assert expected in outcome.issues[0].params["expected"]
