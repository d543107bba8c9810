"""A CDA in the pipeline: what is read from it, what is written around a PDF, and that a CDA leaves as it came."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from connector.cda.body import body
from connector.cda.document import CdaReading, complete, is_cda, read_document, write_document
from connector.exchange.care import Encounter
from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, Identifier, Patient, Period
from connector.issues import Severity, worst
from connector.mapping.catalogue import Library
from connector.mapping.language import Run
from tests.unit.cda.sample import BASE64, PDF, document


def reading(raw: bytes, library: Library, run: Run) -> CdaReading:
    read = read_document(raw, run, library)
    assert read.value is not None, read.issues
    return read.value


def as_exchange(read: CdaReading, **changes: object) -> Exchange:
    made = msgspec.structs.replace(read.document, content=None, body=body(read.clinical).value, **changes)  # type: ignore[arg-type]
    return Exchange(documents=(made,), patient=read.patient, encounter=read.encounter)


def test_a_document_says_who_what_and_where(library: Library, run: Run) -> None:
    read = reading(document(), library, run)
    assert read.document.id == "1.2.250.1.213.1.4.10.9.1.2^LETTRE-1"
    assert read.document.content == Content(media_type="text/xml", data=document(), size=len(document()))
    assert read.document.body == Content(media_type="application/pdf")
    assert read.document.format == Concept(code="urn:ihe:iti:xds-sd:pdf:2008", system="1.3.6.1.4.1.19376.1.2.3")
    assert read.patient is not None
    assert [name.use for name in read.patient.names] == ["birth", "usual"]
    assert read.patient.birth_place is not None
    assert read.patient.birth_place.insee == "63220"
    assert read.encounter is not None
    assert read.document.encounter == read.encounter
    assert [author.device is None for author in read.document.authors] == [True, False]


@pytest.mark.parametrize(
    ("qualifiers", "expected"),
    [
        (("BR", "CL"), ["PAT-TROIS", "D'ARTAGNAN DE L'HERAULT"]),
        (("BR", "SP"), ["PAT-TROIS", "D'ARTAGNAN DE L'HERAULT"]),
        (("", "CL"), ["PAT-TROIS", "D'ARTAGNAN DE L'HERAULT"]),
    ],
)
def test_family_names_are_read_however_senders_qualify_them(
    qualifiers: tuple[str, str], expected: list[str], library: Library, run: Run
) -> None:
    raw = document(
        ('<family qualifier="BR">', f'<family qualifier="{qualifiers[0]}">' if qualifiers[0] else "<family>"),
        ('<family qualifier="CL">', f'<family qualifier="{qualifiers[1]}">'),
    )
    read = reading(raw, library, run)
    assert read.patient is not None
    assert [name.family for name in read.patient.names] == expected


def test_what_senders_add_to_the_header_is_read_and_not_written(library: Library, run: Run) -> None:
    added = (
        document()
        .replace(
            b"<birthplace>",
            b'<guardian><code code="MTH" codeSystem="2.16.840.1.113883.5.111" displayName="M"/>'
            b"<guardianPerson><name><family>PAT-MERE</family></name></guardianPerson></guardian><birthplace>",
            1,
        )
        .replace(
            b"</patient></patientRole>",
            b"</patient><providerOrganization><name>CH Test</name></providerOrganization></patientRole>",
            1,
        )
    )
    assert added.count(b"guardian") > document().count(b"guardian")
    read = reading(added, library, run)
    assert read.patient is not None
    assert read.patient.guardians[0].relation == Concept(code="MTH", system="2.16.840.1.113883.5.111", display="M")
    written = write_document(as_exchange(read, id="1.2.250.1.213.1.4.10.9.1.2"), run, library).value
    assert written is not None
    assert b"PAT-MERE" in written
    assert b"MTH" not in written
    assert b"providerOrganization" not in written


def test_what_was_concluded_is_told_to_explain(library: Library, run: Run) -> None:
    reading(document(), library, run)
    assert run.derivations is not None
    assert {output for output, _, _ in run.derivations} == {"documents[1].encounter", "documents[1].format"}


def test_a_document_that_cannot_be_parsed_has_no_reading(library: Library, run: Run) -> None:
    read = read_document(b"<!DOCTYPE a><a/>", run, library)
    assert read.value is None
    assert [issue.code for issue in read.issues] == ["XML_DOCTYPE"]


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        (('<low value="20260101"/><high value="20260105"/></effectiveTime>\n    <performer', '<low value="20260101"/><high value="2026-01"/></effectiveTime>\n    <performer'), Severity.WARNING),
        (('<birthTime value="19790328"/>', '<birthTime value="19790230"/>'), Severity.ERROR),
        (('code="F" displayName="Féminin"', 'code="Z" displayName="Féminin"'), Severity.ERROR),
        (('code="N" displayName="Normal"', 'code="MASQUE_PS" displayName="Normal"'), Severity.WARNING),
    ],
)  # fmt: skip
def test_only_identity_refuses_for_a_datum_that_cannot_be_read(
    change: tuple[str, str], severity: Severity, library: Library, run: Run
) -> None:
    assert worst(read_document(document(change), run, library).issues) == severity


def test_a_cda_leaves_as_it_came(library: Library, run: Run) -> None:
    """F18: nothing of a document that is passed on is rewritten."""
    raw = document().replace(b"<title>", b"<!-- signed --><title >")
    read = reading(raw, library, run)
    written = write_document(Exchange(documents=(read.document,), patient=read.patient), run, library)
    assert written.value is raw
    assert written.issues == ()


def test_a_content_that_is_no_cda_becomes_the_body(library: Library, run: Run) -> None:
    read = reading(document(), library, run)
    pdf = Content(media_type="application/pdf", data=PDF)
    exchange = as_exchange(read)
    exchange = msgspec.structs.replace(
        exchange, documents=(msgspec.structs.replace(exchange.documents[0], body=None, content=pdf),)
    )
    written = write_document(exchange, run, library)
    assert written.issues == ()
    assert written.value is not None
    found = body(written.value)
    assert found.value is not None
    assert found.value.data == PDF


def test_what_others_do_not_say_is_completed_and_nothing_clinical_is(library: Library, run: Run) -> None:
    exchange = Exchange(
        encounter=Encounter(kind="outpatient", period=Period(start=Moment("2026-01-05"))),
        patient=Patient(identifiers=(Identifier(value="1", system="1.2.3"),)),
        documents=(
            Document(
                id="1.2.9",
                type=Concept(code="11490-0", system="2.16.840.1.113883.6.1", display="Lettre"),
                content=Content(media_type="application/pdf", data=PDF),
            ),
        ),
    )
    made = complete(exchange, run)
    (only,) = made.documents
    assert (only.realm, only.language, only.title, only.set_id, only.version) == ("FR", "fr-FR", "Lettre", "1.2.9", "1")
    assert only.templates == ("2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1", "1.3.6.1.4.1.19376.1.2.20")
    assert made.encounter is not None
    assert made.encounter.type == Concept(
        code="AMB", system="2.16.840.1.113883.5.4", display="Ambulatoire (hors établissement)"
    )
    assert (only.confidentiality, only.created, only.authors, only.signer, only.custodian) == (
        None,
        None,
        (),
        None,
        None,
    )
    assert run.derivations is not None
    assert {output for output, _, _ in run.derivations} >= {
        "documents[1].set_id",
        "documents[1].templates",
        "encounter.type",
    }
    written = write_document(exchange, run, library)
    assert {issue.severity for issue in written.issues} == {Severity.ERROR}
    assert {issue.params.get("expected") for issue in written.issues} >= {
        "author",
        "confidentialityCode/@code",
        "effectiveTime/@value",
    }


def test_a_later_version_does_not_invent_its_set(library: Library, run: Run) -> None:
    read = reading(document(), library, run)
    written = write_document(as_exchange(read, set_id=None, version=None, replaces="1.2.3"), run, library)
    assert {(issue.code, issue.params["expected"]) for issue in written.issues} == {
        ("CDA_MISSING", "setId/@root"), ("CDA_MISSING", "versionNumber/@value"),
    }  # fmt: skip


def test_a_body_is_decoded_with_its_size_and_hashes() -> None:
    found = body(document())
    assert found.value == Content(
        media_type="application/pdf", data=PDF, size=len(PDF),
        sha1=hashlib.sha1(PDF, usedforsecurity=False).hexdigest(), sha256=hashlib.sha256(PDF).hexdigest(),
    )  # fmt: skip


def test_a_body_that_is_not_what_it_says_is_not_handed_out() -> None:
    assert [issue.code for issue in body(document((BASE64, "TVqQAAMAAAA="))).issues] == ["DOCUMENT_TYPE_CLASH"]
    assert [issue.code for issue in body(document((BASE64, "TVqQAAM*AAA="))).issues] == ["DOCUMENT_ENCODING"]
    assert [issue.code for issue in body(b"<a/>").issues] == ["CDA_ROOT"]


def test_a_body_in_plain_text_is_its_text() -> None:
    found = body(document((f'mediaType="application/pdf" representation="B64">{BASE64}', ">L'été")))
    assert found.value is not None
    assert (found.value.media_type, found.value.data) == ("text/plain", "L'été".encode())


def test_a_structured_document_has_no_body(library: Library, run: Run) -> None:
    raw = document((f'<nonXMLBody><text mediaType="application/pdf" representation="B64">{BASE64}</text></nonXMLBody>', "<structuredBody><component><section><title>A</title></section></component></structuredBody>"))  # fmt: skip
    read = reading(raw, library, run)
    assert read.clinical.structured is not None
    assert read.document.body is None
    assert body(raw).value is None
    assert body(raw).issues == ()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Content(media_type="text/xml", data=document()), True),
        (Content(media_type="application/octet-stream", data=document()), True),
        (Content(media_type="text/xml", data=b"<a/>"), False),
        (Content(media_type="text/xml"), True),
        (Content(media_type="application/pdf", data=PDF), False),
        (None, False),
    ],
)
def test_a_cda_is_known_by_its_bytes(content: Content | None, expected: bool) -> None:
    assert is_cda(content) is expected


def test_an_exchange_without_that_document_writes_nothing(library: Library, run: Run) -> None:
    assert [issue.code for issue in write_document(Exchange(), run, library).issues] == ["DOCUMENT_MISSING"]


@pytest.mark.shared
def test_official_documents_are_read_and_none_is_refused(shared: Path, library: Library, run: Run) -> None:
    files = sorted((shared / "corpus" / "cda").glob("ans*")) + sorted(
        (shared / "corpus" / "fr" / "TLM-CDA").rglob("*.xml")
    )
    assert len(files) >= 20
    for file in files:
        raw = file.read_bytes()
        read = read_document(raw, run, library)
        assert read.accepted, (
            file.name,
            [str(issue.place) for issue in read.issues if issue.severity >= Severity.ERROR],
        )
        assert read.value is not None
        assert read.value.clinical.raw is raw
        assert read.value.patient is not None
        exchange = as_exchange(read.value)
        if exchange.documents[0].body is None:
            continue
        written = write_document(exchange, run, library)
        assert written.value is not None
        again = reading(written.value, library, run)
        assert (again.patient, again.encounter) == (read.value.patient, read.value.encounter)
        assert body(again.clinical) == body(read.value.clinical)


@pytest.mark.shared
def test_foreign_documents_are_read_or_refused_with_a_place(shared: Path, library: Library, run: Run) -> None:
    for file in sorted((shared / "corpus" / "cda").glob("*")):
        read = read_document(file.read_bytes(), run, library)
        assert read.value is not None or worst(read.issues) >= Severity.ERROR, file.name
