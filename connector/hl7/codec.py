"""ER7 <-> Message (HL7 v2.6 §2.5 to §2.7): separators, character set, segment terminators, limits; exact writing back.

`parse` splits segments only. The large data of an ED stay in the received bytes (embedded.py), neither scanned nor copied here: their
base64 is checked when they are read.
"""

from __future__ import annotations

import re

import msgspec

from connector.hl7 import charsets
from connector.hl7.embedded import MARK, Embedded, embedded, restored
from connector.hl7.escapes import Separators
from connector.hl7.header import Header, end_of, header, mended, separators_of, start_of
from connector.hl7.leaves import LARGE
from connector.hl7.message import Message, Segment
from connector.hl7.segments import (
    ParseOptions,
    Refused,
    charset,
    check_controls,
    check_escapes,
    check_limits,
    check_single_header,
    named,
    places,
    too_many,
)
from connector.issues import Issue, IssueCode, Outcome, Severity

__all__ = ["Header", "ParseOptions", "header", "parse", "serialise"]

_DEFAULT = ParseOptions()
_BREAKS = re.compile(r"\r\n?|\n")
_ONLY_LF = Issue.of(Severity.WARNING, IssueCode.TERMINATORS, found="LF")


def parse(raw: bytes, *, options: ParseOptions = _DEFAULT) -> Outcome[Message]:
    """Bytes of one message -> Message. No value when its text cannot be trusted: NOT_HL7, SEPARATORS, CHARSET_*, CONTROL_CHARACTER,
    SEGMENT_NAME, TOO_MANY; the issue holds the offset or the segment."""
    issues: list[Issue] = []
    try:
        message = _parse(bytes(raw), options, issues)
    except Refused as refusal:
        return Outcome(None, (*issues, refusal.issue))
    return Outcome(message, tuple(issues))


def _parse(raw: bytes, options: ParseOptions, issues: list[Issue]) -> Message:
    start = start_of(raw)
    if raw.startswith(charsets.BOM):
        issues.append(Issue.of(Severity.WARNING, IssueCode.BOM_REMOVED))
    end = end_of(raw)
    separators = separators_of(raw[start : start + 16], issues)
    body = mended(raw, start)
    if body is not raw:
        end += len(body) - len(raw)
    large = embedded(body, start, end, separators) if end - start > LARGE else []
    return _read(body, start, end, large, separators, options, issues, raw)


def _read(
    body: bytes,
    start: int,
    end: int,
    large: list[Embedded],
    separators: Separators,
    options: ParseOptions,
    issues: list[Issue],
    received: bytes,
) -> Message:
    edges = [start, *(offset for each in large for offset in each.data), end]
    pieces = [(low, body[low:high]) for low, high in zip(edges[::2], edges[1::2], strict=True)]
    for offset, piece in pieces:
        check_controls(offset, piece)
    top = pieces[0][1]
    first = top[: min(mark for mark in (top.find(b"\r"), top.find(b"\n"), len(top)) if mark >= 0)]
    name, codec = charset(first, separators, pieces, options, received)
    text = MARK.join([piece.decode(codec) for _, piece in pieces])
    if codec != separators.codec:
        separators = msgspec.structs.replace(separators, codec=codec)
    wires = text.split("\r")
    if len(wires) == 1 and "\n" in text:
        wires = _only_lf(text, issues)
    elif "\n" in text or "" in wires:
        wires = _lines(text, issues)
    if " \r" in text or text.endswith(" ") or " \n" in text:
        wires = [wire.rstrip(" ") for wire in wires]
        issues.append(Issue.of(Severity.WARNING, IssueCode.TERMINATORS, found="blanks"))
        wires = [wire for wire in wires if wire]
    segments = _segments(wires, separators, options, issues)
    if text.count(separators.field) > options.max_fields or text.count(separators.repetition) > options.max_repetitions:
        check_limits(segments, options)
    if text.count(separators.escape) > 1:
        check_escapes(segments, issues)
    if large:
        restored(segments, body, large)
    return Message(segments, separators, name, received)


def _only_lf(text: str, issues: list[Issue]) -> list[str]:
    issues.append(_ONLY_LF)
    wires = text.split("\n")
    return [wire for wire in wires if wire] if "" in wires else wires


def _lines(text: str, issues: list[Issue]) -> list[str]:
    """The lines of a text whose terminators are not all a single CR; one warning."""
    crlf = text.count("\r\n")
    lf = text.count("\n") - crlf
    cr = text.count("\r") - crlf
    kinds = [kind for kind, count in (("CRLF", crlf), ("LF", lf), ("CR", cr)) if count]
    found = kinds[0] if len(kinds) == 1 else "+".join(kinds)
    if found == "CR":
        found = "CR CR"
    issues.append(Issue.of(Severity.WARNING, IssueCode.TERMINATORS, found=found))
    return [line for line in text.replace("\n", "\r").split("\r") if line.strip(" ")]


def _segments(wires: list[str], separators: Separators, options: ParseOptions, issues: list[Issue]) -> list[Segment]:
    segments: list[Segment] = []
    field = separators.field
    continued: list[str] = []
    for wire in wires:
        name = wire[:3]
        if not (named(name) and (len(wire) == 3 or wire[3] == field)):
            ruled = options.names.get(wire.split(field, 1)[0]) if options.names else None
            if ruled is None:
                if not (options.continuation and segments):
                    raise Refused(Issue.of(Severity.ERROR, IssueCode.SEGMENT_NAME, number=len(segments) + 1))
                continued.append(wire)
                continue
            name = ruled
        if continued:
            _continue(segments[-1], continued)
        segments.append(Segment(name, separators, wire))
    if continued:
        _continue(segments[-1], continued)
    if len(segments) > options.max_segments:
        raise Refused(too_many(options.max_segments, "segments"))
    check_single_header(segments, issues)
    return segments


def _continue(segment: Segment, lines: list[str]) -> None:
    segment.wire = "\n".join([str(segment.wire), *lines])
    lines.clear()


def serialise(message: Message) -> bytes:
    """Message -> bytes. What was received and not changed is given back byte for byte; else segments end in CR and the text is in the
    character set of MSH-18 (UTF-8 when it names none). Raises ValueError when a text has no place in that character set."""
    if message.received is not None and message.untouched():
        return message.received
    codec = _codec(message)
    texts = [_line(segment) for segment in message.segments]
    try:
        return ("\r".join(texts) + "\r").encode(codec)
    except UnicodeEncodeError:
        for place, text in zip(places(message.segments), texts, strict=True):
            try:
                text.encode(codec)
            except UnicodeEncodeError:
                raise ValueError(f"text in the character set of MSH-18 ({place})") from None
        raise


def _codec(message: Message) -> str:
    declared = message.get("MSH-18")
    if message.received is not None and (not declared or declared == message.charset):
        return message.separators.codec
    codec = charsets.lookup(declared) if declared else "utf-8"
    if codec is None:
        raise ValueError(f"MSH-18: one of {', '.join(charsets.ALLOWED)}")
    return codec


def _line(segment: Segment) -> str:
    """The wire text of a segment in one line: its right name, and lines that continued it are data again."""
    text = segment.raw()
    separators = segment.separators
    if not (text.startswith(segment.name + separators.field) or text == segment.name):
        text = segment.name + text[text.find(separators.field) :]
    if "\n" in text or "\r" in text:
        encapsulated = segment.name == "OBX" and segment.text(2) == "ED"
        line_break = "" if encapsulated else f"{separators.escape}.br{separators.escape}"
        text = line_break.join(_BREAKS.split(text))
    # Blanks in front of a terminator are taken for padding: an empty field behind them keeps them data.
    return text + separators.field if text.endswith(" ") else text
