"""Exchange and routes → the deliveries to make. Pure: a table of cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import msgspec

from connector.exchange.model import Exchange
from connector.exchange.sharing import ticked
from connector.issues import Issue, IssueCode, Severity
from connector.pipeline.journey import Delivery
from connector.pipeline.messages import messages_of

__all__ = ["Route", "Subject", "deliveries", "unserved"]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a route may look at: MSH-9 as `MDM^T02`, `MSH-3|MSH-4`, the receiving endpoint's name, the Exchange, and the ordering key."""

    type: str
    sender: str
    endpoint: str
    key: str
    exchange: Exchange | None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Destinations and when they are meant. Every condition that is given must hold; a list is satisfied by one of its items.

    `types` and `senders` are patterns (`MDM^*`); `directives` are names of `Directives` that must be true (`to_dmp`), or false with
    a leading `not ` (`not hidden_from_patient`); `document_types` are codes of the document's type; `boxes` are sharing boxes, one
    of which must be ticked (`regional_record`).
    """

    to: tuple[str, ...]
    types: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    document_types: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()

    def holds(self, subject: Subject) -> bool:
        """Whether this route is meant for the subject."""
        exchange = subject.exchange
        return (
            _matches(self.types, subject.type)
            and _matches(self.senders, subject.sender)
            and _matches(self.endpoints, subject.endpoint)
            and _one_of(self.intents, exchange.intent if exchange else None)
            and _one_of(self.modes, exchange.mode if exchange else None)
            and self._documents_hold(exchange)
            and all(_directive_holds(exchange, name) for name in self.directives)
            and (not self.boxes or (exchange is not None and not set(self.boxes).isdisjoint(ticked(exchange))))
        )

    def _documents_hold(self, exchange: Exchange | None) -> bool:
        if not self.document_types:
            return True
        documents = exchange.documents if exchange else ()
        return any(document.type is not None and document.type.code in self.document_types for document in documents)


def deliveries(
    subject: Subject, routes: Iterable[Route], writes: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[Delivery, ...]:
    """The deliveries in the order of the routes, each destination once, all under the subject's ordering key. One a destination; to one
    that gets HL7 v2 written (`writes`, with what it asks for), one for each message that says the Exchange."""
    names = dict.fromkeys(name for route in routes if route.holds(subject) for name in route.to)
    exchange, asked = subject.exchange, writes or {}
    return tuple(
        Delivery(destination=name, key=subject.key, part=part)
        for name in names
        for part in (messages_of(exchange, asked[name]) if name in asked and exchange is not None else ("",))
    )


def unserved(subject: Subject, routes: Iterable[Route]) -> list[Issue]:
    """A ticked box that no route serves refuses the exchange: what its author asked for cannot be done."""
    boxes = ticked(subject.exchange) if subject.exchange is not None else ()
    served = {box for route in routes if boxes and route.holds(subject) for box in route.boxes}
    return [
        Issue.of(Severity.ERROR, IssueCode.SHARING_NOT_SERVED, f"sharing.{box}", box=box)
        for box in boxes
        if box not in served
    ]


def _matches(patterns: tuple[str, ...], text: str) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)


def _one_of(words: tuple[str, ...], word: str | None) -> bool:
    return not words or word in words


def _directive_holds(exchange: Exchange | None, name: str) -> bool:
    wanted = not name.startswith("not ")
    directives = exchange.directives if exchange else None
    return bool(getattr(directives, name.removeprefix("not ").strip(), None)) is wanted
