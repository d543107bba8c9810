"""Small official files of our own for the tests."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

OID = "1.2.250.1.213.1.4.10.77"
URL = "https://example.org/fhir/ValueSet/colours"
SYSTEM = "https://example.org/fhir/CodeSystem/colours"


def system(*concepts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "url": SYSTEM,
        "name": "TRE_Colours",
        "content": "complete",
        "concept": list(concepts),
        **more,
    }


def values(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ValueSet", "url": URL, "name": "JDV_Colours", "date": "2026-03-01T00:00:00+01:00", "version": "20260301",
        "publisher": "Us - somewhere", "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{OID}"}], **more,
    }  # fmt: skip


def composed(*includes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return values(compose={"include": list(includes), **more})


def listed(*codes: str) -> dict[str, Any]:
    return {"system": SYSTEM, "concept": [{"code": code, "display": code.title()} for code in codes]}


def encoded(*resources: dict[str, Any]) -> dict[str, bytes]:
    return {f"{number}.json": json.dumps(each).encode() for number, each in enumerate(resources)}


def package(**members: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(f"package/{name.replace('__', '.')}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def svs(*concepts: str, head: str = "", attributes: str = "") -> bytes:
    inner = "".join(concepts)
    return (
        f'{head}<RetrieveValueSetResponse xmlns="urn:ihe:iti:svs:2008"><ValueSet id="{OID}" displayName="JDV_Colours" '
        f'dateMaj="20260301120000" {attributes}><ConceptList>{inner}</ConceptList></ValueSet></RetrieveValueSetResponse>'
    ).encode()


def concept(code: str, label: str = "", more: str = "") -> str:
    return f'<Concept code="{code}" codeSystem="{OID}.1" displayName="{label or code.title()}" {more}/>'
