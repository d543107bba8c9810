"""The same exchange again: identical, grown, or another one under its id.

A continuation leaves everything that was there as it was and adds something: a field that was absent, an item at the end of a list (a
message, a member, « vu par », a step, a document). What was closed takes nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from connector.exchange.content import each_content
from connector.exchange.model import Exchange
from connector.exchange.teleexpertise import STATES
from connector.issues import Issue, IssueCode, Severity

__all__ = ["contradicted", "misgrown", "same", "state_of"]


def same(earlier: Exchange, later: Exchange) -> bool:
    """Whether both say the same, their bytes compared by hash."""
    return _without_bytes(earlier) == _without_bytes(later)


def misgrown(earlier: Exchange, later: Exchange) -> Iterator[Issue]:
    """Why `later` is no continuation of `earlier`: the first place that was changed, or what was closed and grew."""
    place = contradicted(_without_bytes(earlier), _without_bytes(later))
    if place is not None:
        yield Issue.of(Severity.ERROR, IssueCode.EXCHANGE_CONFLICT, place, what=place)
        return
    what = _closed(earlier)
    if what and (len(later.messages) > len(earlier.messages) or len(later.documents) > len(earlier.documents)):
        grown = "messages" if len(later.messages) > len(earlier.messages) else "documents"
        yield Issue.of(Severity.ERROR, IssueCode.MODE_CLOSED, f"{grown}[{len(getattr(earlier, grown)) + 1}]", what=what)


def state_of(exchange: Exchange) -> str:
    """Where it stands: the state of a téléexpertise, open or closed for a conversation or a channel, else ""."""
    if exchange.teleexpertise is not None:
        return exchange.teleexpertise.state
    if exchange.channel is not None:
        return exchange.channel.state or "open"
    if exchange.thread is not None:
        return "closed" if exchange.thread.closed is not None else "open"
    return ""


def _closed(exchange: Exchange) -> str:
    """What is closed, in the words of the guides."""
    asked = exchange.teleexpertise
    if asked is not None and not STATES.get(asked.state):
        return f"Téléexpertise ({asked.state})"
    if exchange.thread is not None and exchange.thread.closed is not None:
        return "Conversation"
    return "Mon Espace Santé" if exchange.channel is not None and exchange.channel.state == "closed" else ""


def contradicted(before: msgspec.Struct, after: msgspec.Struct, path: str = "") -> str | None:
    """The first place where `after` does not hold what `before` held; None when it only adds."""
    for name in before.__struct_fields__:
        place = f"{path}.{name}" if path else name
        found = _differs(getattr(before, name), getattr(after, name), place)
        if found is not None:
            return found
    return None


def _differs(old: object, new: object, place: str) -> str | None:
    if old is None or old == new:
        return None
    if isinstance(old, tuple) and isinstance(new, tuple) and len(old) <= len(new):
        items = zip(old, new, strict=False)
        found = (_differs(left, right, f"{place}[{position}]") for position, (left, right) in enumerate(items, 1))
        return next((each for each in found if each is not None), None)
    if isinstance(old, msgspec.Struct) and type(old) is type(new):
        return contradicted(old, new, place)
    if place == "channel.state" and (old, new) == ("open", "closed"):
        return None
    return place


def _without_bytes(exchange: Exchange) -> Exchange:
    return each_content(exchange, lambda _, content, __: replace(content, data=None))
