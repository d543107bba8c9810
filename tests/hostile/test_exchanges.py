"""Large bodies that go wrong on their way in, over a real journal: nothing of them stays, the caller is told, the next one is taken."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import os
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from connector.endpoints import Endpoint
from connector.endpoints.exchange_in import ExchangeIn, ExchangeInSettings
from connector.monsisra.codec import MEDIA_TYPE
from connector.store.content import ContentFiles, Draft
from tests.exchange_site import Site, site
from tests.journal_kit import HandClock
from tests.unit.monsisra.sample import data, read

pytestmark = pytest.mark.anyio

PDF = b"%PDF-1.7\n" + os.urandom(1 << 16) * 30
LIMIT = 10_000_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Running:
    """A site with its REST receiver, and what lies on its disk."""

    def __init__(self, here: Site, app: Starlette, http: httpx.AsyncClient, contents: Path) -> None:
        self.here, self.app, self.http, self._contents = here, app, http, contents

    async def post(self, body: Any, media: str = MEDIA_TYPE) -> httpx.Response:
        return await self.http.post("/exchanges", content=body, headers={"content-type": media})

    def files(self) -> list[str]:
        return sorted(path.name for path in self._contents.rglob("*") if path.is_file())

    def states(self) -> list[str]:
        return [row.state for row in self.here.journal.search.list_messages()]

    def raw(self, message_id: int) -> bytes | None:
        return self.here.journal.bodies.raw(message_id)

    async def takes(self) -> None:
        """It is as it was before: a large one is taken and is the only thing there."""
        assert (self.states(), self.files()) == ([], [])
        assert (await self.post(inline())).status_code == 201
        assert len(self.files()) == 1


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with site(str(tmp_path / "journal.db")) as here:
        journal = here.journal
        endpoint = Endpoint(name="rest", clock=HandClock(), exchanges=here.exchanges, draft=journal.keeping.draft)
        receiver = ExchangeIn(ExchangeInSettings(limit=LIMIT), endpoint)
        await receiver.start(here.intake)
        app = Starlette(routes=receiver.routes())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://site") as http:
            assert journal.files is not None
            yield Running(here, app, http, journal.files.directory)


def mail(number: str = "large", **content: Any) -> dict[str, Any]:
    value = data("mail", id=number)
    value["documents"][0]["content"] = {"media_type": "application/pdf", **content}
    return value


def inline(number: str = "large", pdf: bytes = PDF, **dumped: Any) -> bytes:
    return json.dumps(mail(number, data=base64.b64encode(pdf).decode()), **dumped).encode()


def form(number: str = "large", pdf: bytes = PDF) -> tuple[bytes, str]:
    value = mail(number)
    head = b'--b\r\nContent-Disposition: form-data; name="'
    parts = (b"exchange", json.dumps(value).encode()), (value["documents"][0]["id"].encode(), pdf)
    return b"\r\n".join((*[head + name + b'"\r\n\r\n' + body for name, body in parts], b"--b--\r\n")), (
        "multipart/form-data; boundary=b"
    )


async def in_pieces(body: bytes, then: Callable[[], None] = lambda: None) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]
    then()


@pytest.mark.parametrize("kind", ["inline", "form"])
async def test_a_large_one_is_kept_byte_for_byte_once_and_read_back(kind: str, tmp_path: Path) -> None:
    body, media = form() if kind == "form" else (inline(), MEDIA_TYPE)
    async with running(tmp_path) as site:
        answer = await site.post(in_pieces(body), media)
        assert answer.status_code == 201, answer.text
        assert site.raw(answer.json()["message"]) == body
        found = await site.http.get(answer.headers["location"])
        assert read(found.json()) == read(mail(data=base64.b64encode(PDF).decode()))
        kept = site.files()
        assert len(kept) == 1, "the attachment stands in what was received"
        again = await site.post(in_pieces(body), media)
        assert (again.status_code, again.json()["message"], site.files()) == (200, 1, kept)
        other = await site.post(inline(indent=1))
        assert (other.status_code, other.json()["message"], site.states()) == (200, 1, ["translated"])
        [claimed] = (await site.here.journal.fetch((await site.here.journal.claim("dpi", 1))[0][0], 1))[1]
        assert claimed.exchange is not None
        assert claimed.exchange.documents[0].content.data == PDF
        assert claimed.raw == body


async def test_a_large_one_that_a_rule_refuses_is_kept_as_what_it_is(tmp_path: Path) -> None:
    body = json.dumps(data("document", id=None, documents=mail(data=base64.b64encode(PDF).decode())["documents"]))
    async with running(tmp_path) as site:
        answer = await site.post(body.encode())
        assert (answer.status_code, answer.json()["state"]) == (422, "refused")
        assert site.raw(1) == body.encode()
        assert len(site.files()) == 1


async def test_large_lines_are_exchanges_of_their_own(tmp_path: Path) -> None:
    body = b" " + inline("a") + b" \r\n" + b"{" * (LIMIT + 1) + b"\n\n" + inline("b") + b"\n" + inline("a")
    async with running(tmp_path) as site:
        answer = await site.post(in_pieces(body), "application/x-ndjson")
        assert [json.loads(line)["status"] for line in answer.text.splitlines()] == [201, 413, 201, 200]
        assert (site.raw(1), site.raw(2)) == (inline("a"), inline("b"))
        assert len(site.files()) == 2


@pytest.mark.parametrize("media", [MEDIA_TYPE, "application/x-ndjson"])
async def test_a_connection_cut_in_the_middle_leaves_nothing(media: str, tmp_path: Path) -> None:
    half = inline()[:2_000_000]
    async with running(tmp_path) as site:
        events = [{"type": "http.request", "body": half[:900_000], "more_body": True}]
        events += [{"type": "http.request", "body": half[900_000:], "more_body": True}, {"type": "http.disconnect"}]
        seen: list[list[str]] = []

        async def receive() -> dict[str, Any]:
            seen.append(site.files())
            return events.pop(0)

        async def send(_message: Any) -> None:
            return

        scope = {
            "type": "http", "method": "POST", "path": "/exchanges", "raw_path": b"/exchanges", "query_string": b"", "root_path": "",
            "headers": [(b"content-type", media.encode())], "client": ("127.0.0.1", 1), "server": ("site", 80), "scheme": "http",
            "http_version": "1.1", "asgi": {"version": "3.0"},
        }  # fmt: skip
        await site.app(scope, receive, send)
        assert [len(names) for names in seen] == [0, 0, 1], "it went to the disk before it was cut"
        await site.takes()


async def test_g09_the_limit_in_the_middle_leaves_nothing_and_no_more_is_read(tmp_path: Path) -> None:
    def read_on() -> None:
        raise AssertionError("read to the end")

    async with running(tmp_path) as site:
        answer = await site.post(in_pieces(inline() * 5, read_on))
        assert (answer.status_code, answer.json()["issues"][0]["code"]) == (413, "TOO_MANY")
        await site.takes()


@pytest.mark.parametrize("when", ["write", "become"])
async def test_a_full_disk_is_503_and_leaves_nothing(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with running(tmp_path) as site:
        with monkeypatch.context() as patch:
            patch.setattr(Draft, when, full)
            answer = await site.post(in_pieces(inline()))
            assert (answer.status_code, answer.json()["issues"][0]["code"]) == (503, "STORE_UNAVAILABLE")
            assert "retry-after" in answer.headers
            stream = await site.post(in_pieces(inline() + b"\n" + inline("b")), "application/x-ndjson")
            assert [json.loads(line)["status"] for line in stream.text.splitlines()] == [503, 503]
        await site.takes()


async def test_twenty_at_once_are_all_taken_four_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most: list[int] = []
    real = ContentFiles.draft

    def draft(files: ContentFiles) -> Draft:
        most.append(len(list((files.directory / "arriving").glob("*"))) + 1)
        return real(files)

    monkeypatch.setattr(ContentFiles, "draft", draft)
    async with running(tmp_path) as site:
        bodies = [inline(f"{number % 10}") for number in range(20)]
        answers = await asyncio.gather(*[site.post(in_pieces(body)) for body in bodies])
        assert sorted(each.status_code for each in answers) == [200] * 10 + [201] * 10
        assert len(most) == 20
        assert max(most) <= 4
        assert len(site.files()) == 10


@pytest.mark.parametrize("kind", ["inline", "form"])
async def test_what_is_held_in_memory_is_less_than_the_attachment(kind: str, tmp_path: Path) -> None:
    large = PDF * 3
    (first, media), (body, _) = (
        (form("a"), form("b", large))
        if kind == "form"
        else ((inline("a"), MEDIA_TYPE), (inline("b", large), MEDIA_TYPE))
    )
    async with running(tmp_path) as site:
        assert (await site.post(in_pieces(first), media)).status_code == 201  # what is loaded once is loaded
        tracemalloc.start()
        try:
            answer = await site.post(in_pieces(body), media)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            delivered = site.here.journal.bodies.of([2])[2].exchange
            given = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert answer.status_code == 201, answer.text
        assert peak < len(large), f"{peak} of {len(large)}"
        assert delivered is not None
        assert delivered.documents[0].content.data == large
        assert given < 1.5 * len(large), f"{given} of {len(large)}"
