"""Sections where somebody asks for them: convert, explain, and not in the path of a message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from connector.cda.document import read_document, write_document
from connector.exchange.model import Exchange
from connector.mapping.language import Run
from connector.pipeline.explain import explain
from connector.pipeline.structured import with_sections
from tests.golden.journeys_kit import context, translator
from tests.unit.cda import clinical

ASKED = replace(context(), options={**context().options, "sections": "true"})


@pytest.fixture(scope="module")
def structured(root: Path) -> bytes:
    """A structured document of ours."""
    raw = (root / "tests" / "golden" / "cda" / "n1-everything" / "in.cda.xml").read_bytes()
    run, mappings = Run(context()), translator().mappings
    header = read_document(raw, run, mappings).value
    assert header is not None
    sections = (replace(clinical.PROBLEMS, sections=(clinical.ALLERGIES,)), clinical.RESULTS)
    document = replace(
        header.document, content=None, body=None, templates=("1.2.250.1.213.1.1.1.13",), sections=sections
    )
    made = write_document(Exchange(documents=(document,), patient=header.patient), run, mappings)
    assert made.value is not None
    # an entry of a kind that nobody reads
    return made.value.replace(b"<component><section>", b"<component><section><entry><supply/></entry>", 1)


def test_sections_are_read_where_they_are_asked_for_and_nowhere_else(structured: bytes) -> None:
    plain = translator().convert(structured, "cda", "exchange", context())
    asked = translator().convert(structured, "cda", "exchange", ASKED)
    assert plain.value is not None
    assert asked.value is not None
    assert "sections" not in json.loads(plain.value)["documents"][0]
    sections = json.loads(asked.value)["documents"][0]["sections"]
    assert [each["title"] for each in sections] == ["Problèmes actifs", "Résultats"]
    assert sections[0]["sections"][0]["allergies"][0]["substance"]["code"] == "372687004"


def test_a_fhir_bundle_of_it_holds_what_the_entries_say(structured: bytes) -> None:
    made = translator().convert(structured, "cda", "fhir", ASKED)
    assert made.value is not None
    kinds = [entry["resource"]["resourceType"] for entry in json.loads(made.value)["entry"]]
    assert {"Composition", "Condition", "AllergyIntolerance", "Procedure", "Observation"} <= set(kinds)


def test_explain_names_the_entry_of_each_value_and_the_entries_that_nothing_reads(structured: bytes) -> None:
    told = explain(translator(), structured, "cda", "exchange", ASKED).value
    assert told is not None
    body = "/ClinicalDocument/component/structuredBody/component"
    outputs = {place: origin.sources for place, origin in told.trace.outputs.items() if "sections" in place}
    assert outputs["documents[1].sections[1].title"] == (f"{body}/section",)
    assert outputs["documents[1].sections[1].problems[2].text"] == (f"{body}/section/entry[3]",)
    assert outputs["documents[1].sections[1].sections[1].allergies[1].reactions[1].severity.code"] == (
        f"{body}/section/component/section/entry",
    )
    assert outputs["documents[1].sections[2].observations[2].boolean"] == (f"{body}[2]/section/entry[3]",)
    assert [place for place in told.carried if "structuredBody" in place] == [f"{body}/section/entry"]


def test_what_has_sections_is_not_read_again(structured: bytes) -> None:
    reading = translator().read(structured, "cda", ASKED).exchange
    assert reading is not None
    once = with_sections(reading, Run(ASKED), translator().mappings)
    run = Run(ASKED)
    assert with_sections(once, run, translator().mappings) is once
    assert run.issues == []
