"""The addresses of the FHIR API, and the frame of every answer: whatever happens, an OperationOutcome says it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.endpoints import Endpoint
from connector.endpoints.fhir_in import reading, searching, validating, writing
from connector.endpoints.fhir_in.answers import RefusedError, answer, outcome
from connector.endpoints.fhir_in.settings import FhirInSettings
from connector.endpoints.fhir_in.site import Site
from connector.exchange.moments import Moment
from connector.fhir.capability import capability
from connector.issues import Issue, IssueCode, Severity
from connector.ports import DocumentStore, JournalUnavailable

if TYPE_CHECKING:
    from connector.ports import Intake

__all__ = ["FhirIn", "fhir_app"]

log = logging.getLogger(__name__)

Interaction = Callable[[Site, Request], Awaitable[Response]]


async def _metadata(site: Site, request: Request) -> Response:
    """CapabilityStatement."""
    return answer(request, capability(site.base_of(request), site.version, Moment(site.now())))


#: Address → method → interaction. The first address that fits is taken.
ADDRESSES: dict[str, dict[str, Interaction]] = {
    "/": {"POST": writing.bundle},
    "/metadata": {"GET": _metadata},
    "/{type}/_search": {"POST": searching.post_search},
    "/{type}/$validate": {"POST": validating.validate},
    "/{type}/{id}/$validate": {"GET": validating.validate, "POST": validating.validate},
    "/{type}/{id}/_history": {"GET": reading.history},
    "/{type}/{id}/_history/{version}": {"GET": reading.vread},
    "/{type}/{id}": {"GET": reading.read, "PUT": writing.update, "PATCH": writing.patch},
    "/{type}": {"GET": searching.search, "POST": writing.create, "PUT": writing.update, "PATCH": writing.patch},
}
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def fhir_app(
    documents: DocumentStore,
    *,
    now: Callable[[], str],
    version: str,
    settings: FhirInSettings | None = None,
    intake: Intake | None = None,
) -> Starlette:
    """The ASGI app over a store. `now` is the clock's wall time. Without `intake` nothing that is an exchange is accepted."""
    site = Site(documents, now, version, settings or FhirInSettings(), "fhir")
    site.intake = intake
    return _app(site)


def _app(site: Site) -> Starlette:
    return Starlette(
        routes=[
            Route(address, _answering(site, interactions), methods=_METHODS)
            for address, interactions in ADDRESSES.items()
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1024)],
        exception_handlers={HTTPException: _unknown},
    )


def _answering(site: Site, interactions: dict[str, Interaction]) -> Callable[[Request], Awaitable[Response]]:
    """The interactions of an address, whose refusals are OperationOutcomes."""

    async def respond(request: Request) -> Response:
        interaction = interactions.get("GET" if request.method == "HEAD" else request.method)
        if interaction is None:
            expected = ", ".join(interactions)
            issue = Issue.of(Severity.ERROR, IssueCode.FHIR_METHOD, expected=expected)
            return outcome(request, 405, [issue], {"Allow": expected})
        try:
            return await interaction(site, request)
        except RefusedError as error:
            return outcome(request, error.status, error.issues, error.headers)
        except JournalUnavailable:
            issue = Issue.of(Severity.ERROR, IssueCode.STORE_UNAVAILABLE)
            return outcome(request, 503, [issue], {"Retry-After": "5"})
        except Exception as error:
            # Our own mistake. Its text and the values around it may be a patient's: its kind and place are enough to find it.
            log.error("internal error: %s at %s", type(error).__name__, _where(error))
            issue = Issue.of(Severity.FATAL, IssueCode.INTERNAL, what=type(error).__name__)
            return outcome(request, 500, [issue])

    return respond


async def _unknown(request: Request, error: Exception) -> Response:
    """What the routing does not know."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return outcome(request, status, [Issue.of(Severity.ERROR, IssueCode.FHIR_NOT_FOUND, what="address")])


def _where(error: BaseException) -> str:
    """File and line where an error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace is not None else "?"


class FhirIn:
    """The API as a `Receiver`: the web mounts its `app`."""

    def __init__(self, settings: FhirInSettings, endpoint: Endpoint) -> None:
        if endpoint.documents is None:
            raise ValueError(f"{endpoint.name}: the FHIR interface needs the connector's document store")
        self._site = Site(endpoint.documents, endpoint.clock.now, _version(), settings, endpoint.name)
        self.app = _app(self._site)

    async def start(self, intake: Intake) -> None:
        """From now on exchanges are accepted: the web listens."""
        self._site.intake = intake

    async def stop(self) -> None:
        """No exchange is accepted any more."""
        self._site.intake = None


def _version() -> str:
    from importlib.metadata import version

    return version("monsisra-connector")
