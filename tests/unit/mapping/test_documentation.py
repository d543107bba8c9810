"""The reference page: every example loads, every mistake it shows is said, every key is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connector.cda.shape import CdaShape
from connector.fhir.shape import FhirShape
from connector.hl7.shape import Hl7Shape
from connector.mapping.catalogue import Library, load_library
from connector.mapping.language import KEYS, MappingErrors, Shape
from connector.terminology import Tables, load

PAGE = Path("docs/reference/mapping-language.md")


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / PAGE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables(root: Path) -> Tables:
    return load({path.name: path.read_text(encoding="utf-8") for path in (root / "terminology").glob("*.csv")})


def shapes() -> dict[str, Shape]:
    return {"hl7": Hl7Shape(), "fhir": FhirShape(), "cda": CdaShape()}


def examples(page: str) -> dict[str, str]:
    return {f"example{n}.yaml": text for n, text in enumerate(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL), 1)}


def test_every_example_loads(page: str, tables: Tables) -> None:
    library: Library = load_library(examples(page), shapes(), tables, ("example",))
    assert library.catalogue.find("hl7", "ADT^A04") == "doc/hl7/message-A04"
    patient = library.mapping("doc/hl7/PID")
    assert [part.rule.path for part in patient.parts][-1] == "PID-18"
    assert not any(part.rule.path == "PID-16" for part in patient.parts)


def test_every_shown_mistake_is_said(page: str, tables: Tables) -> None:
    shown = re.findall(r"^\| `(\{.*?\})` \| `(.*?)` \|$", page, re.MULTILINE)
    assert len(shown) >= 7
    for rule, said in shown:
        text = f"mapping: x\nbetween: {{hl7: PID, exchange: Patient}}\nrules:\n  - {rule}\n"
        with pytest.raises(MappingErrors) as caught:
            load_library({"x.yaml": text}, shapes(), tables)
        assert said in str(caught.value)


def test_every_key_is_named(page: str) -> None:
    for key in (
        *KEYS,
        "mapping",
        "between",
        "structure",
        "accepts",
        "extends",
        "drop",
        "rules",
        "add",
        "overlay",
        "site",
    ):
        assert f"`{key}`" in page or f"{key}:" in page, key


def test_a_rule_of_the_page_works_both_ways(page: str, tables: Tables) -> None:
    from connector.exchange.model import Context
    from connector.exchange.moments import Moment
    from connector.exchange.people import Patient
    from connector.mapping.language import Run

    mapping = load_library(examples(page), shapes(), tables).mapping("doc/hl7/PID")
    used = Run(Context(now=Moment("2026-01-02T03:04:05+01:00"), table=tables.table, systems=tables.systems))
    patient = Patient(birth_date=Moment("1979-03-28"), sex="female")
    segment = mapping.write(patient, used)
    assert (segment.text(7), segment.text(8)) == ("19790328", "F")
    assert mapping.read(segment, used) == patient
