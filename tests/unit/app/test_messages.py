"""An exchange of MonSisra leaves as HL7 v2 to the business software: one message a document, one for the state of a téléexpertise."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.app import Application, endpoint_models
from connector.settings import Settings, settings_from
from connector.store.search import Filters
from connector.web.app import build
from tests.golden.journeys_kit import ROOT
from tests.waiting import until


def site(path: Path, name: str, **changes: object) -> Settings:
    data: dict[str, Any] = {"site": name, "environment": "test", "data": "data", "http": {"port": 0}, **changes}
    kinds = endpoint_models()
    path.mkdir()
    return settings_from(data, path, receivers=kinds["receivers"], destinations=kinds["destinations"], environ={})


async def accepted(application: Application, count: int) -> list[tuple[str, str]]:
    """The destination's deliveries once `count` of them are accepted."""

    async def look() -> list[tuple[str, str]] | None:
        rows = await application.messages(Filters())
        shown = [await application.message(row["message_id"]) for row in rows]
        legs = [leg for each in shown if each is not None for leg in each["legs"]]
        assert not {leg["state"] for leg in legs} & {"rejected", "parked"}, [leg["issues"] for leg in legs]
        if len(legs) != count or any(leg["state"] != "accepted" for leg in legs):
            return None
        return [(leg["destination"], leg["part"]) for leg in legs]

    return await until(look)


@pytest.mark.parametrize(
    ("example", "parts", "types"),
    [
        ("teleexpertise", ["2", "status"], ["MDM^T02", "ORU^R01"]),
        ("conversation", ["1"], ["MDM^T02"]),
        ("mon-espace-sante-fin", ["text"], ["MDM^T02"]),
    ],
)
def test_each_message_is_a_delivery_that_the_other_side_accepts(
    tmp_path: Path, example: str, parts: list[str], types: list[str]
) -> None:
    async def run() -> None:
        software = site(
            tmp_path / "b", "dpi", receivers=[{"kind": "mllp", "port": 0}], destinations={"files": {"kind": "folder", "path": "files"}},
            rules={"patient_identifiers": "tolerant"},
        )  # fmt: skip
        async with Application(software) as receiver:
            host, _, port = receiver.receivers()[0].where.rpartition(":")
            ours = site(
                tmp_path / "a",
                "monsisra",
                destinations={"dpi": {"kind": "mllp", "host": host, "port": int(port), "format": "hl7"}},
            )
            async with Application(ours) as sender:
                transport = httpx.ASGITransport(app=build(sender))
                async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                    posted = json.loads((ROOT / "tests/golden/exchanges" / example / "exchange.json").read_bytes())
                    answer = await client.post("/exchanges", json=posted, headers={"X-Requested-With": "test"})
                    assert answer.status_code in (200, 201, 202), answer.text
                assert await accepted(sender, len(parts)) == [("dpi", part) for part in parts]
            await accepted(receiver, len(types))
            rows = await receiver.messages(Filters())
            assert sorted(row["type"] for row in rows) == types

    asyncio.run(run())
