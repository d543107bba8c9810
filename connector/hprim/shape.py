"""HPRIM Médecin in the mapping language: `L1`…`L12` are the lines of the header, `text` the free text, `LAB[]` the coded part with its
`date`, comments `TEX[]` and results `RES[]`, each with its fields `1`…`14` and its `TEX[]`."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from connector.exchange.model import Context
from connector.hprim.datatypes import DATATYPES
from connector.hprim.letter import GROUPS, HEADER, Node
from connector.mapping.language import Datatype, Leaf, LeafAccess, Located, ParsedPath, Step, StepAccess, Traced
from connector.mapping.paths import closest, parse_steps

__all__ = ["SHAPE", "HprimShape"]

_GROUPS = {group: leaves for groups in GROUPS.values() for group, leaves in groups.items()}
#: The texts and the nodes below each kind of node.
_LEAVES: dict[str, tuple[str, ...]] = {
    "Letter": ("envelope", *(f"L{number}" for number in range(1, HEADER + 1) if number not in (4, 5, 6)), "text"),
    "LAB": ("date", "TEX"),
    "RES": (*(str(number) for number in range(8, 15)), "TEX"),
    **_GROUPS,
}
_NODES = {"Letter": ("address", "LAB"), "LAB": ("RES",), "RES": ("examination", "value", "bounds")}
_REPEATED = ("LAB", "RES")


class HprimShape:
    """`connector.mapping.language.Shape` for a letter."""

    side = "hprim"
    datatypes: Mapping[str, Datatype] = DATATYPES
    null: str | None = None
    absent: str | None = None
    filled: Callable[[Any], Container[Any]] | None = None

    def parse(self, path: str, anchor: str, *, leaf: bool) -> ParsedPath:
        """`L7`, `address`, `LAB[]`, `RES[]`, `value/4`, `.`. ValueError with what there is."""
        if path in (".", anchor) and not leaf:
            return ParsedPath()
        steps = list(parse_steps(path, "/"))
        end = None
        if steps[-1].name not in (*_REPEATED, *_GROUPS):
            last = steps.pop()
            end = Leaf(last.name, last.many)
        kind = anchor
        for step in steps:
            if step.name not in _NODES.get(kind, ()) or step.reference or step.predicates:
                below = ", ".join(_NODES.get(kind, ())) or "no node"
                raise ValueError(f"{path!r}: below {kind} stands {below}, without conditions")
            if step.many != (step.name in _REPEATED):
                raise ValueError(f"{path!r}: LAB and RES are lists and are written LAB[] and RES[]; nothing else is")
            kind = step.name
        known = _LEAVES[kind]
        if end is not None and end.name not in known:
            raise ValueError(f"{path!r}: no {end.name!r}; there are {', '.join(known)}{closest(end.name, known)}")
        if end is not None and end.many != (end.name == "TEX"):
            raise ValueError(f"{path!r}: TEX is a list and is written TEX[]; no other text is")
        if leaf != (end is not None):
            raise ValueError(
                f"{path!r} ends at a {'node' if leaf else 'text'}; expected a {'text' if leaf else 'node'}"
            )
        return ParsedPath(tuple(steps), end)

    def step(self, step: Step, parent: str) -> StepAccess:
        """The children of a name."""
        del parent
        name = step.name

        def create(node: Node) -> Node:
            made = Node(name)
            node.children.append(made)
            return made

        return StepAccess(lambda node: node.all(name), create)

    def leaf(self, leaf: Leaf, parent: str) -> LeafAccess:
        """A text, or each comment."""
        del parent
        name = leaf.name
        if leaf.many:
            return LeafAccess(
                lambda node: list(node.leaves.get(name, ())),
                lambda node, value: node.leaves.setdefault(name, []).append(value),
            )
        return LeafAccess(lambda node: node.leaves.get(name, []), lambda node, value: node.put(name, value))

    def coded(self, path: str, table: str, code: str, context: Context) -> list[tuple[str, str, bool]]:
        """HPRIM Médecin names no code systems: ValueError."""
        raise ValueError(f"[{path}={table}#{code}]: HPRIM has no coded values to test")

    def new(self, anchor: str) -> Node:
        """An empty letter or result."""
        return Node(anchor)

    def finish(self, tree: Node, structure: str | None) -> Node:
        """Nodes that say nothing go."""
        children = (self.finish(child, structure) for child in tree.children)
        tree.children = [child for child in children if child.children or any(child.leaves.values())]
        return tree

    def traced(
        self, tree: Node, prefix: str = "", make: Callable[[str, tuple[str, ...]], str] = Traced
    ) -> tuple[Node, dict[int, str]]:
        """A copy whose texts are made by `make`; one made empty is left out."""
        places: dict[int, str] = {}

        def copy(node: Node, place: str) -> Node:
            leaves = {
                name: kept
                for name, texts in node.leaves.items()
                if (
                    kept := [
                        new for n, text in enumerate(texts, 1) if (new := make(text, (_leaf(place, name, n),))) != ""
                    ]
                )
            }
            made = Node(node.name, leaves, [copy(each, spelt) for each, spelt in _numbered(node, place)])
            places[id(made)] = place
            return made

        return copy(tree, prefix), places

    def place(self, way: Sequence[Located], leaf: str | None) -> str:
        """`L7`, `LAB[1]/RES[2]/4`."""
        parts = [f"{each.name}[{each.number}]" for each in way if each.name not in _GROUPS]
        return "/".join([*parts, leaf] if leaf else parts)

    def leaves(self, tree: Node, prefix: str = "") -> Iterable[tuple[str, Any]]:
        """Every text with its place."""
        for name, texts in tree.leaves.items():
            yield from ((_leaf(prefix, name, number), text) for number, text in enumerate(texts, 1))
        for each, place in _numbered(tree, prefix):
            yield from self.leaves(each, place)


def _leaf(prefix: str, name: str, number: int) -> str:
    own = f"{name}[{number}]" if name == "TEX" else name
    return f"{prefix}/{own}" if prefix else own


def _numbered(node: Node, prefix: str) -> Iterator[tuple[Node, str]]:
    number = 0
    for each in node.children:
        if each.name in _GROUPS:
            yield each, prefix
            continue
        number += 1
        place = f"{each.name}[{number}]"
        yield each, f"{prefix}/{place}" if prefix else place


SHAPE = HprimShape()
