"""A biology report over MLLP, read from the FHIR API by fhirpy, a client of others."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from fhirpy import SyncFHIRClient

from tests.conftest import ROOT
from tests.journey.running_connector import SERVE, running
from tests.journey.test_peers_fhir import send
from tests.waiting import eventually

REPORT = ROOT / "tests" / "golden" / "hl7" / "ORU_R01" / "biology" / "in.hl7"


def code(resource: Any) -> str:
    return str(resource["code"]["coding"][0]["code"])


def test_results_sent_over_mllp_are_read_by_a_fhir_client(tmp_path: Path) -> None:
    with running(tmp_path, *SERVE) as told:
        client = SyncFHIRClient(f"{told['http']}/fhir")
        assert send(told, REPORT.read_bytes()) == ["AA"]
        eventually(lambda: client.resources("DiagnosticReport").count() == 2)
        patient = client.resources("Patient").search(identifier="urn:oid:1.2.250.1.999.1|4242").first()
        assert patient is not None
        reports = client.resources("DiagnosticReport").search(patient=patient["id"]).fetch_all()
        blood, germs = sorted(reports, key=code, reverse=True)
        assert [(code(each), each["status"]) for each in (blood, germs)] == [
            ("58410-2", "final"),
            ("18725-2", "preliminary"),
        ]
        assert client.resources("Observation").search(patient=patient["id"]).count() == 11
        results = {code(each): each for each in (reference.to_resource() for reference in blood["result"])}
        assert results["718-7"]["valueQuantity"]["value"] == 11.2
        assert results["718-7"]["interpretation"][0]["coding"][0]["code"] == "L"
        asked = blood["basedOn"][0].to_resource()
        assert asked["identifier"][0]["value"] == "H7-PRESC"
        doctor = asked["requester"].to_resource()["practitioner"].to_resource()
        assert doctor["name"][0]["family"] == "ESSAI"
        found = client.resources("DiagnosticReport").search(**{"based-on": f"ServiceRequest/{asked['id']}"}).fetch_all()
        assert [each["id"] for each in found] == [blood["id"]]
        file = client.reference("Binary", germs["presentedForm"][0]["url"].rpartition("/")[2]).to_resource()
        assert base64.b64decode(file["data"]).startswith(b"%PDF")
