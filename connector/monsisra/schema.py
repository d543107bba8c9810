"""The JSON Schema (2020-12) of the exchange profile, made from the model; the published file is generated and a test compares."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any, get_type_hints

import msgspec

from connector.exchange.model import Exchange
from connector.mapping.exchange import Field, fields, types_of
from connector.monsisra.words import WORDS

__all__ = ["FILE", "published", "schema"]

#: The published schema, beside this module.
FILE = "exchange.schema.json"

_MOMENT = (
    r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}(:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?)?)?)?(Z|[+-][0-9]{2}:[0-9]{2})?$"
)
_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string", "minLength": 1},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    bytes: {"type": "string", "contentEncoding": "base64", "minLength": 4},
}


def published() -> bytes:
    """The committed schema, as it is served."""
    return resources.files("connector.monsisra").joinpath(FILE).read_bytes()


def schema(descriptions: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """The schema with a description a field, by (type, field), and one a type, by (type, "")."""
    types = types_of(Exchange)
    root = _object(Exchange, descriptions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:monsisra-connector:schema:exchange",
        "title": "Exchange profile",
        **root,
        "$defs": {name: _object(types[name], descriptions) for name in sorted(types) if name != "Exchange"},
    }


def _object(model: type[msgspec.Struct], descriptions: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    name, hints = model.__name__, get_type_hints(model)
    required = [each.name for each in msgspec.structs.fields(model) if each.required]
    made: dict[str, Any] = {
        "description": descriptions[name, ""],
        "type": "object",
        "additionalProperties": False,
        "properties": {
            field.name: _property(name, field, str(hints[field.name]), descriptions) for field in fields(model).values()
        },
    }
    return {**made, "required": required} if required else made


def _property(model: str, field: Field, hint: str, descriptions: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    if field.struct:
        one: dict[str, Any] = {"$ref": f"#/$defs/{field.type.__name__}"}
    elif words := WORDS.get((model, field.name)):
        one = {"enum": list(words)}
    else:
        one = {"type": "string", "pattern": _MOMENT} if "Moment" in hint else dict(_SCALARS[field.type])
    said = {"description": descriptions[model, field.name]}
    return {**said, "type": "array", "items": one} if field.many else {**said, **one}
