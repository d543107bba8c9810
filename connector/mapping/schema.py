"""JSON Schema of the mapping language, so that editors complete and underline from it (`mappings/schema.json`).

It says what a key may be; what only the compiler can know (paths, types, what rules do to one another) is left to `connector check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connector.exchange.model import Exchange
from connector.mapping.exchange import types_of
from connector.mapping.language import Shape

__all__ = ["schema"]

_TEXT = {"type": ["string", "number", "boolean"]}  # editors read 2.6 and true as such; the loader keeps the text

_ABOUT = {
    "exchange": "The Exchange's end: a path below the type named in 'between', '.' for the value itself.",
    "as": "The datatype that reads and writes the format's end.",
    "code": "The terminology table that translates the code, both ways.",
    "use": "The mapping that reads and writes the inner part.",
    "when": "A condition; only with 'only'. exists p, p = v, p != v, p in (a, b), and, or, not.",
    "const": "A constant for the one end that is named: written always, compared (or set, in the Exchange) while reading.",
    "default": "What is read when nothing was said. Never written by itself.",
    "required": "An ERROR when there is no value.",
    "only": "One direction on purpose.",
    "absent": "The null flavour to write when there is no value (CDA).",
    "note": "For whoever reads the file.",
}


def schema(shapes: Mapping[str, Shape], tables: Iterable[str], mappings: Iterable[str]) -> dict[str, Any]:
    """The schema of one document of a mapping file, for these sides, terminology tables and mappings."""
    sides = sorted(shapes)
    types = sorted(types_of(Exchange))
    names = sorted(mappings)
    rule = _rule(sides, sorted({name for shape in shapes.values() for name in shape.datatypes}), sorted(tables), names)
    rules = {"type": "array", "items": {"$ref": "#/$defs/rule"}}
    between = {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 2,
        "maxProperties": 2,
        "required": ["exchange"],
        "properties": {**{side: {"type": "string"} for side in sides}, "exchange": {"enum": types}},
    }
    mapping = {
        "mapping": {"type": "string"},
        "between": between,
        "structure": {"type": "string"},
        "accepts": {"$ref": "#/$defs/accepts"},
        "extends": {"enum": names},
        "drop": rules,
        "rules": rules,
        "site": {"type": "string"},
        "note": {"type": "string"},
    }
    overlay = {
        "overlay": {"enum": names},
        "site": {"type": "string"},
        "rules": rules,
        "add": rules,
        "drop": rules,
        "accepts": {"$ref": "#/$defs/accepts"},
        "note": {"type": "string"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mapping between a format and the Exchange",
        "oneOf": [_object(mapping, "mapping"), _object(overlay, "overlay")],
        "$defs": {"accepts": _accepts(), "rule": rule},
    }


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


def _accepts() -> dict[str, Any]:
    several = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
    return _object({name: several for claim in ("type", "version", "profile") for name in (claim, f"{claim}s")})


def _rule(sides: list[str], datatypes: list[str], tables: list[str], mappings: list[str]) -> dict[str, Any]:
    keys: dict[str, Any] = {
        **{side: {"type": "string"} for side in sides},
        "exchange": {"type": "string"},
        "as": {"enum": datatypes},
        "code": {"enum": tables},
        "use": {"enum": mappings},
        "when": {"type": "string"},
        "const": _TEXT,
        "default": _TEXT,
        "required": {"enum": [True, False]},
        "only": {"enum": ["read", "write"]},
        "absent": {"type": "string"},
        "note": {"type": "string"},
    }
    properties = {key: {**kind, "description": _ABOUT[key]} if key in _ABOUT else kind for key, kind in keys.items()}
    return {
        **_object(properties),
        "anyOf": [{"required": [end]} for end in (*sides, "exchange")],
        "dependentRequired": {"when": ["only"]},
    }
