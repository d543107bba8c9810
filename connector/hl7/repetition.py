"""One repetition of a field: components of subcomponents, split when first read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

from connector.hl7.escapes import DEFAULT_SEPARATORS, Separators, escape, unescape
from connector.hl7.leaves import Leaf, Slice, checked, split
from connector.mapping.language import Traced

if TYPE_CHECKING:
    from connector.hl7.message import Segment

__all__ = ["Repetition"]


class Repetition:
    """One repetition of a field: components of subcomponents, both from 1."""

    __slots__ = ("_owner", "components", "separators", "wire")

    def __init__(
        self, wire: Leaf = "", separators: Separators = DEFAULT_SEPARATORS, owner: Segment | None = None
    ) -> None:
        self.wire: Leaf | None = wire
        self.separators = separators
        # Weak, so that a message goes when its last reader does, with the document that it may hold.
        self._owner = None if owner is None else ref(owner)
        self.components: list[Leaf | list[Leaf]] | None = None

    @property
    def owner(self) -> Segment | None:
        """The segment that holds it."""
        return None if self._owner is None else self._owner()

    def parts(self) -> list[Leaf | list[Leaf]]:
        """The components as they stand: wire text, or a list when the subcomponents were taken apart."""
        components = self.components
        if components is None:
            wire = self.wire
            if type(wire) is str:
                components = list(wire.split(self.separators.component))
            else:
                components = split(wire or "", self.separators.component, self.separators.codec)
            self.components = components
        return components

    def subcomponents(self, component: int) -> list[Leaf]:
        """The subcomponents of a component, as wire text."""
        parts = self.parts()
        if component > len(parts):
            return []
        part = parts[component - 1]
        return part if isinstance(part, list) else split(part, self.separators.subcomponent, self.separators.codec)

    def leaf(self, component: int = 1, subcomponent: int = 1) -> Leaf:
        """The wire text (or the place in the bytes) of a leaf, "" when absent."""
        parts = self.parts()
        if component > len(parts):
            return ""
        part = parts[component - 1]
        if not isinstance(part, list):
            if subcomponent == 1 and type(part) is str and self.separators.subcomponent not in part:
                return part
            part = split(part, self.separators.subcomponent, self.separators.codec)
        return part[subcomponent - 1] if subcomponent <= len(part) else ""

    def text(self, component: int = 1, subcomponent: int = 1) -> str:
        """What a leaf says, "" when absent. Raises ValueError when the bytes of a large leaf are not text of the character set."""
        parts = self.components
        if parts is None:
            parts = self.parts()
        if component > len(parts):
            return ""
        part = parts[component - 1]
        if type(part) is str:
            separators = self.separators
            if separators.subcomponent in part:
                leaves = part.split(separators.subcomponent)
                part = leaves[subcomponent - 1] if subcomponent <= len(leaves) else ""
            elif subcomponent > 1:
                return ""
            return unescape(part, separators) if separators.escape in part else part
        return self._said(self.leaf(component, subcomponent))

    def _said(self, leaf: Leaf) -> str:
        if isinstance(leaf, Slice):
            return unescape(checked(leaf.decode(self.separators.codec)), self.separators)
        said = unescape(leaf, self.separators)
        # A Traced text keeps the places it came from.
        return Traced(said, leaf.places) if isinstance(leaf, Traced) else said

    def payload(self, component: int = 1) -> bytes | memoryview:
        """The wire bytes of a whole component, without a copy when it is large (an ED's data)."""
        parts = self.parts()
        if component > len(parts):
            return b""
        part = parts[component - 1]
        if isinstance(part, Slice):
            return part.view()
        return self._joined(part).encode(self.separators.codec)

    def put(self, value: str, component: int = 1, subcomponent: int = 1) -> None:
        """Say `value` in a leaf; an empty value empties it. Raises ValueError for a control character."""
        self.put_wire(escape(value, self.separators), component, subcomponent)

    def put_wire(self, wire: Leaf, component: int = 1, subcomponent: int = 1) -> None:
        """Set the wire text of a leaf as it is (already escaped, or base64)."""
        parts = self.parts()
        if component > len(parts):
            parts.extend([""] * (component - len(parts)))
        alone = parts[component - 1]
        if (
            subcomponent == 1
            and not isinstance(alone, list)
            and (isinstance(alone, Slice) or self.separators.subcomponent not in alone)
        ):
            parts[component - 1] = wire
            self._touched()
            return
        leaves = self.subcomponents(component)
        while len(leaves) < subcomponent:
            leaves.append("")
        leaves[subcomponent - 1] = wire
        parts[component - 1] = leaves
        self._touched()

    def raw(self) -> str:
        """The wire text of the repetition, trailing separators as they are."""
        if self.wire is not None:
            return self.wire if isinstance(self.wire, str) else self.wire.decode(self.separators.codec)
        return self.separators.component.join(self._joined(part) for part in self.parts())

    def trim(self) -> None:
        """Drop empty components and subcomponents at the end."""
        parts = self.parts()
        for position, part in enumerate(parts):
            if isinstance(part, list):
                while part and not part[-1]:
                    part.pop()
                if len(part) < 2:
                    parts[position] = part[0] if part else ""
        while parts and not parts[-1]:
            parts.pop()
        self._touched()

    def filled(self) -> bool:
        """Whether any leaf says something."""
        return any(any(part) if isinstance(part, list) else part for part in self.parts())

    def _joined(self, part: Leaf | list[Leaf]) -> str:
        if isinstance(part, list):
            return self.separators.subcomponent.join(self._joined(leaf) for leaf in part)
        return part if isinstance(part, str) else part.decode(self.separators.codec)

    def _touched(self) -> None:
        self.wire = None
        owner = self.owner
        if owner is not None:
            owner.modified = True
