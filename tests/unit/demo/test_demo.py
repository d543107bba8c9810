"""The demonstration message is what our own writer writes, whole, and about a test identity."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from connector import terminology
from connector.cda.body import body
from connector.cda.checks import check
from connector.cda.codec import parse
from connector.cda.document import read_document, write_document
from connector.cda.shape import SHAPE
from connector.demo import demo_document, demo_message, letter
from connector.demo.message import DOCUMENT, WRITTEN_AT, WRITTEN_ID
from connector.exchange.care import Act, Encounter
from connector.exchange.documents import Content, Document
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import (
    Address,
    Concept,
    HumanName,
    Identifier,
    Organization,
    Party,
    Patient,
    Period,
    Telecom,
)
from connector.mapping.catalogue import Library, load_library
from connector.mapping.language import Run

NOW = Moment("2026-03-04T05:06:07+01:00")
ESTABLISHMENT = Organization(
    identifiers=(Identifier(value="1630000404", system="1.2.250.1.71.4.2.2", kind="IDNST"),),
    name="Centre hospitalier de Démonstration",
    sector=Concept(code="ETABLISSEMENT", system="1.2.250.1.213.1.1.4.9", display="Etablissement de santé"),
    telecoms=(Telecom(value="0473000000", system="phone", use="work"),),
    addresses=(Address(lines=("1 place de la Démonstration",), city="CLERMONT-FERRAND", postal_code="63000"),),
)
DOCTOR = Party(
    time=Moment(WRITTEN_AT),
    identifiers=(Identifier(value="801234567897", system="1.2.250.1.71.4.2.1", kind="IDNPS"),),
    name=HumanName(family="ESSAI", given=("Claire",), prefix="MME", suffix="DR"),
    specialty=Concept(
        code="G15_10/SM26", system="1.2.250.1.213.1.1.4.5", display="Médecin - Qualifié en Médecine Générale (SM)"
    ),
    organization=ESTABLISHMENT,
)


def exchange() -> Exchange:
    stay = Period(start=Moment("2026-01-01"), end=Moment("2026-01-05"))
    signer = Party(
        time=DOCTOR.time,
        identifiers=DOCTOR.identifiers,
        name=DOCTOR.name,
        specialty=DOCTOR.specialty,
        organization=ESTABLISHMENT,
    )
    performer = Party(
        identifiers=DOCTOR.identifiers, name=DOCTOR.name, specialty=DOCTOR.specialty, organization=ESTABLISHMENT
    )
    document = Document(
        id=WRITTEN_ID,
        type=Concept(
            code="11490-0",
            system="2.16.840.1.113883.6.1",
            display="Lettre de liaison à la sortie d'un établissement de soins",
        ),
        title="Lettre de liaison à la sortie",
        created=Moment(WRITTEN_AT),
        confidentiality="N",
        body=Content(media_type="application/pdf", data=letter()),
        authors=(DOCTOR,),
        custodian=Organization(identifiers=ESTABLISHMENT.identifiers, name=ESTABLISHMENT.name),
        signer=signer,
        acts=(Act(period=stay, performer=performer),),
    )
    return Exchange(
        patient=Patient(
            identifiers=(
                Identifier(value="279035121518989", system="1.2.250.1.213.1.4.10", kind="INS"),
                Identifier(value="DEMO-0042", system="1.2.250.1.213.1.4.10.9.1"),
            ),
            names=(HumanName(use="birth", family="PAT-TROIS", given=("DOMINIQUE",), birth_given="DOMINIQUE"),),
            birth_date=Moment("1979-03-28"),
            sex="female",
            birth_place=Address(insee="63220", city="MEILHAUD"),
            addresses=(Address(use="home", lines=("12 rue des Lilas",), city="CLERMONT-FERRAND", postal_code="63000"),),
        ),
        encounter=Encounter(
            number=Identifier(value="SEJOUR-7", system="1.2.250.1.213.1.4.10.9.3"),
            type=Concept(
                code="IMP", system="2.16.840.1.113883.5.4", display="Hospitalisation (établissement, y compris HAD)"
            ),
            period=stay,
            facility_type=Concept(code="SA01", system="1.2.250.1.71.4.2.4", display="Etablissement public de santé"),
        ),
        documents=(document,),
    )


@pytest.fixture(scope="module")
def tables(root: Path) -> terminology.Tables:
    return terminology.load(
        {f"terminology/{path.name}": path.read_text() for path in (root / "terminology").glob("*.csv")}
    )


@pytest.fixture(scope="module")
def library(root: Path, tables: terminology.Tables) -> Library:
    files = {f"mappings/cda/{path.name}": path.read_text() for path in (root / "mappings" / "cda").glob("*.yaml")}
    return load_library(files, {"cda": SHAPE}, tables)


@pytest.fixture
def run(tables: terminology.Tables) -> Run:
    return Run(Context(now=NOW, table=tables.table, systems=tables.systems))


def test_the_document_is_what_our_writer_writes(
    root: Path, library: Library, run: Run, request: pytest.FixtureRequest
) -> None:
    written = write_document(exchange(), run, library)
    assert written.issues == ()
    assert written.value is not None
    file = root / "connector" / "demo" / DOCUMENT
    if request.config.getoption("--update-golden"):
        file.write_bytes(written.value)
    assert file.read_bytes() == written.value


def test_the_document_of_a_run_has_its_own_id_and_time_and_keeps_the_rules(
    library: Library, run: Run, tables: terminology.Tables
) -> None:
    raw = demo_document(NOW, "2.25.42")
    read = read_document(raw, run, library)
    assert read.issues == ()
    assert read.value is not None
    assert (read.value.document.id, read.value.document.set_id, read.value.document.created) == (
        "2.25.42",
        "2.25.42",
        NOW,
    )
    assert check(read.value.clinical, strict=True, tables=tables.table) == []


def test_the_message_carries_the_document_byte_for_byte() -> None:
    message = demo_message(NOW, "DEMO-1", "2.25.42").decode()
    assert message.endswith("\r")
    assert "\n" not in message
    segments = [segment.split("|") for segment in message.split("\r")]
    assert segments[0][8:12] == ["MDM^T02^MDM_T02", "DEMO-1", "T", "2.6"]
    assert segments[0][17] == "UNICODE UTF-8"
    assert segments[0][20] == "2.1^CISIS_CDA_HL7_V2"
    (document,) = [segment[5] for segment in segments if segment[:2] == ["OBX", "1"]]
    assert base64.b64decode(document.split("^")[4]) == demo_document(NOW, "2.25.42")
    assert [segment[12] for segment in segments if segment[0] == "TXA"] == ["2.25.42"]
    directives = [segment[3].split("^")[0] for segment in segments if segment[0] == "OBX" and segment[2] == "CWE"]
    assert directives == [
        "MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX", "CONNEXION_SECRETE", "MODIF_CONF_CODE",
        "DESTDMP", "DESTMSSANTEPS", "DESTMSSANTEPAT", "ACK_RECEPTION", "ACK_LECTURE_MSS",
    ]  # fmt: skip


def test_the_patient_identifiers_of_message_and_document_agree(library: Library, run: Run) -> None:
    message = demo_message(NOW, "DEMO-1", "2.25.42").decode()
    pid = next(segment.split("|") for segment in message.split("\r") if segment.startswith("PID"))
    read = read_document(demo_document(NOW, "2.25.42"), run, library)
    assert read.value is not None
    assert read.value.patient is not None
    assert (pid[8], pid[18].split("^")[0], pid[31], pid[32]) == ("F", "DOSSIER-7", "N", "VALI")
    assert [each.split("^")[0] for each in pid[3].split("~")] == [each.value for each in read.value.patient.identifiers]


def test_the_letter_is_a_small_pdf_whose_table_points_at_its_objects() -> None:
    pdf = letter()
    assert len(pdf) < 40_000
    assert pdf == letter()
    start = int(re.findall(rb"startxref\n(\d+)\n%%EOF\n$", pdf)[0])
    assert pdf[start : start + 4] == b"xref"
    offsets = [int(each) for each in re.findall(rb"^(\d{10}) 00000 n $", pdf[start:], re.MULTILINE)]
    assert [pdf[offset:].split(b"\n", 1)[0] for offset in offsets] == [
        b"%d 0 obj" % n for n in range(1, len(offsets) + 1)
    ]
    assert "née".encode("cp1252") in pdf
    found = body(demo_document(NOW, "2.25.42"))
    assert found.value is not None
    assert found.value.data == pdf


def test_only_test_identities_are_in_it() -> None:
    read = parse(demo_document(NOW, "2.25.42"))
    assert read.value is not None
    assert read.value.header.value("recordTarget/patientRole/id/@root") == "1.2.250.1.213.1.4.10"
    assert b"1.2.250.1.213.1.4.8" not in demo_message(NOW, "X", "2.25.42")
