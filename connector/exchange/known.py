"""What the connector already knows when it judges a message: the local record of its patient, and the documents that it follows.

The store finds it in the commit itself and only speaks when it matters; the rules then judge it as any other value (`Context.known`).
"""

from __future__ import annotations

import msgspec

from connector.exchange.people import Model, Patient

__all__ = ["Known", "KnownDocument"]


class KnownDocument(Model, frozen=True):
    """A document that came before. `state`: current, replaced, deleted. `by`: the numbers of those who answer for it (`lineage.answerable`);
    `successor`: the document that replaced it."""

    state: str = "current"
    by: frozenset[str] = frozenset()
    successor: str | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """`patient`: the local record under the message's INS whose strict traits are others. `documents`: those that the message replaces or
    deletes, by id; None for one that never came."""

    patient: Patient | None = None
    documents: dict[str, KnownDocument | None] = {}
