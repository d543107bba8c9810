"""ER7 <-> Message (HL7 v2.6 §2.5 to §2.7): separators, character set, segment terminators, limits; exact writing back.

`parse` splits segments only. A large message is not decoded as a whole (large.py); the data of an ED are neither scanned nor copied
here: their base64 is checked when they are read.
"""

from __future__ import annotations

import re

import msgspec

from connector.hl7 import charsets
from connector.hl7.escapes import Separators
from connector.hl7.header import Header, end_of, header, mended, separators_of, start_of
from connector.hl7.large import read_large
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
#: From this size on a message is read where it is, in bytes.
_WHOLE = 4 * LARGE


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
    if end - start > _WHOLE:
        return read_large(body, start, end, separators, options, issues, raw)
    return _small(body[start:end], start, separators, options, issues, raw)


def _small(
    body: bytes, offset: int, separators: Separators, options: ParseOptions, issues: list[Issue], received: bytes
) -> Message:
    check_controls(offset, body)
    first = body[: min(end for end in (body.find(b"\r"), body.find(b"\n"), len(body)) if end >= 0)]
    name, codec = charset(first, separators, [(offset, body)], options, received)
    text = body.decode(codec)
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
    if len(wires) > options.max_segments:
        raise Refused(too_many(options.max_segments, "segments"))
    segments: list[Segment] = []
    field = separators.field
    for wire in wires:
        name = wire[:3]
        if named(name) and (len(wire) == 3 or wire[3] == field):
            segments.append(Segment(name, separators, wire))
            continue
        ruled = options.names.get(wire.split(field, 1)[0]) if options.names else None
        if ruled is not None:
            segments.append(Segment(ruled, separators, wire))
        elif options.continuation and segments:
            segments[-1].wire = f"{segments[-1].wire}\n{wire}"
        else:
            raise Refused(Issue.of(Severity.ERROR, IssueCode.SEGMENT_NAME, number=len(segments) + 1))
    check_single_header(segments, issues)
    return segments


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
