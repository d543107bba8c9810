"""JSON as healthcare data may be written: UTF-8, each key once, no NaN, numbers digit for digit, bounded in size and depth (RFC 8259; FHIR R4 §2.6.2)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson

__all__ = ["JsonRefused", "read_json"]

#: A decimal of FHIR has at most 18 significant digits in practice (R4 §2.24.0.1); beyond this a number is an attack or a mistake.
_LONGEST_NUMBER = 40
_LARGEST_EXPONENT = 99


class JsonRefused(ValueError):
    """Why a text is not taken; the words say what is expected and hold no value of it."""


def read_json(raw: bytes | memoryview, *, depth: int, size: int) -> Any:
    """The value that stands in the bytes; decimals as `Decimal`. Raises JsonRefused."""
    if len(raw) > size:
        raise JsonRefused(f"at most {size} bytes")
    try:
        text = str(raw, "utf-8-sig")
        tree = json.loads(
            text,
            object_pairs_hook=_pairs,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise JsonRefused("UTF-8") from error
    except json.JSONDecodeError as error:
        raise JsonRefused(f"JSON (line {error.lineno}, column {error.colno})") from error
    except RecursionError as error:
        raise JsonRefused(f"at most {depth} levels") from error
    if "\\ud" in text or "\\uD" in text:
        _no_half_characters(text)
    if _deeper_than(tree, depth):
        raise JsonRefused(f"at most {depth} levels")
    return tree


def _no_half_characters(text: str) -> None:
    """Half of a surrogate pair, escaped, is no character: orjson refuses what the standard library lets through."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise JsonRefused("UTF-8 characters") from error


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonRefused("each key once in an object")
    return found


def _decimal(text: str) -> Decimal:
    if len(text) > _LONGEST_NUMBER:
        raise JsonRefused(f"numbers of at most {_LONGEST_NUMBER} characters")
    number = Decimal(text)
    if abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise JsonRefused(f"exponents of at most {_LARGEST_EXPONENT}")
    return number


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise JsonRefused(f"numbers of at most {_LONGEST_NUMBER} characters")
    return int(text)


def _constant(_text: str) -> Any:
    raise JsonRefused("no NaN and no Infinity")


def _deeper_than(tree: Any, limit: int) -> bool:
    """Whether it nests deeper, without recursion."""
    level: list[Any] = [tree] if isinstance(tree, dict | list) else []
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
