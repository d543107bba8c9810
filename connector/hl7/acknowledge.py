"""Acknowledgements: MSH, MSA and ERR from the header that was received and the issues met (HL7 v2.5 §2.9 and §2.14, CI-SIS volets "Accusés").

The header is read from the bytes alone, because a message that cannot be parsed must be answered too. What the sender wrote is
echoed byte for byte (its separators, its character set, its version); only our own texts are escaped and encoded.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

import msgspec

from connector.exchange.model import Context
from connector.exchange.moments import to_hl7
from connector.hl7.charsets import lookup
from connector.hl7.escapes import Separators, escape, unescape
from connector.issues import Issue, IssueCode, Severity, worst

__all__ = ["Ack", "AckError", "WireHeader", "acknowledge", "answers", "not_kept", "read_ack", "read_header", "verdict"]

#: A header segment is read up to this many bytes; official ones have under 300.
HEADER_LIMIT = 4096
#: An answer lists at most this many errors.
ERRORS = 50

_BOM = b"\xef\xbb\xbf"
_CONTROL = bytes(range(32)) + b"\x7f"

#: HL7 table 0357.
CONDITIONS = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "198": "Non-conformant cardinality",
    "199": "Other HL7 error",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application error",
}

#: User table 0533 of the two volets: code = (French, English).
APPLICATION_ERRORS = {
    "900": ("Mauvaise version de document", "Wrong document version"),
    "901": ("Auteur non autorisé à remplacer ou supprimer", "Author not allowed to replace or delete"),
    "902": ("Identifiant de patient inconnu", "Unknown patient identifier"),
    "903": ("INS absente du CDA", "INS missing in the CDA"),
    "904": ("INS ou traits différents", "INS or traits differ"),
    "905": ("Traits de l'INS incomplets", "INS traits incomplete"),
    "906": ("Autre", "Other"),
}

#: Conditions that reject a message for reasons of the header, not of its content (v2.5 §2.9.2.1).
_HEADER_CONDITIONS = frozenset({"200", "201", "202", "203"})

Stage = Literal["both", "accept", "application"]


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
        return _decoded(parts[component - 1], self.codec) if component <= len(parts) else ""

    @property
    def control_id(self) -> str:
        """MSH-10 as it is said, to be compared with MSA-2 of an answer."""
        return unescape(_decoded(self.raw(10), self.codec), self.separators)

    @property
    def version(self) -> tuple[int, ...]:
        """MSH-12.1 as numbers, (2, 5) when it is not one: the form of answers that all later versions share."""
        numbers = self.text(12).split(".")
        return tuple(int(n) for n in numbers) if all(n.isascii() and n.isdigit() for n in numbers) else (2, 5)


def read_header(raw: bytes | memoryview) -> WireHeader | None:
    """The header of a message from its first bytes, or None when nobody can be answered: no MSH, or no usable field separator."""
    head = bytes(raw[: HEADER_LIMIT + len(_BOM)]).removeprefix(_BOM).lstrip(b"\r\n \t")
    if not head.startswith(b"MSH") or len(head) < 8:
        return None
    field = head[3:4]
    if field.isalnum() or not b" " < field < b"\x7f":
        return None
    line = re.split(rb"[\r\n]", head, maxsplit=1)[0]
    fields = (field, *line.split(field)[1:])
    codec = lookup(_decoded(fields[17], None)) if len(fields) > 17 else None
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


def _decoded(raw: bytes, codec: str | None) -> str:
    try:
        return raw.decode(codec or "utf-8")
    except ValueError:
        return raw.decode("latin-1")


def verdict(issues: Sequence[Issue]) -> Literal["AA", "AE", "AR"]:
    """AA accepted; AE the content must be corrected; AR for what the header says (type, event, processing id, version), for what
    could not be read at all, and for what may be sent again."""
    refusing = [issue for issue in issues if issue.severity >= Severity.ERROR]
    if not refusing:
        return "AA"
    if worst(refusing) is Severity.FATAL:
        return "AR"
    if any(issue.definition.condition in _HEADER_CONDITIONS for issue in refusing):
        return "AR"
    return "AE"


def answers(
    header: WireHeader | None,
    issues: Sequence[Issue],
    context: Context,
    *,
    stage: Stage = "both",
    kept: bool = True,
    language: str = "fr",
) -> tuple[bytes, ...]:
    """The answers owed, in order, exactly as MSH-15 and MSH-16 ask (v2.5 §2.9.3): none, one, or the accept and the application ACK.

    Original mode (both empty): one application ACK. Enhanced mode: CA once the bytes are kept; when no application ACK is wanted, a
    refusal is told as CE or CR, else nobody would hear of it. `stage` picks one of the two when the verdict follows later; `kept`
    False says that nothing was made durable. An acknowledgement is never acknowledged; without a header nobody can be answered.
    """
    if header is None or header.text(9) == "ACK":
        return ()
    code = verdict(issues) if kept else "AR"
    accept, application = header.text(15).upper(), header.text(16).upper()
    if not accept and not application:
        return () if stage == "application" else (acknowledge(header, code, issues, context, language=language),)
    messages = []
    told_later = kept and _wanted(application, code == "AA")
    first = "CA" if told_later or code == "AA" else "C" + code[1]
    if stage != "application" and _wanted(accept, first == "CA"):
        messages.append(acknowledge(header, first, () if first == "CA" else issues, context, language=language))
    if stage != "accept" and told_later:
        messages.append(acknowledge(header, code, issues, context, language=language))
    return tuple(messages)


def _wanted(condition: str, success: bool) -> bool:
    """HL7 table 0155: AL always, NE never, ER on error or reject, SU on success; empty in enhanced mode is NE."""
    return condition == "AL" or condition == ("SU" if success else "ER")


def acknowledge(
    header: WireHeader, code: str, issues: Sequence[Issue], context: Context, *, language: str = "fr"
) -> bytes:
    """One acknowledgement with the given MSA-1. Errors are listed unless the message was accepted; ERR is that of the sender's version."""
    ack = _Answer(header, language)
    segments = [ack.msh(code, context), ack.msa(code)]
    if code[1] != "A":
        refusing = [issue for issue in issues if issue.severity >= Severity.ERROR][:ERRORS]
        segments += [ack.err(issue) if header.version >= (2, 5) else ack.eld(issue) for issue in refusing]
    return b"".join(segment + b"\r" for segment in segments)


_PATH = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?)?$")


class _Answer:
    """The segments of one answer, on the wire of its receiver."""

    def __init__(self, header: WireHeader, language: str) -> None:
        self.header = header
        self.language = language
        self.separators = header.separators
        # A sender that declares no character set is one of ASCII (table 0211); accents are then written without.
        self.codec = header.codec if header.raw(18) else "ascii"

    def msh(self, code: str, context: Context) -> bytes:
        """MSH with applications and facilities swapped; MSH-21 stays empty (volet 1 §ACK)."""
        header, sep = self.header, self.separators
        event = header.text(9, 2)
        kind = sep.component.join(("ACK", event, "ACK")) if re.fullmatch("[A-Z][A-Z0-9]{2}", event, re.ASCII) else "ACK"
        fields = [
            (sep.component + sep.repetition + sep.escape + sep.subcomponent).encode(),
            header.raw(5),
            header.raw(6),
            header.raw(3),
            header.raw(4),
            to_hl7(context.now).encode(),
            b"",
            kind.encode(),
            _control_id(header, code, context).encode(),
            header.raw(11) or b"P",
            header.raw(12) or b"2.5",
            b"",
            b"",
            b"",
            b"",
            header.raw(17) or b"FRA",
            header.raw(18),
        ]
        return b"MSH" + self._joined(fields)

    def msa(self, code: str) -> bytes:
        """MSA-1 and the control id received."""
        return b"MSA" + self._joined([code.encode(), self.header.raw(10)])

    def err(self, issue: Issue) -> bytes:
        """ERR of v2.5 and later."""
        definition = issue.definition
        application = APPLICATION_ERRORS.get(definition.application)
        located = _PATH.match(issue.place.path.rpartition("/")[2])
        return b"ERR" + self._joined(
            [
                b"",
                self._components(*_location(located)) if located else b"",
                self._components(definition.condition, CONDITIONS[definition.condition], "HL70357"),
                issue.severity.letter.encode(),
                self._components(definition.application, application[self.language != "fr"], "HL70533")
                if application
                else b"",
                b"",
                self._text(self._diagnosis(issue, bool(located))),
                self._text(issue.text(self.language)),
            ]
        )

    def eld(self, issue: Issue) -> bytes:
        """ERR of v2.4 and earlier: ERR-1 is segment, sequence, field, and the coded condition in subcomponents."""
        definition = issue.definition
        located = _PATH.match(issue.place.path.rpartition("/")[2])
        where = _location(located)[:3] if located else []
        sub = self.separators.subcomponent.encode()
        coded = sub.join((definition.condition.encode(), self._text(issue.text(self.language)), b"HL70357"))
        place = [self._text(part) for part in [*where, "", "", ""][:3]]
        return b"ERR" + self._joined([self.separators.component.encode().join([*place, coded])])

    def _diagnosis(self, issue: Issue, located: bool) -> str:
        """Where the rule stands; the place too when ERR-2 cannot say it (a path of the CDA)."""
        return issue.place.rule or "" if located else str(issue.place)

    def _components(self, *texts: str) -> bytes:
        joined = self.separators.component.encode().join(self._text(text) for text in texts)
        return joined.rstrip(self.separators.component.encode())

    def _text(self, text: str) -> bytes:
        plain = "".join(c if c.isprintable() else " " for c in text)
        escaped = escape(plain, self.separators)
        try:
            return escaped.encode(self.codec or "ascii")
        except UnicodeEncodeError:
            return unicodedata.normalize("NFKD", escaped).encode(self.codec or "ascii", "ignore")

    def _joined(self, fields: list[bytes]) -> bytes:
        while fields and not fields[-1]:
            fields.pop()
        separator = self.separators.field.encode()
        return separator + separator.join(fields)


def _location(located: re.Match[str]) -> list[str]:
    """ERL: segment, its sequence, field, repetition, component, subcomponent."""
    segment, sequence, field, repetition, component, subcomponent = located.groups(default="")
    return [segment, sequence or "1", field, repetition or ("1" if field else ""), component, subcomponent]


def _control_id(header: WireHeader, code: str, context: Context) -> str:
    """Ours for this answer, derived: the same message answered at the same moment has the same id (20 characters, v2.5 MSH-10)."""
    identity = b"\x1f".join(
        (context.namespace.encode(), header.raw(3), header.raw(4), header.raw(10), context.now.encode(), code.encode())
    )
    return base64.b32encode(hashlib.sha256(identity).digest())[:20].decode()


def not_kept(header: WireHeader | None, context: Context, *, language: str = "fr") -> tuple[bytes, ...]:
    """The AR or CR that says: nothing was made durable, send again."""
    issue = Issue.of(Severity.FATAL, IssueCode.STORE_UNAVAILABLE)
    return answers(header, (issue,), context, kept=False, language=language)


# --- what a peer answers


#: An acknowledgement of more bytes is not read (D06).
ACK_LIMIT = 1_000_000

_CODES = frozenset({"AA", "AE", "AR", "CA", "CE", "CR"})


class AckError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One ERR as received: location as written, codes, severity, and the texts (which may name a patient: for people, never for logs)."""

    location: str = ""
    condition: str = ""
    severity: str = ""
    application: str = ""
    text: str = ""


class Ack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An acknowledgement read. `unreadable` says why it is none: then nothing is known, least of all success."""

    code: str = ""
    control_id: str = ""
    text: str = ""
    errors: tuple[AckError, ...] = ()
    unreadable: Issue | None = None

    @property
    def accepted(self) -> bool:
        """AA or CA."""
        return self.unreadable is None and self.code in {"AA", "CA"}

    @property
    def commit(self) -> bool:
        """CA, CE or CR: the peer speaks of having taken the bytes, not of their content."""
        return self.code.startswith("C")


def read_ack(raw: bytes) -> Ack:
    """Read MSA and ERR in the character set that the peer declares. Never raises."""
    header = read_header(raw) if len(raw) <= ACK_LIMIT else None
    if header is None:
        return _unreadable()
    segments = re.split(rb"[\r\n]+", raw.removeprefix(_BOM).strip())
    split = [segment.split(header.separators.field.encode()) for segment in segments]
    acknowledged = [fields for fields in split if fields[0] == b"MSA"]
    if len(acknowledged) != 1:
        return _unreadable("MSA")
    code, control_id, text = (_field(header, acknowledged[0], number) for number in (1, 2, 3))
    if code not in _CODES:
        return _unreadable("MSA-1")
    errors = [_read_err(header, fields) for fields in split if fields[0] == b"ERR"][:ERRORS]
    return Ack(code=code, control_id=control_id, text=text, errors=tuple(errors))


def _unreadable(path: str = "MSH") -> Ack:
    return Ack(unreadable=Issue.of(Severity.ERROR, IssueCode.ANSWER_UNREADABLE, path))


def _field(header: WireHeader, fields: list[bytes], number: int) -> str:
    wire = _decoded(fields[number], header.codec) if number < len(fields) else ""
    return unescape(wire, header.separators)


def _read_err(header: WireHeader, fields: list[bytes]) -> AckError:
    separators = header.separators
    wire = [_decoded(field, header.codec) for field in fields] + [""] * 9

    def said(text: str) -> str:
        return unescape(text, separators)

    if wire[1] and not wire[3]:  # ELD of v2.4 and earlier
        *location, coded = wire[1].split(separators.repetition)[0].split(separators.component)
        condition, text, *_ = [*coded.split(separators.subcomponent), ""]
        return AckError(location=said("^".join(location)), condition=said(condition), severity="E", text=said(text))
    condition, label, *_ = [*wire[3].split(separators.component), ""]
    return AckError(
        location=said(wire[2]),
        condition=said(condition),
        severity=wire[4],
        application=said(wire[5].split(separators.component)[0]),
        text=said(wire[8] or wire[7] or label),
    )
