"""Which profiles of FR Core a Patient claims, by version."""

from __future__ import annotations

from typing import Any

import pytest

from connector.fhir.fr_core import FR_PATIENT, claim_patient


def typed(code: str, **rest: Any) -> dict[str, Any]:
    return {"type": {"coding": [{"code": code}]}, "value": "1", **rest}


@pytest.mark.parametrize(
    ("version", "ins", "profiles"),
    [
        ("", False, [FR_PATIENT]),
        ("2.1.0", True, [f"{FR_PATIENT}-ins"]),
        ("2.2.0", False, [f"{FR_PATIENT}|2.2.0"]),
        ("2.2.0", True, [f"{FR_PATIENT}|2.2.0", f"{FR_PATIENT}-ins|2.2.0"]),
    ],
)
def test_the_profiles_of_each_version(version: str, ins: bool, profiles: list[str]) -> None:
    patient: dict[str, Any] = {"identifier": [typed("PI")]}
    claim_patient(patient, version, ins=ins)
    assert patient["meta"]["profile"] == profiles
    assert ("use" in patient["identifier"][0]) == (version == "2.2.0")


def test_2_2_0_fixes_use_system_and_label_of_identifiers() -> None:
    patient = {
        "identifier": [
            typed("PI", system="urn:oid:1.2.3.4"),
            typed("PI", system="urn:oid:1.2.3.5", period={"end": "2020"}),
            typed("INS-C"),
            typed("PI"),
            typed("NH"),
        ]
    }
    filled = claim_patient(patient, "2.2.0", ins=False)
    first, former, calculated, local, social = patient["identifier"]
    assert (first["use"], former["use"], calculated["use"]) == ("usual", "old", "secondary")
    assert calculated["system"] == "urn:oid:1.2.250.1.213.1.4.2"
    assert "_system" in local
    assert social["type"] == {"text": "NH"}
    assert "identifier[1].use" in filled
    assert "identifier[5].type.text" in filled
