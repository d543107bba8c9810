"""Reads what the connector has filed, as FHIR R4: an ASGI app over the `DocumentStore` that the web mounts at /fhir.

GET metadata, a resource, a search (GET, or POST _search), a Binary as its bytes or as a resource; JSON and XML. Every trouble is an
OperationOutcome. A parameter that is not known refuses the search: answering more than was asked would show other patients.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from pydantic import Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.endpoints import Endpoint, EndpointKind, EndpointSettings
from connector.exchange.moments import Moment
from connector.fhir.capability import capability
from connector.fhir.codec import Resource, dump, dump_pretty
from connector.fhir.outcome import to_outcome
from connector.fhir.search import PARAMETERS, parse
from connector.fhir.xml import dump_xml
from connector.issues import Issue, IssueCode, Severity
from connector.ports import DocumentStore, JournalUnavailable

if TYPE_CHECKING:
    from connector.ports import Intake

log = logging.getLogger(__name__)

__all__ = ["KIND", "FhirIn", "FhirInSettings", "fhir_app"]

JSON = "application/fhir+json"
XML = "application/fhir+xml"
_FORMATS = {
    "json": JSON,
    "application/json": JSON,
    JSON: JSON,
    "xml": XML,
    "application/xml": XML,
    "text/xml": XML,
    XML: XML,
}
_LONGEST_FORM = 64 * 1024


class FhirInSettings(EndpointSettings):
    """The FHIR read interface."""

    base_url: str | None = Field(
        default=None, description="Address under which partners reach it; without it, the one that they used."
    )
    zone: str = Field(default="Europe/Paris", description="Time zone in which dates without zone are searched.")


def fhir_app(
    documents: DocumentStore, *, now: Callable[[], str], version: str, settings: FhirInSettings | None = None
) -> Starlette:
    """The ASGI app over a store. `now` is the clock's wall time (CapabilityStatement.date)."""
    site = _Site(documents, now, version, settings or FhirInSettings())
    return Starlette(
        routes=[
            Route("/metadata", site.answering(site.metadata)),
            Route("/{type}/_search", site.answering(site.post_search), methods=["POST"]),
            Route("/{type}/{id}/_history/{version}", site.answering(site.read)),
            Route("/{type}/{id}", site.answering(site.read)),
            Route("/{type}", site.answering(site.search)),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1024)],
        exception_handlers={HTTPException: site.refused},
    )


class _RefusedError(Exception):
    """An answer that is an OperationOutcome."""

    def __init__(self, status: int, *issues: Issue, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.issues = issues
        self.headers = headers


def _refuse(status: int, code: IssueCode, path: str = "", **params: str) -> _RefusedError:
    return _RefusedError(status, Issue.of(Severity.ERROR, code, path, **params))


class _Site:
    """The handlers."""

    def __init__(
        self, documents: DocumentStore, now: Callable[[], str], version: str, settings: FhirInSettings
    ) -> None:
        self.documents = documents
        self.now = now
        self.version = version
        self.settings = settings

    # --- the frame of every answer

    def answering(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """A handler whose refusals are OperationOutcomes."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except _RefusedError as error:
                return _outcome(request, error.status, error.issues, error.headers)
            except JournalUnavailable:
                issue = Issue.of(Severity.ERROR, IssueCode.STORE_UNAVAILABLE)
                return _outcome(request, 503, [issue], {"Retry-After": "5"})
            except HTTPException:
                raise
            except Exception as error:
                # Our own mistake. Its text and the values around it may be a patient's: its kind and place are enough to find it.
                log.error("internal error: %s at %s", type(error).__name__, _where(error))
                return _outcome(request, 500, [Issue.of(Severity.FATAL, IssueCode.INTERNAL, what=type(error).__name__)])

        return answer

    async def refused(self, request: Request, error: Exception) -> Response:
        """What the routing refuses: an unknown address, a method that is not answered."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = error.headers if isinstance(error, HTTPException) else None
        if status == 405:
            issue = Issue.of(Severity.ERROR, IssueCode.FHIR_SEARCH, expected="GET")
        else:
            issue = Issue.of(Severity.ERROR, IssueCode.FHIR_NOT_FOUND, what="address")
        return _outcome(request, status, [issue], headers)

    # --- handlers

    async def metadata(self, request: Request) -> Response:
        """CapabilityStatement."""
        return _answer(request, capability(self._base(request), self.version, Moment(self.now())))

    async def read(self, request: Request) -> Response:
        """One resource, its current version."""
        kind, identity = self._type(request), request.path_params["id"]
        found = await self.documents.get(kind, identity)
        asked = request.path_params.get("version")
        if found is None or (asked is not None and found.get("meta", {}).get("versionId") != asked):
            raise _refuse(404, IssueCode.FHIR_NOT_FOUND, what=kind)
        headers = _version_headers(found)
        if _unchanged(request, headers.get("ETag")):
            return Response(status_code=304, headers=headers)
        if kind != "Binary":
            return _answer(request, found, headers=headers)
        blob = await self.documents.blob(identity)
        if blob is None:
            raise _refuse(404, IssueCode.FHIR_NOT_FOUND, what=kind)
        media, data = blob
        if _wants_resource(request):
            return _answer(request, {**found, "contentType": media, "data": data}, headers=headers)
        return Response(data, media_type=None, headers={**headers, **_inert(media)})

    async def search(self, request: Request) -> Response:
        """A search by GET."""
        return await self._searched(request, parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=100))

    async def post_search(self, request: Request) -> Response:
        """A search by POST: the parameters stay out of addresses and logs."""
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/x-www-form-urlencoded":
            raise _refuse(415, IssueCode.FHIR_SEARCH, expected="application/x-www-form-urlencoded")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LONGEST_FORM:
                raise _refuse(413, IssueCode.TOO_MANY, limit=str(_LONGEST_FORM), what="bytes")
        try:
            form = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=100)
        except ValueError as error:
            raise _refuse(400, IssueCode.FHIR_SEARCH, expected="UTF-8") from error
        query = parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=100)
        return await self._searched(request, [*query, *form])

    async def _searched(self, request: Request, parameters: Sequence[tuple[str, str]]) -> Response:
        kind = self._type(request)
        if not PARAMETERS[kind]:
            raise _refuse(400, IssueCode.FHIR_SEARCH, kind, expected=f"{kind}/id")
        query = parse(kind, parameters, self.settings.zone)
        if query.value is None:
            raise _RefusedError(400, *query.issues)
        page = await self.documents.search(query.value)
        found = page.resources
        base = self._base(request)
        links = _links(f"{base}/{kind}", parameters, page.next)
        bundle: Resource = {
            "resourceType": "Bundle",
            "type": "searchset",
            **({"total": page.total} if page.total is not None else {}),
            "link": [{"relation": name, "url": url} for name, url in links],
        }
        if found:
            bundle["entry"] = [
                {"fullUrl": f"{base}/{kind}/{each['id']}", "resource": each, "search": {"mode": "match"}}
                for each in found
            ]
        return _answer(request, bundle)

    def _type(self, request: Request) -> str:
        kind: str = request.path_params["type"]
        if kind not in PARAMETERS:
            raise _refuse(404, IssueCode.FHIR_NOT_FOUND, what="type")
        return kind

    def _base(self, request: Request) -> str:
        """The public address of the API: as the settings say, else as it was asked for, below where it is mounted."""
        own = str(request.base_url).rstrip("/") + str(request.scope.get("root_path", ""))
        return (self.settings.base_url or own).rstrip("/")


def _where(error: BaseException) -> str:
    """File and line where an error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace is not None else "?"


# --- answers


def _links(address: str, parameters: Sequence[tuple[str, str]], following: str | None) -> list[tuple[str, str]]:
    """self and next, with what was asked."""
    links = [("self", f"{address}?{urlencode(parameters)}" if parameters else address)]
    if following is not None:
        asked = [(name, value) for name, value in parameters if name != "_cursor"]
        links.append(("next", f"{address}?{urlencode([*asked, ('_cursor', following)])}"))
    return links


def _version_headers(resource: Mapping[str, Any]) -> dict[str, str]:
    meta = resource.get("meta", {})
    headers: dict[str, str] = {}
    if "versionId" in meta:
        headers["ETag"] = f'W/"{meta["versionId"]}"'
    if "lastUpdated" in meta:
        moment = datetime.fromisoformat(meta["lastUpdated"])
        headers["Last-Modified"] = format_datetime(moment.astimezone(UTC), usegmt=True)
    return headers


def _unchanged(request: Request, etag: str | None) -> bool:
    asked = request.headers.get("if-none-match")
    if asked is None or etag is None:
        return False
    return etag in [each.strip() for each in asked.split(",")] or asked.strip() == "*"


def _format(request: Request) -> str:
    """JSON or XML: `_format`, else what Accept prefers. Raises 406 when it is neither."""
    given = request.query_params.get("_format")
    if given is not None:
        # A plus sign that was not escaped arrives as a blank.
        found = _FORMATS.get(given.replace(" ", "+").partition(";")[0].lower())
        if found is None:
            raise _refuse(406, IssueCode.FHIR_SEARCH, expected=f"{JSON}, {XML}")
        return found
    accepted = _accepted(request)
    for media in accepted:
        if media in _FORMATS:
            return _FORMATS[media]
        if media in ("*/*", "application/*", "text/html", "text/*"):
            return JSON
    if accepted:
        raise _refuse(406, IssueCode.FHIR_SEARCH, expected=f"{JSON}, {XML}")
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


def _wants_resource(request: Request) -> bool:
    """Whether a Binary is asked for as a FHIR resource (R4 §2.14.2: only when FHIR is what is accepted)."""
    if "_format" in request.query_params:
        return True
    accepted = _accepted(request)
    return bool(accepted) and accepted[0] in (JSON, XML)


def _inert(media: str) -> dict[str, str]:
    """A document is shown by nobody on our behalf: saved, never run, its type never guessed."""
    return {
        "Content-Type": media,
        "Content-Disposition": "attachment",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }


def _answer(
    request: Request, resource: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    media = _format(request)
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


def _outcome(
    request: Request, status: int, issues: Sequence[Issue], headers: Mapping[str, str] | None = None
) -> Response:
    language = "fr" if request.headers.get("accept-language", "").lower().startswith("fr") else "en"
    try:
        return _answer(request, to_outcome(issues, language), status, headers)
    except _RefusedError:  # neither JSON nor XML is accepted: JSON says so
        body = dump(to_outcome(issues, language))
        return Response(body, status, headers=dict(headers or {}), media_type=f"{JSON}; charset=utf-8")


# --- the endpoint


class FhirIn:
    """The read interface as a `Receiver` that takes nothing in: the web mounts its `app`."""

    def __init__(self, settings: FhirInSettings, endpoint: Endpoint) -> None:
        if endpoint.documents is None:
            raise ValueError(f"{endpoint.name}: the FHIR interface needs the connector's document store")
        self.app = fhir_app(endpoint.documents, now=endpoint.clock.now, version=_version(), settings=settings)

    async def start(self, intake: Intake) -> None:
        """Nothing to open: the web listens."""

    async def stop(self) -> None:
        """Nothing to close."""


def _version() -> str:
    from importlib.metadata import version

    return version("monsisra-connector")


def _build(settings: FhirInSettings, endpoint: Endpoint) -> FhirIn:
    return FhirIn(settings, endpoint)


KIND = EndpointKind(
    name="fhir_in",
    direction="in",
    title=("Interface FHIR de consultation", "FHIR read interface"),
    settings=FhirInSettings,
    build=_build,
)
