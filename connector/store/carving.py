"""Where the bytes of an Exchange's documents are: most stand in the raw message or in another document as base64, and are found there again.

So a document is kept once, not three times (message, CDA, PDF inside the CDA); what is nowhere else becomes a content of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from io import BytesIO

import msgspec
import pybase64

from connector.exchange.content import Standing as Part
from connector.exchange.content import each_content
from connector.exchange.documents import Content
from connector.exchange.model import Exchange
from connector.store.content import sha256

__all__ = ["Carved", "Cut", "Part", "attach", "cut_of", "detach"]

#: (offset, length) → the bytes that stand there.
Cut = Callable[[int, int], bytes | memoryview]

_PROBE = 48  # bytes; 64 characters of base64 find the place
_TEXT = 1 << 20  # characters, a multiple of 4: each piece of base64 is whole
_STEP = 48 * 1024  # compared piecewise: no second copy of a large document


class Carved(msgspec.Struct, frozen=True):
    """An Exchange without document bytes, where they are, and those that must be kept as contents of their own."""

    exchange: Exchange
    parts: tuple[Part, ...]
    apart: Mapping[str, bytes]


def detach(raw: bytes | memoryview, exchange: Exchange, standing: Iterable[Part] = ()) -> Carved:
    """Take the document bytes out. The Content keeps or gets its `sha256`, by which `attach` finds them again. `standing`: where contents
    are found already; a view (a large body on the disk) is not searched for others."""
    parts = {part.sha256: part for part in standing}
    whole: tuple[tuple[str, bytes], ...] = (("", raw),) if isinstance(raw, bytes) else ()
    apart: dict[str, bytes] = {}
    digests: dict[int, str] = {}  # of contents met, by identity: a body is looked for in the document around it

    def take(_place: str, content: Content, outer: Content | None) -> Content:
        if content.data is None:
            return content
        digests[id(content)] = digest = content.sha256 or sha256(content.data)
        if digest not in parts:
            holders = whole
            if outer is not None and outer.data is not None:
                holders = ((digests[id(outer)], outer.data), *holders)
            parts[digest] = part = _find(digest, content.data, holders)
            if not part.length:
                apart[digest] = content.data
        return msgspec.structs.replace(content, data=None, sha256=digest)

    return Carved(each_content(exchange, take), tuple(parts.values()), apart)


def cut_of(data: bytes) -> Cut:
    """Pieces of bytes in memory, not copied."""
    return lambda offset, length: memoryview(data)[offset : offset + length]


def attach(raw: Cut, exchange: Exchange, parts: tuple[Part, ...], read: Callable[[str], bytes]) -> Exchange:
    """Give the documents their bytes again; `raw` cuts them out of the raw message, `read` gives a content by digest."""
    where = {part.sha256: part for part in parts}
    found: dict[str, bytes] = {}

    def bytes_of(digest: str) -> bytes:
        if digest not in found:
            part = where[digest]
            if not part.length:
                found[digest] = read(digest)
            else:
                cut = raw if not part.parent else cut_of(bytes_of(part.parent))
                found[digest] = bytes(cut(part.offset, part.length)) if part.plain else _decoded(cut, part)
        return found[digest]

    def fill(_place: str, content: Content, _outer: Content | None) -> Content:
        if content.data is not None or content.sha256 not in where:
            return content
        return msgspec.structs.replace(content, data=bytes_of(content.sha256))

    whole = each_content(exchange, fill) if parts else exchange
    found.clear()  # `bytes_of` calls itself: the cycle would hold the documents until it is collected
    return whole


def _decoded(cut: Cut, part: Part) -> bytes:
    """The bytes of base64, of which never more than a piece is in memory."""
    if part.length <= _TEXT:
        return pybase64.b64decode(cut(part.offset, part.length), validate=True)
    whole, end = BytesIO(), part.offset + part.length
    for start in range(part.offset, end, _TEXT):
        whole.write(pybase64.b64decode(cut(start, min(_TEXT, end - start)), validate=True))
    return whole.getvalue()


def _find(digest: str, data: bytes, holders: tuple[tuple[str, bytes], ...]) -> Part:
    for parent, holder in holders:
        if len(data) < _PROBE or len(holder) < len(data):
            continue
        if holder.startswith(b"--") and (offset := holder.find(data)) >= 0:  # a part of a multipart form
            return Part(digest, parent, offset, len(data), plain=True)
        offset = holder.find(pybase64.b64encode(data[:_PROBE]))
        if offset >= 0 and (length := _same(holder, offset, data)):
            return Part(digest, parent, offset, length)
    return Part(digest)


def _same(holder: bytes, offset: int, data: bytes) -> int:
    """The length of the base64 of `data` when it stands in `holder` at `offset`, else 0."""
    view, position = memoryview(data), offset
    for start in range(0, len(data), _STEP):
        piece = pybase64.b64encode(view[start : start + _STEP])
        if not holder.startswith(piece, position):
            return 0
        position += len(piece)
    return position - offset
