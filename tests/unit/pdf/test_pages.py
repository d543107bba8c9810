"""Pages that we make: the same input gives the same bytes, nothing is lost silently, and pictures that lie are refused."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest
from PIL import Image

from connector.pdf.blocks import Heading, Paragraph, Picture, UnreadablePicture
from connector.pdf.claim import pdfa_claim
from connector.pdf.pages import pages

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def picture(kind: str, mode: str = "RGB") -> bytes:
    made = io.BytesIO()
    Image.new(mode, (40, 30), 1 if mode == "1" else None or 0).save(made, kind)
    return made.getvalue()


def made(*blocks: Heading | Paragraph | Picture) -> bytes:
    return pages("Synthèse", "ESSAI-SEPT HENRI, né le 02/03/1952", blocks, created=NOW)


def test_the_same_input_gives_the_same_bytes() -> None:
    blocks = (Heading("Échanges"), Paragraph("Cœur, Noël, 12 €"), Picture(picture("PNG")))
    assert made(*blocks) == made(*blocks)


def test_no_clock_is_read() -> None:
    data = made(Paragraph("a"))
    assert re.findall(rb'xmp:(\w+Date)="([^"]+)"', data) == [(b"CreateDate", b"2026-11-24T10:00:00+00:00")]


def test_it_claims_what_it_is() -> None:
    data = made(Paragraph("a"))
    assert data.startswith(b"%PDF-1.4")
    assert pdfa_claim(data) == "PDF/A-1B"


@pytest.mark.parametrize(
    ("data", "claim"),
    [
        (b"%PDF-1.4\n%%EOF", None),
        (b"<pdfaid:part>3</pdfaid:part><pdfaid:conformance>U</pdfaid:conformance>", "PDF/A-3U"),
        (b"<x pdfaid:part='1' pdfaid:conformance=\"b\"/>", "PDF/A-1B"),
        (b'<x pdfaid:part="4"/>', "PDF/A-4"),
        (b"pdfaid:part without a number", None),
    ],
)
def test_a_claim_is_read_in_both_notations_of_xmp(data: bytes, claim: str | None) -> None:
    assert pdfa_claim(data) == claim


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("JPEG", "RGB"), ("TIFF", "L"), ("JPEG", "CMYK")]
)
def test_every_kind_of_picture_is_drawn_without_transparency(kind: str, mode: str) -> None:
    data = made(Picture(picture(kind, mode), "Photo"))
    assert b"/Image" in data
    assert b"/SMask" not in data


def test_a_broken_photo_of_a_telephone_is_refused() -> None:
    with pytest.raises(UnreadablePicture, match="block 1"):
        made(Picture(b"\0\0\0\x18ftypheic" + b"\0" * 40))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n" + b"\0" * 30, b"\xff\xd8\xff\xe0cut"])
def test_what_is_no_picture_is_refused_with_its_place(data: bytes) -> None:
    with pytest.raises(UnreadablePicture, match="block 2"):
        made(Paragraph("a"), Picture(data))


def test_a_bomb_is_refused_before_it_unfolds() -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    with pytest.raises(UnreadablePicture, match=r"pixels|read"):
        made(Picture(bomb.getvalue()))
