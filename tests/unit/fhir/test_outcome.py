"""OperationOutcome and CapabilityStatement."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from connector.exchange.moments import Moment
from connector.fhir.capability import capability
from connector.fhir.outcome import from_outcome, to_outcome
from connector.fhir.search import PARAMETERS
from connector.fhir.validate import validate
from connector.issues import Issue, IssueCode, Severity


@pytest.mark.parametrize("code", list(IssueCode))
def test_every_issue_is_a_valid_outcome_and_comes_back(code: IssueCode) -> None:
    issue = Issue.of(Severity.ERROR, code, "Patient.name")
    outcome = to_outcome([issue], "fr")
    assert validate(outcome) == []
    back = from_outcome(outcome)
    assert [(each.severity, each.code, each.place.path) for each in back] == [
        (Severity.ERROR, code.name, "Patient.name")
    ]


def test_no_issue_is_told_as_such() -> None:
    assert validate(to_outcome([])) == []


def test_the_text_is_in_the_language_asked_for() -> None:
    issue = Issue.of(Severity.ERROR, IssueCode.FHIR_NOT_FOUND, what="Patient")
    assert to_outcome([issue], "fr")["issue"][0]["details"]["text"] == "ressource inconnue : Patient"
    assert to_outcome([issue])["issue"][0]["details"]["text"] == "unknown resource: Patient"


def test_what_a_peer_says_is_carried_without_its_texts() -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "error", "code": "processing", "diagnostics": "Patient CANARI", "expression": ["Patient"]},
            {"severity": "odd", "code": "CANARI 2"},
        ],
    }
    found = from_outcome(outcome)
    assert [(each.code, each.params["what"]) for each in found] == [
        ("ANSWER_REFUSED", "processing"),
        ("ANSWER_REFUSED", "OperationOutcome"),
    ]
    assert "CANARI" not in str(found)


@pytest.mark.parametrize("answer", [None, [], {"resourceType": "Bundle"}, {"resourceType": "OperationOutcome"}])
def test_what_is_no_outcome_says_nothing(answer: object) -> None:
    assert from_outcome(answer) == ()


def test_the_capability_statement_is_valid_and_tells_what_is_searched() -> None:
    made = capability("http://localhost/fhir", version("monsisra-connector"), Moment("2026-03-04T05:06:07+01:00"))
    assert validate(made) == []
    types = {each["type"]: each for each in made["rest"][0]["resource"]}
    assert types.keys() == PARAMETERS.keys()
    names = [each["name"] for each in types["DocumentReference"]["searchParam"]]
    assert {"patient", "identifier", "type", "status", "date", "_id"} <= set(names)
    assert "searchParam" not in types["Binary"]
