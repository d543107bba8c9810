"""A running application whose FHIR API is asked as a client asks it, without a socket: shared by unit, hostile and property tests."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from connector.app import Application
from connector.settings import settings_from
from connector.store.search import Filters
from connector.web.app import build

BASE = "http://127.0.0.1/fhir"
INS = "urn:oid:1.2.250.1.213.1.4.10"


def site(folder: Path, **more: Any) -> Any:
    """Settings: documents go to the own store and to a folder."""
    from connector.app import endpoint_models

    kinds = endpoint_models()
    values = {
        "site": "test",
        "environment": "test",
        "data": str(folder / "data"),
        "destinations": {
            "fhir": {"kind": "fhir", "store": "local"},
            "documents": {"kind": "folder", "path": str(folder / "documents")},
        },
        **more,
    }
    return settings_from(values, folder, receivers=kinds["receivers"], destinations=kinds["destinations"])


class Api:
    """The API and what stands behind it."""

    def __init__(self, application: Application, http: httpx.AsyncClient) -> None:
        self.application = application
        self.http = http

    async def messages(self) -> list[dict[str, Any]]:
        """The journal, the newest first."""
        return await self.application.messages(Filters(limit=50))

    async def count(self, kind: str, **criteria: str) -> int:
        """How many resources are found."""
        found = await self.http.get(f"/fhir/{kind}", params={**criteria, "_summary": "count"})
        assert found.status_code == 200, found.text
        return int(found.json()["total"])


@contextlib.asynccontextmanager
async def api(folder: Path, **more: Any) -> AsyncIterator[Api]:
    """The application running, asked through its own web."""
    async with Application(site(folder, **more)) as application:
        transport = httpx.ASGITransport(app=build(application), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=30) as http:
            yield Api(application, http)


def patient(number: str = "279035121518989", family: str = "PAT-TROIS", **more: Any) -> dict[str, Any]:
    """A Patient of the test OID."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": INS, "value": number}],
        "name": [{"family": family, "given": ["DOMINIQUE"]}],
        "gender": "female",
        "birthDate": "1979-03-28",
        **more,
    }
