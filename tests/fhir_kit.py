"""A running application whose FHIR API is asked as a client asks it, without a socket: shared by unit, hostile and property tests."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from connector.app import Application
from connector.app.compiled import compile_site
from connector.settings import settings_from
from connector.store.search import Filters
from connector.web.app import build

BASE = "http://127.0.0.1/fhir"
INS = "urn:oid:1.2.250.1.213.1.4.10"
BIRTH_PLACE = {
    "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
    "valueAddress": {
        "extension": [
            {
                "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code",
                "valueCoding": {
                    "system": "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM",
                    "code": "51215",
                },
            }
        ]
    },
}


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


@cache
def compiled() -> Any:
    """Mappings and tables as they are shipped."""
    return compile_site()


@contextlib.asynccontextmanager
async def api(folder: Path, **more: Any) -> AsyncIterator[Api]:
    """The application running, asked through its own web; the shipped mappings are compiled once for all."""
    with patch("connector.app.graph.compile_site", lambda _: compiled()):
        application = await Application(site(folder, **more)).__aenter__()
    try:
        transport = httpx.ASGITransport(app=build(application), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=30) as http:
            yield Api(application, http)
    finally:
        await application.__aexit__(None, None, None)


def patient(number: str = "279035121518989", family: str = "PAT-TROIS", **more: Any) -> dict[str, Any]:
    """A Patient of the test OID."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": INS, "value": number}],
        "name": [{"family": family, "given": ["DOMINIQUE"]}],
        "gender": "female",
        "birthDate": "1979-03-28",
        "extension": [BIRTH_PLACE],
        **more,
    }


def document(number: int = 1, text: bytes = b"Compte rendu", **more: Any) -> dict[str, Any]:
    """A DocumentReference with its data in it (ITI-105)."""
    return {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:1.2.250.1.213.1.4.10.9.77.{number}"},
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11502-2"}]},
        "date": "2026-01-05T10:15:00+01:00",
        "author": [{"reference": "#author"}],
        "contained": [{"resourceType": "Practitioner", "id": "author", "name": [{"family": "MÉDECIN", "given": ["Zoé"]}]}],
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain",
                    "title": "Compte rendu",
                    "creation": "2026-01-05T10:15:00+01:00",
                    "data": base64.b64encode(text).decode(),
                }
            }
        ],
        **more,
    }  # fmt: skip


def submission(number: int = 1, text: bytes = b"Compte rendu", **more: Any) -> dict[str, Any]:
    """An ITI-65 transaction: a submission set, its document, the bytes, and the patient unless known."""
    made = document(number, text, subject={"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"}, **more)
    attachment = {
        **made["content"][0]["attachment"],
        "url": "urn:uuid:00000000-0000-4000-8000-000000000002",
        "size": len(text),
        "hash": base64.b64encode(hashlib.sha1(text, usedforsecurity=False).digest()).decode(),
    }
    del attachment["data"]
    made["content"] = [{"attachment": attachment}]
    submitted = {
        "resourceType": "List",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:1.2.250.1.213.1.4.10.9.78.{number}"}],
        "status": "current",
        "mode": "working",
        "code": {"coding": [{"system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", "code": "submissionset"}]},
        "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"},
        "date": "2026-01-05T10:16:00+01:00",
        "entry": [{"item": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000003"}}],
    }  # fmt: skip
    binary = {"resourceType": "Binary", "contentType": "text/plain", "data": base64.b64encode(text).decode()}
    parts = [(4, "List", submitted), (3, "DocumentReference", made), (2, "Binary", binary), (1, "Patient", patient())]
    entries = [
        {
            "fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{place}",
            "resource": resource,
            "request": {"method": "POST", "url": kind},
        }
        for place, kind, resource in parts
    ]
    entries[3]["request"]["ifNoneExist"] = f"identifier={INS}|279035121518989"
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
