"""POST: one exchange, a form with its files, or a stream of them; each is answered once it is in the journal."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connector.endpoints import Endpoint
from connector.endpoints.exchange_in import arriving
from connector.endpoints.exchange_in.arriving import Body, Doors, Line
from connector.endpoints.exchange_in.refusing import UNAVAILABLE, RefusedError, json_answer, spoken
from connector.issues import Issue, IssueCode, Severity
from connector.monsisra.answer import told
from connector.monsisra.codec import MEDIA_TYPE, id_of
from connector.ports import Answer, Inbound, Intake, JournalUnavailable, MessageState

__all__ = ["Taking"]

_ONE = (MEDIA_TYPE, "application/json", "multipart/form-data")
_STREAM = ("application/x-ndjson", "application/ndjson")
#: Not another exchange under that id, and not one that is closed.
_CONFLICTS = frozenset({IssueCode.EXCHANGE_CONFLICT.name, IssueCode.MODE_CLOSED.name})


class Taking:
    """The way in. `intake` None: not started."""

    def __init__(self, endpoint: Endpoint, limit: int, language: str) -> None:
        self.intake: Intake | None = None
        self.language = language
        self._endpoint = endpoint
        self.doors = Doors(limit, endpoint.draft)

    async def post(self, request: Request) -> Response:
        """201 new, or grown; 200 the same again; 400 no exchange; 408 cut off; 409 another one under its id; 413; 415; 422 refused by a rule; 503."""
        _not_from_elsewhere(request)
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media in _STREAM:
            return _Stream(self, request, spoken(request, self.language))
        if media not in _ONE:
            raise RefusedError(415, IssueCode.FIELD_VALUE, "Content-Type", expected=", ".join((*_ONE, *_STREAM)))
        async with Body(self.doors) as body:
            await self._gather(request, body)
            raw, digest = await body.whole()
            status, said = await self.take(raw, _remote(request), spoken(request, self.language), digest)
        headers = dict(UNAVAILABLE) if status == 503 else {}
        if status in (200, 201):
            headers["Location"] = f"/exchanges/{quote(said['id'], safe='')}"
        return json_answer(said, status, headers)

    async def take(
        self, raw: bytes | memoryview, remote: str, language: str, digest: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """One exchange through intake: status and answer. `digest`: its SHA-256, when it is known."""
        if self.intake is None:
            raise JournalUnavailable("stopped")
        inbound = Inbound(
            raw=raw,
            digest=digest,
            endpoint=self._endpoint.name,
            remote=remote,
            received_at=self._endpoint.clock.now(),
            format="exchange",
        )
        answer = await self.intake(inbound)
        if answer.message_id is None:
            return 503, {"issues": told([Issue.of(Severity.ERROR, IssueCode.STORE_UNAVAILABLE)], language)}
        said: dict[str, Any] = {
            "message": answer.message_id,
            "state": str(answer.state or ""),
            "issues": told(answer.issues, language),
        }
        if (number := id_of(raw)) is not None:
            said = {"id": number, **said}
        status = _status(answer)
        if status in (200, 201):
            said["deliveries"] = await self._deliveries(str(number), answer.message_id)
        return status, said

    async def _deliveries(self, number: str, message_id: int) -> list[dict[str, str]]:
        store = self._endpoint.exchanges
        kept = await store.get(number) if store is not None else None
        legs = kept.deliveries if kept is not None and kept.message_id == message_id else ()
        return [{"destination": destination, "state": state} for destination, state in legs]

    async def _gather(self, request: Request, body: Body) -> None:
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self.doors.limit:
            raise self.doors.too_large()
        chunks = request.stream()
        while True:
            try:
                async with asyncio.timeout(arriving.PATIENCE):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise RefusedError(408, IssueCode.TRUNCATED, expected=f"{arriving.PATIENCE:g} s") from None
            await body.add(chunk)


class _Stream(Response):
    """One answer line for each line, written as soon as it is reached: nothing is read ahead of what the caller takes."""

    def __init__(self, taking: Taking, request: Request, language: str) -> None:
        super().__init__(media_type="application/x-ndjson")
        del self.headers["content-length"]
        self._taking = taking
        self._request = request
        self._language = language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. A caller who goes away ends it; what was taken stays taken."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        number = 0
        try:
            async for line in arriving.lines(self._request.stream(), self._taking.doors):
                number += 1
                status, said = await self._one(line)
                body = msgspec.json.encode({"line": number, "status": status, **said}) + b"\n"
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except ClientDisconnect:
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _one(self, line: Line) -> tuple[int, dict[str, Any]]:
        try:
            if not isinstance(line, Body):
                raise line
            raw, digest = await line.whole()
            return await self._taking.take(raw, _remote(self._request), self._language, digest)
        except RefusedError as error:
            return error.status, {"issues": told([error.issue], self._language)}
        except JournalUnavailable:
            return 503, {"issues": told([Issue.of(Severity.ERROR, IssueCode.STORE_UNAVAILABLE)], self._language)}


def _status(answer: Answer) -> int:
    if answer.repeated:
        return 200
    if answer.state is MessageState.TRANSLATED:
        return 201
    codes = {issue.code for issue in answer.issues}
    if IssueCode.EXCHANGE_SYNTAX.name in codes:
        return 400
    if IssueCode.INTERNAL.name in codes:
        return 500
    if codes & _CONFLICTS:
        return 409
    return 202 if answer.state is MessageState.PARKED else 422


def _remote(request: Request) -> str:
    return f"{request.client.host}:{request.client.port}" if request.client is not None else ""


def _not_from_elsewhere(request: Request) -> None:
    """A page of another site can send a form without being asked; its browser says where it comes from."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise RefusedError(403, IssueCode.FIELD_VALUE, "Origin", expected="Host")
