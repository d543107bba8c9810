"""The stay and the acts around a document."""

from __future__ import annotations

from connector.exchange.moments import Moment
from connector.exchange.people import Concept, Identifier, Model, Party, Period

__all__ = ["Act", "Encounter", "Order", "Place"]


class Place(Model, frozen=True):
    """Where a patient is (PL): unit, room, bed and the facility's name."""

    unit: str | None = None
    room: str | None = None
    bed: str | None = None
    facility: str | None = None


class Encounter(Model, frozen=True):
    """A stay or visit (PV1, encompassingEncounter). `kind`: inpatient, emergency, outpatient, none, recurring (table encounter-class)."""

    number: Identifier | None = None
    kind: str | None = None
    type: Concept | None = None
    place: Place | None = None
    period: Period | None = None
    facility_type: Concept | None = None
    discharge: Concept | None = None
    responsible: Party | None = None
    participants: tuple[Party, ...] = ()


class Order(Model, frozen=True):
    """What was ordered (ORC/OBR, inFulfillmentOf): placer and filler numbers, accession, the service."""

    placer: Identifier | None = None
    filler: Identifier | None = None
    accession: Identifier | None = None
    service: Concept | None = None
    requested: Moment | None = None


class Act(Model, frozen=True):
    """A documented act (documentationOf/serviceEvent). The first of a document is the acte principal."""

    code: Concept | None = None
    identifiers: tuple[Identifier, ...] = ()
    period: Period | None = None
    performer: Party | None = None
