"""MSH-18 by a closed table (HL7 table 0211), and what the bytes say about it.

Nothing is guessed: a name outside the table is refused, and so are bytes that contradict the declared set, unless a rule for the
sender says how they are to be read.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from connector.issues import Issue, IssueCode, Severity

__all__ = ["ALLOWED", "AS_DECLARED", "BOM", "Chosen", "choose", "lookup", "name_of"]

BOM = b"\xef\xbb\xbf"

#: Names of table 0211 that are read and written, and their Python codecs.
ALLOWED: dict[str, str] = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "UNICODE UTF-8": "utf-8",
}
# Spellings met in the field; the message keeps its own spelling.
_ALIASES = {
    "UTF-8": "UNICODE UTF-8",
    "UTF8": "UNICODE UTF-8",
    "UNICODE UTF8": "UNICODE UTF-8",
    "UNICODE_UTF-8": "UNICODE UTF-8",
    "US-ASCII": "ASCII",
    **{
        f"{prefix}8859-{part}": f"8859/{part}"
        for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)
        for prefix in ("", "ISO-", "ISO")
    },
    **{f"ISO8859/{part}": f"8859/{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
}
#: Only a rule for a sender may name it: MSH-18 has no word for it.
_WINDOWS = {"WINDOWS-1252": "cp1252", "CP1252": "cp1252"}
#: The rule that believes MSH-18 whatever the bytes look like.
AS_DECLARED = "declared"

_MULTIBYTE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")
_C1 = re.compile(rb"[\x80-\x9f]")
# U+FFFD, and the noncharacters U+FFFE and U+FFFF, as UTF-8 bytes: traces of a damage that cannot be mended here.
_DAMAGED = re.compile(rb"\xef\xbf[\xbd-\xbf]")


class Chosen(NamedTuple):
    """The set to read with: its name (as the sender writes it), its codec, and why not, if not."""

    name: str
    codec: str
    issues: tuple[Issue, ...] = ()


@lru_cache(maxsize=256)
def lookup(name: str) -> str | None:
    """The Python codec of a name of MSH-18 or of one of its known spellings, or None."""
    upper = name.strip().upper()
    return ALLOWED.get(_ALIASES.get(upper, upper))


def name_of(name: str) -> str | None:
    """The name in table 0211 of a known spelling, or None."""
    upper = name.strip().upper()
    known = _ALIASES.get(upper, upper)
    return known if known in ALLOWED else None


def choose(declared: list[str], pieces: list[tuple[int, bytes]], *, rule: str = "", default: str = "") -> Chosen:
    """Choose how the text is read.

    `declared` are the repetitions of MSH-18 (the first is the set of the message); `pieces` the bytes that are text, with their
    offsets; `rule` and `default` the sender's: `declared` or the name of a set (then MSH-18 is not believed), and the set of a
    message whose MSH-18 is empty. Issues are errors: CHARSET_UNKNOWN, CHARSET_CONFLICT, CHARSET_WINDOWS.
    """
    name = declared[0].strip() if declared else ""
    if rule and rule != AS_DECLARED:
        ruled = _WINDOWS.get(rule.upper()) or lookup(rule)
        if ruled is None:
            return Chosen(rule, "", (_unknown(),))
        return _tried(name or rule, ruled, pieces, evidence=False)
    if any(other.strip() and lookup(other) is None for other in declared):
        return Chosen(name, "", (_unknown(),))
    codec = lookup(name) if name else lookup(default) or "ascii"
    if codec is None:
        return Chosen(name, "", (_unknown(),))
    return _tried(name or default, codec, pieces, evidence=rule != AS_DECLARED)


def _tried(name: str, codec: str, pieces: list[tuple[int, bytes]], *, evidence: bool) -> Chosen:
    for offset, piece in pieces:
        if piece.isascii():
            continue
        found = _contradiction(codec, piece, evidence=evidence)
        if found is not None:
            code, position = found
            issue = Issue.of(Severity.ERROR, code, "MSH[1]-18", offset=offset + position)
            return Chosen(name, codec, (issue,))
    return Chosen(name, codec)


def _contradiction(codec: str, piece: bytes, *, evidence: bool) -> tuple[IssueCode, int] | None:
    """What contradicts the codec in text that is not ASCII, and at which byte."""
    if codec == "utf-8":
        damaged = _DAMAGED.search(piece)
        if damaged:
            return IssueCode.CHARSET_CONFLICT, damaged.start()
    elif evidence and codec != "ascii":
        multibyte = _MULTIBYTE.search(piece)
        if multibyte and _is_utf8(piece):
            return IssueCode.CHARSET_CONFLICT, multibyte.start()
    if codec.startswith("iso8859") and (control := _C1.search(piece)):
        return IssueCode.CHARSET_WINDOWS, control.start()
    try:
        piece.decode(codec)
    except UnicodeDecodeError as error:
        return IssueCode.CHARSET_CONFLICT, error.start
    return None


def _is_utf8(piece: bytes) -> bool:
    try:
        piece.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unknown() -> Issue:
    return Issue.of(Severity.ERROR, IssueCode.CHARSET_UNKNOWN, "MSH[1]-18", expected=", ".join(ALLOWED))
