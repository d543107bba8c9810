"""The tree of HPRIM Médecin: a letter of twelve header lines and a free text, with the results of its coded part."""

from __future__ import annotations

__all__ = ["GROUPS", "HEADER", "Node", "grouped"]

#: Lines of the header; the free text follows.
HEADER = 12

#: Texts that are one thing together, below a node of their own; the places of these texts do not name it.
GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "Letter": {"address": ("L4", "L5", "L6")},
    "RES": {"examination": ("1", "2"), "value": ("3", "4", "5"), "bounds": ("6", "7")},
}


class Node:
    """A node: its name, its texts by name, its children. The letter (`Letter`) has `envelope`, `L1`…`L12` and `text`; its coded parts
    (`LAB`) the `date` of the letter, comments (`TEX`) and results (`RES`), each with its fields `1`…`14` and the `TEX` behind it.
    What `GROUPS` names stands one node deeper."""

    __slots__ = ("children", "leaves", "name")

    def __init__(
        self, name: str, leaves: dict[str, list[str]] | None = None, children: list[Node] | None = None
    ) -> None:
        self.name = name
        self.leaves = leaves if leaves is not None else {}
        self.children = children if children is not None else []

    def get(self, leaf: str) -> str:
        """A text, empty when absent."""
        found = self.leaves.get(leaf)
        return found[0] if found else ""

    def put(self, leaf: str, text: str) -> None:
        """Set a text; an empty one is nothing."""
        if text:
            self.leaves[leaf] = [text]

    def all(self, name: str) -> list[Node]:
        """Its children of a name."""
        return [child for child in self.children if child.name == name]

    def text(self, leaf: str) -> str:
        """A text of it or of its groups."""
        own = self.get(leaf)
        return own or next((found for child in self.children if (found := child.get(leaf))), "")


def grouped(name: str, texts: dict[str, str]) -> Node:
    """A node of these texts, each in its group."""
    node = Node(name)
    for group, leaves in GROUPS.get(name, {}).items():
        inner = Node(group)
        for leaf in leaves:
            inner.put(leaf, texts.pop(leaf, ""))
        if inner.leaves:
            node.children.append(inner)
    for leaf, text in texts.items():
        node.put(leaf, text)
    return node
