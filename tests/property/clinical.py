"""Sections with every kind of entry, of all that FHIR keeps (tests/losses/sections.fhir.csv says the rest)."""

from __future__ import annotations

from html import escape
from typing import Any

from hypothesis import strategies as st

from connector.exchange.attachment import Content
from connector.exchange.clinical import Allergy, Immunization, Medication, Problem, Procedure, Reaction, Section
from connector.exchange.people import Concept, Party, Period
from connector.exchange.results import Observation, Quantity, Report
from tests.property.exchanges import CODE, CONCEPTS, DATES, IDENTIFIERS, MOMENTS, NAMES, PROSE, TEXT, WHENS, maybe, some

__all__ = ["SECTIONS"]

UCUM = "2.16.840.1.113883.6.8"
NUMBERS = st.decimals(min_value=0, max_value=9999, places=2).map(str) | st.integers(1, 999).map(str)
UNITS = st.sampled_from(["mg", "mL", "{tablet}", "h", "d", "wk"]).map(lambda code: Concept(code=code, system=UCUM))
QUANTITIES = st.builds(Quantity, value=NUMBERS, unit=UNITS)
PERIODS = st.builds(Period, start=WHENS, end=maybe(WHENS))
#: Who recorded it, and when.
AUTHORS = st.builds(Party, name=NAMES, specialty=maybe(CONCEPTS), time=maybe(MOMENTS))
PEOPLE = st.builds(Party, name=NAMES, function=maybe(CONCEPTS))
NOTES = some(PROSE)
TRUE = maybe(st.just(True))
DIVS = TEXT.map(lambda text: f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(text, quote=False)}</p></div>')


def _ended(problem: Problem) -> bool:
    """con-4: what has ended says so."""
    return problem.period is None or problem.period.end is None or problem.status in ("inactive", "resolved")


PROBLEMS = st.builds(
    Problem,
    text=maybe(PROSE),
    identifiers=some(IDENTIFIERS),
    concern=maybe(IDENTIFIERS),
    code=CONCEPTS,
    category=maybe(CONCEPTS),
    status=st.sampled_from(["active", "inactive", "resolved", None]),
    certainty=maybe(CONCEPTS),
    severity=maybe(CONCEPTS),
    period=maybe(PERIODS),
    refuted=TRUE,
    author=maybe(AUTHORS),
    notes=NOTES,
).filter(_ended) | st.builds(Problem, text=PROSE)
#: An allergy's reaction has an onset, no end.
REACTIONS = st.builds(
    Reaction,
    manifestation=CONCEPTS,
    text=maybe(PROSE),
    period=maybe(st.builds(Period, start=WHENS)),
    severity=maybe(CONCEPTS),
)
#: A substance in the very words of the allergy is read as the allergy alone (docs/reference/fhir-losses.md).
ALLERGIES = st.builds(
    Allergy,
    text=maybe(PROSE),
    identifiers=some(IDENTIFIERS),
    concern=maybe(IDENTIFIERS),
    kind=maybe(CONCEPTS),
    code=maybe(CONCEPTS),
    substance=CONCEPTS,
    status=st.sampled_from(["active", "inactive", "resolved", None]),
    certainty=maybe(CONCEPTS),
    criticality=maybe(CONCEPTS),
    period=maybe(PERIODS),
    refuted=TRUE,
    reactions=some(REACTIONS),
    author=maybe(AUTHORS),
    notes=NOTES,
).filter(lambda allergy: allergy.code != allergy.substance)
MEDICATIONS = st.builds(
    Medication,
    text=maybe(PROSE),
    identifiers=some(IDENTIFIERS),
    category=maybe(CONCEPTS),
    status=st.sampled_from(["active", "completed", "stopped", "intended", "on-hold"]),
    product=CONCEPTS,
    period=maybe(PERIODS),
    every=maybe(QUANTITIES),
    dose=maybe(QUANTITIES),
    dose_high=maybe(QUANTITIES),
    rate=maybe(QUANTITIES),
    most=maybe(QUANTITIES),
    route=maybe(CONCEPTS),
    site=maybe(CONCEPTS),
    reason=maybe(CONCEPTS),
    instructions=maybe(PROSE),
    author=maybe(AUTHORS),
    notes=NOTES,
) | st.builds(Medication, text=PROSE, not_taken=st.just(True))
IMMUNIZATIONS = st.builds(
    Immunization,
    text=maybe(PROSE),
    category=maybe(CONCEPTS),
    identifiers=some(IDENTIFIERS),
    status=st.sampled_from(["completed", "entered-in-error", None]),
    vaccine=CONCEPTS,
    given=maybe(WHENS),
    lot=maybe(TEXT),
    dose=maybe(QUANTITIES),
    number=maybe(CODE | st.integers(0, 99).map(str)),
    route=maybe(CONCEPTS),
    site=maybe(CONCEPTS),
    reason=maybe(CONCEPTS),
    performer=maybe(PEOPLE),
    reactions=some(st.builds(Reaction, manifestation=CONCEPTS, period=maybe(st.builds(Period, start=DATES)))),
    notes=NOTES,
) | st.builds(Immunization, text=PROSE, not_given=st.just(True))
PROCEDURES = st.builds(
    Procedure,
    text=maybe(PROSE),
    identifiers=some(IDENTIFIERS),
    code=CONCEPTS,
    status=st.sampled_from(["completed", "in-progress", "stopped", None]),
    period=maybe(PERIODS),
    sites=some(CONCEPTS),
    reason=maybe(CONCEPTS),
    performers=some(PEOPLE),
    notes=NOTES,
) | st.builds(Procedure, text=PROSE, not_done=st.just(True))
OBSERVATIONS = st.builds(
    Observation,
    code=CONCEPTS,
    quantity=QUANTITIES,
    status=st.sampled_from(["final", "preliminary"]),
    observed=maybe(MOMENTS),
)
PANELS = st.builds(
    Report,
    filler=maybe(IDENTIFIERS),
    code=CONCEPTS,
    category=maybe(CONCEPTS),
    status=st.just("final"),
    collected=maybe(PERIODS),
    observations=st.lists(OBSERVATIONS, min_size=1, max_size=2).map(tuple),
    notes=NOTES,
)
RESULTS = st.builds(
    Report,
    filler=maybe(IDENTIFIERS),
    code=CONCEPTS,
    status=st.just("final"),
    observations=st.lists(OBSERVATIONS, min_size=1, max_size=2).map(tuple),
)
MEDIA = st.builds(
    Content, media_type=st.sampled_from(["image/png", "image/jpeg"]), data=st.binary(min_size=1, max_size=9)
)


def _section(inner: st.SearchStrategy[tuple[Section, ...]]) -> st.SearchStrategy[Section]:
    fields: dict[str, Any] = {
        "problems": PROBLEMS,
        "allergies": ALLERGIES,
        "medications": MEDICATIONS,
        "immunizations": IMMUNIZATIONS,
        "procedures": PROCEDURES,
        "results": RESULTS,
        "vital_signs": PANELS,
        "observations": OBSERVATIONS,
        "media": MEDIA,
    }
    return st.builds(
        Section,
        id=maybe(IDENTIFIERS),
        code=maybe(CONCEPTS),
        title=TEXT,
        templates=some(st.integers(1, 99).map(lambda n: f"1.3.6.1.4.1.19376.1.5.3.1.{n}")),
        text=maybe(DIVS),
        language=maybe(st.just("fr-FR")),
        authors=some(PEOPLE),
        sections=inner,
        **{name: some(each, most=1) for name, each in fields.items()},
    )


SECTIONS = st.lists(_section(some(_section(st.just(())), most=1)), min_size=1, max_size=2).map(tuple)
