"""The three boxes of « Envoyer un document »: who may not be shared, and what is shared when one may (spec: the MonSisra guides).

*Mon logiciel métier* takes every document. *Mes Patients* (the regional record) and *Ma Santé Connectée* (the same, visible to the
patient) take only what the rules below let through; a refusal names the box and the rule.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import fields, replace

from connector.exchange.documents import Directives, Sharing
from connector.exchange.facts import Facts
from connector.exchange.identity import qualified
from connector.exchange.model import Context, Exchange
from connector.issues import Issue, IssueCode, Severity

__all__ = ["BOXES", "RECORDS", "as_shared", "box_refusals", "sharing_possible", "ticked"]

#: The boxes, by their field of `Sharing`.
BOXES = tuple(field.name for field in fields(Sharing))
#: Those whose documents leave the sender's own house.
RECORDS = ("regional_record", "ma_sante_connectee")


def ticked(exchange: Exchange) -> tuple[str, ...]:
    """The boxes that are ticked."""
    return tuple(box for box in BOXES if exchange.sharing is not None and getattr(exchange.sharing, box))


def box_refusals(exchange: Exchange, box: str) -> Iterator[Issue]:
    """Why the documents may not go where the box says (ERROR); nothing for one's own software."""
    if box not in RECORDS:
        return
    place = f"sharing.{box}"
    if not qualified(exchange.patient):
        yield Issue.of(Severity.ERROR, IssueCode.SHARING_NOT_QUALIFIED, place, box=box)
    if any(document.confidentiality in ("R", "V") for document in exchange.documents):
        yield Issue.of(Severity.ERROR, IssueCode.SHARING_RESTRICTED, place, box=box)
    dmp = exchange.patient.dmp if exchange.patient is not None else None
    if dmp is not None and dmp.feeding == "opposed":
        yield Issue.of(Severity.ERROR, IssueCode.SHARING_OPPOSED, place, box=box)
    if box == "ma_sante_connectee" and exchange.directives is not None and exchange.directives.hidden_from_patient:
        yield Issue.of(
            Severity.ERROR, IssueCode.DIRECTIVE_CONFLICT, place, left="INVISIBLE_PATIENT=Y", right="ma_sante_connectee"
        )


def sharing_possible(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """Each ticked box whose destination will refuse the documents is told at once, as a WARNING: the other boxes are served."""
    for box in ticked(exchange):
        for issue in box_refusals(exchange, box):
            yield replace(issue, severity=Severity.WARNING)


def as_shared(exchange: Exchange, *, visible: bool) -> Exchange:
    """What goes to a shared record: the documents with their patient and author, hidden from the patient unless `visible` to him.

    What the directives say of his view stands: they are more precise than a box.
    """
    directives = exchange.directives or Directives()
    if directives.hidden_from_patient is None:
        directives = replace(directives, hidden_from_patient=not visible)
    return replace(
        exchange, mode="document", directives=directives, sharing=None, subject=None, thread=None, messages=(),
        teleexpertise=None, channel=None,
    )  # fmt: skip
