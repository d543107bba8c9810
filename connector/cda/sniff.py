"""What bytes are, by their first bytes: a body that is not of its declared type is refused, whatever its name says."""

from __future__ import annotations

__all__ = ["BODY_TYPES", "agrees", "extension", "media_type_of", "sniff"]

#: Media types of an unstructured CI-SIS body (CDA N1) → the usual file extension.
BODY_TYPES = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/rtf": "rtf",
    "image/jpeg": "jpg",
    "image/tiff": "tif",
}
_OTHER_EXTENSIONS = {
    "text/xml": "xml", "application/xslt+xml": "xml", "image/png": "png", "image/heic": "heic", "application/zip": "zip",
}  # fmt: skip
_SAME = {
    "application/xml": "text/xml", "application/hl7-v3+xml": "text/xml", "application/xslt+xml": "text/xml", "application/cda+xml": "text/xml",
    "application/rtf": "text/rtf", "image/jpg": "image/jpeg", "image/tif": "image/tiff",
    "image/heif": "image/heic",
}  # fmt: skip

_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"{\\rtf", "text/rtf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"MZ", "application/vnd.microsoft.portable-executable"),
    (b"\x7fELF", "application/x-elf"),
    (b"\xca\xfe\xba\xbe", "application/java-vm"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xd0\xcf\x11\xe0", "application/x-ole-storage"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!", "application/vnd.rar"),
    (b"#!", "application/x-sh"),
)
#: Brands of ISO 23008-12 (HEIF) whose pictures are HEVC, as telephones make them.
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_BOM = b"\xef\xbb\xbf"
_CONTROL = bytes(set(range(32)) - {9, 10, 12, 13})


def sniff(data: bytes) -> str:
    """The media type that the first bytes show: one of `BODY_TYPES`, `text/xml` (also a CDA), `text/html`, an archive, a program,
    or `application/octet-stream` when nothing is recognised. Only the first kilobyte is looked at."""
    head = bytes(data[:1024])
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        return "image/heic"
    if b"%PDF-" in head:  # ISO 32000-1, Annex H.3.4.1: within the first 1024 bytes
        return "application/pdf"
    text = head.removeprefix(_BOM).lstrip()
    lower = text[:256].lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return "text/html"
    if lower.startswith(b"<?xml") or (lower[:1] == b"<" and lower[1:2].isalpha()):
        # XHTML also begins like XML.
        return "text/html" if b"<html" in lower else "text/xml"
    if head and len(head) == len(head.translate(None, _CONTROL)):
        return "text/plain"
    return "application/octet-stream"


def agrees(declared: str, data: bytes) -> bool:
    """Whether bytes can be what their declared type says. A type that we cannot recognise agrees unless the bytes are a program,
    an archive or a page; plain text may hold what looks like XML."""
    wanted = _bare(declared)
    found = sniff(data)
    if wanted == found:
        return True
    if wanted == "text/plain":
        return found == "text/xml"
    known = wanted in BODY_TYPES or wanted in (
        "text/xml",
        "text/html",
        "image/png",
        "image/heic",
        "image/gif",
        "application/zip",
    )
    return not known and found in ("application/octet-stream", "text/plain", "text/xml")


def extension(media_type: str | None) -> str:
    """The file extension of a media type, `bin` when there is none we know."""
    wanted = _bare(media_type or "")
    return BODY_TYPES.get(wanted) or _OTHER_EXTENSIONS.get(wanted, "bin")


def media_type_of(declared: str | None, data: bytes) -> str:
    """The declared type under its usual name and without parameters; where none is declared, what the bytes show."""
    bare = _bare(declared or "")
    return bare if bare not in ("", "application/octet-stream") else sniff(data)


def _bare(declared: str) -> str:
    wanted = declared.partition(";")[0].strip().lower()
    return _SAME.get(wanted, wanted)
