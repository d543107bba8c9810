"""An exchange with its files beside it: `multipart/form-data` (RFC 7578) as it was received, the boundary being its first line."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["PART", "MultipartRefused", "Part", "is_multipart", "split"]

#: The part that holds the JSON.
PART = "exchange"

_MOST_PARTS = 500
_FIRST = re.compile(rb"--([0-9A-Za-z'()+_,./:=? -]{1,70})\r\n")
_EMPTY_LINE = re.compile(rb"\r\n\r\n")
_NAME = re.compile(
    r"^content-disposition:\s*form-data\s*;(?:.*;)?\s*name=\"([^\"\r\n]*)\"", re.IGNORECASE | re.MULTILINE
)
_MEDIA = re.compile(r"^content-type:\s*([^\s;]+/[^\s;]+)", re.IGNORECASE | re.MULTILINE)


class MultipartRefused(ValueError):
    """Why the bytes are no form; the words hold no value of them."""


class Part(NamedTuple):
    """One part: its name, its media type ("" when it says none), its bytes and where they begin in the form."""

    name: str
    media_type: str
    data: memoryview
    offset: int


def is_multipart(raw: bytes | memoryview) -> bool:
    """Whether the bytes begin with a boundary line."""
    return raw[:2] == b"--"


def split(raw: bytes | memoryview) -> list[Part]:
    """The parts in order, nothing of them copied. Raises MultipartRefused."""
    view = memoryview(raw)
    first = _FIRST.match(view)
    if first is None:
        raise MultipartRefused("a boundary of at most 70 characters on the first line")
    delimiter = re.compile(re.escape(b"\r\n--" + first[1]))  # searches a view, which has no `find`
    parts: list[Part] = []
    start = first.end()
    while True:
        found = delimiter.search(view, start)
        if found is None:
            raise MultipartRefused("the closing boundary")
        parts.append(_part(view, start, found.start()))
        if len(parts) > _MOST_PARTS:
            raise MultipartRefused(f"at most {_MOST_PARTS} parts")
        start = found.end()
        following = bytes(view[start : start + 2])
        if following == b"--":
            return parts
        if following != b"\r\n":
            raise MultipartRefused("a line end after each boundary")
        start += 2


def _part(view: memoryview, start: int, end: int) -> Part:
    head = _EMPTY_LINE.search(view, start, end)
    if head is None:
        raise MultipartRefused("headers and an empty line in each part")
    try:
        headers = str(view[start : head.start()], "utf-8").replace("\r\n ", " ").replace("\r", "")
    except UnicodeDecodeError as error:
        raise MultipartRefused("headers in UTF-8") from error
    name = _NAME.search(headers)
    if name is None:
        raise MultipartRefused('Content-Disposition: form-data; name="…" in each part')
    media = _MEDIA.search(headers)
    return Part(name[1], media[1].lower() if media else "", view[head.end() : end], head.end())
