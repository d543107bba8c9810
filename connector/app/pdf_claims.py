"""Destinations that take PDF/A only: what a document's PDF claims to be is read before it leaves, and never altered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from connector.issues import Issue, IssueCode, Severity
from connector.ports import Claimed, DeliveryFailed, Receipt, Retry, Sender

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connector.exchange.model import Exchange
    from connector.settings import Settings

__all__ = ["PdfAOnly", "pdf_only_of"]

#: Word of the setting `pdf` → what a PDF has to claim.
_CLAIMS = {"pdfa": "PDF/A", "pdfa-1": "PDF/A-1"}


class PdfAOnly:
    """A `Sender` to a destination that refuses other PDFs: the leg is rejected (PDF_REFUSED) before anything leaves."""

    def __init__(self, sender: Sender, wanted: str) -> None:
        self._sender = sender
        self._wanted = wanted

    async def deliver(self, claimed: Claimed, before_send: Callable[[], Awaitable[None]]) -> Receipt:
        """Deliver when each PDF claims what is wanted. Raises DeliveryFailed NEVER naming the first that does not."""
        if claimed.exchange is not None:
            refused = await asyncio.to_thread(self._refused, claimed.exchange, claimed.part)
            if refused is not None:
                raise DeliveryFailed(Retry.NEVER, refused)
        return await self._sender.deliver(claimed, before_send)

    def _refused(self, exchange: Exchange, part: str) -> Issue | None:
        from connector.pipeline.bodies import pdf_claims

        for place, claim in pdf_claims(exchange):
            of_another = part.isdecimal() and place != f"documents[{part}]"
            if not of_another and not (claim or "").startswith(self._wanted):
                params = {"expected": self._wanted, "found": claim or "PDF"}
                return Issue.of(Severity.ERROR, IssueCode.PDF_REFUSED, place, **params)
        return None

    async def close(self) -> None:
        """Release connections."""
        await self._sender.close()


def pdf_only_of(settings: Settings, name: str, sender: Sender) -> Sender:
    """The destination's sender, behind what it says of PDFs (`pdf`)."""
    wanted = _CLAIMS.get(settings.destinations[name].pdf)
    return PdfAOnly(sender, wanted) if wanted is not None else sender
