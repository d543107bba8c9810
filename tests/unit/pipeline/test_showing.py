"""A CDA shown: header, sections and body, on a page whose policy lets nothing run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from connector.app import Workbench
from connector.pdf.claim import pdfa_claim
from connector.pipeline.showing import html_page, pdf_pages
from connector.settings import Settings

BENCH = Workbench(Settings(site="show", environment="test"), fixed=True)
NOW = datetime.fromisoformat("2026-11-24T10:00:00+01:00")


@pytest.fixture(scope="module")
def letter(root: Path) -> bytes:
    return (root / "connector/demo/letter.cda.xml").read_bytes()


def test_the_header_is_a_table_and_the_body_is_what_was_embedded(letter: bytes) -> None:
    shown = BENCH.show(letter).value
    assert shown is not None
    assert dict(shown.head)["Patient"] == "PAT-TROIS DOMINIQUE, née le 28/03/1979"
    assert dict(shown.head)["PDF embarqué"] == "sans déclaration PDF/A"
    assert shown.body is not None
    assert shown.body.data is not None
    assert shown.body.data.startswith(b"%PDF")
    page = html_page(shown)
    assert "default-src 'none'" in page
    assert 'type="application/pdf" data="data:application/pdf;base64,' in page
    assert pdfa_claim(pdf_pages(shown, created=NOW)) == "PDF/A-1B"


def test_a_title_cannot_leave_its_place(letter: bytes) -> None:
    hostile = letter.replace(b"<title>", b"<title>&lt;script&gt;alert(1)&lt;/script&gt;", 1)
    shown = BENCH.show(hostile).value
    assert shown is not None
    assert "<script" not in html_page(shown)


def test_a_message_is_shown_by_its_document(root: Path) -> None:
    from connector.demo import demo_message
    from connector.exchange.moments import Moment

    shown = BENCH.show(demo_message(Moment("2026-11-24T10:00:00+01:00"), "X1", "1.2.250.1.213.1.4.10.9.99.7")).value
    assert shown is not None
    assert dict(shown.head)["Identifiant"] == "1.2.250.1.213.1.4.10.9.99.7"


@pytest.mark.parametrize(
    "raw", [b"", b"<a/>", b"MSH|^~\\&|x", b"<!DOCTYPE a><ClinicalDocument xmlns='urn:hl7-org:v3'/>"]
)
def test_what_cannot_be_read_says_why(raw: bytes) -> None:
    made = BENCH.show(raw)
    assert made.value is None
    assert made.issues


@pytest.mark.shared
def test_every_cda_of_the_corpus_is_shown(shared: Path) -> None:
    told = {}
    for file in sorted((shared / "corpus").rglob("*.[xX][mM][lL]")):
        raw = file.read_bytes()
        if b"ClinicalDocument" not in raw or BENCH.detect(raw) != "cda":
            continue
        made = BENCH.show(raw)
        if made.value is None:
            told[file.name] = made.issues[0].code
            continue
        page = html_page(made.value)
        assert "<script" not in page.lower()
        assert len(made.value.head) > 3
        assert pdf_pages(made.value, created=NOW)
    assert set(told.values()) <= {"CDA_ROOT"}, told
