"""The CDA side of the mapping language: `recordTarget/patientRole/id[]`, `patient/name/given[!@qualifier][]`, `time/@value`, `title`.

A path's last part is a leaf when it is `@attribute` or `#text`; another last part ends at a node, and where a leaf is asked for it
means that node's text. Written children are put into the order of the schema (`order.py`) at the end, with one stable sort.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from collections.abc import Mapping as MappingType
from typing import Any

from connector.cda.datatypes import DATATYPES
from connector.cda.order import ORDER
from connector.cda.tree import Element, copy_tree, walk_leaves
from connector.exchange.model import Context
from connector.mapping.language import (
    Datatype,
    Leaf,
    LeafAccess,
    Located,
    ParsedPath,
    Predicate,
    Step,
    StepAccess,
    Traced,
)
from connector.mapping.paths import parse_steps, split

__all__ = ["SHAPE", "CdaShape"]


class CdaShape:
    """`connector.mapping.language.Shape` for elements of a CDA header."""

    side = "cda"
    datatypes: MappingType[str, Datatype] = DATATYPES
    null: str | None = None
    absent: str | None = "@nullFlavor"
    filled: Callable[[Any], Container[Any]] | None = None

    def parse(self, path: str, anchor: str, *, leaf: bool) -> ParsedPath:
        """Take a path apart at `/`. ValueError when it ends at an attribute where a node is needed, or cannot be read."""
        if path in (".", "*", anchor):
            return ParsedPath((), Leaf("#text") if leaf and path != "*" else None)
        parts = split(path, "/")
        last = parts[-1]
        end: Leaf | None = None
        if last[:1] in ("@", "#"):
            end = _leaf(last)
            parts.pop()
        steps = parse_steps("/".join(parts), "/") if parts else ()
        if steps and steps[0].name == anchor and not steps[0].predicates and not steps[0].many:
            steps = steps[1:]
        for step in steps:
            _check(step)
        if end is not None and not leaf:
            raise ValueError(f"{path!r} ends at {last!r}; expected a path that ends at an element")
        if end is None and leaf:
            end = Leaf("#text")
        return ParsedPath(steps, end)

    def step(self, step: Step, parent: str) -> StepAccess:
        """Children of a name; predicates on attributes of the child itself are tested here."""
        del parent
        name = step.name
        tests: list[Callable[[dict[str, str]], bool]] = []
        tested: set[int] = set()
        for index, predicate in enumerate(step.predicates):
            test = _attribute_test(predicate)
            if test is not None:
                tests.append(test)
                tested.add(index)
        return StepAccess(_select(name, tests), _append(name), frozenset(tested))

    def leaf(self, leaf: Leaf, parent: str) -> LeafAccess:
        """An attribute or the text. An element with a null flavour has no value; its `@nullFlavor` is a leaf of its own."""
        del parent
        return _text_access() if leaf.name == "#text" else _attribute_access(leaf.name[1:])

    def coded(self, path: str, table: str, code: str, context: Context) -> list[tuple[str, str, bool]]:
        """`@code` and `@codeSystem` tested, `@displayName` written. ValueError when the table has no such word for CDA."""
        found = context.table(table).from_exchange("cda", code) if context.table else None
        if found is None:
            raise ValueError(f"table {table!r} has no row {code!r} with a CDA code")
        prefix = f"{path}/" if path else ""
        parts = [(f"{prefix}@code", found.code, True)]
        if found.system:
            parts.append((f"{prefix}@codeSystem", found.system, True))
        if found.display:
            parts.append((f"{prefix}@displayName", found.display, False))
        return parts

    def new(self, anchor: str) -> Element:
        """An element of the anchor's name."""
        return Element(anchor)

    def finish(self, tree: Element, structure: str | None) -> Element:
        """Drop what says nothing and put children into schema order; children that no table names keep their place behind."""
        del structure
        _finish(tree)
        return tree

    def traced(
        self, tree: Element, prefix: str = "", make: Callable[[str, tuple[str, ...]], str] = Traced
    ) -> tuple[Element, dict[int, str]]:
        """A copy whose leaves are `make(text, (place,))`, and the place of each copied element by `id`."""
        places: dict[int, str] = {}
        return copy_tree(tree, prefix or f"/{tree.name}", make, places), places

    def place(self, way: Sequence[Located], leaf: str | None) -> str:
        """`/ClinicalDocument/author[2]/time/@value`; the first child of a name bears no number, the text is the element's own place."""
        steps = [step.name if step.number == 1 else f"{step.name}[{step.number}]" for step in way]
        place = "".join(f"/{step}" for step in steps)
        if not way or way[0].name != "ClinicalDocument":
            place = f"/ClinicalDocument{place}"
        return place if leaf is None or leaf == "#text" else f"{place}/{leaf}"

    def leaves(self, tree: Element, prefix: str = "") -> Iterable[tuple[str, Any]]:
        """Every filled attribute and text with its place, in document order (the sections of a structuredBody are not part of the tree)."""
        return walk_leaves(tree, prefix or f"/{tree.name}")


def _leaf(name: str) -> Leaf:
    if name == "#text":
        return Leaf(name)
    if len(name) < 2 or name[0] != "@" or not all(part.replace("-", "").isalnum() for part in name[1:].split(":", 1)):
        raise ValueError(f"{name!r} is not a leaf; expected @attribute or #text")
    return Leaf(name)


def _check(step: Step) -> None:
    if step.reference:
        raise ValueError(f"'{step.name}->{step.reference}': CDA has no references to follow")
    if not step.name.replace(":", "").replace("-", "").isalnum():
        raise ValueError(f"{step.name!r} is not the name of an element")


def _append(name: str) -> Callable[[Element], Element]:
    def create(node: Element) -> Element:
        child = Element(name)
        node.children.append(child)
        return child

    return create


def _select(name: str, tests: list[Callable[[dict[str, str]], bool]]) -> Callable[[Element], list[Element]]:
    if not tests:
        return lambda node: [child for child in node.children if child.name == name]
    if len(tests) == 1:
        (test,) = tests
        return lambda node: [child for child in node.children if child.name == name and test(child.attributes)]
    return lambda node: [
        child for child in node.children if child.name == name and all(test(child.attributes) for test in tests)
    ]


def _attribute_test(predicate: Predicate) -> Callable[[dict[str, str]], bool] | None:
    """A test of one attribute of the node itself; None when the compiler must do it (a path, a table, a write-only predicate)."""
    if predicate.path[:1] != "@" or predicate.table:
        return None
    attribute, value = predicate.path[1:], predicate.value
    match predicate.op:
        case "=":
            return lambda attributes: attributes.get(attribute) == value
        case "!=":
            return lambda attributes: attributes.get(attribute) != value
        case "in":
            choices = frozenset(value.split("|"))
            return lambda attributes: attributes.get(attribute) in choices
        case "exists":
            return lambda attributes: bool(attributes.get(attribute))
        case "absent":
            return lambda attributes: not attributes.get(attribute)
        case _:
            return None


def _text_access() -> LeafAccess:
    def get(node: Element) -> list[Any]:
        return [node.text] if node.text else []

    def put(node: Element, value: Any) -> None:
        node.text = value

    return LeafAccess(get, put)


def _attribute_access(name: str) -> LeafAccess:
    def get(node: Element) -> list[Any]:
        value = node.attributes.get(name)
        return [value] if value else []

    def put(node: Element, value: Any) -> None:
        node.attributes[name] = value

    return LeafAccess(get, put)


def _finish(node: Element) -> None:
    empty = False
    for child in node.children:
        if child.children:
            _finish(child)
        empty = empty or child.empty()
    if empty:
        node.children = [child for child in node.children if not child.empty()]
    order = ORDER.get(node.name)
    if order is not None and len(node.children) > 1:
        node.children.sort(key=lambda child: order.get(child.name, 99))


SHAPE = CdaShape()
