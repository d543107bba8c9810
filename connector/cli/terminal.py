"""What a command writes: French or English for people, JSON for scripts; colour only where there is a terminal.

Nothing of a message is written here unless the command was asked to show it (convert, explain, journal show).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import msgspec

from connector.cli.texts import translate

__all__ = ["Refused", "Terminal", "plain", "visible"]

_WIDE = 200


class Refused(Exception):
    """The command was understood and its answer is no (exit code 1). `reasons`: one sentence each, `details` for JSON."""

    def __init__(self, reasons: Iterable[str], details: Any = None) -> None:
        self.reasons = tuple(reasons)
        self.details = details
        super().__init__("\n".join(self.reasons))


class Terminal(msgspec.Struct):
    """Where and how a command speaks."""

    language: str = "en"
    as_json: bool = False
    debug: bool = False

    def text(self, sentence: str, **names: object) -> str:
        """The sentence in the language of the command; English sentences are the catalogue's keys."""
        return translate(sentence, self.language).format(**names) if names else translate(sentence, self.language)

    def say(self, sentence: str, **names: object) -> None:
        """One line for people; nothing in JSON mode."""
        if not self.as_json:
            self.write(self.text(sentence, **names))

    def note(self, sentence: str, **names: object) -> None:
        """One line beside the result, on the error stream."""
        sys.stderr.write(self.text(sentence, **names) + "\n")
        sys.stderr.flush()

    def write(self, line: str) -> None:
        """A line as it is."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def result(self, value: Any, draw: Callable[[], None]) -> None:
        """The result: JSON, or drawn for people."""
        if self.as_json:
            self.write(json.dumps(plain(value), ensure_ascii=False, indent=None if isinstance(value, list) else 2))
        else:
            draw()

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "") -> None:
        """A table; long cells are folded, control characters are shown as symbols."""
        from rich import box  # 20 ms that only those who draw pay
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(
            title=title or None, title_justify="left", header_style="bold", pad_edge=False, box=box.SIMPLE_HEAD
        )
        for column in columns:
            drawn.add_column(self.text(column), overflow="fold")
        for row in rows:
            drawn.add_row(*(Text(visible(cell)) for cell in row))
        # A file or a pipe has no width to fold to.
        Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE).print(drawn)

    def refuse(self, reasons: Iterable[str], details: Any = None) -> NoReturn:
        """End with exit code 1 and the reasons."""
        raise Refused(reasons, details)


def plain(value: Any) -> Any:
    """Data of msgspec structs, bytes as text when they are some, else their length."""
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return {"bytes": len(data)}
    if isinstance(value, msgspec.Struct):
        return {field: plain(getattr(value, field)) for field in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def visible(text: str) -> str:
    """Control and direction characters made visible, so that a message cannot move the cursor or turn the reading direction (C11, K08)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character == "\n" else _shown(character) for character in text)


def _shown(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if (
        code in (0x7F, 0xFEFF)
        or 0x80 <= code < 0xA0
        or 0x200B <= code <= 0x200F
        or 0x202A <= code <= 0x202E
        or 0x2060 <= code <= 0x2069
    ):
        return f"<U+{code:04X}>"
    return character
