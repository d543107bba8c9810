"""The type of a result and its value (v2.6 §7.4.2.2): what senders write in an NM that is no number, and OBX-2 where nobody said it."""

from __future__ import annotations

import re

from msgspec.structs import replace

from connector.exchange.people import Concept
from connector.exchange.results import Observation, Quantity, Report

__all__ = ["numbers", "typed"]

_NUMBER = re.compile(r"(<=|>=|<|>)?\s*([+-]?(?:\d+\.?\d*|\.\d+))", re.ASCII)


#: Yes and no of table 0136, as this connector writes them.
_ANSWERS = tuple(Concept(code=code, system="2.16.840.1.113883.18.69") for code in ("Y", "N"))
#: Comparators of SN that a Quantity has (v2.6 §2.A.74.1); `=` says nothing more than the number.
_COMPARATORS = frozenset({None, "<", ">", "<=", ">="})


def numbers(report: Report) -> Report:
    """The report with every quantity a number: `<5` has its comparator apart, `positif` under NM and `1:128` under SN are texts. Laboratories write all of them."""
    settled = tuple(_settled(each) for each in report.observations)
    same = all(new is old for new, old in zip(settled, report.observations, strict=True))
    return report if same else replace(report, observations=settled)


def _settled(observation: Observation) -> Observation:
    quantity = observation.quantity
    if len(observation.coded) == 1 and observation.coded[0] in _ANSWERS:
        return replace(observation, kind=None, coded=(), boolean=observation.coded[0].code == "Y")
    if quantity is None or quantity.value is None:
        return replace(observation, kind="TX") if observation.kind == "SN" and observation.text else observation
    if quantity.comparator == "=":
        return replace(observation, kind="NM", quantity=replace(quantity, comparator=None))
    found = _NUMBER.fullmatch(quantity.value)
    if found is None or quantity.comparator not in _COMPARATORS:
        unit = Quantity(unit=quantity.unit) if quantity.unit is not None else None
        return replace(observation, kind="TX", text=f"{quantity.comparator or ''}{quantity.value}", quantity=unit)
    if found[1] is None or quantity.comparator is not None:
        return observation
    return replace(observation, kind="SN", quantity=replace(quantity, value=found[2], comparator=found[1]))


def typed(report: Report) -> Report:
    """The report with the type of each observation that has a value and says none; yes and no are codes of table 0136."""
    if all(each.kind is not None and each.boolean is None for each in report.observations):
        return report
    return replace(report, observations=tuple(map(_typed, report.observations)))


def _typed(observation: Observation) -> Observation:
    if observation.boolean is not None:
        return replace(observation, kind="CWE", boolean=None, coded=(_ANSWERS[not observation.boolean],))
    return observation if observation.kind else replace(observation, kind=_kind(observation))


def _kind(observation: Observation) -> str | None:
    if observation.quantity is not None and observation.quantity.value is not None:
        return "SN" if observation.quantity.comparator else "NM"
    if observation.range is not None:
        return "SN"
    if observation.coded:
        return "CWE"
    if observation.moment is not None:
        return "TS"
    if observation.content is not None:
        return "ED"
    return "TX" if observation.text is not None else None
