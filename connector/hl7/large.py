"""A message too large to decode as a whole: its segments are found in the bytes, and large fields stay there."""

from __future__ import annotations

import re

import msgspec

from connector.hl7.escapes import Separators
from connector.hl7.leaves import LARGE, Slice
from connector.hl7.message import HEADERS, Message, Segment
from connector.hl7.segments import (
    ParseOptions,
    Refused,
    charset,
    check_controls,
    check_escapes,
    check_limits,
    check_single_header,
    named,
    too_many,
)
from connector.issues import Issue, IssueCode, Severity

__all__ = ["read_large"]

_BREAKS = re.compile(r"\r\n?")
_Fields = list[tuple[int, int]]
_KINDS = ("CRLF", "LF", "CR", "CR CR")


def read_large(
    body: bytes,
    start: int,
    end: int,
    separators: Separators,
    options: ParseOptions,
    issues: list[Issue],
    received: bytes,
) -> Message:
    """The message between two offsets of `body`. Raises Refused; the data of an ED are neither scanned nor decoded."""
    mark = separators.field.encode()
    lines = _joined(body, _lines(body, start, end, options, issues), mark, options)
    fields = [_fields(body, low, high, mark, options) if high - low > LARGE else None for low, high in lines]
    pieces = [
        piece
        for (low, high), parts in zip(lines, fields, strict=True)
        for piece in ([(low, body[low:high])] if parts is None else _texts(body, parts, separators))
    ]
    for offset, piece in pieces:
        check_controls(offset, piece)
    low, high = lines[0]
    name, codec = charset(body[low : min(high, low + LARGE)], separators, pieces, options, received)
    if codec != separators.codec:
        separators = msgspec.structs.replace(separators, codec=codec)
    segments = [
        _segment(body, low, high, parts, separators, options) for (low, high), parts in zip(lines, fields, strict=True)
    ]
    check_single_header(segments, issues)
    check_limits(segments, options)
    check_escapes(segments, issues)
    return Message(segments, separators, name, received)


def _lines(body: bytes, start: int, end: int, options: ParseOptions, issues: list[Issue]) -> list[tuple[int, int]]:
    """Where the lines stand, without blanks at their ends; one warning when they do not all end in one CR."""
    lines: list[tuple[int, int]] = []
    kinds: set[str] = set()
    blanks = False
    next_cr, next_lf = body.find(b"\r", start, end), body.find(b"\n", start, end)
    while start <= end:
        stop = min((mark for mark in (next_cr, next_lf) if mark >= 0), default=end)
        high = stop
        while high > start and body[high - 1] == 32:
            high -= 1
        blanks = blanks or high < stop
        if high > start:
            lines.append((start, high))
        if stop < end:
            crlf = stop == next_cr and next_lf == stop + 1
            kinds.add("CRLF" if crlf else "LF" if stop == next_lf else "CR" if high > start else "CR CR")
            stop += crlf
        start = stop + 1
        if 0 <= next_cr < start:
            next_cr = body.find(b"\r", start, end)
        if 0 <= next_lf < start:
            next_lf = body.find(b"\n", start, end)
        if len(lines) > options.max_segments and not options.continuation:
            raise Refused(too_many(options.max_segments, "segments"))
    if "CR CR" in kinds:
        kinds.discard("CR")
    if kinds - {"CR"}:
        issues.append(
            Issue.of(Severity.WARNING, IssueCode.TERMINATORS, found="+".join(sorted(kinds, key=_KINDS.index)))
        )
    if blanks:
        issues.append(Issue.of(Severity.WARNING, IssueCode.TERMINATORS, found="blanks"))
    return lines


def _joined(body: bytes, lines: list[tuple[int, int]], mark: bytes, options: ParseOptions) -> list[tuple[int, int]]:
    """Each line a segment: a line that is none continues the one before it when the sender's rule says so. Raises Refused."""
    joined: list[tuple[int, int]] = []
    for low, high in lines:
        name = body[low : low + 3].decode("latin-1")
        if (named(name) and (high - low == 3 or body[low + 3 : low + 4] == mark)) or (
            options.names and _misspelt(body, low, high, mark) in options.names
        ):
            joined.append((low, high))
        elif options.continuation and joined:
            # The lines stand one behind the other in the bytes: the segment only becomes longer.
            joined[-1] = (joined[-1][0], high)
        else:
            raise Refused(Issue.of(Severity.ERROR, IssueCode.SEGMENT_NAME, number=len(joined) + 1))
    if len(joined) > options.max_segments:
        raise Refused(too_many(options.max_segments, "segments"))
    return joined


def _misspelt(body: bytes, low: int, high: int, mark: bytes) -> str:
    return body[low : min(high, low + 16)].split(mark, 1)[0].decode("latin-1")


def _segment(
    body: bytes, low: int, high: int, fields: _Fields | None, separators: Separators, options: ParseOptions
) -> Segment:
    name = body[low : low + 3].decode("latin-1")
    if options.names:
        name = options.names.get(_misspelt(body, low, high, separators.field.encode()), name)
    if fields is None:
        wire = body[low:high].decode(separators.codec)
        return Segment(name, separators, _BREAKS.sub("\n", wire) if "\r" in wire else wire)
    segment = Segment(name, separators, Slice(body, low, high))
    if name not in HEADERS:
        # They were found already: nobody has to search the bytes again.
        codec = separators.codec
        segment.fields = [
            Slice(body, start, stop) if stop - start > LARGE else body[start:stop].decode(codec)
            for start, stop in fields
        ]
    return segment


def _texts(body: bytes, fields: _Fields, separators: Separators) -> list[tuple[int, bytes]]:
    """The bytes of a large segment that are text, with their offsets: all but the data of an ED."""
    encapsulated = len(fields) > 5 and body[slice(*fields[0])] == b"OBX" and body[slice(*fields[2])] == b"ED"
    pieces = []
    for number, (low, high) in enumerate(fields):
        if encapsulated and number == 5:
            high = max(low, body.rfind(separators.component.encode(), low, min(high, low + LARGE)))
        pieces.append((low, body[low:high]))
    return pieces


def _fields(body: bytes, start: int, end: int, mark: bytes, options: ParseOptions) -> _Fields:
    fields = []
    while (stop := body.find(mark, start, end)) >= 0:
        fields.append((start, stop))
        start = stop + 1
        if len(fields) > options.max_fields:
            raise Refused(too_many(options.max_fields, "fields"))
    return [*fields, (start, end)]
