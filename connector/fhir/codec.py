"""FHIR JSON bytes to plain dicts and back: order kept, duplicate keys and NaN refused, decimals kept digit for digit (R4 §2.6.2).

In a tree, base64Binary may be `bytes` (not yet encoded): a large document is encoded once, while it is written out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
import pybase64

from connector.issues import Issue, IssueCode, Outcome, Severity

__all__ = ["Limits", "Resource", "dump", "dump_pretty", "load"]

Resource = dict[str, Any]

#: A decimal of FHIR has at most 18 significant digits in practice (R4 §2.24.0.1); beyond this a number is an attack or a mistake.
_LONGEST_NUMBER = 40
_LARGEST_EXPONENT = 99


class Limits:
    """How deep and how large what comes in may be."""

    __slots__ = ("depth", "size")

    def __init__(self, *, depth: int = 60, size: int = 64 * 1024 * 1024) -> None:
        self.depth = depth
        self.size = size


class _RefusedError(ValueError):
    """Why a text is no FHIR JSON; the words hold no value of it."""


def load(raw: bytes | memoryview, limits: Limits | None = None) -> Outcome[Resource]:
    """Read one resource. FHIR_SYNTAX when it is not JSON as FHIR wants it; never raises."""
    limits = limits or Limits()
    if len(raw) > limits.size:
        return _refused(f"at most {limits.size} bytes")
    try:
        text = str(raw, "utf-8-sig")
        tree = json.loads(
            text,
            object_pairs_hook=_pairs,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_constant,
        )
        if "\\ud" in text or "\\uD" in text:
            _no_half_characters(text)
    except UnicodeDecodeError:
        return _refused("UTF-8")
    except json.JSONDecodeError as error:
        return _refused(f"JSON (line {error.lineno}, column {error.colno})")
    except _RefusedError as error:
        return _refused(str(error))
    except RecursionError:
        return _refused(f"at most {limits.depth} levels")
    if not isinstance(tree, dict) or not isinstance(tree.get("resourceType"), str):
        return _refused("an object with resourceType")
    if _deeper_than(tree, limits.depth):
        return _refused(f"at most {limits.depth} levels")
    return Outcome(tree)


def _refused(expected: str) -> Outcome[Resource]:
    return Outcome(None, (Issue.of(Severity.FATAL, IssueCode.FHIR_SYNTAX, expected=expected),))


def _no_half_characters(text: str) -> None:
    """Half of a surrogate pair, escaped, is no character: orjson refuses what the standard library lets through."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _RefusedError("UTF-8 characters") from error


def _pairs(pairs: list[tuple[str, Any]]) -> Resource:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RefusedError("each key once in an object")
    return found


def _decimal(text: str) -> Decimal:
    if len(text) > _LONGEST_NUMBER:
        raise _RefusedError(f"numbers of at most {_LONGEST_NUMBER} characters")
    number = Decimal(text)
    if abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise _RefusedError(f"exponents of at most {_LARGEST_EXPONENT}")
    return number


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise _RefusedError(f"numbers of at most {_LONGEST_NUMBER} characters")
    return int(text)


def _constant(_text: str) -> Any:
    raise _RefusedError("no NaN and no Infinity")


def _deeper_than(tree: Any, limit: int) -> bool:
    """Whether it nests deeper, without recursion."""
    level: list[Any] = [tree]
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


def dump(resource: Mapping[str, Any]) -> bytes:
    """Write compact JSON, keys in their order."""
    return orjson.dumps(resource, default=_fragment)


def dump_pretty(resource: Mapping[str, Any]) -> bytes:
    """Write JSON for people, two spaces, a line feed at the end."""
    return orjson.dumps(resource, default=_fragment, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _fragment(value: Any) -> Any:
    """What orjson does not know: decimals as they were written, bytes as base64."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return pybase64.b64encode_as_string(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot stand in a FHIR resource")
