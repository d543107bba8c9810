"""What we write, before the national judge: each type of document, each kind of body, both documents of a téléexpertise, the golden cases.

`ANS_CDA_JUDGE` names a checkout of ansforge/TestContenuCDA-3-0; without it nothing here runs, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from connector.app.national import PROFILES, NationalJudge
from connector.cda.document import write_document
from connector.cda.telemedicine import REPORT, REQUEST, report_document
from connector.exchange.documents import Content
from connector.exchange.model import Exchange
from connector.exchange.people import Concept
from connector.issues import Issue, Severity
from connector.mapping.language import Run
from tests.golden.journeys_kit import context, tables, translator
from tests.unit.cda.test_telemedicine import example, with_act, written

pytestmark = pytest.mark.slow
#: Cases whose point is to be incomplete, or given by somebody else.
_GIVEN = ("as-traffic-is",)
#: Types of JDV_J07 that came after the judge's own edition of it (2024-09-27); the header's rules know no other reason to refuse them.
_NEWER = {"100967-9", "34876-3", "34895-3", "68814-3", "83963-9", "84067-8", "97694-4"}
#: The type of XDS for a signature (E1762, "ASTM"): its system has no OID, so that no CDA can be of this type, and ours refuses to be.
_NO_CDA = "E1762"
_TYPES = 121
_BODIES = {
    "application/pdf": b"%PDF-1.4\n%%EOF\n",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "image/tiff": b"II*\x00\x08\x00\x00\x00",
    "text/rtf": b"{\\rtf1 Bonjour}",
    "text/plain": "Bonjour à tous".encode(),
}


def errors(found: list[Issue]) -> list[str]:
    """Errors and warnings, with judge and place."""
    return [f"{each.place} {each.text('en')}" for each in found if each.severity >= Severity.WARNING]


def unstructured(root: Path) -> Exchange:
    """A document of which every element of the header is known."""
    raw = (root / "tests" / "golden" / "cda" / "n1-everything" / "in.cda.xml").read_bytes()
    exchange = translator().read(raw, "cda", context(), rules=False).exchange
    assert exchange is not None
    return exchange


def around(exchange: Exchange, body: Content, type_: Concept | None = None) -> bytes:
    """A CDA around a body, of another type when one is given."""
    (document,) = exchange.documents
    document = replace(document, content=None, body=body, templates=(), type=type_ or document.type)
    made = write_document(replace(exchange, documents=(document,)), Run(context()), translator().mappings)
    assert made.value is not None
    assert errors(list(made.issues)) == []
    return made.value


def types() -> Iterator[Concept]:
    """The types of document that may be written today."""
    table = tables().table("document-types")
    for row in table.rows:
        found = table.from_exchange("exchange", row.exchange)
        if found is not None and not table.retired(row.exchange, context().now[:10]):
            yield Concept(code=found.code, system=found.system, display=found.display)


def test_each_type_of_document_but_those_newer_than_the_judge(national_judge: NationalJudge, root: Path) -> None:
    exchange = unstructured(root)
    known = {each.code: each for each in types()}
    assert len(known) == _TYPES
    refused: dict[str | None, list[str]] = {}
    for each in known.values():
        if each.code == _NO_CDA:
            continue
        raw = around(exchange, Content(media_type="application/pdf", data=_BODIES["application/pdf"]), each)
        if found := errors(national_judge.judge(raw)):
            refused[each.code] = found
    assert set(refused) == _NEWER
    for found in refused.values():
        assert all(each.startswith("/ClinicalDocument/code (ans:strucmin) ") for each in found), found


def test_the_type_of_signatures_is_no_type_of_a_cda(root: Path) -> None:
    """Needs no judge: the national one says the same of codeSystem="ASTM"."""
    exchange, (signature,) = unstructured(root), [each for each in types() if each.code == _NO_CDA]
    document = replace(
        exchange.documents[0], content=None, body=Content(data=_BODIES["application/pdf"]), type=signature
    )
    made = write_document(replace(exchange, documents=(document,)), Run(context()), translator().mappings)
    refused = {(each.code, each.place.path) for each in made.issues if each.severity >= Severity.ERROR}
    assert ("MAP_NOT_WRITABLE", "documents[1].type") in refused


@pytest.mark.parametrize("media_type", _BODIES)
def test_each_kind_of_body(national_judge: NationalJudge, root: Path, media_type: str) -> None:
    raw = around(unstructured(root), Content(media_type=media_type, data=_BODIES[media_type]))
    assert errors(national_judge.judge(raw)) == []


def test_the_request_and_the_report_of_a_teleexpertise_by_the_rules_of_their_volets(
    national_judge: NationalJudge,
) -> None:
    exchange = example()
    report = report_document(exchange, context())
    assert report is not None
    answer = replace(exchange, teleexpertise=None, documents=(with_act(report, exchange),))
    documents = {
        "TLM-DA_2022.01": (REQUEST, written(exchange)),
        "TLM-CR_2022.01": (REPORT, translator().write(answer, "cda", context()).value),
    }
    for volet, (type_, raw) in documents.items():
        assert raw is not None
        assert f'code="{type_.code}"'.encode() in raw
        assert errors(national_judge.judge(raw, ("xsd", *PROFILES, f"volet:{volet}"))) == [], volet


def test_what_the_golden_cases_write(national_judge: NationalJudge, root: Path) -> None:
    files = sorted((root / "tests" / "golden" / "cda").glob("*/out.cda.xml"))
    assert files
    told = {file.parent.name: errors(national_judge.judge(file.read_bytes())) for file in files}
    assert {name: found for name, found in told.items() if found and not any(word in name for word in _GIVEN)} == {}
