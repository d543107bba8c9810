"""The profiles of FR Core that a Patient claims: 2.1.0, or 2.2.0 by setting (`fhir.core`), which names them with their version and fixes more of its identifiers."""

from __future__ import annotations

from connector.fhir.codec import Resource
from connector.fhir.filing import ABSENT

__all__ = ["claim_patient"]

FR_PATIENT = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient"
#: 2.2.0: type of identifier → (use, system, label) that the slice fixes; "" leaves it.
_SLICES = {
    "PI": ("usual", "", "Patient internal identifier"),
    "RRI": ("secondary", "", "Regional registry ID"),
    "INS-C": ("secondary", "urn:oid:1.2.250.1.213.1.4.2", "Identifiant National de Santé Calculé"),
    "NDP": ("secondary", "urn:oid:1.2.250.1.176.1.2", "Identifiant du patient au Dossier Pharmaceutique"),
}


def claim_patient(patient: Resource, version: str, *, ins: bool) -> list[str]:
    """Claim the profile (fr-core-patient-ins when `ins`) of a version of FR Core; the places below `identifier` that it filled."""
    profile = f"{FR_PATIENT}-ins" if ins else FR_PATIENT
    if version != "2.2.0":
        patient["meta"] = {"profile": [profile]}
        return _without_slice(patient)
    patient["meta"] = {"profile": [f"{each}|{version}" for each in dict.fromkeys((FR_PATIENT, profile))]}
    filled = _without_slice(patient)
    for number, identifier in enumerate(patient.get("identifier", ()), 1):
        coding: Resource = next(iter(identifier.get("type", {}).get("coding", ())), {})
        use, system, display = _SLICES.get(coding.get("code", ""), ("", "", ""))
        if use == "usual" and "end" in identifier.get("period", {}):
            use = "old"
        if "system" not in identifier and coding.get("code") in _SLICES:
            identifier |= {"system": system} if system else {"_system": ABSENT}
            filled += (
                [f"identifier[{number}].system"]
                if system
                else [f"identifier[{number}]._system.extension[1].{leaf}" for leaf in ("url", "valueCode")]
            )
        for node, name, value, place in (
            (identifier, "use", use, "use"), (coding, "display", display, "type.coding[1].display"),
        ):  # fmt: skip
            if value:
                node[name] = value
                filled.append(f"identifier[{number}].{place}")
    return filled


def _without_slice(patient: Resource) -> list[str]:
    """National numbers that are no INS (of a parent, of another person) lose the code of their type: its slices are those of the patient's own."""
    filled = []
    for number, identifier in enumerate(patient.get("identifier", ()), 1):
        if any(each.get("code") == "NH" for each in identifier.get("type", {}).get("coding", ())):
            identifier["type"] = {"text": "NH"}
            filled.append(f"identifier[{number}].type.text")
    return filled
