"""CapabilityStatement, generated from what is answered: the types, their search parameters and interactions (R4 §2.20)."""

from __future__ import annotations

from connector.exchange.moments import Moment, to_iso
from connector.fhir.codec import Resource
from connector.fhir.search import PARAMETERS

__all__ = ["capability"]

_INTERACTIONS = ("read", "search-type")
_PROFILES = {
    "Patient": [
        "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient",
        "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins",
    ]
}


def capability(base_url: str, version: str, date: Moment) -> Resource:
    """The statement of the read interface at `base_url`; `date` is when it was generated."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": to_iso(date),
        "kind": "instance",
        "software": {"name": "MonSisra connector", "version": version},
        "implementation": {"description": "Read access to what the connector has filed", "url": base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml"],
        "rest": [
            {
                "mode": "server",
                "resource": [_resource(kind) for kind in sorted(PARAMETERS)],
            }
        ],
    }


def _resource(kind: str) -> Resource:
    made: Resource = {"type": kind}
    if kind in _PROFILES:
        made["supportedProfile"] = _PROFILES[kind]
    interactions = _INTERACTIONS if PARAMETERS[kind] else _INTERACTIONS[:1]
    made["interaction"] = [{"code": each} for each in interactions]
    made["versioning"] = "versioned"
    parameters = {
        **dict.fromkeys(("_id",), "token"),
        "_lastUpdated": "date",
        **{name: parameter.kind for name, parameter in PARAMETERS[kind].items()},
    }
    if PARAMETERS[kind]:
        made["searchParam"] = [{"name": name, "type": type_} for name, type_ in sorted(parameters.items())]
    return made
