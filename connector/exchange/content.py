"""Document bytes in and out of an Exchange: the journal keeps them apart, found again by their SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from msgspec.structs import replace

from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange

__all__ = ["attach", "detach"]


def detach(exchange: Exchange) -> tuple[Exchange, dict[str, bytes]]:
    """The Exchange without the bytes of its documents, and the bytes by SHA-256 (hex). Nothing is copied; equal bytes are kept once."""
    kept: dict[str, bytes] = {}

    def without(content: Content) -> Content:
        if content.data is None:
            return content
        digest = content.sha256 or hashlib.sha256(content.data).hexdigest()
        kept.setdefault(digest, content.data)
        return replace(content, data=None, sha256=digest, size=len(content.data))

    return _each_content(exchange, without), kept


def attach(exchange: Exchange, load: Callable[[str], bytes]) -> Exchange:
    """The Exchange with the bytes that `load` finds by SHA-256; what has bytes already, or no SHA-256, stays. Raises what `load` raises."""

    def with_data(content: Content) -> Content:
        if content.data is not None or content.sha256 is None:
            return content
        return replace(content, data=load(content.sha256))

    return _each_content(exchange, with_data)


def _each_content(exchange: Exchange, change: Callable[[Content], Content]) -> Exchange:
    documents = tuple(_document(document, change) for document in exchange.documents)
    if all(new is old for new, old in zip(documents, exchange.documents, strict=True)):
        return exchange
    return replace(exchange, documents=documents)


def _document(document: Document, change: Callable[[Content], Content]) -> Document:
    content = change(document.content) if document.content is not None else None
    body = change(document.body) if document.body is not None else None
    if content is document.content and body is document.body:
        return document
    return replace(document, content=content, body=body)
