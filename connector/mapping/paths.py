"""The lexer of paths that every Shape shares: steps, predicates, `[]`, `[1]` and `->Type`.

    path  = step (separator step)* leaf?          separator: `/` in HL7 segments and CDA, `.` in FHIR and the Exchange
    step  = name ("->" Type)? predicate* ("[]" | "[1]")?      `[]` and `[1]` may also stand before `->`
    predicate = [p=v] [p:=v] [p=table#CODE] [p!=v] [p=a|b] [p=x*] [p] [!p]       `p` may be empty: the node itself

Everything here raises ValueError with what was expected; the loader adds file and line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from connector.mapping.language import Predicate, Step

__all__ = ["brackets", "closest", "parse_predicate", "parse_step", "parse_steps", "split", "unparse_predicate"]

_TABLE = re.compile(r"([a-z][a-z0-9-]*)#(.+)", re.DOTALL)


def closest(word: str, options: Iterable[str]) -> str:
    """`; did you mean 'x'?` when one of the options is near the word, else an empty string."""
    found = difflib.get_close_matches(word, list(options), 1)
    return f"; did you mean {found[0]!r}?" if found else ""


def split(text: str, separator: str) -> list[str]:
    """Cut a path at a one-character separator that stands outside brackets. ValueError on unbalanced brackets."""
    parts: list[str] = []
    depth = start = 0
    for index, character in enumerate(text):
        if character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:index])
            start = index + 1
        if depth not in (0, 1):
            raise ValueError(f"{text!r}: brackets do not match")
    if depth:
        raise ValueError(f"{text!r}: a '[' is not closed")
    parts.append(text[start:])
    return parts


def brackets(token: str) -> tuple[str, list[str]]:
    """The name in front of the first bracket and the content of each bracket. ValueError when text stands between or after them."""
    name, bracket, rest = token.partition("[")
    found: list[str] = []
    while bracket:
        inside, closing, rest = rest.partition("]")
        if not closing:
            raise ValueError(f"{token!r}: a '[' is not closed")
        if "[" in inside:
            raise ValueError(f"{token!r}: brackets do not nest")
        found.append(inside)
        if not rest:
            break
        if rest[0] != "[":
            raise ValueError(f"{token!r}: {rest!r} stands after a bracket; expected a separator or another '['")
        rest = rest[1:]
    if "]" in name:
        raise ValueError(f"{token!r}: a ']' is not opened")
    return name, found


def parse_predicate(text: str) -> Predicate:
    """The content of one bracket, neither empty nor `1`. ValueError says what was expected."""
    equal = text.find("=")
    if equal < 0:
        negated = text.startswith("!")
        path = text[1:] if negated else text
        if path.isdigit() and not negated:
            raise ValueError(f"[{text}]: only [1] is an index; to test that {text} is filled write [{text}.1]")
        if not path:
            raise ValueError(f"[{text}]: expected a path, path=value or path:=value")
        return Predicate(path, "absent" if negated else "exists")
    value = text[equal + 1 :]
    marker = text[equal - 1] if equal else ""
    if marker in (":", "!"):
        path, op = text[: equal - 1], marker + "="
    else:
        path, op = text[:equal], "="
    if path.startswith("!"):
        raise ValueError(f"[{text}]: write [{path[1:]}!={value}] to test that a value differs")
    if not value:
        raise ValueError(f"[{text}]: a value is missing after {op!r}; write [{path}] for filled, [!{path}] for empty")
    coded = _TABLE.fullmatch(value)
    if op == "=":
        return _equality(text, path, value, coded)
    if coded and op == "!=":
        raise ValueError(f"[{text}]: {op!r} takes a plain value, not table#CODE")
    return Predicate(path, op, coded[2], coded[1]) if coded else Predicate(path, op, value)


def _equality(text: str, path: str, value: str, coded: re.Match[str] | None) -> Predicate:
    if coded:
        if "|" in coded[2] or coded[2].endswith("*"):
            raise ValueError(f"[{text}]: table#CODE names one code; '|' and '*' take plain values")
        return Predicate(path, "=", coded[2], coded[1])
    if "|" in value:
        if not all(value.split("|")):
            raise ValueError(f"[{text}]: a value is missing beside '|'")
        return Predicate(path, "in", value)
    if value.endswith("*"):
        return Predicate(path, "prefix", value[:-1])
    return Predicate(path, "=", value)


def unparse_predicate(predicate: Predicate) -> str:
    """The predicate as it is written in a rule, with its brackets."""
    value = f"{predicate.table}#{predicate.value}" if predicate.table else predicate.value
    match predicate.op:
        case "exists":
            return f"[{predicate.path}]"
        case "absent":
            return f"[!{predicate.path}]"
        case "in":
            return f"[{predicate.path}={value}]"
        case "prefix":
            return f"[{predicate.path}={value}*]"
        case _:
            return f"[{predicate.path}{predicate.op}{value}]"


def parse_step(token: str) -> Step:
    """One step. The name is not judged here (a Shape knows its names). ValueError on bad brackets or an empty name."""
    head, arrow, reference = _arrow(token)
    name, found = brackets(head)
    if arrow:
        if any(text not in ("", "1") for text in found):
            raise ValueError(f"{token!r}: predicates stand after '->{reference}', they test the target")
        reference, behind = brackets(reference)
        if not reference:
            raise ValueError(f"{token!r}: a type is missing after '->'")
        found += behind
    if not name:
        raise ValueError(f"{token!r}: a name is missing")
    many, first = "" in found, "1" in found
    if found.count("") + found.count("1") > 1:
        raise ValueError(f"{token!r}: one [] or [1] a step")
    predicates = tuple(parse_predicate(text) for text in found if text not in ("", "1"))
    return Step(name, reference if arrow else None, predicates, many, first)


def _arrow(token: str) -> tuple[str, bool, str]:
    """Cut at the `->` that stands outside brackets."""
    depth = 0
    for index, character in enumerate(token):
        if character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
        elif character == "-" and depth == 0 and token.startswith("->", index):
            return token[:index], True, token[index + 2 :]
    return token, False, ""


def parse_steps(text: str, separator: str) -> tuple[Step, ...]:
    """Every step of a path, also the last: a Shape makes the last one a Leaf where it ends at a value.

    ValueError on an empty path, unbalanced brackets, an empty step, and more than one `[]`.
    """
    if not text:
        raise ValueError("the path is empty")
    steps = tuple(parse_step(token) for token in split(text, separator))
    if sum(step.many for step in steps) > 1:
        raise ValueError(f"{text!r}: at most one [] a path; use another mapping (`use`) for the inner list")
    return steps
