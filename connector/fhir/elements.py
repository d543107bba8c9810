"""What FHIR R4 says of an element: its type, single or list, required or not, its codes. The facts are in tables.py (generated)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from connector.fhir.tables import CODES, LINES

__all__ = ["Element", "codes_of", "element", "elements", "is_primitive", "is_resource", "required_of", "types"]


class Element(NamedTuple):
    """One element of a type. `codes` is the required binding; `choice` the name of the choice it is one form of (`value[x]`)."""

    name: str
    type: str
    many: bool = False
    required: bool = False
    codes: frozenset[str] | None = None
    targets: tuple[str, ...] = ()
    choice: str = ""

    @property
    def primitive(self) -> bool:
        """Whether its value is a JSON string, number or boolean."""
        return is_primitive(self.type)


#: What every node of a kind begins with (R4 §2.1.27): E element, B backbone, R resource, D domain resource.
_ELEMENT = "id:string extension:Extension*"
_RESOURCE = "id:id meta:Meta implicitRules:uri language:code"
_BASE = {
    "E": _ELEMENT,
    "B": f"{_ELEMENT} modifierExtension:Extension*",
    "R": _RESOURCE,
    "D": f"{_RESOURCE} text:Narrative contained:Resource* extension:Extension* modifierExtension:Extension*",
}


@lru_cache(maxsize=1)
def _lines() -> dict[str, tuple[str, str]]:
    """The text of each type, taken apart only when it is asked for."""
    found: dict[str, tuple[str, str]] = {}
    for line in LINES.splitlines():
        name, kind, rest = (line + " ").split(" ", 2)
        found[name] = (kind, rest)
    return found


@lru_cache(maxsize=1)
def _codes() -> dict[str, frozenset[str]]:
    return {name: frozenset(rest.split()) for name, _, rest in (line.partition(" ") for line in CODES.splitlines())}


def codes_of(name: str) -> frozenset[str]:
    """The codes of a required value set by its short name (`http-verb`). KeyError when it is unknown."""
    return _codes()[name]


def types() -> frozenset[str]:
    """Every type and backbone of the tables."""
    return frozenset(_lines())


def is_resource(name: str) -> bool:
    """Whether the type is a resource of the tables."""
    found = _lines().get(name)
    return found is not None and found[0] in "RD"


def is_primitive(name: str) -> bool:
    """Whether a type is a primitive: its name begins in lower case (R4 §2.24)."""
    return name[0].islower()


@lru_cache(maxsize=512)
def elements(type_name: str) -> dict[str, Element]:
    """The elements of a type in the standard's order; a choice is listed by each of its forms. KeyError when the type is unknown.

    `Element` is what extends a primitive (`_birthDate`): an id and extensions.
    """
    kind, rest = _lines()[type_name] if type_name != "Element" else ("E", "")
    found: dict[str, Element] = {}
    for text in f"{_BASE[kind]} {rest}".split():
        for one in _read(text):
            found[one.name] = one
    return found


def element(type_name: str, name: str) -> Element | None:
    """One element, or None."""
    return elements(type_name).get(name)


def _read(text: str) -> list[Element]:
    """`name:type(A|B)=codes*!` and `name[x]:a,b`."""
    name, _, rest = text.partition(":")
    required = rest.endswith("!")
    rest = rest.removesuffix("!")
    many = rest.endswith("*")
    rest, _, binding = rest.removesuffix("*").partition("=")
    rest, _, targets = rest.removesuffix(")").partition("(")
    codes = _codes()[binding] if binding else None
    found = tuple(targets.split("|")) if targets else ()
    if not name.endswith("[x]"):
        return [Element(name, rest.split(",")[0], many, required, codes, found)]
    stem = name.removesuffix("[x]")
    return [
        Element(stem + kind[0].upper() + kind[1:], kind, many, required, codes, found, name) for kind in rest.split(",")
    ]


@lru_cache(maxsize=512)
def required_of(type_name: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What a type must hold: (name to tell, the forms of which one must be there)."""
    found: dict[str, list[str]] = {}
    for one in elements(type_name).values():
        if one.required:
            found.setdefault(one.choice or one.name, []).append(one.name)
    return tuple((name, tuple(forms)) for name, forms in found.items())
