"""The temporary channel to a patient's Mon Espace Santé mailbox (spec: the MonSisra guides, "Échanger avec un usager")."""

from __future__ import annotations

from connector.exchange.moments import Moment
from connector.exchange.people import Model

__all__ = ["Channel"]


class Channel(Model, frozen=True):
    """`address` is `<INS>@patient.mssante.fr`. Two facts: `reply_allowed` False, this message cannot be answered (X-MSS-MES: FIN);
    `closes_channel` True, no earlier one can be either (subject `[FIN]`). `state`: open or closed, after this message."""

    address: str | None = None
    reply_allowed: bool | None = None
    closes_channel: bool | None = None
    state: str | None = None
    opened: Moment | None = None
    closed: Moment | None = None
