"""Pages of text, tables and pictures as PDF/A-1b: embedded fonts, sRGB output intent, XMP; the patient and the page number on every page.

The same input gives the same bytes: the moment of creation is the one that is given. fpdf2 draws; its fonts are Source Sans.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.resources import files
from xml.sax.saxutils import escape

from fpdf import FPDF
from fpdf.enums import DocumentCompliance, XPos, YPos
from PIL import Image, UnidentifiedImageError

from connector.pdf.blocks import Block, Heading, Paragraph, Picture, UnreadablePicture

__all__ = ["pages"]

_FONT = "source"
_PRODUCER = "MonSisra connector"
#: ISO 19005-1 §6.7: what the document information says, and what the file claims to be.
_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/"
 xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreateDate="{created}" pdf:Producer="{producer}">
<pdfaid:part>1</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
_GREY = (90, 90, 90)
_MARGIN = 18.0  # mm
#: Nobody's photo has more; a picture that unfolds to gigabytes is refused before it does.
_PIXELS = 100_000_000


def pages(title: str, patient: str, blocks: Iterable[Block], *, created: datetime, language: str = "fr") -> bytes:
    """The PDF. `patient` stands on every page with the page number. Raises UnreadablePicture naming the picture's place among the blocks."""
    sheet = _Sheet(title, patient)
    try:
        sheet.set_creation_date(created)
        sheet.set_lang(language)
        sheet.set_title(title)
        sheet.set_producer(_PRODUCER)
        # fpdf2's own XMP says when it was drawn: the same input would give other bytes a second later.
        sheet.set_xmp_metadata(
            _XMP.format(
                created=created.astimezone(UTC).isoformat(timespec="seconds"), producer=_PRODUCER, title=escape(title)
            )
        )
        sheet.add_page()
        sheet.said(title, size=16, bold=True)
        sheet.ln(2)
        for number, block in enumerate(blocks, 1):
            try:
                sheet.block(block)
            except UnreadablePicture as error:
                raise UnreadablePicture(f"block {number}: {error}") from error
        return bytes(sheet.output())
    finally:
        for font in sheet.fonts.values():
            font.ttfont.close()  # type: ignore[union-attr]  # ours are TTF; fpdf2 leaves their files open


class _Sheet(FPDF):
    """A4 pages with the patient above and the page number below."""

    def __init__(self, title: str, patient: str) -> None:
        super().__init__(unit="mm", format="A4", enforce_compliance=DocumentCompliance.PDFA_1B)
        self._patient = patient
        self._about = title
        folder = files("font_source_sans_pro") / "files"
        self.add_font(_FONT, "", str(folder / "SourceSansPro-Regular.ttf"))
        self.add_font(_FONT, "B", str(folder / "SourceSansPro-Bold.ttf"))
        self.set_margins(_MARGIN, _MARGIN, _MARGIN)
        self.set_auto_page_break(auto=True, margin=_MARGIN + 4)

    def header(self) -> None:
        """The patient, on every page."""
        self._grey(9)
        self.cell(0, 5, self._patient, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.line(_MARGIN, self.get_y() + 1, self.w - _MARGIN, self.get_y() + 1)
        self.ln(5)

    def footer(self) -> None:
        """What it is, and page n of m."""
        self.set_y(-_MARGIN)
        self._grey(8)
        half = (self.w - 2 * _MARGIN) * 0.8
        self.cell(half, 5, _shortened(self._about, 90))
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="R")

    def block(self, block: Block) -> None:
        """Draw one block."""
        if isinstance(block, Heading):
            self.ln(3)
            self.said(block.text, size=12, bold=True)
        elif isinstance(block, Paragraph):
            self.said(block.text, size=9 if block.note else 10.5, grey=block.note)
        else:
            self._picture(block)

    def said(self, text: str, *, size: float, bold: bool = False, grey: bool = False) -> None:
        """Lines of text over the whole width."""
        self.set_font(_FONT, "B" if bold else "", size)
        self.set_text_color(*(_GREY if grey else (0, 0, 0)))
        self.multi_cell(0, size * 0.5, self._drawable(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)

    def _drawable(self, text: str) -> str:
        """A character that the font lacks is drawn as a box with its code: nothing is lost silently, and PDF/A asks for a glyph."""
        known = self.fonts[f"{_FONT}B" if "B" in self.font_style else _FONT].cmap  # type: ignore[union-attr]  # a TTF font has one
        return "".join(each if each in "\n\t" or ord(each) in known else f"[U+{ord(each):04X}]" for each in text)

    def _picture(self, block: Picture) -> None:
        image = _opened(block.data)
        width, room = self.w - 2 * _MARGIN, self.h - 2 * _MARGIN - 30
        scale = min(width / image.width, room / image.height, 25.4 / 96)
        wide, high = image.width * scale, image.height * scale
        if self.will_page_break(high + 8):
            self.add_page()
        self.image(image, w=wide, h=high)
        if block.caption:
            self.said(block.caption, size=9, grey=True)

    def _grey(self, size: float) -> None:
        self.set_font(_FONT, "", size)
        self.set_text_color(*_GREY)


def _opened(data: bytes) -> Image.Image:
    """The picture upright, in RGB, on white where it is transparent (PDF/A-1 knows no transparency)."""
    from PIL import ImageOps

    if data[4:8] == b"ftyp":
        import pi_heif  # type: ignore[import-untyped]  # a photo of a telephone

        pi_heif.register_heif_opener()
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > _PIXELS:
            raise UnreadablePicture(f"more than {_PIXELS} pixels")
        upright = ImageOps.exif_transpose(image)
    except UnreadablePicture:
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadablePicture("not a picture that can be read") from error
    if upright.mode in ("RGB", "L"):
        return upright
    white = Image.new("RGBA", upright.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, upright.convert("RGBA")).convert("RGB")


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
