"""FHIR JSON bytes to plain dicts and back: order kept, duplicate keys and NaN refused, decimals kept digit for digit (R4 §2.6.2).

In a tree, base64Binary may be `bytes` (not yet encoded): a large document is encoded once, while it is written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
import pybase64

from connector.exchange.strict_json import JsonRefused, read_json
from connector.issues import Issue, IssueCode, Outcome, Severity

__all__ = ["Limits", "Resource", "dump", "dump_pretty", "load"]

Resource = dict[str, Any]


class Limits:
    """How deep and how large what comes in may be."""

    __slots__ = ("depth", "size")

    def __init__(self, *, depth: int = 60, size: int = 64 * 1024 * 1024) -> None:
        self.depth = depth
        self.size = size


def load(raw: bytes | memoryview, limits: Limits | None = None) -> Outcome[Resource]:
    """Read one resource. FHIR_SYNTAX when it is not JSON as FHIR wants it; never raises."""
    limits = limits or Limits()
    try:
        tree = read_json(raw, depth=limits.depth, size=limits.size)
    except JsonRefused as error:
        return _refused(str(error))
    if not isinstance(tree, dict) or not isinstance(tree.get("resourceType"), str):
        return _refused("an object with resourceType")
    return Outcome(tree)


def _refused(expected: str) -> Outcome[Resource]:
    return Outcome(None, (Issue.of(Severity.FATAL, IssueCode.FHIR_SYNTAX, expected=expected),))


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
