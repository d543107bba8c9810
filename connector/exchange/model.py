"""The canonical Exchange: what was said, and the Context it is read and written in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from connector.exchange.care import Encounter, Order
from connector.exchange.channel import Channel
from connector.exchange.conversation import Message, Thread
from connector.exchange.documents import Directives, Document, Sharing
from connector.exchange.known import Known
from connector.exchange.moments import Moment
from connector.exchange.people import Identifier, Model, Party, Patient
from connector.exchange.results import Report
from connector.exchange.teleexpertise import Teleexpertise

__all__ = ["Context", "Envelope", "Exchange"]


class Envelope(Model, frozen=True):
    """Who sent what to whom (MSH, EVN). `processing`: P production, T test, D debug."""

    sender: Identifier | None = None  # MSH-3: value = namespace, system = universal id
    sender_facility: Identifier | None = None
    receiver: Identifier | None = None
    receiver_facility: Identifier | None = None
    sent_at: Moment | None = None
    recorded_at: Moment | None = None
    occurred_at: Moment | None = None
    operator: Party | None = None
    type: str | None = None
    event: str | None = None
    structure: str | None = None
    control_id: str | None = None
    processing: str | None = None
    version: str | None = None
    country: str | None = None
    language: str | None = None
    charset: str | None = None
    profile: str | None = None
    profile_version: str | None = None
    accept_ack: str | None = None
    application_ack: str | None = None


class Exchange(Model, frozen=True):
    """What was said. `intent`: submit, replace, delete, notify. `mode`: document, conversation, teleexpertise, mail, mon_espace_sante.

    `origin` says where it began: `feed` (HL7 v2 or FHIR) or `monsisra`. `sender` is PRT SB: the account that acts (« agir en tant que »);
    `enterer` the person who typed; `recipients` PRT RCT, `reply_to` PRT REPLY. `id` is the exchange's own: the same id is the same exchange.
    `prior` is whom `patient` was known as before a merge or a change of identifiers (MRG). `subject` is the objet; `messages` what was written, in order: one for a mail, all of a conversation.
    """

    id: str | None = None
    intent: str | None = None
    mode: str | None = None
    origin: str | None = None
    envelope: Envelope | None = None
    patient: Patient | None = None
    prior: Patient | None = None
    encounter: Encounter | None = None
    orders: tuple[Order, ...] = ()
    documents: tuple[Document, ...] = ()
    directives: Directives | None = None
    sender: Party | None = None
    recipients: tuple[Party, ...] = ()
    reply_to: tuple[Party, ...] = ()
    enterer: Party | None = None
    subject: str | None = None
    thread: Thread | None = None
    messages: tuple[Message, ...] = ()
    teleexpertise: Teleexpertise | None = None
    channel: Channel | None = None
    sharing: Sharing | None = None
    reports: tuple[Report, ...] = ()


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """All of the outside that the core may know; passed to every pure entry point.

    `now` is an ISO moment with zone; `zone` the IANA name of the site's zone (Europe/Paris), used where a local time has none;
    `environment` test or production; `namespace` the OID under which this site makes ids; `table` finds a terminology table by
    name and `systems` is the one of code systems (both connector.terminology); `new_id` makes a control id when the context allows.
    `known` is what came before and bears on this message; None: nothing was asked, the rules about it say nothing.
    `message` is the journal's number of the message in hand, where there is one.
    """

    now: Moment
    zone: str = "Europe/Paris"
    site: str = "default"
    environment: str = "test"
    namespace: str = "1.2.250.1.213.1.4.10.9"
    base_url: str = "http://localhost:8080/fhir"
    systems: Any = None
    table: Callable[[str], Any] | None = None
    options: dict[str, str] = {}
    known: Known | None = None
    message: int | None = None
