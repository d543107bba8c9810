"""What is wrong with an HL7 v2 message by the standard's header rules, by the structure, and by the two CI-SIS volets; hl7apy's opinion beside.

`validate` never refuses what official samples of the volets do: what contradicts itself or lacks its content is an ERROR, a deviation of
form is a WARNING. Directives, identity and recipients are rules of the Exchange (connector.exchange.rules).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from connector.hl7 import requests
from connector.hl7.codec import parse
from connector.hl7.message import Message, Segment
from connector.hl7.volets import volet_of
from connector.issues import Issue, IssueCode, Severity

__all__ = ["header_issues", "second_opinion", "validate"]

#: HL7 table 0104 of the versions that are read; a national suffix may follow in MSH-12.2 and 12.3.
VERSIONS = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2", "2.9")

#: A control id longer than this cannot be kept apart from another in every journal (v2.7 MSH-10).
CONTROL_ID = 199

#: Types whose subject is a patient, and the events of ADT that name two of them or more (A40 and A47 have one PID and one MRG, PAM.fr).
_OF_A_PATIENT = frozenset(
    {"ADT", "ORU", "MDM", "ORM", "OMI", "OMG", "OML", "BAR", "DFT", "SIU", "PPR", "RDE", "RDS", "VXU", "REF", "RRI"}
)
_OF_SEVERAL = frozenset({"A17", "A18", "A24", "A30", "A34", "A35", "A36", "A37", "A39", "A41", "A42", "A43", "A44", "A45", "A46", "A48", "A49", "A50", "A51"})  # fmt: skip


def validate(message: Message) -> list[Issue]:
    """Every issue of a message as received, in the order of the message's segments by rule."""
    msh = message.first("MSH")
    if msh is None:
        return [_error(IssueCode.SEGMENT_MISSING, "MSH", expected="MSH")]
    issues = [*header_issues(message), *_patients(message)]
    volet = volet_of(message)
    if volet is not None:
        issues += volet.issues(message)
    issues += requests.issues(message)
    return issues


def header_issues(message: Message) -> Iterator[Issue]:
    """MSH-9, 10, 11 and 12: what every receiver must be able to read before anything else (v2.5 §2.9.2.1)."""
    msh = message.first("MSH")
    if msh is None:
        return
    code, event = msh.text(9), msh.text(9, 2)
    if not re.fullmatch("[A-Z][A-Z0-9]{2}", code, re.ASCII):
        yield _error(IssueCode.MESSAGE_TYPE, "MSH[1]-9", expected="MSH-9.1 = ABC")
    elif (event and not re.fullmatch("[A-Z][A-Z0-9]{2}", event, re.ASCII)) or (not event and code != "ACK"):
        yield _error(IssueCode.EVENT, "MSH[1]-9.2", expected="MSH-9.2 = A01")
    control_id = msh.text(10)
    if not control_id:
        yield _refusal(IssueCode.FIELD_MISSING, "MSH[1]-10", expected="MSH-10")
    elif len(control_id) > CONTROL_ID:
        yield Issue.of(Severity.WARNING, IssueCode.DATA_TYPE, "MSH[1]-10", expected=f"ST {CONTROL_ID}")
    if msh.text(11) not in ("P", "T", "D"):
        yield Issue.of(Severity.WARNING, IssueCode.FIELD_VALUE, "MSH[1]-11", expected="P, T, D")
    if msh.text(12) not in VERSIONS:
        yield _error(IssueCode.VERSION, "MSH[1]-12", expected=", ".join(VERSIONS))


def _patients(message: Message) -> Iterator[Issue]:
    """One patient and no more, where the message is about one: two would be mixed."""
    code, event = message.get("MSH-9"), message.get("MSH-9.2")
    if code not in _OF_A_PATIENT:
        return
    count = len(message.all("PID"))
    if not count:
        yield _error(IssueCode.SEGMENT_MISSING, "PID[1]", expected="PID")
    elif count > 1 and not (code == "ADT" and event in _OF_SEVERAL):
        yield _error(IssueCode.SEGMENT_TWICE, "PID[2]", expected="PID")
    if code == "ADT" and event in ("A40", "A47") and len(message.all("MRG")) > 1:
        yield _error(IssueCode.SEGMENT_TWICE, "MRG[2]", expected="MRG")


def _error(code: IssueCode, path: str, **parameters: str) -> Issue:
    return Issue.of(Severity.ERROR, code, path, rule=None, **parameters)


def _refusal(code: IssueCode, path: str, **parameters: str) -> Issue:
    # Without MSH-10 no answer can be matched and no repetition recognised: rejected, not an error of content (AR 101).
    return Issue.of(Severity.FATAL, code, path, rule=None, **parameters)


# --- the second opinion

_NAMES = re.compile(r"\b[A-Z][A-Z0-9]{2}(?:_[A-Z0-9]+)?\b")
_KINDS = (
    ("Missing required child", "missing"),
    ("Child limit exceeded", "too many"),
    ("Invalid children", "unexpected"),
    ("Invalid element", "unknown"),
    ("Unknown element", "unknown"),
    ("Datatype", "data type"),
    ("Value", "value"),
)


def second_opinion(raw: bytes) -> list[Issue]:
    """hl7apy's findings as INFORMATION: the first of the whole message and the first of each segment. Never raises, holds no value.

    It is loaded here only: it costs 150 ms and ours is a generic tree on purpose (ADR 0009).
    """
    read = parse(raw)
    if read.value is None:
        return []
    from hl7apy.parser import parse_message
    from hl7apy.validation import Validator

    text = "\r".join(_short(segment) for segment in read.value.segments) + "\r"
    try:
        tree = parse_message(text, find_groups=True)
    except Exception as error:
        return [_opinion("MSH[1]", error)]
    found: list[Issue] = []
    for element, path in [(tree, "MSH[1]"), *_elements(tree)]:
        try:
            Validator.validate(element)
        except Exception as error:
            opinion = _opinion(path, error)
            if opinion not in found:
                found.append(opinion)
    return found


def _short(segment: Segment) -> str:
    """The segment with an embedded document left out: hl7apy would copy it many times."""
    fields = segment.raw().split(segment.separators.field)
    return segment.separators.field.join(field if len(field) < 2000 else "" for field in fields)


def _elements(tree: object) -> Iterator[tuple[object, str]]:
    """Every segment below groups with its place."""
    seen: dict[str, int] = {}

    def walk(node: object) -> Iterator[tuple[object, str]]:
        for child in getattr(node, "children", ()):
            if getattr(child, "classname", "") == "Segment":
                name = str(child.name)
                seen[name] = seen.get(name, 0) + 1
                yield child, f"{name}[{seen[name]}]"
            else:
                yield from walk(child)

    return walk(tree)


def _opinion(path: str, error: Exception) -> Issue:
    """Names of elements only: the text of an error may quote what the message says."""
    text = str(error)
    kind = next((kind for start, kind in _KINDS if text.startswith(start)), type(error).__name__)
    names = ", ".join(dict.fromkeys(_NAMES.findall(text.split("=")[0])))[:80]
    return Issue.of(Severity.INFORMATION, IssueCode.SECOND_OPINION, path, what=f"{kind} {names}".strip())
