"""What the FHIR API answers: JSON or XML as it is asked, version headers, an OperationOutcome for every trouble (R4 §3.1.0)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from connector.fhir.codec import dump, dump_pretty
from connector.fhir.elements import required_of
from connector.fhir.outcome import to_outcome
from connector.fhir.xml import dump_xml
from connector.issues import Issue, IssueCode, Severity

__all__ = [
    "JSON",
    "XML",
    "RefusedError",
    "answer",
    "inert",
    "outcome",
    "pairs",
    "preferences",
    "refuse",
    "unchanged",
    "version_headers",
    "wants_resource",
]

JSON = "application/fhir+json"
XML = "application/fhir+xml"
FORMATS = {
    "json": JSON,
    "application/json": JSON,
    JSON: JSON,
    "xml": XML,
    "application/xml": XML,
    "text/xml": XML,
    XML: XML,
}


class RefusedError(Exception):
    """An answer that is an OperationOutcome."""

    def __init__(self, status: int, *issues: Issue, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.issues = issues
        self.headers = headers


def refuse(status: int, code: IssueCode, path: str = "", **params: str) -> RefusedError:
    """One error."""
    return RefusedError(status, Issue.of(Severity.ERROR, code, path, **params))


def answer(
    request: Request, resource: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A resource in the format that is asked. Raises RefusedError 406."""
    media = _format(request)
    resource = _elements(request, resource)
    if media == XML:
        body = dump_xml(resource)
    elif request.query_params.get("_pretty") == "true":
        body = dump_pretty(resource)
    else:
        body = dump(resource)
    return Response(
        body,
        status,
        headers={"Cache-Control": "private, no-store", **(headers or {})},
        media_type=f"{media}; charset=utf-8; fhirVersion=4.0",
    )


def outcome(
    request: Request, status: int, issues: Iterable[Issue], headers: Mapping[str, str] | None = None
) -> Response:
    """Issues as an OperationOutcome, in French for who asks in French."""
    told = to_outcome(issues, language_of(request))
    try:
        return answer(request, told, status, headers)
    except RefusedError:  # neither JSON nor XML is accepted: JSON says so
        return Response(dump(told), status, headers=dict(headers or {}), media_type=f"{JSON}; charset=utf-8")


def language_of(request: Request) -> str:
    """`fr` or `en`."""
    return "fr" if request.headers.get("accept-language", "").lower().startswith("fr") else "en"


def preferences(request: Request) -> dict[str, str]:
    """`Prefer` (RFC 7240): handling, return."""
    pairs = (
        part.strip().partition("=")
        for text in request.headers.getlist("prefer")
        for part in text.replace(";", ",").split(",")
    )
    return {name.lower(): value.strip('"').lower() for name, _, value in pairs}


def pairs(text: str) -> list[tuple[str, str]]:
    """The parameters of a query. Raises RefusedError 400 for too many."""
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise refuse(400, IssueCode.FHIR_SEARCH, expected="at most 100 parameters") from error


# --- formats


def _format(request: Request) -> str:
    """JSON or XML: `_format`, else what Accept prefers."""
    given = request.query_params.get("_format")
    if given is not None:
        # A plus sign that was not escaped arrives as a blank.
        found = FORMATS.get(given.replace(" ", "+").partition(";")[0].lower())
        if found is None:
            raise refuse(406, IssueCode.FHIR_MEDIA, expected=f"{JSON}, {XML}")
        return found
    accepted = _accepted(request)
    for media in accepted:
        if media in FORMATS:
            return FORMATS[media]
        if media in ("*/*", "application/*", "text/html", "text/*"):
            return JSON
    if accepted:
        raise refuse(406, IssueCode.FHIR_MEDIA, expected=f"{JSON}, {XML}")
    return JSON


def _accepted(request: Request) -> list[str]:
    """The media types of Accept, the most wanted first."""
    weighted: list[tuple[float, str]] = []
    for part in request.headers.get("accept", "").split(","):
        media, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        if media and weight > 0:
            weighted.append((-weight, media))
    return [media for _, media in sorted(weighted, key=lambda each: each[0])]


def wants_resource(request: Request) -> bool:
    """Whether a Binary is asked for as a FHIR resource (R4 §2.14.2: only when FHIR is what is accepted)."""
    if "_format" in request.query_params:
        return True
    accepted = _accepted(request)
    return bool(accepted) and accepted[0] in (JSON, XML)


def _elements(request: Request, resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """`_elements`: those, and what the type requires; the resource says that it is a part (R4 §3.1.1.5.9)."""
    asked = request.query_params.get("_elements")
    if not asked or resource.get("resourceType") == "OperationOutcome":
        return resource
    names = frozenset(asked.split(","))
    if resource.get("resourceType") != "Bundle":
        return _part(resource, names)
    entries = [
        {**each, "resource": _part(each["resource"], names)} if each.get("search", {}).get("mode") == "match" else each
        for each in resource.get("entry", ())
    ]
    return {**resource, "entry": entries} if entries else resource


def _part(resource: Mapping[str, Any], names: frozenset[str]) -> Mapping[str, Any]:
    kind = resource["resourceType"]
    kept = {"resourceType", "id", "meta", *names, *(form for _, forms in required_of(kind) for form in forms)}
    made = {name: value for name, value in resource.items() if name in kept}
    tag = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
    meta = resource.get("meta", {})
    return {**made, "meta": {**meta, "tag": [*meta.get("tag", ()), tag]}}


# --- headers


def version_headers(resource: Mapping[str, Any]) -> dict[str, str]:
    """ETag and Last-Modified."""
    meta = resource.get("meta", {})
    headers: dict[str, str] = {}
    if "versionId" in meta:
        headers["ETag"] = f'W/"{meta["versionId"]}"'
    if "lastUpdated" in meta:
        moment = datetime.fromisoformat(meta["lastUpdated"])
        headers["Last-Modified"] = format_datetime(moment.astimezone(UTC), usegmt=True)
    return headers


def unchanged(request: Request, headers: Mapping[str, str]) -> bool:
    """If-None-Match, else If-Modified-Since."""
    asked = request.headers.get("if-none-match")
    if asked is not None:
        return "ETag" in headers and (headers["ETag"] in _listed(asked) or asked.strip() == "*")
    since = request.headers.get("if-modified-since")
    if since is None or "Last-Modified" not in headers:
        return False
    try:
        return parsedate_to_datetime(headers["Last-Modified"]) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):
        return False


def _listed(text: str) -> Sequence[str]:
    return [each.strip() for each in text.split(",")]


def inert(media: str) -> dict[str, str]:
    """A document is shown by nobody on our behalf: saved, never run, its type never guessed."""
    return {
        "Content-Type": media,
        "Content-Disposition": "attachment",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
