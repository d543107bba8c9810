"""The tree of HPRIM Médecin: a letter of twelve header lines and a free text, with the results of its coded part."""

from __future__ import annotations

__all__ = ["HEADER", "Node"]

#: Lines of the header; the free text follows.
HEADER = 12


class Node:
    """A node: its name, its texts by name, its children. The letter (`Letter`) has `envelope`, `L1`…`L12` and `text`; its coded parts
    (`LAB`) the `date` of the letter, comments (`TEX`) and results (`RES`), each with its fields `1`…`14` and the `TEX` behind it."""

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
