"""Separators of a message and the escape sequences of its texts (HL7 v2.6 §2.5.4 and §2.7), without loss both ways.

Sequences with one meaning are replaced: `\\F\\ \\S\\ \\T\\ \\R\\ \\E\\ \\P\\`, `\\Xdd…\\` when the bytes are text in the message's
character set, and `\\.br\\` (a line break). Every other sequence of the standard's grammar (local `\\Z…\\`, character set
`\\C…\\ \\M…\\`, highlighting, formatting, hexadecimal that is no text) stays in the text as it is and is written back as it is. What does
not even look like a sequence (a lone `\\`) is a plain character and is written back as `\\E\\`.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

__all__ = ["DEFAULT_SEPARATORS", "Separators", "escape", "format_text", "kept_escapes", "unescape"]


class Separators(msgspec.Struct, frozen=True, kw_only=True):
    """MSH-1 and MSH-2 as declared, and the codec of the text (for `\\Xdd\\` and for parts decoded late)."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""
    codec: str = "utf-8"

    @property
    def msh2(self) -> str:
        """The text of MSH-2 in the order of the standard."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


DEFAULT_SEPARATORS = Separators()


class _Table:
    """What one set of separators means: letters of sequences, characters to escape, sequences to keep."""

    def __init__(self, separators: Separators) -> None:
        mark = re.escape(separators.escape)
        special = {
            separators.field: "F",
            separators.component: "S",
            separators.subcomponent: "T",
            separators.repetition: "R",
            separators.escape: "E",
        }
        if separators.truncation:
            special[separators.truncation] = "P"
        self.codec = separators.codec
        self.letters = {letter: character for character, letter in special.items()}
        # Without a declared truncation character `\P\` can only mean the default one (v2.7 §2.5.5.2).
        self.letters.setdefault("P", "#")
        inside = "[^" + "".join(re.escape(c) for c in special) + "\\x00-\\x1f]*"
        body = f"[FSTREP]|X{inside}|Z{inside}|C[0-9A-Fa-f]{{4}}|M[0-9A-Fa-f]{{4,6}}|[HN]|\\.[A-Za-z]{{2}}{inside}"
        self.sequence = re.compile(f"{mark}({body}){mark}")
        self.needed = re.compile("[" + "".join(re.escape(c) for c in special) + "\\x00-\\x08\\x0a-\\x1f\\x7f]")
        self.token = re.compile(f"{mark}(?:{body}){mark}|" + self.needed.pattern)
        self.written = {c: f"{separators.escape}{letter}{separators.escape}" for c, letter in special.items()}
        self.written["\n"] = f"{separators.escape}.br{separators.escape}"
        self.written["\r"] = f"{separators.escape}X0D{separators.escape}"

    def meaning(self, body: str) -> str | None:
        """The text that a sequence stands for, or None when it is kept as it is."""
        if len(body) == 1:
            return self.letters.get(body)
        if body[0] == "X":
            return _hexadecimal(body[1:], self.codec)
        return "\n" if body == ".br" else None


@lru_cache(maxsize=64)
def _table(separators: Separators) -> _Table:
    return _Table(separators)


def _hexadecimal(digits: str, codec: str) -> str | None:
    """Bytes written in hexadecimal as text; None when they are no text (odd, not hexadecimal, control characters)."""
    if not digits or len(digits) % 2 or not digits.isascii() or not digits.isalnum():
        return None
    try:
        text = bytes.fromhex(digits).decode(codec)
    except ValueError:
        return None
    if any((c < " " and c not in "\t\r\n") or "\x7f" <= c <= "\x9f" for c in text):
        return None
    return text


def unescape(text: str, separators: Separators = DEFAULT_SEPARATORS) -> str:
    """The text that a leaf says; sequences without a meaning of their own stay."""
    if separators.escape not in text:
        return text
    table = _table(separators)

    def replace(match: re.Match[str]) -> str:
        meaning = table.meaning(match[1])
        return match[0] if meaning is None else meaning

    return table.sequence.sub(replace, text)


def escape(text: str, separators: Separators = DEFAULT_SEPARATORS) -> str:
    """A leaf that says the text; `unescape` gives it back. Raises ValueError for a control character, which no message may carry."""
    table = _table(separators)
    if table.needed.search(text) is None:
        return text

    def replace(match: re.Match[str]) -> str:
        token = match[0]
        if len(token) > 1:
            if table.meaning(token[1:-1]) is None:
                return token
            # A literal text that looks like a sequence: every escape character of it is escaped.
            return table.written[separators.escape] + token[1:-1] + table.written[separators.escape]
        written = table.written.get(token)
        if written is None:
            raise ValueError("text without control characters")
        return written

    return table.token.sub(replace, text)


def kept_escapes(text: str, separators: Separators = DEFAULT_SEPARATORS) -> int:
    """How many escape sequences or lone escape characters of a leaf stay as they are (highlighting and formatting not counted)."""
    table = _table(separators)
    kept = 0

    def count(match: re.Match[str]) -> str:
        nonlocal kept
        body = match[1]
        kept += body not in {"H", "N"} and body[0] != "." and table.meaning(body) is None
        return ""

    rest = table.sequence.sub(count, text)
    return kept + rest.count(separators.escape)


_SPACES = re.compile(r"\.s([pk])\s*\+?(\d{0,3})$")


def format_text(text: str, separators: Separators = DEFAULT_SEPARATORS) -> tuple[str, bool]:
    """The text of an FT or TX leaf (v2.6 §2.7.6) and whether something was dropped: `\\.br\\`, `\\.sp n\\`, `\\.ce\\` break lines,
    `\\.sk n\\` skips spaces; highlighting, indents and fill modes are dropped."""
    if separators.escape not in text:
        return text, False
    table = _table(separators)
    dropped = False

    def replace(match: re.Match[str]) -> str:
        nonlocal dropped
        body = match[1]
        if (meaning := table.meaning(body)) is not None:
            return meaning
        if spaces := _SPACES.match(body):
            return ("\n" if spaces[1] == "p" else " ") * max(1, int(spaces[2] or 1))
        if body.startswith(".ce"):
            return "\n"
        if body in {"H", "N"} or body[0] == ".":
            dropped = True
            return ""
        return match[0]

    return table.sequence.sub(replace, text), dropped
