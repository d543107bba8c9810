"""A document follows another: replacement and deletion judged against what came before (CI-SIS volet, application errors 900 and 901).

A document that never came is only told by default: the connector may have been installed after it, or the replacement may be faster than
its original. A version that is no longer the last one, or another organisation's document, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connector.exchange.documents import Document
from connector.exchange.facts import Facts
from connector.exchange.identifiers import normalise
from connector.exchange.known import KnownDocument
from connector.exchange.model import Context, Exchange
from connector.exchange.people import Model, Organization, Party
from connector.issues import Issue, IssueCode, Severity

__all__ = ["Step", "answerable", "document_lineage", "fault", "followed", "steps"]


class Step(Model, frozen=True, kw_only=True):
    """One thing that a message does to an earlier document: `replace` it by `successor`, or `delete` it. `path` in the Exchange."""

    act: str
    target: str
    path: str
    by: frozenset[str] = frozenset()
    successor: str | None = None


def steps(exchange: Exchange) -> tuple[Step, ...]:
    """What a message does to earlier documents; nothing for a first version."""
    found = []
    for position, document in enumerate(exchange.documents, 1):
        path = f"documents[{position}]"
        if exchange.intent == "delete" and document.id is not None:
            found.append(Step(act="delete", target=document.id, path=f"{path}.id", by=answerable(exchange, document)))
        elif exchange.intent == "replace" and document.replaces is not None and document.replaces != document.id:
            by = answerable(exchange, document)
            step = Step(act="replace", target=document.replaces, path=f"{path}.replaces", by=by, successor=document.id)
            found.append(step)
    return tuple(found)


def answerable(exchange: Exchange, document: Document) -> frozenset[str]:
    """The numbers of those who answer for a document: its authors, their organisations, its custodian, the sender (`FINESS|300017985`)."""
    parties: list[Party] = [*document.authors, *([exchange.sender] if exchange.sender is not None else [])]
    owners: list[Party | Organization | None] = [
        *parties,
        *(party.organization for party in parties),
        document.custodian,
    ]
    numbers = (normalise(each) for owner in owners if owner is not None for each in owner.identifiers)
    return frozenset(f"{number.register}|{number.number}" for number in numbers if number.register)


def fault(step: Step, known: KnownDocument | None) -> IssueCode | None:
    """What is wrong with the step, None when nothing is. The same replacement or deletion again is no fault."""
    if known is None:
        return IssueCode.DOCUMENT_NOT_FOUND
    if known.by and step.by and not known.by & step.by:
        return IssueCode.DOCUMENT_AUTHOR
    again = (
        known.state == "deleted"
        if step.act == "delete"
        else known.state == "replaced" and step.successor == known.successor
    )
    return None if known.state == "current" or again else IssueCode.DOCUMENT_VERSION


def document_lineage(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """A replacement or deletion against what came before (900, 901); an original that never came warns, or refuses (`unknown_original`)."""
    if context.known is None or not context.known.documents:
        return
    refuse = context.options.get("unknown_original") == "refuse"
    for step in steps(exchange):
        if step.target not in context.known.documents:
            continue
        code = fault(step, context.known.documents[step.target])
        if code is None:
            continue
        unknown = code is IssueCode.DOCUMENT_NOT_FOUND
        severity = Severity.WARNING if unknown and not refuse else Severity.ERROR
        params = {"expected": "status: current"} if code is IssueCode.DOCUMENT_VERSION else {}
        yield Issue.of(severity, code, step.path, **params)


def followed(known: Iterable[tuple[str, str]]) -> KnownDocument | None:
    """The state of a document from what messages did to it, in their order: (role, detail) as `store` keeps them.

    Roles: submit, replace (detail: who answers, one a line), delete, replaced (detail: its successor).
    """
    state, by, successor, came = "current", frozenset[str](), None, False
    for role, detail in known:
        if role == "delete":
            state, came = "deleted", True
        elif role == "replaced":
            state, successor = ("replaced" if state == "current" else state), detail or None
        else:
            by, came = by | frozenset(detail.splitlines()), True
    return KnownDocument(state=state, by=by, successor=successor) if came else None
