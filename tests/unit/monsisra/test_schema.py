"""The published JSON Schema is what the model and its reference page say, and it says what the reader does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector.monsisra import schema
from connector.monsisra.codec import parse
from connector.monsisra.schema import published

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "golden" / "exchanges").glob("*/exchange.json"))


def descriptions(root: Path) -> dict[tuple[str, str], str]:
    """What docs/reference/exchange.md says of each type and field."""
    text = (root / "docs" / "reference" / "exchange.md").read_text("utf-8")
    found: dict[tuple[str, str], str] = {}
    for name, section in re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL):
        found[name, ""] = section.strip().partition("\n")[0]
        for field, said in re.findall(r"^\| `(\w+)` \| (?:[^|]*) \| (.*) \|$", section, re.MULTILINE):
            found[name, field] = re.sub(r"[`*]", "", said.replace("\\|", "|"))
    return found


def test_the_published_schema_is_up_to_date(root: Path, request: pytest.FixtureRequest) -> None:
    text = json.dumps(schema.schema(descriptions(root)), indent=2, ensure_ascii=False) + "\n"
    path = root / "connector" / "monsisra" / schema.FILE
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    assert published().decode() == text, "run `make golden` and commit connector/monsisra/exchange.schema.json"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(published()))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_are_valid(path: Path) -> None:
    Draft202012Validator(json.loads(published())).validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"idd": "x"},
        {"id": ""},
        {"id": None},
        {"mode": "fax"},
        {"documents": {}},
        {"documents": [{"created": "21/05/2024"}]},
        {"documents": [{"title": 5}]},
        {"thread": {"members": [{}]}},
        {"patient": {"deceased": "no"}},
        {"teleexpertise": {"steps": [{"state": "perdue"}]}},
    ],
    ids=str,
)
def test_what_the_reader_refuses_the_schema_refuses(wrong: dict[str, Any]) -> None:
    assert parse(json.dumps(wrong).encode()).value is None
    assert not Draft202012Validator(json.loads(published())).is_valid(wrong)
