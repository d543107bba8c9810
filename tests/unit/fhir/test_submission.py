"""ITI-65: what a shared record gets is a SubmissionSet, its documents and their bytes, each complete in itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from connector.fhir.submission import submission
from connector.fhir.validate import check_bundle
from tests.unit.fhir.site import EXCHANGE, write


def of(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for each in node for found in references(each)]
    if not isinstance(node, dict):
        return []
    here = [node["reference"]] if isinstance(node.get("reference"), str) else []
    return here + [found for each in node.values() for found in references(each)]


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    bundle = submission(write(EXCHANGE))
    assert bundle is not None
    return bundle


def test_it_holds_only_what_a_submission_is_made_of(made: dict[str, Any]) -> None:
    assert {entry["resource"]["resourceType"] for entry in made["entry"]} <= {
        "List",
        "DocumentReference",
        "Binary",
        "Patient",
    }
    assert made["entry"][0]["resource"]["resourceType"] == "List"
    assert {entry["request"]["method"] for entry in made["entry"]} == {"POST"}
    assert check_bundle(made) == []


def test_every_reference_leads_to_an_entry_or_into_the_resource_itself(made: dict[str, Any]) -> None:
    urls = {entry["fullUrl"] for entry in made["entry"]}
    for entry in made["entry"]:
        inside = {f"#{each['id']}" for each in entry["resource"].get("contained", ())}
        found = set(references(entry["resource"]))
        assert found <= urls | inside
        assert inside <= found, "what is contained and never meant"


def test_a_second_sending_finds_what_the_first_made(made: dict[str, Any]) -> None:
    for entry in made["entry"]:
        if entry["resource"]["resourceType"] == "DocumentReference":
            master = entry["resource"]["masterIdentifier"]
            asked = unquote(entry["request"]["ifNoneExist"])
            assert asked == f"identifier={master['system']}|{master['value']}"


def test_the_given_bundle_is_not_changed() -> None:
    given = write(EXCHANGE)
    before = repr(given)
    submission(given)
    assert repr(given) == before


def test_two_that_refer_to_each_other_are_contained_once() -> None:
    a, b = "urn:uuid:a", "urn:uuid:b"
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": a, "resource": {"resourceType": "Organization", "id": "a", "partOf": {"reference": b}}},
            {"fullUrl": b, "resource": {"resourceType": "Organization", "id": "b", "partOf": {"reference": a}}},
            {"fullUrl": "urn:uuid:l", "resource": {"resourceType": "List", "source": {"reference": a}}},
            {"fullUrl": "urn:uuid:d", "resource": {"resourceType": "DocumentReference", "author": [{"reference": b}]}},
        ],
    }
    made = submission(bundle)
    assert made is not None
    assert [sorted(each["id"] for each in entry["resource"]["contained"]) for entry in made["entry"]] == [
        ["a", "b"]
    ] * 2


@pytest.mark.parametrize("missing", ["List", "DocumentReference"])
def test_without_submission_set_or_document_there_is_none(missing: str) -> None:
    bundle = write(EXCHANGE)
    kept = [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] != missing]
    assert submission({**bundle, "entry": kept}) is None
