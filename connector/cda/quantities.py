"""Data types of the entries of sections: PQ, RTO, IVL_PQ, and the material that a treatment or an allergy is about.

A number stays as it was written. Units are UCUM; the unit of an arbitrary count is no unit.
"""

from __future__ import annotations

from connector.cda.coded import read_cd, write_cd
from connector.cda.said import carried
from connector.cda.tree import Element
from connector.exchange.people import Concept
from connector.exchange.results import Quantity, Range
from connector.mapping.language import Datatype, Run

__all__ = ["QUANTITIES"]

_UCUM = "2.16.840.1.113883.6.8"


def read_pq(node: Element, run: Run) -> Quantity | None:
    """PQ, INT, REAL: number and unit (HL7 v3 DT R1 §2.37)."""
    del run
    value = node.get("value")
    if value is None:
        return None
    _number(value)
    unit = node.get("unit")
    return Quantity(value=value, unit=Concept(code=unit, system=carried(_UCUM, unit)) if unit and unit != "1" else None)


def write_pq(value: Quantity, node: Element, run: Run) -> None:
    """PQ. ValueError for what is no number, and for a unit that is not of UCUM."""
    del run
    if value.value is None or value.comparator is not None:
        raise ValueError("PQ: a number")
    _number(value.value)
    node.attributes["value"] = value.value
    if value.unit is not None:
        node.attributes["unit"] = _unit(value.unit)


def _unit(unit: Concept) -> str:
    if unit.system not in (None, _UCUM):
        raise ValueError("PQ: a unit of UCUM")
    return unit.code


def _number(text: str) -> None:
    digits = text.lstrip("+-").replace(".", "", 1).lower().replace("e-", "", 1).replace("e", "", 1)
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("PQ: a number")


def read_rto(node: Element, run: Run) -> Quantity | None:
    """RTO: so much in one unit of time, written as UCUM writes it (4 in 1 d: `4` with the unit `/d`)."""
    above, below = node.find("numerator"), node.find("denominator")
    quantity = read_pq(above, run) if above is not None else None
    if quantity is None or below is None or below.get("nullFlavor"):
        return quantity
    if below.get("value") != "1":
        raise ValueError("RTO: in one unit of time")
    unit = below.get("unit")
    if not unit or unit == "1":
        return quantity
    counted = quantity.unit.code if quantity.unit is not None else ""
    return Quantity(value=quantity.value, unit=Concept(code=counted + "/" + unit, system=carried(_UCUM, unit)))


def write_rto(value: Quantity, node: Element, run: Run) -> None:
    """RTO."""
    code = _unit(value.unit) if value.unit is not None else ""
    counted, per, time = code.rpartition("/")
    unit = Concept(code=counted if per else code, system=_UCUM)
    write_pq(Quantity(value=value.value, unit=unit if unit.code else None), node.add("numerator"), run)
    below = node.add("denominator", {"value": "1"})
    if per:
        below.attributes["unit"] = time


def read_bound(node: Element, run: Run) -> Quantity | None:
    """IVL_PQ with one bound: a quantity with its comparator."""
    low, high = node.find("low"), node.find("high")
    low, high = (each if each is not None and each.get("value") else None for each in (low, high))
    if (low is None) == (high is None):
        return None
    bound, sign = (low, ">") if low is not None else (high, "<")
    found = read_pq(bound, run) if bound is not None else None
    closed = bound is not None and bound.get("inclusive") != "false"
    return Quantity(value=found.value, unit=found.unit, comparator=sign + "=" if closed else sign) if found else None


def write_bound(value: Quantity, node: Element, run: Run) -> None:
    """IVL_PQ with one bound."""
    if value.comparator not in ("<", "<=", ">", ">="):
        raise ValueError("IVL_PQ: a bound")
    bound = node.add("low" if value.comparator[0] == ">" else "high")
    write_pq(Quantity(value=value.value, unit=value.unit), bound, run)
    if len(value.comparator) == 1:
        bound.attributes["inclusive"] = "false"


def read_interval(node: Element, run: Run) -> Range | None:
    """IVL_PQ with both bounds."""
    del run
    low, high = node.value("low/@value"), node.value("high/@value")
    return Range(low=low, high=high) if low is not None and high is not None else None


def write_interval(value: Range, node: Element, run: Run) -> None:
    """IVL_PQ with both bounds. ValueError for one that is only a text."""
    del run
    if value.low is None or value.high is None:
        raise ValueError("IVL_PQ: two bounds")
    node.add("low", {"value": value.low})
    node.add("high", {"value": value.high})


def read_material(node: Element, run: Run) -> Concept | None:
    """A manufacturedMaterial or playingEntity: its code, else the first translation that has one; its name is the text."""
    code = node.find("code")
    if code is None:
        return None
    said = next((each for each in (code, *code.all("translation")) if each.get("code")), None)
    found = read_cd(said, run) if said is not None else None
    if found is None:
        return None
    name = node.value("name") or code.value("originalText")
    return Concept(
        code=found.code, system=found.system, display=found.display, version=found.version,
        text=name if name != found.display else None,
    )  # fmt: skip


def write_material(value: Concept, node: Element, run: Run) -> None:
    """Code and name."""
    write_cd(
        Concept(code=value.code, system=value.system, display=value.display, version=value.version),
        node.add("code"),
        run,
    )
    name = value.text or value.display
    if name:
        node.add("name", text=name)


QUANTITIES = (
    Datatype("pq", read_pq, write_pq, node=True, value=Quantity),
    Datatype("rto", read_rto, write_rto, node=True, value=Quantity),
    Datatype("bound", read_bound, write_bound, node=True, value=Quantity),
    Datatype("interval", read_interval, write_interval, node=True, value=Range),
    Datatype("material", read_material, write_material, node=True, value=Concept),
)
