"""`connector identity check` and `connector patient`: read back, searched, shown; nothing of a patient where nobody asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from connector.app import Application
from connector.endpoints.mllp_peer import send_messages
from connector.web.app import build
from tests.hostile.cases_identity import IPP, document, merging
from tests.hostile.harness import CANARY, adt, edited
from tests.unit.app.test_application import settings
from tests.unit.endpoints.patient_peer import PATIENT, bundle, server

from .conftest import Command


def test_the_guides_sentence_is_said_in_both_languages(command: Command) -> None:
    french = command("--lang", "fr", "identity", "check", "2880799123456")
    assert french.code == 0
    assert "une femme, née en juillet 1988, dans le département 99" in " ".join(french.out.split())
    [told] = command("--json", "identity", "check", "2880799123456").data
    assert told["sentence"] == "This INS matricule is that of a woman born in July 1988, in département 99"
    assert (told["kind"], told["number"][:13], told["ins"]["key"]) == ("INS", "2880799123456", told["number"][13:])


def test_several_values_each_with_what_is_wrong(command: Command) -> None:
    result = command("--json", "identity", "check", "279035121518988", "801234567866", "a@b.mssante.fr")
    assert result.code == 1
    told = [(each["kind"], [issue["code"] for issue in each["issues"]]) for each in result.data]
    assert told == [("INS", ["INS_KEY"]), ("RPPS", ["IDENTIFIER_CHECK"]), ("MSSANTE", [])]
    assert command("identity", "check", "801234567866").code == 0, "a check digit only warns"


def test_a_value_is_taken_as_the_kind_that_is_said(command: Command) -> None:
    assert command("--json", "identity", "check", "732829320").data[0]["others"] == ["ADELI", "SIREN"]
    assert command("--json", "identity", "check", "732829320", "--as", "siren").data[0]["kind"] == "SIREN"
    assert command("identity", "check", "732829320", "--as", "passport").code == 2


async def receive(running: Application, *messages: bytes) -> None:
    """Messages over MLLP, each committed before the next."""
    host, _, port = running.receivers()[0].where.rpartition(":")
    for message in messages:
        assert len([each async for each in send_messages(host, int(port), [message], timeout=60)]) == 1


def received(folder: Path, *messages: bytes) -> Path:
    """A site that received these."""

    async def run() -> None:
        async with Application(settings(folder)) as running:
            await receive(running, *messages)

    asyncio.run(run())
    (folder / "connector.yaml").write_text("site: clinique\nenvironment: test\ndata: data\n", encoding="utf-8")
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site that received a patient's document and then a merge."""
    return received(tmp_path, document(1, "1"), merging("A40", IPP.replace("DEMO-0042", "OLD-1")))


KNOWN = edited(adt("0"), ("JEANNE^JEANNE^", "DOMINIQUE^DOMINIQUE^"))
OTHER_DAY = document(1, "1", changes=[("19790328", "19790329")])
CORRECTED = edited(KNOWN, ("|0|T|", "|8|T|"), ("|19790328|", "|19790329|"))


def test_a_parked_identity_is_judged_again_once_it_is_settled(command: Command, tmp_path: Path) -> None:
    received(tmp_path, KNOWN, OTHER_DAY)
    assert (command("--json", "journal", "judge", "2").data, command("journal", "judge", "2").code) == (
        {"state": "parked"},
        1,
    )
    received(tmp_path, CORRECTED)
    judged = command("journal", "judge", "2")
    assert (judged.code, judged.out.strip()) == (0, "message 2: translated")
    assert command("journal", "judge", "99").code == 1


def test_a_running_connector_judges_again_when_it_is_asked_by_its_own(tmp_path: Path) -> None:
    async def run() -> list[tuple[int, object]]:
        async with Application(settings(tmp_path)) as running:
            await receive(running, KNOWN, OTHER_DAY, CORRECTED)
            transport = httpx.ASGITransport(build(running))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                asked = [
                    await client.post(f"/api/messages/{number}/judge", headers=headers)
                    for number, headers in ((2, {}), (99, {"X-Connector": "1"}), (2, {"X-Connector": "1"}))
                ]
        return [(answer.status_code, answer.json().get("state")) for answer in asked]

    assert asyncio.run(run()) == [(403, None), (404, None), (202, "translated")]


def test_a_patient_is_found_and_shown_with_what_was_merged(command: Command, site: Path) -> None:
    found = command("--json", "patient", "search", "--family", CANARY.lower(), "--given", "dom").data
    [one] = found["patients"]
    assert (one["origins"], one["birth_date"], found["more"]) == (["local"], "1979-03-28", False)
    assert {each["value"] for each in one["identifiers"]} >= {"279035121518989", "DEMO-0042", "NEW-7"}
    [old] = command("--json", "patient", "search", "--identifier", "1.2.250.1.213.1.4.10.9.1|OLD-1").data["patients"]
    assert (old["merged_into"], old["merged_by"]) == (one["record"], 2)
    shown = command("--json", "patient", "show", one["record"]).data
    assert (shown["absorbed"], shown["identity"], shown["message_id"]) == ([old["record"]], True, 2)
    assert CANARY in command("patient", "show", one["record"]).out
    assert "by message 2" in " ".join(command("patient", "search", "--identifier", "OLD-1").out.split())
    assert command("patient", "show", 999).code == 1


def test_the_pdqm_server_of_the_settings_is_asked_too(command: Command, site: Path) -> None:
    with server(200, bundle(PATIENT)) as (url, asked):
        with (site / "connector.yaml").open("a", encoding="utf-8") as file:
            file.write(f"identity:\n  pdqm:\n    url: {url}\n")
        found = command("--json", "patient", "search", "--family", "Pat", "--birthdate", "1979-03-28")
    assert [each["origins"] for each in found.data["patients"]] == [["127.0.0.1"]]
    assert len(asked) == 1


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_search_that_asks_for_too_little_is_refused_in_words(command: Command, site: Path, language: str) -> None:
    result = command("--lang", language, "patient", "search", "--family", "Pat")
    assert result.code == 1
    assert ("il faut le nom" if language == "fr" else "is needed") in result.err
