"""What must hold of an exchange that is handed in: it says what it is, its bytes are there, and it continues what is known under its id."""

from __future__ import annotations

from collections.abc import Container, Iterator

from msgspec.structs import replace

from connector.exchange.content import each_content
from connector.exchange.documents import Content
from connector.exchange.known import Earlier
from connector.exchange.model import Exchange
from connector.issues import Issue, IssueCode, Place, Severity
from connector.monsisra.continuation import misgrown

__all__ = ["posted"]


def posted(exchange: Exchange, earlier: Earlier | None, standing: Container[str] = ()) -> list[Issue]:
    """Every issue, with its rule: `posted` or `continuation`. `standing`: places of contents whose bytes stayed in what was handed in."""
    found = [_stamped(issue, "posted") for issue in (*_declared(exchange), *_without_bytes(exchange, standing))]
    if earlier is not None:
        found += [_stamped(issue, "continuation") for issue in misgrown(earlier.exchange, exchange)]
    return found


def _stamped(issue: Issue, rule: str) -> Issue:
    return replace(issue, place=Place(issue.place.path, f"rules:{rule}"))


def _declared(exchange: Exchange) -> Iterator[Issue]:
    for field in ("id", "mode", "origin"):
        if getattr(exchange, field) is None:
            yield Issue.of(Severity.ERROR, IssueCode.FIELD_MISSING, field, expected=field)


def _without_bytes(exchange: Exchange, standing: Container[str]) -> Iterator[Issue]:
    empty: list[str] = []

    def look(place: str, content: Content, _outer: Content | None) -> Content:
        if content.data is None and place not in standing:
            empty.append(place)
        return content

    each_content(exchange, look)
    for place in empty:
        yield Issue.of(Severity.ERROR, IssueCode.EXCHANGE_CONTENT, place)
