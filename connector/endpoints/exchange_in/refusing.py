"""Answers that are refusals: a status and the issues, in the caller's language."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from connector.issues import Issue, IssueCode, Severity
from connector.monsisra.answer import language_of, told
from connector.ports import JournalUnavailable

__all__ = ["UNAVAILABLE", "RefusedError", "answering", "json_answer", "refusal", "spoken"]

log = logging.getLogger(__name__)

#: What a caller does when nothing could be kept.
UNAVAILABLE = {"Retry-After": "5"}

Handler = Callable[[Request], Awaitable[Response]]


class RefusedError(Exception):
    """An answer that is a refusal."""

    def __init__(self, status: int, code: IssueCode, place: str = "", **params: object) -> None:
        super().__init__(status)
        self.status = status
        self.issue = Issue.of(Severity.ERROR, code, place, rule=None, **params)


def answering(handler: Handler, default: str) -> Handler:
    """A handler whose refusals, and our own mistakes, are answers with issues."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except RefusedError as error:
            return refusal(request, error.status, error.issue, default)
        except JournalUnavailable:
            issue = Issue.of(Severity.ERROR, IssueCode.STORE_UNAVAILABLE)
            return refusal(request, 503, issue, default, UNAVAILABLE)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody hears it
        except Exception as error:
            # Our own mistake. Its text may hold a value of the exchange: its kind and place are enough to find it.
            log.error("internal error: %s at %s", type(error).__name__, _where(error))
            return refusal(
                request, 500, Issue.of(Severity.FATAL, IssueCode.INTERNAL, what=type(error).__name__), default
            )

    return answer


def refusal(
    request: Request, status: int, issue: Issue, default: str, headers: Mapping[str, str] | None = None
) -> Response:
    """One issue as an answer."""
    return json_answer({"issues": told([issue], spoken(request, default))}, status, headers)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Any value as JSON; it depends on the language that is asked for."""
    return Response(
        msgspec.json.encode(value),
        status,
        {"Vary": "Accept-Language", **(headers or {})},
        media_type="application/json",
    )


def spoken(request: Request, default: str) -> str:
    """The language of the answer."""
    return language_of(request.headers.get("accept-language", ""), default)


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace is not None else "?"
