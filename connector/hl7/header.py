"""The header of a message: where it begins and ends, its separators, MSH read cheaply."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from connector.hl7.charsets import BOM
from connector.hl7.escapes import DEFAULT_SEPARATORS, Separators
from connector.hl7.leaves import LARGE
from connector.hl7.message import Segment
from connector.hl7.segments import Refused
from connector.issues import Issue, IssueCode, Severity

__all__ = ["Header", "end_of", "header", "mended", "separators_of", "start_of"]

_USUAL = b"MSH|^~\\&|"
# U+02DC (small tilde) where a text editor put it in place of ~: UTF-8 and windows-1252.
_SMALL_TILDE = (b"\xcb\x9c", b"\x98")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """MSH read cheaply; texts as they stand (not checked), "" when absent. `sender` is `MSH-3|MSH-4`."""

    separators: Separators | None = None
    sender_application: str = ""
    sender_facility: str = ""
    receiver_application: str = ""
    receiver_facility: str = ""
    sent_at: str = ""
    type: str = ""
    event: str = ""
    structure: str = ""
    control_id: str = ""
    processing: str = ""
    version: str = ""
    accept_ack: str = ""
    application_ack: str = ""
    country: str = ""
    charset: str = ""
    profile: str = ""

    @property
    def sender(self) -> str:
        """Who sent it, as duplicates are counted: MSH-3 and MSH-4."""
        return f"{self.sender_application}|{self.sender_facility}"


def header(raw: bytes) -> Header:
    """The header of a message from its first segment alone. Never raises; an unreadable header is empty."""
    start = start_of(raw)
    end = min(
        (found for mark in (b"\r", b"\n") if (found := raw.find(mark, start, start + LARGE)) >= 0),
        default=start + LARGE,
    )
    first = raw[start:end]
    try:
        separators = separators_of(first, [])
    except Refused:
        return Header()
    first = mended(first)
    try:
        text = first.decode("utf-8")
    except UnicodeDecodeError:
        text = first.decode("latin-1")
    msh = Segment("MSH", separators, text)
    return Header(
        separators=separators,
        sender_application=_whole(msh, 3),
        sender_facility=_whole(msh, 4),
        receiver_application=_whole(msh, 5),
        receiver_facility=_whole(msh, 6),
        sent_at=msh.text(7),
        type=msh.text(9),
        event=msh.text(9, 2),
        structure=msh.text(9, 3),
        control_id=msh.text(10),
        processing=msh.text(11),
        version=msh.text(12),
        accept_ack=msh.text(15),
        application_ack=msh.text(16),
        country=msh.text(17),
        charset=msh.text(18),
        profile=msh.text(21, 2) or msh.text(21),
    )


def _whole(segment: Segment, number: int) -> str:
    repetitions = segment.field(number)
    return repetitions[0].raw() if repetitions else ""


def start_of(raw: bytes) -> int:
    """Where MSH should begin: after a byte order mark, frame marks and blank lines."""
    start = 3 if raw.startswith(BOM) else 0
    while start < len(raw) and raw[start] in b"\x0b\r\n \t":
        start += 1
    return start


def end_of(raw: bytes) -> int:
    """Where the message ends: before the marks of a frame."""
    end = len(raw)
    while end and raw[end - 1] in b"\x1c\r\n":
        end -= 1
    return end


def mended(raw: bytes, start: int = 0) -> bytes:
    """The bytes with the small tilde that stands in MSH-2 made a ~ again, everywhere; the same object when MSH-2 is sound."""
    if raw.startswith(_USUAL, start):
        return raw
    declared = raw[start + 4 : start + 10]
    for tilde in _SMALL_TILDE:
        # In one message a small tilde is the declared repetition separator, so all of them are.
        if tilde in declared:
            return raw.replace(tilde, b"~")
    return raw


def separators_of(first: bytes, issues: list[Issue]) -> Separators:
    """MSH-1 and MSH-2 as declared. Raises Refused with SEPARATORS or NOT_HL7."""
    if first.startswith(_USUAL):
        return DEFAULT_SEPARATORS
    if first[:3] != b"MSH":
        raise Refused(Issue.of(Severity.FATAL, IssueCode.NOT_HL7, expected="MSH"))
    mark = first[3:4]
    stop = first.find(mark, 4) if mark else -1
    declared = first[4 : stop if stop >= 0 else 12].split(b"\r")[0].split(b"\n")[0]
    if any(tilde in declared for tilde in _SMALL_TILDE):
        declared = mended(first)[4:].split(mark, 1)[0]
        issues.append(Issue.of(Severity.WARNING, IssueCode.SEPARATOR_CORRUPT, "MSH[1]-2"))
    expected = _unusable(mark, declared)
    if expected:
        raise Refused(
            Issue.of(Severity.FATAL, IssueCode.SEPARATORS, "MSH[1]-2" if mark else "MSH[1]-1", expected=expected)
        )
    return _declared(mark.decode(), declared.decode())


@lru_cache(maxsize=64)
def _declared(mark: str, text: str) -> Separators:
    return Separators(
        field=mark, component=text[0], repetition=text[1], escape=text[2], subcomponent=text[3], truncation=text[4:5]
    )


def _unusable(mark: bytes, declared: bytes) -> str:
    """What was expected of MSH-1 and MSH-2, or "" when they can be used."""
    if len(mark) != 1 or mark.isalnum() or not 0x20 < mark[0] < 0x7F:
        return "MSH-1: one punctuation character"
    if len(declared) not in (4, 5):
        return "MSH-2: four or five characters"
    if not all(0x20 < byte < 0x7F for byte in declared) or any(bytes([byte]).isalnum() for byte in declared):
        return "MSH-2: punctuation characters"
    if len({*mark, *declared}) != 1 + len(declared):
        return "MSH-1 MSH-2: different characters"
    return ""
