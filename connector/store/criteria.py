"""The criteria of `connector.fhir.search` as conditions on the index rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from connector.fhir.search import Alternative, Criterion
from connector.store.tables import fhir_index, fhir_resource

__all__ = ["condition"]

Condition = sa.ColumnElement[bool]
_value: Any = fhir_index.c.value
_system: Any = fhir_index.c.system


def condition(criterion: Criterion, resource_type: str) -> Condition:
    """One of the alternatives holds, on one row of the resource's index."""
    if criterion.kind == "id":
        return fhir_resource.c.id.in_([item.value for item in criterion.alternatives])
    if criterion.kind == "updated":
        updated = fhir_resource.c.updated
        return sa.or_(sa.false(), *[_within(item, updated, updated) for item in criterion.alternatives])
    one = _KINDS[criterion.kind]
    held = sa.or_(sa.false(), *[one(item) for item in criterion.alternatives])
    rows = sa.select(fhir_index.c.id).where(
        fhir_index.c.type == resource_type, fhir_index.c.parameter == criterion.parameter, held
    )
    return fhir_resource.c.id.in_(rows)


def _token(item: Alternative) -> Condition:
    code = _value == item.value if item.value else sa.true()
    return code if item.system is None else sa.and_(code, _system == item.system)


def _string(item: Alternative) -> Condition:
    # LIKE and not a range of values: PostgreSQL's order of characters is that of its locale.
    asked: dict[str, Any] = {
        "exact": _system == item.value,
        "contains": _value.contains(item.value, autoescape=True),
        "begins": _value.startswith(item.value, autoescape=True),
    }
    return sa.and_(asked[item.prefix or "begins"])


def _reference(item: Alternative) -> Condition:
    return sa.and_(_value == item.value)


def _date(item: Alternative) -> Condition:
    return _within(item, fhir_index.c.low, fhir_index.c.high)


def _within(item: Alternative, low: Any, high: Any) -> Condition:
    return _PREFIXES[item.prefix or "eq"](item, low, high)


_KINDS: Mapping[str, Callable[[Alternative], Condition]] = {
    "token": _token,
    "string": _string,
    "reference": _reference,
    "date": _date,
}
_PREFIXES: Mapping[str, Callable[[Alternative, Any, Any], Condition]] = {
    "eq": lambda item, low, high: sa.and_(low >= item.low, high <= item.high),
    "ne": lambda item, low, high: sa.not_(sa.and_(low >= item.low, high <= item.high)),
    "gt": lambda item, low, high: high > item.high,
    "lt": lambda item, low, high: low < item.low,
    "ge": lambda item, low, high: high >= item.low,
    "le": lambda item, low, high: low <= item.high,
    "sa": lambda item, low, high: low > item.high,
    "eb": lambda item, low, high: high < item.low,
}
