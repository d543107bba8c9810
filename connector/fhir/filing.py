"""What a Bundle under construction gives to those who add resources to it: derived ids, references to what is there, codings."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from connector.exchange.ids import derived
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment, to_instant
from connector.fhir.codec import Resource
from connector.fhir.datatypes import system_uri, write_identifier
from connector.fhir.elements import elements
from connector.fhir.primitives import sha1_of
from connector.mapping.language import Run

__all__ = ["ABSENT", "Filing", "Put", "concept", "link_to_message", "stored"]

#: A value that R4 requires and nobody said.
ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
#: Adds a resource under an id, once; returns its full URL.
Put = Callable[[Resource, str], str]


class Filing:
    """One Bundle: its exchange, its run, how a resource is put into it, and where its documents stand."""

    def __init__(self, exchange: Exchange, run: Run, put: Put, entries: list[Resource]) -> None:
        self.exchange = exchange
        self.run = run
        self.put = put
        #: Business identifier → full URL, for references that name one.
        self.known: dict[tuple[Any, Any], str] = {}
        for entry in entries:
            identifier = entry["resource"].get("masterIdentifier")
            if identifier is not None:
                self.name(identifier, entry["fullUrl"])

    def name(self, identifier: Resource, url: str) -> None:
        """References to this business identifier point here."""
        self.known.setdefault((identifier.get("system"), identifier.get("value")), url)

    def settle(self, reference: Resource) -> Resource:
        """The reference, pointing at what its business identifier names when that is in the Bundle."""
        identifier = reference.get("identifier", {})
        url = self.known.get((identifier.get("system"), identifier.get("value")))
        return {"reference": url, **reference} if url is not None else reference

    def url(self, kind: str, *parts: str) -> str:
        """The full URL that `add` gives to a resource of these parts."""
        return f"urn:uuid:{derived(self.run.context, kind, *parts)}"

    def add(self, resource: Resource, kind: str, *parts: str, place: str) -> str:
        """Put a resource under an id derived from these parts, its elements in the standard's order. Returns its full URL."""
        self.run.derived(f"{place}.id", (), "connector/fhir/filing.py")
        ordered = {name: resource[name] for name in order_of(resource["resourceType"]) if name in resource}
        return self.put(ordered, derived(self.run.context, kind, *parts))

    def coding(self, table: str, word: str) -> Resource:
        """The coding of a canonical word."""
        find = self.run.context.table
        coded = find(table).from_exchange("fhir", word) if find is not None else None
        if coded is None:
            return {"code": word}
        system = system_uri(coded.system, self.run) if coded.system else None
        parts = {"system": system, "code": coded.code, "display": coded.display}
        return {name: value for name, value in parts.items() if value}

    def recorded(self, *moments: str | None) -> Resource:
        """`recorded` of a Provenance: the first of these moments, or of the message's own, that is an instant."""
        envelope = self.exchange.envelope
        for moment in (*moments, envelope.sent_at if envelope is not None else None):
            instant = to_instant(Moment(moment), self.run.context.zone) if moment else None
            if instant is not None:
                return {"recorded": instant}
        return {"_recorded": ABSENT}


def stored(attachment: Resource, identity: str, put: Put) -> None:
    """Put the data of an attachment into a Binary of this id; the attachment points at it."""
    data = attachment.pop("data")
    if "size" not in attachment:
        attachment["size"] = len(data)
    if "hash" not in attachment:
        attachment["hash"] = sha1_of(data)
    media = attachment.get("contentType", "application/octet-stream")
    attachment["url"] = put({"resourceType": "Binary", "contentType": media, "data": data}, identity)


def concept(text: Resource) -> Resource:
    """A CodeableConcept of one coding."""
    return {"coding": [text]}


#: What a message is the source of; people, places and bytes come with these.
_MADE = frozenset((
    "Encounter", "DocumentReference", "List", "Communication", "ServiceRequest", "Task", "QuestionnaireResponse",
    "DiagnosticReport", "Observation",
))  # fmt: skip
_ASSEMBLER = {"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "code": "assembler"}


def link_to_message(filing: Filing, entries: list[Resource]) -> None:
    """A Provenance from what was made to the message in the journal, sent by an application; nothing outside of a journey.

    The journal's numbers stand in the domain `<namespace>.1`.
    """
    context, envelope = filing.run.context, filing.exchange.envelope
    targets = [{"reference": each["fullUrl"]} for each in entries if each["resource"]["resourceType"] in _MADE]
    if context.message is None or not targets:
        return
    sender: Resource = {}
    if envelope is not None and envelope.sender is not None:
        write_identifier(envelope.sender, sender, filing.run)
    number = {"system": f"urn:oid:{context.namespace}.1", "value": str(context.message)}
    provenance = {
        "resourceType": "Provenance",
        "target": targets,
        **filing.recorded(next((each.sent for each in filing.exchange.messages), None)),
        "agent": [{"type": concept(_ASSEMBLER), "who": {"identifier": sender} if sender else ABSENT}],
        "entity": [{"role": "source", "what": {"identifier": number}}],
    }
    filing.add(provenance, "provenance", "message", number["value"], place="Provenance[1]")


@lru_cache(maxsize=64)
def order_of(kind: str) -> tuple[str, ...]:
    """The names of a type in the standard's order, each also as that of its extensions."""
    names = ("resourceType", *elements(kind))
    return tuple(each for name in names for each in (name, f"_{name}"))
