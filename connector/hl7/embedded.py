"""Where the large data of an ED stand in a message: they are left in the received bytes, everything else is text.

A large message is then read like a small one, with a mark in the place of each; nothing is copied or scanned twice.
"""

from __future__ import annotations

from typing import NamedTuple

from connector.hl7.escapes import Separators
from connector.hl7.leaves import LARGE, Slice
from connector.hl7.message import Segment

__all__ = ["MARK", "Embedded", "embedded", "restored"]

#: Stands in the text for data that stay in the bytes. No message may hold it: control characters were refused before.
MARK = "\x00"


class Embedded(NamedTuple):
    """Offsets: the line (an OBX), its field 5, and the data in that field."""

    line: tuple[int, int]
    field: tuple[int, int]
    data: tuple[int, int]


def embedded(body: bytes, start: int, end: int, separators: Separators) -> list[Embedded]:
    """The large data of the OBX with ED in OBX-2, in order."""
    found: list[Embedded] = []
    while end - start > LARGE:
        window = start + LARGE
        last = max(body.rfind(b"\r", start, window), body.rfind(b"\n", start, window))
        if last >= 0:
            start = last + 1
            continue
        stop = min(
            (mark for mark in (body.find(b"\r", window, end), body.find(b"\n", window, end)) if mark >= 0), default=end
        )
        data = _data(body, start, stop, separators)
        if data is not None:
            found.append(data)
        start = stop + 1
    return found


def _data(body: bytes, start: int, stop: int, separators: Separators) -> Embedded | None:
    """The data of one large line; None when it is no OBX with ED, or its field 5 is small."""
    mark = separators.field.encode()
    ends = [start - 1]
    for _ in range(6):
        found = body.find(mark, ends[-1] + 1, stop)
        ends.append(stop if found < 0 else found)
    low, high = ends[5] + 1, ends[6]
    if body[start : ends[1]] != b"OBX" or body[ends[2] + 1 : ends[3]] != b"ED" or high - low <= LARGE:
        return None
    data = body.rfind(separators.component.encode(), low, low + LARGE) + 1
    while stop > start and body[stop - 1] == 32:
        stop -= 1
    return Embedded((start, stop), (low, high), (data or low, high))


def restored(segments: list[Segment], body: bytes, found: list[Embedded]) -> None:
    """Give the segments that hold a mark their data back, as places in the bytes."""
    waiting = iter(found)
    for segment in segments:
        wire = segment.wire
        if not isinstance(wire, str) or MARK not in wire:
            continue
        each = next(waiting)
        fields = wire.split(segment.separators.field)
        if len(fields) > 5 and fields[5].endswith(MARK):
            segment.wire = Slice(body, *each.line)
            segment.fields = [*fields[:5], Slice(body, *each.field), *fields[6:]]
        else:
            # Lines that continue it follow (a rule of the sender): it is read as text.
            segment.wire = wire.replace(MARK, body[slice(*each.data)].decode("latin-1"))
