"""CDA bytes → tree and tree → bytes, safely: no DOCTYPE, a closed list of encodings, nothing external ever followed.

Long base64 (the body of a CDA N1, images of an N3) is cut out of the bytes before the XML parser sees it and kept as a view on the
document's own bytes; so a body of 75 MB costs no copy and the parser's own limits stay on. The bytes received are kept as they are
and are what is forwarded; only headers that we write ourselves are serialised.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

import msgspec
from lxml import etree

from connector.cda.elements import Conversion, cut_text
from connector.cda.tree import NAMESPACES, Base64Text, Element, Markup
from connector.issues import Issue, IssueCode, Outcome, Severity

__all__ = ["DEFAULT_LIMITS", "ClinicalDocument", "Limits", "parse", "serialise"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is refused before it can cost: bytes, elements and attributes (counted on the bytes); depth is libxml2's own 256."""

    size: int = 100_000_000
    elements: int = 500_000
    attributes: int = 200_000


DEFAULT_LIMITS = Limits()

_ENCODINGS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8",
    "iso-8859-1": "iso8859-1", "latin1": "iso8859-1", "iso-8859-15": "iso8859-15", "windows-1252": "cp1252",
}  # fmt: skip
_ALLOWED = "UTF-8, ISO-8859-1, ISO-8859-15, windows-1252"
_DECLARATION = re.compile(
    rb"""<\?xml\s+version\s*=\s*["']1\.0["'](?:\s+encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["'])?(?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*\?>"""
)
_SPACE = re.compile(rb"\s*")
_START_TAG = re.compile(rb"""<[A-Za-z_][\w:.-]*(?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*>""")
_BASE64_TAG = re.compile(rb"""\srepresentation\s*=\s*["']B64["']|\smediaType\s*=""")
_C1 = re.compile(rb"[\x80-\x9f]")

_SECTIONS = b"<structuredBody"
_SECTIONS_CLOSED = b"<structuredBody/></component></ClinicalDocument>"

#: A text at least this long that is base64 by its tag is cut out; the probe's stride is half of it, so none can hide between probes.
_CUT = 8192

_V3 = "{" + NAMESPACES[""] + "}"
_XSL = "{http://www.w3.org/1999/XSL/Transform}"
_XINCLUDE = "http://www.w3.org/2001/XInclude"


class ClinicalDocument(NamedTuple):
    """A CDA read. `raw` is exactly what came; `header` the tree (the body's text in it is a `Base64Text`); `structured` the lxml
    element of a structuredBody, None for N1. `media_type` is `application/xslt+xml` for an auto-présentable document, else `text/xml`."""

    raw: bytes
    header: Element
    structured: Any
    media_type: str
    token: str = ""
    cuts: Sequence[memoryview] = ()

    def binary(self, text: str) -> Base64Text:
        """The base64 that a text of `structured` is, or stands for: a long one was cut out before parsing (`token`, `cuts`)."""
        return cut_text(text, self.token, self.cuts) or Base64Text(text.encode("utf-8"))


class Refused(Exception):
    """Left the parser with one issue; never leaves this module."""

    def __init__(self, code: IssueCode, place: str = "", **params: object) -> None:
        super().__init__(code.name)
        self.issue = Issue.of(Severity.ERROR, code, place, rule=None, **params)


def parse(
    raw: bytes | memoryview, *, limits: Limits = DEFAULT_LIMITS, header_only: bool = False
) -> Outcome[ClinicalDocument]:
    """Read a CDA R2 document (HL7 CDA R2 2005; CI-SIS structuration minimale). No value: an ERROR says why.

    `header_only` stops at the sections: `structured` is an empty element, and what is wrong behind it is not met.
    A memoryview is copied once, since what follows searches in it.
    """
    data = raw if isinstance(raw, bytes) else bytes(raw)
    end = data.find(_SECTIONS) if header_only else -1
    for part in (data[:end] + _SECTIONS_CLOSED, data) if end > 0 else (data,):
        issues: list[Issue] = []
        try:
            return Outcome(_parse(part, limits, issues)._replace(raw=data), tuple(issues))
        except Refused as refused:
            # A start tag in a comment, a document inside its style sheet: what was cut does not stand alone.
            refusal = (*issues, refused.issue)
    return Outcome(None, refusal)


def _parse(data: bytes, limits: Limits, issues: list[Issue]) -> ClinicalDocument:
    if len(data) > limits.size:
        raise Refused(IssueCode.XML_LIMIT, what="bytes", limit=limits.size)
    encoding, start = _encoding(data)
    _prolog(data, start, issues)
    rest, token, cuts = _cut_base64(data)
    for sign, what, limit in ((b"<", "elements", limits.elements), (b"=", "attributes", limits.attributes)):
        if len(rest) > limit and rest.count(sign) > limit:
            raise Refused(IssueCode.XML_LIMIT, what=what, limit=limit)
    root = _tree(_as_utf8(rest, encoding, issues))
    media_type = "text/xml"
    if root.tag == _XSL + "stylesheet":  # auto-présentable: the document inside its own style sheet, which is never run
        media_type, found = "application/xslt+xml", root.find(".//" + _V3 + "ClinicalDocument")
        issues.append(Issue.of(Severity.INFORMATION, IssueCode.CDA_ACTIVE_CONTENT, "/", what="xsl:stylesheet"))
        root = found if found is not None else root
    if root.tag != _V3 + "ClinicalDocument":
        raise Refused(IssueCode.CDA_ROOT, "/")
    if _XINCLUDE.encode() in rest:
        issues.append(Issue.of(Severity.WARNING, IssueCode.CDA_ACTIVE_CONTENT, "/ClinicalDocument", what="xi:include"))
    conversion = Conversion(token.decode("ascii"), cuts)
    header = conversion.element(root)
    if "xsi:schemaLocation" in header.attributes:
        place = "/ClinicalDocument/@xsi:schemaLocation"
        issues.append(Issue.of(Severity.INFORMATION, IssueCode.CDA_ACTIVE_CONTENT, place, what="xsi:schemaLocation"))
    return ClinicalDocument(data, header, conversion.structured, media_type, conversion.token, cuts)


# --- bytes ------------------------------------------------------------------------------------------------------------


def _encoding(data: bytes) -> tuple[str, int]:
    """The codec that the declaration asks for and where the prolog goes on. UTF-16, UTF-32, EBCDIC, UTF-7 and the rest are refused."""
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    head = data[start : start + 200]
    if not head.startswith(b"<?xml") or head[5:6] not in (b" ", b"\t", b"\r", b"\n"):
        if not head.lstrip().startswith(b"<"):
            # Also what UTF-16, UTF-32 and EBCDIC begin with.
            code = (
                IssueCode.XML_ENCODING
                if head[:1] in (b"\xff", b"\xfe", b"\x00", b"\x4c", b"+")
                else IssueCode.XML_SYNTAX
            )
            raise Refused(code, expected=_ALLOWED, line=1, column=1)
        if b"\x00" in head:
            raise Refused(IssueCode.XML_ENCODING, expected=_ALLOWED)
        return "utf-8", start
    declaration = _DECLARATION.match(head)
    if declaration is None:
        raise Refused(IssueCode.XML_ENCODING, expected=_ALLOWED)
    encoding = _ENCODINGS.get((declaration[1] or b"utf-8").decode("ascii").lower())
    if encoding is None or (start and encoding != "utf-8"):
        raise Refused(IssueCode.XML_ENCODING, expected=_ALLOWED)
    return encoding, start + declaration.end()


def _prolog(data: bytes, at: int, issues: list[Issue]) -> None:
    """Go over comments and instructions up to the root; any DOCTYPE and a second XML declaration are refused here, before parsing."""
    while True:
        at = _SPACE.match(data, at).end()  # type: ignore[union-attr]  # matches the empty text too
        if data.startswith(b"<!--", at):
            end = data.find(b"-->", at + 4)
            at = end + 3
        elif data.startswith(b"<?", at):
            end = data.find(b"?>", at + 2)
            _instruction(data[at + 2 : max(end, at + 2)], issues)
            at = end + 2
        elif data.startswith(b"<!", at):
            raise Refused(IssueCode.XML_DOCTYPE)
        else:
            return
        if end < 0:
            raise Refused(IssueCode.XML_SYNTAX, line=data.count(b"\n") + 1, column=1)


def _instruction(text: bytes, issues: list[Issue]) -> None:
    target = text[:40].split(None, 1)[0].lower() if text.strip() else b""
    if target == b"xml":
        raise Refused(IssueCode.XML_ENCODING, expected=_ALLOWED)
    if target == b"xml-stylesheet":
        issues.append(Issue.of(Severity.INFORMATION, IssueCode.CDA_ACTIVE_CONTENT, "/", what="xml-stylesheet"))


def _cut_base64(data: bytes) -> tuple[bytes, bytes, list[memoryview]]:
    """The document with its long base64 texts replaced by `token number`, the token, and the views cut out.

    A text of `_CUT` bytes without `<` covers a probe, so only the neighbourhood of probes is searched: the cost does not grow with
    the length of a text. The tag in front must say that it is base64; one that stands in a comment or CDATA does no harm.
    """
    cuts: list[memoryview] = []
    kept: list[tuple[int, int]] = []
    view, last, probe = memoryview(data), 0, _CUT // 2
    while probe < len(data):
        opening, closing = data.rfind(b"<", last, probe), data.find(b"<", probe)
        if closing < 0:
            break
        if opening < 0 or closing - opening < _CUT:
            probe += _CUT // 2
            continue
        tag = _START_TAG.match(data, opening)
        long = tag is not None and closing - tag.end() >= _CUT // 2
        if tag is not None and long and _BASE64_TAG.search(tag[0]) and data.find(b"&", tag.end(), closing) < 0:
            kept.append((last, tag.end()))
            cuts.append(view[tag.end() : closing])
            last = closing
        probe = max(closing, probe + 1) + _CUT // 2 - 1
    if not cuts:
        return data, b"", cuts
    kept.append((last, len(data)))
    pieces = [data[start:end] for start, end in kept]
    number = 0
    while any(b"base64-%d-" % number in piece for piece in pieces):
        number += 1  # a token that the document itself does not hold
    token = b"base64-%d-" % number
    rest = bytearray(pieces[0])
    for index, piece in enumerate(pieces[1:]):
        rest += token + b"%d" % index
        rest += piece
    return bytes(rest), token, cuts


def _as_utf8(rest: bytes, encoding: str, issues: list[Issue]) -> bytes:
    """The rest in UTF-8. Bytes that contradict the declared encoding are refused: a wrong guess would be written into a record."""
    if rest.isascii():
        return rest
    if encoding == "utf-8":
        try:
            rest.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused(IssueCode.CHARSET_CONFLICT, offset=error.start) from None
        return rest
    first = next(offset for offset, byte in enumerate(rest) if byte > 0x7F)
    try:
        rest.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:  # declared 8-bit, every accent a valid UTF-8 sequence: no 8-bit text looks so by chance
        raise Refused(IssueCode.CHARSET_CONFLICT, offset=first)
    if encoding != "cp1252" and _C1.search(rest):
        issues.append(Issue.of(Severity.WARNING, IssueCode.CHARSET_WINDOWS))
    try:
        return rest.decode(encoding).encode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(IssueCode.CHARSET_CONFLICT, offset=error.start) from None


def _tree(text: bytes) -> Any:
    # One parser a call: another library's default parser can never reach in here. `encoding` overrides the declaration.
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, attribute_defaults=False,
        huge_tree=False, recover=False, remove_comments=True, remove_pis=True, collect_ids=False,
    )  # fmt: skip
    try:
        return etree.fromstring(text, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        reason = error.msg or ""
        if "depth" in reason or "huge" in reason.lower() or "too long" in reason:
            what = "depth" if "depth" in reason else "text"
            raise Refused(IssueCode.XML_LIMIT, what=what, limit=256 if what == "depth" else 10_000_000) from None
        raise Refused(IssueCode.XML_SYNTAX, line=line or 1, column=column or 1) from None


# --- writing ----------------------------------------------------------------------------------------------------------

_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_SPECIAL = re.compile('[&<>"\t\n\r]').search
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def serialise(root: Element) -> bytes:
    """A document that we wrote, as UTF-8 with its declaration. ValueError for a character that XML 1.0 cannot hold."""
    parts: list[str | Base64Text] = []
    used: set[str] = set()
    _write(root, parts, used)
    declared = "".join(
        f' xmlns{":" + prefix if prefix else ""}="{NAMESPACES[prefix]}"' for prefix in ("", *sorted(used - {"xml"}))
    )
    # The first part is the root's start tag: the namespaces used below are known only now.
    parts[0] = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root.name}{declared}{str(parts[0])[1 + len(root.name) :]}'
    out, run = BytesIO(), list[str]()
    for part in parts:
        if isinstance(part, str):
            run.append(part)
            continue
        out.write(_encode(run))
        run.clear()
        for piece in part.pieces():
            out.write(piece)
    out.write(_encode(run))
    return out.getvalue()  # its own buffer, not a copy


def _encode(run: list[str]) -> bytes:
    text = "".join(run)
    if _FORBIDDEN.search(text):
        raise ValueError("a character that XML 1.0 cannot hold")
    return text.encode("utf-8")


def _write(node: Element, parts: list[str | Base64Text], used: set[str]) -> None:
    name, text = node.name, node.text
    if ":" in name:
        used.add(_prefix(name))
    opening = "<" + name
    for key, value in node.attributes.items():
        if ":" in key:
            used.add(_prefix(key))
        opening += f' {key}="{value.translate(_ATTRIBUTE) if _SPECIAL(value) else value}"'
    if not text and not node.children:
        parts.append(opening + "/>")
        return
    parts.append(opening + ">")
    if isinstance(text, Base64Text):
        parts.append(text)
    elif text:
        parts.append(text.translate(_TEXT) if _SPECIAL(text) and type(text) is not Markup else text)
    for child in node.children:
        _write(child, parts, used)
    parts.append(f"</{name}>")


def _prefix(name: str) -> str:
    prefix = name.partition(":")[0]
    if name[0] == "{" or prefix not in NAMESPACES:
        raise ValueError("a namespace that this package does not write")
    return prefix
