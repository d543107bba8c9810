"""Our compiled checks: what they refuse, where, and that fhir.resources agrees."""

from __future__ import annotations

from typing import Any

import pytest

from connector.fhir.incoming import parse
from connector.fhir.validate import check, check_bundle, validate
from connector.fhir.xhtml import is_safe
from tests.unit.fhir.site import EXCHANGE, over_the_wire, write

PATIENT: dict[str, Any] = {"resourceType": "Patient", "name": [{"family": "A"}]}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"gender": "banana"}, "Patient.gender"),
        ({"birthDate": "1979-02-40"}, "Patient.birthDate"),
        ({"birthDate": "28/03/1979"}, "Patient.birthDate"),
        ({"active": "true"}, "Patient.active"),
        ({"name": {"family": "A"}}, "Patient.name"),
        ({"name": []}, "Patient.name"),
        ({"gender": ["male"]}, "Patient.gender"),
        ({"name": [{"family": 7}]}, "Patient.name[1].family"),
        ({"name": [{}]}, "Patient.name[1]"),
        ({"nam": "A"}, "Patient.nam"),
        ({"_name": []}, "Patient._name"),
        ({"_birthDate": "x"}, "Patient._birthDate"),
        ({"id": "a b"}, "Patient.id"),
        ({"multipleBirthInteger": 1.5}, "Patient.multipleBirthInteger"),
        ({"link": [{"type": "refer"}]}, "Patient.link[1].other"),
        ({"extension": [{"valueString": "x"}]}, "Patient.extension[1].url"),
        ({"identifier": [{"system": "urn: oid"}]}, "Patient.identifier[1].system"),
        ({"contained": [{"resourceType": "Nobody"}]}, "resourceType"),
        ({"text": {"status": "generated", "div": "<div>x</div>"}}, "Patient.text.div"),
    ],
)
def test_what_is_not_fhir_is_told_at_its_place(change: dict[str, Any], place: str) -> None:
    issues = check({**PATIENT, **change})
    assert [issue.place.path for issue in issues] == [place]
    assert {issue.code for issue in issues} == {"FHIR_INVALID"}
    assert "banana" not in issues[0].text()


@pytest.mark.parametrize(
    "change",
    [
        {"birthDate": "1979"},
        {"_birthDate": {"extension": [{"url": "http://x", "valueCode": "unknown"}]}},
        {"deceasedBoolean": False},
        {"multipleBirthInteger": 2},
        {"photo": [{"data": b"raw"}]},
        {"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>A<br/>B</p></div>'}},
    ],
)
def test_what_is_fhir_passes(change: dict[str, Any]) -> None:
    assert check({**PATIENT, **change}) == []


def test_an_unknown_resource_type_is_told_with_the_nearest_one() -> None:
    assert "did you mean 'Patient'?" in check({"resourceType": "Patien"})[0].text()


def test_a_reference_without_target_and_a_full_url_twice_are_found() -> None:
    made = over_the_wire(write(EXCHANGE))
    made["entry"][1]["fullUrl"] = made["entry"][0]["fullUrl"]
    codes = [issue.code for issue in check_bundle(made)]
    assert "FHIR_INVALID" in codes
    assert "FHIR_REFERENCE" in codes


def test_what_the_tables_do_not_say_the_models_do() -> None:
    resource = {"resourceType": "Patient", "deceasedBoolean": True, "deceasedDateTime": "2026"}
    assert check(resource) == []
    issues = validate(resource)
    assert issues
    assert all("fhir.resources" in issue.params["expected"] for issue in issues)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"resourceType":"Patient","gender":"female"}', None),
        (b'<Patient xmlns="http://hl7.org/fhir"><gender value="female"/></Patient>', None),
        (b'{"resourceType":"Patient","gender":"banana"}', "FHIR_INVALID"),
        (b'{"resourceType":"Observation","status":"final","code":{"text":"x"}}', None),
        (b'{"resourceType":"Observation","status":"final","code":"x"}', "FHIR_INVALID"),
        (b'{"resourceType":"Nothing"}', "FHIR_INVALID"),
        (b'{"resourceType":', "FHIR_SYNTAX"),
        (b"<Patient", "FHIR_SYNTAX"),
    ],
)
def test_what_comes_in_is_read_in_either_syntax_and_checked(raw: bytes, code: str | None) -> None:
    assert ([issue.code for issue in parse(raw).issues] or [None])[0] == code


@pytest.mark.parametrize(
    ("inside", "safe"),
    [
        ("<p>text</p>", True),
        ('<a href="https://x.fr">x</a>', True),
        ('<img src="#photo" alt="x"/>', True),
        ("<!-- a comment -->", True),
        ("<script>alert(1)</script>", False),
        ('<p onclick="x()">x</p>', False),
        ('<a href="javascript:x()">x</a>', False),
        ('<a href=" java\nscript:x()">x</a>', False),
        ('<p style="background:url(http://x)">x</p>', False),
        ("<iframe/>", False),
        ("<object/>", False),
        ("<?xml-stylesheet href='x'?>", False),
        ("<p>not closed", False),
    ],
)
def test_narrative_is_formatting_and_nothing_active(inside: str, safe: bool) -> None:
    assert is_safe(f'<div xmlns="http://www.w3.org/1999/xhtml">{inside}</div>') is safe


def test_narrative_without_its_namespace_or_with_a_doctype_is_refused() -> None:
    assert not is_safe("<div>x</div>")
    assert not is_safe('<!DOCTYPE div [<!ENTITY a "b">]><div xmlns="http://www.w3.org/1999/xhtml">&a;</div>')
