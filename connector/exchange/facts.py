"""What a format knows beside the Exchange and the business rules need: several writings of one fact, to be compared."""

from __future__ import annotations

from connector.exchange.people import Model, Patient

__all__ = ["VOLET_LPS", "VOLET_TRANSMISSION", "Facts"]

#: MSH-21.2 of the two volets.
VOLET_TRANSMISSION = "CISIS_CDA_HL7_V2"
VOLET_LPS = "CISIS_CDA_HL7_LPS"


class Facts(Model, frozen=True):
    """All of it may be absent; a rule without its fact says nothing.

    `type`, `event`: MSH-9.1 and 9.2. `controls`: ORC-1 of each order. `statuses`: OBX-11 of each document observation. `announced_ids`
    and `announced_replaces`: TXA-12 and TXA-13 as root or root^extension. The `header_…` are what each document's own CDA header says,
    in the order of `Exchange.documents` (None: that document has no CDA header).
    """

    type: str | None = None
    event: str | None = None
    controls: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    announced_ids: tuple[str | None, ...] = ()
    announced_replaces: tuple[str | None, ...] = ()
    header_ids: tuple[str | None, ...] = ()
    header_replaces: tuple[str | None, ...] = ()
    header_patients: tuple[Patient | None, ...] = ()
