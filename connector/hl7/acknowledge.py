"""Acknowledgements: MSH, MSA and ERR from the header that was received and the issues met (HL7 v2.5 §2.9 and §2.14, CI-SIS volets "Accusés").

The header is read from the bytes alone, because a message that cannot be parsed must be answered too. What the sender wrote is
echoed byte for byte (its separators, its character set, its version); only our own texts are escaped and encoded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from connector.exchange.model import Context
from connector.exchange.moments import to_hl7
from connector.hl7.escapes import unescape
from connector.hl7.wire import BOM, WireHeader, decoded, derived_id, read_header
from connector.issues import Issue, IssueCode, Severity, worst

__all__ = ["Ack", "AckError", "WireHeader", "acknowledge", "answers", "not_kept", "read_ack", "read_header", "verdict"]

#: An answer lists at most this many errors.
ERRORS = 50

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
    return b"".join(segments)


_PATH = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?)?$")


class _Answer:
    """The segments of one answer, on the wire of its receiver."""

    def __init__(self, header: WireHeader, language: str) -> None:
        self.header = header
        self.language = language

    def msh(self, code: str, context: Context) -> bytes:
        """MSH with applications and facilities swapped; MSH-21 stays empty (volet 1 §ACK)."""
        header = self.header
        event = header.text(9, 2)
        known = re.fullmatch("[A-Z][A-Z0-9]{2}", event, re.ASCII)
        return header.segment(
            "MSH",
            header.marks,
            header.raw(5),
            header.raw(6),
            header.raw(3),
            header.raw(4),
            to_hl7(context.now).encode(),
            b"",
            header.coded("ACK", event, "ACK") if known else b"ACK",
            derived_id(header, 10, code, context).encode(),
            header.raw(11) or b"P",
            header.raw(12) or b"2.5",
            b"",
            b"",
            b"",
            b"",
            header.raw(17) or b"FRA",
            header.raw(18),
        )

    def msa(self, code: str) -> bytes:
        """MSA-1 and the control id received."""
        return self.header.segment("MSA", code.encode(), self.header.raw(10))

    def err(self, issue: Issue) -> bytes:
        """ERR of v2.5 and later."""
        header, definition = self.header, issue.definition
        application = APPLICATION_ERRORS.get(definition.application)
        label = application[self.language != "fr"] if application else ""
        located = _PATH.match(issue.place.path.rpartition("/")[2])
        # ERR-7 names our rule, and the place too when ERR-2 cannot say it (a path of the CDA).
        diagnosis = issue.place.rule or "" if located else str(issue.place)
        return header.segment(
            "ERR",
            b"",
            header.coded(*_location(located)) if located else b"",
            header.coded(definition.condition, CONDITIONS[definition.condition], "HL70357"),
            issue.severity.letter.encode(),
            header.coded(definition.application, label, "HL70533") if application else b"",
            b"",
            header.encoded(diagnosis),
            header.encoded(issue.text(self.language)),
        )

    def eld(self, issue: Issue) -> bytes:
        """ERR of v2.4 and earlier: ERR-1 is segment, sequence, field, and the coded condition in subcomponents."""
        header, definition = self.header, issue.definition
        located = _PATH.match(issue.place.path.rpartition("/")[2])
        where = _location(located)[:3] if located else ["", "", ""]
        sub, component = header.separators.subcomponent.encode(), header.separators.component.encode()
        coded = sub.join((definition.condition.encode(), header.encoded(issue.text(self.language)), b"HL70357"))
        return header.segment("ERR", component.join((*map(header.encoded, where), coded)))


def _location(located: re.Match[str]) -> list[str]:
    """ERL: segment, its sequence, field, repetition, component, subcomponent."""
    segment, sequence, field, repetition, component, subcomponent = located.groups(default="")
    return [segment, sequence or "1", field, repetition or ("1" if field else ""), component, subcomponent]


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
    segments = re.split(rb"[\r\n]+", raw.removeprefix(BOM).strip())
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
    wire = decoded(fields[number], header.codec) if number < len(fields) else ""
    return unescape(wire, header.separators)


def _read_err(header: WireHeader, fields: list[bytes]) -> AckError:
    separators = header.separators
    wire = [decoded(field, header.codec) for field in fields] + [""] * 9

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
