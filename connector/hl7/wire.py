"""A header segment as bytes: read before anything else is known, echoed as it is, answered in its separators and character set."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata

import msgspec

from connector.exchange.model import Context
from connector.hl7.charsets import lookup
from connector.hl7.escapes import Separators, escape, unescape

__all__ = ["BOM", "WireHeader", "decoded", "derived_id", "read_header"]

#: A header segment is read up to this many bytes; official ones have under 300.
HEADER_LIMIT = 4096

BOM = b"\xef\xbb\xbf"
_CONTROL = bytes(range(32)) + b"\x7f"


class WireHeader(msgspec.Struct, frozen=True):
    """The first segment as received: `fields[n - 1]` is MSH-n in the sender's bytes. `codec` decodes them, None when MSH-18 is not admitted."""

    fields: tuple[bytes, ...]
    separators: Separators
    codec: str | None

    def raw(self, number: int) -> bytes:
        """MSH-n on the wire, without control characters; empty when absent."""
        return self.fields[number - 1].translate(None, _CONTROL) if number <= len(self.fields) else b""

    def text(self, number: int, component: int = 1) -> str:
        """A component of MSH-n as text, escapes left as they are; bytes that are not of the character set are read as ISO 8859-1."""
        parts = self.raw(number).split(self.separators.component.encode())
        return decoded(parts[component - 1], self.codec) if component <= len(parts) else ""

    @property
    def control_id(self) -> str:
        """MSH-10 as it is said, to be compared with MSA-2 of an answer."""
        return unescape(decoded(self.raw(10), self.codec), self.separators)

    def encoded(self, text: str) -> bytes:
        """A text of ours as the receiver reads it: escaped, in its character set, accents dropped where it has none."""
        plain = escape("".join(c if c.isprintable() else " " for c in text), self.separators)
        # A sender that declares no character set is one of ASCII (table 0211).
        codec = self.codec or "ascii"
        try:
            return plain.encode(codec)
        except UnicodeEncodeError:
            return unicodedata.normalize("NFKD", plain).encode(codec, "ignore")

    def coded(self, *texts: str) -> bytes:
        """Components of ours."""
        component = self.separators.component.encode()
        return component.join(self.encoded(text) for text in texts).rstrip(component)

    def segment(self, name: str, *fields: bytes) -> bytes:
        """A segment of ours, terminated; empty fields at its end left out."""
        filled = list(fields)
        while filled and not filled[-1]:
            filled.pop()
        separator = self.separators.field.encode()
        return separator.join((name.encode(), *filled)) + b"\r"

    @property
    def marks(self) -> bytes:
        """MSH-2 of an answer."""
        separators = self.separators
        return f"{separators.component}{separators.repetition}{separators.escape}{separators.subcomponent}".encode()

    @property
    def version(self) -> tuple[int, ...]:
        """MSH-12.1 as numbers, (2, 5) when it is not one: the form of answers that all later versions share."""
        numbers = self.text(12).split(".")
        return tuple(int(n) for n in numbers) if all(n.isascii() and n.isdigit() for n in numbers) else (2, 5)


def read_header(raw: bytes | memoryview, segment: bytes = b"MSH") -> WireHeader | None:
    """The header of a message (or of a batch: `BHS`, `FHS`) from its first bytes, or None when nobody can be answered: no such segment,
    or no usable field separator."""
    head = bytes(raw[: HEADER_LIMIT + len(BOM)]).removeprefix(BOM).lstrip(b"\r\n \t")
    if not head.startswith(segment) or len(head) < 8:
        return None
    field = head[3:4]
    if field.isalnum() or not b" " < field < b"\x7f":
        return None
    line = re.split(rb"[\r\n]", head, maxsplit=1)[0]
    fields = (field, *line.split(field)[1:])
    codec = lookup(decoded(fields[17], None)) if len(fields) > 17 and segment == b"MSH" else None
    return WireHeader(fields, _separators(field, fields[1]), codec)


def _separators(field: bytes, msh2: bytes) -> Separators:
    """What MSH-2 declares, or the recommended ones when that cannot be used."""
    declared = msh2.decode("ascii", "replace")
    usable = (
        len(declared) in (4, 5)
        and len({*declared, field.decode()}) == len(declared) + 1
        and all(c.isascii() and c.isprintable() and not c.isalnum() and c != " " for c in declared)
    )
    component, repetition, mark, subcomponent = list(declared if usable else "^~\\&")[:4]
    return Separators(
        field=field.decode(), component=component, repetition=repetition, escape=mark, subcomponent=subcomponent
    )


def decoded(raw: bytes, codec: str | None) -> str:
    """Bytes of a header as text; what is not of the character set is read as ISO 8859-1."""
    try:
        return raw.decode(codec or "utf-8")
    except ValueError:
        return raw.decode("latin-1")


def derived_id(header: WireHeader, number: int, what: str, context: Context) -> str:
    """A control id of ours, derived: the same message (field `number` is its id) answered at the same moment has the same one
    (20 characters, v2.5 MSH-10)."""
    identity = b"\x1f".join(
        (
            context.namespace.encode(),
            header.raw(3),
            header.raw(4),
            header.raw(number),
            context.now.encode(),
            what.encode(),
        )
    )
    return base64.b32encode(hashlib.sha256(identity).digest())[:20].decode()
