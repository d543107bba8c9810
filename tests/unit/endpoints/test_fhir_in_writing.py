"""What is posted to the FHIR API of a running application: kept, found, taken in as an exchange, or refused with nothing changed."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.endpoints import Endpoint
from connector.endpoints.fhir_out.sender import FhirOut, FhirOutSettings
from connector.engine.clock import SystemClock
from connector.fhir.codec import dump
from connector.fhir.patching import ARCHIVED
from connector.fhir.validate import validate
from connector.fhir.xml import dump_xml
from connector.issues import Outcome
from connector.ports import Claimed
from connector.web.app import build
from tests.fhir_kit import INS, Api, api, document, patient, submission
from tests.waiting import until

pytestmark = pytest.mark.anyio
JSON = {"Content-Type": "application/fhir+json"}
KNOWN = {"subject": {"identifier": {"system": INS, "value": "279035121518989"}}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path) as made:
        yield made


async def post(running: Api, path: str, resource: Any, **headers: str) -> Any:
    body = resource if isinstance(resource, bytes) else dump(resource)
    return await running.http.post(f"/fhir{path}", content=body, headers={**JSON, **headers})


async def put(running: Api, path: str, resource: Any, **headers: str) -> Any:
    return await running.http.put(f"/fhir{path}", content=dump(resource), headers={**JSON, **headers})


def codes(answer: Any) -> list[str]:
    assert answer.json()["resourceType"] == "OperationOutcome"
    return [each["details"]["coding"][0]["code"] for each in answer.json()["issue"]]


# --- single resources


async def test_what_is_created_is_read_searched_and_versioned(running: Api) -> None:
    made = await post(running, "/Patient", patient())
    assert made.status_code == 201
    assert made.headers["etag"] == 'W/"1"'
    kept = made.json()
    assert made.headers["location"] == f"http://127.0.0.1/fhir/Patient/{kept['id']}/_history/1"
    changed = {**kept, "gender": "unknown"}
    again = await put(running, f"/Patient/{kept['id']}", changed, **{"If-Match": 'W/"1"'})
    assert (again.status_code, again.headers["etag"]) == (200, 'W/"2"')
    stale = await put(running, f"/Patient/{kept['id']}", {**changed, "gender": "male"}, **{"If-Match": 'W/"1"'})
    assert (stale.status_code, codes(stale)) == (412, ["FHIR_CONDITION"])
    same = await put(running, f"/Patient/{kept['id']}", changed)
    assert same.headers["etag"] == 'W/"2"', "nothing changed: no new version"
    first = await running.http.get(f"/fhir/Patient/{kept['id']}/_history/1")
    assert first.json()["gender"] == "female"
    history = (await running.http.get(f"/fhir/Patient/{kept['id']}/_history")).json()
    assert [each["response"]["etag"] for each in history["entry"]] == ['W/"2"', 'W/"1"']
    assert validate(history) == []
    assert await running.count("Patient", family="pat-trois", gender="unknown") == 1
    assert await running.messages() == [], "a Patient alone says nothing to nobody"


async def test_xml_is_taken_and_given(running: Api) -> None:
    body = dump_xml(patient())
    made = await running.http.post(
        "/fhir/Patient",
        content=body,
        headers={"Content-Type": "application/fhir+xml", "Accept": "application/fhir+xml"},
    )
    assert made.status_code == 201
    assert made.headers["content-type"].startswith("application/fhir+xml")
    assert b"PAT-TROIS" in made.content


async def test_a_binary_is_posted_as_it_is_and_read_as_it_was(running: Api) -> None:
    made = await running.http.post("/fhir/Binary", content=b"%PDF-1.7", headers={"Content-Type": "application/pdf"})
    assert made.status_code == 201
    read = await running.http.get(f"/fhir/Binary/{made.json()['id']}")
    assert (read.content, read.headers["content-type"]) == (b"%PDF-1.7", "application/pdf")
    assert base64.b64decode(made.json()["data"]) == b"%PDF-1.7"


async def test_a_binary_of_an_xml_type_is_a_document_unless_it_is_a_binary_resource(running: Api) -> None:
    cda = b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>'
    made = await running.http.put("/fhir/Binary/cda", content=cda, headers={"Content-Type": "text/xml"})
    assert made.status_code == 201
    assert (await running.http.get("/fhir/Binary/cda")).content == cda
    resource = {"resourceType": "Binary", "contentType": "text/plain", "data": base64.b64encode(b"x").decode()}
    as_json = await running.http.post("/fhir/Binary", json=resource)
    as_xml = await running.http.post(
        "/fhir/Binary", content=dump_xml(resource), headers={"Content-Type": "application/xml"}
    )
    for made in (as_json, as_xml):
        assert (await running.http.get(f"/fhir/Binary/{made.json()['id']}")).content == b"x"


async def test_a_client_may_choose_the_id_and_what_it_wants_back(running: Api) -> None:
    made = await put(
        running,
        "/Organization/chu",
        {"resourceType": "Organization", "id": "chu", "name": "CHU"},
        Prefer="return=minimal",
    )
    assert (made.status_code, made.content) == (201, b"")
    told = await put(
        running,
        "/Organization/chu",
        {"resourceType": "Organization", "id": "chu", "name": "CHU 2"},
        Prefer="return=OperationOutcome",
    )
    assert (told.status_code, told.json()["resourceType"]) == (200, "OperationOutcome")


async def test_a_condition_finds_creates_or_refuses(running: Api) -> None:
    condition = {"If-None-Exist": f"identifier={INS}|279035121518989"}
    first = await post(running, "/Patient", patient(), **condition)
    second = await post(running, "/Patient", patient(family="AUTRE"), **condition)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    await put(running, "/Patient/other", patient(id="other"))
    many = await post(running, "/Patient", patient(), **condition)
    assert (many.status_code, codes(many)) == (412, ["FHIR_CONDITION"])
    changed = await put(
        running,
        f"/Patient?identifier={INS}|111",
        {"resourceType": "Patient", "identifier": [{"system": INS, "value": "111"}]},
    )
    again = await put(
        running,
        f"/Patient?identifier={INS}|111",
        {"resourceType": "Patient", "identifier": [{"system": INS, "value": "111"}], "gender": "male"},
    )
    assert (changed.status_code, again.status_code, again.json()["id"]) == (201, 200, changed.json()["id"])


async def test_fifty_at_once_under_one_condition_make_one(running: Api) -> None:
    condition = {"If-None-Exist": f"identifier={INS}|279035121518989"}
    answers = await asyncio.gather(*[post(running, "/Patient", patient(), **condition) for _ in range(50)])
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await running.count("Patient") == 1


async def test_nothing_is_deleted(running: Api) -> None:
    answer = await running.http.delete("/fhir/Patient/x")
    assert (answer.status_code, codes(answer)) == (405, ["FHIR_METHOD"])
    assert "PUT" in answer.headers["allow"]


async def test_a_reference_to_nobody_here_is_refused_and_one_to_another_server_is_kept(running: Api) -> None:
    encounter = {"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"}}
    nobody = await post(running, "/Encounter", {**encounter, "subject": {"reference": "Patient/nobody"}})
    assert (nobody.status_code, codes(nobody)) == (422, ["FHIR_REFERENCE"])
    assert nobody.json()["issue"][0]["expression"] == ["Encounter.subject.reference"]
    elsewhere = await post(
        running, "/Encounter", {**encounter, "subject": {"reference": "https://other.example/fhir/Patient/1"}}
    )
    assert elsewhere.status_code == 201
    assert elsewhere.json()["subject"]["reference"] == "https://other.example/fhir/Patient/1"
    kept = (await post(running, "/Patient", patient())).json()
    ours = await post(
        running, "/Encounter", {**encounter, "subject": {"reference": f"http://127.0.0.1/fhir/Patient/{kept['id']}"}}
    )
    assert ours.json()["subject"]["reference"] == f"Patient/{kept['id']}"


# --- exchanges


async def test_a_document_is_kept_found_and_delivered(running: Api, tmp_path: Path) -> None:
    made = await post(running, "/DocumentReference", document(1, b"bonjour", **KNOWN))
    assert made.status_code == 201, made.text
    kept = made.json()
    attachment = kept["content"][0]["attachment"]
    assert "data" not in attachment
    assert attachment["size"] == 7
    assert (await running.http.get(f"/fhir/{attachment['url']}")).content == b"bonjour"
    assert (
        await running.count(
            "DocumentReference", **{"patient.identifier": "279035121518989", "author.family": "medecin"}
        )
        == 1
    )
    (message,) = await running.messages()
    assert (message["state"], message["type"], message["endpoint"]) == ("translated", "DocumentReference", "fhir")
    assert made.headers["x-connector-message"] == str(message["message_id"])
    assert list(message["deliveries"]) == ["documents"], "the own store has it already, under the id that was answered"
    shown = await running.application.message(message["message_id"])
    assert shown is not None
    assert [issue.code for issue in shown["issues"]] == ["ALREADY_DELIVERED"]
    await until(lambda: [file.read_bytes() for file in (tmp_path / "documents").rglob("document.txt")] == [b"bonjour"])
    assert await running.count("DocumentReference") == 1


async def test_a_submission_is_one_transaction_with_its_answers_in_order(running: Api) -> None:
    answer = await post(running, "", submission())
    assert answer.status_code == 200, answer.text
    response = answer.json()
    assert response["type"] == "transaction-response"
    assert validate(response) == []
    kinds = [
        each["response"]["location"].removeprefix("http://127.0.0.1/fhir/").partition("/")[0]
        for each in response["entry"]
    ]
    assert kinds == ["List", "DocumentReference", "Binary", "Patient"]
    assert {each["response"]["status"] for each in response["entry"]} == {"201 Created"}
    found = (
        await running.http.get(
            "/fhir/DocumentReference",
            params={"status": "current", "_include": "DocumentReference:patient", "_revinclude": "List:item"},
        )
    ).json()
    assert [each["search"]["mode"] for each in found["entry"]] == ["match", "include", "include"]
    assert found["entry"][0]["resource"]["subject"]["reference"] == f"Patient/{found['entry'][1]['resource']['id']}"
    assert len(await running.messages()) == 1


async def test_the_same_submission_again_is_answered_again_and_delivered_once(running: Api) -> None:
    first = await post(running, "", submission())
    second = await post(running, "", submission())
    assert [each["response"]["location"] for each in second.json()["entry"]] == [
        each["response"]["location"] for each in first.json()["entry"]
    ]
    assert second.json()["entry"][0]["response"]["status"] == "201 Created"
    assert second.json()["entry"][3]["response"]["status"] == "200 OK", "the patient is found now"
    assert len(await running.messages()) == 1
    third = await post(running, "", submission(2))
    assert [each["response"]["status"] for each in third.json()["entry"]] == ["201 Created"] * 3 + ["200 OK"]
    assert len(await running.messages()) == 2
    assert await running.count("Patient") == 1


async def test_a_refused_exchange_changes_nothing_and_is_kept_in_the_journal(running: Api) -> None:
    bundle = submission()
    del bundle["entry"][3]["resource"]["extension"]  # an INS without the place of birth
    answer = await post(running, "", bundle)
    assert answer.status_code == 422
    assert "INS_INCOMPLETE" in codes(answer)
    assert [await running.count(kind) for kind in ("List", "DocumentReference", "Patient")] == [0, 0, 0]
    (message,) = await running.messages()
    assert (message["state"], message["deliveries"]) == ("refused", {})


async def test_a_replaced_document_is_no_longer_current(running: Api) -> None:
    first = (await post(running, "/DocumentReference", document(1, **KNOWN))).json()
    relation = {
        "code": "replaces",
        "target": {"reference": f"DocumentReference/{first['id']}", "identifier": first["masterIdentifier"]},
    }
    second = await post(running, "/DocumentReference", document(2, b"autre", relatesTo=[relation], **KNOWN))
    assert second.status_code == 201, second.text
    old = (await running.http.get(f"/fhir/DocumentReference/{first['id']}")).json()
    assert (old["status"], old["meta"]["versionId"]) == ("superseded", "2")
    assert await running.count("DocumentReference", status="current", relatesto=first["id"]) == 1


async def test_a_message_is_kept_as_a_communication(running: Api) -> None:
    said = {
        "resourceType": "Communication",
        "identifier": [{"system": "urn:test:messages", "value": "m1"}],
        "status": "completed",
        "sent": "2026-01-05T10:15:00+01:00",
        "payload": [{"contentString": "Bonjour"}],
    }
    made = await post(running, "/Communication", said)
    assert made.status_code == 201, made.text
    assert await running.count("Communication", sent="2026-01-05", identifier="m1") == 1
    (message,) = await running.messages()
    assert (message["state"], message["type"]) == ("translated", "Communication")


# --- bundles


async def test_one_bad_entry_and_nothing_is_kept(running: Api) -> None:
    bundle = submission()
    bundle["entry"].append({"resource": {"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"}, "subject": {"reference": "Patient/nobody"}}, "request": {"method": "POST", "url": "Encounter"}})  # fmt: skip
    answer = await post(running, "", bundle)
    assert (answer.status_code, codes(answer)) == (422, ["FHIR_REFERENCE"])
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[5].subject.reference"]
    assert [await running.count(kind) for kind in ("List", "DocumentReference", "Patient")] == [0, 0, 0]


async def test_a_batch_answers_each_entry_for_itself_and_a_transaction_reads_after_it_wrote(running: Api) -> None:
    entries = [
        {"resource": patient(), "request": {"method": "POST", "url": "Patient"}},
        {"resource": {**patient(), "gender": "banana"}, "request": {"method": "PUT", "url": "Patient/nobody?x=y"}},
        {"request": {"method": "GET", "url": "Patient?family=pat-trois"}},
        {"request": {"method": "GET", "url": "Patient/nobody"}},
    ]
    invalid = await post(running, "", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert invalid.status_code == 422, "what is no FHIR is refused whole"
    entries[1] = {"resource": {**patient(), "id": "b"}, "request": {"method": "PUT", "url": "Patient/a"}}
    del entries[1]
    batch = await post(running, "", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    statuses = [each["response"]["status"] for each in batch.json()["entry"]]
    assert statuses == ["201 Created", "200 OK", "404"]
    assert batch.json()["entry"][1]["resource"]["total"] == 1
    written = [
        {"request": {"method": "GET", "url": "Organization?name=chu"}},
        {
            "resource": {"resourceType": "Organization", "name": "CHU"},
            "request": {"method": "POST", "url": "Organization"},
        },
    ]
    transaction = await post(running, "/", {"resourceType": "Bundle", "type": "transaction", "entry": written})
    assert transaction.json()["entry"][0]["resource"]["total"] == 1


async def test_references_with_a_query_are_resolved(running: Api) -> None:
    encounter = {"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"}, "subject": {"reference": f"Patient?identifier={INS}|279035121518989"}}  # fmt: skip
    nobody = await post(running, "/Encounter", encounter)
    assert (nobody.status_code, codes(nobody)) == (412, ["FHIR_CONDITION"])
    kept = (await post(running, "/Patient", patient())).json()
    made = await post(running, "/Encounter", encounter)
    assert made.json()["subject"]["reference"] == f"Patient/{kept['id']}"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"type": "collection"}, 422),
        ({"entry": [{"resource": patient(), "request": {"method": "DELETE", "url": "Patient/1"}}]}, 422),
        ({"entry": [{"resource": patient(), "request": {"method": "POST", "url": "Encounter"}}]}, 422),
        ({"entry": [{"resource": patient(), "request": {"method": "PUT", "url": "Patient"}}]}, 422),
        ({"entry": [{"resource": patient(), "request": {"method": "POST", "url": "Patient/1"}}]}, 422),
        ({"entry": [{"resource": patient()}]}, 422),
        ({"entry": [{"resource": patient(id="1"), "request": {"method": "PUT", "url": "Patient/1"}}] * 2}, 400),
        ({"entry": [{"resource": {"resourceType": "Basic", "code": {"text": "x"}}, "request": {"method": "POST", "url": "Basic"}}]}, 422),
    ],
)  # fmt: skip
async def test_a_bundle_that_cannot_be_done_is_refused(running: Api, change: dict[str, Any], status: int) -> None:
    answer = await post(running, "", {**submission(), **copy.deepcopy(change)})
    assert answer.status_code == status, answer.text
    assert codes(answer)
    assert await running.count("Patient") == 0


# --- validate and patch


async def test_validate_says_what_would_be_refused_and_keeps_nothing(running: Api) -> None:
    good = await post(running, "/Patient/$validate", patient())
    bad = await post(running, "/Patient/$validate", {**patient(), "gender": "banana"})
    held = await post(
        running,
        "/Patient/$validate",
        {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": {**patient(), "birthDat": "x"}}]},
    )
    broken = await post(running, "/Patient/$validate", b"{")
    other = await post(running, "/Patient/$validate", document())
    assert {each.status_code for each in (good, bad, held, broken, other)} == {200}
    assert good.json()["issue"][0]["severity"] == "information"
    assert bad.json()["issue"][0]["expression"] == ["Patient.gender"]
    assert "birthDate" in held.json()["issue"][0]["details"]["text"]
    assert codes(broken) == ["FHIR_SYNTAX"]
    assert other.json()["issue"][0]["expression"] == ["resourceType"]
    assert await running.count("Patient") == 0
    kept = (await post(running, "/Patient", patient())).json()
    assert (await running.http.get(f"/fhir/Patient/{kept['id']}/$validate")).json()["issue"][0][
        "severity"
    ] == "information"


async def test_a_patch_changes_status_labels_and_the_archive_mark_alone(running: Api) -> None:
    kept = (await post(running, "/DocumentReference", document(**KNOWN))).json()
    patch = {"Content-Type": "application/json-patch+json"}
    address = f"/fhir/DocumentReference?identifier={kept['masterIdentifier']['value']}"
    label = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    operations = [
        {"op": "replace", "path": "/status", "value": "superseded"},
        {"op": "add", "path": "/securityLabel/-", "value": label},
        {"op": "add", "path": "/extension/-", "value": {"url": ARCHIVED, "valueBoolean": True}},
    ]
    done = await running.http.patch(address, content=json.dumps(operations), headers=patch)
    assert (done.status_code, done.headers["etag"]) == (200, 'W/"2"'), done.text
    assert (
        await running.count("DocumentReference", status="superseded", isArchived="true", **{"security-label": "R"}) == 1
    )
    for path in ("/subject", "/masterIdentifier/value", "/extension/0/url"):
        refused = await running.http.patch(
            address, content=json.dumps([{"op": "replace", "path": path, "value": "x"}]), headers=patch
        )
        assert (refused.status_code, codes(refused)) == (405, ["FHIR_METHOD"])
    wrong = await running.http.patch(
        address, content=json.dumps([{"op": "replace", "path": "/status", "value": "banana"}]), headers=patch
    )
    assert wrong.status_code == 422
    part = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "DocumentReference.status"},
        {"name": "value", "valueCode": "current"},
    ]
    fhirpath = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}
    back = await running.http.patch(f"/fhir/DocumentReference/{kept['id']}", content=dump(fhirpath), headers=JSON)
    assert back.json()["status"] == "current"
    assert len(await running.messages()) == 1, "nobody is told anew"
    assert (await running.http.patch("/fhir/Patient/x", content=b"[]", headers=patch)).status_code == 405


async def test_every_interaction_that_the_statement_claims_is_answered(running: Api) -> None:
    statement = (await running.http.get("/fhir/metadata")).json()
    assert validate(statement) == []
    asked = {
        "read": ("GET", "/{}/x"),
        "vread": ("GET", "/{}/x/_history/1"),
        "history-instance": ("GET", "/{}/x/_history"),
        "search-type": ("GET", "/{}?_count=1"),
        "create": ("POST", "/{}"),
        "update": ("PUT", "/{}/x"),
        "patch": ("PATCH", "/{}/x"),
    }
    for resource in statement["rest"][0]["resource"]:
        claimed = {each["code"] for each in resource["interaction"]}
        for code in claimed:
            method, path = asked[code]
            answer = await running.http.request(method, f"/fhir{path.format(resource['type'])}")
            assert answer.status_code in (200, 404, 415), (code, resource["type"], answer.text)


async def test_a_page_of_another_site_cannot_write(running: Api) -> None:
    answer = await running.http.post(
        "/fhir/Binary", content=b"x", headers={"Content-Type": "text/plain", "Origin": "https://evil.example"}
    )
    assert answer.status_code == 403


# --- one commit


async def test_what_fails_inside_the_commit_keeps_neither_resource_nor_message(
    running: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a crash between the two would, if they were two."""
    phases = running.application.journal._ingest.phases
    whole = phases["filed"]

    def broken(transaction: Any, operations: Any) -> None:
        whole(transaction, operations)
        raise OSError("disk full")

    monkeypatch.setitem(phases, "filed", broken)
    away = await post(running, "/DocumentReference", document(**KNOWN))
    assert (away.status_code, codes(away)) == (503, ["STORE_UNAVAILABLE"])
    assert await running.messages() == []
    assert await running.count("DocumentReference") == 0
    monkeypatch.undo()
    again = await post(running, "/DocumentReference", document(**KNOWN))
    assert again.status_code == 201
    assert len(await running.messages()) == 1


async def test_different_submissions_at_once_are_all_kept(running: Api) -> None:
    answers = await asyncio.gather(*[post(running, "", submission(number)) for number in range(30)])
    assert {answer.status_code for answer in answers} == {200}
    assert await running.count("DocumentReference") == 30
    assert await running.count("Patient") == 1
    assert len(await running.messages()) == 30


async def test_a_connector_that_stops_accepts_no_exchange(running: Api) -> None:
    await running.application._running.fhir.stop()
    answer = await post(running, "/DocumentReference", document(**KNOWN))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize("case", ["conversation", "mail", "mon-espace-sante", "mon-espace-sante-fin", "teleexpertise"])
async def test_each_mode_as_we_write_it_is_taken_back_whole(running: Api, root: Path, case: str) -> None:
    """The same resources as another connector posts them: kept under the same ids, one message, nothing new the second time."""
    raw = (root / "tests" / "golden" / "fhir" / case / "out.bundle.json").read_bytes()
    first = await post(running, "", raw)
    assert first.status_code == 200, first.text
    entries = json.loads(raw)["entry"]
    for entry in entries:
        resource = entry["resource"]
        read = await running.http.get(
            f"/fhir/{resource['resourceType']}/{resource['id']}", headers={"Accept": "application/fhir+json"}
        )
        assert read.status_code == 200
    again = await post(running, "", raw)
    assert [each["response"]["status"] for each in again.json()["entry"]] == ["200 OK"] * len(entries)
    (message,) = await running.messages()
    assert message["state"] == "translated"


async def test_an_unknown_parameter_is_left_out_and_told_for_who_prefers_leniency(running: Api) -> None:
    await post(running, "/Patient", patient())
    strict = await running.http.get("/fhir/Patient?colour=red")
    lenient = await running.http.get("/fhir/Patient?colour=red&family=pat", headers={"Prefer": "handling=lenient"})
    assert (strict.status_code, lenient.status_code) == (400, 200)
    assert [each["search"]["mode"] for each in lenient.json()["entry"]] == ["match", "outcome"]
    assert validate(lenient.json()) == []
    part = (await running.http.get("/fhir/Patient?_elements=gender")).json()["entry"][0]["resource"]
    assert set(part) == {"resourceType", "id", "meta", "gender"}
    assert part["meta"]["tag"][0]["code"] == "SUBSETTED"


@pytest.mark.parametrize("limit", [0, 1_000_000])
async def test_another_connector_delivers_here(running: Api, root: Path, limit: int) -> None:
    """Our own FHIR destination against our own API: large documents apart or in the transaction."""
    sent: list[dict[str, Any]] = []

    def tree(_: Claimed, __: str) -> Outcome[Any]:
        return Outcome(sent[-1])

    transport = httpx.ASGITransport(app=build(running.application))
    endpoint = Endpoint(name="next", clock=SystemClock(), tree=tree)
    settings = FhirOutSettings(url="http://127.0.0.1/fhir", binary_limit=limit)
    sender = FhirOut(settings, endpoint, transport)

    async def before() -> None:
        """Nothing to stamp."""

    for case in ("mdm-t02-complete-header", "oru-two-documents"):
        sent.append(json.loads((root / "tests" / "golden" / "journeys" / case / "out.bundle.json").read_bytes()))
        claimed = Claimed(delivery_id=1, message_id=1, destination="next", key="k", attempts=0, resent=False, control_id="1", type="MDM^T02", raw=b"", exchange=None)  # fmt: skip
        receipt = await sender.deliver(claimed, before)
        assert receipt.reference.startswith("http://127.0.0.1/fhir/DocumentReference/")
        name = receipt.reference.splitlines()[0].removeprefix("http://127.0.0.1")
        kept = (await running.http.get(name)).json()
        assert (await running.http.get(f"/fhir/{kept['content'][0]['attachment']['url']}")).content
    await sender.close()
    assert [each["state"] for each in await running.messages()] == ["translated"] * 2
