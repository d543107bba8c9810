"""What a PDF claims to be: its PDF/A part and conformance as its XMP says (ISO 19005-1 §6.7.11). The claim is read, never verified."""

from __future__ import annotations

import re

__all__ = ["pdfa_claim"]

_PART = re.compile(rb"pdfaid:part\s*(?:=\s*[\"']|>)\s*([1-4])")
_CONFORMANCE = re.compile(rb"pdfaid:conformance\s*(?:=\s*[\"']|>)\s*([ABUEFabuef])")
#: XMP stands in one packet; a document is not searched beyond this much of text behind the namespace.
_WINDOW = 4096


def pdfa_claim(data: bytes) -> str | None:
    """`PDF/A-1B`, `PDF/A-3U`, `PDF/A-4`…, or None when the PDF claims nothing (XMP of PDF/A is never compressed)."""
    start = data.find(b"pdfaid:part")
    if start < 0:
        return None
    near = data[max(0, start - _WINDOW) : start + _WINDOW]
    part, conformance = _PART.search(near), _CONFORMANCE.search(near)
    if part is None:
        return None
    return f"PDF/A-{part[1].decode()}{conformance[1].decode().upper() if conformance else ''}"
