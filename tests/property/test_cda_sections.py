"""The law of sections: what a structured body can hold comes back from writing and reading, and leaves nothing unread.

What it cannot hold is tests/losses/sections.cda.csv; the strategies leave it out, and give each entry a status (an act of CDA has one).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from connector import terminology
from connector.cda.shape import SHAPE
from connector.exchange.clinical import Allergy, Immunization, Medication, Problem, Procedure, Reaction, Section
from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.exchange.people import Party, Period
from connector.exchange.results import Observation, Quantity, Range, Report, Specimen
from connector.mapping.catalogue import Library, load_library
from connector.mapping.language import Run
from tests.property.test_cda import (
    authors,
    concepts,
    entity,
    identifiers,
    materials,
    moments,
    numbers,
    oids,
    rates,
    some,
    units,
    words,
)
from tests.unit.cda.sections_kit import again

FEW = settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

codes = concepts.filter(lambda concept: concept.text != concept.display)
code = st.none() | codes
periods = st.builds(Period, start=moments, end=moments)
quantities = st.builds(Quantity, value=numbers, unit=st.none() | units)
bounds = st.builds(Quantity, value=numbers, unit=st.none() | units, comparator=st.sampled_from(["<", "<=", ">", ">="]))
performers = st.builds(Party, function=code, **entity)
notes = some(words)
texts = st.sampled_from([*(
    f'<div xmlns="http://www.w3.org/1999/xhtml">{inside}</div>'
    for inside in ("<p>dit</p>", '<p id="a">x</p> et <span id="b" class="Bold">y</span>', "<table><tbody><tr><td>1<br/>2</td></tr></tbody></table>", "&lt;&amp;")
)])  # fmt: skip


def said(main: str, strategy: object = codes) -> st.SearchStrategy[dict[str, object]]:
    """Either a code or words."""
    coded = st.fixed_dictionaries({main: strategy})  # type: ignore[dict-item]
    return st.one_of(coded, st.fixed_dictionaries({"text": words}))


def made(model: type, main: str, strategy: object = codes, /, **fields: object) -> st.SearchStrategy[object]:
    """A value whose main code may be words."""
    return st.tuples(said(main, strategy), st.fixed_dictionaries(fields)).map(
        lambda parts: model(**parts[0], **parts[1])
    )  # type: ignore[arg-type]


reactions = made(Reaction, "manifestation", period=st.none() | periods, severity=code)
problems = made(
    Problem, "code", identifiers=st.lists(identifiers, min_size=1, max_size=2).map(tuple), category=code, status=st.sampled_from(["active", "inactive", "resolved"]),
    certainty=code, severity=code, period=st.none() | periods, refuted=st.none() | st.booleans(), author=st.none() | authors, notes=notes,
)  # fmt: skip
allergies = made(
    Allergy, "substance", materials, identifiers=st.lists(identifiers, min_size=1, max_size=2).map(tuple), kind=code, status=st.sampled_from(["active", "resolved"]),
    certainty=code, criticality=code, period=st.none() | periods, refuted=st.none() | st.booleans(), reactions=some(reactions), notes=notes,
)  # fmt: skip
medications = made(
    Medication, "product", materials, identifiers=some(identifiers), category=code, status=st.sampled_from(["active", "intended", "stopped", "unknown", "on-hold"]),
    not_taken=st.none() | st.booleans(), period=st.none() | periods, every=st.none() | quantities, dose=st.none() | quantities, dose_high=st.none() | quantities,
    rate=st.none() | quantities, most=st.none() | st.builds(Quantity, value=numbers, unit=st.none() | rates), route=code, site=code, reason=code,
    instructions=st.none() | words, author=st.none() | authors, notes=notes,
)  # fmt: skip
immunizations = made(
    Immunization, "vaccine", materials, identifiers=some(identifiers), category=code, status=st.sampled_from(["completed", "not-done"]),
    not_given=st.none() | st.booleans(), given=st.none() | moments, lot=st.none() | words, dose=st.none() | quantities, number=st.none() | words, route=code, site=code,
    reason=code, performer=st.none() | performers, reactions=some(reactions), notes=notes,
)  # fmt: skip
procedures = made(
    Procedure, "code", identifiers=some(identifiers), status=st.sampled_from(["completed", "preparation", "in-progress", "stopped"]), not_done=st.none() | st.booleans(),
    period=st.none() | periods, sites=some(codes), reason=code, performers=some(performers), notes=notes,
)  # fmt: skip
values = st.one_of(
    st.fixed_dictionaries({"quantity": quantities}), st.fixed_dictionaries({"quantity": bounds}), st.fixed_dictionaries({"text": words}),
    st.fixed_dictionaries({"coded": st.lists(codes, min_size=1, max_size=2).map(tuple)}), st.fixed_dictionaries({"moment": moments}),
    st.fixed_dictionaries({"boolean": st.booleans()}), st.fixed_dictionaries({"range": st.builds(Range, low=numbers, high=numbers)}),
)  # fmt: skip
observations = st.tuples(
    values,
    st.fixed_dictionaries({
        "identifiers": some(identifiers), "code": codes, "reference": st.none() | st.builds(Range, low=st.none() | numbers, high=numbers, text=st.none() | words),
        "interpretation": some(codes), "status": st.sampled_from(["final", "preliminary"]), "observed": st.none() | moments, "performer": st.none() | performers,
        "method": code, "notes": notes,
    }),
).map(lambda parts: Observation(**parts[0], **parts[1]))  # fmt: skip
specimens = st.builds(
    Specimen,
    identifiers=some(identifiers),
    type=codes,
    site=code,
    collected=st.none() | periods,
    received=st.none() | moments,
)
results = st.builds(
    Report, filler=st.none() | identifiers, code=codes, category=code, status=st.sampled_from(["final", "partial"]), issued=st.none() | moments,
    specimen=st.none() | specimens, notes=notes, observations=st.lists(observations, min_size=1, max_size=2).map(tuple),
)  # fmt: skip
vital_signs = st.builds(
    Report, filler=st.none() | identifiers, code=code, status=st.just("final"), collected=st.none() | st.builds(Period, start=moments), notes=notes,
    observations=st.lists(observations, min_size=1, max_size=2).map(tuple),
)  # fmt: skip
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "problems": problems, "allergies": allergies, "medications": medications, "immunizations": immunizations, "procedures": procedures,
    "results": results, "vital_signs": vital_signs, "observations": observations,
}  # fmt: skip


@pytest.fixture(scope="module")
def tables(root: Path) -> terminology.Tables:
    return terminology.load(
        {f"terminology/{path.name}": path.read_text() for path in (root / "terminology").glob("*.csv")}
    )


@pytest.fixture(scope="module")
def library(root: Path, tables: terminology.Tables) -> Library:
    files = {str(path.relative_to(root)): path.read_text() for path in (root / "mappings" / "cda").rglob("*.yaml")}
    return load_library(files, {"cda": SHAPE}, tables)


def law(tree: tuple[Section, ...], tables: terminology.Tables, library: Library) -> None:
    """Written and read it is the same, and nothing of it is unread."""
    run = Run(Context(now=Moment("2026-03-04"), table=tables.table, systems=tables.systems))
    assert again(tree, run, library) == tree
    assert [(each.code, each.place.path, each.params) for each in run.issues] == []


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(data=st.data())
def test_an_entry_comes_back_as_it_was(
    kind: str, data: st.DataObject, tables: terminology.Tables, library: Library
) -> None:
    law((Section(text=data.draw(texts), **{kind: (data.draw(KINDS[kind]),)}),), tables, library)


@FEW
@given(
    head=st.builds(
        Section, id=st.none() | identifiers, code=code, title=st.none() | words, templates=st.lists(oids, max_size=2).map(tuple), text=texts,
        language=st.none() | words, authors=some(authors, 1),
    ),
    inside=texts.filter(lambda text: "id=" not in text),  # an id stands once in a document
)  # fmt: skip
def test_sections_in_a_section_come_back(
    head: Section, inside: str, tables: terminology.Tables, library: Library
) -> None:
    law((replace(head, sections=(Section(text=inside), replace(head, text=None))),), tables, library)
