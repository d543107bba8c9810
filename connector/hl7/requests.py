"""The messages of a téléexpertise: this project's two profiles, what they must hold, and the numbers of their observations.

No published French rule says a téléexpertise in HL7 v2. `MONSISRA_TELEEXPERTISE` follows the télé-radiologie volet (CI-SIS, HL7 2.5.1):
ORM^O01 asks (ORC-1 NW) or calls off (CA), ORU^R01 answers (OK, OC) and says the later states. `MONSISRA_REFERRAL` is the same content
as a referral of the standard (v2.6 §11: REF^I12, RRI^I12), for software that knows only these.
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.hl7.message import Message, Segment
from connector.issues import Issue, IssueCode, Severity

__all__ = ["REFERRAL", "TELEEXPERTISE", "issues", "numbered"]

#: MSH-21.2 of the two profiles.
TELEEXPERTISE = "MONSISRA_TELEEXPERTISE"
REFERRAL = "MONSISRA_REFERRAL"

_CONTROLS = {"ORM": ("NW", "CA"), "ORU": ("OK", "OC")}
#: ORC-1 → the last states that agree with it.
_STATES = {
    "NW": ("DEMANDEE", "RECUE"),
    "CA": ("ANNULEE",),
    "OC": ("REFUSEE",),
    "OK": ("ACCEPTEE", "EN_COURS", "AVIS_RENDU", "CLOTUREE"),
}
_FORM = "MONSISRA_FORMULAIRE"


def numbered(message: Message) -> list[int]:
    """Give each observation its sub-id (OBX-4 `n.m`: the nth thing said, its mth part) and its status (OBX-11: O within a request,
    F within an answer). Returns the numbers (OBX-1) of those that got a sub-id."""
    kind = message.get("MSH-9")
    status = "O" if kind in ("ORM", "REF") else "F"
    groups: dict[str, int] = {}
    parts: dict[str, int] = {}
    given = []
    for number, segment in enumerate(message.all("OBX"), 1):
        segment.put(status, 11)
        group = _group(segment)
        if group:
            groups.setdefault(group, len(groups) + 1)
            parts[group] = parts.get(group, 0) + 1
            segment.put(f"{groups[group]}.{parts[group]}", 4)
            given.append(number)
    return given


def _group(segment: Segment) -> str:
    """The thing that an observation is a part of: the expert, the form, the states, the opinion; "" for what stands alone."""
    code, system = segment.text(3), segment.text(3, 3)
    if system == _FORM:
        return "FORMULAIRE"
    group = code.partition("_")[0]
    return group if group in ("EXPERT", "FORMULAIRE", "ETAPE", "AVIS") else ""


def issues(message: Message) -> Iterator[Issue]:
    """What a message of the two profiles lacks or contradicts; nothing for any other."""
    profile = message.get("MSH-21.2")
    if profile == TELEEXPERTISE:
        yield from _request(message)
    elif profile == REFERRAL:
        for field in ("RF1-6", "PID-3", "PID-5"):
            if not message.get(field):
                yield _missing(field)
        if len(message.all("PRD")) < 2:
            yield Issue.of(Severity.ERROR, IssueCode.SEGMENT_MISSING, "PRD[2]", expected="PRD RP, PRD RT")


def _request(message: Message) -> Iterator[Issue]:
    allowed = _CONTROLS.get(message.get("MSH-9"), ())
    control = message.get("ORC-1")
    if not control:
        yield _missing("ORC-1")
    elif control not in allowed:
        yield Issue.of(Severity.ERROR, IssueCode.FIELD_VALUE, "ORC[1]-1", expected=", ".join(allowed))
    for field in ("ORC-2", "OBR-4", "PID-3", "PID-5"):
        if not message.get(field):
            yield _missing(field)
    if control in ("CA", "OC") and not message.get("ORC-16.2"):
        yield Issue.of(Severity.WARNING, IssueCode.FIELD_MISSING, "ORC[1]-16.2", expected="ORC-16.2")
    roles = {segment.text(4) for segment in message.all("PRT")}
    for role in ("OP", "CP") if control == "NW" else ():
        if role not in roles:
            yield Issue.of(Severity.ERROR, IssueCode.SEGMENT_MISSING, "PRT", expected=f"PRT {role}")
    last = [segment.text(5) for segment in message.all("OBX") if segment.text(3) == "ETAPE"][-1:]
    for state in last:
        if control in _STATES and state not in _STATES[control]:
            yield Issue.of(Severity.ERROR, IssueCode.INTENT_CLASH, "ORC[1]-1", left="ORC-1", right="OBX ETAPE")


def _missing(field: str) -> Issue:
    segment, _, number = field.partition("-")
    return Issue.of(Severity.ERROR, IssueCode.FIELD_MISSING, f"{segment}[1]-{number}", expected=field)
