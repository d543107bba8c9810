"""The life of a téléexpertise: the form before the conversation, the steps in their order, the opinion when it is given (rule 2)."""

from __future__ import annotations

from collections.abc import Iterator

from connector.exchange.facts import Facts
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import ordered
from connector.exchange.teleexpertise import STATES
from connector.issues import Issue, IssueCode, Severity

__all__ = ["form_first", "opinion_in_time", "steps_possible"]

_FIRST = "demandee"


def form_first(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """When the expert asks for the form, no message comes before it is saved."""
    asked = exchange.teleexpertise
    if asked is None or asked.expert is None or asked.expert.asks != "form":
        return
    saved = asked.form.saved if asked.form is not None else None
    for position, message in enumerate(exchange.messages, 1):
        early = saved is None or (message.sent is not None and ordered(saved, message.sent, context.zone) is False)
        if early:
            yield Issue.of(Severity.ERROR, IssueCode.MODE_FORM_FIRST, f"messages[{position}]")


def steps_possible(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """The first step is the request; each other one may follow the one before it."""
    before = ""
    for position, step in enumerate(exchange.teleexpertise.steps if exchange.teleexpertise else (), 1):
        allowed = STATES.get(before, ()) if before else (_FIRST,)
        if step.state not in allowed:
            expected = ", ".join(allowed) or "—"
            place = f"teleexpertise.steps[{position}].state"
            yield Issue.of(Severity.ERROR, IssueCode.MODE_STEP, place, before=before or "—", expected=expected)
        before = step.state


def opinion_in_time(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """An opinion is there once its step is: none for a request that was refused or cancelled."""
    asked = exchange.teleexpertise
    if asked is None or asked.opinion is None:
        return
    if not any(step.state == "avis_rendu" for step in asked.steps):
        yield Issue.of(Severity.ERROR, IssueCode.MODE_OPINION, "teleexpertise.opinion")
