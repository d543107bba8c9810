"""The judge in force: a desk that is replaced in one assignment when a new set of mappings has been compiled aside."""

from __future__ import annotations

from connector.exchange.known import Known
from connector.pipeline.judge import Desk
from connector.ports import Entry, Inbound, Peeked

__all__ = ["CurrentDesk"]


class CurrentDesk:
    """`connector.ports.Judge` by the desk of the moment; a message in hand is finished by the desk that began it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def peek(self, inbound: Inbound) -> Peeked:
        """See `Judge.peek`."""
        return self.desk.peek(inbound)

    def judge(self, inbound: Inbound, digest: str, now: str, known: Known | None = None) -> Entry:
        """See `Judge.judge`."""
        return self.desk.judge(inbound, digest, now, known)

    def received(self, inbound: Inbound, digest: str, now: str) -> Entry:
        """See `Judge.received`."""
        return self.desk.received(inbound, digest, now)

    def unavailable(self, inbound: Inbound, now: str) -> tuple[bytes, ...]:
        """See `Judge.unavailable`."""
        return self.desk.unavailable(inbound, now)

    def duplicate(self, inbound: Inbound, digest: str, now: str, earlier: int) -> Entry:
        """See `Judge.duplicate`."""
        return self.desk.duplicate(inbound, digest, now, earlier)

    def broken(self, inbound: Inbound, digest: str, now: str, what: str) -> Entry:
        """See `Judge.broken`."""
        return self.desk.broken(inbound, digest, now, what)
