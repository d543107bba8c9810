"""Datatypes: what each reads of a value, and what it writes."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from connector.exchange.care import Place
from connector.exchange.documents import Content
from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.exchange.people import Address, Concept, HumanName, Identifier, Organization, Party, Period, Telecom
from connector.hl7.datatypes import DATATYPES
from connector.hl7.message import Repetition
from connector.mapping.language import ERASE, Run

INS = "1.2.250.1.213.1.4.10"
PS = "1.2.250.1.71.4.2.1"


def run() -> Run:
    return Run(Context(now=Moment("2026-01-15T10:00:00+01:00")))


def read(name: str, wire: str, with_run: Run | None = None) -> Any:
    datatype = DATATYPES[name]
    found = Repetition(wire) if datatype.node else wire
    return datatype.read(found, with_run or run())


def write(name: str, value: Any) -> str:
    datatype = DATATYPES[name]
    assert datatype.write is not None
    if not datatype.node:
        return str(datatype.write(value, run()))
    node = Repetition()
    datatype.write(value, node, run())
    node.trim()
    return node.raw()


BOTH_WAYS: list[tuple[str, str, Any]] = [
    ("cx", "00012345^^^CHU&897406&N^PI", Identifier(value="00012345", authority="CHU", system="897406", system_type="N", kind="PI")),
    (
        "cx",
        f"279035121518989^^^ASIP-SANTE-INS-NIR&{INS}&ISO^INS^^20101207",
        Identifier(value="279035121518989", authority="ASIP-SANTE-INS-NIR", system=INS, system_type="ISO", kind="INS", start=Moment("2010-12-07")),
    ),
    ("cx", "7^^^^AN^^20100101^20110101", Identifier(value="7", kind="AN", start=Moment("2010-01-01"), end=Moment("2011-01-01"))),
    ("hd", "APP", Identifier(value="APP")),
    ("hd", "APP^1.2.3^ISO", Identifier(value="APP", system="1.2.3", system_type="ISO")),
    ("hd", "^1.2.3^ISO", Identifier(value="1.2.3", system="1.2.3", system_type="ISO")),
    ("ei", "98^Nephro", Identifier(value="98", authority="Nephro")),
    ("ei", "98^^1.2^ISO", Identifier(value="98", system="1.2", system_type="ISO")),
    ("document-id", "1.2.250.7", "1.2.250.7"),
    ("document-id", "77^^1.2.250^ISO", "1.2.250^77"),
    ("xpn", "PAT-TROIS^DOMINIQUE^DOMINIQUE MARIE^^^^L", HumanName(use="birth", family="PAT-TROIS", given=("DOMINIQUE",), birth_given="DOMINIQUE MARIE")),
    ("xpn", "DUPONT^ANNE^MARIE LOUISE^JR^MME^^D", HumanName(use="usual", family="DUPONT", given=("ANNE", "MARIE", "LOUISE"), suffix="JR", prefix="MME")),
    ("xpn", "DUPONT", HumanName(family="DUPONT")),
    ("xad", "1 rue A^Bât. B^PARIS^^75007^FRA^H", Address(use="home", lines=("1 rue A", "Bât. B"), city="PARIS", postal_code="75007", country="FRA")),
    ("xad", "^^^^^^^^63220", Address(insee="63220")),
    ("xad", "^^X^^^^M", Address(use="M", city="X")),
    ("xtn", "^PRN^PH^^^^^^^^^0473000000", Telecom(value="0473000000", system="phone", use="home")),
    ("xtn", "^PRN^CP^^^^^^^^^0600000000", Telecom(value="0600000000", system="phone", use="mobile")),
    ("xtn", "^NET^Internet^a@example.org", Telecom(value="a@example.org", system="email")),
    ("xtn", "^NET^X.400^a@exemple.mssante.fr", Telecom(value="a@exemple.mssante.fr", system="mssante")),
    ("xcn-id", f"801^DIAZ^Thierry^^^^^^A&{PS}&ISO^D^^^RPPS".replace("DIAZ^Thierry", "^").replace("^D^^^", "^^^^"),
     Identifier(value="801", authority="A", system=PS, system_type="ISO", kind="RPPS")),
    ("xcn", f"801^DIAZ^Thierry^Jean^^DR^^^A&{PS}&ISO^D^^^RPPS",
     Party(identifiers=(Identifier(value="801", authority="A", system=PS, system_type="ISO", kind="RPPS"),),
           name=HumanName(use="usual", family="DIAZ", given=("Thierry", "Jean"), prefix="DR"))),
    ("xcn", "^DIAZ", Party(name=HumanName(family="DIAZ"))),
    ("xon", "Urologie^^^^^300017985^UF^^^3435", Organization(name="Urologie", identifiers=(Identifier(value="3435", authority="300017985", kind="UF"),))),
    ("xon", "Cabinet", Organization(name="Cabinet")),
    ("pl", "UF34^12^A^CH", Place(unit="UF34", room="12", bed="A", facility="CH")),
    ("cwe", "18748-4^CR^LN^^^^2.7^^texte", Concept(code="18748-4", display="CR", system="LN", version="2.7", text="texte")),
    ("dr", "20260101^202601021530", Period(start=Moment("2026-01-01"), end=Moment("2026-01-02T15:30"))),
    ("dtm", "202601150930+0100", Moment("2026-01-15T09:30+01:00")),
    ("dtm", "1985", Moment("1985")),
    ("dt", "20260115", Moment("2026-01-15")),
    ("nm", "-5.20", "-5.20"),
    ("si", "12", 12),
    ("yes-no", "Y", True),
    ("yes-no", "N", False),
    ("ft", "one\\.br\\two \\T\\ three", "one\ntwo & three"),
    ("vid", "2.5^FRA^2.11", "2.5^FRA^2.11"),
    ("base64", "YWJj", b"abc"),
    ("ed", "^text^XML^Base64^PGEvPg==", Content(media_type="text/xml", data=b"<a/>")),
    ("ed", "^application^PDF^Base64^JVBERg==", Content(media_type="application/pdf", data=b"%PDF")),
    ("ed-2.5", "^TEXT^XML^Base64^PGEvPg==", Content(media_type="text/xml", data=b"<a/>")),
    ("ed-text", "^text^^Base64^w6kKYg==", "é\nb"),
    ("ed-text-2.5", "^TEXT^^Base64^w6kKYg==", "é\nb"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wire", "value"), BOTH_WAYS)
def test_a_value_is_read_and_written(name: str, wire: str, value: Any) -> None:
    assert read(name, wire) == value
    assert write(name, value) == wire


ONLY_READ: list[tuple[str, str, Any]] = [
    ("cx", "1^^^1.2.250.1.213.1.4.10", Identifier(value="1", system=INS, system_type="ISO")),
    ("xon", "CHU^^300017985", Organization(name="CHU", identifiers=(Identifier(value="300017985"),))),
    ("xtn", "0102030405", Telecom(value="0102030405", system="phone")),
    ("xtn", "^WPN^PH^^33^1^4422^7", Telecom(value="33 1 4422 7", system="phone", use="work")),
    ("xtn", "^NET^Internet^https://example.org", Telecom(value="https://example.org", system="url")),
    ("ed", "^TEXT^XML^A^abc", Content(media_type="text/xml", data=b"abc")),
    ("ed", "^IM^JPEG^Hex^FFD8", Content(media_type="image/jpeg", data=b"\xff\xd8")),
    ("ed", "app^text^XML^Base64^PGEv\nPg==", Content(media_type="text/xml", data=b"<a/>")),
    ("ed", "^text^XML^Base64^PGEv\\.br\\Pg==", Content(media_type="text/xml", data=b"<a/>")),
    ("ed", "^text^XML^Base64^PGEv\\X0D0A\\Pg==", Content(media_type="text/xml", data=b"<a/>")),
    ("ed", "^text^XML^Base64^PGEvPg", Content(media_type="text/xml", data=b"<a/>")),
    ("ed-text", "^text^^Base64^w6kKYg", "é\nb"),
    ("ed-text", "^text^^Base64^YWLDq", "ab"),  # cut within a character
    ("cwe", "^text alone", None),
    ("cx", "", None),
    ("ed", "^text^XML^Base64^", None),
]


@pytest.mark.parametrize(("name", "wire", "value"), ONLY_READ)
def test_other_writings_are_read(name: str, wire: str, value: Any) -> None:
    assert read(name, wire) == value


@pytest.mark.parametrize("name", sorted(name for name, datatype in DATATYPES.items() if datatype.node))
def test_the_explicit_null_erases(name: str) -> None:
    assert read(name, '""') is ERASE


def test_a_null_inside_is_an_absent_part() -> None:
    assert read("xpn", 'DOE^""^^^^^L') == HumanName(use="birth", family="DOE")


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("dtm", "20260230"), ("dtm", "202602291200+0260"), ("dtm", "2026-01-01"), ("dt", "202601151200"), ("nm", "1,5"), ("nm", "x"),
        ("si", "-1"), ("si", "1.0"), ("si", "²"), ("yes-no", "O"), ("yes-no", "y"), ("ed", "^text^XML^Base65^PGEvPg=="), ("dr", "x^y"),
        ("cx", "1^^^^PI^^20261301"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_type_is_refused(name: str, wire: str) -> None:
    with pytest.raises(ValueError):
        read(name, wire)


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        ("PGE!Pg==", 3),
        ("PGEv-_==", 4),
        ("PG\nE!vPg==", 4),
        ("PGEvP", 5),
        ("PGEvPg===", 6),
        ("=PGEv", 0),
        ("PG=EvPg=", 2),
    ],
)
def test_junk_in_base64_is_refused_with_its_offset(data: str, offset: int) -> None:
    noted = run()
    assert read("ed", f"^text^XML^Base64^{data}", noted) == Content(media_type="text/xml") or noted.issues
    assert [(issue.code, issue.severity.name) for issue in noted.issues if issue.code == "DOCUMENT_ENCODING"] == [
        ("DOCUMENT_ENCODING", "ERROR")
    ]
    assert noted.issues[-1].params["offset"] == str(offset)


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        ("PGEvPg==", []),
        ("PGEvPg", ["DOCUMENT_PADDING"]),
        ("PGE\r\nvPg==", ["DOCUMENT_BLANKS"]),
        (" PGEvPg=", ["DOCUMENT_BLANKS", "DOCUMENT_PADDING"]),
    ],
)
def test_what_was_mended_in_base64_is_said(data: str, codes: list[str]) -> None:
    noted = run()
    assert read("ed", f"^text^XML^Base64^{data}", noted).data == b"<a/>"
    assert [issue.code for issue in noted.issues] == codes


def test_a_mail_cut_in_its_base64_is_read_as_far_as_it_goes() -> None:
    noted = run()
    cut = base64.b64encode("Bonjour Zoë".encode()).decode().rstrip("=")[:13]
    assert read("ed-text", f"^TEXT^^Base64^{cut}", noted) == "Bonjour Z"
    assert [(issue.code, issue.severity.name) for issue in noted.issues] == [("DOCUMENT_ENCODING", "WARNING")]


def test_highlighting_is_dropped_and_said() -> None:
    noted = run()
    assert read("ft", "\\H\\attention\\N\\", noted) == "attention"
    assert [issue.code for issue in noted.issues] == ["FORMATTING_DROPPED"]


def test_an_unknown_name_type_is_said_and_left_out() -> None:
    noted = run()
    assert read("xpn", "DOE^JOHN^^^^^Q", noted) == HumanName(family="DOE", given=("JOHN",))
    assert [issue.code for issue in noted.issues] == ["MAP_UNKNOWN_CODE"]


def test_an_ins_from_elsewhere_is_written_with_the_name_of_its_authority() -> None:
    assert (
        write("cx", Identifier(value="279035121518989", system=INS, kind="INS"))
        == f"279035121518989^^^ASIP-SANTE-INS-NIR&{INS}&ISO^INS"
    )


def test_a_birth_name_with_several_given_names_gets_their_list() -> None:
    assert write("xpn", HumanName(use="birth", family="A", given=("B", "C"))) == "A^B^B C^^^^L"


def test_a_document_without_bytes_is_not_written() -> None:
    with pytest.raises(ValueError, match="bytes"):
        write("ed", Content(media_type="text/xml"))
