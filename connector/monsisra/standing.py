"""Large contents that stay where they stand in what was handed in: long base64 texts of the JSON, parts of a form.

They are hashed piece by piece and never decoded as a whole. A JSON with a 25 MB attachment is then read like a small one, with a mark in the
place of each long text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pybase64
from msgspec.structs import replace

from connector.exchange.content import Standing
from connector.exchange.documents import Content
from connector.exchange.strict_json import JsonRefused, read_json

__all__ = ["LARGE", "Span", "bytes_at", "described", "encoded", "read_apart", "read_whole"]

#: Characters of base64, or bytes of a part, from which a content is left where it stands.
LARGE = 65_536
_PIECE = 1 << 20  # a multiple of 4: each piece of base64 is whole
_BYTES = 3 << 16  # a multiple of 3
_HEAD = 1024  # also a multiple of 4
_DEPTH = 24  # the model's own depth is 9
_SIZE = 256 * 1024 * 1024  # the receiver's limit is met first
# No JSON has a backslash before a quote that opens a text; without one inside, the next quote closes it.
_LONG = re.compile(rb'(?<!\\)"([A-Za-z0-9+/]{%d,}+={0,2})"' % LARGE)
_MARK = "\x00"  # no field can hold it: a mark is never taken for a text of the sender
_WRITTEN = b"\\u0000"


class Span(NamedTuple):
    """Where bytes stand, as base64 or (`plain`) as they are."""

    offset: int
    length: int
    plain: bool = False


def read_whole(raw: bytes | memoryview) -> Any:
    """The JSON's value. Raises JsonRefused."""
    return read_json(raw, depth=_DEPTH, size=_SIZE)


def read_apart(raw: bytes | memoryview) -> tuple[Any, dict[str, Span]]:
    """The JSON's value, and by place ("documents[1].content") the `data` that were taken out of it. Raises JsonRefused, whose places are those
    of the whole text."""
    rest, spans = _apart(raw)
    if not spans:
        return read_whole(raw), {}
    try:
        tree = read_whole(rest)
    except JsonRefused:
        return read_whole(raw), {}
    if not isinstance(tree, dict):
        return tree, {}
    return tree, {place: spans[int(node.pop("data")[1:])] for place, node in list(_marked(tree, "", raw, spans))}


def _apart(raw: bytes | memoryview) -> tuple[bytes, list[Span]]:
    spans: list[Span] = []
    kept: list[bytes | memoryview] = []
    view, end = memoryview(raw), 0
    for found in _LONG.finditer(view):
        start, stop = found.span(1)
        kept += (view[end:start], b"%s%d" % (_WRITTEN, len(spans)))
        spans.append(Span(start, stop - start))
        end = stop
    if not spans:
        return b"", []
    rest = b"".join((*kept, view[end:]))
    return rest, spans if rest.count(_WRITTEN) == len(spans) else []


def _marked(node: Any, place: str, raw: bytes | memoryview, spans: list[Span]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects whose `data` is a mark, with their places; any other marked text is put back."""
    items = node.items() if isinstance(node, dict) else enumerate(node, 1)
    for name, value in list(items):
        if isinstance(value, dict | list):
            inner = f"{place}[{name}]" if isinstance(node, list) else f"{place}.{name}" if place else name
            yield from _marked(value, inner, raw, spans)
        elif isinstance(value, str) and value.startswith(_MARK):
            if name == "data":
                yield place, node
                continue
            offset, length, _ = spans[int(value[1:])]
            node[name if isinstance(node, dict) else name - 1] = str(memoryview(raw)[offset : offset + length], "ascii")


def described(content: Content, raw: bytes | memoryview, span: Span) -> Content:
    """The content with size and hashes of the bytes that stand there, and these bytes only when they are few or must be looked into (a CDA).
    Raises binascii.Error when they are no base64."""
    sha1, sha256, size = hashlib.sha1(usedforsecurity=False), hashlib.sha256(), 0
    for piece in _pieces(raw, span):
        sha1.update(piece)
        sha256.update(piece)
        size += len(piece)
    data = bytes_at(raw, span) if span.length < LARGE or _markup(content, raw, span) else None
    return replace(content, data=data, size=size, sha1=sha1.hexdigest(), sha256=sha256.hexdigest())


def _markup(content: Content, raw: bytes | memoryview, span: Span) -> bool:
    head = bytes_at(raw, span._replace(length=min(span.length, _HEAD))).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head[:1] in b"<" or "xml" in (content.media_type or "")


def bytes_at(raw: bytes | memoryview, span: Span | Standing) -> bytes:
    """The bytes that stand there."""
    view = memoryview(raw)[span.offset : span.offset + span.length]
    return bytes(view) if span.plain else pybase64.b64decode(view, validate=True)


def encoded(data: bytes) -> Iterator[bytes]:
    """The base64 of the bytes, piece by piece."""
    view = memoryview(data)
    for start in range(0, len(view), _BYTES):
        yield pybase64.b64encode(view[start : start + _BYTES])


def _pieces(raw: bytes | memoryview, span: Span) -> Iterator[bytes | memoryview]:
    view = memoryview(raw)[span.offset : span.offset + span.length]
    for start in range(0, len(view), _PIECE):
        piece = view[start : start + _PIECE]
        yield piece if span.plain else pybase64.b64decode(piece, validate=True)
