"""`GET /patients`: the guides' search of a patient, over the connector's own index and the site's PDQm server.

Patients are shown to whoever may ask: like all of this web server it listens on loopback, or behind the proxy that the settings name.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from connector.app import Application
from connector.app.patients import REFUSALS, Query
from connector.ports import JournalUnavailable
from connector.web.asking import json_answer

__all__ = ["routes"]

_PARAMETERS = ("family", "given", "birthdate", "identifier", "page")


class _Patients:
    """The answers."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def search(self, request: Request) -> Response:
        """`?family=&given=&birthdate=&identifier=&page=`: each patient with who knows him; refusals in French or English."""
        french = self._french(request)
        given = request.query_params
        if unknown := sorted(set(given) - set(_PARAMETERS)):
            word = "paramètre inconnu" if french else "unknown parameter"
            return _refused(f"{word} : {', '.join(unknown)}" if french else f"{word}: {', '.join(unknown)}")
        page = given.get("page", "1")
        query = Query(
            family=given.get("family", ""), given=given.get("given", ""), birth_date=given.get("birthdate", ""),
            identifier=given.get("identifier", ""),
            page=int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 0,
        )  # fmt: skip
        if (refusal := query.refusal()) is not None:
            return _refused(REFUSALS[refusal][0 if french else 1])
        try:
            return json_answer(await self._application.patients.search(query))
        except JournalUnavailable:
            return json_answer({"error": "base indisponible" if french else "database unavailable"}, 503)

    def _french(self, request: Request) -> bool:
        asked = request.headers.get("accept-language", "").lower()[:2]
        return (asked if asked in ("fr", "en") else self._application.settings.language) == "fr"


def _refused(text: str) -> Response:
    return json_answer({"error": text}, 400)


def routes(application: Application) -> list[BaseRoute]:
    """The routes over a running application."""
    return [Route("/patients", _Patients(application).search)]
