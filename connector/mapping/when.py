"""The condition of an `only:` rule: a small grammar -> predicate.

    condition = all ("or" all)*        all = one ("and" one)*
    one       = "not" one | "(" condition ")" | "exists" path | path "=" value | path "!=" value | path "in" "(" value ("," value)* ")"

Paths are those of the side that the rule reads from (the format for `only: read`, the Exchange for `only: write`). A value is a word or
stands in single quotes. `=` holds when any value at the path is equal; `!=` when none is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Condition", "parse_condition"]

Getter = Callable[[Any], list[Any]]
Check = Callable[[Any], bool]

_TOKEN = re.compile(r"\s*(?:(?P<mark>!=|=|\(|\)|,)|'(?P<quoted>[^']*)'|(?P<word>(?:\[[^\]]*\]|[^\s=!(),'\[])+))")
_WORDS = ("and", "or", "not", "exists", "in")


class Condition(NamedTuple):
    """A condition ready to test a node, and what it reads, for `explain`."""

    holds: Check
    reads: tuple[Getter, ...]


class _Parser:
    def __init__(self, text: str, path: Callable[[str], Getter]) -> None:
        self.text = text
        self.path = path
        self.reads: list[Getter] = []
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise ValueError(f"condition {text!r}: cannot be read from {text[position:].strip()!r}")
            self.tokens.append((match.lastgroup or "", match[match.lastgroup or 0]))
            position = match.end()
        self.at = 0

    def fail(self, expected: str) -> ValueError:
        found = repr(self.tokens[self.at][1]) if self.at < len(self.tokens) else "the end"
        return ValueError(f"condition {self.text!r}: expected {expected}, found {found}")

    def take(self, kind: str, *texts: str) -> str | None:
        if self.at < len(self.tokens):
            found, text = self.tokens[self.at]
            if found == kind and (not texts or text in texts):
                self.at += 1
                return text
        return None

    def condition(self) -> Check:
        parts = [self.all()]
        while self.take("word", "or"):
            parts.append(self.all())
        return parts[0] if len(parts) == 1 else lambda node: any(part(node) for part in parts)

    def all(self) -> Check:
        parts = [self.one()]
        while self.take("word", "and"):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else lambda node: all(part(node) for part in parts)

    def one(self) -> Check:
        if self.take("word", "not"):
            inner = self.one()
            return lambda node: not inner(node)
        if self.take("mark", "("):
            inner = self.condition()
            if not self.take("mark", ")"):
                raise self.fail("')'")
            return inner
        if self.take("word", "exists"):
            get = self.getter()
            return lambda node: bool(get(node))
        return self.comparison()

    def comparison(self) -> Check:
        get = self.getter()
        if self.take("word", "in"):
            allowed = self.values()
            return lambda node: any(_text(found) in allowed for found in get(node))
        if self.take("mark", "="):
            equal = self.value()
            return lambda node: any(_text(found) == equal for found in get(node))
        if self.take("mark", "!="):
            other = self.value()
            return lambda node: all(_text(found) != other for found in get(node))
        raise self.fail("'=', '!=' or 'in'")

    def getter(self) -> Getter:
        if self.at < len(self.tokens) and self.tokens[self.at][1] in _WORDS:
            raise self.fail("a path")
        word = self.take("word")
        if word is None:
            raise self.fail("a path")
        get = self.path(word)
        self.reads.append(get)
        return get

    def value(self) -> str:
        value = self.take("quoted") or self.take("word")
        if value is None:
            raise self.fail("a value")
        return value

    def values(self) -> frozenset[str]:
        if not self.take("mark", "("):
            raise self.fail("'(' and the values")
        found = [self.value()]
        while self.take("mark", ","):
            found.append(self.value())
        if not self.take("mark", ")"):
            raise self.fail("',' or ')'")
        return frozenset(found)


def _text(value: Any) -> Any:
    return (
        {True: "true", False: "false"}[value]
        if isinstance(value, bool)
        else str(value)
        if isinstance(value, int)
        else value
    )


def parse_condition(text: str, path: Callable[[str], Getter]) -> Condition:
    """The condition as a predicate; `path` compiles a path of the side that is read. ValueError says what was expected."""
    parser = _Parser(text, path)
    holds = parser.condition()
    if parser.at < len(parser.tokens):
        raise parser.fail("the end, 'and' or 'or'")
    return Condition(holds, tuple(parser.reads))
