"""mappings/schema.json, by which editors complete and underline, is what the language says (`--update-golden` rewrites it)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connector import terminology
from connector.mapping.catalogue import load_library
from connector.mapping.schema import schema
from connector.pipeline.formats import SHAPES
from connector.settings import find_library


def test_the_schema_for_editors_is_up_to_date(root: Path, request: pytest.FixtureRequest) -> None:
    files = find_library()
    tables = terminology.load(files.terminology)
    library = load_library(files.mappings, SHAPES, tables)
    made = schema(SHAPES, [table.name for table in tables], library.mappings)
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    path = root / "mappings" / "schema.json"
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "run `make golden` (tests/house) and commit mappings/schema.json"
