"""Numbers, quantities and instants: what results need beside the datatypes of documents (R4 §2.24.0.1, Quantity)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from connector.exchange.moments import Moment, from_iso, to_instant
from connector.exchange.people import Concept
from connector.exchange.results import Quantity
from connector.mapping.language import Run

__all__ = [
    "read_decimal",
    "read_instant",
    "read_quantity",
    "read_unit",
    "write_decimal",
    "write_instant",
    "write_quantity",
    "write_unit",
]


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


def read_unit(node: dict[str, Any], run: Run) -> Concept | None:
    """The unit of a Quantity; a unit without code is its own code."""
    code, unit, system = node.get("code"), node.get("unit"), node.get("system")
    if not code:
        return Concept(code=unit) if unit else None
    systems = run.context.systems
    canonical = systems.canonical(system) if system and systems is not None else system
    return Concept(code=code, system=canonical, display=unit)


def write_unit(unit: Concept, node: dict[str, Any], run: Run) -> None:
    """The unit of a Quantity; a code goes with its system, and without one is the unit (R4, qty-3)."""
    systems = run.context.systems
    uri = systems.uri(unit.system) if unit.system and systems is not None else unit.system
    if uri is None:
        node["unit"] = unit.display or unit.code
        return
    if unit.display is not None:
        node["unit"] = unit.display
    node["system"], node["code"] = uri, unit.code


def read_quantity(node: dict[str, Any], run: Run) -> Quantity | None:
    """A number with its unit."""
    value, unit = node.get("value"), read_unit(node, run)
    if value is None and unit is None:
        return None
    return Quantity(
        value=read_decimal(value, run) if value is not None else None, comparator=node.get("comparator"), unit=unit
    )


def write_quantity(quantity: Quantity, node: dict[str, Any], run: Run) -> None:
    """A number with its unit."""
    if quantity.value is not None:
        node["value"] = write_decimal(quantity.value, run)
    if quantity.comparator is not None:
        node["comparator"] = quantity.comparator
    if quantity.unit is not None:
        write_unit(quantity.unit, node, run)
