"""Reads: a resource, one of its versions, its history, a Binary as its bytes (R4 §3.1.0.1 to §3.1.0.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector.endpoints.fhir_in.answers import answer, inert, refuse, unchanged, version_headers, wants_resource
from connector.endpoints.fhir_in.site import Site
from connector.fhir.codec import Resource
from connector.issues import IssueCode
from connector.ports import DocumentStore

__all__ = ["history", "read", "vread", "with_data"]


async def read(site: Site, request: Request) -> Response:
    """The latest version."""
    kind, identity = site.type_of(request), request.path_params["id"]
    found = await site.documents.get(kind, identity)
    if found is None:
        raise refuse(404, IssueCode.FHIR_NOT_FOUND, what=kind)
    return await _read(site, request, found, None)


async def vread(site: Site, request: Request) -> Response:
    """One version."""
    kind, identity, version = site.type_of(request), request.path_params["id"], request.path_params["version"]
    versions = await site.documents.versions(kind, identity)
    found = next((each for each in versions if each["meta"]["versionId"] == version), None)
    if found is None:
        raise refuse(404, IssueCode.FHIR_NOT_FOUND, what=kind)
    return await _read(site, request, found, int(version))


async def _read(site: Site, request: Request, found: Mapping[str, Any], version: int | None) -> Response:
    headers = version_headers(found)
    if unchanged(request, headers):
        return Response(status_code=304, headers=headers)
    if found["resourceType"] != "Binary":
        return answer(request, found, headers=headers)
    if wants_resource(request):
        return answer(request, await with_data(site.documents, found, version), headers=headers)
    blob = await site.documents.blob(found["id"], version)
    if blob is None:
        raise refuse(404, IssueCode.FHIR_NOT_FOUND, what="Binary")
    media, data = blob
    return Response(data, media_type=None, headers={**headers, **inert(media)})


async def with_data(documents: DocumentStore, binary: Mapping[str, Any], version: int | None = None) -> Resource:
    """A Binary with its bytes."""
    blob = await documents.blob(binary["id"], version)
    return {**binary, "contentType": blob[0], "data": blob[1]} if blob is not None else dict(binary)


async def history(site: Site, request: Request) -> Response:
    """Every version, the latest first. A Binary's versions are told without their bytes."""
    kind, identity = site.type_of(request), request.path_params["id"]
    versions = await site.documents.versions(kind, identity)
    if not versions:
        raise refuse(404, IssueCode.FHIR_NOT_FOUND, what=kind)
    base = site.base_of(request)
    name = f"{kind}/{identity}"
    bundle: Resource = {
        "resourceType": "Bundle",
        "type": "history",
        "total": len(versions),
        "link": [{"relation": "self", "url": f"{base}/{name}/_history"}],
        "entry": [_entry(base, name, each, versions) for each in versions],
    }
    return answer(request, bundle)


def _entry(base: str, name: str, version: Mapping[str, Any], versions: Sequence[Mapping[str, Any]]) -> Resource:
    first = version is versions[-1]
    return {
        "fullUrl": f"{base}/{name}",
        "resource": version,
        "request": {"method": "PUT", "url": name},
        "response": {
            "status": "201 Created" if first else "200 OK",
            "etag": f'W/"{version["meta"]["versionId"]}"',
            "lastModified": version["meta"]["lastUpdated"],
        },
    }
