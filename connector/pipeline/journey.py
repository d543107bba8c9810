"""The values of one message's journey that the pure core makes and reads; `connector.ports` offers them to the outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from connector.exchange.content import Standing
from connector.exchange.model import Exchange
from connector.fhir.search import IndexRow, Query
from connector.issues import Issue
from connector.terminology import Untranslated

__all__ = [
    "Delivery",
    "Entry",
    "ExchangeQuery",
    "Filing",
    "Inbound",
    "KeptExchange",
    "MessageState",
    "Peeked",
    "Policy",
    "Put",
    "Written",
]


class Put(msgspec.Struct, frozen=True, kw_only=True):
    """A FHIR resource to write in the store, with its index rows (`connector.fhir.indexing`); `data`: a Binary's bytes, which stand beside it.

    `seen` is the version that was there when it was made ready (0: none; None: whatever), `unless` a query that must still find nothing
    else (If-None-Exist): both are asked again inside the commit.
    """

    resource: Mapping[str, Any]
    rows: Sequence[IndexRow] = ()
    data: bytes | None = None
    seen: int | None = None
    unless: Query | None = None


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a `Put`: the version that is there now, since when (ISO), and whether it is new."""

    type: str
    id: str
    version: int
    updated: str
    changed: bool = True

    @property
    def name(self) -> str:
        """`Type/id`."""
        return f"{self.type}/{self.id}"


class Filing(msgspec.Struct, frozen=True, kw_only=True):
    """Resources to write in the commit of the message that brought them, if it is accepted; `tree` is what its verdict is about: what was
    posted (a resource of this `type`), read and checked, with what it points at in the store."""

    puts: tuple[Put, ...]
    tree: Mapping[str, Any]
    type: str


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes exactly as received, by which endpoint, from whom (host:port), when (ISO with zone).

    `issues`: what the receiver found wrong with the frame itself (cut, too large, end mark inside): the bytes are then only a part,
    they are kept for a person, refused, and never claim their MSH-10 (the sender may repeat the message whole under the same one).
    `raw` is a read-only view when it is an exchange that the receiver left on the disk; `digest`: its SHA-256 (hex), when it was taken on the
    way. `filing`: FHIR resources that are written in the same commit.
    """

    raw: bytes | memoryview
    endpoint: str
    remote: str
    received_at: str
    format: str = "hl7"
    issues: tuple[Issue, ...] = ()
    filing: Filing | None = None  # by the FHIR API
    digest: str = ""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to bring to one destination. Order is kept per (destination, key). `part`: which of the messages that say the Exchange
    (connector.pipeline.messages), "" for all that came."""

    destination: str
    key: str
    part: str = ""


class MessageState(StrEnum):
    """RECEIVED (raw is safe, verdict to come), TRANSLATED, REFUSED, PARKED (unreadable, kept for a person)."""

    RECEIVED = "received"
    TRANSLATED = "translated"
    REFUSED = "refused"
    PARKED = "parked"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """All that one commit makes durable for one received message."""

    inbound: Inbound
    sender: str = ""  # MSH-3 and MSH-4, joined by |
    control_id: str = ""  # MSH-10
    type: str = ""  # MSH-9 as received, e.g. MDM^T02
    digest: str  # SHA-256 hex of the raw bytes
    state: MessageState
    key: str = ""  # ordering key: INS, else IPP + domain, else the document's lineage
    patient: str = ""  # the patient's identifier for search
    document_ids: tuple[str, ...] = ()
    exchange: Exchange | None = None  # documents carry their bytes; the journal detaches them
    standing: tuple[Standing, ...] = ()  # large contents whose bytes were left in the raw message
    issues: tuple[Issue, ...] = ()
    mapping: str = ""  # name and version of the mapping used
    answers: tuple[bytes, ...] = ()  # the ACKs owed, as they will be written; none when none was asked for
    deliveries: tuple[Delivery, ...] = ()
    possible_duplicate_of: int | None = None
    untranslated: tuple[Untranslated, ...] = ()  # codes that a table did not hold, each once
    conflicts_with: int | None = None  # the earlier message whose MSH-10 this one uses with other bytes (set by intake)
    after: int | None = (
        None  # the message that holds the exchange of this id, as the verdict knows it; 0: none; None: it has no say
    )
    repeats: int | None = None  # the earlier message that says exactly this: nothing is to be kept
    informed: bool = False  # the verdict was reached with what the store knows of the patient and the documents


class Peeked(msgspec.Struct, frozen=True, kw_only=True):
    """What intake must know before a message is understood, read from its header alone. `defer`: the verdict may follow the answer."""

    sender: str = ""
    control_id: str = ""
    type: str = ""
    defer: bool = False


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How a destination is retried. Delays in seconds; the nth wait is min(longest, first * factor ** (n - 1)).

    `ambiguous`: what to do when the peer perhaps accepted: `retry` (the peer recognises our ids) or `park`.
    `attempts`: after how many failed tries a delivery is parked; 0 = never.
    """

    first: float = 2.0
    factor: float = 2.0
    longest: float = 300.0
    attempts: int = 0
    ambiguous: str = "retry"


class KeptExchange(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange as the journal holds it: which message, its state in its own words (téléexpertise, open, closed), when it last grew (ISO),
    and (destination, state) of each delivery of that version. `position` is where a page after it begins."""

    exchange: Exchange
    message_id: int
    state: str
    updated: str
    deliveries: tuple[tuple[str, str], ...] = ()
    position: tuple[float, str] = (0.0, "")


class ExchangeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Every filter given must hold. `patient` is a number of the patient, in `system` when that is given; `since` an ISO moment with zone."""

    patient: str = ""
    system: str | None = None
    mode: str = ""
    state: str = ""
    since: str | None = None
    after: tuple[float, str] | None = None
    count: int = 50
