"""The object graph, running: in over MLLP, out to a folder and the own FHIR store, seen through the web."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.app import (
    Application,
    JournalBusy,
    Mistake,
    Records,
    compile_site,
    endpoint_models,
    journal_state,
    library_mistakes,
)
from connector.demo import demo_message
from connector.endpoints.mllp_peer import Answered, send_messages
from connector.exchange.moments import Moment
from connector.mapping.language import MappingErrors
from connector.settings import Settings, settings_from
from connector.store.search import Filters
from connector.web.app import build
from tests.waiting import until

NAME = "PAT-TROIS"
DOCUMENT = "1.2.250.1.213.1.4.10.9.99.5"


def settings(tmp_path: Path, **changes: object) -> Settings:
    data: dict[str, Any] = {
        "site": "clinique",
        "environment": "test",
        "data": "data",
        "receivers": [{"kind": "mllp", "port": 0}],
        "destinations": {"ris": {"kind": "folder", "path": "ris"}, "fhir": {"kind": "fhir", "store": "local"}},
        "http": {"port": 0},
        **changes,
    }
    kinds = endpoint_models()
    return settings_from(data, tmp_path, receivers=kinds["receivers"], destinations=kinds["destinations"], environ={})


def letter(control_id: str, document: str = DOCUMENT) -> bytes:
    return demo_message(Moment("2026-01-05T10:15:00+01:00"), control_id, document)


async def sent(application: Application, *messages: bytes) -> list[Answered]:
    host, _, port = application.receivers()[0].where.rpartition(":")
    return [answered async for answered in send_messages(host, int(port), messages, timeout=60)]


async def delivered(application: Application, count: int) -> list[dict[str, Any]]:
    """The messages once each of their deliveries has been accepted."""

    async def look() -> list[dict[str, Any]] | None:
        rows = await application.messages(Filters())
        all_accepted = all(set(row["deliveries"].values()) <= {"accepted"} for row in rows)
        return rows if all_accepted and len(rows) >= count else None

    return await until(look)


@asynccontextmanager
async def web(application: Application) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=build(application))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


def test_a_letter_goes_through_and_is_seen_everywhere_without_a_value_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def run() -> None:
        async with Application(settings(tmp_path)) as application:
            assert application.not_ready() == []
            [answered] = await sent(application, letter("A1"))
            assert answered.accepted
            [row] = await delivered(application, 1)
            assert row["deliveries"] == {"ris": "accepted", "fhir": "accepted"}
            async with web(application) as client:
                await pages_are_right(client, row["message_id"])

    asyncio.run(run())
    [folder] = (tmp_path / "ris").iterdir()
    assert folder.name == f"{DOCUMENT}_v1"
    assert (folder / "body.pdf").read_bytes().startswith(b"%PDF")
    assert NAME not in caplog.text
    assert "279035121518989" not in caplog.text


async def pages_are_right(client: httpx.AsyncClient, number: int) -> None:
    for path in ("/", "/health", "/ready", "/metrics", "/api/status", "/api/messages", f"/api/messages/{number}"):
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert NAME not in answer.text, path
        assert "279035121518989" not in answer.text, path
    page = await client.get("/", headers={"accept-language": "fr"})
    assert "environnement de test" in page.text
    assert 'lang="en"' in (await client.get("/", headers={"accept-language": "en"})).text
    assert 'connector_receiver_up{receiver="mllp",kind="mllp"} 1' in (await client.get("/metrics")).text
    message = (await client.get(f"/api/messages/{number}")).json()
    assert [leg["state"] for leg in message["legs"]] == ["accepted", "accepted"]
    found = (await client.get("/fhir/DocumentReference")).json()
    assert found["total"] == 1
    attachment = found["entry"][0]["resource"]["content"][0]["attachment"]
    binary = await client.get("/fhir/" + attachment["url"].split("/fhir/")[-1])
    assert b"ClinicalDocument" in binary.content


def test_what_changes_something_is_asked_by_us_only(tmp_path: Path) -> None:
    async def run() -> None:
        async with Application(settings(tmp_path)) as application, web(application) as client:
            await sent(application, letter("B1"))
            [row] = await delivered(application, 1)
            path = f"/api/messages/{row['message_id']}/replay"
            assert (await client.post(path)).status_code == 403
            ours = {"x-connector": "test"}
            assert (await client.post(path + "?destination=nowhere", headers=ours)).status_code == 404
            made = await client.post(path + "?destination=ris", headers=ours)
            assert (made.status_code, len(made.json()["deliveries"])) == (202, 1)
            assert (await client.post("/api/messages/999/replay", headers=ours)).status_code == 404
            assert (await client.post("/api/deliveries/999/retry", headers=ours)).status_code == 404

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/messages?limit=x", 400),
        ("/api/messages?color=red", 400),
        ("/api/messages/77", 404),
        ("/nothing", 404),
        ("/api/messages?limit=9", 200),
    ],
)
def test_wrong_questions_are_refused(tmp_path: Path, path: str, status: int) -> None:
    async def run() -> None:
        async with Application(settings(tmp_path, receivers=[])) as application, web(application) as client:
            assert (await client.get(path)).status_code == status
            assert (await client.get("/", headers={"host": "evil.example"})).status_code == 400

    asyncio.run(run())


def test_routes_decide_by_directive(tmp_path: Path) -> None:
    routes = [
        {"to": "ris", "when": {"directive": ["to_patient", "not to_dmp"]}},
        {"to": "fhir", "when": {"directive": "to_dmp"}},
    ]

    async def run() -> None:
        async with Application(settings(tmp_path, routes=routes)) as application:
            await sent(application, letter("C1"))
            [row] = await delivered(application, 1)
            assert row["deliveries"] == {"ris": "accepted"}

    asyncio.run(run())


def test_the_environment_decides_which_identities_are_taken(tmp_path: Path) -> None:
    async def run() -> None:
        async with Application(settings(tmp_path, environment="production")) as application:
            [answered] = await sent(application, letter("D1"))
            assert not answered.accepted
            assert "202" in {error.condition for error in answered.acks[0].errors}
            assert not (tmp_path / "ris").exists() or not list((tmp_path / "ris").iterdir())

    asyncio.run(run())


def test_new_mappings_take_the_place_of_the_old_ones_and_wrong_ones_do_not(tmp_path: Path) -> None:
    overlay = tmp_path / "mappings" / "hl7" / "segments" / "PID.yaml"
    overlay.parent.mkdir(parents=True)
    drop = "overlay: hl7/segments/PID\ndrop:\n  - {hl7: PID-7, exchange: birth_date}\n"

    async def run() -> None:
        async with Application(settings(tmp_path)) as application:
            first = (await application.status()).mappings
            overlay.write_text(drop, encoding="utf-8")
            second = await application.reload()
            assert second != first
            overlay.write_text(
                "overlay: hl7/segments/PID\nrules:\n  - {hl7: PID-77, exchange: nothing}\n", encoding="utf-8"
            )
            with pytest.raises(MappingErrors):
                await application.reload()
            assert (await application.status()).mappings == second
            assert (await sent(application, letter("E1")))[0].answers

    asyncio.run(run())


def test_a_running_connector_has_its_journal_alone(tmp_path: Path) -> None:
    site = settings(tmp_path)
    assert journal_state(site) == "absent"

    async def run() -> None:
        async with Application(site) as application:
            await sent(application, letter("F1"))
            await delivered(application, 1)
            assert await asyncio.to_thread(journal_state, site) == "running"
            records = Records(site)
            [row] = records.messages(Filters())
            with pytest.raises(JournalBusy):
                await asyncio.to_thread(records.change, "replay", row.id, None)
            records.close()

    asyncio.run(run())
    assert journal_state(site) == "ready"
    records = Records(site)
    [row] = records.messages(Filters())
    assert len(records.change("replay", row.id, "ris")) == 1
    body = records.search.body(row.id)
    assert body is not None
    assert body.raw == letter("F1")
    records.close()


def test_what_fails_to_start_leaves_nothing_running(tmp_path: Path) -> None:
    async def run() -> None:
        async with Application(settings(tmp_path)) as application:
            port = int(application.receivers()[0].where.rpartition(":")[2])
            other = settings(tmp_path, data="other", receivers=[{"kind": "mllp", "port": port}])
            with pytest.raises(OSError, match="cannot listen"):
                async with Application(other):
                    raise AssertionError("started")
        assert await asyncio.to_thread(journal_state, settings(tmp_path, data="other")) == "ready"

    asyncio.run(run())


def test_the_products_own_mappings_and_tables_hold_no_mistake() -> None:
    mistakes: list[Mistake] = library_mistakes()
    assert mistakes == []
    assert compile_site().version == compile_site().version


def test_status_is_data(tmp_path: Path) -> None:
    async def run() -> None:
        async with Application(settings(tmp_path)) as application, web(application) as client:
            status = json.loads((await client.get("/api/status")).text)
            assert status["site"] == "clinique"
            assert status["destinations"] == {"ris": "folder", "fhir": "fhir"}

    asyncio.run(run())
