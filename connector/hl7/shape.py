"""The paths of HL7 v2 rules: `PID-3[]`, `PID-5[7=L].1`, `OBX[3.1=DESTDMP]-5.1`, `OBX/PRT[4=prt-role#SB][]`, `*` (the node itself).

A step is a segment (`OBX`) or a field of one (`-5`, its nodes are repetitions); a leaf is a component (`3.4.2` below a segment, `4.2` below
a repetition; `.1` when nothing is said). Inside a predicate the path is relative: `[3.1=X]` of a segment, `[7=L]` of a repetition.

The place of a leaf, one notation everywhere: `PID[1]-3[2].4.2`. A segment is numbered among those of its name in the message (PRT under
OBX too); the repetition is left out when the field has one, the component when the repetition has one, the subcomponent when the
component has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from typing import Any

from connector.exchange.model import Context
from connector.hl7.datatypes import DATATYPES
from connector.hl7.message import Group, Message, Repetition, Segment
from connector.hl7.places import (
    Numbers,
    alone,
    component_of,
    copied,
    copied_repetition,
    copied_segment,
    message_leaves,
    repetition_leaves,
    said,
    segment_leaves,
)
from connector.hl7.structure import arranged
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
from connector.mapping.paths import brackets, parse_predicate, split

__all__ = ["MESSAGE", "Hl7Shape"]

#: The anchor of a mapping of a whole message.
MESSAGE = "message"

_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_PLACES = re.compile(r"\d+(?:\.\d+){0,2}")
_POSITION = re.compile(r"\d+(?:\.\d+)?")
_NODE = Message | Segment | Repetition


def filled(node: Any) -> Container[Any]:
    """The numbers of a segment's fields that say something and the names of the segments below a node."""
    if isinstance(node, Segment):
        there: set[Any] = {number for number, field in enumerate(node.parts()) if field}
        there.update(child.name for child in node.children)
        return there
    return {child.name for child in _children(node)} if isinstance(node, Message) else ()


class Hl7Shape:
    """What the compiler of mappings needs to know of HL7 v2 (mapping.language.Shape)."""

    side = "hl7"
    null: str | None = '""'
    absent: str | None = None
    datatypes: MappingType[str, Datatype] = DATATYPES
    filled: Callable[[Any], Container[Any]] | None = staticmethod(filled)

    def __init__(self) -> None:
        # Codes of `[3=table#CODE]`, learnt when a mapping is compiled: the index of segments is asked with them.
        self._codes: dict[tuple[str, str], str] = {}

    # --- paths

    def parse(self, path: str, anchor: str, *, leaf: bool) -> ParsedPath:
        """Take a path apart. Raises ValueError saying what was expected."""
        if path in {"*", "."}:
            if leaf:
                raise ValueError(f"{path!r} is a node; expected a field, as PID-8")
            return ParsedPath()
        if anchor.startswith("-"):
            return self._below_repetition(path, leaf)
        steps: list[Step] = []
        for index, token in enumerate(split(path, "/")):
            if steps and steps[-1].name.startswith("-"):
                raise ValueError(f"{path!r}: nothing stands below a field")
            steps += self._token(token, anchor if index == 0 else "")
        return _with_leaf(path, steps, leaf)

    def _token(self, token: str, anchor: str) -> list[Step]:
        """`OBX[…]`, `OBX[…]-5[…]`, or a bare field of the anchor (`3.1`, in a predicate)."""
        if _PLACES.fullmatch(token) and _SEGMENT.fullmatch(anchor):
            return [_field(token, [])]
        head, *rest = split(token, "-")
        if len(rest) > 1:
            raise ValueError(f"{token!r}: expected one field at most")
        name, inside = brackets(head)
        if not _SEGMENT.fullmatch(name):
            raise ValueError(f"{name!r}: expected a segment, as PID or PID-3")
        # The anchor's own name without predicates is the node itself.
        steps = [] if name == anchor and not inside else [_step(name, inside)]
        if rest:
            name, inside = _field_brackets(rest[0]) if "[" in rest[0] else (rest[0], [])
            steps.append(_field(name, inside))
        return steps

    def _below_repetition(self, path: str, leaf: bool) -> ParsedPath:
        if not leaf or not _POSITION.fullmatch(path):
            raise ValueError(f"{path!r}: expected a component, as 4 or 4.2")
        return ParsedPath((), Leaf(path))

    # --- walking

    def step(self, step: Step, parent: str) -> StepAccess:
        """Access to segments below a message or segment, or to the repetitions of a field."""
        if step.name.startswith("-"):
            return _field_access(int(step.name[1:]))
        if parent == MESSAGE:
            return self._segment_access(step)
        name = step.name
        return StepAccess(
            lambda node: [child for child in _children(node) if child.name == name], _creator(name), needs=name
        )

    def _segment_access(self, step: Step) -> StepAccess:
        name = step.name
        plain = [
            index for index, predicate in enumerate(step.predicates) if predicate.op == "=" and not predicate.table
        ]
        coded = [predicate for predicate in step.predicates if predicate.op == "=" and predicate.table]
        if plain:
            predicate = step.predicates[plain[0]]
            path, value = predicate.path, predicate.value
            return StepAccess(
                lambda node: _indexed(node, name, path, value), _creator(name), frozenset(plain[:1]), name
            )
        if coded:
            codes, key, path = self._codes, (coded[0].table, coded[0].value), coded[0].path

            def select(node: Any) -> list[Any]:
                code = codes.get(key)
                return _named(node, name) if code is None else _indexed(node, name, path, code)

            return StepAccess(select, _creator(name), needs=name)
        return StepAccess(lambda node: _named(node, name), _creator(name), needs=name)

    def leaf(self, leaf: Leaf, parent: str) -> LeafAccess:
        """Access to a component: `3.4.2` of a segment, `4.2` of a repetition."""
        if parent.startswith("-"):
            return _repetition_leaf(*_numbers(leaf.name, 2))
        return _segment_leaf(*_numbers(leaf.name, 3))

    def coded(self, path: str, table: str, code: str, context: Context) -> list[tuple[str, str, bool]]:
        """Code and system are tested, the label is written. A system with several names in HL7 v2 is written, not tested."""
        if context.table is None:
            raise ValueError(f"no terminology to find {table!r} in")
        found = context.table(table).from_exchange("hl7", code)
        if found is None:
            raise ValueError(f"{code!r} is not in terminology {table!r}")
        self._codes[table, code] = found.code
        parts = [(f"{path}.1", found.code, True)]
        if found.display is not None:
            parts.append((f"{path}.2", found.display, False))
        if found.system is not None:
            systems = context.systems
            known = systems.find(found.system) if systems is not None else None
            parts.append((f"{path}.3", found.system, known is None or len(known.hl7) < 2))
        return parts

    # --- trees

    def new(self, anchor: str) -> Any:
        """An empty message, segment or repetition."""
        if anchor == MESSAGE:
            return Message()
        return Repetition() if anchor.startswith("-") else Segment(anchor)

    def finish(self, tree: Any, structure: str | None) -> Any:
        """Segments in the order of the structure and numbered, empty ones left out, separators at ends trimmed."""
        if isinstance(tree, Message):
            arranged(tree, structure or "")
        elif isinstance(tree, Segment):
            tree.trim()
        return tree

    def traced(
        self, tree: Any, prefix: str = "", make: Callable[[str, tuple[str, ...]], str] = Traced
    ) -> tuple[Any, dict[int, str]]:
        """A deep copy whose leaves are `make(text, (place,))`, and the place of each of its nodes."""
        places: dict[int, str] = {}
        if isinstance(tree, Message):
            copy = Message([], tree.separators, tree.charset)
            copy.children = copied(tree.children, Numbers(), places, make)
            places[id(copy)] = prefix
            return copy, places
        if isinstance(tree, Segment):
            return copied_segment(tree, prefix or f"{tree.name}[1]", Numbers(), places, make), places
        return copied_repetition(tree, prefix, places, make), places

    def place(self, way: Sequence[Located], leaf: str | None) -> str:
        """Spell a place in the notation of `leaves`."""
        place, node = "", None
        for name, number, found in way:
            node = found
            if name.startswith("-"):
                only = alone(found, name) if isinstance(found, Repetition) else number == 1
                place = f"{place}{name}" if only else f"{place}{name}[{number}]"
            else:
                known = found.number if isinstance(found, Segment) else 0
                place = f"{name}[{known or number}]"
        if leaf is None:
            return place
        if isinstance(node, Repetition) or (way and way[-1].name.startswith("-")):
            return place + component_of(node, *_numbers(leaf, 2))
        field, component, subcomponent = _numbers(leaf, 3)
        repetitions = node.field(field) if isinstance(node, Segment) else []
        index = "[1]" if len(repetitions) > 1 else ""
        return f"{place}-{field}{index}{component_of(repetitions[0] if repetitions else None, component, subcomponent)}"

    def leaves(self, tree: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
        """Every filled leaf with its place. MSH-1 and MSH-2 are the notation itself, no content."""
        if isinstance(tree, Message):
            yield from message_leaves(tree.children, Numbers())
        elif isinstance(tree, Segment):
            yield from segment_leaves(tree, prefix or f"{tree.name}[1]")
            yield from message_leaves(tree.children, Numbers())
        elif isinstance(tree, Repetition):
            yield from repetition_leaves(tree, prefix)


def _with_leaf(path: str, steps: list[Step], leaf: bool) -> ParsedPath:
    """The steps, the component behind a field made the leaf."""
    last = steps[-1] if steps else None
    if last is None or not last.name.startswith("-"):
        if leaf:
            raise ValueError(f"{path!r} ends at a segment; expected a field, as {path}-3")
        return ParsedPath(tuple(steps))
    number, _, component = last.name[1:].partition(".")
    field = Step(f"-{number}", None, last.predicates, last.many, last.first)
    if not leaf:
        if component:
            raise ValueError(f"{path!r} ends at a component; expected a field or a segment")
        return ParsedPath((*steps[:-1], field))
    if field.predicates or field.many or field.first:
        return ParsedPath((*steps[:-1], field), Leaf(component or "1"))
    return ParsedPath(tuple(steps[:-1]), Leaf(f"{number}.{component}" if component else number))


def _step(name: str, inside: Sequence[str]) -> Step:
    predicates: list[Predicate] = []
    many = first = False
    for text in inside:
        if many or first:
            raise ValueError(f"{name}: nothing stands behind [] or [1]")
        if text == "":
            many = True
        elif text == "1":
            first = True
        else:
            predicates.append(parse_predicate(text))
    return Step(name, None, tuple(predicates), many, first)


def _field(name: str, inside: Sequence[str]) -> Step:
    if not _PLACES.fullmatch(name):
        raise ValueError(f"{name!r}: expected a field, as 3, 3.4 or 3.4.2")
    return _step(f"-{name}", inside)


def _field_brackets(token: str) -> tuple[str, list[str]]:
    """`5[7=L].1` -> (`5.1`, [`7=L`]): the component stands behind the brackets."""
    number = token[: token.index("[")]
    cut = token.rindex("]") + 1
    _, inside = brackets(token[:cut])
    rest = token[cut:]
    if rest and not re.fullmatch(r"(?:\.\d+){1,2}", rest):
        raise ValueError(f"{token!r}: expected a component behind the brackets, as .1")
    return number + rest, inside


def _numbers(text: str, count: int) -> list[int]:
    numbers = [int(part) for part in text.split(".")]
    return numbers + [1] * (count - len(numbers))


def _children(node: Any) -> Iterator[Segment]:
    """Segments below a node; groups are transparent, the segments below another segment are its own."""
    for child in node.children:
        if isinstance(child, Group):
            yield from _children(child)
        else:
            yield child


def _named(message: Any, name: str) -> list[Any]:
    # Only what was received does not change any more: there the segments of each name are found once.
    if message.received is None:
        return [child for child in _children(message) if child.name == name]
    names: dict[str, list[Any]] | None = message.indexes.get("")
    if names is None:
        names = {}
        message.indexes[""] = names
        for child in _children(message):
            names.setdefault(child.name, []).append(child)
    return names.get(name) or []


def _indexed(message: Any, name: str, path: str, value: str) -> list[Any]:
    """The segments of a name in which a leaf says a value."""
    field, component, subcomponent = _numbers(path, 3)
    if message.received is None:
        return [
            child
            for child in _children(message)
            if child.name == name and child.text(field, component, subcomponent) == value
        ]
    key = (name, path)
    index: dict[str, list[Any]] | None = message.indexes.get(key)
    if index is None:
        index = {}
        message.indexes[key] = index
        for child in _named(message, name):
            index.setdefault(child.text(field, component, subcomponent), []).append(child)
    return index.get(value) or []


def _creator(name: str) -> Callable[[Any], Any]:
    def create(node: Any) -> Any:
        if isinstance(node, Message):
            return node.add(name)
        segment = Segment(name, node.separators)
        node.children.append(segment)
        return segment

    return create


def _field_access(number: int) -> StepAccess:
    return StepAccess(lambda segment: segment.field(number), lambda segment: segment.add(number), needs=number)


def _segment_leaf(field: int, component: int, subcomponent: int) -> LeafAccess:
    def get(segment: Any) -> list[Any]:
        try:
            text = segment.text(field, component, subcomponent)
        except ValueError:
            text = said(segment.field(field)[0], component, subcomponent)
        return [text] if text else []

    def put(segment: Any, value: Any) -> None:
        segment.put(value, field, component, subcomponent)

    return LeafAccess(get, put, field)


def _repetition_leaf(component: int, subcomponent: int) -> LeafAccess:
    def get(repetition: Any) -> list[Any]:
        text = said(repetition, component, subcomponent)
        return [text] if text else []

    def put(repetition: Any, value: Any) -> None:
        repetition.put(value, component, subcomponent)

    return LeafAccess(get, put)
