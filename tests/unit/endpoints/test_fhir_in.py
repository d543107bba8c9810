"""The FHIR read interface, asked as a client asks it."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from connector.endpoints.fhir_in import FhirInSettings, fhir_app
from connector.endpoints.fhir_out.local import LocalFiling
from connector.fhir.search import Query
from connector.fhir.validate import validate
from connector.fhir.xml import load_xml
from connector.ports import JournalUnavailable
from connector.store.documents import SqlDocuments
from connector.store.journal import SqlJournal
from tests.journal_kit import HandClock
from tests.unit.fhir.site import DATA, EXCHANGE, NOW, MemoryStore, write

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlDocuments]:
    journal = SqlJournal(str(tmp_path / "j.db"), clock=HandClock())
    documents = SqlDocuments(journal)
    await journal.start()
    filing = LocalFiling(documents)
    indexed, blobs, _ = await filing.prepare(write(EXCHANGE))
    await filing.put(indexed, blobs)
    yield documents
    await journal.stop()


def client(store: Any, **settings: Any) -> httpx.AsyncClient:
    app = fhir_app(store, now=lambda: str(NOW), version="0.0", settings=FhirInSettings(**settings))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://fhir.example")


async def only(store: SqlDocuments, kind: str) -> str:
    (found,) = (await store.search(Query(kind))).resources
    return str(found["id"])


async def test_metadata_is_a_capability_statement(store: SqlDocuments) -> None:
    async with client(store) as http:
        answer = await http.get("/metadata")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/fhir+json")
    assert validate(answer.json()) == []
    assert answer.json()["implementation"]["url"] == "http://fhir.example"


async def test_a_resource_is_read_with_its_version(store: SqlDocuments) -> None:
    identity = await only(store, "DocumentReference")
    async with client(store) as http:
        answer = await http.get(f"/DocumentReference/{identity}")
        again = await http.get(f"/DocumentReference/{identity}", headers={"If-None-Match": answer.headers["etag"]})
        of_version = await http.get(f"/DocumentReference/{identity}/_history/1")
        of_other = await http.get(f"/DocumentReference/{identity}/_history/9")
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"1"')
    assert answer.headers["last-modified"] == "Sun, 01 Mar 2026 00:00:00 GMT"
    assert validate(answer.json()) == []
    assert answer.json()["subject"]["reference"].startswith("Patient/")
    assert (again.status_code, again.content) == (304, b"")
    assert (of_version.status_code, of_other.status_code) == (200, 404)


async def test_a_document_is_found_by_the_ins_and_its_bytes_are_those_that_were_sent(store: SqlDocuments) -> None:
    async with client(store) as http:
        answer = await http.get(
            "/DocumentReference",
            params={"patient.identifier": "urn:oid:1.2.250.1.213.1.4.10|279035121518989", "status": "current"},
        )
        bundle = answer.json()
        attachment = bundle["entry"][0]["resource"]["content"][0]["attachment"]
        document = await http.get(f"/{attachment['url']}")
        as_resource = await http.get(f"/{attachment['url']}", headers={"Accept": "application/fhir+json"})
    assert (bundle["type"], bundle["total"]) == ("searchset", 1)
    assert validate(bundle) == []
    assert document.content == DATA
    assert document.headers["content-type"] == "text/xml"
    assert document.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in document.headers["content-security-policy"]
    assert document.headers["content-disposition"] == "attachment"
    assert validate(as_resource.json()) == []
    assert as_resource.json()["contentType"] == "text/xml"


async def test_a_search_may_be_posted_so_that_nothing_stands_in_the_address(store: SqlDocuments) -> None:
    async with client(store) as http:
        answer = await http.post("/Patient/_search", data={"family": "pat-trois"})
        wrong = await http.post("/Patient/_search", json={"family": "pat-trois"})
        huge = await http.post("/Patient/_search", data={"family": "x" * 70_000})
    assert answer.json()["total"] == 1
    assert (wrong.status_code, huge.status_code) == (415, 413)


async def test_pages_are_linked(store: SqlDocuments) -> None:
    async with client(store, base_url="https://public.example/fhir/") as http:
        first = (await http.get("/Practitioner", params={"_count": "1"})).json()
        links = {link["relation"]: link["url"] for link in first["link"]}
        second = (await http.get("/Practitioner", params=httpx.URL(links["next"]).params)).json()
        none = (await http.get("/Practitioner", params={"_count": "0"})).json()
    assert links["next"].startswith("https://public.example/fhir/Practitioner?_count=1&_cursor=")
    assert {link["relation"] for link in second["link"]} == {"self"}
    assert first["entry"][0]["resource"]["id"] != second["entry"][0]["resource"]["id"]
    assert first["entry"][0]["fullUrl"].startswith("https://public.example/fhir/Practitioner/")
    assert (none["total"], "entry" in none) == (2, False)


@pytest.mark.parametrize(
    ("accept", "parameters", "media"),
    [
        ("application/fhir+xml", {}, "application/fhir+xml"),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", {}, "application/fhir+json"),
        ("application/json;q=0.5, application/fhir+xml", {}, "application/fhir+xml"),
        ("*/*", {"_format": "xml"}, "application/fhir+xml"),
        ("application/fhir+xml", {"_format": "json"}, "application/fhir+json"),
        ("*/*", {"_format": "application/fhir+xml"}, "application/fhir+xml"),
    ],
)
async def test_json_or_xml_as_it_is_asked(
    store: SqlDocuments, accept: str, parameters: Mapping[str, str], media: str
) -> None:
    async with client(store) as http:
        answer = await http.get("/Patient", headers={"Accept": accept}, params=parameters)
    assert answer.headers["content-type"].split(";")[0] == media
    if media.endswith("xml"):
        read = load_xml(answer.content).value
        assert read is not None
        assert validate(read) == []


async def test_pretty_json_and_gzip(store: SqlDocuments) -> None:
    async with client(store) as http:
        pretty = await http.get("/Patient", params={"_pretty": "true"})
        request = http.build_request("GET", "/Patient", headers={"Accept-Encoding": "gzip"})
        packed = await http.send(request, stream=True)
        raw = b"".join([part async for part in packed.aiter_raw()])
    assert b'\n  "resourceType"' in pretty.content
    assert packed.headers["content-encoding"] == "gzip"
    assert orjson.loads(gzip.decompress(raw))["total"] == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Patient/nobody", 404),
        ("GET", "/Binary/nobody", 404),
        ("GET", "/Observatio", 404),
        ("GET", "/Observation/1", 404),
        ("GET", "/DocumentReference/../../admin", 404),
        ("GET", "/DocumentReference/%2e%2e/%2e%2e/admin", 404),
        ("GET", "/Patient/a/b/c/d", 404),
        ("GET", "/", 405),
        ("GET", "/Patient?nam=x", 400),
        ("GET", "/Patient?_include=*", 400),
        ("GET", "/DocumentReference?date=yesterday", 400),
        ("GET", "/Binary", 400),
        ("POST", "/Patient", 415),
        ("PUT", "/Patient/a", 415),
        ("PUT", "/Patient", 415),
        ("PATCH", "/Patient/a", 405),
        ("GET", "/metadata/a/b/c", 404),
        ("DELETE", "/Patient/a", 405),
        ("GET", "/Patient?_format=text/turtle", 406),
    ],
)
async def test_every_trouble_is_an_operation_outcome(store: SqlDocuments, method: str, path: str, status: int) -> None:
    async with client(store) as http:
        answer = await http.request(method, path)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert validate(answer.json()) == []


async def test_an_accept_that_is_neither_json_nor_xml_is_refused_in_json(store: SqlDocuments) -> None:
    async with client(store) as http:
        answer = await http.get("/Patient", headers={"Accept": "text/turtle"})
    assert (answer.status_code, answer.json()["resourceType"]) == (406, "OperationOutcome")


async def test_texts_are_french_for_who_asks_in_french(store: SqlDocuments) -> None:
    async with client(store) as http:
        answer = await http.get("/Patient/x", headers={"Accept-Language": "fr-FR"})
    assert "ressource inconnue" in answer.json()["issue"][0]["details"]["text"]


class Failing(MemoryStore):
    """A store with a fault of its own."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def get(self, resource_type: str, resource_id: str) -> Mapping[str, Any] | None:
        raise self.error

    async def changes(self) -> AsyncIterator[str]:
        yield ""


async def test_a_store_that_is_away_may_be_asked_again() -> None:
    async with client(Failing(JournalUnavailable("down"))) as http:
        answer = await http.get("/Patient/x")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["issue"][0]["code"] == "transient"


async def test_our_own_mistake_is_told_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async with client(Failing(RuntimeError("CANARI"))) as http:
        answer = await http.get("/Patient/x")
    assert answer.status_code == 500
    assert "CANARI" not in answer.text + caplog.text
    assert "RuntimeError at test_fhir_in.py" in caplog.text
    assert "RuntimeError" in answer.text


async def test_links_lead_back_to_where_the_api_is_mounted(store: SqlDocuments) -> None:
    app = fhir_app(store, now=lambda: str(NOW), version="0.0", settings=FhirInSettings())
    mounted = Starlette(routes=[Mount("/fhir", app)])
    transport = httpx.ASGITransport(app=mounted)
    async with httpx.AsyncClient(transport=transport, base_url="http://fhir.example") as http:
        bundle = (await http.get("/fhir/DocumentReference")).json()
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert links["self"].startswith("http://fhir.example/fhir/DocumentReference")
        assert (await http.get(bundle["entry"][0]["fullUrl"])).status_code == 200
        assert (await http.get("/fhir/metadata")).json()["implementation"]["url"] == "http://fhir.example/fhir"
