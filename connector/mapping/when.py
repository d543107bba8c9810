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

__all__ = ["Check", "Condition", "Getter", "Guard", "as_text", "parse_condition"]

Getter = Callable[[Any], list[Any]]
Check = Callable[[Any], bool]

_TOKEN = re.compile(r"\s*(?:(?P<mark>!=|=|\(|\)|,)|'(?P<quoted>[^']*)'|(?P<word>(?:\[[^\]]*\]|[^\s=!(),'\[])+))")
_WORDS = ("and", "or", "not", "exists", "in")


class Guard(NamedTuple):
    """What a condition wants of one place: its text one of these values (`among`), or none of them. `whole`: it wants nothing else."""

    path: str
    get: Getter
    values: frozenset[str]
    among: bool
    whole: bool

    def allows(self, text: str | None) -> bool:
        """Whether it is content with this text (None: nothing stands there)."""
        return (text in self.values) is self.among


class Condition(NamedTuple):
    """A condition ready to test a node, what it reads, for `explain`, and what it wants first."""

    holds: Check
    reads: tuple[Getter, ...]
    guard: Guard | None


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

    def condition(self) -> tuple[Check, Guard | None]:
        parts = [self.all()]
        while self.take("word", "or"):
            parts.append(self.all())
        if len(parts) == 1:
            return parts[0]
        checks = [check for check, _ in parts]
        return lambda node: any(check(node) for check in checks), None

    def all(self) -> tuple[Check, Guard | None]:
        parts = [self.one()]
        while self.take("word", "and"):
            parts.append(self.one())
        (first, guard), *rest = parts
        if not rest:
            return first, guard
        others = tuple(check for check, _ in rest)
        return lambda node: first(node) and all(check(node) for check in others), guard and guard._replace(whole=False)

    def one(self) -> tuple[Check, Guard | None]:
        if self.take("word", "not"):
            inner, guard = self.one()
            denied = guard._replace(among=not guard.among) if guard is not None and guard.whole else None
            return lambda node: not inner(node), denied
        if self.take("mark", "("):
            grouped = self.condition()
            if not self.take("mark", ")"):
                raise self.fail("')'")
            return grouped
        if self.take("word", "exists"):
            _, get = self.getter()
            return lambda node: bool(get(node)), None
        return self.comparison()

    def comparison(self) -> tuple[Check, Guard | None]:
        path, get = self.getter()
        if self.take("word", "in"):
            return _comparison(Guard(path, get, self.values(), among=True, whole=True))
        if self.take("mark", "="):
            return _comparison(Guard(path, get, frozenset({self.value()}), among=True, whole=True))
        if self.take("mark", "!="):
            return _comparison(Guard(path, get, frozenset({self.value()}), among=False, whole=True))
        raise self.fail("'=', '!=' or 'in'")

    def getter(self) -> tuple[str, Getter]:
        if self.at < len(self.tokens) and self.tokens[self.at][1] in _WORDS:
            raise self.fail("a path")
        word = self.take("word")
        if word is None:
            raise self.fail("a path")
        get = self.path(word)
        self.reads.append(get)
        return word, get

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


def _comparison(guard: Guard) -> tuple[Check, Guard]:
    get, values = guard.get, guard.values

    def among(node: Any) -> bool:
        found = get(node)
        return bool(found) and any(as_text(each) in values for each in found)

    return (among if guard.among else lambda node: not among(node)), guard


def as_text(value: Any) -> Any:
    """A value as a condition writes it."""
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def parse_condition(text: str, path: Callable[[str], Getter]) -> Condition:
    """The condition as a predicate; `path` compiles a path of the side that is read. ValueError says what was expected."""
    parser = _Parser(text, path)
    holds, guard = parser.condition()
    if parser.at < len(parser.tokens):
        raise parser.fail("the end, 'and' or 'or'")
    return Condition(holds, tuple(parser.reads), guard)
