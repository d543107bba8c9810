"""The JSON Schema for editors."""

from __future__ import annotations

from typing import Any

from connector.mapping.language import KEYS
from connector.mapping.schema import schema
from tests.unit.mapping.toy import AsHl7

SCHEMA = schema({"hl7": AsHl7()}, ["sex", "level"], ["toy/person"])


def rule() -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA["$defs"]["rule"]
    return found


def test_schema_knows_every_key_and_no_other() -> None:
    assert set(rule()["properties"]) == {"hl7", "exchange", *KEYS}
    assert rule()["additionalProperties"] is False


def test_schema_offers_datatypes_tables_and_mappings() -> None:
    properties = rule()["properties"]
    assert "identifier" in properties["as"]["enum"]
    assert properties["code"]["enum"] == ["level", "sex"]
    assert properties["use"]["enum"] == ["toy/person"]
    assert "Patient" in SCHEMA["oneOf"][0]["properties"]["between"]["properties"]["exchange"]["enum"]


def test_schema_has_both_kinds_of_document() -> None:
    assert [each["required"] for each in SCHEMA["oneOf"]] == [["mapping"], ["overlay"]]
