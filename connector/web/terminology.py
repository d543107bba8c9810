"""`/document-types`, typed ahead, and `/api/terminology/tasks`: the codes that had no translation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from connector.app import Application
from connector.store.recent import RecentTypes
from connector.store.tasks import list_tasks
from connector.terminology.document_types import DocumentTypes
from connector.terminology.settling import settled
from connector.web.asking import json_answer, known, number, ours

if TYPE_CHECKING:
    from connector.terminology import Tables

__all__ = ["routes"]

_LONGEST = 100  # characters that a person types into the field of the type
_MOST = 200
_FRESH = 0.5  # seconds for which what was used last is not asked again of the journal


class _Terminology:
    """The answers. The types are made anew when other tables are in force, or on another day."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._types: tuple[Tables, str, DocumentTypes] | None = None
        self._recent: RecentTypes | None = None
        self._asked = 0.0
        self._reading = asyncio.Lock()

    async def document_types(self, request: Request) -> Response:
        """`?q=` what was typed, `&account=` whose recent types come first, `&limit=`."""
        known(request, "q", "account", "limit")
        query = request.query_params
        typed = query.get("q", "")
        if len(typed) > _LONGEST:
            raise HTTPException(400, f"q holds {_LONGEST} characters at most")
        limit = min(number(query.get("limit", "20"), "limit"), _MOST)
        recent = (await self._refreshed()).codes(query.get("account", ""))
        return json_answer(self._known_types().propose(typed, recent, limit))

    def _known_types(self) -> DocumentTypes:
        tables, day = self._application.tables, self._application.context().now[:10]
        if self._types is None or self._types[0] is not tables or self._types[1] != day:
            self._types = (tables, day, DocumentTypes(tables, day))
        return self._types[2]

    async def _refreshed(self) -> RecentTypes:
        async with self._reading:
            if self._recent is None:
                self._recent = RecentTypes(self._application.journal.database)
                self._asked = -_FRESH
            now = self._application.clock.monotonic()
            if now - self._asked >= _FRESH:
                await asyncio.to_thread(self._recent.refresh)
                self._asked = now
        return self._recent

    async def tasks(self, request: Request) -> Response:
        """The codes without a translation; `?all=yes`: those ignored or settled too."""
        known(request, "all")
        found = await asyncio.to_thread(list_tasks, self._application.journal.database)
        tables = self._application.tables
        told = [{**msgspec.structs.asdict(task), "settled": settled(task, tables)} for task in found]
        if request.query_params.get("all") != "yes":
            told = [task for task in told if not task["settled"] and not task["ignored"]]
        return json_answer(told)

    async def ignore(self, request: Request) -> Response:
        """List a task no more."""
        ours(request)
        count = await self._application.journal.write("ignore_task", (int(request.path_params["number"]), True))
        if not count:
            raise HTTPException(404, "no such task")
        return json_answer({"ignored": count}, 202)


def routes(application: Application) -> list[BaseRoute]:
    """The routes of terminology."""
    terminology = _Terminology(application)
    return [
        Route("/document-types", terminology.document_types),
        Route("/api/terminology/tasks", terminology.tasks),
        Route("/api/terminology/tasks/{number:int}/ignore", terminology.ignore, methods=["POST"]),
    ]
