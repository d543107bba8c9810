"""FHIR as a destination: a server that answers in every way, and the connector's own store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from connector.endpoints import Endpoint
from connector.endpoints.fhir_out import KIND, FhirOut, FhirOutSettings, retry_of
from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.fhir.codec import dump
from connector.fhir.search import IndexRow
from connector.fhir.validate import validate
from connector.issues import Issue, IssueCode, Outcome, Severity
from connector.ports import Claimed, DeliveryFailed, JournalUnavailable, Receipt, Retry
from tests.unit.fhir.site import DATA, EXCHANGE, NOW, MemoryStore, over_the_wire, write

pytestmark = pytest.mark.anyio
BASE = "http://127.0.0.1:9/fhir"
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class FixedClock:
    def now(self) -> str:
        return str(NOW)

    def monotonic(self) -> float:
        return 0.0


def claimed(exchange: Exchange = EXCHANGE) -> Claimed:
    return Claimed(
        delivery_id=1,
        message_id=1,
        destination="fhir",
        key="k",
        attempts=0,
        resent=False,
        control_id="MSG00001",
        type="MDM^T02",
        raw=b"MSH",
        exchange=exchange,
    )


def tree(delivery: Claimed, format_name: str) -> Outcome[Any]:
    assert format_name == "fhir"
    assert delivery.exchange is not None
    return Outcome(write(delivery.exchange))


def endpoint(**changes: Any) -> Endpoint:
    return Endpoint(**{"name": "fhir", "clock": FixedClock(), "tree": tree, **changes})


class Server:
    """Answers like a FHIR server; `answers` by method and path prefix take precedence."""

    def __init__(self, answers: Mapping[tuple[str, str], Answer] | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self.answers = answers or {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        for (method, path), answer in self.answers.items():
            if request.method == method and request.url.path.startswith(path):
                return answer(request)
        if request.method == "GET":
            return httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset"})
        return httpx.Response(200, json={"resourceType": "Bundle", "type": "transaction-response"})

    def sender(self, **settings: Any) -> FhirOut:
        return FhirOut(FhirOutSettings(**{"url": BASE, **settings}), endpoint(), httpx.MockTransport(self))

    @property
    def asked(self) -> list[str]:
        return [f"{each.method} {each.url.path}" for each in self.requests]


async def deliver(sender: FhirOut, exchange: Exchange = EXCHANGE) -> Receipt:
    stamped: list[int] = []

    async def before_send() -> None:
        stamped.append(1)

    try:
        return await sender.deliver(claimed(exchange), before_send)
    finally:
        await sender.close()


async def test_a_transaction_is_posted_to_the_base_and_the_documents_are_named() -> None:
    server = Server()
    receipt = await deliver(server.sender(token=None))
    post = server.requests[-1]
    assert (post.method, str(post.url)) == ("POST", BASE)
    assert post.headers["content-type"] == "application/fhir+json"
    body = orjson.loads(post.content)
    assert validate(body) == []
    assert receipt.sent == post.content
    assert receipt.reference.startswith(f"{BASE}/DocumentReference/")
    assert "transaction-response" in receipt.answer.decode()


async def test_the_same_delivery_twice_is_the_same_bytes() -> None:
    first, second = Server(), Server()
    await deliver(first.sender())
    await deliver(second.sender())
    assert first.requests[-1].content == second.requests[-1].content


async def test_a_large_document_is_put_on_its_own_as_it_is() -> None:
    server = Server()
    await deliver(server.sender(binary_limit=10))
    put = next(each for each in server.requests if each.method == "PUT")
    body = orjson.loads(server.requests[-1].content)
    assert (put.content, put.headers["content-type"]) == (DATA, "text/xml")
    assert not [each for each in body["entry"] if each["resource"]["resourceType"] == "Binary"]
    document = next(e["resource"] for e in body["entry"] if e["resource"]["resourceType"] == "DocumentReference")
    assert put.url.path.endswith(document["content"][0]["attachment"]["url"])


async def test_servers_without_transactions_get_one_put_a_resource_targets_first() -> None:
    server = Server()
    await deliver(server.sender(mode="puts", supersede=False))
    kinds = [path.split("/")[2] for path in server.asked]
    assert {path.split(" ")[0] for path in server.asked} == {"PUT"}
    assert kinds.index("Practitioner") < kinds.index("PractitionerRole") < kinds.index("DocumentReference")
    role = next(each for each in server.requests if "/PractitionerRole/" in each.url.path)
    assert orjson.loads(role.content)["practitioner"]["reference"].startswith("Practitioner/")


async def test_the_replaced_document_is_superseded_in_the_same_transaction() -> None:
    old = {
        "resourceType": "DocumentReference",
        "id": "old",
        "meta": {"versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z", "profile": ["http://p"]},
        "status": "current",
        "content": [{"attachment": {"title": "x"}}],
    }
    answer = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": old}]}
    server = Server({("GET", "/fhir/DocumentReference"): lambda request: httpx.Response(200, json=answer)})
    await deliver(server.sender())
    assert server.requests[0].url.params["identifier"] == "urn:oid:1.2.250.1.213.1.1.9|ABB"
    entry = orjson.loads(server.requests[-1].content)["entry"][-1]
    assert entry["request"] == {"method": "PUT", "url": "DocumentReference/old", "ifMatch": 'W/"3"'}
    assert entry["resource"]["status"] == "superseded"
    assert entry["resource"]["meta"] == {"profile": ["http://p"]}


async def test_a_server_that_cannot_search_is_no_reason_to_fail() -> None:
    server = Server({("GET", "/"): lambda request: httpx.Response(404)})
    receipt = await deliver(server.sender())
    assert [issue.code for issue in receipt.issues] == ["DOCUMENT_NOT_FOUND"]


async def test_a_token_is_read_again_at_each_delivery(tmp_path: Path) -> None:
    file = tmp_path / "token"
    seen = []
    for text in ("one", "two"):
        file.write_text(text + "\n")
        server = Server()
        await deliver(server.sender(token=f"file:{file}", supersede=False))
        seen.append(server.requests[0].headers["authorization"])
    assert seen == ["Bearer one", "Bearer two"]


async def test_a_token_that_cannot_be_read_may_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(DeliveryFailed) as failed:
        await deliver(Server().sender(token=f"file:{tmp_path}/none"))
    assert failed.value.retry is Retry.SAFE


@pytest.mark.parametrize(
    ("status", "retry"),
    [
        (301, Retry.NEVER),
        (400, Retry.NEVER),
        (401, Retry.SAFE),
        (403, Retry.NEVER),
        (404, Retry.NEVER),
        (409, Retry.SAFE),
        (412, Retry.SAFE),
        (413, Retry.NEVER),
        (422, Retry.NEVER),
        (429, Retry.SAFE),
        (500, Retry.SAFE),
        (501, Retry.NEVER),
        (502, Retry.AMBIGUOUS),
        (503, Retry.SAFE),
        (504, Retry.AMBIGUOUS),
    ],
)
async def test_a_status_says_whether_it_may_be_sent_again(status: int, retry: Retry) -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "processing", "diagnostics": "CANARI"}],
    }
    server = Server({("POST", "/"): lambda request: httpx.Response(status, json=outcome)})
    with pytest.raises(DeliveryFailed) as failed:
        await deliver(server.sender())
    failure = failed.value
    assert (failure.retry, failure.park) == (retry, retry is Retry.NEVER)
    assert retry_of(status) is retry
    assert f"HTTP {status}" in failure.issue.text()
    assert "CANARI" not in failure.issue.text()
    assert b"CANARI" in failure.answer, "the peer's words are kept for a person"


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (httpx.ConnectError, Retry.SAFE),
        (httpx.ConnectTimeout, Retry.SAFE),
        (httpx.ReadTimeout, Retry.AMBIGUOUS),
        (httpx.WriteTimeout, Retry.AMBIGUOUS),
        (httpx.RemoteProtocolError, Retry.AMBIGUOUS),
        (httpx.ReadError, Retry.AMBIGUOUS),
    ],
)
async def test_a_lost_connection_is_ambiguous_once_something_left(
    error: type[httpx.TransportError], retry: Retry
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error("CANARI")

    with pytest.raises(DeliveryFailed) as failed:
        await deliver(Server({("POST", "/"): fail}).sender())
    assert failed.value.retry is retry
    assert "CANARI" not in failed.value.issue.text()


async def test_a_question_without_answer_leaves_nothing_in_doubt() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("x")

    server = Server({("GET", "/"): fail})
    with pytest.raises(DeliveryFailed) as failed:
        await deliver(server.sender())
    assert failed.value.retry is Retry.SAFE
    assert server.asked == ["GET /fhir/DocumentReference"]


async def test_a_success_that_cannot_be_read_is_told() -> None:
    server = Server({("POST", "/"): lambda request: httpx.Response(200, text="ok")})
    receipt = await deliver(server.sender())
    assert "ANSWER_UNREADABLE" in [issue.code for issue in receipt.issues]


async def test_what_is_no_fhir_is_parked_before_anything_leaves() -> None:
    server = Server()
    bad = over_the_wire(write(EXCHANGE))
    bad["entry"][0]["resource"]["gender"] = "banana"
    sender = FhirOut(FhirOutSettings(url=BASE), endpoint(tree=lambda *_: Outcome(bad)), httpx.MockTransport(server))
    with pytest.raises(DeliveryFailed) as failed:
        await deliver(sender)
    assert (failed.value.retry, failed.value.park, server.requests) == (Retry.NEVER, True, [])
    assert failed.value.issue.code == "FHIR_INVALID"


@pytest.mark.parametrize(("chosen", "asked"), [("off", 0), ("sampled", 2), ("always", 25)])
async def test_the_models_judge_as_often_as_the_site_says(
    chosen: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def models(bundle: Any) -> list[Issue]:
        seen.append(bundle)
        return []

    monkeypatch.setattr("connector.endpoints.fhir_out.sender.validate", models)
    sender = Server().sender(models=chosen)
    for _ in range(25):
        await deliver(sender)
    assert len(seen) == asked


async def test_what_the_models_refuse_is_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = [Issue.of(Severity.ERROR, IssueCode.FHIR_INVALID, "Bundle", expected="a model")]
    monkeypatch.setattr("connector.endpoints.fhir_out.sender.validate", lambda _: refused)
    with pytest.raises(DeliveryFailed) as failed:
        await deliver(Server().sender(models="always"))
    assert (failed.value.park, failed.value.issue.code) == (True, "FHIR_INVALID")


async def test_what_cannot_be_written_is_parked_with_its_reason() -> None:
    reason = Issue.of(Severity.ERROR, IssueCode.DOCUMENT_MISSING)
    sender = FhirOut(FhirOutSettings(url=BASE), endpoint(tree=lambda *_: Outcome(None, (reason,))))
    with pytest.raises(DeliveryFailed) as failed:
        await deliver(sender)
    assert (failed.value.issue, failed.value.park) == (reason, True)


async def test_bytes_are_enough_when_no_tree_is_given() -> None:
    server = Server()
    made = endpoint(tree=None, write=lambda delivery, _: Outcome(dump(write(EXCHANGE))))
    await deliver(FhirOut(FhirOutSettings(url=BASE), made, httpx.MockTransport(server)))
    assert orjson.loads(server.requests[-1].content)["type"] == "transaction"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"store": "local", "url": BASE},
        {"url": "ftp://x"},
        {"url": "http://fhir.example/r4"},
        {"url": "https://user:secret@fhir.example"},
        {"url": "https://fhir.example?x=1"},
        {"url": BASE, "token": "a-literal-secret"},
        {"url": BASE, "unknown": "x"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FhirOutSettings(**options)


def test_clear_text_needs_a_reason() -> None:
    assert FhirOutSettings(url="http://fhir.example/r4", insecure="closed network").url


def test_the_kind_is_installed_and_each_setting_described() -> None:
    assert KIND.build(FhirOutSettings(url=BASE), endpoint())
    assert all(field.description for field in FhirOutSettings.model_fields.values())


# --- the connector's own store


def local(store: MemoryStore) -> FhirOut:
    return FhirOut(FhirOutSettings(store="local"), endpoint(documents=store))


def document(**changes: Any) -> Exchange:
    made = Document(id="1.2.250.1.9^A", title="A", content=Content(media_type="text/plain", data=b"abc"), **changes)
    return Exchange(intent="submit", patient=EXCHANGE.patient, documents=(made,))


def status_of(store: MemoryStore, identifier: str) -> str:
    found = [each for (kind, _), each in store.kept.items() if kind == "DocumentReference"]
    return next(each["status"] for each in found if each["masterIdentifier"]["value"] == identifier)


async def test_documents_are_filed_with_relative_references_and_their_bytes_apart() -> None:
    store = MemoryStore()
    receipt = await deliver(local(store))
    assert store.puts == 1, "all or none"
    assert receipt.reference.startswith("DocumentReference/")
    kept = store.kept["DocumentReference", receipt.reference.partition("/")[2]]
    assert kept["subject"]["reference"].startswith("Patient/")
    binary = kept["content"][0]["attachment"]["url"].removeprefix("Binary/")
    assert store.blobs[binary] == DATA
    assert "data" not in store.kept["Binary", binary]


async def test_a_second_delivery_files_the_same_resources() -> None:
    store = MemoryStore()
    await deliver(local(store))
    first = set(store.kept)
    await deliver(local(store))
    assert set(store.kept) == first


async def test_a_replacement_supersedes_what_is_filed() -> None:
    store = MemoryStore()
    await deliver(local(store), document())
    new = replace(document(), documents=(Document(id="1.2.250.1.9^B", replaces="1.2.250.1.9^A", title="B"),))
    receipt = await deliver(local(store), new)
    assert (status_of(store, "A"), status_of(store, "B")) == ("superseded", "current")
    assert receipt.issues == ()
    later = store.kept["DocumentReference", receipt.reference.partition("/")[2]]
    assert later["relatesTo"][0]["target"]["reference"].startswith("DocumentReference/")


async def test_the_original_that_arrives_after_its_replacement_is_not_current() -> None:
    store = MemoryStore()
    new = replace(document(), documents=(Document(id="1.2.250.1.9^B", replaces="1.2.250.1.9^A", title="B"),))
    receipt = await deliver(local(store), new)
    assert [issue.code for issue in receipt.issues] == ["DOCUMENT_NOT_FOUND"]
    await deliver(local(store), document())
    assert (status_of(store, "A"), status_of(store, "B")) == ("superseded", "current")


async def test_a_resent_original_does_not_come_back_to_life() -> None:
    store = MemoryStore()
    await deliver(local(store), document())
    await deliver(local(store), replace(document(), intent="delete"))
    await deliver(local(store), document())
    assert status_of(store, "A") == "entered-in-error"


async def test_a_deletion_keeps_what_is_known_of_the_document() -> None:
    store = MemoryStore()
    await deliver(local(store), document(language="fr-FR"))
    gone = Exchange(intent="delete", patient=EXCHANGE.patient, documents=(Document(id="1.2.250.1.9^A"),))
    receipt = await deliver(local(store), gone)
    kept = store.kept["DocumentReference", receipt.reference.partition("/")[2]]
    assert kept["status"] == "entered-in-error"
    assert kept["content"][0]["attachment"]["title"] == "A"
    assert receipt.issues == ()


async def test_the_deletion_of_an_unknown_document_is_told() -> None:
    receipt = await deliver(local(MemoryStore()), replace(document(), intent="delete"))
    assert [(issue.severity, issue.code) for issue in receipt.issues] == [(Severity.WARNING, "DOCUMENT_NOT_FOUND")]


class Away(MemoryStore):
    async def put_many(
        self, resources: Sequence[tuple[Mapping[str, Any], Sequence[IndexRow]]], blobs: Mapping[str, bytes]
    ) -> Sequence[str]:
        raise JournalUnavailable("disk full")


async def test_a_store_that_is_away_may_be_tried_again() -> None:
    with pytest.raises(DeliveryFailed) as failed:
        await deliver(local(Away()))
    assert (failed.value.retry, failed.value.issue.code) == (Retry.SAFE, "STORE_UNAVAILABLE")


def test_the_own_store_must_be_there() -> None:
    with pytest.raises(ValueError, match="document store"):
        FhirOut(FhirOutSettings(store="local"), endpoint())
