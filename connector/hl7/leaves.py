"""What a leaf is before anybody reads it: wire text, or a place in the received bytes that is not copied."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

__all__ = ["LARGE", "DamagedText", "Leaf", "Slice", "checked", "split"]

#: A part larger than this (in bytes) is not made a `str` before it is asked for.
LARGE = 16 * 1024
# Tabulation, and the line breaks that a sender's rule may allow inside a large field, are text; nothing else below 20 is.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def checked(text: str) -> str:
    """The text itself. Raises ValueError when it holds control characters (small parts are checked when parsed)."""
    if _CONTROLS.search(text):
        raise ValueError("text without control characters")
    return text


class DamagedText(ValueError):
    """Bytes of a large part are no text of the character set, first at `offset` of what was received. (Small parts are checked when parsed.)"""

    def __init__(self, offset: int) -> None:
        super().__init__("text of the declared character set")
        self.offset = offset


class Slice(NamedTuple):
    """Bytes from `start` to `end` of what was received; nothing is copied."""

    base: bytes
    start: int
    end: int

    def view(self) -> memoryview:
        """The bytes without a copy."""
        return memoryview(self.base)[self.start : self.end]

    def decode(self, codec: str) -> str:
        """The text, one copy. Raises DamagedText."""
        try:
            return str(self.view(), codec)
        except UnicodeDecodeError as error:
            raise DamagedText(self.start + error.start) from None

    def split(self, separator: str, codec: str) -> list[Leaf]:
        """The parts between separators: small ones as `str`, large ones as `Slice`. Raises DamagedText."""
        mark = separator.encode(codec)
        base, start, end = self
        parts: list[Leaf] = []
        while True:
            found = base.find(mark, start, end)
            stop = end if found < 0 else found
            if stop - start > LARGE:
                parts.append(Slice(base, start, stop))
            else:
                parts.append(Slice(base, start, stop).decode(codec))
            if found < 0:
                return parts
            start = found + len(mark)


#: What stands in the tree before it is taken apart: wire text, or a place in the received bytes.
Leaf = str | Slice


def split(leaf: Leaf, separator: str, codec: str) -> list[Any]:
    """The parts of a leaf between separators; one part when the separator is not declared."""
    if not separator:
        return [leaf]
    return leaf.split(separator) if isinstance(leaf, str) else leaf.split(separator, codec)
