"""What PDSm binds to value sets that no package at hand holds: each code that is emitted is one of the national table (JDV_J02 to J10, J66)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journey.test_fhir_profiles import bundles

pytestmark = pytest.mark.shared

#: Path in the resource → (type of resource, tables of ../shared/terminology).
BINDINGS = {
    "type": (
        "DocumentReference",
        ("type_codes", "type_codes_retired"),
    ),  # JDV_J07, of which JDV_J66 is the part for the DMP
    "category": ("DocumentReference", ("class_codes",)),  # JDV_J06
    "content.format": ("DocumentReference", ("format_codes",)),  # JDV_J10
    "context.facilityType": ("DocumentReference", ("healthcare_facility",)),  # JDV_J02
    "context.practiceSetting": ("DocumentReference", ("practice_setting",)),  # JDV_J04
    "securityLabel": ("DocumentReference", ("confidentiality",)),  # JDV_J08
    "extension.valueCodeableConcept": ("List", ("content_type",)),  # JDV_J03: designationType
}


def codings(node: Any, path: list[str]) -> Iterator[tuple[str, str]]:
    """(system, code) of every coding at a path."""
    if isinstance(node, list):
        for each in node:
            yield from codings(each, path)
    elif isinstance(node, dict):
        if path:
            yield from codings(node.get(path[0]), path[1:])
        elif "coding" in node:
            yield from codings(node["coding"], [])
        elif "code" in node:
            yield node.get("system", ""), node["code"]


def allowed(shared: Path, tables: tuple[str, ...]) -> set[tuple[str, str]]:
    """(system, code) of the tables."""
    found = set()
    for table in tables:
        with (shared / "terminology" / f"{table}.csv").open(encoding="utf-8") as file:
            found |= {(row["system_uri"], row["code"]) for row in csv.DictReader(file)}
    return found


@pytest.mark.parametrize("path", BINDINGS)
def test_each_code_is_one_of_its_national_table(path: str, shared: Path) -> None:
    kind, tables = BINDINGS[path]
    known = allowed(shared, tables)
    emitted = {
        (name, coding)
        for name, bundle in bundles()
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == kind
        for coding in codings(entry["resource"], path.split("."))
    }
    assert emitted, "no golden case fills it: the test says nothing"
    assert {(name, coding) for name, coding in emitted if coding not in known} == set()
