"""Golden CDA documents: what each says, what is wrong with it, what is not read, and the header written back.

A case is a folder of tests/golden/cda. `--update-golden` rewrites what is expected: read the difference as if it were code.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from connector import terminology
from connector.cda.body import body
from connector.cda.codec import parse
from connector.cda.document import HEADER, CdaReading, read_document, write_document
from connector.cda.shape import SHAPE
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment
from connector.mapping.catalogue import Library, load_library
from connector.mapping.explain import explain_read
from connector.mapping.language import Run
from tests.property.metamorphic import check_explain, other_texts

CASES = sorted(path.parent.name for path in Path(__file__).parent.glob("cda/*/in.cda.xml"))


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
    return Run(Context(now=Moment("2026-03-04T05:06:07+01:00"), table=tables.table, systems=tables.systems))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Path:
    folder = Path(__file__).parent / "cda" / request.param
    assert (folder / "NOTE.md").is_file(), "each case says which page of the specification it is about"
    return folder


def compare(file: Path, content: bytes, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        file.write_bytes(content)
    assert file.read_bytes() == content, f"{file.parent.name}/{file.name}"


def as_exchange(reading: CdaReading) -> Exchange:
    """What was read, without the bytes that stand beside it in the folder."""
    document = msgspec.structs.replace(reading.document, content=None, encounter=None)
    return Exchange(documents=(document,), patient=reading.patient, encounter=reading.encounter)


def test_what_a_document_says_and_what_is_wrong_with_it(
    case: Path, library: Library, run: Run, request: pytest.FixtureRequest
) -> None:
    read = read_document((case / "in.cda.xml").read_bytes(), run, library)
    assert read.value is not None
    exchange = msgspec.json.format(msgspec.json.encode(as_exchange(read.value)), indent=1) + b"\n"
    compare(case / "exchange.json", exchange, request)
    issues = "".join(f"{issue.severity.name} {issue.code} {issue.place}: {issue.text('fr')}\n" for issue in read.issues)
    compare(case / "issues.txt", issues.encode(), request)
    assert run.issues == [], "each issue is told once, in the outcome"


def test_the_header_is_written_back_and_reads_to_the_same(
    case: Path, library: Library, run: Run, request: pytest.FixtureRequest
) -> None:
    raw = (case / "in.cda.xml").read_bytes()
    read = read_document(raw, run, library)
    assert read.value is not None
    if read.value.clinical.structured is not None:
        pytest.skip("structured: its writer has a law of its own (tests/unit/cda/test_telemedicine.py)")
    found = body(read.value.clinical)
    exchange = as_exchange(read.value)
    with_body = msgspec.structs.replace(exchange.documents[0], body=found.value)
    written = write_document(msgspec.structs.replace(exchange, documents=(with_body,)), run, library)
    assert written.value is not None
    compare(case / "out.cda.xml", written.value, request)
    again = read_document(written.value, run, library)
    assert again.value is not None
    assert body(again.value.clinical) == found
    assert as_exchange(again.value) == exchange


def test_every_place_that_is_not_read_is_known(
    case: Path, library: Library, run: Run, request: pytest.FixtureRequest
) -> None:
    document = parse((case / "in.cda.xml").read_bytes()).value
    assert document is not None
    _, trace = explain_read(library.mapping(HEADER), document.header, Run(run.context, explain=True))
    compare(case / "unread.txt", "".join(f"{place}\n" for place in trace.unused).encode(), request)


def texts(place: str, text: str) -> Iterator[str]:
    """Another domain is an unknown one: a known OID would also name another kind of identifier."""
    if place.endswith(("@root", "@codeSystem")):
        yield "2.3" + text[3:]
    else:
        yield from other_texts(place, text)


def test_explain_tells_the_truth_about_every_place(case: Path, library: Library, run: Run) -> None:
    document = parse((case / "in.cda.xml").read_bytes()).value
    assert document is not None
    mapping = library.mapping(HEADER)
    check_explain(mapping, None, document.header, lambda: Run(run.context), texts)
    if case.name == "n1-minimal":  # also on to another document, the slow way, for the smallest one
        check_explain(mapping, mapping, document.header, lambda: Run(run.context), texts)
