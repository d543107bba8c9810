"""CapabilityStatement, generated from what is answered: the types, their search parameters and interactions (R4 §2.20)."""

from __future__ import annotations

from connector.exchange.moments import Moment, to_iso
from connector.fhir.codec import Resource
from connector.fhir.search import PARAMETERS

__all__ = ["PATCHED", "capability"]

_INTERACTIONS = ("read", "vread", "update", "history-instance", "create", "search-type")
#: Types of which some elements may be changed by PATCH.
PATCHED = ("DocumentReference", "List")
_PROFILES = {
    "Patient": [
        "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient",
        "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins",
    ]
}


def capability(base_url: str, version: str, date: Moment) -> Resource:
    """The statement of the API at `base_url`; `date` is when it was generated."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": to_iso(date),
        "kind": "instance",
        "software": {"name": "MonSisra connector", "version": version},
        "implementation": {
            "description": "What the connector has filed, and the way in for exchanges",
            "url": base_url,
        },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml"],
        "rest": [
            {
                "mode": "server",
                "resource": [_resource(kind) for kind in sorted(PARAMETERS)],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }


def _resource(kind: str) -> Resource:
    searched = PARAMETERS[kind]
    made: Resource = {"type": kind}
    if kind in _PROFILES:
        made["supportedProfile"] = _PROFILES[kind]
    interactions = [each for each in _INTERACTIONS if searched or each != "search-type"]
    interactions += ["patch"] if kind in PATCHED else []
    made |= {
        "interaction": [{"code": each} for each in interactions],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": bool(searched),
        "conditionalRead": "full-support",
        "conditionalUpdate": bool(searched),
        "conditionalDelete": "not-supported",
        "referencePolicy": ["literal", "logical", "enforced", "local"],
    }
    if searched:
        made["searchInclude"] = _references(kind)
        made["searchRevInclude"] = [
            each
            for source in sorted(PARAMETERS)
            for each in _references(source)
            if kind in (PARAMETERS[source][each.partition(":")[2]].targets or (kind,))
        ]
        kinds = {"_id": "token", "_lastUpdated": "date", **{name: found.kind for name, found in searched.items()}}
        made["searchParam"] = [{"name": name, "type": type_} for name, type_ in sorted(kinds.items())]
        if not made["searchInclude"]:
            del made["searchInclude"]
    operation = "http://hl7.org/fhir/OperationDefinition/Resource-validate"
    made["operation"] = [{"name": "validate", "definition": operation}]
    return made


def _references(kind: str) -> list[str]:
    return [f"{kind}:{name}" for name, found in sorted(PARAMETERS[kind].items()) if found.kind == "reference"]
