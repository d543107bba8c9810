"""Document types typed ahead and codes without a translation, through a running connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from connector.app import Application, compile_site, endpoint_models
from connector.demo import demo_message
from connector.endpoints.mllp_peer import send_messages
from connector.exchange.moments import Moment
from connector.ports import Claimed
from connector.settings import settings_from
from connector.store.recent import RecentTypes
from connector.terminology import Tables
from connector.terminology.document_types import DocumentTypes
from connector.web import terminology
from connector.web.app import build
from tests.waiting import until

ACCOUNT = "801234567897"  # who sends the letter of the demonstration


def letter(number: int, *changes: tuple[bytes, bytes]) -> bytes:
    raw = demo_message(Moment("2026-01-05T10:15:00+01:00"), f"W{number}", f"1.2.250.1.213.1.4.10.9.99.{number}")
    for old, new in changes:
        assert old in raw
        raw = raw.replace(old, new)
    return raw


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Application, httpx.AsyncClient]]:
    data = {
        "site": "clinique", "environment": "test", "data": "data", "terminology": "tables",
        "receivers": [{"kind": "mllp", "port": 0}], "destinations": {"ris": {"kind": "folder", "path": "ris"}},
        "http": {"port": 0},
    }  # fmt: skip
    kinds = endpoint_models()
    site = settings_from(data, folder, receivers=kinds["receivers"], destinations=kinds["destinations"], environ={})
    async with Application(site) as application:
        transport = httpx.ASGITransport(app=build(application))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield application, client


async def sent(application: Application, *messages: bytes) -> list[bool]:
    host, _, port = application.receivers()[0].where.rpartition(":")
    return [answered.accepted async for answered in send_messages(host, int(port), messages, timeout=60)]


def test_a_code_is_counted_settled_by_the_sites_table_and_gone_from_the_list(tmp_path: Path, root: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as (application, client):
            unknown = (b"PV1|1|I|", b"PV1|1|Q|")
            assert await sent(application, letter(1), letter(2, unknown), letter(3, unknown)) == [True, False, False]
            [task] = (await client.get("/api/terminology/tasks")).json()
            assert (task["terminology"], task["way"], task["side"], task["code"]) == (
                "encounter-class",
                "read",
                "hl7",
                "Q",
            )
            assert (task["seen"], task["settled"], task["ignored"]) == (2, False, False)

            address = f"/api/terminology/tasks/{task['id']}/ignore"
            assert (await client.post(address)).status_code == 403
            assert (
                await client.post("/api/terminology/tasks/99/ignore", headers={"X-Connector": "t"})
            ).status_code == 404
            folder = tmp_path / "tables"
            folder.mkdir()
            text = (root / "terminology" / "encounter-class.csv").read_text("utf-8")
            (folder / "encounter-class.csv").write_text(text.replace("outpatient,O,", "outpatient,O|Q,"), "utf-8")
            await application.reload()
            assert (await client.get("/api/terminology/tasks")).json() == []
            [settled] = (await client.get("/api/terminology/tasks?all=yes")).json()
            assert settled["settled"]
            assert (await client.post(address, headers={"X-Connector": "t"})).json() == {"ignored": 1}
            assert await sent(application, letter(4, unknown)) == [True]
            [same] = (await client.get("/api/terminology/tasks?all=yes")).json()
            assert same["seen"] == 2, "once it is translated it is no longer counted"
            assert (await client.get("/api/terminology/tasks?al=yes")).status_code == 400

    asyncio.run(run())


def test_a_word_that_cannot_be_written_is_counted_too(tmp_path: Path, root: Path) -> None:
    text = (root / "terminology" / "sex.csv").read_text("utf-8")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "sex.csv").write_text(text.replace("other,O|A,", "other,,"), "utf-8")

    async def run() -> None:
        async with running(tmp_path) as (application, client):
            await sent(application, letter(1))
            message = await application.journal.inbound(1)
            assert message is not None
            context = application.context()
            exchange = compile_site(application.settings).translator.read(message.raw, "hl7", context).exchange
            assert exchange is not None
            assert exchange.patient is not None
            changed = msgspec.structs.replace(exchange, patient=msgspec.structs.replace(exchange.patient, sex="other"))
            claimed = Claimed(
                delivery_id=1, message_id=1, destination="ris", key="k", attempts=0, resent=False, control_id="W1", type="MDM^T02",
                raw=message.raw, exchange=changed,
            )  # fmt: skip
            for _ in range(3):
                await asyncio.to_thread(application.write, claimed, "hl7")

            async def tasks() -> list[dict[str, Any]]:
                return list((await client.get("/api/terminology/tasks")).json())

            [task] = await until(tasks)
            assert (task["terminology"], task["way"], task["side"], task["code"]) == ("sex", "write", "hl7", "other")
            assert (task["seen"], task["message_id"]) == (3, 1)

    asyncio.run(run())


def test_types_are_proposed_those_of_the_account_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminology, "_FRESH", 0.0)

    async def run() -> None:
        async with running(tmp_path) as (application, client):

            async def codes(**query: str) -> list[str]:
                answer = await client.get("/document-types", params=query)
                assert answer.status_code == 200, answer.text
                return [each["code"] for each in answer.json()]

            assert (await codes(q="lettre"))[0] == "11490-0"
            answer = (await client.get("/document-types?q=ordd&limit=1")).json()
            assert answer == [
                {
                    "code": "57833-6", "system": "2.16.840.1.113883.6.1", "label": "Prescription de produits de santé",
                    "class_code": "42", "class_label": "Prescription", "dmp": True, "recent": False, "matched": "Ordonnance de médicaments",
                }
            ]  # fmt: skip
            assert (await codes())[0] == "57833-6"
            assert await sent(application, letter(1)) == [True]
            first = (await client.get("/document-types")).json()[0]
            assert (first["code"], first["recent"]) == ("11490-0", True)
            assert (await codes(account=ACCOUNT))[0] == "11490-0"
            assert (await codes(account="another@test.mssante.fr"))[0] == "57833-6"
            for bad in ("limit=x", "q=" + "a" * 101, "typed=a"):
                assert (await client.get(f"/document-types?{bad}")).status_code == 400

    asyncio.run(run())


def test_answers_come_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is asked and the types are read once, not for each letter that is typed."""
    done: list[str] = []

    class Counted(RecentTypes):
        def refresh(self) -> None:
            done.append("asked")
            super().refresh()

    def read(tables: Tables, day: str) -> DocumentTypes:
        done.append("read")
        return DocumentTypes(tables, day)

    monkeypatch.setattr(terminology, "_FRESH", 600.0)
    monkeypatch.setattr(terminology, "RecentTypes", Counted)
    monkeypatch.setattr(terminology, "DocumentTypes", read)

    async def run() -> None:
        async with running(tmp_path) as (_, client):
            for _ in range(30):
                assert (await client.get("/document-types?q=ordd")).status_code == 200
            assert done == ["asked", "read"]

    asyncio.run(run())
