"""What a structured document says in its body: sections with their narrative, and the coded entries that our users exchange most.

CI-SIS « Modèles de contenus CDA » (sections and entries on IHE PCC and XD-LAB templates), FHIR R4 Composition and the resources of its
entries. What a section holds beside these is listed in `unread` by its place and stays in the document, which is kept byte for byte.
"""

from __future__ import annotations

from connector.exchange.attachment import Content
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, Identifier, Model, Party, Period
from connector.exchange.results import Observation, Quantity, Report

__all__ = ["Allergy", "Immunization", "Medication", "Problem", "Procedure", "Reaction", "Section"]


class Problem(Model, frozen=True):
    """A problem, diagnosis or antecedent (CDA problem observation in its concern; FHIR Condition).

    `code` is what the patient has, `category` the kind of statement (diagnosis, symptom, complaint…). `status` (active, inactive, resolved)
    in the words of table clinical-status; `concern` is the id of the concern that holds it. `refuted`: the patient does not have it.
    `text` are the words of the narrative, here and below, where no code says it.
    """

    identifiers: tuple[Identifier, ...] = ()
    concern: Identifier | None = None
    code: Concept | None = None
    text: str | None = None
    category: Concept | None = None
    status: str | None = None
    certainty: Concept | None = None
    severity: Concept | None = None
    period: Period | None = None
    refuted: bool | None = None
    author: Party | None = None
    notes: tuple[str, ...] = ()


class Reaction(Model, frozen=True):
    """What happened (manifestation), since when and how badly."""

    manifestation: Concept | None = None
    text: str | None = None
    period: Period | None = None
    severity: Concept | None = None


class Allergy(Model, frozen=True):
    """An allergy or intolerance (CDA allergies and intolerances observation in its concern; FHIR AllergyIntolerance).

    `kind` says allergy or intolerance, and to what sort of thing; `substance` to what. `status`: table clinical-status. `refuted`: no such allergy.
    """

    identifiers: tuple[Identifier, ...] = ()
    concern: Identifier | None = None
    kind: Concept | None = None
    code: Concept | None = None
    substance: Concept | None = None
    text: str | None = None
    status: str | None = None
    certainty: Concept | None = None
    criticality: Concept | None = None
    period: Period | None = None
    refuted: bool | None = None
    reactions: tuple[Reaction, ...] = ()
    author: Party | None = None
    notes: tuple[str, ...] = ()


class Medication(Model, frozen=True):
    """A treatment that is or was taken or planned (CDA substanceAdministration; FHIR MedicationStatement).

    `status`: words of table medication-status. `every` is the interval between two doses; `dose` and `dose_high` are bounds
    (equal when exact). `instructions` is what the patient is told.
    """

    identifiers: tuple[Identifier, ...] = ()
    category: Concept | None = None
    status: str | None = None
    not_taken: bool | None = None
    product: Concept | None = None
    text: str | None = None
    period: Period | None = None
    every: Quantity | None = None
    dose: Quantity | None = None
    dose_high: Quantity | None = None
    rate: Quantity | None = None
    most: Quantity | None = None
    route: Concept | None = None
    site: Concept | None = None
    reason: Concept | None = None
    instructions: str | None = None
    author: Party | None = None
    notes: tuple[str, ...] = ()


class Immunization(Model, frozen=True):
    """A vaccine that was given, or (`not_given`) was not (CDA immunization; FHIR Immunization). `number` is its rank in the series.

    `category` says of what kind (first series, booster…).
    """

    identifiers: tuple[Identifier, ...] = ()
    category: Concept | None = None
    status: str | None = None
    not_given: bool | None = None
    vaccine: Concept | None = None
    text: str | None = None
    given: Moment | None = None
    lot: str | None = None
    dose: Quantity | None = None
    number: str | None = None
    route: Concept | None = None
    site: Concept | None = None
    reason: Concept | None = None
    performer: Party | None = None
    reactions: tuple[Reaction, ...] = ()
    notes: tuple[str, ...] = ()


class Procedure(Model, frozen=True):
    """An act that was done or is planned (CDA procedure; FHIR Procedure). `status`: words of table procedure-status."""

    identifiers: tuple[Identifier, ...] = ()
    code: Concept | None = None
    text: str | None = None
    status: str | None = None
    not_done: bool | None = None
    period: Period | None = None
    sites: tuple[Concept, ...] = ()
    reason: Concept | None = None
    performers: tuple[Party, ...] = ()
    notes: tuple[str, ...] = ()


class Section(Model, frozen=True):
    """A section: what it is about, its narrative, its coded entries and the sections inside.

    `text` is the narrative as one XHTML `<div>` of the FHIR subset (R4 §2.4.0), without anything that acts or is fetched. `results` are
    laboratory reports, `vital_signs` measures taken together, `observations` single ones; `media` the files shown in it. `unread`:
    XPath of each entry that is none of these; it stays in the document alone.
    """

    id: Identifier | None = None
    code: Concept | None = None
    title: str | None = None
    templates: tuple[str, ...] = ()
    text: str | None = None
    language: str | None = None
    authors: tuple[Party, ...] = ()
    problems: tuple[Problem, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    medications: tuple[Medication, ...] = ()
    immunizations: tuple[Immunization, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    results: tuple[Report, ...] = ()
    vital_signs: tuple[Report, ...] = ()
    observations: tuple[Observation, ...] = ()
    media: tuple[Content, ...] = ()
    unread: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
