"""Bytes and tree of HPRIM Médecin (v3.0): header lines, free text, `****LAB****`, `****FIN****`, `****FINFICHIER****`.

Read liberally: what writes these files is thirty years of software. UTF-8, UTF-16, windows-1252 and MacRoman are told apart by the
bytes; an envelope line may stand in front; address lines may be missing; HTML entities stand for letters. Written strictly: twelve
lines, CR LF, windows-1252. No text of a letter can end it or begin another: such lines are moved one blank to the right.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator

from connector.hprim.letter import HEADER, Node, grouped
from connector.issues import Issue, IssueCode, Outcome, Severity

__all__ = ["CHARSET", "parse", "serialise", "split", "writable"]

#: What is written.
CHARSET = "windows-1252"

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")
_DATE = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\d{4}-\d{2}-\d{2}|\d{8}")
_TOWN = re.compile(r"\d{5}\b|2[AB]\d{3}\b")
_MARK = re.compile(r"\*{4}\s*(LAB|FINFICHIER|FIN)\s*\*{0,4}\s*")
_ANY_MARK = re.compile(rb"^\*{4}[ \t]*FIN(?:FICHIER)?[ \t]*\*{0,4}[ \t]*(?:\r\n?|\n|\Z)", re.MULTILINE)
#: A line of a text that would be taken for structure.
_STRUCTURE = re.compile(r"^(?=\*{4}|RES\||TEX\|)", re.MULTILINE)
#: Accented letters of French in each of the two 8-bit sets: é è ç à.
_WINDOWS, _MAC = b"\xe9\xe8\xe7\xe0", b"\x8e\x8f\x8d\x88"
#: An envelope is one line of 256 fixed columns; a header line is far shorter.
_ENVELOPE = 120
#: The birth date is the seventh line, the three lines before it are the address.
_BIRTH, _ADDRESS = 6, 3
_LETTERS = str.maketrans(
    {"Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Ħ": "H", "ħ": "h", "ı": "i", "‐": "-", "‑": "-", "−": "-", "\u2028": "\n"}
    | {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "≤": "<=", "≥": ">=", "→": "->", "\ufeff": ""}
)


def split(raw: bytes) -> list[bytes]:
    """The letters of a file, each with its end mark. UTF-16 comes out as UTF-8; anything else is untouched."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raw = raw.decode("utf-16", "replace").encode("utf-8")
    letters: list[bytes] = []
    start = 0
    for mark in _ANY_MARK.finditer(raw):
        if b"FICHIER" in mark.group():
            break
        letters.append(raw[start : mark.end()])
        start = mark.end()
    rest = _ANY_MARK.sub(b"", raw[start:])
    return [*letters, raw[start:]] if rest.strip() else letters


def parse(raw: bytes) -> Outcome[Node]:
    """The one letter of these bytes. ERROR: control characters (CONTROL_CHARACTER), no whole header (TRUNCATED), or several letters (TOO_MANY)."""
    text, issues = _decoded(raw)
    control = _CONTROL.search(text)
    if control is not None:
        return Outcome(None, (Issue.of(Severity.ERROR, IssueCode.CONTROL_CHARACTER, offset=control.start()),))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    rest = map(_unescaped, lines)
    envelope, header = _header(rest)
    if header is None:
        missing = Issue.of(Severity.ERROR, IssueCode.TRUNCATED, expected=f"HPRIM Médecin, {HEADER} lines")
        return Outcome(None, (*issues, missing))
    texts = {f"L{number}": line for number, line in enumerate(_aligned(header), 1)}
    node = grouped("Letter", {"envelope": envelope, **texts})
    ended = _text(node, rest)
    if ended and any(line.strip() and not _MARK.fullmatch(line) for line in rest):
        several = Issue.of(Severity.ERROR, IssueCode.TOO_MANY, "****FIN****", limit=1, what="HPRIM letters")
        return Outcome(None, (*issues, several))
    return Outcome(node, tuple(issues))


def _decoded(raw: bytes) -> tuple[str, list[Issue]]:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace").removeprefix("\ufeff"), []
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        # The encoding that leaves the fewest bytes besides its own accented letters.
        if len(raw.translate(None, _MAC)) < len(raw.translate(None, _WINDOWS)):
            return raw.decode("mac_roman"), []
    try:
        return raw.decode("cp1252"), []
    except UnicodeDecodeError as error:
        unknown = Issue.of(Severity.WARNING, IssueCode.CHARSET_CONFLICT, offset=error.start)
        return raw.decode("cp1252", "replace"), [unknown]


def _unescaped(line: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found.group()), line) if "&" in line else line


def _header(lines: Iterator[str]) -> tuple[str, list[str] | None]:
    """The envelope, if there is one, and the twelve lines; None when the letter ends before."""
    header: list[str] = []
    envelope = ""
    for line in lines:
        if not (header or envelope) and len(line.rstrip()) > _ENVELOPE:
            envelope = line.rstrip()
            continue
        if _MARK.fullmatch(line):
            break
        header.append(" ".join(line.split()))
        if len(header) == HEADER + _missing(header):
            return envelope, header
    return envelope, None


def _missing(header: list[str]) -> int:
    """How many lines more (or, below zero, fewer) than twelve the header has: by where its birth date stands."""
    found = next((n for n, line in enumerate(header[_ADDRESS : _BIRTH + 2], _ADDRESS) if _DATE.fullmatch(line)), _BIRTH)
    return found - _BIRTH


def _aligned(header: list[str]) -> list[str]:
    """The header with its address on three lines: two of street and one of town, whatever was there."""
    surplus = _missing(header)
    if not surplus:
        return header
    address = [line for line in header[_ADDRESS : _BIRTH + surplus] if line]
    town = address.pop() if address and _TOWN.match(address[-1]) else ""
    streets = [address[0] if address else "", " ".join(address[1:])]
    return [*header[:_ADDRESS], *streets, town, *header[_BIRTH + surplus :]]


def _text(node: Node, lines: Iterator[str]) -> bool:
    """The free text and the coded part; True when an end mark was met."""
    free: list[str] = []
    coded: Node | None = None
    ended = False
    for line in lines:
        mark = _MARK.fullmatch(line)
        if mark is not None and mark[1] == "LAB":
            coded = coded or Node("LAB", {"date": [node.get("L10")]} if node.get("L10") else {})
        elif mark is not None:
            ended = True
            break
        elif coded is None or not _coded(coded, line):
            free.append(line.rstrip())
    node.put("text", "\n".join(free).strip("\n"))
    if coded is not None and (coded.children or coded.leaves.get("TEX")):
        node.children.append(coded)
    return ended


def _coded(lab: Node, line: str) -> bool:
    """Take a line of the coded part; False when it is neither a result nor a comment, but text."""
    kind, _, rest = line.partition("|")
    if kind == "RES":
        fields = (field.strip() for field in rest.split("|"))
        lab.children.append(grouped("RES", {str(n): field for n, field in enumerate(fields, 1) if field != "."}))
        return True
    if kind == "TEX":
        owner = lab.children[-1] if lab.children else lab
        comment = rest.strip().strip("|").strip()
        if comment:
            owner.leaves.setdefault("TEX", []).append(comment)
        return True
    return not line.strip()


def serialise(letter: Node) -> bytes:
    """The file of one letter. Raises UnicodeEncodeError (a ValueError) for a text that `writable` has not seen."""
    labs = letter.all("LAB")
    lines = [letter.text(f"L{number}") for number in range(1, HEADER + 1)]
    lines[9] = lines[9] or next((lab.get("date") for lab in labs), "")
    lines += letter.get("text").split("\n") if letter.get("text") else []
    if labs:
        lines.append("****LAB****")
        lines += (row for lab in labs for node in (lab, *lab.children) for row in _rows(node))
    lines += ["****FIN****", "****FINFICHIER****", ""]
    return "\r\n".join(lines).encode(CHARSET)


def _rows(node: Node) -> Iterator[str]:
    if node.name == "RES":
        yield "RES|" + "".join(f"{_field(node.text(str(n))) or ('.' if n == 4 else '')}|" for n in range(1, 15))
    for comment in node.leaves.get("TEX", ()):
        for line in comment.split("\n"):
            yield f"TEX|{_field(line)}|"


def _field(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def writable(text: str, *, line: bool) -> tuple[str, bool]:
    """A text as windows-1252 can hold it and no reader takes it for structure, and whether nothing had to be transliterated.

    `line`: it is one line of the header. A letter without its like becomes `?`.
    """
    plain = " ".join(_CONTROL.sub("", text).split()) if line else _plain(text)
    moved = _STRUCTURE.sub(" ", plain)
    try:
        moved.encode(CHARSET)
    except UnicodeEncodeError:
        return "".join(map(_transliterated, moved)), False
    return moved, True


def _plain(text: str) -> str:
    """Lines ended by LF, without control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n").split("\n")
    return "\n".join(_CONTROL.sub("", line).rstrip() for line in lines).strip("\n")


def _transliterated(character: str) -> str:
    try:
        character.encode(CHARSET)
    except UnicodeEncodeError:
        bare = unicodedata.normalize("NFKD", character.translate(_LETTERS))
        kept = "".join(each for each in bare if not unicodedata.combining(each)).translate(_LETTERS)
        return kept.encode(CHARSET, "replace").decode(CHARSET)
    return character
