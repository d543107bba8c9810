"""What a section of a CDA cannot hold is written down, field by field, and nothing else is lost.

Entries have a status throughout: without one, an act of CDA is completed.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from connector.exchange.attachment import Content
from connector.exchange.clinical import Allergy, Immunization, Medication, Problem, Procedure, Reaction, Section
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, HumanName, Identifier, Party, Period
from connector.exchange.results import Observation, Quantity, Range, Report, Specimen
from connector.mapping.catalogue import Library
from connector.mapping.language import Run
from tests.unit.cda.sections_kit import again

TABLE = "tests/losses/sections.cda.csv"
NUMBER = Identifier(value="1.2.250.1.999.3")
CODE = Concept(code="X", system="1.2.250.1.999.8", display="x")
UNIT = Concept(code="mg", system="2.16.840.1.113883.6.8")
TEXT = '<div xmlns="http://www.w3.org/1999/xhtml"><p id="p">dit</p></div>'
#: One value of each type, as plain as an entry can hold it.
VALUES: dict[Any, Any] = {
    str: "texte", bool: True, Identifier: NUMBER, Concept: CODE, Moment: Moment("2026-01-03"), Period: Period(start=Moment("2026-01-01"), end=Moment("2026-01-02")),
    Quantity: Quantity(value="1.10", unit=UNIT), Range: Range(low="1", high="2"), Party: Party(identifiers=(NUMBER,), name=HumanName(family="TEST")),
    Content: Content(media_type="image/png", data=b"\x89PNG"), Specimen: Specimen(type=CODE), Reaction: Reaction(manifestation=CODE), Observation: Observation(code=CODE, status="final"),
    Report: Report(category=CODE, code=CODE, status="final"), Problem: Problem(code=CODE), Allergy: Allergy(substance=CODE), Medication: Medication(product=CODE, status="unknown"),
    Immunization: Immunization(vaccine=CODE, status="completed"), Procedure: Procedure(code=CODE, status="completed"), Section: Section(title="dedans"),
}  # fmt: skip
#: Values of single fields where any text will not do.
WORDS = {
    "Section.text": TEXT, "Problem.status": "active", "Allergy.status": "active", "Medication.status": "active", "Immunization.status": "completed",
    "Procedure.status": "completed", "Observation.status": "final", "Report.status": "final", "Quantity.value": "7", "Quantity.unit": UNIT, "Section.vital_signs[]": Report(code=CODE, status="final"), "Quantity.comparator": "<", "Range.low": "1",
    "Range.high": "2",
}  # fmt: skip
#: Words that stand only where no code does.
ALONE = ("code", "substance", "product", "vaccine", "manifestation")
Put = Callable[[Any], Section]
Get = Callable[[Section], Any]


def value_of(owner: type, name: str, annotation: Any) -> Any:
    """A value for a field."""
    if f"{owner.__name__}.{name}" in WORDS:
        return WORDS[f"{owner.__name__}.{name}"]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        annotation = next(each for each in typing.get_args(annotation) if each is not type(None))
    if typing.get_origin(annotation) is tuple:
        return (value_of(owner, f"{name}[]", typing.get_args(annotation)[0]),)
    return VALUES[annotation]


def of(owner: type, put: Put, get: Get, where: str) -> Iterator[tuple[str, Section, Get, Any]]:
    """A case for each field of a type: the place, a section that holds a value there, how to find it, the value."""
    for name, annotation in typing.get_type_hints(owner).items():
        if name.startswith("__"):
            continue
        value = value_of(owner, name, annotation)
        base = (
            {each: None for each in ALONE if hasattr(VALUES[owner], each)}
            if name == "text" and owner is not Section
            else {}
        )
        made = replace(VALUES[owner], **base, **{name: value})
        yield f"{where}.{name}", put(made), lambda section, n=name: getattr(get(section), n), value


def one(field: str) -> tuple[Put, Get]:
    """A section with one of a list."""
    return lambda value: Section(**{field: (value,)}), lambda section: getattr(section, field)[0]


def measured(owner: type, field: str) -> tuple[Put, Get]:
    """A section with one observation that holds the value."""
    return (
        lambda value: Section(observations=(Observation(code=CODE, **{field: value}),)),
        lambda section: getattr(section.observations[0], field),
    )


def cases() -> Iterator[tuple[str, Section, Get, Any]]:
    yield from of(Section, lambda value: value, lambda section: section, "Section")
    for owner, field in (
        (Problem, "problems"), (Allergy, "allergies"), (Medication, "medications"), (Immunization, "immunizations"), (Procedure, "procedures"),
        (Observation, "observations"), (Report, "results"), (Report, "vital_signs"),
    ):  # fmt: skip
        put, get = one(field)
        yield from of(owner, put, get, owner.__name__ if owner is not Report else f"Section.{field}")
    yield from of(
        Reaction, lambda value: Section(allergies=(Allergy(substance=CODE, reactions=(value,)),)),
        lambda section: section.allergies[0].reactions[0], "Reaction",
    )  # fmt: skip
    yield from of(
        Specimen, lambda value: Section(results=(Report(code=CODE, observations=(Observation(code=CODE),), specimen=value),)),
        lambda section: section.results[0].specimen, "Specimen",
    )  # fmt: skip
    for owner, field in ((Quantity, "quantity"), (Range, "range"), (Range, "reference")):
        put, get = measured(owner, field)
        yield from of(owner, put, get, f"Observation.{field}")


def kept(found: Any, value: Any) -> bool:
    """A file comes back with its size and hashes beside."""
    if isinstance(value, tuple) and value and isinstance(value[0], Content):
        return bool(found) and found[0].data == value[0].data and found[0].media_type == value[0].media_type
    return bool(found == value)


@pytest.fixture
def lost(run: Run, library: Library) -> set[str]:
    found = set()
    for where, section, get, value in cases():
        assert kept(get(section), value), where
        (back,) = again((section,), run, library)
        try:
            same = kept(get(back), value)
        except (AttributeError, IndexError):
            same = False
        if not same:
            found.add(where)
    return found


def test_what_a_section_cannot_hold_is_exactly_the_table(
    lost: set[str], root: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--update-golden"):
        (root / TABLE).write_text("\n".join(["field", *sorted(lost)]) + "\n")
    assert sorted(lost) == (root / TABLE).read_text().splitlines()[1:]
