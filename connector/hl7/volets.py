"""The two CI-SIS volets as tables: "Transmission d'un document CDA-R2 en HL7v2" (ORU, MDM) and "Transmission au LPS d'un document CDA
provenant d'un courriel MSSanté" (MDM). Which segments follow which, which fields are required, which values they have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from connector.hl7.message import Message, Segment
from connector.issues import Issue, IssueCode, Severity

__all__ = ["Volet", "volet_of"]


class FieldRule:
    """A field of a segment: `values` empty asks only that it is there; `required` makes an absence an ERROR."""

    __slots__ = ("field", "position", "required", "segment", "suffix", "values")

    def __init__(self, field: str, values: tuple[str, ...] = (), required: bool = False) -> None:
        self.field = field
        self.segment, _, self.suffix = field.partition("-")
        self.position = tuple(int(part) for part in self.suffix.split("."))
        self.values = values
        self.required = required


_ANY_ORDER = frozenset(
    {"NTE", "CON", "CTD", "FT1", "DSC", "ARV", "ROL", "NK1", "PD1", "PV2", "SFT", "UAC", "DG1", "SPM", "SAC", "CTI"}
)

#: What may follow each segment (§ message structures). Notes, local segments and those that the volets do not speak of stand anywhere.
_MDM = {
    "": "MSH",
    "MSH": "EVN",
    "EVN": "PID",
    "PID": "PV1",
    "PV1": "ORC OBR TXA",  # profiles before 2.1 have no order
    "ORC": "TQ1 OBR",
    "TQ1": "TQ1 TQ2 OBR",
    "TQ2": "TQ1 TQ2 OBR",
    "OBR": "TQ1 ORC OBR TXA",
    "TXA": "OBX",
    "OBX": "OBX PRT",
    "PRT": "OBX PRT",
}
_ORU = {
    "": "MSH",
    "MSH": "PID",
    "PID": "PV1 ORC OBR",
    "PV1": "ORC OBR",
    "ORC": "OBR",
    "OBR": "TQ1 OBX",
    "TQ1": "TQ1 TQ2 OBX",
    "TQ2": "TQ1 TQ2 OBX",
    "OBX": "OBX PRT ORC OBR",
    "PRT": "OBX PRT ORC OBR",
}

_HEADER = (
    FieldRule("MSH-3"),
    FieldRule("MSH-4"),
    FieldRule("MSH-5"),
    FieldRule("MSH-6"),
    FieldRule("MSH-7"),
    FieldRule("MSH-17", ("FRA",)),
    FieldRule("MSH-18", ("UNICODE UTF-8", "8859/15")),
)
_PATIENT = (
    FieldRule("PID-3", required=True),
    FieldRule("PID-3.4.2"),
    FieldRule("PID-3.5"),
    FieldRule("PID-5", required=True),
    FieldRule("PID-5.7"),
)
_MDM_FIELDS = (
    FieldRule("EVN-2"),
    FieldRule("TXA-1", ("1",)),
    FieldRule("TXA-2", required=True),
    FieldRule("TXA-3", ("TEXT",)),
    FieldRule("TXA-12", required=True),
    FieldRule("TXA-17", ("AU",)),
)
_ORDER = (
    FieldRule("ORC-1", required=True),
    FieldRule("OBR-4", required=True),
    FieldRule("OBR-4.2"),
    FieldRule("OBR-4.3", ("LN", "TRE_A05")),
)

#: The metadata observations in their order.
_FLAGS_1 = (
    "MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX", "CONNEXION_SECRETE", "MODIF_CONF_CODE", "DESTDMP", "DESTMSSANTEPS",
    "DESTMSSANTEPAT", "ACK_RECEPTION", "ACK_LECTURE_MSS", "CORPSMAIL_PS", "CORPSMAIL_PATIENT",
)  # fmt: skip
_FLAGS_2 = ("MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX", "MODIF_CONF_CODE")
_MAIL_BODIES = frozenset({"CORPSMAIL_PS", "CORPSMAIL_PATIENT"})
#: Spelling of samples older than the table.
_OLD_FLAGS = {"ACK_LECTURE": "ACK_LECTURE_MSS"}

#: Create, replace, delete: ORC-1, OBX-11 and the event of MDM say the same (§ événements déclenchants).
_INTENTS = {"NW": ("F", "T02"), "RO": ("C", "T10"), "CA": ("D", "T04")}


class Reading:
    """The segments of a message by name, looked up once: every rule asks for them."""

    __slots__ = ("documents", "flags", "named", "segments")

    def __init__(self, message: Message) -> None:
        self.segments = message.segments
        self.named: dict[str, list[Segment]] = {}
        for segment in self.segments:
            self.named.setdefault(segment.name, []).append(segment)
        self.documents, self.flags = _observations(self.all("OBX"))

    def all(self, name: str) -> list[Segment]:
        """All segments of that name."""
        return self.named.get(name, [])

    def text(self, name: str, number: int, component: int = 1) -> str:
        """A leaf of the first segment of that name."""
        found = self.named.get(name)
        return found[0].text(number, component) if found else ""


class Volet(NamedTuple):
    """One volet and message type."""

    profile: str
    version: str
    hl7: str
    structure: str
    follows: dict[str, str]
    fields: tuple[FieldRule, ...]
    flags: tuple[str, ...]
    sender_address: bool

    def issues(self, message: Message) -> Iterator[Issue]:
        """All that deviates."""
        read = Reading(message)
        yield from _follow(read, self.follows)
        yield from self._header(read)
        for rule in self.fields:
            yield from _field(read, rule)
        yield from _visit(read)
        yield from _intents(read)
        yield from _documents(read)
        yield from self._flags(read.flags)
        yield from _numbers(read)
        yield from _participations(read, self.sender_address)

    def _header(self, read: Reading) -> Iterator[Issue]:
        if read.text("MSH", 2) != "^~\\&":
            yield _warning(IssueCode.FIELD_VALUE, "MSH[1]-2", expected="^~\\&")
        if read.text("MSH", 9, 3) != self.structure:
            yield _warning(IssueCode.FIELD_VALUE, "MSH[1]-9.3", expected=self.structure)
        if read.text("MSH", 12) != self.hl7:
            yield _warning(IssueCode.FIELD_VALUE, "MSH[1]-12", expected=self.hl7)
        if read.text("MSH", 21) != self.version:
            yield _warning(IssueCode.FIELD_VALUE, "MSH[1]-21.1", expected=self.version)

    def _flags(self, flags: list[tuple[str, Segment, str]]) -> Iterator[Issue]:
        """Metadata observations: in order, each once, each Y or N."""
        seen: dict[str, str] = {}
        last = -1
        for place, segment, written in flags:
            code = _OLD_FLAGS.get(written, written)
            if code not in self.flags:
                yield _warning(IssueCode.TABLE_VALUE, f"{place}-3.1", table="MetaDMPMSS")
                continue
            if code in seen:
                yield _warning(IssueCode.SEGMENT_TWICE, place, expected=code)
            elif self.flags.index(code) < last:
                yield _warning(IssueCode.SEGMENT_ORDER, place, expected=", ".join(self.flags))
            seen[code] = place
            last = max(last, self.flags.index(code))
            yield from _flag(place, segment, code)
        for code in self.flags:
            if code not in seen and code not in _MAIL_BODIES:
                yield _warning(IssueCode.SEGMENT_MISSING, "OBX", expected=f"OBX {code}")


_VOLET_1_MDM = Volet(
    "CISIS_CDA_HL7_V2", "2.1", "2.6", "MDM_T02", _MDM, (*_HEADER, *_PATIENT, *_MDM_FIELDS, *_ORDER), _FLAGS_1, False
)
_VOLET_1_ORU = Volet("CISIS_CDA_HL7_V2", "2.1", "2.5", "ORU_R01", _ORU, (*_HEADER, *_PATIENT, *_ORDER), _FLAGS_1, False)
_VOLET_2 = Volet(
    "CISIS_CDA_HL7_LPS", "1.1", "2.6", "MDM_T02", _MDM, (*_HEADER, *_PATIENT, *_MDM_FIELDS, *_ORDER), _FLAGS_2, True
)
_VOLETS = {("CISIS_CDA_HL7_V2", "MDM"): _VOLET_1_MDM, ("CISIS_CDA_HL7_V2", "ORU"): _VOLET_1_ORU, ("CISIS_CDA_HL7_LPS", "MDM"): _VOLET_2}  # fmt: skip


def volet_of(message: Message) -> Volet | None:
    """The volet that MSH-21 and MSH-9 name, or None."""
    return _VOLETS.get((message.get("MSH-21.2"), message.get("MSH-9")))


def _follow(read: Reading, follows: dict[str, str]) -> Iterator[Issue]:
    before = ""
    seen: dict[str, int] = {}
    for segment in read.segments:
        name = segment.name
        seen[name] = seen.get(name, 0) + 1
        if name not in follows or name in _ANY_ORDER:
            continue
        allowed = follows[before]
        if name not in allowed:
            yield Issue.of(
                Severity.ERROR, IssueCode.SEGMENT_ORDER, f"{name}[{seen[name]}]", expected=", ".join(allowed)
            )
        before = name
    if before not in ("OBX", "PRT"):
        yield Issue.of(Severity.ERROR, IssueCode.TRUNCATED, before and f"{before}[{seen[before]}]", expected="OBX")


def _field(read: Reading, rule: FieldRule) -> Iterator[Issue]:
    """In every segment of that name."""
    for index, segment in enumerate(read.all(rule.segment), start=1):
        value = segment.text(*rule.position)
        if not value:
            severity = Severity.ERROR if rule.required else Severity.WARNING
            yield Issue.of(
                severity, IssueCode.FIELD_MISSING, f"{rule.segment}[{index}]-{rule.suffix}", expected=rule.field
            )
        elif rule.values and value not in rule.values:
            path = f"{rule.segment}[{index}]-{rule.suffix}"
            yield _warning(IssueCode.FIELD_VALUE, path, expected=", ".join(rule.values))


def _visit(read: Reading) -> Iterator[Issue]:
    for segment in read.all("PV1")[:1]:
        patient_class = segment.text(2)
        if not patient_class:
            yield _warning(IssueCode.FIELD_MISSING, "PV1[1]-2", expected="PV1-2")
        elif patient_class not in ("E", "I", "O", "R", "N"):
            yield _warning(IssueCode.TABLE_VALUE, "PV1[1]-2", table="0004")
        elif patient_class != "N" and not segment.text(19):
            yield _warning(IssueCode.FIELD_MISSING, "PV1[1]-19", expected="PV1-19")


def _intents(read: Reading) -> Iterator[Issue]:
    """ORC-1, OBX-11 of documents and the event agree; a replacement names what it replaces."""
    mdm = read.text("MSH", 9) == "MDM"
    event = read.text("MSH", 9, 2)
    statuses = [(place, segment.text(11)) for place, segment, _ in read.documents]
    for index, order in enumerate(read.all("ORC"), start=1):
        expected = _INTENTS.get(order.text(1))
        if expected is None:
            # Profiles before 2.1 had other words; since then the operation must be said (§ événements déclenchants).
            current = read.text("MSH", 21) in ("2.1", "1.1")
            severity = Severity.ERROR if current else Severity.WARNING
            if order.text(1):
                yield Issue.of(severity, IssueCode.FIELD_VALUE, f"ORC[{index}]-1", expected=", ".join(_INTENTS))
            continue
        if mdm and event != expected[1]:
            yield _clash(f"ORC[{index}]-1", "ORC-1", "MSH-9.2")
        for place, status in statuses:
            if status != expected[0] and len(read.all("ORC")) == 1:
                yield _clash(f"{place}-11", "ORC-1", "OBX-11")
    events = {of: status for status, of in _INTENTS.values()}
    for place, status in statuses:
        if mdm and not read.all("ORC") and event in events and status != events[event]:
            yield _clash(f"{place}-11", "MSH-9.2", "OBX-11")
    if mdm and event == "T10" and not read.text("TXA", 13):
        yield Issue.of(Severity.ERROR, IssueCode.FIELD_MISSING, "TXA[1]-13", expected="TXA-13")


_Observation = tuple[str, Segment, str]


def _observations(segments: list[Segment]) -> tuple[list[_Observation], list[_Observation]]:
    """(documents, metadata), each with its place and the code of OBX-3."""
    documents: list[_Observation] = []
    flags: list[_Observation] = []
    for index, segment in enumerate(segments, start=1):
        found = (f"OBX[{index}]", segment, segment.text(3))
        if segment.text(3, 3) == "MetaDMPMSS":
            flags.append(found)
        elif segment.text(5, 3) == "XML" or not documents:
            documents.append(found)
    return documents, flags


def _documents(read: Reading) -> Iterator[Issue]:
    documents = read.documents
    if not documents:
        yield Issue.of(Severity.ERROR, IssueCode.DOCUMENT_MISSING, "OBX[1]")
    types = {segment.text(4) for segment in read.all("OBR")}
    for place, segment, code in documents:
        if segment.text(2) != "ED":
            yield Issue.of(Severity.ERROR, IssueCode.FIELD_VALUE, f"{place}-2", expected="ED")
            continue
        if types and code not in types:
            yield _warning(IssueCode.FIELD_VALUE, f"{place}-3", expected="OBX-3 = OBR-4")
        for number, values in ((2, ("TEXT", "text")), (3, ("XML",)), (4, ("Base64",))):
            if segment.text(5, number) not in values:
                yield _warning(IssueCode.FIELD_VALUE, f"{place}-5.{number}", expected=", ".join(values))
        content = segment.field(5)
        if not content or not len(content[0].payload(5)):
            yield Issue.of(Severity.ERROR, IssueCode.FIELD_MISSING, f"{place}-5.5", expected="OBX-5.5")
        if segment.text(11) not in ("F", "C", "D"):
            yield _warning(IssueCode.FIELD_VALUE, f"{place}-11", expected="F, C, D")


def _flag(place: str, segment: Segment, code: str) -> Iterator[Issue]:
    if code in _MAIL_BODIES:
        if segment.text(2) != "ED":
            yield _warning(IssueCode.FIELD_VALUE, f"{place}-2", expected="ED")
        return
    if segment.text(2) not in ("CE", "CWE"):
        yield _warning(IssueCode.FIELD_VALUE, f"{place}-2", expected="CE, CWE")
    if segment.text(5) not in ("Y", "N"):
        yield Issue.of(Severity.ERROR, IssueCode.TABLE_VALUE, f"{place}-5", table="0136")
    if segment.text(11) != "F":
        yield _warning(IssueCode.FIELD_VALUE, f"{place}-11", expected="F")


def _numbers(read: Reading) -> Iterator[Issue]:
    """OBX-1 counts from 1, anew under each OBR."""
    expected = 0
    seen = 0
    for segment in read.segments:
        if segment.name == "OBR":
            expected = 0
        elif segment.name == "OBX":
            seen += 1
            expected += 1
            if segment.text(1) != str(expected):
                yield _warning(IssueCode.FIELD_VALUE, f"OBX[{seen}]-1", expected=str(expected))
                return  # one is enough: what follows is shifted


def _participations(read: Reading, sender_address: bool) -> Iterator[Issue]:
    """PRT: SB, then RCT, then REPLY; with the address that each needs."""
    order = {"SB": 0, "RCT": 1, "REPLY": 2}
    last = 0
    seen = 0
    senders = 0
    for segment in read.segments:
        if segment.name == "OBX":
            last = 0
        if segment.name != "PRT":
            continue
        seen += 1
        place, role = f"PRT[{seen}]", segment.text(4)
        if role not in order:
            yield _warning(IssueCode.FIELD_VALUE, f"{place}-4", expected="SB, RCT, REPLY")
            continue
        if order[role] < last:
            yield _warning(IssueCode.SEGMENT_ORDER, place, expected="SB, RCT, REPLY")
        last = max(last, order[role])
        senders += role == "SB"
        if (role != "SB" or sender_address) and not segment.text(15, 4):
            yield _warning(IssueCode.FIELD_MISSING, f"{place}-15.4", expected="PRT-15.4")
    if sender_address and not senders:
        yield _warning(IssueCode.SENDER_MISSING, "PRT", what="CISIS_CDA_HL7_LPS")


def _clash(path: str, left: str, right: str) -> Issue:
    return Issue.of(Severity.ERROR, IssueCode.INTENT_CLASH, path, left=left, right=right)


def _warning(code: IssueCode, path: str, **parameters: str) -> Issue:
    return Issue.of(Severity.WARNING, code, path, rule=None, **parameters)
