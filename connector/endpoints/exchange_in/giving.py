"""GET: one exchange as the profile says it, and a list by patient, mode, state and time."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from connector.endpoints.exchange_in.refusing import RefusedError, json_answer
from connector.exchange.identifiers import nir_key
from connector.exchange.model import Exchange
from connector.exchange.moments import from_iso, has_zone, precision
from connector.issues import IssueCode
from connector.monsisra.codec import MEDIA_TYPE, dump, pieces
from connector.monsisra.words import MODES
from connector.ports import ExchangeQuery, ExchangeStore, KeptExchange

__all__ = ["Giving"]

_PARAMETERS = ("patient", "mode", "since", "state", "_count", "page")
_MOST = 200


class Giving:
    """The way out of what is kept."""

    def __init__(self, store: ExchangeStore | None, language: str) -> None:
        self._store = store
        self.language = language

    async def read(self, request: Request) -> Response:
        """The version in force; `?attachments=none` leaves the bytes out and tells their hashes."""
        _known(request, "attachments")
        attachments = request.query_params.get("attachments", "inline")
        if attachments not in ("inline", "none"):
            raise _wrong("attachments", "inline, none")
        # Without the bytes first: they are fetched only for a version that the caller does not have.
        number = request.path_params["id"]
        kept = await self._store.get(number) if self._store is not None else None
        if kept is None or self._store is None:
            raise RefusedError(404, IssueCode.EXCHANGE_UNKNOWN)
        headers = {"ETag": f'"{kept.message_id}-{attachments}"'}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if attachments == "inline":
            kept = await self._store.get(number, attachments=True) or kept
            return StreamingResponse(_sent(kept.exchange), headers=headers, media_type=MEDIA_TYPE)
        return Response(dump(kept.exchange, attachments=False), headers=headers, media_type=MEDIA_TYPE)

    async def search(self, request: Request) -> Response:
        """`?patient=&mode=&since=&state=&_count=&page=`: newest first, without contents; `next` leads on."""
        query = _query(request)
        found, more = await self._store.search(query) if self._store is not None else ((), False)
        said: dict[str, Any] = {"exchanges": [_line(kept) for kept in found]}
        if more:
            asked = [(name, value) for name, value in request.query_params.multi_items() if name != "page"]
            said["next"] = f"/exchanges?{urlencode([*asked, ('page', _token(found[-1].position))])}"
        return json_answer(said)


async def _sent(exchange: Exchange) -> AsyncIterator[bytes]:
    for piece in pieces(exchange):
        yield piece


def _line(kept: KeptExchange) -> dict[str, Any]:
    exchange = kept.exchange
    return {
        "id": exchange.id,
        "mode": exchange.mode,
        "state": kept.state or None,
        "updated": kept.updated,
        "message": kept.message_id,
        "url": f"/exchanges/{quote(exchange.id or '', safe='')}",
        "deliveries": [{"destination": destination, "state": state} for destination, state in kept.deliveries],
    }


def _known(request: Request, *names: str) -> None:
    given = [name for name, _ in request.query_params.multi_items()]
    if len(set(given)) != len(given) or set(given) - set(names):
        raise _wrong("", ", ".join(names))


def _wrong(name: str, expected: str) -> RefusedError:
    return RefusedError(400, IssueCode.EXCHANGE_QUERY, name, expected=expected)


def _query(request: Request) -> ExchangeQuery:
    _known(request, *_PARAMETERS)
    asked = request.query_params
    if asked.get("mode", "") not in ("", *MODES):
        raise _wrong("mode", ", ".join(MODES))
    patient, system = _patient(asked.get("patient", ""))
    return ExchangeQuery(
        patient=patient, system=system, mode=asked.get("mode", ""), state=asked.get("state", ""),
        since=_moment(asked["since"]) if "since" in asked else None,
        after=_position(asked["page"]) if "page" in asked else None,
        count=_count(asked.get("_count", "50")),
    )  # fmt: skip


def _patient(text: str) -> tuple[str, str | None]:
    """`system|value`, or a value in any system; the key of a matricule may be left out."""
    system, bar, value = text.rpartition("|")
    value = value.strip()
    if len(value) == 13:
        try:
            value += nir_key(value)
        except ValueError:
            return value, system.removeprefix("urn:oid:") if bar else None
    return value, system.removeprefix("urn:oid:") if bar else None


def _moment(text: str) -> str:
    try:
        moment = from_iso(text.replace(" ", "+"))  # a `+` that was not escaped
    except ValueError:
        raise _wrong("since", "2026-05-21, 2026-05-21T10:00:00+02:00") from None
    if precision(moment) == "day":
        return f"{moment[:10]}T00:00:00{moment[10:] or '+00:00'}"
    if not has_zone(moment) or precision(moment) not in ("second", "fraction"):
        raise _wrong("since", "2026-05-21, 2026-05-21T10:00:00+02:00")
    return moment


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text[:9]) > 0:
        raise _wrong("_count", f"1–{_MOST}")
    return min(int(text[:9]), _MOST)


def _token(position: tuple[float, str]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def _position(token: str) -> tuple[float, str]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=tuple[float, str])
    except ValueError:  # what msgspec raises is one
        raise _wrong("page", "next") from None
