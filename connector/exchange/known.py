"""What the connector already knows when it judges a message: the local record of its patient, and the documents that it follows.

The store finds it in the commit itself and only speaks when it matters; the rules then judge it as any other value (`Context.known`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connector.exchange.people import Model, Patient

if TYPE_CHECKING:
    from connector.exchange.model import Exchange

__all__ = ["Earlier", "Known", "KnownDocument"]


class KnownDocument(Model, frozen=True):
    """A document that came before. `state`: current, replaced, deleted. `by`: the numbers of those who answer for it (`lineage.answerable`);
    `successor`: the document that replaced it."""

    state: str = "current"
    by: frozenset[str] = frozenset()
    successor: str | None = None


class Earlier(msgspec.Struct, frozen=True):
    """The exchange that the journal holds under the same id, its bytes told by their hashes: `message_id` is where."""

    message_id: int
    exchange: Exchange


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """`patient`: the local record under the message's INS whose strict traits are others. `documents`: those that the message replaces or
    deletes, by id; None for one that never came. `earlier`: the exchange under the same id."""

    patient: Patient | None = None
    documents: dict[str, KnownDocument | None] = {}
    earlier: Earlier | None = None

    def and_before(self, before: Known | None) -> Known:
        """This, with what was learnt before it."""
        if before is None:
            return self
        return Known(
            patient=self.patient or before.patient,
            documents={**before.documents, **self.documents},
            earlier=self.earlier or before.earlier,
        )
