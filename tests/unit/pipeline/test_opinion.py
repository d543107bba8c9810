"""What `validate` adds to the verdict of intake: the documents within a message are inspected too, each trouble with its place."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from connector.demo import demo_message
from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment
from connector.issues import Severity
from connector.pipeline.explain import explain
from connector.pipeline.formats import exchange_bytes
from connector.pipeline.opinion import opinion
from tests.golden.journeys_kit import context, translator
from tests.unit.cda.sample import PDF

MESSAGE = demo_message(Moment("2026-11-24T10:00:00+01:00"), "X1", "1.2.250.1.213.1.4.10.9.99.7")
_CDA = re.compile(rb"(?<=\^Base64\^)[A-Za-z0-9+/=]+")


def message(*changes: tuple[bytes, bytes]) -> bytes:
    """The message of the demonstration with texts of its CDA replaced."""
    found = _CDA.search(MESSAGE)
    assert found is not None
    document = base64.b64decode(found[0])
    for old, new in changes:
        assert old in document, old
        document = document.replace(old, new, 1)
    return MESSAGE[: found.start()] + base64.b64encode(document) + MESSAGE[found.end() :]


def said(raw: bytes, form: str = "hl7") -> list[tuple[str, str]]:
    issues = opinion(translator(), raw, form, context())
    return [(issue.code, issue.place.path) for issue in issues if issue.severity > Severity.INFORMATION]


def test_a_document_within_a_message_is_inspected_behind_the_place_of_its_bytes() -> None:
    before = said(message())
    found = said(message((b"<languageCode ", b"<languageCod/><languageCode ")))
    assert [each for each in found if each not in before] == [("CDA_ELEMENT", "OBX[1]-5/ClinicalDocument/languageCod")]


def test_another_patient_in_the_document_than_in_pid_is_said() -> None:
    found = said(message((b'birthTime value="1979', b'birthTime value="1978')))
    assert next(code for code, place in found if place.startswith("OBX[1]-5")) == "INS_DIFFERS"


def test_what_a_pdf_claims_is_said_wherever_it_stands() -> None:
    assert ("PDF_CLAIM", "OBX[1]-5/ClinicalDocument/component/nonXMLBody/text") in said(message())
    letter = Document(content=Content(media_type="application/pdf", data=PDF))
    raw = exchange_bytes(Exchange(mode="document", documents=(letter,)))
    assert ("PDF_CLAIM", "documents[1].content") in said(raw, "exchange")


def test_explain_says_it_too(root: Path) -> None:
    letter = (root / "connector/demo/letter.cda.xml").read_bytes()
    told = explain(translator(), letter, "cda", "exchange", context()).issues
    assert [(issue.code, issue.params["found"]) for issue in told if issue.code == "PDF_CLAIM"] == [
        ("PDF_CLAIM", "PDF")
    ]
