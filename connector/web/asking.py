"""What every route shares: JSON answers, numbers of a query, and the header that only our own callers send."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["json_answer", "known", "number", "ours"]

#: A page of another origin cannot send it without being allowed to first.
_HEADER = "x-connector"


def ours(request: Request) -> None:
    """403 for a change that is asked without our header."""
    if _HEADER not in request.headers:
        raise HTTPException(403, "what changes something needs the header X-Connector")


def number(text: str, name: str) -> int:
    """A number of a query, else 400."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise HTTPException(400, f"{name} is a number")
    return int(text)


def known(request: Request, *names: str) -> None:
    """400 for a parameter that the route does not know."""
    if unknown := set(request.query_params) - set(names):
        raise HTTPException(400, f"unknown parameter {', '.join(sorted(unknown))}")


def json_answer(value: Any, status: int = 200) -> Response:
    """Any value of ours as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")
