"""The exchange profile over REST, asked as a client asks it: one, a form, a stream; read back and found."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from starlette.applications import Starlette

from connector.endpoints import Endpoint
from connector.endpoints.exchange_in import ExchangeIn, ExchangeInSettings, arriving
from connector.monsisra.codec import MEDIA_TYPE
from connector.ports import Answer, Inbound, JournalUnavailable
from connector.store.tables import content
from tests.exchange_site import Site, site
from tests.journal_kit import HandClock
from tests.unit.monsisra.sample import CASES, data, raw, read

pytestmark = pytest.mark.anyio

LIMIT = 100_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Asked:
    """A client of a site."""

    def __init__(self, here: Site, http: httpx.AsyncClient) -> None:
        self.here = here
        self.http = http

    async def post(self, value: Any, **headers: str) -> httpx.Response:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return await self.http.post("/exchanges", content=body, headers={"content-type": MEDIA_TYPE, **headers})

    def kept(self) -> list[str]:
        """The states of the journal's messages, newest first."""
        return [row.state for row in self.here.journal.search.list_messages()]


@asynccontextmanager
async def asked(tmp_path: Path, **settings: Any) -> AsyncIterator[Asked]:
    async with site(str(tmp_path / "journal.db")) as here:
        endpoint = Endpoint(name="rest", clock=HandClock(), exchanges=here.exchanges)
        receiver = ExchangeIn(ExchangeInSettings(**{"limit": LIMIT, **settings}), endpoint)
        await receiver.start(here.intake)
        transport = httpx.ASGITransport(Starlette(routes=receiver.routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://site") as http:
            yield Asked(here, http)


@pytest.mark.parametrize("case", CASES)
async def test_an_exchange_is_taken_and_read_back_as_it_was_given(case: str, tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        answer = await client.post(raw(case))
        said = answer.json()
        assert (answer.status_code, said["id"], said["state"], said["issues"]) == (
            201,
            data(case)["id"],
            "translated",
            [],
        )
        assert said["deliveries"] == [{"destination": "dpi", "state": "queued"}]
        found = await client.http.get(answer.headers["location"])
        assert found.headers["content-type"] == MEDIA_TYPE
        assert read(found.json()) == read(data(case))


async def test_the_same_again_is_200_and_nothing_new_is_kept(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        first, again = await client.post(raw("mail")), await client.post(data("mail"))
        assert (again.status_code, again.json()["message"]) == (200, first.json()["message"])
        assert again.json()["deliveries"] == first.json()["deliveries"]
        assert client.kept() == ["translated"]


async def test_grown_is_201_changed_is_409_closed_is_409(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        await client.post(raw("conversation"))
        grown = data("conversation")
        grown["messages"].append({"id": "4", "text": "Merci.", "sent": "2026-05-22T09:00:00+02:00"})
        grown["thread"]["closed"] = "2026-05-22T09:01:00+02:00"
        assert (await client.post(grown)).status_code == 201
        changed = await client.post({**grown, "subject": "Autre"})
        assert (changed.status_code, changed.json()["issues"][0]["field"]) == (409, "subject")
        assert changed.json()["issues"][0]["rule"] == "continuation"
        grown["messages"].append({"id": "5", "text": "Encore.", "sent": "2026-05-23T09:00:00+02:00"})
        closed = await client.post(grown)
        assert (closed.status_code, closed.json()["issues"][0]["code"]) == (409, "MODE_CLOSED")
        assert client.kept() == ["refused", "refused", "translated", "translated"]


@pytest.mark.parametrize(
    ("asks", "text"), [("fr-FR,fr;q=0.9", "champ obligatoire"), ("en", "required field"), ("de", "champ obligatoire")]
)
async def test_a_breach_is_422_with_field_rule_and_sentence(asks: str, text: str, tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        answer = await client.post(data("document", sharing=None, patient=None), **{"accept-language": asks})
        assert answer.status_code == 422
        [issue] = answer.json()["issues"]
        assert (issue["severity"], issue["code"], issue["field"], issue["rule"]) == (
            "error",
            "MODE_FIELD",
            "patient",
            "patient_concerned",
        )
        assert issue["text"].startswith(text)
        assert (await client.http.get(f"/exchanges/{data('document')['id']}")).status_code == 404


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"id": "a", "id": "a"}', b"--x\r\n"])
async def test_what_cannot_be_read_is_400_and_kept_for_whoever_looks(body: bytes, tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        answer = await client.post(body)
        assert (answer.status_code, answer.json()["issues"][0]["code"]) == (400, "EXCHANGE_SYNTAX")
        assert client.kept() == ["refused"]


async def test_too_large_is_413_before_it_is_read_or_kept(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 1000
        raise AssertionError("read to the end")

    async with asked(tmp_path) as client:
        announced = await client.post(b" " * (LIMIT + 1))
        streamed = await client.http.post("/exchanges", content=pieces(), headers={"content-type": MEDIA_TYPE})
        assert [announced.status_code, streamed.status_code] == [413, 413]
        assert client.kept() == []


async def test_large_ones_at_once_wait_for_each_other_and_all_are_taken(tmp_path: Path) -> None:
    async with asked(tmp_path, limit=10_000_000) as client:
        values = [data("mail", id=f"large-{n}") for n in range(9)]
        for value in values:
            value["documents"][0]["content"]["data"] = base64.b64encode(bytes(1_500_000)).decode()
        answers = await asyncio.gather(*[client.post(value) for value in values])
        assert [answer.status_code for answer in answers] == [201] * 9


async def test_a_body_that_does_not_come_is_408_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "PATIENCE", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield raw("mail")[:100]
        await asyncio.sleep(5)

    async with asked(tmp_path) as client:
        answer = await client.http.post("/exchanges", content=stalled(), headers={"content-type": MEDIA_TYPE})
        assert answer.status_code == 408
        assert client.kept() == []


async def test_another_media_type_is_415_and_another_sites_page_403(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        assert (await client.post(raw("mail"), **{"content-type": "text/plain"})).status_code == 415
        assert (await client.post(raw("mail"), origin="http://evil.example")).status_code == 403
        assert (await client.post(raw("mail"), origin="http://site")).status_code == 201
        assert client.kept() == ["translated"]


async def test_a_form_with_files_is_the_same_exchange_and_its_files_are_kept_once(tmp_path: Path) -> None:
    value = data("document")
    pdf = base64.b64decode(value["documents"][0]["content"].pop("data"))
    async with asked(tmp_path) as client:
        files = {
            "exchange": (None, json.dumps(value), "application/json"),
            value["documents"][0]["id"]: ("ordonnance.pdf", pdf, "application/pdf"),
        }
        answer = await client.http.post("/exchanges", files=files)
        assert answer.status_code == 201, answer.text
        found = await client.http.get(answer.headers["location"])
        assert read(found.json()) == read(data("document"))
        assert (await client.post(raw("document"))).status_code == 200
        with (
            client.here.journal.database.engine.connect() as connection
        ):  # the file stands in the form that was kept, and nowhere else
            assert connection.execute(sa.select(sa.func.count()).select_from(content)).scalar() == 0


async def test_without_attachments_and_unchanged(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        where = (await client.post(raw("document"))).headers["location"]
        bare = await client.http.get(where, params={"attachments": "none"})
        assert set(bare.json()["documents"][0]["content"]) == {"media_type", "size", "sha1", "sha256"}
        again = await client.http.get(
            where, params={"attachments": "none"}, headers={"if-none-match": bare.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        assert (await client.http.get(where, params={"attachments": "all"})).status_code == 400


async def test_ids_with_any_character_are_found_where_location_says(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        for number in ("a/b?c#d%e f", "<m@x>", "é" * 300):
            answer = await client.post(data("mail", id=number))
            found = await client.http.get(answer.headers["location"])
            assert (found.status_code, found.json()["id"]) == (200, number)


# --- streams


def lines(values: Iterable[bytes]) -> bytes:
    return b"".join(json.dumps(json.loads(value)).encode() + b"\n" for value in values)


async def test_a_stream_is_answered_line_by_line(tmp_path: Path) -> None:
    body = (
        lines(raw(case) for case in CASES)
        + b"\n{}\n{\n"
        + lines([raw("mail")])
        + b" " * (LIMIT + 1)
        + b"\n"
        + lines([raw("document")])
    )
    async with asked(tmp_path) as client:
        answer = await client.post(body, **{"content-type": "application/x-ndjson"})
        said = [json.loads(line) for line in answer.text.splitlines()]
        assert [each["status"] for each in said] == [*[201] * len(CASES), 422, 400, 200, 413, 200]
        assert [each["line"] for each in said] == list(range(1, len(said) + 1))
        assert said[0]["id"] == data(CASES[0])["id"]


async def test_a_stream_without_a_last_line_end_is_read_to_its_end(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        answer = await client.post(lines([raw("mail")]).rstrip(), **{"content-type": "application/x-ndjson"})
        assert json.loads(answer.text)["status"] == 201


# --- lists


async def test_exchanges_are_listed_with_filters_and_pages(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        for case in CASES:
            await client.post(raw(case))
            client.here.clock.forward(60)
        ins = data("document")["patient"]["identifiers"][0]["value"]

        async def modes(**query: str) -> list[str]:
            found = await client.http.get("/exchanges", params=query)
            assert found.status_code == 200, found.text
            return sorted(each["mode"] for each in found.json()["exchanges"])

        assert await modes(patient=ins) == ["conversation", "document"]
        assert await modes(patient=ins[:13]) == ["conversation", "document"]
        assert await modes(patient=f"urn:oid:1.2.250.1.213.1.4.10|{ins}", mode="document") == ["document"]
        assert await modes(patient="nobody") == []
        assert await modes(state="closed") == ["mon_espace_sante"]
        assert await modes(since="2026-03-02") == []
        assert len(await modes(since="2026-03-01T00:00:00Z")) == len(CASES)
        seen: list[str] = []
        where = "/exchanges?_count=4"
        while where:
            page = (await client.http.get(where)).json()
            seen += [each["id"] for each in page["exchanges"]]
            where = page.get("next", "")
        assert sorted(seen) == sorted(data(case)["id"] for case in CASES)


@pytest.mark.parametrize(
    "query",
    [
        "nobody=1",
        "mode=fax",
        "since=hier",
        "since=2026-05-21T10:00",
        "_count=0",
        "_count=x",
        "page=x",
        "page=W10",
        "mode=mail&mode=mail",
    ],
)
async def test_a_list_that_cannot_be_asked_is_400(query: str, tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        answer = await client.http.get(f"/exchanges?{query}")
        assert (answer.status_code, answer.json()["issues"][0]["code"]) == (400, "EXCHANGE_QUERY")


# --- trouble of ours


async def test_a_journal_that_is_away_is_503_and_an_own_mistake_500_without_its_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def away(inbound: Inbound) -> Answer:
        return Answer()

    async def broken(inbound: Inbound) -> Answer:
        raise KeyError("CANARI")

    async with asked(tmp_path) as client:
        endpoint = Endpoint(name="rest", clock=HandClock(), exchanges=client.here.exchanges)
        receiver = ExchangeIn(ExchangeInSettings(), endpoint)
        transport = httpx.ASGITransport(Starlette(routes=receiver.routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://site") as http:
            for intake, status in ((None, 503), (away, 503), (broken, 500)):
                if intake is not None:
                    await receiver.start(intake)
                answer = await http.post("/exchanges", content=raw("mail"), headers={"content-type": MEDIA_TYPE})
                assert answer.status_code == status
                assert ("retry-after" in answer.headers) is (status == 503)
            await receiver.stop()
            assert (
                await http.post("/exchanges", content=b"{}", headers={"content-type": MEDIA_TYPE})
            ).status_code == 503
    assert "CANARI" not in caplog.text


async def test_a_store_that_is_away_is_503_for_readers() -> None:
    class Away:
        async def get(self, exchange_id: str, *, attachments: bool = False) -> None:
            raise JournalUnavailable("x")

        async def search(self, query: object) -> None:
            raise JournalUnavailable("x")

    receiver = ExchangeIn(ExchangeInSettings(), Endpoint(name="rest", clock=HandClock(), exchanges=Away()))
    transport = httpx.ASGITransport(Starlette(routes=receiver.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://site") as http:
        assert (await http.get("/exchanges")).status_code == 503
        assert (await http.get("/exchanges/x")).status_code == 503


async def test_fifty_identical_posts_at_once_make_one_exchange(tmp_path: Path) -> None:
    async with asked(tmp_path) as client:
        answers = await asyncio.gather(*[client.post(raw("document")) for _ in range(50)])
        assert sorted({answer.status_code for answer in answers}) == [200, 201]
        assert [answer.status_code for answer in answers].count(201) == 1
        assert client.kept() == ["translated"]
