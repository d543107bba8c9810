"""A téléexpertise as CDA: the request says what was asked and answered, and says it back; its report is an unstructured document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from msgspec.structs import replace

from connector.cda.codec import serialise
from connector.cda.narrative import Row, plain, read_rows, write_rows
from connector.cda.telemedicine import REPORT, REQUEST, is_request, report_document, write_request
from connector.cda.tree import Element
from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.exchange.people import Concept
from connector.exchange.teleexpertise import Answer, Form
from connector.issues import Severity
from connector.mapping.language import Run
from connector.mapping.leaves import value_leaves
from connector.pipeline.explain import explain_reading
from connector.pipeline.formats import FORMATS, exchange_parse
from tests.golden.journeys_kit import ROOT, context, translator

V3 = "{urn:hl7-org:v3}"
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12)
LINES = st.lists(TEXT | st.just(""), min_size=1, max_size=3).map("\n".join).filter(bool)


def example() -> Exchange:
    made = exchange_parse((ROOT / "tests/golden/exchanges/teleexpertise/exchange.json").read_bytes()).value
    assert made is not None
    return made


def written(exchange: Exchange) -> bytes:
    made = write_request(exchange, Run(context()), translator().mappings)
    assert [issue for issue in made.issues if issue.severity >= Severity.ERROR] == []
    assert made.value is not None
    return made.value


def back(exchange: Exchange) -> Exchange:
    reading = translator().read(written(exchange), "cda", context())
    assert reading.accepted, reading.issues
    assert reading.exchange is not None
    return reading.exchange


def section(raw: bytes, template: str) -> Any:
    root = etree.fromstring(raw)
    return next(
        each
        for each in root.iter(V3 + "section")
        if template in [t.get("root") for t in each.findall(V3 + "templateId")]
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(Row, link=TEXT, text=st.none() | TEXT, values=st.lists(LINES, max_size=2).map(tuple)), max_size=3
    )
)
def test_rows_read_back_whatever_they_hold(rows: list[Row]) -> None:
    text = Element("section", children=[write_rows(rows, "Titre")])
    parsed = etree.fromstring(serialise(text))
    assert read_rows(parsed.find(V3 + "text")) == ("Titre", rows)


def test_narrative_of_others_is_read_as_a_text() -> None:
    text = etree.fromstring(
        f'<text xmlns="{V3[1:-1]}"><table><tbody><tr><td>Toux</td><td>depuis\n  <b>hier</b></td></tr></tbody></table></text>'
    )
    assert read_rows(text) == (None, [])
    assert plain(text) == "Toux depuis hier"


def test_the_request_says_who_asks_whom_for_what() -> None:
    exchange = example()
    read = back(exchange)
    (document, attachment) = read.documents
    assert is_request(document)
    assert document.type == REQUEST
    assert (read.mode, read.subject) == ("teleexpertise", exchange.subject)
    assert read.teleexpertise is not None
    assert exchange.teleexpertise is not None
    for name in ("id", "act", "priority", "requested", "question"):
        assert getattr(read.teleexpertise, name) == getattr(exchange.teleexpertise, name), name
    assert read.teleexpertise.form is not None
    assert exchange.teleexpertise.form is not None
    assert read.teleexpertise.form.answers == exchange.teleexpertise.form.answers
    assert read.teleexpertise.expert is not None
    assert read.teleexpertise.expert.party.organization is not None
    assert attachment.content is not None
    assert exchange.documents[0].content is not None
    assert attachment.content.data == exchange.documents[0].content.data, (
        "the answer is not attached, the request's document is"
    )
    assert (attachment.id, attachment.title, attachment.type) == tuple(
        getattr(exchange.documents[0], name) for name in ("id", "title", "type")
    )


def test_the_request_is_written_as_the_golden_case(request: pytest.FixtureRequest) -> None:
    exchange = example()
    assert exchange.teleexpertise is not None
    steps = exchange.teleexpertise.steps[:1]
    raw = written(replace(exchange, teleexpertise=replace(exchange.teleexpertise, steps=steps, opinion=None)))
    golden = ROOT / "tests" / "golden" / "cda" / "tlm-da" / "in.cda.xml"
    if request.config.getoption("--update-golden"):
        golden.write_bytes(raw)
    assert golden.read_bytes() == raw


def test_a_large_document_is_attached_whole() -> None:
    exchange = example()
    large = b"%PDF-1.4\n" + bytes(range(256)) * 400
    document = replace(exchange.documents[0], content=Content(media_type="application/pdf", data=large))
    read = back(replace(exchange, documents=(document,)))
    assert read.documents[1].content is not None
    assert read.documents[1].content.data == large


def test_without_a_form_the_first_message_is_what_is_told() -> None:
    exchange = example()
    assert exchange.teleexpertise is not None
    raw = written(
        replace(exchange, documents=(), teleexpertise=replace(exchange.teleexpertise, form=None, question=None))
    )
    assert "Document en pièce jointe" in plain(section(raw, "1.2.250.1.213.1.1.2.69").find(V3 + "text"))


def test_treatments_that_nobody_named_are_said_to_be_unknown() -> None:
    product = section(written(example()), "1.3.6.1.4.1.19376.1.5.3.1.3.19").find(
        f".//{V3}manufacturedMaterial/{V3}code"
    )
    assert product.get("nullFlavor") == "NI"


def test_a_link_that_is_no_xml_name_and_a_value_of_two_lines_come_back() -> None:
    exchange = example()
    assert exchange.teleexpertise is not None
    answers = (Answer(link="1.2 é_x", text="Où ?", values=("une\ndeux", "trois")), Answer(link="1.2 é_x2"))
    read = back(replace(exchange, teleexpertise=replace(exchange.teleexpertise, form=Form(answers=answers))))
    assert read.teleexpertise is not None
    assert read.teleexpertise.form == Form(answers=answers)


def test_a_request_that_is_no_uuid_stands_below_the_sites_number() -> None:
    exchange = example()
    assert exchange.teleexpertise is not None
    raw = written(replace(exchange, teleexpertise=replace(exchange.teleexpertise, id="DEM-1")))
    order = etree.fromstring(raw).find(f".//{V3}order/{V3}id")
    assert order is not None
    assert dict(order.attrib) == {"root": context().namespace, "extension": "DEM-1"}


def test_an_opinion_in_words_is_a_report() -> None:
    exchange = example()
    document = report_document(exchange, context())
    assert document is not None
    assert document.type == REPORT
    assert exchange.teleexpertise is not None
    assert (
        report_document(replace(exchange, teleexpertise=replace(exchange.teleexpertise, opinion=None)), context())
        is None
    )


def test_an_attachment_whose_bytes_are_broken_is_told_and_left() -> None:
    raw = written(example()).replace(b'representation="B64">JVBERi0x', b'representation="B64">JV*ERi0x')
    reading = translator().read(raw, "cda", context())
    assert "DOCUMENT_ENCODING" in [issue.code for issue in reading.issues]
    assert reading.exchange is not None
    assert len(reading.exchange.documents) == 1


@pytest.mark.shared
def test_the_official_requests_become_a_question(shared: Path) -> None:
    files = sorted((shared / "corpus" / "fr" / "TLM-CDA" / "ExemplesCDA").glob("TLM-DA*non*.xml"))
    assert files
    for file in files:
        reading = translator().read(file.read_bytes(), "cda", context(), rules=False)
        assert reading.exchange is not None
        assert reading.exchange.teleexpertise is not None
        assert "Texte libre" in (reading.exchange.teleexpertise.question or ""), file.name
        assert reading.exchange.teleexpertise.act is not None


# --- as the national judge gets it (test_judge.py)


def with_act(document: Document, exchange: Exchange) -> Document:
    """The report as it is written with its téléexpertise: the act is that of the request."""
    from connector.cda.authorship import signed

    assert exchange.teleexpertise is not None
    act: Concept | None = exchange.teleexpertise.act
    return signed(replace(exchange, documents=(document,)), Run(context()), act=act).documents[0]


# --- explained


@pytest.mark.parametrize("carried", [False, True])
def test_explain_says_where_each_part_of_a_request_comes_from(carried: bool) -> None:
    raw = written(example())
    if carried:
        exchange = replace(
            example(),
            documents=(Document(id="2.25.7", type=REQUEST, content=Content(media_type="text/xml", data=raw)),),
        )
        raw = translator().write(exchange, "hl7", context(), part="1").value or b""
    name = "hl7" if carried else "cda"
    read = explain_reading(translator(), raw, FORMATS[name], context()).value
    assert read is not None
    reading = translator().read(raw, name, context(), rules=False)
    assert read.exchange == reading.exchange
    outputs = read.explanation.trace.outputs
    assert set(outputs) == {place for place, _ in value_leaves(read.exchange)}
    (act,) = outputs["teleexpertise.act.code"].sources
    assert act.endswith("/ClinicalDocument/documentationOf/serviceEvent/code/@code")
    assert "telemedicine" in outputs["teleexpertise.question"].by
