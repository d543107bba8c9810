"""`$validate` (R4 §3.6): what would be refused, without keeping anything."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector.endpoints.fhir_in.answers import RefusedError, outcome, refuse
from connector.endpoints.fhir_in.body import resource_of
from connector.endpoints.fhir_in.site import Site
from connector.fhir.incoming import check_incoming
from connector.issues import IssueCode

__all__ = ["validate"]


async def validate(site: Site, request: Request) -> Response:
    """Of what is posted (a resource, or Parameters that hold it), or of the resource of the address. Always 200: the answer is the verdict."""
    kind, identity = site.type_of(request), request.path_params.get("id")
    if request.method == "GET":
        return outcome(
            request, 200, await asyncio.to_thread(check_incoming, dict(await _kept(site, kind, identity or "")))
        )
    try:
        posted, _ = await resource_of(request, site.settings)
    except RefusedError as error:
        if error.status != 400:
            raise
        return outcome(request, 200, error.issues)
    if posted["resourceType"] == "Parameters" and kind != "Parameters":
        held = [
            each for each in posted.get("parameter", ()) if isinstance(each, dict) and each.get("name") == "resource"
        ]
        inner: Any = held[0].get("resource") if held else (await _kept(site, kind, identity) if identity else None)
        if not isinstance(inner, dict) or not isinstance(inner.get("resourceType"), str):
            raise refuse(400, IssueCode.FHIR_INVALID, "Parameters.parameter", expected="a parameter `resource`")
        posted = inner
    issues = await asyncio.to_thread(check_incoming, dict(posted))
    if posted["resourceType"] != kind:
        issues = [*refuse(422, IssueCode.FHIR_INVALID, "resourceType", expected=kind).issues, *issues]
    return outcome(request, 200, issues)


async def _kept(site: Site, kind: str, identity: str) -> Mapping[str, Any]:
    found = await site.documents.get(kind, identity)
    if found is None:
        raise refuse(404, IssueCode.FHIR_NOT_FOUND, what=kind)
    return found
