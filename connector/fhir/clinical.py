"""What R4 requires of clinical resources and nobody said, and what it says by bare codes where an Exchange has a concept; both ways.

Condition, AllergyIntolerance, MedicationStatement, Immunization, Procedure (R4 §9.2, §9.1, §11.6, §11.7, §9.3). No clinical fact is
invented: what is not known is said to be unknown, and a code is only added where the concept means just that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connector.fhir.codec import Resource
from connector.fhir.elements import codes_of
from connector.fhir.filing import ABSENT, order_of
from connector.fhir.results import completed
from connector.fhir.results import opened as open_result

__all__ = ["COMPLETED", "opened"]

_OWN = "urn:oid:2.25.109365755077475228995621054952632154024.20"
_KIND, _STATEMENT, _GRADE = f"{_OWN}.3", f"{_OWN}.4", f"{_OWN}.6"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_UNKNOWN = {"text": "?"}
#: Criticality (HL7 v3 ObservationValue) and severity (SeverityObservation) as R4's bare codes.
_CRITICALITY = {"CRITL": "low", "CRITH": "high", "CRITU": "unable-to-assess"}
_SEVERITY = {"L": "mild", "M": "moderate", "H": "severe"}
_VALUES = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
_OVER = frozenset({"inactive", "resolved", "remission"})
_VITAL_SIGNS = {"coding": [{"system": _TERMINOLOGY + "observation-category", "code": "vital-signs"}]}
_UNITS = "http://unitsofmeasure.org"
#: The kinds of allergy of the national value set (SNOMED CT) in R4's words: type, category.
_KINDS = {
    "420134006": ("", ""),
    "418038007": ("", ""),
    "419511003": ("", "medication"),
    "418471000": ("", "food"),
    "419199007": ("allergy", ""),
    "416098002": ("allergy", "medication"),
    "414285001": ("allergy", "food"),
    "59037007": ("intolerance", "medication"),
    "235719002": ("intolerance", "food"),
}


# --- writing ---------------------------------------------------------------------------------------------------------


#: The element that says whom a resource is about, which R4 requires.
_ABOUT = {
    "AllergyIntolerance": "patient",
    "Condition": "subject",
    "Immunization": "patient",
    "MedicationStatement": "subject",
    "Procedure": "subject",
    "RelatedPerson": "patient",
    "ServiceRequest": "subject",
}


def _ordered(flat: Resource) -> Resource:
    """In the standard's order, and about somebody, even when nobody said whom."""
    if (about := _ABOUT.get(flat["resourceType"])) is not None:
        flat.setdefault(about, dict(ABSENT))
    return {name: flat[name] for name in order_of(flat["resourceType"]) if name in flat}


def _concept(node: Resource, url: str) -> Resource | None:
    """The concept in an extension of ours."""
    return next((each.get("valueCodeableConcept") for each in node.get("extension", ()) if each["url"] == url), None)


def _code(concept: Resource | None) -> str:
    return str(concept["coding"][0].get("code", "")) if concept and concept.get("coding") else ""


def _condition(flat: Resource) -> Resource:
    """con-4: what has ended is not active. An end of what is said to be active is kept as the end of the onset's period."""
    if "abatementDateTime" in flat:
        said = _code(flat.get("clinicalStatus"))
        if not said:
            flat["clinicalStatus"] = {"coding": [{"system": _TERMINOLOGY + "condition-clinical", "code": "inactive"}]}
        elif said not in _OVER:
            period = {"start": flat.pop("onsetDateTime", None), "end": flat.pop("abatementDateTime")}
            flat["onsetPeriod"] = {name: value for name, value in period.items() if value}
    _named(flat)
    return _ordered(flat)


def _named(flat: Resource) -> None:
    """The number of the concern is a second name."""
    for identifier in flat.get("identifier", ()):
        if identifier.get("use") == "official":
            del identifier["use"]


def _allergy(flat: Resource) -> Resource:
    type_, category = _KINDS.get(_code(_concept(flat, _KIND)), ("", ""))
    if type_:
        flat["type"] = type_
    if category:
        flat["category"] = [category]
    statement = _concept(flat, _STATEMENT)
    if "code" not in flat and statement is not None:
        flat["code"] = statement
    grade = _CRITICALITY.get(_code(_concept(flat, _GRADE)))
    if grade is not None:
        flat["criticality"] = grade
    for reaction in flat.get("reaction", ()):
        severity = _SEVERITY.get(_code(_concept(reaction, _GRADE)))
        if severity is not None:
            reaction["severity"] = severity
        reaction.setdefault("manifestation", [dict(_UNKNOWN)])
    if "clinicalStatus" not in flat:  # ait-1
        flat["clinicalStatus"] = dict(ABSENT)
    return _ordered(flat)


def _negated(flat: Resource, code: str) -> None:
    """What did not happen is said by the status."""
    if True in flat.pop("negated", ()):
        flat["status"] = code


def _medication(flat: Resource) -> Resource:
    _negated(flat, "not-taken")
    flat.setdefault("status", "unknown")
    if "medicationCodeableConcept" not in flat:
        flat["medicationCodeableConcept"] = dict(_UNKNOWN)
    for dosage in flat.get("dosage", ()):
        _interval(dosage)
        for dose in dosage.get("doseAndRate", ()):
            bounds = dose.get("doseRange", {})
            if bounds and bounds.get("low") == bounds.get("high"):
                dose["doseQuantity"] = dose.pop("doseRange")["low"]
    return _ordered(flat)


def _interval(dosage: Resource) -> None:
    """A dose every `period` of a unit that R4 has (units-of-time); another interval stays as it was said, a bound without a rhythm."""
    repeat = dosage.get("timing", {}).get("repeat", {})
    every = repeat.get("boundsDuration", {})
    if every.get("code") in codes_of("units-of-time") and "value" in every and every.keys() <= _MEASURED:
        del repeat["boundsDuration"]
        repeat |= {"frequency": 1, "period": every["value"], "periodUnit": every["code"]}


_MEASURED = {"value", "unit", "system", "code"}


def _immunization(flat: Resource) -> Resource:
    _negated(flat, "not-done")
    if flat.get("status") not in codes_of("immunization-status"):
        flat.pop("status", None)
        flat["_status"] = dict(ABSENT)
    flat.setdefault("vaccineCode", dict(_UNKNOWN))
    if "occurrenceDateTime" not in flat:
        flat["occurrenceString"] = "?"
    for protocol in flat.get("protocolApplied", ()):
        number = protocol.get("doseNumberString", "")
        if number.isdecimal() and str(int(number)) == number and number != "0":
            del protocol["doseNumberString"]
            protocol["doseNumberPositiveInt"] = int(number)
    return _ordered(flat)


def _procedure(flat: Resource) -> Resource:
    _negated(flat, "not-done")
    flat.setdefault("status", "unknown")
    return _ordered(flat)


def _observation(flat: Resource) -> Resource:
    """Measures taken together have no value of their own; they are vital signs."""
    if flat.pop("panel", None) is None:
        return completed(flat)
    flat.setdefault("category", [_VITAL_SIGNS])
    flat = completed(flat)
    flat.pop("dataAbsentReason", None)
    return flat


def _order(flat: Resource) -> Resource:
    return _ordered({**flat, "status": "unknown", "intent": "order"})


def _consent(flat: Resource) -> Resource:
    """The consents of a header are given ones (CDA authorization, statusCode completed); their policy is not said."""
    return _ordered({**flat, "status": "active", "scope": dict(ABSENT), "policyRule": dict(ABSENT)})


#: How a resource that others point at is made whole, by its type.
COMPLETED: Mapping[str, Callable[[Resource], Resource]] = {
    "AllergyIntolerance": _allergy,
    "Condition": _condition,
    "Consent": _consent,
    "DiagnosticReport": completed,
    "Immunization": _immunization,
    "MedicationStatement": _medication,
    "Observation": _observation,
    "Procedure": _procedure,
    "RelatedPerson": _ordered,
    "ServiceRequest": _order,
    "Specimen": completed,
}


# --- reading ---------------------------------------------------------------------------------------------------------


#: What R4 requires, and is `?` when nobody said it.
_NAMED = ("medicationCodeableConcept", "vaccineCode")


def opened(made: Resource) -> None:
    """A linked resource as the tables read it: the contrary of what `COMPLETED` does, on a tree of our own."""
    for name in _NAMED:
        if made.get(name) == _UNKNOWN:
            del made[name]
    opening = _OPENED.get(made["resourceType"])
    if opening is not None:
        opening(made)


def _open_allergy(made: Resource) -> None:
    extensions = made.get("extension", [])
    statement = _concept(made, _STATEMENT)
    if statement is not None and statement == made.get("code"):
        del made["code"]
    if _concept(made, _KIND) is None and "type" in made:
        said = (made["type"], *made.get("category", ("",))[:1])
        kind = next((code for code, words in _KINDS.items() if words == said), None)
        if kind is not None:
            extensions = [*extensions, {"url": _KIND, "valueCodeableConcept": _coded("http://snomed.info/sct", kind)}]
    if _concept(made, _GRADE) is None and "criticality" in made:
        code = _word(_CRITICALITY, made["criticality"])
        extensions = [*extensions, {"url": _GRADE, "valueCodeableConcept": _coded(_VALUES, code)}]
    made["extension"] = extensions
    for reaction in made.get("reaction", ()):
        if _concept(reaction, _GRADE) is None and "severity" in reaction:
            coded = _coded(_TERMINOLOGY + "v3-ObservationValue", _word(_SEVERITY, reaction["severity"]))
            reaction["extension"] = [*reaction.get("extension", ()), {"url": _GRADE, "valueCodeableConcept": coded}]


def _coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _word(words: Mapping[str, str], code: str) -> str:
    return next((word for word, said in words.items() if said == code), code)


def _open_negated(made: Resource) -> None:
    if made.get("status") in ("not-done", "not-taken"):
        del made["status"]
        made["negated"] = [True]


def _open_medication(made: Resource) -> None:
    _open_negated(made)
    for dosage in made.get("dosage", ()):
        repeat = dosage.get("timing", {}).get("repeat", {})
        if repeat.get("frequency", 1) == 1 and "period" in repeat and repeat.get("periodUnit"):
            repeat["boundsDuration"] = {
                "value": repeat.pop("period"),
                "system": _UNITS,
                "code": repeat.pop("periodUnit"),
            }
        for dose in dosage.get("doseAndRate", ()):
            if "doseQuantity" in dose:
                exact = dose.pop("doseQuantity")
                dose["doseRange"] = {"low": exact, "high": exact}


def _open_immunization(made: Resource) -> None:
    _open_negated(made)
    for protocol in made.get("protocolApplied", ()):
        if "doseNumberPositiveInt" in protocol:
            protocol["doseNumberString"] = str(protocol.pop("doseNumberPositiveInt"))


def _open_procedure(made: Resource) -> None:
    _open_negated(made)
    if made.get("status") == "unknown":
        del made["status"]


def _open_observation(made: Resource) -> None:
    open_result(made)
    if "hasMember" in made:
        made["panel"] = ["vital-signs"]
        if made.get("category") == [_VITAL_SIGNS]:
            del made["category"]


_OPENED: Mapping[str, Callable[[Any], None]] = {
    "AllergyIntolerance": _open_allergy,
    "DiagnosticReport": open_result,
    "Immunization": _open_immunization,
    "MedicationStatement": _open_medication,
    "Observation": _open_observation,
    "Procedure": _open_procedure,
}
