"""The connector's own web: status page, health, metrics, JSON for scripts, and the FHIR API mounted at /fhir.

Starlette alone: FastAPI would cost 0.6 s and 30 MB at start for models that these few answers do not have. There is no login yet,
so it listens on loopback (settings: `http.insecure` says why it would not), lists hold no value of a message, and what changes
something wants a header that no page of another site can send.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from connector.app import Application
from connector.store.search import Filters
from connector.web import advice, page, patients, terminology
from connector.web.asking import json_answer, known, number, ours
from connector.web.metrics import exposition

__all__ = ["build"]

_LIMIT = 500
_FILTERS = ("state", "type", "sender", "control_id", "endpoint", "document", "destination", "delivery_state", "code")

_Message = MutableMapping[str, Any]
_Asgi = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]],
    Awaitable[None],
]


class SecurityHeaders:
    """Headers of every answer: nothing of it is run, framed, sniffed, referred to or cached."""

    def __init__(self, app: _Asgi) -> None:
        self._app = app
        policy = f"default-src 'none'; style-src '{page.STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
        ]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: _Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message.get("headers", ())}
                added = [header for header in self._headers if header[0] not in present]
                if b"cache-control" not in present:
                    added.append((b"cache-control", b"no-store"))
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await self._app(scope, receive, with_headers)


class _Site:
    """The answers."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def status(self, request: Request) -> Response:
        """The page for people, in the language that the browser asks for, else the site's."""
        application = self._application
        asked = request.query_params.get("lang") or request.headers.get("accept-language", "").lower()[:2]
        language = asked if asked in page.LANGUAGES else application.settings.language
        status = await application.status()
        messages = await application.messages(Filters(limit=20))
        return HTMLResponse(
            page.render(status, messages, language, now=application.clock.now(), zone=application.settings.zone)
        )

    async def health(self, _: Request) -> Response:
        """The process answers: nothing else is asked."""
        return json_answer({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        """200 when the journal is open and every receiver listens, else 503."""
        reasons = self._application.not_ready()
        return json_answer(
            {"status": "ready" if not reasons else "not ready", "reasons": reasons}, 503 if reasons else 200
        )

    async def metrics(self, _: Request) -> Response:
        """Prometheus text."""
        return PlainTextResponse(exposition(await self._application.status()), media_type="text/plain; version=0.0.4")

    async def api_status(self, _: Request) -> Response:
        """What runs and what waits."""
        return json_answer(await self._application.status())

    async def messages(self, request: Request) -> Response:
        """Newest first: `?limit=&before=` and the filters of `_FILTERS`. No value of a message but its MSH-10 and type."""
        query = request.query_params
        limit = min(number(query.get("limit", "50"), "limit"), _LIMIT)
        before = number(query["before"], "before") if "before" in query else None
        known(request, "limit", "before", *_FILTERS)
        filters = msgspec.convert({name: query[name] for name in _FILTERS if name in query}, Filters)
        return json_answer(
            await self._application.messages(msgspec.structs.replace(filters, limit=limit, before=before))
        )

    async def message(self, request: Request) -> Response:
        """One message: its states, deliveries, issues and times; contents by their sizes."""
        return json_answer(await self._found(request))

    async def replay(self, request: Request) -> Response:
        """Deliver again: to one destination (`?destination=`) or to all."""
        ours(request)
        found = await self._found(request)
        try:
            made = await self._application.replay(int(found["message_id"]), request.query_params.get("destination"))
        except ValueError as error:
            raise HTTPException(404, str(error)) from error
        return json_answer({"deliveries": list(made)}, 202)

    async def judge(self, request: Request) -> Response:
        """A refused or parked message is judged again."""
        ours(request)
        found = await self._found(request)
        return json_answer({"state": await self._application.judge(int(found["message_id"]))}, 202)

    async def retry(self, request: Request) -> Response:
        """A parked or failed delivery is due now."""
        ours(request)
        count = await self._application.retry([int(request.path_params["number"])])
        if not count:
            raise HTTPException(404, "no such delivery that waits")
        return json_answer({"retried": count}, 202)

    async def _found(self, request: Request) -> dict[str, Any]:
        found = await self._application.message(int(request.path_params["number"]))
        if found is None:
            raise HTTPException(404, "no such message")
        return found


class _Base:
    """The base of a mounted API, written without a slash at its end: the same address, not a redirection (clients POST there)."""

    def __init__(self, mount: Mount) -> None:
        self._mount = mount

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        below = {**scope, "path": f"{scope['path']}/"}
        _, more = self._mount.matches(below)
        await self._mount.handle({**below, **more}, receive, send)


def build(application: Application) -> Starlette:
    """The ASGI app of a running application."""
    site = _Site(application)
    routes: list[BaseRoute] = [
        Route("/", site.status),
        Route("/health", site.health),
        Route("/ready", site.ready),
        Route("/metrics", site.metrics),
        Route("/api/status", site.api_status),
        Route("/api/messages", site.messages),
        Route("/api/messages/{number:int}", site.message),
        Route("/api/messages/{number:int}/replay", site.replay, methods=["POST"]),
        Route("/api/messages/{number:int}/judge", site.judge, methods=["POST"]),
        Route("/api/deliveries/{number:int}/retry", site.retry, methods=["POST"]),
    ]
    routes += terminology.routes(application)
    routes += advice.routes(application)
    routes += application.exchange_in.routes()
    routes += patients.routes(application)
    fhir = Mount("/fhir", app=application.fhir_app())
    routes += [Route("/fhir", _Base(fhir), methods=None), fhir]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(SecurityHeaders),
            # A name that leads to loopback does not make another site's page ours (DNS rebinding).
            Middleware(TrustedHostMiddleware, allowed_hosts=application.http_hosts(), www_redirect=False),
        ],
        exception_handlers={HTTPException: _refused},
    )


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    return json_answer({"error": error.detail}, error.status_code)
