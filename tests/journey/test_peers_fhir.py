"""FHIR as others read it: fhir.resources over what we send to a server, fhirpy and fhirclient over what we answer."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhirclient.client import FHIRClient
from fhirclient.models.binary import Binary
from fhirclient.models.documentreference import DocumentReference
from fhirclient.models.patient import Patient
from fhirpy import SyncFHIRClient

from connector.demo import demo_document
from connector.endpoints.mllp_peer import send_messages
from connector.exchange.moments import Moment
from tests.journey.running_connector import SERVE, a_letter, running
from tests.waiting import eventually

WRITTEN = Moment("2026-01-05T10:15:00+01:00")


def document(number: int) -> bytes:
    """The CDA in `a_letter(…, number)`."""
    return demo_document(WRITTEN, f"1.2.250.1.213.1.4.10.9.99.{number}")


class Server(ThreadingHTTPServer):
    """Answers as FHIR servers do: a transaction-response for a transaction, an empty searchset for a search; records both."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.bundles: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.others: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/r4"


class Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        self.server.others.append(self.path)
        self._answer(200, {"resourceType": "Bundle", "type": "searchset", "total": 0})

    def do_POST(self) -> None:
        bundle = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bundles.append(bundle)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        made = [
            {
                "response": {
                    "status": "201 Created",
                    "location": f"{entry['request']['url']}/_history/1",
                    "etag": 'W/"1"',
                }
            }
            for entry in bundle["entry"]
        ]
        self._answer(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": made})

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.others.append(self.path)
        self._answer(
            201, {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]}
        )

    def _answer(self, status: int, resource: dict[str, Any]) -> None:
        body = json.dumps(resource).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def fhir_server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def send(told: dict[str, Any], *messages: bytes) -> list[str]:
    """Over MLLP; the codes answered."""
    import asyncio

    host, _, port = told["receivers"]["mllp"].rpartition(":")

    async def all_of_them() -> list[str]:
        return [
            ack.code async for answered in send_messages(host, int(port), messages, timeout=60) for ack in answered.acks
        ]

    return asyncio.run(all_of_them())


def test_a_fhir_server_of_others_gets_a_valid_transaction_with_the_exact_document(tmp_path: Path) -> None:
    with fhir_server() as server:
        with running(tmp_path, *SERVE, "--to", server.url) as told:
            assert send(told, a_letter("FHIR0001", 1)) == ["AA"]
            eventually(lambda: server.bundles)
        (bundle,) = server.bundles
    assert server.headers[0]["content-type"].startswith("application/fhir+json")
    read = Bundle.model_validate(bundle)
    assert read.type == "transaction"
    kinds = [entry.resource.get_resource_type() for entry in read.entry]
    assert {"Patient", "DocumentReference", "Binary", "Practitioner", "Organization", "Encounter"} <= set(kinds)
    assert all(entry.request.method == "PUT" for entry in read.entry)
    urls = [entry.fullUrl for entry in read.entry]
    assert len(set(urls)) == len(urls)
    expected = document(1)
    resources = [entry["resource"] for entry in bundle["entry"]]
    assert expected in [base64.b64decode(each["data"]) for each in resources if each["resourceType"] == "Binary"]
    (reference,) = [each for each in resources if each["resourceType"] == "DocumentReference"]
    attachment = reference["content"][0]["attachment"]
    assert (
        base64.b64decode(attachment["hash"]) == hashlib.sha1(expected, usedforsecurity=False).digest()
    )  # R4, Attachment.hash: SHA-1
    assert attachment["size"] == len(expected)
    assert attachment["url"] in {*urls, *named(bundle)}
    assert {name for name in references(bundle) if not name.startswith("#")} <= {*urls, *named(bundle)}


def references(value: Any) -> Iterator[str]:
    """Every reference in a resource or Bundle."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def named(bundle: dict[str, Any]) -> set[str]:
    return {f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in bundle["entry"]}


def test_the_same_letter_again_makes_the_same_transaction(tmp_path: Path) -> None:
    """Ids are derived: a server that is asked twice holds one document."""
    with fhir_server() as server:
        for folder in ("a", "b"):
            arguments = ("serve", "--json", "--mllp", 0, "--http", 0, "--to", server.url, "--data", folder)
            with running(tmp_path, *arguments) as told:
                before = len(server.bundles)
                assert send(told, a_letter("FHIR0002", 2)) == ["AA"]
                eventually(lambda before=before: len(server.bundles) > before)
    assert named(server.bundles[0]) == named(server.bundles[1])
    assert server.bundles[0] == server.bundles[1]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The FHIR address of a connector that has filed two letters."""
    import httpx

    folder = tmp_path_factory.mktemp("own")
    with running(folder, *SERVE) as told:
        assert send(told, a_letter("FHIR0003", 3), a_letter("FHIR0004", 4)) == ["AA", "AA"]
        address = f"{told['http']}/fhir"
        eventually(lambda: httpx.get(f"{address}/DocumentReference", trust_env=False).json().get("total") == 2)
        yield address


def test_fhirpy_reads_what_was_filed(base: str) -> None:
    client = SyncFHIRClient(base)
    statement = client.execute("metadata", method="get")
    assert statement["fhirVersion"] == "4.0.1"
    found = client.resources("DocumentReference").search(status="current").fetch_all()
    assert len(found) == 2
    patient = found[0]["subject"].to_resource()
    assert patient["name"][0]["family"] == "PAT-TROIS"
    by_ins = client.resources("Patient").search(identifier="urn:oid:1.2.250.1.213.1.4.10|279035121518989").fetch_all()
    assert [each["id"] for each in by_ins] == [patient["id"]]
    of_patient = client.resources("DocumentReference").search(patient=f"Patient/{patient['id']}").fetch_all()
    assert {each["id"] for each in of_patient} == {each["id"] for each in found}
    address = found[0]["content"][0]["attachment"]["url"]
    stored = client.reference("Binary", address.rsplit("/", 1)[1]).to_resource()
    assert base64.b64decode(stored["data"]) in (document(3), document(4))


def test_fhirclient_reads_what_was_filed(base: str) -> None:
    client = FHIRClient(settings={"app_id": "test", "api_base": f"{base}/"})
    client.prepare()
    found = list(DocumentReference.where({"status": "current"}).perform_resources_iter(client.server))
    assert len(found) == 2
    patient = Patient.read(found[0].subject.reference.rsplit("/", 1)[1], client.server)
    assert patient.birthDate.as_json() == "1979-03-28"
    stored = {Binary.read(each.content[0].attachment.url.rsplit("/", 1)[1], client.server).data for each in found}
    assert {base64.b64decode(data) for data in stored} == {document(3), document(4)}


def test_a_parameter_that_is_not_known_is_refused_and_others_read_why(base: str) -> None:
    from fhirpy.base.exceptions import OperationOutcome

    with pytest.raises(OperationOutcome) as refused:
        SyncFHIRClient(base).resources("DocumentReference").search(colour="red").fetch_all()
    assert refused.value.resource["issue"][0]["severity"] == "error"
