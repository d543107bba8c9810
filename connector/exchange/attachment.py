"""The bytes of a document, a photo or a result."""

from __future__ import annotations

from connector.exchange.people import Model

__all__ = ["Content"]


class Content(Model, frozen=True):
    """The bytes of a document, exactly as given, or where they are kept.

    `data` is in memory only: the journal keeps an Exchange without it and finds the bytes again by `sha256` (hex).
    `sha1` (hex) and `size` are what XDS and FHIR ask for. `media_type` is what the bytes are.
    """

    media_type: str | None = None
    data: bytes | None = None
    size: int | None = None
    sha1: str | None = None
    sha256: str | None = None
