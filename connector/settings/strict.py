"""A settings file as data with the line of each place: the strict YAML of the mappings (every value is text, no alias, no tag)."""

from __future__ import annotations

from typing import Any

from connector.mapping.language import MappingError
from connector.mapping.strict_yaml import Item, documents

__all__ = ["Located", "StrictYamlError", "strict_yaml"]


class StrictYamlError(Exception):
    """One mistake of a YAML text with its line (1-based)."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


class Located:
    """The data of a YAML text (dicts, lists, strings) and the line of each place."""

    __slots__ = ("data", "lines")

    def __init__(self, data: Any, lines: dict[tuple[str | int, ...], int]) -> None:
        self.data = data
        self.lines = lines

    def line(self, path: tuple[str | int, ...]) -> int:
        """The line of a place, or of the nearest one above it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def strict_yaml(text: str) -> Located:
    """Read one document. Raises StrictYamlError at the first thing that YAML itself or the strictness refuses."""
    try:
        found = documents("", text)
    except MappingError as error:
        raise StrictYamlError(_line(error.place), error.text) from error
    if len(found) > 1:
        raise StrictYamlError(_line(found[1].place), "a settings file is one document; a second one begins here")
    lines: dict[tuple[str | int, ...], int] = {(): 1}
    return Located(_data(found[0], (), lines) if found else {}, lines)


def _line(place: str) -> int:
    return int(place.rpartition(":")[2])


def _data(item: Item, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]) -> Any:
    lines[path] = _line(item.place)
    if isinstance(item.value, list):
        return [_data(inner, (*path, index), lines) for index, inner in enumerate(item.value)]
    if isinstance(item.value, dict):
        return {key: _data(inner, (*path, key), lines) for key, inner in item.value.items()}
    return item.value
