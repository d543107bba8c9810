"""What a line must be to be a segment: its name, its limits, its characters; shared by the two ways of reading a message."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from connector.hl7 import charsets
from connector.hl7.escapes import Separators, kept_escapes
from connector.hl7.message import Segment
from connector.issues import Issue, IssueCode, Severity

__all__ = [
    "ParseOptions",
    "Refused",
    "charset",
    "check_controls",
    "check_escapes",
    "check_limits",
    "check_single_header",
    "named",
    "places",
    "too_many",
]

# Tabulation is text; CR and LF are terminators; nothing else below 20 may stand in a message.
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# The names of the standard have a letter in second place; local ones may not.
_NAME = re.compile(r"[A-Z][A-Z][A-Z0-9]|Z[A-Z0-9]{2}")


class Refused(Exception):
    """Carries the issue that ends a parse out of its steps; never leaves this package."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(issue.code)
        self.issue = issue


class ParseOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a sender's messages are read. Without a rule the text of the standard holds.

    `charset`: "" (as MSH-18 says, refused when the bytes contradict it), `declared` (as MSH-18 says, whatever the bytes look like) or
    the name of a set of table 0211 or `windows-1252` (whatever MSH-18 says). `default_charset` is used when MSH-18 is empty.
    `continuation`: a line that is no segment continues the one before it. `names`: segment names misspelt by the sender → right ones.
    """

    charset: str = ""
    default_charset: str = ""
    continuation: bool = False
    names: dict[str, str] = {}
    max_segments: int = 20_000
    max_fields: int = 1_000
    max_repetitions: int = 5_000


def check_controls(offset: int, piece: bytes) -> None:
    """Raises Refused with CONTROL_CHARACTER and its offset."""
    # Deleting and comparing lengths is ten times faster than a search.
    if len(piece.translate(None, _CONTROLS)) != len(piece) and (control := _CONTROL.search(piece)):
        raise Refused(Issue.of(Severity.ERROR, IssueCode.CONTROL_CHARACTER, offset=offset + control.start()))


@lru_cache(maxsize=1024)
def named(name: str) -> bool:
    """Whether it is the name of a segment."""
    return _NAME.fullmatch(name) is not None


def charset(
    first: bytes, separators: Separators, pieces: list[tuple[int, bytes]], options: ParseOptions, received: bytes
) -> tuple[str, str]:
    """Name and codec of the text. Raises Refused with CHARSET_*."""
    # Not through the tree: this is done for every message before its text can be decoded.
    fields = first.decode("latin-1").split(separators.field, 18)
    declared = fields[17].split(separators.repetition) if len(fields) > 17 and fields[17] else []
    default = options.default_charset or ("UNICODE UTF-8" if received.startswith(charsets.BOM) else "")
    chosen = charsets.choose(declared, pieces, rule=options.charset, default=default)
    if chosen.issues:
        raise Refused(chosen.issues[0])
    return chosen.name, chosen.codec


def check_single_header(segments: list[Segment], issues: list[Issue]) -> None:
    """A second MSH is never dropped silently."""
    if [segment.name for segment in segments].count("MSH") > 1:
        issues.append(Issue.of(Severity.ERROR, IssueCode.SEGMENT_TWICE, "MSH[2]", expected="MSH"))


def too_many(limit: int, what: str, path: str = "") -> Issue:
    """The issue of a limit."""
    return Issue.of(Severity.ERROR, IssueCode.TOO_MANY, path, limit=limit, what=what)


def check_limits(segments: list[Segment], options: ParseOptions) -> None:
    """Limits of one segment and one field. Raises Refused with TOO_MANY."""
    for index, segment in enumerate(segments):
        wire, separators = segment.wire, segment.separators
        if (
            isinstance(wire, str)
            and wire.count(separators.field) <= options.max_fields
            and wire.count(separators.repetition) < options.max_repetitions
        ):
            continue
        fields = segment.parts()
        if len(fields) - 1 > options.max_fields:
            raise Refused(too_many(options.max_fields, "fields", places(segments)[index]))
        for number, field in enumerate(fields):
            if isinstance(field, str) and field.count(separators.repetition) >= options.max_repetitions:
                place = f"{places(segments)[index]}-{number}"
                raise Refused(too_many(options.max_repetitions, "repetitions", place))


def places(segments: list[Segment]) -> list[str]:
    """`PID[1]`, `OBX[2]`… of each segment."""
    seen: dict[str, int] = {}
    places = []
    for segment in segments:
        seen[segment.name] = seen.get(segment.name, 0) + 1
        places.append(f"{segment.name}[{seen[segment.name]}]")
    return places


def check_escapes(segments: list[Segment], issues: list[Issue]) -> None:
    """A warning for each segment whose text keeps escape sequences that have no meaning here."""
    for index, segment in enumerate(segments):
        separators = segment.separators
        wire = segment.wire
        if isinstance(wire, str):
            if separators.escape not in wire:
                continue
            # MSH-2 holds the escape character itself.
            texts = [wire.split(separators.field, 2)[-1] if segment.name == "MSH" else wire]
        else:
            texts = [part for part in segment.parts() if isinstance(part, str) and separators.escape in part]
        if any(kept_escapes(text, separators) for text in texts):
            issues.append(Issue.of(Severity.WARNING, IssueCode.ESCAPE_UNKNOWN, places(segments)[index]))
