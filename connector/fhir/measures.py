"""Numbers, quantities and instants: what results need beside the datatypes of documents (R4 §2.24.0.1, Quantity)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from connector.exchange.moments import Moment, from_iso, to_instant
from connector.exchange.people import Concept
from connector.exchange.results import Quantity
from connector.mapping.language import Run

__all__ = ["read_decimal", "read_instant", "read_quantity", "write_decimal", "write_instant", "write_quantity"]


def read_decimal(value: Any, run: Run) -> str:
    """A JSON number, digit for digit: `1.10` stays `1.10`. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("a number")
    return str(value)


def write_decimal(text: str, run: Run) -> Decimal:
    """A number as it was written. Raises ValueError."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError("a number") from error
    if not value.is_finite():
        raise ValueError("a number")
    return value


def read_instant(text: str, run: Run) -> Moment:
    """An instant. Raises ValueError."""
    return from_iso(text)


def write_instant(moment: Moment, run: Run) -> str | None:
    """An instant; a moment that is only a day is none."""
    return to_instant(moment, run.context.zone)


def read_quantity(node: dict[str, Any], run: Run) -> Quantity | None:
    """A number with its unit; a unit without code is its own code."""
    code, unit, system = node.get("code"), node.get("unit"), node.get("system")
    said = None
    if code or unit:
        systems = run.context.systems
        canonical = systems.canonical(system) if system and systems is not None else system
        said = Concept(code=code, system=canonical, display=unit) if code else Concept(code=unit or "")
    value = node.get("value")
    if value is None and said is None:
        return None
    return Quantity(
        value=read_decimal(value, run) if value is not None else None, comparator=node.get("comparator"), unit=said
    )


def write_quantity(quantity: Quantity, node: dict[str, Any], run: Run) -> None:
    """A number with its unit; a code goes with its system, and without one is the unit (R4, qty-3)."""
    if quantity.value is not None:
        node["value"] = write_decimal(quantity.value, run)
    if quantity.comparator is not None:
        node["comparator"] = quantity.comparator
    unit = quantity.unit
    if unit is None:
        return
    systems = run.context.systems
    uri = systems.uri(unit.system) if unit.system and systems is not None else unit.system
    if uri is None:
        node["unit"] = unit.display or unit.code
        return
    if unit.display is not None:
        node["unit"] = unit.display
    node["system"], node["code"] = uri, unit.code
