"""Results of examinations: reports, their observations and specimens (HL7 v2 OBR/OBX/SPM, FHIR DiagnosticReport/Observation)."""

from __future__ import annotations

from connector.exchange.attachment import Content
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, Identifier, Model, Party, Period

__all__ = ["Observation", "Quantity", "Range", "Report", "Specimen"]


class Quantity(Model, frozen=True):
    """A number as it was written (`1.10` stays `1.10`), with its unit. `comparator`: <, <=, >=, >."""

    value: str | None = None
    comparator: str | None = None
    unit: Concept | None = None


class Range(Model, frozen=True):
    """A reference range: bounds when they are numbers, and the text as given."""

    low: str | None = None
    high: str | None = None
    text: str | None = None


class Specimen(Model, frozen=True):
    """What was examined (OBR-15, SPM)."""

    identifiers: tuple[Identifier, ...] = ()
    type: Concept | None = None
    site: Concept | None = None
    collected: Period | None = None
    received: Moment | None = None


class Observation(Model, frozen=True):
    """One result (OBX). Exactly one of `quantity`, `coded`, `text`, `boolean`, `moment`, `range`, `content` holds the value; `kind` is OBX-2.

    `status` in the words of table observation-status; `notes` are the NTE behind it; `sub_id` OBX-4.
    """

    kind: str | None = None
    code: Concept | None = None
    sub_id: str | None = None
    identifiers: tuple[Identifier, ...] = ()
    quantity: Quantity | None = None
    coded: tuple[Concept, ...] = ()
    text: str | None = None
    boolean: bool | None = None
    moment: Moment | None = None
    range: Range | None = None
    content: Content | None = None
    reference: Range | None = None
    interpretation: tuple[Concept, ...] = ()
    status: str | None = None
    observed: Moment | None = None
    analysed: Moment | None = None
    performer: Party | None = None
    producer: Concept | None = None
    method: Concept | None = None
    notes: tuple[str, ...] = ()


class Report(Model, frozen=True):
    """One OBR with its observations. `status` in the words of table report-status."""

    placer: Identifier | None = None
    filler: Identifier | None = None
    code: Concept | None = None
    category: Concept | None = None
    status: str | None = None
    collected: Period | None = None
    issued: Moment | None = None
    requester: Party | None = None
    interpreter: Party | None = None
    reason: Concept | None = None
    specimen: Specimen | None = None
    notes: tuple[str, ...] = ()
    observations: tuple[Observation, ...] = ()
