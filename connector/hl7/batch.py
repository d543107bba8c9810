"""Batches (HL7 v2.5 §2.10.3): `[FHS] {[BHS] {message} [BTS]} [FTS]`, read from a stream in bounded memory, and their answer.

Every message comes out, whatever the headers and trailers say; what they say wrongly is reported beside. A message ends where the
next MSH, FHS, BHS, BTS or FTS begins a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from connector.exchange.model import Context
from connector.exchange.moments import to_hl7
from connector.hl7.mllp import DEFAULT_LIMIT, HEAD
from connector.hl7.wire import WireHeader, derived_id, read_header
from connector.issues import Issue, IssueCode, Severity

__all__ = ["BatchMessage", "BatchReader", "batch_answer", "read_batch"]

#: Reported of one file; the rest is counted only.
ISSUES = 100

# At the start of a line (or behind VT, or a byte order mark), followed by a separator or the end of the segment.
_MARK = re.compile(rb"(?:(?<![^\r\n\x0b])|(?<=\xef\xbb\xbf))(?:MSH|FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9])")
_BLANK = b" \t\r\n\x0b\x1c\xef\xbb\xbf\x1a"


class BatchMessage(msgspec.Struct, frozen=True):
    """One message as it stands in the file, from 1; `batch` is the number of its batch, 0 outside of any. `issue`: it is too large, `raw` is its head."""

    raw: bytes | memoryview
    number: int
    batch: int
    issue: Issue | None = None


class BatchReader:
    """Feed the bytes of a file in any chunking; take messages out. After `end`, `issues` and the counts tell about the file."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        self.messages = 0
        self.batches = 0
        self.issues: list[Issue] = []
        self.file_header: WireHeader | None = None
        self.batch_header: WireHeader | None = None
        self._buffer = bytearray()
        self._section = b""  # the mark that the buffer begins with; empty before the first
        self._skipping = False
        self._file_open = False
        self._batch_open = False
        self._in_batch = 0
        self._found: list[BatchMessage] = []

    def feed(self, chunk: bytes) -> list[BatchMessage]:
        """Take the next bytes of the file; give the messages that they completed."""
        self._found = []
        buffer = self._buffer
        # A mark needs four characters: the end of what was searched is searched again.
        searched = max(0, len(buffer) - 4)
        buffer += chunk
        start = 0
        for mark in _MARK.finditer(buffer, searched):
            if mark.start() == start and self._section and start == 0 and not self._skipping:
                continue  # the mark that this section began with
            self._close_section(bytes(buffer[start : mark.start()]))
            start, self._section = mark.start(), mark.group()
        if start:
            del buffer[:start]
        # The beginning of the next mark may stand in the buffer already.
        if len(buffer) > self.limit + 4:
            self._overflow()
        return self._found

    def end(self) -> list[BatchMessage]:
        """The file has ended."""
        found = self.feed(b"\r") if bytes(self._buffer[-3:]) in (b"BTS", b"FTS") else []
        self._found = found
        self._close_section(bytes(self._buffer))
        self._buffer.clear()
        self._section = b""
        if self._batch_open:
            self._report(IssueCode.BATCH_STRUCTURE, "BTS", expected="BTS")
        if self._file_open:
            self._report(IssueCode.BATCH_STRUCTURE, "FTS", expected="FTS")
        self._batch_open = self._file_open = False
        return found

    def _overflow(self) -> None:
        """The section in hand is too large: its head is reported, the rest dropped up to the next mark."""
        if not self._skipping:
            if self._section == b"MSH":
                self._message(bytes(self._buffer))
            else:
                self._report(IssueCode.BATCH_STRUCTURE, self._section.decode(), expected="MSH")
            self._skipping = True
        del self._buffer[:-4]

    def _close_section(self, raw: bytes) -> None:
        section, skipped, self._skipping = self._section, self._skipping, False
        if skipped:
            return
        if section == b"MSH":
            self._message(raw)
        elif section == b"FHS":
            self._open_file(raw)
        elif section == b"BHS":
            self._open_batch(raw)
        elif section == b"BTS":
            self._close_batch(raw)
        elif section == b"FTS":
            self._close_file(raw)
        elif raw.strip(_BLANK):
            self._report(IssueCode.BATCH_STRUCTURE, expected="FHS, BHS, MSH")

    def _message(self, raw: bytes) -> None:
        self.messages += 1
        self._in_batch += 1
        issue = None
        if len(raw) > self.limit:
            raw, issue = raw[:HEAD], Issue.of(Severity.FATAL, IssueCode.FRAME_TOO_LARGE, limit=self.limit)
        self._found.append(BatchMessage(raw, self.messages, self.batches if self._batch_open else 0, issue))

    def _open_file(self, raw: bytes) -> None:
        if self._file_open or self.batches or self.messages:
            self._report(IssueCode.BATCH_STRUCTURE, "FHS", expected="FTS, FHS")
        self._file_open = True
        self.file_header = self.file_header or read_header(raw, b"FHS")

    def _open_batch(self, raw: bytes) -> None:
        if self._batch_open:
            self._report(IssueCode.BATCH_STRUCTURE, f"BHS[{self.batches + 1}]", expected="BTS")
        self._batch_open = True
        self.batches += 1
        self._in_batch = 0
        self.batch_header = self.batch_header or read_header(raw, b"BHS")

    def _close_batch(self, raw: bytes) -> None:
        if not self._batch_open:
            self._report(IssueCode.BATCH_STRUCTURE, "BTS", expected="BHS")
        self._compare(raw, "BTS", self._in_batch)
        self._batch_open = False

    def _close_file(self, raw: bytes) -> None:
        if self._batch_open:
            self._report(IssueCode.BATCH_STRUCTURE, "FTS", expected="BTS")
            self._batch_open = False
        if not self._file_open:
            self._report(IssueCode.BATCH_STRUCTURE, "FTS", expected="FHS")
        # A file without batch headers is one batch.
        self._compare(raw, "FTS", self.batches or 1)
        self._file_open = False

    def _compare(self, raw: bytes, segment: str, found: int) -> None:
        """The announced count against what was found; an empty count announces nothing."""
        announced = re.split(rb"[^0-9A-Za-z ]", raw[4:64].rstrip(_BLANK), maxsplit=1)[0].strip()
        if announced and (not announced.isdigit() or int(announced) != found):
            self._report(IssueCode.BATCH_COUNT, f"{segment}-1", segment=f"{segment}-1", found=str(found))

    def _report(self, code: IssueCode, path: str = "", **parameters: str) -> None:
        if len(self.issues) < ISSUES:
            self.issues.append(Issue.of(Severity.WARNING, code, path, rule=None, **parameters))


def read_batch(chunks: Iterable[bytes], reader: BatchReader) -> Iterator[BatchMessage]:
    """The messages of a file, one by one; `reader` tells about the file afterwards."""
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.end()


def batch_answer(
    reader: BatchReader, answers: Sequence[bytes], context: Context, *, language: str = "fr"
) -> Iterator[bytes]:
    """The answer to a batch, in pieces: headers with sender and receiver swapped, the ACK of each message, trailers with counts.

    FHS-12 and BHS-12 name the control ids received; what was wrong with counts and structure stands in BTS-2. A file without headers is
    answered by its ACKs alone.
    """
    file, batch = reader.file_header, reader.batch_header
    notes = "; ".join(issue.text(language) for issue in reader.issues)
    if file is not None:
        yield _opening("FHS", file, context)
    if batch is not None:
        yield _opening("BHS", batch, context)
    yield from answers
    if batch is not None:
        yield _closing("BTS", batch, len(answers), notes)
    if file is not None:
        yield _closing("FTS", file, 1, "" if batch is not None else notes)


def _opening(name: str, header: WireHeader, context: Context) -> bytes:
    return header.segment(
        name,
        header.marks,
        header.raw(5),
        header.raw(6),
        header.raw(3),
        header.raw(4),
        to_hl7(context.now).encode(),
        b"",
        b"",
        b"",
        derived_id(header, 11, name, context).encode(),
        header.raw(11),
    )


def _closing(name: str, header: WireHeader, count: int, notes: str) -> bytes:
    return header.segment(name, str(count).encode(), header.encoded(notes))
