"""What FHIR owes the mapping compiler: paths like `name[].family`, arrays by the standard's cardinality, references followed.

The tree is linked (tree.py); `bundle.assemble` and `bundle.take_apart` turn it into a Bundle and back.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from typing import Any

from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.fhir.datatypes import DATATYPES
from connector.fhir.elements import Element, elements, is_primitive, is_resource, types
from connector.fhir.link import link
from connector.fhir.tree import (
    HELD,
    LINK,
    SHARING,
    SUBMISSION,
    TARGET,
    VISIBILITY,
    Node,
    copied,
    leaves_of,
    prune,
    sound,
)
from connector.mapping.language import Datatype, Leaf, LeafAccess, Located, ParsedPath, Run, Step, StepAccess, Traced
from connector.mapping.paths import closest, parse_steps

__all__ = ["FhirShape"]

_SUBMISSION = {
    **{name: Element(name, "code") for name in ("intent", "mode", "origin", "mailbox")},
    "facilityType": Element("facilityType", "CodeableConcept"),
    **{name: Element(name, "boolean") for name in (*VISIBILITY, *SHARING)},
}


class _Named(str):
    """A step's name that remembers the FHIR type it leads to, since the compiler hands on names alone."""

    __slots__ = ("type",)
    type: str

    def __new__(cls, name: str, type_name: str) -> _Named:
        made = super().__new__(cls, name)
        made.type = type_name
        return made


def _type_of(parent: str) -> str:
    return parent.type if isinstance(parent, _Named) else parent


def _elements(type_name: str) -> MappingType[str, Element]:
    """The elements of a type, with what the tree holds in it; below `Bundle` stand root resources."""
    if type_name == "Bundle":
        return _ROOTS
    if type_name == SUBMISSION:
        return _SUBMISSION
    held = HELD.get(type_name)
    if held is None:
        return elements(type_name)
    return {**elements(type_name), **{name: Element(name, kind, many=True) for name, kind in held.items()}}


class _Roots(dict[str, Element]):
    """The roots of a Bundle's tree: every resource type, always a list in the tree."""

    def __missing__(self, name: str) -> Element:
        if name != SUBMISSION and not is_resource(name):
            raise KeyError(name)
        made = self[name] = Element(name, name, many=True)
        return made

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def __iter__(self) -> Iterator[str]:
        return iter([SUBMISSION, *(name for name in types() if is_resource(name))])


_ROOTS: MappingType[str, Element] = _Roots()


def _same(node: Node) -> Node:
    return node


class FhirShape:
    """FHIR R4 as a `Shape` (connector.mapping.language)."""

    side = "fhir"
    datatypes: MappingType[str, Datatype] = DATATYPES
    null: str | None = None
    absent: str | None = None
    filled: Callable[[Any], Container[Any]] | None = staticmethod(_same)

    # --- paths -----------------------------------------------------------------------------------------------------

    def parse(self, path: str, anchor: str, *, leaf: bool) -> ParsedPath:
        """Take a path apart; every element is looked up in the standard's tables. ValueError says what was expected."""
        if path in (".", "*", _type_of(anchor)):
            return ParsedPath()
        kind = _type_of(anchor)
        if kind not in (SUBMISSION, "Bundle") and kind not in types():
            raise ValueError(f"FHIR has no type {kind!r}{closest(kind, types())}")
        steps: list[Step] = []
        for step in parse_steps(path, "."):
            if is_primitive(kind):
                raise ValueError(f"{path!r}: {steps[-1].name!r} is a {kind}, it has no elements")
            found = _elements(kind).get(step.name)
            if found is None:
                raise ValueError(f"{path!r}: {kind} has no element {step.name!r}{closest(step.name, _elements(kind))}")
            self._check(path, step, found)
            kind = step.reference or found.type
            steps.append(Step(_Named(step.name, kind), step.reference, step.predicates, step.many, step.first))
        return self._ended(path, steps, kind, leaf=leaf)

    def _check(self, path: str, step: Step, found: Element) -> None:
        if (step.many or step.first) and not found.many:
            raise ValueError(f"{path!r}: {step.name!r} is not a list in FHIR; write it without brackets")
        if step.reference is None:
            return
        if found.type not in ("Reference", "Resource"):
            raise ValueError(f"{path!r}: {step.name!r} is a {found.type}, not a reference; '->' has no meaning")
        if not is_resource(step.reference):
            raise ValueError(f"{path!r}: no resource {step.reference!r}{closest(step.reference, types())}")
        if found.targets and step.reference not in found.targets:
            raise ValueError(f"{path!r}: {step.name!r} points at {' or '.join(found.targets)}, not {step.reference}")

    def _ended(self, path: str, steps: list[Step], kind: str, *, leaf: bool) -> ParsedPath:
        """The last step is a leaf when a value is asked for; a Reference as a value is its link `->Type`."""
        last = steps[-1]
        if not leaf:
            if is_primitive(kind):
                raise ValueError(f"{path!r}: {last.name!r} is a {kind}; a node was expected")
            return ParsedPath(tuple(steps))
        if last.reference is not None or not (is_primitive(kind) or kind == "Reference"):
            raise ValueError(f"{path!r}: {last.name!r} is a {kind}; a value was expected, or a datatype (`as`)")
        if last.predicates:
            raise ValueError(f"{path!r}: predicates stand on nodes, {last.name!r} is a value")
        return ParsedPath(tuple(steps[:-1]), Leaf(last.name, last.many))

    # --- access ----------------------------------------------------------------------------------------------------

    def step(self, step: Step, parent: str) -> StepAccess:
        """Access to a child node or to the target of a reference."""
        found = _elements(_type_of(parent))[str(step.name)]
        name = str(step.name)
        if step.reference is not None:
            return _reference(name, step.reference, many=found.many)
        if found.many:
            return _many(name, found.type if is_resource(found.type) else None)
        return _single(name)

    def leaf(self, leaf: Leaf, parent: str) -> LeafAccess:
        """Access to a primitive, or to a Reference as its link."""
        found = _elements(_type_of(parent))[str(leaf.name)]
        name = str(leaf.name)
        if found.type == "Reference":
            return _link(name, many=found.many)
        if not found.many:
            return LeafAccess(
                lambda node: [] if (value := node.get(name)) is None or value == "" else [value],
                lambda node, value: node.__setitem__(name, value),
                name,
            )
        return LeafAccess(
            lambda node: [value for value in node.get(name, ()) if value is not None and value != ""],
            lambda node, value: node.setdefault(name, []).append(value),
            name,
        )

    def coded(self, path: str, table: str, code: str, context: Context) -> list[tuple[str, str, bool]]:
        """`[coding=table#code]`: code and system are tested, the label is written."""
        if context.table is None:
            raise ValueError(f"no terminology to look {table!r} up in")
        found = context.table(table).from_exchange("fhir", code)
        if found is None:
            raise ValueError(f"terminology {table!r} has no FHIR code for {code!r}")
        prefix = f"{path}." if path else ""
        parts = [(prefix + "system", found.system, True), (prefix + "code", found.code, True)]
        return [part for part in [*parts, (prefix + "display", found.display, False)] if part[1]]

    # --- trees -----------------------------------------------------------------------------------------------------

    def new(self, anchor: str) -> Node:
        """An empty node; a resource knows its type."""
        kind = _type_of(anchor)
        return {"resourceType": kind} if is_resource(kind) and kind != "Bundle" else {}

    def finish(self, tree: Any, structure: str | None) -> Any:
        """Drop what stayed empty."""
        if not sound(tree):
            prune(tree)
        return tree

    def traced(
        self, tree: Any, prefix: str = "", make: Callable[[str, tuple[str, ...]], str] = Traced
    ) -> tuple[Any, dict[int, str]]:
        """A deep copy whose text leaves are made by `make`; a leaf made empty is left out."""
        places: dict[int, str] = {}
        return copied(tree, prefix, make, places), places

    def place(self, way: Sequence[Located], leaf: str | None) -> str:
        """`DocumentReference[1].author[2]->PractitionerRole.code`."""
        text, node = "", None
        for located in way:
            name, arrow, target = located.name.partition("->")
            number = _number(node, name, located) if node is not None else located.number
            text = f"{text}.{name}" if text else name
            if node is None or isinstance(node.get(name), list):
                text += f"[{number}]"
            text += arrow + target
            node = located.node
        if leaf:
            text = f"{text}.{leaf}" if text else leaf
        return text

    def leaves(self, tree: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
        """Every filled leaf of a linked tree, of a node of one, or of a whole Bundle, with references unfolded."""
        if tree.get("resourceType") == "Bundle":
            tree = link(tree, Run(Context(now=Moment(""))))
        return leaves_of(tree, prefix)


def _number(parent: Node, name: str, located: Located) -> int:
    """The node's position in its list, whatever the step selected."""
    for number, child in enumerate(parent.get(name) or (), 1):
        if child is located.node or (isinstance(child, dict) and child.get(TARGET) is located.node):
            return number
    return located.number


def _many(name: str, resource: str | None) -> StepAccess:
    def select(node: Node) -> list[Node]:
        return node.get(name) or []

    def create(node: Node) -> Node:
        made: Node = {} if resource is None else {"resourceType": resource}
        node.setdefault(name, []).append(made)
        return made

    return StepAccess(select, create, needs=name)


def _single(name: str) -> StepAccess:
    def select(node: Node) -> list[Node]:
        found = node.get(name)
        return [] if found is None else [found]

    def create(node: Node) -> Node:
        made: Node = {}
        node[name] = made
        return made

    return StepAccess(select, create, needs=name)


def _reference(name: str, target: str, *, many: bool) -> StepAccess:
    def select(node: Node) -> list[Node]:
        found = node.get(name)
        if not found:
            return []
        references = found if many else (found,)
        return [
            resource
            for reference in references
            if (resource := reference.get(TARGET)) is not None and resource["resourceType"] == target
        ]

    def create(node: Node) -> Node:
        made: Node = {"resourceType": target}
        reference = {TARGET: made}
        if many:
            node.setdefault(name, []).append(reference)
        else:
            node[name] = reference
        return made

    return StepAccess(select, create, needs=name)


def _link(name: str, *, many: bool) -> LeafAccess:
    def get(node: Node) -> list[str]:
        found = node.get(name)
        if not found:
            return []
        return [reference[LINK] for reference in (found if many else (found,)) if LINK in reference]

    def put(node: Node, value: str) -> None:
        if not value.startswith("->"):
            raise ValueError("a link is written ->Type")
        if many:
            node.setdefault(name, []).append({LINK: value})
        else:
            node[name] = {LINK: value}

    return LeafAccess(get, put, name)
