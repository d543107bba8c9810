"""The line `structure:` of a message mapping: which segments, in which order, which are numbered, which belong under which.

`MSH EVN PID PV1 {ORC OBR# [NTE]} TXA# OBX#(PRT NTE)`: `#` numbers field 1; `(…)` are the children of a segment, in turn
with children of their own, `<` before a child that stands in front of it (`OBR(<ORC NTE)`); `{…}` repeats as a group;
`[…]` marks what may be absent and changes nothing here. Segments that the structure does not name keep their order at the end.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from connector.hl7.message import Group, Message, Segment

__all__ = ["Position", "arranged", "nested", "positions"]

_TOKEN = re.compile(r"[A-Z][A-Z0-9]{2}|[#(){}\[\]<]|\S")


class Position(NamedTuple):
    """Where a segment stands: its group's place, its own place in it, whether it is numbered and repeats with its group, its children
    and those of them that stand in front of it."""

    group: int
    place: int
    numbered: bool
    grouped: bool
    children: tuple[str, ...]
    ahead: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def positions(structure: str) -> dict[str, Position]:
    """The positions by segment name. Raises ValueError when the line cannot be read."""
    found: dict[str, Position] = {}
    parents: list[str] = []
    name = ""
    depth = group = 0
    ahead = False
    for word in _TOKEN.findall(structure):
        if word == "{":
            depth += 1
            group += depth == 1
        elif word == "}":
            depth -= 1
        elif word == "(":
            found.setdefault(name, Position(group, len(found), False, depth > 0, ()))
            parents.append(name)
        elif word == ")" and parents:
            parents.pop()
        elif word == "<" and parents:
            ahead = True
        elif word == "#":
            before = found.get(name) or Position(group, len(found), False, depth > 0, ())
            found[name] = before._replace(numbered=True)
        elif word[0].isalpha() and len(word) == 3:
            name = word
            group += not depth and not parents
            if parents:
                held = found[parents[-1]]
                found[parents[-1]] = held._replace(
                    children=(*held.children, name), ahead=(*held.ahead, name) if ahead else held.ahead
                )
                ahead = False
            else:
                found[name] = Position(group, len(found), False, depth > 0, ())
        elif word not in "[]":
            raise ValueError(f"structure: {word!r} is neither a segment nor one of # ( ) < {{ }} [ ]")
    return found


def nested(message: Message, structure: str) -> None:
    """Put the children that the structure names (`OBX(PRT NTE)`, `OBR(NTE OBX(NTE))`) under the nearest segment before them that takes them.

    One that stands in front (`OBR(<ORC)`) goes under the segment right behind it, and where it stands when another follows. What the
    structure does not name (TQ1, Z segments) ends nothing: senders put it between an order and its results.
    """
    known = positions(structure)
    named = {*known, *(name for position in known.values() for name in position.children)}
    ahead = {name for position in known.values() for name in position.ahead}
    top: list[Segment | Group] = []
    around: list[tuple[Segment, tuple[str, ...]]] = []  # who takes children here, the innermost last
    waiting: list[Segment] = []
    for segment in message.segments:
        segment.children = []
        if segment.name not in named:
            top.append(segment)
            continue
        position = known.get(segment.name)
        while around and (segment.name in ahead or segment.name not in around[-1][1]):
            around.pop()
        here = around[-1][0].children if around else top
        if waiting and (position is None or any(each.name not in position.ahead for each in waiting)):
            here.extend(waiting)
            waiting = []
        if segment.name in ahead:
            waiting.append(segment)
            continue
        segment.children.extend(waiting)
        waiting = []
        here.append(segment)
        if position is not None and position.children:
            around.append((segment, tuple(each for each in position.children if each not in position.ahead)))
    top.extend(waiting)
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
        if isinstance(segment, Segment):
            _sort_children(segment, known)
    message.children.sort(key=lambda segment: keys[id(segment)])
    message.indexes.clear()
    _numbered(message, known)


def _kept(segment: Segment) -> bool:
    segment.children = [child for child in segment.children if isinstance(child, Group) or _kept(child)]
    segment.trim()
    return len(segment) > 0 or bool(segment.children)


def _sort_children(segment: Segment, known: dict[str, Position]) -> None:
    position = known.get(segment.name)
    order = position.children if position is not None else ()
    segment.children.sort(key=lambda child: _rank(child, order))
    for child in segment.children:
        if isinstance(child, Segment) and child.children:
            _sort_children(child, known)


def _rank(child: Segment | Group, order: tuple[str, ...]) -> int:
    return order.index(child.name) if child.name in order else len(order)


def _numbered(message: Message, known: dict[str, Position]) -> None:
    """Set ids count within what a segment stands under: the results of each order from 1 (v2.6 §7.4.2.1)."""
    seen: dict[str, int] = {}
    for segment in message.segments:
        segment.number = seen[segment.name] = seen.get(segment.name, 0) + 1
    _counted(message.children, known)


def _counted(segments: list[Segment | Group], known: dict[str, Position]) -> None:
    seen: dict[str, int] = {}
    for segment in segments:
        position = known.get(segment.name)
        if position is not None and position.numbered and isinstance(segment, Segment):
            seen[segment.name] = seen.get(segment.name, 0) + 1
            segment.put(str(seen[segment.name]), 1)
        if segment.children:
            _counted(segment.children, known)
