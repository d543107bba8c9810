"""A document on its way to a practitioner's software and back: MLLP → folder as HPRIM with its PDF → watched folder → journal."""

from __future__ import annotations

import asyncio
from pathlib import Path

from connector.app import Application
from connector.store.search import Filters
from tests.unit.app.test_application import letter, sent, settings
from tests.waiting import until


async def found(folder: Path, pattern: str) -> Path:
    return (await until(lambda: list(folder.glob(pattern))))[0]


async def travelled(tmp_path: Path) -> None:
    hospital = settings(
        tmp_path, destinations={"cabinet": {"kind": "folder", "path": "cabinet", "format": "hprim"}}, data="hospital"
    )
    async with Application(hospital) as application:
        (answered,) = await sent(application, letter("HPRIM1"))
        assert answered.accepted
        written = await found(tmp_path / "cabinet", "*.hpr")
    assert written.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    lines = written.read_bytes().decode("cp1252").split("\r\n")
    assert lines[1:3] == ["PAT-TROIS", "DOMINIQUE"]
    assert lines[6] == "28/03/1979"

    practice = settings(
        tmp_path, data="practice", destinations={"fhir": {"kind": "fhir", "store": "local"}},
        receivers=[{"kind": "folder", "path": "cabinet", "format": "hprim", "ready": "rename", "poll_seconds": 0.05}],
    )  # fmt: skip
    async with Application(practice) as application:
        await found(tmp_path / "cabinet" / "processed", "*.hpr")
        [message] = await application.messages(Filters())
    assert message["state"] == "translated"
    assert message["type"] == "HPRIM"


def test_a_document_becomes_a_letter_with_its_pdf_and_is_read_back(tmp_path: Path) -> None:
    asyncio.run(travelled(tmp_path))
