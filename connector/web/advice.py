"""`POST /advice`: which mode to use and what is missing; `GET /schemas/exchange.json`: the exchange profile."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from connector.app import Application
from connector.monsisra.advice import advise, asked
from connector.monsisra.answer import advice_told, language_of, told
from connector.monsisra.schema import published
from connector.web.asking import json_answer

__all__ = ["routes"]

_LARGEST = 32 * 1024 * 1024


class _Advice:
    """The answers."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def advice(self, request: Request) -> Response:
        """`{"exchange": a draft without mode, "inactive": [addresses]}`. Nothing is kept."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST:
                raise HTTPException(413, f"{_LARGEST} bytes at most")
        language = language_of(request.headers.get("accept-language", ""), self._application.settings.language)
        question = asked(bytes(body))
        if question.value is None:
            return json_answer({"issues": told(question.issues, language)}, 422)
        draft, inactive = question.value
        return json_answer(advice_told(advise(draft, self._application.context(), inactive=inactive), language))


async def _schema(_: Request) -> Response:
    return Response(published(), media_type="application/schema+json")


def routes(application: Application) -> list[BaseRoute]:
    """The routes over a running application."""
    site = _Advice(application)
    return [Route("/advice", site.advice, methods=["POST"]), Route("/schemas/exchange.json", _schema)]
