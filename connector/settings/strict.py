"""Strict YAML: every scalar is a string, no alias, no tag, no duplicate key, one document; each place keeps its line.

`NO`, `012`, `12:30` and dates stay what was typed; the settings' models say what each text must be.
"""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["Located", "StrictYamlError", "strict_yaml"]

_DEPTH = 32


class StrictYamlError(Exception):
    """One mistake of a YAML text with its line (1-based)."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


class Located:
    """The data of a YAML text (dicts, lists, strings, None) and the line of each place."""

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
    lines: dict[tuple[str | int, ...], int] = {}
    try:
        for event in yaml.parse(text, Loader=_loader()):
            _no_reference(event)
        node = yaml.compose(text, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise StrictYamlError(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise StrictYamlError(1, "not YAML: a character that YAML does not allow") from error
    return Located(_data(node, (), lines) if node is not None else {}, lines)


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _no_reference(event: Any) -> None:
    """Aliases are refused before anything is built: an alias bomb never gets to expand."""
    line = event.start_mark.line + 1
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise StrictYamlError(line, "anchors and aliases are not used here")
    if getattr(event, "tag", None) and not isinstance(event, yaml.DocumentStartEvent):
        raise StrictYamlError(line, "tags (!…) are not used here")


def _data(node: Any, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if len(path) > _DEPTH:
        raise StrictYamlError(line, f"nested deeper than {_DEPTH}")
    if isinstance(node, yaml.SequenceNode):
        return [_data(item, (*path, index), lines) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if node.style is None and node.value in ("", "~", "null"):
        return None
    return node.value


def _mapping(node: Any, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise StrictYamlError(line, "a key is a plain word")
        if key.value in data:
            first = lines[(*path, key.value)]
            raise StrictYamlError(line, f"key {key.value!r} given twice (first in line {first})")
        lines[(*path, key.value)] = line
        data[key.value] = _data(value, (*path, key.value), lines)
    return data
