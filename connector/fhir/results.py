"""What R4 requires of reports, observations and specimens and a message does not say (DiagnosticReport, Observation, R4 §10.1, §10.3)."""

from __future__ import annotations

from collections.abc import Container
from decimal import Decimal
from typing import Any

from connector.exchange.ids import derived
from connector.exchange.model import Context
from connector.exchange.results import Report
from connector.fhir.codec import Resource
from connector.fhir.elements import elements
from connector.fhir.primitives import sha1_of

__all__ = ["apart", "completed", "plain", "report_id"]

_CODE = {"text": "?"}
_ABSENT = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}


def completed(flat: Resource) -> Resource:
    """The resource with its required elements, in the standard's order: a status that nobody said is `unknown`, a code `?`."""
    kind = flat["resourceType"]
    if kind in ("DiagnosticReport", "Observation"):
        flat.setdefault("status", "unknown")
        flat.setdefault("code", dict(_CODE))
    if kind == "Observation" and "value" not in flat.get("valueQuantity", ()):
        flat.pop("valueQuantity", None)  # a unit beside a text is no quantity (R4: one value)
    if kind == "Observation" and not any(key.startswith("value") for key in flat):
        flat["dataAbsentReason"] = dict(_ABSENT)
    return {name: flat[name] for name in ("resourceType", "id", "meta", *elements(kind)) if name in flat}


def apart(flat: Resource, identity: str, done: Container[tuple[str, str]], context: Context) -> str:
    """The id by content, but a result that says the same as one before it has its own: two isolates, a measure taken twice."""
    while flat["resourceType"] == "Observation" and ("Observation", identity) in done:
        identity = derived(context, "observation", identity)
    return identity


def report_id(report: Report, context: Context, *fallback: str) -> str:
    """The id of a report: its filler's number, else its placer's, else where it stood in its message."""
    number = report.filler or report.placer
    if number is None:
        return derived(context, "report", "", *fallback)
    return derived(context, "report", number.system or number.authority or "", number.value)


def plain(value: Any) -> str:
    """A number as its digits, bytes as their hash: what an id is made of."""
    return str(value) if isinstance(value, Decimal) else sha1_of(value)
