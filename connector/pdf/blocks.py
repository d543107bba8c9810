"""What pages are made of. Drawing them takes libraries (`connector.pdf.pages`), of some 40 MB."""

from __future__ import annotations

import msgspec

__all__ = ["Block", "Heading", "Paragraph", "Picture", "UnreadablePicture"]


class UnreadablePicture(ValueError):
    """The bytes are no picture that can be drawn, or one with too many pixels."""


class Heading(msgspec.Struct, frozen=True):
    """A heading."""

    text: str


class Paragraph(msgspec.Struct, frozen=True):
    """A paragraph; line breaks are kept. `note`: small and grey (who wrote, when)."""

    text: str
    note: bool = False


class Picture(msgspec.Struct, frozen=True):
    """A picture (JPEG, PNG, TIFF, HEIC) as wide as it fits, with a line under it."""

    data: bytes
    caption: str = ""


Block = Heading | Paragraph | Picture
