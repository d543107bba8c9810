"""A real connector that is handed exchanges over REST: the five modes reach their destinations, come back as they were, and are listed."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journey.running_connector import running
from tests.unit.monsisra.sample import CASES, DOMAIN, data, raw, read
from tests.waiting import eventually

SETTINGS = f"""\
site: region
environment: test
http: {{port: 0}}
monsisra: {{domains: [{DOMAIN}]}}
destinations:
  metier: {{kind: folder, path: metier}}
  regional: {{kind: fhir, store: local}}
routes:
  - to: metier
    when: {{box: business_software}}
  - to: regional
    when: {{box: [regional_record, ma_sante_connectee]}}
  - to: metier
    when: {{mode: [conversation, teleexpertise, mail, mon_espace_sante]}}
"""
PROFILE = {"content-type": "application/vnd.monsisra.exchange+json"}
STREAM = {"content-type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("region")
    (folder / "connector.yaml").write_text(SETTINGS, encoding="utf-8")
    with (
        running(folder, "serve", "connector.yaml", "--json") as told,
        httpx.Client(base_url=told["http"], timeout=60) as http,
    ):
        yield http


def settled(http: httpx.Client, number: str) -> dict[str, str] | None:
    """destination → state of an exchange's deliveries, once none of them waits."""
    listed = http.get("/exchanges", params={"_count": "200"}).json()["exchanges"]
    [legs] = [each["deliveries"] for each in listed if each["id"] == number]
    found = {leg["destination"]: leg["state"] for leg in legs}
    return None if {"queued", "claimed", "sent", "failed"} & set(found.values()) else found


@pytest.mark.parametrize("case", CASES)
def test_each_mode_is_taken_delivered_and_read_back(case: str, http: httpx.Client) -> None:
    answer = http.post("/exchanges", content=raw(case), headers=PROFILE)
    assert answer.status_code == 201, answer.text
    number = answer.json()["id"]
    states = eventually(lambda: settled(http, number))
    assert set(states.values()) == {"accepted"}, states
    assert set(states) == ({"metier", "regional"} if case == "document" else {"metier"})
    back = http.get(answer.headers["location"])
    assert read(back.json()) == read(data(case))
    assert http.post("/exchanges", content=back.content, headers=PROFILE).status_code == 200
    shown = http.get(f"/api/messages/{answer.json()['message']}").json()
    assert shown["type"] == f"Exchange^{data(case)['mode']}"


def test_a_box_that_no_route_serves_is_named(http: httpx.Client) -> None:
    answer = http.post("/exchanges", content=json.dumps(data("document", id="x", patient=None)), headers=PROFILE)
    assert answer.status_code == 422
    assert "patient" in [issue["field"] for issue in answer.json()["issues"]]


def test_a_form_is_taken(http: httpx.Client) -> None:
    value = data("mail", id="a-form")
    pdf = base64.b64decode(value["documents"][0]["content"].pop("data"))
    files = {
        "exchange": (None, json.dumps(value), "application/json"),
        value["documents"][0]["id"]: ("courrier.pdf", pdf, "application/pdf"),
    }
    answer = http.post("/exchanges", files=files)
    assert answer.status_code == 201, answer.text
    [document] = http.get("/exchanges/a-form").json()["documents"]
    assert base64.b64decode(document["content"]["data"]) == pdf


def test_a_stream_is_answered_while_it_is_still_being_sent(http: httpx.Client) -> None:
    """Each answer is read before the next line is sent: nothing waits for the end."""
    url = httpx.URL(http.base_url)
    with socket.create_connection((url.host, url.port or 80), timeout=60) as peer:
        head = f"POST /exchanges HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nContent-Type: {STREAM['content-type']}\r\nTransfer-Encoding: chunked\r\n\r\n"
        peer.sendall(head.encode())
        heard = b""
        for number in range(1, 6):
            line = json.dumps(data("mail", id=f"line-{number}")).encode() + b"\n"
            peer.sendall(b"%x\r\n%b\r\n" % (len(line), line))
            wanted = b'"id":"line-%d"' % number
            while wanted not in heard:
                piece = peer.recv(65536)
                assert piece, heard
                heard += piece
        peer.sendall(b"0\r\n\r\n")
        while not heard.endswith(b"0\r\n\r\n"):
            heard += peer.recv(65536)
    assert heard.count(b'"status":201') == 5


def test_two_hundred_lines_are_answered_in_their_order(http: httpx.Client) -> None:
    body = b"".join(json.dumps(data("mail", id=f"many-{number}")).encode() + b"\n" for number in range(200))
    said = [json.loads(line) for line in http.post("/exchanges", content=body, headers=STREAM).text.splitlines()]
    assert [(each["line"], each["id"], each["status"]) for each in said] == [
        (n + 1, f"many-{n}", 201) for n in range(200)
    ]


def test_advice_and_the_schema_are_given(http: httpx.Client) -> None:
    draft: dict[str, Any] = {"recipients": [{"mssante": f"marc.modele@{DOMAIN}"}], "messages": [{"text": "Bonjour"}]}
    found = http.post("/advice", json={"exchange": draft}, headers={"accept-language": "fr"}).json()
    assert (found["mode"], [issue["field"] for issue in found["missing"]]) == ("conversation", ["sender", "subject"])
    inactive = http.post("/advice", json={"exchange": draft, "inactive": [f"marc.modele@{DOMAIN}"]}).json()
    assert inactive["mode"] == "mail"
    wrong = http.post("/advice", json={"exchange": {"recipient": []}})
    assert (wrong.status_code, wrong.json()["issues"][0]["code"]) == (422, "EXCHANGE_FIELD")
    assert http.get("/schemas/exchange.json").json()["title"] == "Exchange profile"
