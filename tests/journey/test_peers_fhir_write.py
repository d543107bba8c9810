"""The FHIR API written to by clients of others, unmodified: fhirpy and fhirclient against a connector that runs as a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.documentreference import DocumentReference
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

from tests.fhir_kit import INS, document, patient, submission
from tests.journey.running_connector import COMMAND, SERVE, environment, running
from tests.waiting import eventually


class Place:
    """A running connector: its FHIR address and its folder."""

    def __init__(self, base: str, folder: Path) -> None:
        self.base = base
        self.folder = folder

    def journal(self, *arguments: str) -> Any:
        """What `connector journal …` says."""
        done = subprocess.run(
            [*COMMAND, "--json", "journal", *arguments, "--data", "d"],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("written")
    with running(folder, *SERVE) as told:
        yield Place(f"{told['http']}/fhir", folder)


def traits(family: str) -> dict[str, Any]:
    """A Patient's elements without its type."""
    return {name: value for name, value in patient("253072B07300470", family).items() if name != "resourceType"}


def test_fhirpy_creates_updates_searches_and_follows_pages(place: Place) -> None:
    client = SyncFHIRClient(place.base)
    made = client.resource("Patient", **traits(family="PY"))
    made.save()
    assert made["meta"]["versionId"] == "1"
    made["gender"] = "male"
    made.save()
    assert made["meta"]["versionId"] == "2"
    same, created = (
        client.resources("Patient")
        .search(identifier=f"{INS}|253072B07300470")
        .get_or_create(client.resource("Patient", **traits(family="AUTRE")))
    )
    assert (same["id"], created) == (made["id"], False)
    for number in range(7):
        client.resource(
            "Observation",
            status="final",
            code={"text": f"n{number}"},
            subject=made.to_reference(),
            effectiveDateTime=f"2026-01-0{number + 1}",
        ).save()
    found = client.resources("Observation").search(patient=made["id"]).sort("-date").limit(3)
    assert [each["code"]["text"] for each in found] == ["n6", "n5", "n4", "n3", "n2", "n1", "n0"], (
        "iterating follows next links"
    )
    assert found.count() == 7
    with_patient = (
        client.resources("Observation")
        .search(patient=made["id"], date__ge="2026-01-07")
        .include("Observation", "patient")
        .fetch_raw()
    )
    assert [each["resource"]["resourceType"] for each in with_patient["entry"]] == ["Observation", "Patient"]
    assert made.is_valid()
    assert not client.resource("Patient", gender="banana").is_valid()
    with pytest.raises(OperationOutcome):
        client.resource(
            "Observation", status="final", code={"text": "x"}, subject={"reference": "Patient/nobody"}
        ).save()
    with pytest.raises(ResourceNotFound):
        client.reference("Patient", "nobody").to_resource()
    with pytest.raises(OperationOutcome):
        made.delete()


def test_fhirpy_submits_a_document_and_the_journal_tells_where_it_went(place: Place) -> None:
    client = SyncFHIRClient(place.base)
    answer = client.execute("", method="post", data=submission(21))
    assert [each["response"]["status"] for each in answer["entry"]][:3] == ["201 Created"] * 3
    found = (
        client.resources("DocumentReference")
        .search(**{"patient.identifier": f"{INS}|279035121518989", "status": "current"})
        .first()
    )
    assert found is not None
    assert found["masterIdentifier"]["value"].endswith(".21")
    text = place.folder / "d" / "documents"
    assert eventually(lambda: [path for path in text.rglob("document.txt") if path.read_bytes() == b"Compte rendu"])
    again = client.execute("", method="post", data=submission(21))
    assert again["entry"][1]["response"]["location"] == answer["entry"][1]["response"]["location"]


def test_fhirclient_creates_updates_reads_back_and_pages(place: Place) -> None:
    client = FHIRClient(settings={"app_id": "test", "api_base": f"{place.base}/"})
    client.prepare()
    made = Patient(patient("1790351215189", family="CLIENT"))
    told = made.create(client.server)
    assert told["resourceType"] == "Patient"
    read = Patient.read(told["id"], client.server)
    assert read.name[0].family == "CLIENT"
    read.gender = "other"
    assert read.update(client.server)["meta"]["versionId"] == "2"
    for number in range(5):
        Observation(
            {"status": "final", "code": {"text": f"c{number}"}, "subject": {"reference": f"Patient/{read.id}"}}
        ).create(client.server)
    search = Observation.where({"patient": read.id, "_count": "2"})
    assert len(list(search.perform_resources_iter(client.server))) == 5
    bundle = Bundle(submission(22))
    answer = client.server.post_json("", bundle.as_json()).json()
    assert answer["type"] == "transaction-response"
    included = next(
        DocumentReference.where({"identifier": "urn:oid:1.2.250.1.213.1.4.10.9.77.22"})
        .include("subject")
        .perform_iter(client.server)
    )
    assert [type(entry.resource).__name__ for entry in included.entry] == ["DocumentReference", "Patient"]
    one = DocumentReference(document(23, b"seul", subject={"reference": f"Patient/{included.entry[1].resource.id}"}))
    kept = DocumentReference(one.create(client.server))
    assert kept.content[0].attachment.size == 4
