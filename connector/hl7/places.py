"""Places of leaves in the one notation of this project, and copies whose leaves know their places.

`PID[1]-3[2].4.2`: a segment is numbered among those of its name in the message (PRT under OBX too); the repetition is left out when the
field has one, the component when the repetition has one, the subcomponent when the component has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from connector.hl7.leaves import Slice
from connector.hl7.message import HEADERS, Group, Repetition, Segment

__all__ = [
    "Make",
    "Numbers",
    "alone",
    "component_of",
    "copied",
    "copied_repetition",
    "copied_segment",
    "message_leaves",
    "repetition_leaves",
    "said",
    "segment_leaves",
]

#: Makes the text of a leaf from what it says and the places it came from.
Make = Callable[[str, tuple[str, ...]], str]


def said(repetition: Repetition, component: int, subcomponent: int) -> str:
    """What a leaf says; never raises."""
    try:
        return repetition.text(component, subcomponent)
    except ValueError:
        # Only the data of an ED are not checked when parsed: their datatype says which byte is wrong.
        leaf = repetition.leaf(component, subcomponent)
        return leaf.decode("latin-1") if isinstance(leaf, Slice) else leaf


class Numbers:
    """Counts the segments of each name in the order of the message."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def place(self, segment: Segment) -> str:
        """`OBX[3]` of the next segment."""
        number = segment.number or self.seen.get(segment.name, 0) + 1
        self.seen[segment.name] = number
        return f"{segment.name}[{number}]"


def _first_content(segment: Segment) -> int:
    return 3 if segment.name in HEADERS else 1


def alone(repetition: Repetition, name: str) -> bool:
    """Whether a repetition is the only one of its field (`-5`)."""
    return repetition.owner is not None and len(repetition.owner.field(int(name[1:]))) == 1


def component_of(repetition: Any, component: int, subcomponent: int) -> str:
    """`.4.2`, or less when the repetition or the component has one part."""
    if not isinstance(repetition, Repetition):
        return (
            ""
            if component == 1 and subcomponent == 1
            else f".{component}" + (f".{subcomponent}" if subcomponent > 1 else "")
        )
    several = len(repetition.subcomponents(component)) > 1 or subcomponent > 1
    if len(repetition.parts()) < 2 and component == 1 and not several:
        return ""
    return f".{component}" + (f".{subcomponent}" if several else "")


def _repetition_places(repetition: Repetition, place: str) -> Iterator[tuple[int, int, str]]:
    parts = repetition.parts()
    for component in range(1, len(parts) + 1):
        leaves = repetition.subcomponents(component)
        for subcomponent, leaf in enumerate(leaves, 1):
            if leaf:
                yield component, subcomponent, place + component_of(repetition, component, subcomponent)


def repetition_leaves(repetition: Repetition, place: str) -> Iterator[tuple[str, str]]:
    """Filled leaves of a repetition."""
    for component, subcomponent, leaf in _repetition_places(repetition, place):
        yield leaf, said(repetition, component, subcomponent)


def _fields(segment: Segment, place: str) -> Iterator[tuple[int, Repetition, str]]:
    for number in range(_first_content(segment), len(segment) + 1):
        repetitions = segment.field(number)
        for index, repetition in enumerate(repetitions, 1):
            yield number, repetition, f"{place}-{number}" + (f"[{index}]" if len(repetitions) > 1 else "")


def segment_leaves(segment: Segment, place: str) -> Iterator[tuple[str, str]]:
    """Filled leaves of a segment alone."""
    for _, repetition, where in _fields(segment, place):
        yield from repetition_leaves(repetition, where)


def message_leaves(nodes: Iterable[Segment | Group], numbers: Numbers) -> Iterator[tuple[str, str]]:
    """Filled leaves of segments, groups and their children."""
    for node in nodes:
        if isinstance(node, Segment):
            yield from segment_leaves(node, numbers.place(node))
        yield from message_leaves(node.children, numbers)


class _Said(Repetition):
    """A repetition whose leaves are texts as they are said, not as they are written."""

    __slots__ = ()

    def text(self, component: int = 1, subcomponent: int = 1) -> str:
        """What a leaf says."""
        leaf = self.leaf(component, subcomponent)
        return leaf if isinstance(leaf, str) else leaf.decode(self.separators.codec)


def copied(
    nodes: Iterable[Segment | Group], numbers: Numbers, places: dict[int, str], make: Make
) -> list[Segment | Group]:
    """Copies of segments and groups with their children."""
    copies: list[Segment | Group] = []
    for node in nodes:
        if isinstance(node, Group):
            copies.append(Group(node.name, copied(node.children, numbers, places, make)))
        else:
            copies.append(copied_segment(node, numbers.place(node), numbers, places, make))
    return copies


def copied_segment(segment: Segment, place: str, numbers: Numbers, places: dict[int, str], make: Make) -> Segment:
    """A copy of a segment and its children."""
    copy = Segment(segment.name, segment.separators)
    copy.number = segment.number
    places[id(copy)] = place
    fields = copy.parts()
    for number, repetition, where in _fields(segment, place):
        while len(fields) <= number:
            fields.append([])
        fields[number].append(copied_repetition(repetition, where, places, make, copy))  # type: ignore[union-attr]
    copy.children = copied(segment.children, numbers, places, make)
    return copy


def copied_repetition(
    repetition: Repetition, place: str, places: dict[int, str], make: Make, owner: Segment | None = None
) -> Repetition:
    """A copy of a repetition."""
    copy = _Said("", repetition.separators, owner)
    places[id(copy)] = place
    copy.wire = None
    copy.components = []
    for component in range(1, len(repetition.parts()) + 1):
        leaves: list[Any] = []
        for subcomponent, leaf in enumerate(repetition.subcomponents(component), 1):
            text = said(repetition, component, subcomponent) if leaf else ""
            leaves.append(make(text, (place + component_of(repetition, component, subcomponent),)) if text else "")
        copy.components.append(leaves)
    return copy
