"""The tree of a message: Message and Group hold segments, a Segment holds fields, a field repeats, a repetition has components.

Generic, not driven by schemas: unknown and Z segments stay in their place (ADR 0009). Positions are those of the standard,
from 1. Everything is split at its first reading only, and a large field (an embedded document) stays where it is in the received
bytes (`Slice`) until somebody asks for it.

Texts: `text()` gives what a leaf says (decoded, unescaped); `raw` words give what is written on the wire. `put()` takes what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from connector.hl7.escapes import DEFAULT_SEPARATORS, Separators, unescape
from connector.hl7.leaves import Leaf, Slice, split
from connector.hl7.repetition import Repetition

__all__ = ["DEFAULT_SEPARATORS", "Group", "Leaf", "Message", "Repetition", "Segment", "Separators", "Slice"]

#: Segments whose first field is the field separator itself.
HEADERS = frozenset({"MSH", "FHS", "BHS"})


_PATH = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?$")


class Segment:
    """A segment by its name; `children` are the segments that belong to it (PRT and NTE under their OBX)."""

    __slots__ = ("__weakref__", "children", "fields", "modified", "name", "number", "separators", "wire")

    def __init__(self, name: str, separators: Separators = DEFAULT_SEPARATORS, wire: Leaf | None = None) -> None:
        self.name = name
        self.separators = separators
        self.wire = wire  # the whole segment as received, name included; None for one made by us
        self.children: list[Segment | Group] = []
        self.modified = wire is None
        self.number = 0  # among the segments of its name in the message, 0 when nobody has counted
        # fields[0] is the name; a field is wire text until it is asked for.
        self.fields: list[Leaf | list[Repetition]] | None = None
        if wire is None:
            self.fields = [name]
            if name in HEADERS:
                self.fields += [[_verbatim(separators.field, self)], [_verbatim(separators.msh2, self)]]

    def __repr__(self) -> str:
        return f"<Segment {self.name}>"

    def parts(self) -> list[Leaf | list[Repetition]]:
        """The fields as they stand, from index 1; index 0 is the name."""
        fields = self.fields
        if fields is None:
            fields = split(self.wire or self.name, self.separators.field, self.separators.codec)
            if self.name in HEADERS:
                declared = str(fields[1]) if len(fields) > 1 else ""
                fields[1:2] = [[_verbatim(self.separators.field, self)], [_verbatim(declared, self)]]
            self.fields = fields
        return fields

    def __len__(self) -> int:
        """The number of the last field."""
        return len(self.parts()) - 1

    def __bool__(self) -> bool:
        return True

    def field(self, number: int) -> list[Repetition]:
        """The repetitions of a field, [] when it is absent or empty."""
        fields = self.parts()
        if number >= len(fields):
            return []
        field = fields[number]
        if type(field) is list:
            return field
        if not field:
            return []
        separators = self.separators
        if type(field) is str and separators.repetition not in field:
            repetitions = [Repetition(field, separators, self)]
        else:
            repetitions = [
                Repetition(part, separators, self)
                for part in split(field, separators.repetition, separators.codec)  # type: ignore[arg-type]
            ]
        fields[number] = repetitions
        return repetitions

    def text(self, number: int, component: int = 1, subcomponent: int = 1, repetition: int = 1) -> str:
        """What a leaf says, "" when absent."""
        fields = self.parts()
        field = fields[number] if number < len(fields) else ""
        separators = self.separators
        if type(field) is str and repetition == 1 and separators.repetition not in field:
            # The common case, without making nodes.
            parts = field.split(separators.component, component)
            part = parts[component - 1] if component <= len(parts) else ""
            if separators.subcomponent in part:
                leaves = part.split(separators.subcomponent)
                part = leaves[subcomponent - 1] if subcomponent <= len(leaves) else ""
            elif subcomponent > 1:
                return ""
            return unescape(part, separators) if separators.escape in part else part
        repetitions = self.field(number)
        return repetitions[repetition - 1].text(component, subcomponent) if repetition <= len(repetitions) else ""

    def add(self, number: int) -> Repetition:
        """A new repetition of a field, empty."""
        fields = self.parts()
        if number >= len(fields):
            fields.extend([""] * (number + 1 - len(fields)))
        field = fields[number]
        if not isinstance(field, list):
            field = self.field(number)
            fields[number] = field
        repetition = Repetition("", self.separators, self)
        field.append(repetition)
        self.modified = True
        return repetition

    def put(self, value: str, number: int, component: int = 1, subcomponent: int = 1, repetition: int = 1) -> None:
        """Say `value` in a leaf."""
        repetitions = self.field(number)
        if len(repetitions) >= repetition:
            found = repetitions[repetition - 1]
        else:
            for _ in range(repetition - len(repetitions)):
                found = self.add(number)
        found.put(value, component, subcomponent)

    def trim(self) -> None:
        """Drop empty repetitions at the end of fields, empty components and empty fields at the end."""
        fields = self.parts()
        for number in range(3 if self.name in HEADERS else 1, len(fields)):
            field = fields[number]
            if isinstance(field, list):
                for repetition in field:
                    repetition.trim()
                while field and not field[-1].filled():
                    field.pop()
        while len(fields) > 1 and not fields[-1]:
            fields.pop()
        self.modified = True

    def raw(self) -> str:
        """The wire text of the segment without its terminator."""
        if not self.modified and self.wire is not None:
            return self.wire if isinstance(self.wire, str) else self.wire.decode(self.separators.codec)
        fields = self.parts()
        texts = [self._field_text(field) for field in fields]
        if self.name in HEADERS:
            texts[1:2] = []
        return self.separators.field.join(texts)

    def _field_text(self, field: Leaf | list[Repetition]) -> str:
        if isinstance(field, list):
            return self.separators.repetition.join(repetition.raw() for repetition in field)
        return field if isinstance(field, str) else field.decode(self.separators.codec)


def _verbatim(text: str, owner: Segment) -> Repetition:
    # MSH-1 and MSH-2 hold separators themselves: they are never taken apart.
    repetition = Repetition(text, owner.separators, owner)
    repetition.components = [[text]]
    return repetition


class Group:
    """A group of segments by its name in the standard (ORDER_OBSERVATION…)."""

    __slots__ = ("children", "name")

    def __init__(self, name: str, children: list[Segment | Group] | None = None) -> None:
        self.name = name
        self.children: list[Segment | Group] = [] if children is None else children

    def __repr__(self) -> str:
        return f"<Group {self.name}>"


def _walk(nodes: list[Segment | Group]) -> Iterator[Segment]:
    for node in nodes:
        if isinstance(node, Segment):
            yield node
        if node.children:
            yield from _walk(node.children)


def _top(nodes: list[Segment | Group]) -> Iterator[Segment]:
    for node in nodes:
        if isinstance(node, Segment):
            yield node
        else:
            yield from _top(node.children)


class Message:
    """A message: its segments (nested once folded), its separators, and the charset name of MSH-18 that was used to read it.

    `received` is what was received, byte for byte; it is written back as long as nothing was changed.
    """

    __slots__ = ("charset", "children", "indexes", "order", "received", "separators")

    def __init__(
        self,
        segments: list[Segment] | None = None,
        separators: Separators = DEFAULT_SEPARATORS,
        charset: str = "UNICODE UTF-8",
        received: bytes | None = None,
    ) -> None:
        self.children: list[Segment | Group] = list(segments or ())
        self.separators = separators
        self.charset = charset
        self.received = received
        self.order: list[Segment] | None = None if received is None else list(segments or ())
        self.indexes: dict[Any, Any] = {}  # of the shape: segments by what their fields say
        seen: dict[str, int] = {}
        for segment in segments or ():
            segment.number = seen[segment.name] = seen.get(segment.name, 0) + 1

    def __repr__(self) -> str:
        return f"<Message of {sum(1 for _ in _walk(self.children))} segments>"

    @property
    def segments(self) -> list[Segment]:
        """Every segment in the order of the message, whatever the nesting."""
        return list(_walk(self.children))

    def segments_at_top(self) -> list[Segment]:
        """The segments that stand under no other segment; groups are transparent."""
        return list(_top(self.children))

    def first(self, name: str) -> Segment | None:
        """The first segment of that name, anywhere."""
        for segment in _walk(self.children):
            if segment.name == name:
                return segment
        return None

    def all(self, name: str) -> list[Segment]:
        """All segments of that name, in order."""
        return [segment for segment in _walk(self.children) if segment.name == name]

    def add(self, name: str) -> Segment:
        """A new segment at the end."""
        segment = Segment(name, self.separators)
        self.children.append(segment)
        self.indexes.clear()
        return segment

    def get(self, path: str) -> str:
        """What a leaf says: `PID-8`, `PID-3[2].4.2`, `OBX[3]-5.1`; "" when absent. Raises ValueError for another form."""
        segment, number, repetition, component, subcomponent = self._located(path)
        return segment.text(number, component, subcomponent, repetition) if segment is not None else ""

    def put(self, path: str, value: str) -> None:
        """Say `value` at a path as `get` takes it. Raises ValueError when there is no such segment."""
        segment, number, repetition, component, subcomponent = self._located(path)
        if segment is None:
            raise ValueError("a path whose segment is in the message")
        segment.put(value, number, component, subcomponent, repetition)
        self.indexes.clear()

    def untouched(self) -> bool:
        """Whether this is still what was received."""
        if self.received is None or self.order is None:
            return False
        segments = self.segments
        return (
            len(segments) == len(self.order)
            and all(a is b for a, b in zip(segments, self.order, strict=True))
            and not any(segment.modified for segment in segments)
        )

    def _located(self, path: str) -> tuple[Segment | None, int, int, int, int]:
        name, occurrence, number, repetition, component, subcomponent = _numbers(path)
        found = self.all(name) if occurrence != 1 else [first] if (first := self.first(name)) is not None else []
        segment = found[occurrence - 1] if 0 < occurrence <= len(found) else None
        return segment, number, repetition, component, subcomponent


@lru_cache(maxsize=512)
def _numbers(path: str) -> tuple[str, int, int, int, int, int]:
    """Segment, its occurrence, field, repetition, component and subcomponent of a path."""
    match = _PATH.match(path)
    if match is None:
        raise ValueError("a path like PID-3[1].4.2")
    name, occurrence, number, repetition, component, subcomponent = match.groups()
    return name, int(occurrence or 1), int(number), int(repetition or 1), int(component or 1), int(subcomponent or 1)
