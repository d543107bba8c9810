"""ED: the bytes of a document, or a text that travels as base64. Nothing is ignored: what is no base64 is refused with its offset."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable

import pybase64

from connector.exchange.documents import Content
from connector.hl7.datatypes.said import erased, said
from connector.hl7.escapes import unescape
from connector.hl7.message import Repetition
from connector.issues import IssueCode, Severity
from connector.mapping.language import Erase, Run

__all__ = [
    "decode",
    "read_base64",
    "read_ed",
    "read_ed_text",
    "write_base64",
    "write_ed",
    "write_ed_text",
    "write_ed_text_v25",
    "write_ed_v25",
]

_BLANKS = re.compile(rb"[\t\n\r ]+")
_JUNK = re.compile(rb"[^A-Za-z0-9+/]")
# Table 0191 and the MIME types that later versions write in its place.
_TYPES = {
    "ap": "application",
    "application": "application",
    "au": "audio",
    "audio": "audio",
    "im": "image",
    "image": "image",
    "ft": "text",
    "text": "text",
}


def decode(data: bytes | memoryview, run: Run, *, strict: bool = True) -> bytes | None:
    """The bytes that base64 stands for. White space is removed and absent padding completed, both noted; anything else is refused with
    DOCUMENT_ENCODING and its offset (None). `strict` False: what can be read before the fault, with a warning."""
    try:
        return pybase64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return _mended(bytes(data), run, strict)


def _mended(data: bytes, run: Run, strict: bool) -> bytes | None:
    clean = _BLANKS.sub(b"", data)
    if len(clean) != len(data):
        run.report(Severity.INFORMATION, IssueCode.DOCUMENT_BLANKS)
    bare = clean.rstrip(b"=")
    junk = _JUNK.search(bare)
    padding = len(clean) - len(bare)
    if junk is not None or len(bare) % 4 == 1 or padding > 2:
        end = junk.start() if junk is not None else len(bare)
        run.report(
            Severity.ERROR if strict else Severity.WARNING,
            IssueCode.DOCUMENT_ENCODING,
            offset=_offset(data, end),
        )
        return None if strict else pybase64.b64decode(bare[: end - end % 4])
    missing = -len(bare) % 4
    if missing != padding:
        run.report(Severity.WARNING, IssueCode.DOCUMENT_PADDING)
    return pybase64.b64decode(bare + b"=" * missing, validate=True)


def _offset(data: bytes, position: int) -> int:
    """The offset in what was received of the nth byte that is not white space."""
    blanks = 0
    for match in _BLANKS.finditer(data):
        if match.start() - blanks > position:
            break
        blanks += match.end() - match.start()
    return position + blanks


def read_base64(text: str, run: Run) -> bytes | None:
    """A leaf of base64."""
    return decode(text.encode("ascii", "replace"), run)


def write_base64(data: bytes, run: Run) -> str:
    """A leaf of base64."""
    return str(pybase64.b64encode_as_string(data))


def read_ed(node: Repetition, run: Run) -> Content | Erase | None:
    """ED, v2.6 §2.A.24: media type and bytes. ED-1 is another rule's. Absent when ED-5 is empty."""
    kind, subtype = said(node, 2), said(node, 3)
    data = _data(node, run)
    if data is None:
        return erased(node)
    media = None
    if kind is not None and subtype is not None:
        media = f"{_TYPES.get(kind.lower(), kind.lower())}/{subtype.lower()}"
    return Content(media_type=media, data=data)


def _data(node: Repetition, run: Run, *, strict: bool = True) -> bytes | None:
    payload = node.payload(5)
    if not payload:
        return None
    encoding = (said(node, 4) or "").lower()
    if encoding == "base64":
        try:
            return pybase64.b64decode(payload, validate=True)
        except ValueError:
            written = bytes(payload)
        if node.separators.escape.encode() in written:
            # Some senders escape line breaks inside the base64.
            written = unescape(written.decode("latin-1"), node.separators).encode()
        return decode(written, run, strict=strict)
    text = node.text(5)
    if encoding == "hex":
        return bytes.fromhex(text)
    if encoding in {"", "a"}:
        return text.encode("utf-8")
    raise ValueError("A, Hex or Base64 (ED-4)")


def write_ed(content: Content, node: Repetition, run: Run) -> None:
    """ED with MIME words (`text^XML^Base64`), as the MDM of the volet."""
    _write(content, node, lambda kind: kind)


def write_ed_v25(content: Content, node: Repetition, run: Run) -> None:
    """ED with the words of table 0191 (`TEXT^XML^Base64`), as the ORU of the volet."""
    _write(
        content, node, lambda kind: {"text": "TEXT", "application": "AP", "image": "IM", "audio": "AU"}.get(kind, kind)
    )


def _write(content: Content, node: Repetition, kind_word: Callable[[str], str]) -> None:
    if content.data is None:
        raise ValueError("a document with its bytes")
    kind, slash, subtype = (content.media_type or "").partition("/")
    if slash:
        node.put(kind_word(kind), 2)
        node.put("XML" if subtype == "xml" else "PDF" if subtype == "pdf" else subtype, 3)
    node.put("Base64", 4)
    node.put_wire(pybase64.b64encode_as_string(content.data), 5)


def read_ed_text(node: Repetition, run: Run) -> str | Erase | None:
    """ED that holds a text (the body of a mail). A damaged end is cut with a warning: official samples have one."""
    data = _data(node, run, strict=False)
    if data is None:
        return erased(node)
    for codec in ("utf-8", node.separators.codec):
        try:
            return data.decode(codec)
        except UnicodeDecodeError as error:
            # The base64 was cut within a character.
            if error.end == len(data) and len(data) - error.start < 4 and error.reason == "unexpected end of data":
                return data[: error.start].decode(codec)
    run.report(Severity.WARNING, IssueCode.MAP_DATA_TYPE, expected="ED text")
    return None


def write_ed_text(text: str, node: Repetition, run: Run) -> None:
    """ED that holds a text: `^text^^Base64^…`."""
    _write_text(text, node, "text")


def write_ed_text_v25(text: str, node: Repetition, run: Run) -> None:
    """ED that holds a text, with the word of table 0191: `^TEXT^^Base64^…`."""
    _write_text(text, node, "TEXT")


def _write_text(text: str, node: Repetition, kind: str) -> None:
    node.put(kind, 2)
    node.put("Base64", 4)
    node.put_wire(pybase64.b64encode_as_string(text.encode("utf-8")), 5)
