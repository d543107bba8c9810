"""Issues as an OperationOutcome, and what another server's OperationOutcome says (R4 §2.34)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from connector.fhir.codec import Resource
from connector.issues import Issue, IssueCode, Severity

__all__ = ["SYSTEM", "from_outcome", "to_outcome"]

#: The system of our own codes in issue.details; its values are the names of `IssueCode`.
SYSTEM = "urn:monsisra:issue-code"

_SEVERITY = {
    Severity.INFORMATION: "information",
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
    Severity.FATAL: "fatal",
}
_SEVERITIES = {text: severity for severity, text in _SEVERITY.items()}

#: Condition of HL7 table 0357 → issue-type.
_TYPES = {
    "0": "informational",
    "100": "structure",
    "101": "required",
    "102": "value",
    "103": "code-invalid",
    "198": "business-rule",
    "200": "not-supported",
    "201": "not-supported",
    "202": "business-rule",
    "203": "not-supported",
    "205": "duplicate",
    "207": "processing",
}
#: Codes of which the standard has a nearer word.
_NEARER = {
    "FHIR_SYNTAX": "structure",
    "FHIR_REFERENCE": "not-found",
    "FHIR_NOT_FOUND": "not-found",
    "FHIR_SEARCH": "not-supported",
    "FHIR_METHOD": "not-supported",
    "FHIR_MEDIA": "not-supported",
    "FHIR_CONDITION": "conflict",
    "PATIENT_UNKNOWN": "not-found",
    "DOCUMENT_NOT_FOUND": "not-found",
    "TOO_MANY": "too-costly",
    "STORE_UNAVAILABLE": "transient",
    "INTERNAL": "exception",
}


def to_outcome(issues: Iterable[Issue], language: str = "en") -> Resource:
    """An OperationOutcome; with no issue it says that all is well. Texts hold no patient value, as issues do not."""
    found = [_issue(issue, language) for issue in issues]
    return {
        "resourceType": "OperationOutcome",
        "issue": found or [{"severity": "information", "code": "informational", "diagnostics": "ok"}],
    }


def _issue(issue: Issue, language: str) -> Resource:
    made: Resource = {
        "severity": _SEVERITY[issue.severity],
        "code": _NEARER.get(issue.code) or _TYPES.get(issue.definition.condition, "processing"),
        "details": {"coding": [{"system": SYSTEM, "code": issue.code}], "text": issue.text(language)},
    }
    if issue.place.rule:
        made["diagnostics"] = issue.place.rule
    if issue.place.path:
        made["expression"] = [issue.place.path]
    return made


def from_outcome(outcome: Any) -> tuple[Issue, ...]:
    """What a peer's OperationOutcome says: severity, place, and our code when it is ours, else ANSWER_REFUSED with the peer's type.

    Diagnostics and texts of a peer are not carried on: they may hold a patient's data.
    """
    if not isinstance(outcome, dict) or outcome.get("resourceType") != "OperationOutcome":
        return ()
    return tuple(_read(each) for each in outcome.get("issue", ()) if isinstance(each, dict))


def _read(node: Resource) -> Issue:
    severity = _SEVERITIES.get(node.get("severity", ""), Severity.ERROR)
    places = node.get("expression") or node.get("location") or [""]
    place = str(places[0])[:200]
    for coding in _codings(node):
        if coding.get("system") == SYSTEM and coding.get("code") in IssueCode.__members__:
            return Issue.of(severity, IssueCode[coding["code"]], place)
    kind = node.get("code")
    what = kind if isinstance(kind, str) and kind.replace("-", "").isalpha() and len(kind) < 40 else "OperationOutcome"
    return Issue.of(severity, IssueCode.ANSWER_REFUSED, place, what=what)


def _codings(node: Resource) -> Iterator[Resource]:
    details = node.get("details")
    for coding in (details.get("coding") or ()) if isinstance(details, dict) else ():
        if isinstance(coding, dict):
            yield coding
