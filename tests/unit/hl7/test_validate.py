"""Header rules, structure, the two volets, and the second opinion."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from connector.hl7.codec import parse
from connector.hl7.validate import second_opinion, validate
from connector.issues import Issue, Severity

CDA = base64.b64encode(b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>").decode()
YES_NO = "^^expandedYes-NoIndicator"
FLAGS = ("MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX", "CONNEXION_SECRETE", "MODIF_CONF_CODE", "DESTDMP", "DESTMSSANTEPS", "DESTMSSANTEPAT", "ACK_RECEPTION", "ACK_LECTURE_MSS")  # fmt: skip
LPS_FLAGS = ("MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX", "MODIF_CONF_CODE")
PID = "PID|||279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||CANARI^JEANNE^JEANNE^^^^L||19790328|F"
PRTS = (
    "PRT||UC||SB^Send by^participation|810000000001^CANARI^ANNE|||||||||||",
    "PRT||UC||RCT^Result Copies To^participation|810000000002^DOC^PAUL||||||||||^^X.400^paul@test.mssante.fr",
)


def flags(names: tuple[str, ...], first: int, kind: str) -> list[str]:
    """Metadata observations."""
    return [f"OBX|{first + i}|{kind}|{name}^x^MetaDMPMSS||N{YES_NO}||||||F" for i, name in enumerate(names)]


def mdm(event: str = "T02", control: str = "NW", status: str = "F") -> list[str]:
    """A message of the first volet."""
    return [
        f"MSH|^~\\&|RIS|CHU|PFI|CHU|20260304||MDM^{event}^MDM_T02|1|T|2.6|||||FRA|UNICODE UTF-8|||2.1^CISIS_CDA_HL7_V2",
        "EVN||20260304",
        PID,
        "PV1|1|I|||||||||||||||||000897406^^^X^VN",
        f"ORC|{control}",
        "OBR|1|||18748-4^CR d'imagerie^LN",
        "TXA|1|18748-4|TEXT|||||||||1.2.3.4|" + ("1.2.3.3" if event == "T10" else "") + "||||AU",
        f"OBX|1|ED|18748-4^CR d'imagerie^LN||^text^XML^Base64^{CDA}||||||{status}",
        *PRTS,
        *flags(FLAGS, 2, "CWE"),
    ]


def oru() -> list[str]:
    """The same as ORU."""
    lines = [line for line in mdm() if not line.startswith(("EVN", "TXA"))]
    lines[0] = lines[0].replace("MDM^T02^MDM_T02", "ORU^R01^ORU_R01").replace("|2.6|", "|2.5|")
    return [line.replace("|CWE|", "|CE|").replace("^text^", "^TEXT^") for line in lines]


def lps() -> list[str]:
    """A message of the second volet."""
    lines = mdm()[:8]
    lines[0] = lines[0].replace("2.1^CISIS_CDA_HL7_V2", "1.1^CISIS_CDA_HL7_LPS")
    lines[3] = "PV1|1|N"
    sender = "PRT||UC||SB^^participation|810000000001^CANARI^ANNE||||||||||^^X.400^anne@test.mssante.fr"
    mail = "OBX|2|ED|<id@mail>^XDM/1.0/DDM+CR||^text^^Base64^Ym9uam91cg==||||||F"
    return [*lines, sender, mail, *flags(LPS_FLAGS, 3, "CWE")]


def issues(lines: list[str]) -> list[Issue]:
    """The issues of a message."""
    read = parse("\r".join(lines).encode())
    assert read.value is not None, read.issues
    return validate(read.value)


def found(lines: list[str]) -> list[tuple[str, str, str]]:
    """(severity, code, place) of each issue; no value of the message is in any."""
    result = issues(lines)
    assert not any("CANARI" in issue.text("fr") + str(issue) for issue in result)
    return [(issue.severity.letter, issue.code, issue.place.path) for issue in result]


@pytest.mark.parametrize("lines", [mdm(), mdm("T10", "RO", "C"), mdm("T04", "CA", "D"), oru(), lps()])
def test_a_message_as_the_volet_wants_it_has_no_issue(lines: list[str]) -> None:
    assert found(lines) == []


def changed(lines: list[str], start: str, old: str, new: str) -> list[str]:
    """Replace in the first line that starts so."""
    index = next(i for i, line in enumerate(lines) if line.startswith(start))
    assert old in lines[index]
    return [*lines[:index], lines[index].replace(old, new, 1), *lines[index + 1 :]]


def without(lines: list[str], start: str) -> list[str]:
    """Leave out the first line that starts so."""
    index = next(i for i, line in enumerate(lines) if line.startswith(start))
    return lines[:index] + lines[index + 1 :]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # header, whatever the message
        (changed(mdm(), "MSH", "|1|T|", "||T|"), [("F", "FIELD_MISSING", "MSH[1]-10")]),
        (changed(mdm(), "MSH", "|1|T|", "|" + "9" * 300 + "|T|"), [("W", "DATA_TYPE", "MSH[1]-10")]),
        (changed(mdm(), "MSH", "|T|2.6", "|X|2.6"), [("W", "FIELD_VALUE", "MSH[1]-11")]),
        (changed(mdm(), "MSH", "|2.6|", "|3.0|"), [("E", "VERSION", "MSH[1]-12"), ("W", "FIELD_VALUE", "MSH[1]-12")]),
        (changed(oru(), "MSH", "|2.5|", "|2.5^FRA^2.11|"), []),
        (["MSH|^~\\&|A|B|C|D|1||ADT~A01~ADT_A01|1|T|2.5", "EVN|", PID], [("E", "EVENT", "MSH[1]-9.2")]),
        (["MSH|^~\\&|A|B|C|D|1|||1|T|2.5", PID], [("E", "MESSAGE_TYPE", "MSH[1]-9")]),
        (["MSH|^~\\&|A|B|C|D|1||ADT^A01|1|T|", PID], [("E", "VERSION", "MSH[1]-12")]),
        (["MSH|^~\\&|A|B|C|D|1||ADT^A01|1|T|2.3.1", PID], []),
        # one patient
        (["MSH|^~\\&|A|B|C|D|1||ADT^A01|1|T|2.5", "EVN|"], [("E", "SEGMENT_MISSING", "PID[1]")]),
        (["MSH|^~\\&|A|B|C|D|1||ADT^A01|1|T|2.5", PID, PID], [("E", "SEGMENT_TWICE", "PID[2]")]),
        (["MSH|^~\\&|A|B|C|D|1||ADT^A17|1|T|2.5", PID, "PV1|1", PID, "PV1|1"], []),
        (
            ["MSH|^~\\&|A|B|C|D|1||ADT^A40|1|T|2.5", PID, "MRG|1", PID, "MRG|1"],
            [("E", "SEGMENT_TWICE", "PID[2]"), ("E", "SEGMENT_TWICE", "MRG[2]")],
        ),
        (["MSH|^~\\&|A|B|C|D|1||QBP^Q22|1|T|2.5", "QPD|x"], []),
        # structure of the volet
        (without(mdm(), "EVN"), [("E", "SEGMENT_ORDER", "PID[1]")]),
        ([*mdm()[:2], mdm()[3], mdm()[2], *mdm()[4:]], [("E", "SEGMENT_ORDER", "PV1[1]"), ("E", "SEGMENT_ORDER", "PID[1]"), ("E", "SEGMENT_ORDER", "ORC[1]")]),
        (mdm()[:7], [("E", "TRUNCATED", "TXA[1]"), ("E", "DOCUMENT_MISSING", "OBX[1]"), *[("W", "SEGMENT_MISSING", "OBX")] * 10]),
        ([*mdm()[:3], "ZFA|1", *mdm()[3:]], []),
        ([*mdm()[:8], "NTE|1||x", *mdm()[8:]], []),
        # fields
        (changed(mdm(), "MSH", "|FRA|", "||"), [("W", "FIELD_MISSING", "MSH[1]-17")]),
        (changed(mdm(), "MSH", "UNICODE UTF-8", "8859/1"), [("W", "FIELD_VALUE", "MSH[1]-18")]),
        (changed(mdm(), "MSH", "2.1^", "2.0^"), [("W", "FIELD_VALUE", "MSH[1]-21.1")]),
        (changed(mdm(), "MSH", "^MDM_T02", ""), [("W", "FIELD_VALUE", "MSH[1]-9.3")]),
        (changed(mdm(), "PID", "279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS", ""), [("E", "FIELD_MISSING", "PID[1]-3"), ("W", "FIELD_MISSING", "PID[1]-3.4.2"), ("W", "FIELD_MISSING", "PID[1]-3.5")]),
        (changed(mdm(), "PV1", "|I|", "|X|"), [("W", "TABLE_VALUE", "PV1[1]-2")]),
        (changed(mdm(), "PV1", "000897406^^^X^VN", ""), [("W", "FIELD_MISSING", "PV1[1]-19")]),
        (changed(mdm(), "TXA", "1.2.3.4", ""), [("E", "FIELD_MISSING", "TXA[1]-12")]),
        (changed(mdm(), "TXA", "|AU", "|"), [("W", "FIELD_MISSING", "TXA[1]-17")]),
        (changed(mdm(), "OBR", "^LN", "^LOINC"), [("W", "FIELD_VALUE", "OBR[1]-4.3")]),
        # intents
        (changed(mdm(), "ORC", "NW", "RO"), [("E", "INTENT_CLASH", "ORC[1]-1"), ("E", "INTENT_CLASH", "OBX[1]-11")]),
        (changed(mdm(), "ORC", "NW", "XX"), [("E", "FIELD_VALUE", "ORC[1]-1")]),
        (changed(mdm(), "ORC", "NW", ""), [("E", "FIELD_MISSING", "ORC[1]-1")]),
        (mdm(status="D"), [("E", "INTENT_CLASH", "OBX[1]-11")]),
        (changed(mdm("T10", "RO", "C"), "TXA", "1.2.3.3", ""), [("E", "FIELD_MISSING", "TXA[1]-13")]),
        # document
        (changed(mdm(), "OBX|1|", "|ED|", "|ST|"), [("E", "FIELD_VALUE", "OBX[1]-2")]),
        (changed(mdm(), "OBX|1|", CDA, ""), [("E", "FIELD_MISSING", "OBX[1]-5.5")]),
        (changed(mdm(), "OBX|1|", "Base64", "A"), [("W", "FIELD_VALUE", "OBX[1]-5.4")]),
        (changed(mdm(), "OBX|1|", "18748-4^", "11502-2^"), [("W", "FIELD_VALUE", "OBX[1]-3")]),
        # metadata
        (changed(mdm(), "OBX|7|", "|N^", "|O^"), [("E", "TABLE_VALUE", "OBX[7]-5")]),
        (changed(mdm(), "OBX|7|", "DESTDMP", "AUTRE"), [("W", "TABLE_VALUE", "OBX[7]-3.1"), ("W", "SEGMENT_MISSING", "OBX")]),
        (changed(mdm(), "OBX|11|", "ACK_LECTURE_MSS", "ACK_LECTURE"), []),
        (changed(mdm(), "OBX|7|", "DESTDMP", "MASQUE_PS"), [("W", "SEGMENT_TWICE", "OBX[7]"), ("W", "SEGMENT_MISSING", "OBX")]),
        (changed(changed(mdm(), "OBX|2|", "MASQUE_PS", "INVISIBLE_PATIENT"), "OBX|3|", "INVISIBLE_PATIENT", "MASQUE_PS"), [("W", "SEGMENT_ORDER", "OBX[3]")]),
        (changed(mdm(), "OBX|3|", "OBX|3|", "OBX|9|"), [("W", "FIELD_VALUE", "OBX[3]-1")]),
        # participations
        ([*mdm()[:8], PRTS[1], PRTS[0], *mdm()[10:]], [("W", "SEGMENT_ORDER", "PRT[2]")]),
        (changed(mdm(), PRTS[1][:13], "paul@test.mssante.fr", ""), [("W", "FIELD_MISSING", "PRT[2]-15.4")]),
        (changed(mdm(), PRTS[0], "SB^", "XX^"), [("W", "FIELD_VALUE", "PRT[1]-4")]),
        (changed(lps(), "PRT", "anne@test.mssante.fr", ""), [("W", "FIELD_MISSING", "PRT[1]-15.4")]),
        (without(lps(), "PRT"), [("W", "SENDER_MISSING", "PRT")]),
    ],
)  # fmt: skip
def test_each_deviation_is_told_with_its_place(lines: list[str], expected: list[tuple[str, str, str]]) -> None:
    assert found(lines) == expected


def test_an_oru_of_two_documents_is_a_message_of_the_volet() -> None:
    lines = oru()
    second = ["ORC|NW", "OBR|2|||18748-4^CR d'imagerie^LN", lines[5]]
    both = [*lines[:6], *lines[6:8], "OBX|2" + lines[5][5:], *flags(FLAGS, 3, "CE")]
    assert found(both) == []
    assert [code for _, code, _ in found([*lines, *second])] == []


def test_the_second_opinion_informs_and_quotes_nothing() -> None:
    lines = without(changed(mdm(), "TXA", "|TEXT|", "|CANARI TEXTE LONG|"), "PV1")
    opinion = second_opinion("\r".join(lines).encode())
    assert opinion
    assert {issue.severity for issue in opinion} == {Severity.INFORMATION}
    assert not any("CANARI" in issue.text() for issue in opinion)
    assert second_opinion(b"not HL7") == []
    assert all(isinstance(issue, Issue) for issue in second_opinion(b"MSH|^~\\&|A|B|C|D|1||XXX^Y99|1|T|9.9\r"))


@pytest.mark.shared
def test_official_messages_of_the_current_volets_have_no_error(shared: Path) -> None:
    checked = 0
    for path in sorted((shared / "corpus" / "hl7v2").glob("ans__*")):
        read = parse(path.read_bytes())
        assert read.value is not None, path.name
        errors = [issue for issue in validate(read.value) if issue.severity >= Severity.ERROR]
        assert errors == [], path.name
        checked += 1
    assert checked > 30
