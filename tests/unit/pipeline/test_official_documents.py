"""The examples of the ANS and the CDA of the sample corpus: read, shown, in FHIR and back, and what is told and lost on the way, counted.

The examples stand in the checkout that `ANS_CDA_JUDGE` names (folder ExemplesCDA), the corpus beside the project; neither is part of it.
tests/official/SOURCE.issues.csv counts documents by step, severity, code and place; SOURCE.header.csv the documents in which a field of
the header does not come back from CDA → FHIR → CDA without the document's own bytes (docs/reference/cda-losses.md says why).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from connector.exchange.documents import Content
from connector.exchange.model import Exchange
from connector.fhir.codec import load
from connector.fhir.validate import check_bundle, validate
from connector.issues import Issue
from connector.mapping.leaves import value_leaves
from connector.pipeline.showing import html_page, pdf_pages, view
from tests.conftest import SHARED
from tests.golden.journeys_kit import ROOT, context, translator
from tests.property.exchanges import covers

pytestmark = [pytest.mark.slow, pytest.mark.shared]
#: Source → the least number of documents that it has.
SOURCES = {"ans": 94, "corpus": 25}
TABLES = ROOT / "tests" / "official"
PAGE = ROOT / "docs" / "reference" / "cda-losses.md"
_PDF = Content(media_type="application/pdf", data=b"%PDF-1.4\n%%EOF")
_NUMBER = re.compile(r"\[\d+\]")
#: The shapes of FHIR: a transaction, the same with sections, a FHIR document.
_SHAPES = ({}, {"sections": "true"}, {"shape": "document", "sections": "true"})


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "ans" and not os.environ.get("ANS_CDA_JUDGE"):
        pytest.skip("ANS_CDA_JUDGE does not name a checkout of ansforge/TestContenuCDA-3-0: its examples were not read")
    if name == "corpus" and not SHARED.is_dir():
        pytest.skip("the shared corpus is not present beside the project")
    return name


@cache
def documents(source: str) -> dict[str, bytes]:
    """File name → bytes of every CDA of a source."""
    folder = Path(os.environ.get("ANS_CDA_JUDGE", "")) / "ExemplesCDA" if source == "ans" else SHARED / "corpus"
    files = sorted(folder.rglob("*.xml"))
    found = {str(each.relative_to(folder)): each.read_bytes() for each in files}
    return {name: raw for name, raw in found.items() if b"ClinicalDocument" in raw}


@cache
def exchanges(source: str) -> dict[str, Exchange]:
    """What is read of each document that is one (an extract without root is refused)."""
    found = {}
    for name, raw in documents(source).items():
        exchange = translator().read(raw, "cda", context(), rules=False).exchange
        if exchange is not None:
            found[name] = exchange
    return found


def compared(table: str, rows: Counter[tuple[str, ...]], header: str, request: pytest.FixtureRequest) -> None:
    """The rows with their counts are those of the table, exactly."""
    lines = sorted(",".join((*row, str(count))) for row, count in rows.items())
    content = "\n".join([header, *lines, ""])
    path = TABLES / table
    if request.config.getoption("--update-golden"):
        path.write_text(content, "utf-8")
    assert path.read_text("utf-8") == content


def rows(step: str, issues: tuple[Issue, ...]) -> Iterator[tuple[str, ...]]:
    """Each kind of trouble of a document once, without numbers of places."""
    yield from {(step, each.severity.name, each.code, _NUMBER.sub("", each.place.path)) for each in issues}


def test_each_is_read_and_what_is_wrong_is_counted(source: str, request: pytest.FixtureRequest) -> None:
    assert len(documents(source)) >= SOURCES[source]
    told: Counter[tuple[str, ...]] = Counter()
    for raw in documents(source).values():
        told.update(rows("read", translator().read(raw, "cda", context()).issues))
    for exchange in exchanges(source).values():
        for asked in _SHAPES[:2]:
            step = "to FHIR with sections" if asked else "to FHIR"
            told.update(rows(step, translator().write(exchange, "fhir", replace(context(), options=asked)).issues))
    compared(f"{source}.issues.csv", told, "step,severity,code,place,documents", request)


def test_each_is_shown_as_a_page_and_as_pdf(source: str) -> None:
    now = datetime(2026, 1, 15, tzinfo=UTC)
    for name, raw in documents(source).items():
        shown = view(raw, translator(), context()).value
        assert (shown is not None) == (name in exchanges(source)), name
        if shown is None:
            continue
        page = html_page(shown)
        assert "<script" not in page.lower(), name
        assert shown.head, name
        assert shown.parts or shown.body is not None or not (b"<section" in raw or b'representation="B64"' in raw), name
        assert pdf_pages(shown, created=now).startswith(b"%PDF-"), name


@pytest.mark.parametrize("asked", _SHAPES, ids=lambda asked: " ".join(asked) or "transaction")
def test_what_it_is_in_fhir_is_fhir(source: str, asked: dict[str, str]) -> None:
    """By our compiled checks and by the models of fhir.resources."""
    using = replace(context(), options=asked)
    for name, exchange in exchanges(source).items():
        one = replace(exchange, documents=exchange.documents[:1]) if "shape" in asked else exchange
        written = translator().write(one, "fhir", using)
        assert written.value is not None, name
        bundle = load(written.value).value
        assert bundle is not None
        assert [f"{each.place} {each.text('en')}" for each in (*check_bundle(bundle), *validate(bundle))] == [], name


def test_through_fhir_it_is_the_same_document_byte_for_byte(source: str) -> None:
    """FHIR carries the document itself beside what is said of it."""
    for name, exchange in exchanges(source).items():
        written = translator().write(exchange, "fhir", context())
        assert written.value is not None
        back = translator().read(written.value, "fhir", context(), rules=False).exchange
        assert back is not None, name
        assert translator().write(back, "cda", context()).value == documents(source)[name], name


def header_alone(exchange: Exchange) -> Exchange:
    """What a header says, with a body of ours in place of the document's own."""
    document = replace(exchange.documents[0], content=None, body=_PDF, sections=(), format=None)
    return replace(exchange, documents=(document,), teleexpertise=None, sender=None, subject=None, mode="document")


def leaves(exchange: Exchange) -> dict[str, object]:
    """Each leaf of a header, without the body."""
    document = replace(exchange.documents[0], content=None, body=None, format=None)
    return dict(value_leaves(replace(exchange, documents=(document,), mode=None)))


@cache
def lost(source: str) -> Counter[tuple[str, ...]]:
    """Field → documents in which one of its values does not come back from CDA → FHIR → CDA."""
    using = replace(context(), options={"shape": "document"})
    found: Counter[tuple[str, ...]] = Counter()
    for name, exchange in exchanges(source).items():
        before = header_alone(exchange)
        there = translator().write(before, "fhir", using)
        assert there.value is not None, name
        between = translator().read(there.value, "fhir", using, rules=False).exchange
        assert between is not None, name
        back = translator().write(between, "cda", using)
        assert back.value is not None, name
        after = translator().read(back.value, "cda", using, rules=False).exchange
        assert after is not None, name
        same = leaves(after)
        found.update(
            {(_NUMBER.sub("[]", place),) for place, value in leaves(before).items() if same.get(place) != value}
        )
    return found


def test_the_header_comes_back_from_fhir_but_for_what_the_table_counts(
    source: str, request: pytest.FixtureRequest
) -> None:
    compared(f"{source}.header.csv", lost(source), "field,documents", request)


def test_each_loss_of_a_header_has_its_reason(source: str) -> None:
    section = PAGE.read_text("utf-8").partition("## A header through FHIR")[2].partition("\n## ")[0]
    patterns = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert patterns
    assert [field for (field,) in lost(source) if not any(covers(each, field) for each in patterns)] == []
