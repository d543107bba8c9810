"""The line `structure:` of a message mapping: which segments, in which order, which are numbered, which belong under which.

`MSH EVN PID PV1 {ORC OBR# [NTE]} TXA# OBX#(PRT NTE)`: `#` numbers field 1; `(…)` are the children of a segment; `{…}` repeats as a group;
`[…]` marks what may be absent and changes nothing here. Segments that the structure does not name keep their order at the end.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from connector.hl7.message import Group, Message, Segment

__all__ = ["Position", "arranged", "nested", "positions"]

_TOKEN = re.compile(r"[A-Z][A-Z0-9]{2}|[#(){}\[\]]|\S")


class Position(NamedTuple):
    """Where a segment stands: its group's place, its own place in it, whether it is numbered and repeats with its group, its children."""

    group: int
    place: int
    numbered: bool
    grouped: bool
    children: tuple[str, ...]


@lru_cache(maxsize=256)
def positions(structure: str) -> dict[str, Position]:
    """The positions by segment name. Raises ValueError when the line cannot be read."""
    found: dict[str, Position] = {}
    parent = name = ""
    depth = group = 0
    for word in _TOKEN.findall(structure):
        if word == "{":
            depth += 1
            group += depth == 1
        elif word == "}":
            depth -= 1
        elif word == "(":
            parent = name
        elif word == ")":
            parent = ""
        elif word == "#":
            found[name] = found[name]._replace(numbered=True)
        elif word[0].isalpha() and len(word) == 3:
            name = word
            group += not depth and not parent
            if parent:
                found[parent] = found[parent]._replace(children=(*found[parent].children, name))
            else:
                found[name] = Position(group, len(found), False, depth > 0, ())
        elif word not in "[]":
            raise ValueError(f"structure: {word!r} is neither a segment nor one of # ( ) {{ }} [ ]")
    return found


def nested(message: Message, structure: str) -> None:
    """Put the children that the structure names (`OBX(PRT NTE)`) under the segment that they follow; all others keep their place."""
    known = positions(structure)
    top: list[Segment | Group] = []
    parent: Segment | None = None
    wanted: tuple[str, ...] = ()
    for segment in message.segments:
        if parent is not None and segment.name in wanted:
            parent.children.append(segment)
            continue
        position = known.get(segment.name)
        segment.children = []
        top.append(segment)
        parent, wanted = (segment, position.children) if position is not None and position.children else (None, ())
    message.children = top
    message.indexes.clear()


def arranged(message: Message, structure: str) -> None:
    """Trim what was written, leave out empty segments, put the rest in order and number it."""
    known = positions(structure)
    message.children = [segment for segment in message.segments_at_top() if _kept(segment)]
    seen: dict[str, int] = {}
    keys: dict[int, tuple[int, int, int]] = {}
    for segment in message.children:
        occurrence = seen[segment.name] = seen.get(segment.name, 0) + 1
        position = known.get(segment.name)
        if position is None:
            keys[id(segment)] = (1_000, 0, 0)
            continue
        keys[id(segment)] = (position.group, occurrence if position.grouped else 0, position.place)
        segment.children.sort(key=lambda child, order=position.children: _rank(child, order))  # type: ignore[misc]
    message.children.sort(key=lambda segment: keys[id(segment)])
    message.indexes.clear()
    _numbered(message, known)


def _kept(segment: Segment) -> bool:
    segment.children = [child for child in segment.children if isinstance(child, Group) or _kept(child)]
    segment.trim()
    return len(segment) > 0 or bool(segment.children)


def _rank(child: Segment | Group, order: tuple[str, ...]) -> int:
    return order.index(child.name) if child.name in order else len(order)


def _numbered(message: Message, known: dict[str, Position]) -> None:
    seen: dict[str, int] = {}
    for segment in message.segments:
        segment.number = seen[segment.name] = seen.get(segment.name, 0) + 1
        position = known.get(segment.name)
        if position is not None and position.numbered:
            segment.put(str(segment.number), 1)
