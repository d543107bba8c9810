"""Hostile FHIR (part G), by number, on a running application; and random mutations: a valid answer or an OperationOutcome, never our own mistake."""

from __future__ import annotations

import asyncio
import base64
import copy
import gzip
import json
import logging
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.fhir.codec import dump
from connector.fhir.validate import validate
from tests.fhir_kit import INS, Api, api, document, patient, submission

pytestmark = pytest.mark.anyio
JSON = {"Content-Type": "application/fhir+json"}
KNOWN = {"subject": {"identifier": {"system": INS, "value": "279035121518989"}}}
NUMBERS = [f"g{number:02}" for number in range(1, 17)]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with api(tmp_path_factory.mktemp("g"), fhir={"body_limit": 5_000_000}) as made:
        yield made


@pytest.fixture(autouse=True)
def unharmed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing of ours failed, and no name stands in a log."""
    caplog.set_level(logging.DEBUG)
    yield
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []
    assert "PAT-TROIS" not in caplog.text


async def post(running: Api, path: str, body: Any, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else dump(body)
    return await running.http.post(f"/fhir{path}", content=content, headers={**JSON, **headers})


def refused(answer: Any, status: int, *codes: str) -> None:
    assert answer.status_code == status, answer.text
    outcome = answer.json()
    assert validate(outcome) == []
    found = [each["details"]["coding"][0]["code"] for each in outcome["issue"]]
    assert set(codes) <= set(found), found


def test_every_number_of_part_g_has_its_test() -> None:
    names = [name for name in globals() if name.startswith("test_g")]
    assert [number for number in NUMBERS if not any(number in name for name in names)] == []


async def test_g01_a_key_twice_is_refused(running: Api) -> None:
    body = b'{"resourceType":"Patient","gender":"male","gender":"female"}'
    refused(await post(running, "/Patient", body), 400, "FHIR_SYNTAX")


@pytest.mark.parametrize(
    "body",
    [b"[" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b'{"resourceType":"Patient","x":"' + b'\\"' * 500_000],
)
async def test_g02_depth_is_asked_before_parsing(running: Api, body: bytes) -> None:
    before = time.perf_counter()
    refused(await post(running, "/Patient", body), 400, "FHIR_SYNTAX")
    assert time.perf_counter() - before < 30


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 100_000, "1e-400"])
async def test_g03_numbers_that_are_none_are_refused(running: Api, number: str) -> None:
    body = (
        f'{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"valueQuantity":{{"value":{number}}}}}'
    )
    before = time.perf_counter()
    refused(await post(running, "/Observation", body.encode()), 400, "FHIR_SYNTAX")
    assert time.perf_counter() - before < 30


async def test_g04_a_decimal_keeps_its_digits(running: Api) -> None:
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10}}'
    made = await post(running, "/Observation", body)
    assert made.status_code == 201
    read = await running.http.get(f"/fhir/Observation/{made.json()['id']}")
    assert b'"value":1.10}' in read.content
    as_xml = await running.http.get(f"/fhir/Observation/{made.json()['id']}", params={"_format": "xml"})
    assert b'<value value="1.10"/>' in as_xml.content


async def test_g05_a_code_outside_its_required_set_is_refused(running: Api) -> None:
    refused(await post(running, "/DocumentReference", document(**KNOWN) | {"status": "banana"}), 422, "FHIR_INVALID")


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "red"},
        {"_birthDate": "x"},
        {"_gender": [{"id": "a"}, 5]},
        {"_id": {"extension": 1}},
        {"resourceType": "Practitioner"},
        {"resourceType": "Resource"},
        {"resourceType": 5},
    ],
)
async def test_g06_what_is_no_element_or_another_type_is_refused(running: Api, wrong: dict[str, Any]) -> None:
    answer = await post(running, "/Patient", patient() | wrong)
    assert answer.status_code in (400, 422)
    assert answer.json()["resourceType"] == "OperationOutcome"


class Trap:
    """Counts who connects."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.calls = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.calls += 1
            connection.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    made = Trap()
    yield made
    made.server.close()


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/x",
        "http://2130706433:{port}/",
        "http://[::1]:{port}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "http://169.254.169.254/latest",
    ],
)
async def test_g07_an_address_in_a_document_is_never_fetched(running: Api, trap: Trap, address: str) -> None:
    made = document(700 + abs(hash(address)) % 1000, **KNOWN)
    attachment = {"contentType": "text/plain", "url": address.format(port=trap.port)}
    made["content"] = [{"attachment": attachment}]
    made["subject"] = {"reference": address.format(port=trap.port) + "Patient/1"}
    answer = await post(running, "/DocumentReference", made)
    assert answer.status_code in (201, 422)
    await asyncio.sleep(0.1)
    assert trap.calls == 0


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://x.example/1"},
        {"size": 3},
        {"hash": base64.b64encode(b"0" * 20).decode()},
        {"data": "not base64!"},
    ],
)
async def test_g08_a_document_that_is_not_what_is_said_of_it_is_refused(running: Api, change: dict[str, Any]) -> None:
    made = document(**KNOWN)
    made["content"][0]["attachment"] |= change
    refused(await post(running, "/DocumentReference", made), 422, "FHIR_INVALID")
    if "data" not in change:
        bundle = submission()
        bundle["entry"][1]["resource"]["content"][0]["attachment"] |= {
            name: value for name, value in change.items() if name != "url"
        }
        if "url" not in change:
            refused(await post(running, "", bundle), 422, "FHIR_INVALID")


async def test_g09_too_much_is_refused_before_it_is_decoded(running: Api) -> None:
    big = document(**KNOWN)
    big["content"][0]["attachment"]["data"] = "A" * 6_000_000
    refused(await post(running, "/DocumentReference", big), 413, "TOO_MANY")
    refused(
        await running.http.post("/fhir/Patient", content=b"{}", headers={**JSON, "Content-Length": "60000000"}),
        413,
        "TOO_MANY",
    )
    many = document(**KNOWN)
    many["content"] = [{"attachment": {"contentType": "text/plain", "data": "!"}}] * 10_000
    before = time.perf_counter()
    refused(await post(running, "/DocumentReference", many), 413, "TOO_MANY")
    assert time.perf_counter() - before < 30


@pytest.mark.parametrize(
    ("contained", "reference"),
    [
        ([], "#nothing"),
        ([{"resourceType": "PractitionerRole", "id": "a", "organization": {"reference": "#b"}}, {"resourceType": "Organization", "id": "b", "partOf": {"reference": "#b"}}], "#a"),
        ([{"resourceType": "Organization", "id": "a", "partOf": {"reference": "#b"}}, {"resourceType": "Organization", "id": "b", "partOf": {"reference": "#a"}}], "#a"),
        ([{"resourceType": "Organization", "id": "a", "contained": [{"resourceType": "Organization", "id": "b", "name": "x"}], "name": "y"}], "#a"),
    ],
)  # fmt: skip
async def test_g10_what_is_contained_leads_somewhere_and_not_in_circles(
    running: Api, contained: list[Any], reference: str
) -> None:
    made = document(contained=contained, author=[{"reference": reference}], **KNOWN)
    answer = await post(running, "/DocumentReference", made)
    assert answer.status_code == 422
    assert {each["details"]["coding"][0]["code"] for each in answer.json()["issue"]} <= {
        "FHIR_INVALID",
        "FHIR_REFERENCE",
    }


async def test_g10_what_is_not_here_is_unknown_whoever_else_has_it(running: Api) -> None:
    made = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "IMP"},
        "subject": {"reference": "Patient/of-others"},
    }
    refused(await post(running, "/Encounter", made), 422, "FHIR_REFERENCE")
    refused(await running.http.get("/fhir/Patient/of-others"), 404, "FHIR_NOT_FOUND")


async def test_g11_limits_conditions_and_full_urls_of_a_bundle(running: Api) -> None:
    entry = {
        "resource": {"resourceType": "Organization", "name": "x"},
        "request": {"method": "POST", "url": "Organization"},
    }
    large = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 30_000}
    refused(await post(running, "", large), 413, "TOO_MANY")
    for condition in ("", "_count=1", "nam=x", "&", "name"):
        bundle = submission()
        bundle["entry"][3]["request"]["ifNoneExist"] = condition
        answer = await post(running, "", bundle)
        assert answer.status_code in (400, 422), condition
        assert answer.json()["resourceType"] == "OperationOutcome"
    twice = submission()
    twice["entry"][3]["fullUrl"] = twice["entry"][2]["fullUrl"]
    refused(await post(running, "", twice), 422, "FHIR_INVALID")
    assert await running.count("List") == 0
    assert await running.count("Organization", name="x") == 0


async def test_g12_fifty_identical_submissions_at_once_make_one(running: Api) -> None:
    answers = await asyncio.gather(*[post(running, "", submission(12)) for _ in range(50)])
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["entry"][1]["response"]["location"] for answer in answers}) == 1
    assert await running.count("DocumentReference", identifier="1.2.250.1.213.1.4.10.9.77.12") == 1
    assert await running.count("Patient", identifier="279035121518989") == 1
    about = [each for each in await running.messages() if each["state"] == "translated" and each["type"] == "Bundle"]
    assert len(about) == 1, "one exchange, however often it was sent"


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/DocumentReference/../../admin",
        "/fhir/DocumentReference/%2e%2e/%2e%2e/admin",
        "/fhir/..%2f..%2fetc/passwd",
        "/fhir/Patient/..",
        "/fhir/Patient/%00",
        "/fhir/Patient/a%0d%0ab",
    ],
)
async def test_g13_an_address_that_climbs_leads_nowhere(running: Api, path: str) -> None:
    assert (await running.http.get(path)).status_code in (400, 404, 405)


async def test_g14_including_everything_is_refused_and_what_comes_along_is_capped(
    running: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wish in (
        "_include=*",
        "_revinclude=*",
        "_include=DocumentReference:*",
        "_include:iterate=DocumentReference:patient",
    ):
        refused(await running.http.get(f"/fhir/DocumentReference?{wish}"), 400, "FHIR_SEARCH")
    people = [
        {
            "resource": {"resourceType": "Practitioner", "id": f"p{n}", "name": [{"family": "x"}]},
            "request": {"method": "PUT", "url": f"Practitioner/p{n}"},
        }
        for n in range(20)
    ]
    roles = [
        {
            "resource": {
                "resourceType": "PractitionerRole",
                "id": f"r{n}",
                "practitioner": {"reference": f"Practitioner/p{n}"},
            },
            "request": {"method": "PUT", "url": f"PractitionerRole/r{n}"},
        }
        for n in range(20)
    ]
    assert (
        await post(running, "", {"resourceType": "Bundle", "type": "transaction", "entry": [*people, *roles]})
    ).status_code == 200
    monkeypatch.setattr("connector.endpoints.fhir_in.searching._MOST_INCLUDED", 5)
    found = (await running.http.get("/fhir/PractitionerRole?_include=PractitionerRole:practitioner")).json()
    assert [each["search"]["mode"] for each in found["entry"]].count("include") == 5
    assert found["entry"][-1]["resource"]["issue"][0]["severity"] == "warning"
    assert (await running.http.get("/fhir/Patient?" + "&".join(["_include=Patient:x"] * 200))).status_code == 400


async def test_g15_a_body_that_is_not_what_it_says_is_refused(running: Api, tmp_path: Path) -> None:
    refused(await post(running, "/Patient", b'<Patient xmlns="http://hl7.org/fhir"/>'), 415, "FHIR_MEDIA")
    refused(
        await post(running, "/Patient", dump(patient()), **{"Content-Type": "application/fhir+xml"}), 415, "FHIR_MEDIA"
    )
    refused(await post(running, "/Patient", dump(patient()), **{"Content-Type": "text/plain"}), 415, "FHIR_MEDIA")
    bomb = gzip.compress(b" " * 100_000_000)
    refused(await post(running, "/Patient", bomb, **{"Content-Encoding": "gzip"}), 415, "FHIR_BODY")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 100_000

    refused(await running.http.post("/fhir/Patient", content=endless(), headers=JSON), 413, "TOO_MANY")

    async def slow() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    async with api(tmp_path, fhir={"body_timeout": 0.3}) as other:
        refused(await other.http.post("/fhir/Patient", content=slow(), headers=JSON), 408, "FHIR_BODY")


@pytest.mark.parametrize(
    "div",
    [
        "<script>x</script>",
        '<p onclick="x">a</p>',
        '<a href="javascript:x">a</a>',
        '<img src="file:///x"/>',
        "<iframe/>",
        "</div><div>",
    ],
)
@pytest.mark.parametrize("kind", ["Patient", "Observation"])
async def test_g16_active_content_in_a_narrative_is_refused(running: Api, kind: str, div: str) -> None:
    narrative = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>'}
    base = patient() if kind == "Patient" else {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    refused(await post(running, f"/{kind}", {**base, "text": narrative}), 422, "FHIR_INVALID")


# --- mutations

VALUES: list[Any] = [
    None,
    "",
    " ",
    "banana",
    5,
    -1,
    1.5,
    True,
    [],
    {},
    [[]],
    ["x"],
    {"x": 1},
    "x" * 3000,
    "\x00",
    "é",
    "#x",
    "urn:uuid:x",
    "Patient/1",
    "../x",
    "2026-02-30",
    2**70,
]


def nodes(tree: Any) -> Iterator[Any]:
    """Every object and list."""
    if isinstance(tree, dict | list):
        yield tree
        for inner in tree.values() if isinstance(tree, dict) else tree:
            yield from nodes(inner)


def mutated(tree: Any, dice: random.Random) -> bytes:
    """One to three changes of the tree, or of its bytes."""
    made = copy.deepcopy(tree)
    for _ in range(dice.randint(1, 3)):
        node = dice.choice(list(nodes(made)))
        if isinstance(node, dict) and node:
            key = dice.choice(list(node))
            act = dice.randrange(4)
            if act == 0:
                del node[key]
            elif act == 1:
                node[key] = copy.deepcopy(dice.choice(VALUES))
            elif act == 2:
                node[
                    dice.choice(["_" + key, key + "x", "id", "extension", "contained", "resourceType", "reference"])
                ] = copy.deepcopy(dice.choice([node[key], *VALUES]))
            else:
                node[key] = [node[key], copy.deepcopy(node[key])]
        elif isinstance(node, list):
            node.append(copy.deepcopy(dice.choice([*node, *VALUES])))
    raw = bytearray(json.dumps(made).encode())
    if dice.random() < 0.2:
        raw[dice.randrange(len(raw))] = dice.randrange(256)
    return bytes(raw)


async def test_a_mutated_submission_is_answered_or_refused_and_never_our_mistake(running: Api) -> None:
    dice = random.Random(20260304)
    statuses: dict[int, int] = {}
    for number in range(300):
        tree = submission(5000 + number) if number % 3 else document(5000 + number, **KNOWN)
        answer = await post(running, "" if number % 3 else "/DocumentReference", mutated(tree, dice))
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, answer.text
        found = answer.json()
        expected = {"Bundle", "DocumentReference"} if answer.status_code < 300 else {"OperationOutcome"}
        assert found["resourceType"] in expected
        if number % 10 == 0:
            assert validate(found) == []
    assert len(statuses) >= 3, statuses


async def test_a_good_submission_is_accepted_after_all_of_it(running: Api) -> None:
    assert (await post(running, "/DocumentReference", document(9999, **KNOWN))).status_code == 201
