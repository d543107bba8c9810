"""Acknowledgements: what is answered to which header and issues, and what a peer's answer says."""

from __future__ import annotations

import pytest

from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.hl7.acknowledge import WireHeader, acknowledge, answers, not_kept, read_ack, read_header, verdict
from connector.issues import Issue, IssueCode, Severity

CONTEXT = Context(now=Moment("2026-03-04T05:06:07.000+01:00"))
HEADER = "MSH|^~\\&|SIL|LABO|PFI|CHU|20260304||{type}|42|{processing}|{version}|||{accept}|{application}|FRA|{charset}|||2.1^CISIS_CDA_HL7_V2"


def header(**fields: str) -> WireHeader:
    """The header of a message, MDM^T02 in UTF-8 unless told otherwise."""
    default = {
        "type": "MDM^T02^MDM_T02",
        "processing": "P",
        "version": "2.6",
        "accept": "",
        "application": "",
        "charset": "UNICODE UTF-8",
    }
    read = read_header(HEADER.format_map(default | fields).encode() + b"\rPID|1\r")
    assert read is not None
    return read


def error(code: IssueCode, path: str = "", severity: Severity = Severity.ERROR, **params: str) -> Issue:
    """An issue at a path."""
    return Issue.of(severity, code, path, **params)


def lines(message: bytes, codec: str = "utf-8") -> list[str]:
    """The segments of an answer."""
    return message.decode(codec).removesuffix("\r").split("\r")


def test_an_accepted_message_is_answered_by_msh_and_msa_with_applications_swapped() -> None:
    (answer,) = answers(header(), (), CONTEXT)
    msh, msa = lines(answer)
    fields = msh.split("|")
    assert fields[:7] == ["MSH", "^~\\&", "PFI", "CHU", "SIL", "LABO", "20260304050607.000+0100"]
    assert (fields[8], fields[10], fields[11], fields[16:]) == ("ACK^T02^ACK", "P", "2.6", ["FRA", "UNICODE UTF-8"])
    assert len(fields[9]) == 20
    assert msa == "MSA|AA|42"


def test_the_answer_is_the_same_bytes_for_the_same_message_and_moment() -> None:
    later = Context(now=Moment("2026-03-04T05:06:08.000+01:00"))
    assert answers(header(), (), CONTEXT) == answers(header(), (), CONTEXT)
    assert answers(header(), (), CONTEXT) != answers(header(), (), later)


@pytest.mark.parametrize(
    ("issues", "expected"),
    [
        ([], "AA"),
        ([error(IssueCode.TERMINATORS, severity=Severity.WARNING)], "AA"),
        ([error(IssueCode.FIELD_MISSING)], "AE"),
        ([error(IssueCode.INS_DIFFERS)], "AE"),
        ([error(IssueCode.DUPLICATE_CONTROL_ID)], "AE"),
        ([error(IssueCode.MESSAGE_TYPE)], "AR"),
        ([error(IssueCode.EVENT)], "AR"),
        ([error(IssueCode.PROCESSING_ID)], "AR"),
        ([error(IssueCode.VERSION), error(IssueCode.FIELD_MISSING)], "AR"),
        ([error(IssueCode.VERSION, severity=Severity.WARNING)], "AA"),
        ([error(IssueCode.FRAME_FS_IN_DATA, severity=Severity.FATAL)], "AR"),
    ],
)
def test_the_verdict_says_whether_to_correct_or_to_send_again(issues: list[Issue], expected: str) -> None:
    assert verdict(issues) == expected


REFUSED = (error(IssueCode.FIELD_MISSING, "PV1[1]-19", expected="PV1-19"),)


@pytest.mark.parametrize(
    ("accept", "application", "issues", "codes"),
    [
        ("", "", (), ["AA"]),
        ("", "", REFUSED, ["AE"]),
        ("AL", "AL", (), ["CA", "AA"]),
        ("AL", "AL", REFUSED, ["CA", "AE"]),
        ("AL", "NE", (), ["CA"]),
        ("AL", "NE", REFUSED, ["CE"]),
        ("AL", "", REFUSED, ["CE"]),
        ("AL", "ER", (), ["CA"]),
        ("AL", "ER", REFUSED, ["CA", "AE"]),
        ("NE", "NE", (), []),
        ("NE", "NE", REFUSED, []),
        ("NE", "AL", (), ["AA"]),
        ("", "AL", REFUSED, ["AE"]),
        ("ER", "", (), []),
        ("ER", "", REFUSED, ["CE"]),
        ("SU", "SU", (), ["CA", "AA"]),
        ("SU", "SU", REFUSED, []),
    ],
)
def test_d13_exactly_the_acknowledgements_asked_for_are_given(
    accept: str, application: str, issues: tuple[Issue, ...], codes: list[str]
) -> None:
    given = answers(header(accept=accept, application=application), issues, CONTEXT)
    assert [read_ack(answer).code for answer in given] == codes
    assert all(read_ack(answer).control_id == "42" for answer in given)
    ids = [lines(answer)[0].split("|")[9] for answer in given]
    assert len(set(ids)) == len(ids)


def test_the_two_stages_together_are_the_whole() -> None:
    enhanced = header(accept="AL", application="AL")
    both = answers(enhanced, REFUSED, CONTEXT)
    assert answers(enhanced, (), CONTEXT, stage="accept") == both[:1]
    assert answers(enhanced, REFUSED, CONTEXT, stage="application") == both[1:]
    assert answers(header(), REFUSED, CONTEXT, stage="application") == ()


@pytest.mark.parametrize(("accept", "codes"), [("", ["AR"]), ("AL", ["CR"]), ("ER", ["CR"]), ("NE", [])])
def test_what_could_not_be_kept_may_be_sent_again(accept: str, codes: list[str]) -> None:
    given = not_kept(header(accept=accept, application="AL" if accept else ""), CONTEXT)
    assert [read_ack(answer).code for answer in given] == codes


def test_errors_say_place_condition_application_error_and_texts() -> None:
    issues = (
        error(IssueCode.INS_DIFFERS, "PID[1]-3[2].1", left="PID-3", right="CDA", what="matricule"),
        Issue.of(
            Severity.ERROR, IssueCode.CDA_MISSING, "/ClinicalDocument/id", rule="mappings/x.yaml:8", expected="id"
        ),
    )
    first, second = lines(acknowledge(header(), "AE", issues, CONTEXT, language="fr"))[2:]
    assert first == (
        "ERR||PID^1^3^2^1|207^Application error^HL70357|E|904^INS ou traits différents^HL70533|||INS ou traits différents entre PID-3 et CDA : matricule"
    )
    assert second == (
        "ERR|||101^Required field missing^HL70357|E|||/ClinicalDocument/id (mappings/x.yaml:8)|élément obligatoire absent : id"
    )
    english = lines(acknowledge(header(), "AE", issues, CONTEXT, language="en"))[2]
    assert english.split("|")[5] == "904^INS or traits differ^HL70533"


def test_texts_of_ours_are_escaped_with_the_separators_of_the_sender() -> None:
    custom = read_header(b"MSH$%~\\&$A$B$C$D$1$$ADT%A01$7$P$2.5\rPID$1")
    assert custom is not None
    answer = acknowledge(
        custom, "AE", [error(IssueCode.FIELD_VALUE, "MSH-2", expected="^~\\& | $")], CONTEXT, language="en"
    )
    msh, msa, err = lines(answer)
    assert msh.startswith("MSH$%~\\&$C$D$A$B$")
    assert msh.split("$")[8] == "ACK%A01%ACK"
    assert msa == "MSA$AE$7"
    assert err.endswith("unexpected value; expected: ^\\R\\\\E\\\\T\\ | \\F\\")
    assert read_ack(answer).errors[0].text == "unexpected value; expected: ^~\\& | $"


@pytest.mark.parametrize(
    ("charset", "codec", "found"),
    [
        ("8859/15", "iso8859-15", "élément"),
        ("8859/1", "latin-1", "élément"),
        ("UNICODE UTF-8", "utf-8", "élément"),
        ("", "ascii", "element"),
        ("ASCII", "ascii", "element"),
        ("rot13", "ascii", "element"),
    ],
)
def test_c13_the_answer_is_in_the_character_set_of_the_sender_and_echoes_its_name(
    charset: str, codec: str, found: str
) -> None:
    answer = acknowledge(
        header(charset=charset), "AE", [error(IssueCode.CDA_MISSING, expected="id")], CONTEXT, language="fr"
    )
    text = answer.decode(codec)
    assert found in text
    assert text.split("\r")[0].split("|")[17:18] == ([charset] if charset else [])


def test_names_of_the_sender_come_back_byte_for_byte() -> None:
    raw = "MSH|^~\\&|H\u00f4pital|\u20ac|C|D|1||ADT^A01|7|P|2.5||||||8859/15".encode("iso8859-15")
    read = read_header(raw)
    assert read is not None
    assert (read.text(3), read.text(4)) == ("Hôpital", "€")
    assert b"|H\xf4pital|\xa4|2" in acknowledge(read, "AA", (), CONTEXT)


@pytest.mark.parametrize(
    ("version", "segment"),
    [
        ("2.3", "ERR|PV1^1^19^101&champ obligatoire absent : PV1-19&HL70357"),
        ("2.4", "ERR|PV1^1^19^101&champ obligatoire absent : PV1-19&HL70357"),
        ("2.5^FRA^2.11", "ERR||PV1^1^19^1|101^Required field missing^HL70357|E||||champ obligatoire absent : PV1-19"),
        ("2.8", "ERR||PV1^1^19^1|101^Required field missing^HL70357|E||||champ obligatoire absent : PV1-19"),
    ],
)
def test_the_error_segment_is_that_of_the_version_of_the_sender(version: str, segment: str) -> None:
    msh, _, err = lines(acknowledge(header(version=version), "AE", REFUSED, CONTEXT))
    assert msh.split("|")[11] == version
    assert err == segment
    assert read_ack(acknowledge(header(version=version), "AE", REFUSED, CONTEXT)).errors[0].condition == "101"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"MSH",
        b"MSH|^~\\",
        b"PID|1",
        b"MSHa^~\\&a",
        b"MSH\r^~\\&\r",
        b"MSH\x00^~\\&\x00",
        b"MSH1^~\\&1",
        b"MSH ^~\\& ",
    ],
)
def test_b01_b02_without_a_usable_header_nobody_can_be_answered(raw: bytes) -> None:
    assert read_header(raw) is None
    assert answers(read_header(raw), (), CONTEXT) == ()


@pytest.mark.parametrize(
    ("msh2", "expected"),
    [
        ("^~\\&", "^~\\&"),
        ("^~\\&#", "^~\\&"),
        ("", "^~\\&"),
        ("^", "^~\\&"),
        ("^^\\&", "^~\\&"),
        ("^~\\&#!", "^~\\&"),
        ("~^\\&", "~^\\&"),
        ("^\u02dc\\&", "^~\\&"),
        ("ab\\&", "^~\\&"),
    ],
)
def test_b03_b04_unusable_separators_are_answered_with_the_recommended_ones(msh2: str, expected: str) -> None:
    read = read_header(f"MSH|{msh2}|A|B|C|D|1||ADT|7|P|2.5".encode())
    assert read is not None
    msh, msa = lines(acknowledge(read, "AA", (), CONTEXT))
    assert msh.split("|")[1] == expected
    assert msa == "MSA|AA|7"


def test_d11_control_ids_are_echoed_whole_and_may_be_missing() -> None:
    long = "9" * 300
    read = read_header(f"MSH|^~\\&|A|B|C|D|1||ADT^A01|{long}|P|2.5".encode())
    assert read is not None
    assert lines(acknowledge(read, "AA", (), CONTEXT))[1] == f"MSA|AA|{long}"
    missing = read_header(b"MSH|^~\\&|A|B|C|D|1||ADT^A01||P|2.5")
    assert missing is not None
    assert lines(acknowledge(missing, "AR", (), CONTEXT))[1] == "MSA|AR"


def test_b17_an_unreadable_event_is_not_echoed() -> None:
    read = read_header(b"MSH|^~\\&|A|B|C|D|1||ADT~A01~ADT_A01|7|P|2.5")
    assert read is not None
    assert lines(acknowledge(read, "AR", (), CONTEXT))[0].split("|")[8] == "ACK"


def test_control_characters_of_the_header_do_not_reach_the_answer() -> None:
    read = read_header(b"MSH|^~\\&|A|B|C|D|1||ADT^A01|7\x00\x1c|P|2.5")
    assert read is not None
    assert read.raw(10) == b"7"
    assert b"\x1c" not in acknowledge(read, "AA", (), CONTEXT)


def test_an_acknowledgement_is_never_acknowledged() -> None:
    read = read_header(b"MSH|^~\\&|A|B|C|D|1||ACK^A01^ACK|7|P|2.5\rMSA|AA|1\r")
    assert answers(read, (), CONTEXT) == ()


def test_the_header_of_a_large_message_is_read_from_its_first_bytes() -> None:
    read = read_header(b"\xef\xbb\xbf\r\nMSH|^~\\&|A|B|C|D|1||MDM^T02|7|P|2.6\rOBX|1|ED|||" + b"x" * 100_000)
    assert read is not None
    assert (read.text(9, 2), read.raw(10), read.version) == ("T02", b"7", (2, 6))


# --- answers of peers


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"", "MSH"),
        (b"<html>Bad gateway</html>", "MSH"),
        (b"MSA|AA|1\r", "MSH"),
        (b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5\r", "MSA"),
        (b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5\rMSA|aa|1\r", "MSA-1"),
        (b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5\rMSA|OK|1\r", "MSA-1"),
        (b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5\rMSA\r", "MSA-1"),
        (b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5\rMSA|AA|1\rMSA|AE|1\r", "MSA"),
        (b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5\rMSA|AA|1\r" + b"x" * 1_000_001, "MSH"),
    ],
)
def test_d05_d06_an_answer_that_is_none_is_never_success(raw: bytes, path: str) -> None:
    ack = read_ack(raw)
    assert ack.unreadable is not None
    assert ack.unreadable.place.path == path
    assert not ack.accepted


@pytest.mark.parametrize("code", ["AA", "AE", "AR", "CA", "CE", "CR"])
@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_codes_are_read_whatever_the_terminators(code: str, end: str) -> None:
    ack = read_ack(f"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.3|{end}MSA|{code}|907175784|||||{end}".encode())
    assert (ack.code, ack.control_id, ack.unreadable) == (code, "907175784", None)
    assert ack.accepted is (code in {"AA", "CA"})
    assert ack.commit is (code[0] == "C")


def test_d07_errors_are_decoded_in_the_declared_character_set() -> None:
    raw = (
        "MSH|^~\\&|A|B|C|D|1||ACK^R01^ACK|1|P|2.5||||||8859/15\rMSA|AE|15\r"
        "ERR||PID^1^3|207^Application error^HL70357|E|902^Identifiant inconnu|||Patient inconnu \\T\\ créé à 3 €\r"
    ).encode("iso8859-15")
    (found,) = read_ack(raw).errors
    assert (found.location, found.condition, found.severity, found.application) == ("PID^1^3", "207", "E", "902")
    assert found.text == "Patient inconnu & créé à 3 €"


@pytest.mark.shared
def test_official_acknowledgements_are_read(shared: object) -> None:
    from pathlib import Path

    samples = sorted(Path(str(shared), "corpus", "hl7v2").glob("*ack.er7"))
    assert len(samples) >= 7
    assert {(read_ack(sample.read_bytes()).code, read_ack(sample.read_bytes()).control_id) for sample in samples} == {
        ("AA", "015")
    }
