"""What R4 requires of reports, observations and specimens and a message does not say (DiagnosticReport, Observation, R4 §10.1, §10.3)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from connector.exchange.ids import derived
from connector.exchange.model import Context
from connector.exchange.results import Report
from connector.fhir.codec import Resource
from connector.fhir.elements import elements
from connector.fhir.filing import Put, stored
from connector.fhir.primitives import sha1_of
from connector.fhir.tree import TARGET

__all__ = ["ATTACHMENT", "apart", "attachments", "completed", "file_results", "opened", "plain", "report_id"]

#: R5's Observation.valueAttachment, as a cross-version extension names it.
ATTACHMENT = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.value"
#: Notes are the paragraphs of a conclusion.
_BETWEEN = "\n\n"
_UNIT = ("unit", "system", "code")
_CODE = {"text": "?"}
_ABSENT = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}


def completed(flat: Resource) -> Resource:
    """The resource with its required elements, in the standard's order: a status that nobody said is `unknown`, a code `?`."""
    kind = flat["resourceType"]
    if kind in ("DiagnosticReport", "Observation"):
        flat.setdefault("status", "unknown")
        flat.setdefault("code", dict(_CODE))
    if kind == "Observation":
        _value(flat)
    if "note" in flat and kind == "DiagnosticReport":
        flat["conclusion"] = _BETWEEN.join(each["text"] for each in flat.pop("note"))
    places = _places(kind)
    found = [places.get(name, -1) for name in flat]
    if found == sorted(found):
        return flat
    return {name: flat[name] for name in sorted([name for name in flat if name in places], key=places.__getitem__)}


@lru_cache(maxsize=16)
def _places(kind: str) -> dict[str, int]:
    """Where each element of a resource stands in the standard's order."""
    return {name: place for place, name in enumerate(dict.fromkeys(("resourceType", "id", "meta", *elements(kind))))}


def _value(flat: Resource) -> None:
    """R4 has one value: several codes are components of the result; a unit belongs to a number or to the bounds beside it."""
    quantity = flat.get("valueQuantity", {})
    unit = {name: quantity[name] for name in _UNIT if name in quantity}
    for bounded in (flat.get("valueRange", {}), *flat.get("referenceRange", ())):
        for bound in ("low", "high"):
            if bound in bounded:
                bounded[bound].update(unit)
    if "value" not in quantity:
        flat.pop("valueQuantity", None)
    components = flat.get("component", ())
    if len(components) == 1:
        del flat["component"]
    elif components:
        flat.pop("valueCodeableConcept", None)
        flat["component"] = [{"code": flat["code"], **each} for each in components]
    said = "valueQuantity" in flat or "component" in flat or any(key.startswith("value") for key in flat)
    if not said and not any(each["url"] == ATTACHMENT for each in flat.get("extension", ())):
        flat["dataAbsentReason"] = dict(_ABSENT)


def opened(made: Resource) -> None:
    """A linked DiagnosticReport or Observation as the tables read it: the contrary of `completed`, on a tree of our own."""
    if made.get("status") == "unknown":
        del made["status"]
    if "conclusion" in made:
        made["note"] = [{"text": each} for each in made["conclusion"].split(_BETWEEN) if each]
    for component in made.get("component", ()):
        if "code" in component and component["code"] == made.get("code"):
            del component["code"]
    if "presentedForm" in made:
        files = [file for each in made.get("result", ()) if TARGET in each for file in attachments(each[TARGET])]
        made["presentedForm"] = [each for each in made["presentedForm"] if each not in files]


def attachments(observation: Resource) -> list[Resource]:
    """The files that are the value of an Observation."""
    return [each["valueAttachment"] for each in observation.get("extension", ()) if each.get("url") == ATTACHMENT]


def file_results(flat: Resource, put: Put, done: Mapping[tuple[str, str], Resource], context: Context) -> None:
    """The bytes of a result go to a Binary; each such file is a form of its report too. `done`: what was put, by type and id."""
    if flat["resourceType"] == "Observation":
        for attachment in attachments(flat):
            if "data" in attachment:
                stored(attachment, derived(context, "binary", "result", sha1_of(attachment["data"])), put)
    elif flat["resourceType"] == "DiagnosticReport":
        results = [done["Observation", each["reference"].removeprefix("urn:uuid:")] for each in flat.get("result", ())]
        forms = [dict(file) for each in results for file in attachments(each)]
        if forms:
            flat["presentedForm"] = forms


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
