"""An exchange with its files beside it: `multipart/form-data` (RFC 7578) as it was received, the boundary being its first line."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["PART", "MultipartRefused", "Part", "is_multipart", "split"]

#: The part that holds the JSON.
PART = "exchange"

_MOST_PARTS = 500
_FIRST = re.compile(rb"--([0-9A-Za-z'()+_,./:=? -]{1,70})\r\n")
_NAME = re.compile(
    r"^content-disposition:\s*form-data\s*;(?:.*;)?\s*name=\"([^\"\r\n]*)\"", re.IGNORECASE | re.MULTILINE
)
_MEDIA = re.compile(r"^content-type:\s*([^\s;]+/[^\s;]+)", re.IGNORECASE | re.MULTILINE)


class MultipartRefused(ValueError):
    """Why the bytes are no form; the words hold no value of them."""


class Part(NamedTuple):
    """One part: its name, its media type ("" when it says none) and its bytes."""

    name: str
    media_type: str
    data: bytes


def is_multipart(raw: bytes) -> bool:
    """Whether the bytes begin with a boundary line."""
    return raw.startswith(b"--")


def split(raw: bytes) -> list[Part]:
    """The parts in order. Raises MultipartRefused."""
    first = _FIRST.match(raw)
    if first is None:
        raise MultipartRefused("a boundary of at most 70 characters on the first line")
    delimiter = b"\r\n--" + first[1]
    parts: list[Part] = []
    start = first.end()
    while True:
        end = raw.find(delimiter, start)
        if end < 0:
            raise MultipartRefused("the closing boundary")
        parts.append(_part(raw, start, end))
        if len(parts) > _MOST_PARTS:
            raise MultipartRefused(f"at most {_MOST_PARTS} parts")
        start = end + len(delimiter)
        if raw.startswith(b"--", start):
            return parts
        if not raw.startswith(b"\r\n", start):
            raise MultipartRefused("a line end after each boundary")
        start += 2


def _part(raw: bytes, start: int, end: int) -> Part:
    head = raw.find(b"\r\n\r\n", start, end)
    if head < 0:
        raise MultipartRefused("headers and an empty line in each part")
    try:
        headers = raw[start:head].decode("utf-8").replace("\r\n ", " ").replace("\r", "")
    except UnicodeDecodeError as error:
        raise MultipartRefused("headers in UTF-8") from error
    name = _NAME.search(headers)
    if name is None:
        raise MultipartRefused('Content-Disposition: form-data; name="…" in each part')
    media = _MEDIA.search(headers)
    return Part(name[1], media[1].lower() if media else "", raw[head + 4 : end])
