"""FHIR documents: posted to the API, found by what their entries say, delivered to a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from connector.endpoints.fhir_out import FhirOut, FhirOutSettings
from connector.exchange.attachment import Content
from connector.exchange.model import Exchange
from connector.fhir.codec import dump
from connector.fhir.validate import check_bundle
from connector.issues import IssueCode, Outcome
from connector.ports import Claimed, DeliveryFailed
from tests.fhir_kit import Api, api
from tests.golden.journeys_kit import context, translator
from tests.unit.endpoints.test_fhir_out import BASE, Server, claimed, deliver, endpoint
from tests.unit.fhir.site import ROOT, over_the_wire, run, write
from tests.waiting import until

pytestmark = pytest.mark.anyio
LETTER = msgspec.json.decode((ROOT / "tests/golden/fhir/structured-letter/exchange.json").read_bytes(), type=Exchange)
INS = "urn:oid:1.2.250.1.213.1.4.10|279035121518989"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path) as made:
        yield made


async def post(running: Api, resource: Any) -> Any:
    headers = {"Content-Type": "application/fhir+json"}
    return await running.http.post("/fhir", content=dump(resource), headers=headers)


def document() -> dict[str, Any]:
    return over_the_wire(write(LETTER, run(options={"shape": "document"})))


FOUND = [
    ("Composition", {"type": "11488-4", "section": "48765-2"}),
    ("Condition", {"code": "J45.9", "clinical-status": "active"}),
    ("Condition", {"verification-status": "refuted"}),
    ("AllergyIntolerance", {"code": "764146007", "category": "medication", "criticality": "high"}),
    ("MedicationStatement", {"code": "R03AC02", "status": "active", "effective": "ge2026-03-15"}),
    ("Immunization", {"vaccine-code": "J07BB02", "date": "2025-10-15", "lot-number": "LOT"}),
    ("Procedure", {"code": "HHFA001", "date": "2001-07"}),
    ("Observation", {"category": "vital-signs", "has-member.code": "8310-5"}),
    ("DiagnosticReport", {"code": "58410-2"}),
]


async def test_a_posted_document_is_filed_and_found_by_what_its_entries_say(running: Api) -> None:
    made = await post(running, document())
    assert made.status_code == 200, made.text
    assert len(made.json()["entry"]) == len(document()["entry"])
    for kind, criteria in FOUND:
        assert await running.count(kind, **{"patient.identifier": INS}, **criteria) == 1, (kind, criteria)


async def test_a_posted_document_is_an_exchange_of_its_identifier(running: Api) -> None:
    await post(running, document())
    (message,) = await running.messages()
    assert message["state"] == "translated"
    again = await post(running, document())
    assert again.status_code == 200
    assert await running.count("Composition") == 1, "the same document again is the same submission"


async def test_what_was_posted_is_delivered_as_a_cda(running: Api, tmp_path: Path) -> None:
    await post(running, document())
    await until(
        lambda: [
            file for file in (tmp_path / "documents").rglob("document.xml") if b"<structuredBody>" in file.read_bytes()
        ]
    )


async def test_relative_references_of_a_document_are_those_of_its_entries(running: Api) -> None:
    posted = document()
    names = {
        each["fullUrl"]: f"http://elsewhere.test/{each['resource']['resourceType']}/{n}"
        for n, each in enumerate(posted["entry"])
    }
    text = dump(posted).decode()
    for url, name in names.items():
        text = text.replace(f'"fullUrl":"{url}"', f'"fullUrl":"{name}"').replace(
            url, "/".join(name.rsplit("/", 2)[-2:])
        )
    headers = {"Content-Type": "application/fhir+json"}
    made = await running.http.post("/fhir", content=text.encode(), headers=headers)
    assert made.status_code == 200, made.text
    assert await running.count("Condition", **{"patient.identifier": INS}) == 3


def tree(options: dict[str, str]) -> Any:
    def made(delivery: Claimed, format_name: str) -> Outcome[Any]:
        assert delivery.exchange is not None
        return Outcome(write(delivery.exchange, run(options=options)))

    return made


async def test_each_document_is_put_as_a_bundle_of_its_own() -> None:
    server = Server()
    settings = FhirOutSettings(url=BASE, mode="documents")
    out = FhirOut(settings, endpoint(tree=tree({"shape": "document"})), httpx.MockTransport(server))
    (first,) = LETTER.documents
    second = msgspec.structs.replace(first, id="1.2.250.1.213.1.4.10.9.42^LETTRE-9")
    receipt = await deliver(out, msgspec.structs.replace(LETTER, documents=(first, second)))
    sent = [msgspec.json.decode(each.content) for each in server.requests]
    assert [each.method for each in server.requests] == ["PUT", "PUT"]
    assert receipt.reference.splitlines() == [f"{BASE}/Bundle/{each['id']}" for each in sent]
    assert [each["identifier"]["value"] for each in sent] == ["LETTRE-1", "LETTRE-9"]
    assert [check_bundle(each) for each in sent] == [[], []]


async def test_without_a_document_there_is_none_to_send() -> None:
    out = FhirOut(FhirOutSettings(url=BASE, mode="documents"), endpoint(tree=tree({})), httpx.MockTransport(Server()))
    with pytest.raises(DeliveryFailed) as failed:
        await deliver(out, Exchange(mode="conversation"))
    assert failed.value.issue.code == IssueCode.DOCUMENT_MISSING.name


def test_sections_are_not_for_submissions() -> None:
    with pytest.raises(ValueError, match="sections"):
        FhirOutSettings(url=BASE, mode="submission", sections=True)


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ({"store": "local"}, {"DocumentReference"}),
        ({"store": "local", "sections": True}, {"DocumentReference", "Composition", "Condition"}),
        ({"url": "http://127.0.0.1:9/fhir", "mode": "documents"}, {"Composition", "Condition"}),
    ],
    ids=["plain", "sections", "documents"],
)
async def test_a_destination_gets_the_sections_that_it_asks_for(
    tmp_path: Path, asked: dict[str, Any], kinds: set[str]
) -> None:
    converted = translator().convert(dump(document()), "fhir", "cda", context()).value
    (letter,) = LETTER.documents
    cda = msgspec.structs.replace(letter, sections=(), content=Content(media_type="text/xml", data=converted))
    delivery = claimed(msgspec.structs.replace(LETTER, documents=(cda,)))
    async with api(tmp_path, destinations={"fhir": {"kind": "fhir", **asked}}) as made:
        bundle = made.application.tree(delivery, "fhir").value
    found = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert found & {"DocumentReference", "Composition", "Condition"} == kinds
