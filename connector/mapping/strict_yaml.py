"""YAML as this project reads it: text, lists and tables of text, each with its line.

No anchors, aliases, tags, duplicate keys or empty values; `NO`, `012`, `12:30` and dates stay the text that was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from connector.mapping.language import MappingError

__all__ = ["Item", "documents"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEPTH = 6


class Item(msgspec.Struct, frozen=True):
    """A YAML value with its place `file:line`: `value` is a str, a list of Items, or a dict of str to Item."""

    place: str
    value: Any

    @property
    def kind(self) -> str:
        """What it is, for a message."""
        return "a list" if isinstance(self.value, list) else "a table" if isinstance(self.value, dict) else "text"

    def text(self, what: str) -> str:
        """The text. MappingError when it is a list or a table."""
        if not isinstance(self.value, str):
            raise MappingError(self.place, f"{what} must be text, not {self.kind}")
        return self.value

    def items(self, what: str) -> list[Item]:
        """The list. MappingError when it is something else."""
        if not isinstance(self.value, list):
            raise MappingError(self.place, f"{what} must be a list, not {self.kind}")
        return self.value

    def table(self, what: str) -> dict[str, Item]:
        """The table. MappingError when it is something else."""
        if not isinstance(self.value, dict):
            raise MappingError(self.place, f"{what} must be a table of keys and values, not {self.kind}")
        return self.value


class _Reader:
    """Builds Items from the events of one file."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))

    def place(self, event: Any) -> str:
        return f"{self.name}:{event.start_mark.line + 1}"

    def documents(self) -> Iterator[Item]:
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                first = next(self.events)
                if not (isinstance(first, yaml.ScalarEvent) and first.value == ""):
                    yield self.item(first, 0)

    def item(self, event: Any, depth: int) -> Item:
        place = self.place(event)
        if isinstance(event, yaml.AliasEvent):
            raise MappingError(place, f"an alias (*{event.anchor}) is not allowed; repeat the text, or use `extends`")
        if event.anchor is not None:
            raise MappingError(place, f"an anchor (&{event.anchor}) is not allowed; repeat the text, or use `extends`")
        if event.tag is not None and event.tag != "!":
            raise MappingError(place, f"a tag ({event.tag}) is not allowed: every value is text")
        if depth > _DEPTH:
            raise MappingError(place, f"nested more than {_DEPTH} levels deep")
        if isinstance(event, yaml.ScalarEvent):
            if event.value == "" and event.implicit[0]:
                raise MappingError(place, 'a value is missing; leave the key out, or write "" for an empty text')
            return Item(place, event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return Item(place, list(self.sequence(depth)))
        return Item(place, self.mapping(depth))

    def sequence(self, depth: int) -> Iterator[Item]:
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            yield self.item(event, depth + 1)

    def mapping(self, depth: int) -> dict[str, Item]:
        found: dict[str, Item] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.item(event, depth + 1)
            name = key.text("a key")
            value = self.item(next(self.events), depth + 1)
            if name in found:
                raise MappingError(
                    key.place, f"key {name!r} stands twice (first on line {found[name].place.rpartition(':')[2]})"
                )
            found[name] = value
        return found


def documents(name: str, text: str) -> list[Item]:
    """The documents of a file (separated by `---`). MappingError with file and line on anything that is not allowed."""
    try:
        return list(_Reader(name, text.removeprefix("\ufeff")).documents())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 1 if mark is not None else text.count("\n", 0, getattr(error, "position", 0) or 0) + 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
        raise MappingError(f"{name}:{line}", f"YAML: {problem}") from error
