"""Exchanges as files: read from a watched folder through the whole way in, and written as one file a version."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from connector.endpoints import Endpoint
from connector.endpoints.folder_in import FolderIn, FolderInSettings
from connector.endpoints.folder_out import FolderOut, FolderOutSettings
from connector.engine.clock import SystemClock
from connector.exchange.documents import Content
from connector.exchange.model import Exchange
from connector.issues import Outcome
from connector.monsisra.codec import dump, parse
from connector.ports import Claimed
from tests.exchange_site import site
from tests.unit.monsisra.sample import CASES, data, raw, read
from tests.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def dropped(folder: Path, name: str, content: bytes, **settings: int) -> list[str]:
    """The states of the messages that a file becomes, in order."""
    async with site(str(folder / "journal.db")) as here:
        options = FolderInSettings(
            path=folder / "in", format="exchange", ready="rename", poll_seconds=0.005, **settings
        )  # type: ignore[arg-type]
        receiver = FolderIn(options, Endpoint(name="exchanges", clock=SystemClock()))
        await receiver.start(here.intake)
        (folder / "in" / name).write_bytes(content)
        await until(lambda: any((folder / "in" / each / name).exists() for each in ("processed", "refused")))
        await receiver.stop()
        return [row.state for row in reversed(here.journal.search.list_messages())]


@pytest.mark.parametrize("case", CASES)
async def test_a_file_is_one_exchange(case: str, tmp_path: Path) -> None:
    assert await dropped(tmp_path, "a.json", raw(case)) == ["translated"]
    assert (tmp_path / "in" / "processed" / "a.json").exists()


async def test_a_file_of_lines_is_one_exchange_a_line(tmp_path: Path) -> None:
    lines = b"\n\n".join(json.dumps(data(case)).encode() for case in (*CASES, "mail"))
    assert await dropped(tmp_path, "b.ndjson", lines) == ["translated"] * len(CASES)  # the last is the same again
    assert (tmp_path / "in" / "processed" / "b.ndjson").exists()


async def test_what_is_refused_keeps_its_file_apart_with_field_and_code_and_without_a_value(tmp_path: Path) -> None:
    lines = [
        json.dumps(data("mail")),
        json.dumps(data("document", patient=None, sharing=None, id="CANARI")),
        '{"mode": "CANARI"}',
    ]
    assert await dropped(tmp_path, "c.ndjson", "\n".join(lines).encode()) == ["translated", "refused", "refused"]
    reasons = (tmp_path / "in" / "refused" / "c.ndjson.reasons.txt").read_text("utf-8")
    assert "message 2: patient MODE_FIELD" in reasons
    assert "message 3: mode EXCHANGE_VALUE" in reasons
    assert "CANARI" not in reasons


@pytest.mark.parametrize("name", ["a.json", "a.ndjson"])
async def test_a_large_attachment_is_kept_once_and_found_again(name: str, tmp_path: Path) -> None:
    pdf = b"%PDF-1.7" + bytes(range(256)) * 2000
    value = data("mail")
    value["documents"][0]["content"] = {"data": base64.b64encode(pdf).decode()}
    line = json.dumps(value).encode()
    assert await dropped(tmp_path, name, b" \r\n" + line + b"\r\n") == ["translated"]
    async with site(str(tmp_path / "journal.db")) as here:
        found = here.journal.bodies.of([1])[1]
        assert found.exchange is not None
        assert found.exchange.documents[0].content == Content(
            data=pdf,
            size=len(pdf),
            sha1=hashlib.sha1(pdf, usedforsecurity=False).hexdigest(),
            sha256=hashlib.sha256(pdf).hexdigest(),
        )
        assert bytes(found.raw).strip() == line
        assert len(list(tmp_path.glob("journal.db.contents/*/*"))) == 1


async def test_a_line_beyond_the_limit_is_kept_as_a_part_and_the_next_one_is_read(tmp_path: Path) -> None:
    lines = b'{"subject": "' + b"x" * 400_000 + b'"}\n' + json.dumps(data("mail")).encode()
    assert await dropped(tmp_path, "d.ndjson", lines, max_message=50_000) == ["parked", "translated"]


def delivery(exchange: Exchange) -> Claimed:
    return Claimed(
        delivery_id=1, message_id=1, destination="d", key="k", attempts=0, resent=False, control_id="", type="Exchange^mail",
        raw=b"{}", exchange=exchange,
    )  # fmt: skip


async def test_each_version_is_written_as_one_file_and_a_repetition_writes_nothing(tmp_path: Path) -> None:
    async def before_send() -> None:
        return

    endpoint = Endpoint(
        name="d", clock=SystemClock(), write=lambda claimed, _: Outcome(dump(claimed.exchange or Exchange()))
    )
    sender = FolderOut(FolderOutSettings(path=tmp_path / "out", format="exchange"), endpoint)
    exchange = read(data("conversation"))
    first = await sender.deliver(delivery(exchange), before_send)
    assert parse(Path(first.reference).read_bytes()).value == exchange
    assert (await sender.deliver(delivery(exchange), before_send)).answer == b"already there"
    grown = data("conversation")
    grown["messages"].append({"id": "4", "text": "Merci."})
    second = await sender.deliver(delivery(read(grown)), before_send)
    assert first.reference != second.reference
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_the_format_needs_something_that_writes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the mappings"):
        FolderOut(FolderOutSettings(path=tmp_path, format="exchange"), Endpoint(name="d", clock=SystemClock()))
