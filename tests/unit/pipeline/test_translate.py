"""Reading and writing by way of the Exchange: what is refused, what a document's header says against its message, what is completed."""

from __future__ import annotations

import base64

import pytest
from msgspec.structs import replace

from connector.exchange.documents import Content, Document
from connector.exchange.model import Envelope, Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, Identifier, Party
from connector.issues import Severity
from connector.pipeline.formats import FORMATS, detect, exchange_bytes, exchange_parse
from connector.pipeline.headers import disagreements, is_to_be_read, overlaid
from connector.pipeline.translate import Reading
from tests.golden.journeys_kit import FOLDER, context, translator

T10 = (FOLDER / "mdm-t10-replacement" / "in.hl7").read_bytes()


def codes(reading: Reading, least: Severity = Severity.WARNING) -> list[tuple[str, str]]:
    return [(issue.code, issue.place.path) for issue in reading.issues if issue.severity >= least]


def read(raw: bytes, name: str = "hl7") -> Reading:
    return translator().read(raw, name, context())


# --- what bytes are


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"MSH|^~\\&|", "hl7"),
        (b"\xef\xbb\xbfMSH|", "hl7"),
        (b"FHS|^~\\&", "hl7"),
        (b"\x0bMSH|", "hl7"),
        (b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>', "cda"),
        (b'<Bundle xmlns="http://hl7.org/fhir"/>', "fhir"),
        (b'{"resourceType":"Bundle"}', "fhir"),
        (b'{"intent":"submit"}', "exchange"),
        (b"%PDF-1.4", None),
        (b"", None),
    ],
)
def test_bytes_are_recognised(raw: bytes, expected: str | None) -> None:
    assert detect(raw) == expected


def test_an_exchange_is_read_from_its_own_bytes_and_a_wrong_one_is_refused_without_its_values() -> None:
    exchange = Exchange(intent="submit", documents=(Document(id="1.2.3", content=Content(data=b"x")),))
    read = exchange_parse(exchange_bytes(exchange)).value
    assert read is not None
    assert read.documents[0].content is not None
    assert (read.documents[0].content.data, read.documents[0].content.size) == (b"x", 1)
    assert exchange_parse(exchange_bytes(read)).value == read
    refused = exchange_parse(b'{"intent": {"SECRET": 1}}')
    assert refused.value is None
    assert "SECRET" not in refused.issues[0].text("en")


# --- what is refused


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"MDM^T10^MDM_T02", b"MDM^T99^MDM_T02", "EVENT"),
        (b"MDM^T10^MDM_T02", b"XYZ^T10", "MESSAGE_TYPE"),
        (b"|2.6|", b"|3.0|", "VERSION"),
    ],
)
def test_a_message_that_no_mapping_answers_for_says_what_is_supported(old: bytes, new: bytes, code: str) -> None:
    reading = read(T10.replace(old, new, 1))
    assert reading.exchange is None
    refusing = [issue for issue in reading.issues if issue.severity >= Severity.ERROR]
    assert [issue.code for issue in refusing].count(code) == 1
    assert next(issue for issue in refusing if issue.code == code).params["expected"]


def test_xml_in_a_message_is_a_cda_or_refused() -> None:
    assert is_to_be_read(Content(media_type="text/xml", data=b"<a/>"), hl7=True)
    assert not is_to_be_read(Content(media_type="text/xml", data=b"<a/>"), hl7=False)
    assert not is_to_be_read(Content(media_type="text/plain", data=b"<a/>"), hl7=True)
    assert not is_to_be_read(Content(media_type="application/pdf", data=b"%PDF-1.4"), hl7=True)
    head, _, rest = T10.partition(b"^Base64^")
    raw = head + b"^Base64^" + base64.b64encode(b"<a/>") + b"|" + rest.partition(b"|")[2]
    assert ("CDA_ROOT", "OBX[1]-5/") in codes(read(raw))
    assert not read(raw).accepted


# --- a document's header and the message around it


HEADER = Document(
    type=Concept(code="11490-0", system="2.16.840.1.113883.6.1", display="Lettre"),
    created=Moment("2026-01-05T10:15:00+01:00"),
    confidentiality="N",
    title="Lettre",
    signer=Party(identifiers=(Identifier(value="810000023084"),)),
)


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        (Document(), []),
        (HEADER, []),
        (Document(type=Concept(code="11490-0", display="Another label")), []),
        (Document(type=Concept(code="11490-0", system="1.2.3")), ["type"]),
        (Document(type=Concept(code="18748-4")), ["type"]),
        (Document(created=Moment("2026-01-05T10:15")), []),
        (Document(created=Moment("2026-01-05")), []),
        (Document(created=Moment("2026-01-05T09:15:00Z")), []),
        (Document(created=Moment("2026-01-05T10:16")), ["created"]),
        (Document(signer=Party(identifiers=(Identifier(value="10000023084"),))), []),
        (Document(signer=Party(identifiers=(Identifier(value="10000023092"),))), ["signer"]),
        (Document(signer=Party()), []),
        (Document(confidentiality="R", title="Autre"), ["title", "confidentiality"]),
    ],
)
def test_what_the_message_says_otherwise_is_told_with_both_places(said: Document, fields: list[str]) -> None:
    found = list(disagreements(HEADER, said, 2, "Europe/Paris"))
    assert [issue.place.path for issue in found] == [f"documents[2].{field}" for field in fields]
    assert all(issue.code == "MAP_DISAGREES" and issue.severity is Severity.WARNING for issue in found)
    assert all(issue.params["rule"].startswith("/ClinicalDocument/") for issue in found)


def test_the_header_stands_and_the_message_fills_what_it_leaves_open() -> None:
    said = Document(title="Autre", language="fr-FR", status="replacement", source_application="RIS")
    document = overlaid(replace(HEADER, status="final"), said)
    assert (document.title, document.language, document.status) == ("Lettre", "fr-FR", "replacement")


def test_a_disagreement_is_told_at_the_sender_s_own_field() -> None:
    assert ("MAP_DISAGREES", "TXA[1]-4") in codes(read(T10))
    assert read(T10).accepted


def test_a_document_s_trouble_stands_behind_the_place_that_carries_it() -> None:
    cda = (FOLDER / "cda-alone" / "in.cda.xml").read_bytes().replace(b'<languageCode code="fr-FR"/>', b"")
    head, _, rest = T10.partition(b"^Base64^")
    raw = head + b"^Base64^" + base64.b64encode(cda) + b"|" + rest.partition(b"|")[2]
    assert any(place.startswith("OBX[1]-5/ClinicalDocument") for _, place in codes(read(raw)))


# --- writing


def test_an_exchange_without_an_envelope_becomes_a_complete_message() -> None:
    exchange = replace(read(T10).exchange, envelope=None)  # type: ignore[type-var]  # the case is read, an Exchange is there
    written = translator().write(exchange, "hl7", context())
    assert written.accepted, written.issues
    again = read(written.value or b"")
    assert again.accepted
    envelope = again.exchange.envelope if again.exchange else None
    assert envelope is not None
    assert (envelope.event, envelope.processing, envelope.sent_at) == ("T10", "T", "2026-01-15T10:00:00+01:00")
    assert envelope.recorded_at is not None
    assert len(envelope.control_id or "") == 20


def test_a_derived_control_id_follows_what_is_said() -> None:
    exchange = replace(read(T10).exchange, envelope=None)  # type: ignore[type-var]
    one, same = (translator().write(exchange, "hl7", context()).value for _ in range(2))
    other = translator().write(replace(exchange, intent="submit"), "hl7", context()).value
    assert one == same
    assert (one or b"").split(b"|")[9] != (other or b"").split(b"|")[9]


def test_an_exchange_that_no_message_says_is_refused() -> None:
    written = translator().write(Exchange(envelope=Envelope(type="ZZZ", event="Z99")), "hl7", context())
    assert written.value is None
    assert [issue.code for issue in written.issues] == ["MESSAGE_TYPE"]


def test_a_cda_leaves_as_it_came() -> None:
    raw = (FOLDER / "cda-alone" / "in.cda.xml").read_bytes()
    assert translator().convert(raw, None, "cda", context()).value == raw


def test_conversion_of_what_is_nothing_we_know_is_refused() -> None:
    outcome = translator().convert(b"%PDF-1.4", None, "fhir", context())
    assert outcome.value is None
    assert outcome.issues


def test_every_format_names_itself() -> None:
    assert {name: form.name for name, form in FORMATS.items()} == {name: name for name in FORMATS}


@pytest.mark.parametrize(
    ("raw", "form"), [(b"{}", "exchange"), (b'{"resourceType":"Bundle","type":"collection"}', "fhir")]
)
def test_what_says_nothing_is_not_accepted(raw: bytes, form: str) -> None:
    assert not translator().read(raw, form, context()).accepted
