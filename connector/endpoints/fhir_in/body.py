"""The body of a request: whole, within its limits and in time, and of the syntax that it says; all of that is asked before it is decoded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import ClientDisconnect, Request

from connector.endpoints.fhir_in.answers import FORMATS, JSON, XML, RefusedError, refuse
from connector.endpoints.fhir_in.settings import FhirInSettings
from connector.fhir.codec import Limits, Resource
from connector.fhir.incoming import attachments, check_incoming, is_xml, read
from connector.issues import Issue, IssueCode, Severity, worst

__all__ = ["checked", "form_of", "media_of", "patch_of", "resource_of", "same_origin", "whole"]

_LONGEST_FORM = 64 * 1024
_INLINE = 64 * 1024  # bytes; a larger body is read and checked in a thread, so that others do not wait behind it
JSON_PATCH = "application/json-patch+json"
_FORM = "application/x-www-form-urlencoded"


def same_origin(request: Request) -> None:
    """A page of another site may not write here through somebody's browser. Raises RefusedError 403."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise refuse(403, IssueCode.FHIR_BODY, expected="Origin")


def media_of(request: Request) -> str:
    """The Content-Type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def whole(request: Request, limit: int, timeout: float) -> bytes:
    """Every byte, however often it is asked. Raises RefusedError: 413 beyond the limit (whatever the announced length says), 415 compressed, 408 too slow."""
    known: bytes | None = getattr(request.state, "raw", None)
    if known is not None:
        return known
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise refuse(415, IssueCode.FHIR_BODY, expected="Content-Encoding: identity")
    length = request.headers.get("content-length", "0")
    too_large = refuse(413, IssueCode.TOO_MANY, limit=str(limit), what="bytes")
    if length.isdigit() and int(length) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                parts.append(chunk)
    except TimeoutError as error:
        slow = refuse(408, IssueCode.FHIR_BODY, expected=f"{timeout:g} s")
        raise RefusedError(408, *slow.issues, headers={"Connection": "close"}) from error
    except ClientDisconnect as error:
        raise refuse(400, IssueCode.FHIR_BODY, expected="whole") from error
    request.state.raw = b"".join(parts)
    raw: bytes = request.state.raw
    return raw


async def form_of(request: Request, timeout: float) -> list[tuple[str, str]]:
    """The parameters of a form. Raises RefusedError."""
    if media_of(request) != _FORM:
        raise refuse(415, IssueCode.FHIR_MEDIA, expected=_FORM)
    body = await whole(request, _LONGEST_FORM, timeout)
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise refuse(400, IssueCode.FHIR_SEARCH, expected="UTF-8") from error


async def resource_of(request: Request, settings: FhirInSettings) -> tuple[Resource, bytes]:
    """The resource, of which only the syntax is known yet, and its bytes. Raises RefusedError: 415, 413, 400."""
    declared = FORMATS.get(media_of(request))
    if declared is None:
        raise refuse(415, IssueCode.FHIR_MEDIA, expected=f"{JSON}, {XML}")
    raw = await whole(request, settings.body_limit, settings.body_timeout)
    if raw and is_xml(raw) != (declared == XML):
        raise refuse(415, IssueCode.FHIR_MEDIA, expected=declared)

    def understood() -> Resource:
        found = read(raw, Limits(size=settings.body_limit))
        if found.value is None:
            raise RefusedError(400, *found.issues)
        _bounded(found.value, settings)
        return found.value

    if len(raw) > _INLINE:
        return await asyncio.to_thread(understood), raw
    return understood(), raw


async def patch_of(request: Request, settings: FhirInSettings) -> tuple[Any, bytes]:
    """A JSON Patch, or Parameters with a FHIRPath Patch. Raises RefusedError: 415, 413, 400."""
    if media_of(request) != JSON_PATCH:
        return await resource_of(request, settings)
    raw = await whole(request, _LONGEST_FORM, settings.body_timeout)
    found = read(b'{"resourceType":"Patch","operations":' + raw + b"}")
    if found.value is None:
        raise RefusedError(400, *found.issues)
    return found.value["operations"], raw


def _bounded(resource: Mapping[str, Any], settings: FhirInSettings) -> None:
    entries = resource.get("entry")
    if isinstance(entries, list) and len(entries) > settings.entries:
        raise refuse(413, IssueCode.TOO_MANY, "Bundle.entry", limit=str(settings.entries), what="entry")
    if attachments(resource) > settings.attachments:
        raise refuse(413, IssueCode.TOO_MANY, limit=str(settings.attachments), what="attachment")


async def checked(resource: Resource, size: int) -> list[Issue]:
    """What breaks the rules of FHIR R4 in it; none when it may be kept. Raises RefusedError 422 for an error."""
    issues = await asyncio.to_thread(check_incoming, resource) if size > _INLINE else check_incoming(resource)
    if worst(issues) >= Severity.ERROR:
        raise RefusedError(422, *issues)
    return issues
