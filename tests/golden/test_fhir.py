"""Golden FHIR cases: an exchange, the Bundle that it becomes, and what is read back.

A case is a folder of tests/golden/fhir with `exchange.json`, or the exchange of the same name in tests/golden/exchanges. `--update-golden` rewrites what is expected: read the difference as if it
were code. Over every case: valid, references resolve, ids stable, nothing empty, every leaf explained and the explanation true.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from connector.exchange.model import Exchange
from connector.fhir.bundle import assemble, take_apart
from connector.fhir.codec import dump_pretty
from connector.fhir.shape import FhirShape
from connector.fhir.validate import validate
from connector.mapping.explain import explain_write
from connector.mapping.language import Run
from connector.mapping.leaves import value_leaves
from tests.property.metamorphic import check_explain, other_texts
from tests.unit.fhir.site import context, library, mapping_name, over_the_wire, read, run, write

CASES = sorted(path.parent.name for path in Path(__file__).parent.glob("fhir/*/NOTE.md"))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Path:
    return Path(__file__).parent / "fhir" / request.param


def given(case: Path) -> Exchange:
    own, shared = case / "exchange.json", case.parents[1] / "exchanges" / case.name / "exchange.json"
    return msgspec.json.decode((own if own.is_file() else shared).read_bytes(), type=Exchange)


def compare(file: Path, content: bytes, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        file.write_bytes(content)
    assert file.read_bytes() == content, f"{file.parent.name}/{file.name}"


def as_json(exchange: Exchange) -> bytes:
    return msgspec.json.format(msgspec.json.encode(exchange), indent=1) + b"\n"


def asked(exchange: Exchange, *, explain: bool = False) -> Run:
    """A run in which sections are asked for when there are some."""
    options = {"sections": "true"} if any(each.sections for each in exchange.documents) else {}
    return Run(context(options=options), explain=explain)


def test_the_bundle_that_an_exchange_becomes(case: Path, request: pytest.FixtureRequest) -> None:
    exchange = given(case)
    using = asked(exchange)
    made = write(exchange, using)
    compare(case / "out.bundle.json", dump_pretty(made), request)
    issues = "".join(f"{each.severity.name} {each.code} {each.place}: {each.text('fr')}\n" for each in using.issues)
    compare(case / "issues.txt", issues.encode(), request)
    assert validate(over_the_wire(made)) == []
    assert write(exchange, asked(exchange)) == made


def test_the_fhir_document_that_an_exchange_becomes(case: Path, request: pytest.FixtureRequest) -> None:
    exchange = given(case)
    if not any(each.sections for each in exchange.documents):
        pytest.skip("no sections")
    made = write(exchange, run(options={"shape": "document"}))
    compare(case / "out.document.json", dump_pretty(made), request)
    wire = over_the_wire(made)
    assert validate(wire) == []
    using = run()
    assert read(wire, using) == replace(
        exchange, documents=tuple(replace(each, content=None) for each in exchange.documents)
    )
    assert using.issues == []


def test_what_is_read_back(case: Path, request: pytest.FixtureRequest) -> None:
    using, exchange = run(), given(case)
    back = read(over_the_wire(write(exchange, asked(exchange))), using)
    compare(case / "back.exchange.json", as_json(back), request)
    assert read(over_the_wire(write(back, asked(back)))) == back, "what was read once is written and read the same"
    assert using.issues == []


def test_nothing_is_empty_and_every_text_comes_from_somewhere(case: Path) -> None:
    exchange = given(case)
    tree = over_the_wire(write(exchange, asked(exchange)))
    for place, value in FhirShape().leaves(tree):
        assert value not in ("", None), place


def whole(value: Any, using: Run) -> Any:
    return assemble(library().mapping(mapping_name(using)).write(value, using), value, using)


def test_every_output_is_explained_and_what_no_rule_writes_is_told(case: Path, request: pytest.FixtureRequest) -> None:
    if "too large to explain" in (case / "NOTE.md").read_text("utf-8"):
        pytest.skip("large: the same rules are explained in a smaller case")
    exchange = given(case)
    using = asked(exchange, explain=True)
    tree, trace = explain_write(library().mapping(mapping_name(using)), exchange, using, whole)
    assert set(trace.outputs) == dict(FhirShape().leaves(tree)).keys()
    places = {place for place, _ in value_leaves(exchange)}
    assert set(trace.unwritten) | set(trace.unused) <= places
    compare(case / "unwritten.txt", "".join(f"{each}\n" for each in sorted(trace.unused)).encode(), request)


def texts(place: str, text: str) -> Iterator[str]:
    """Other texts for a leaf, of its own kind when a code is asked for."""
    for end, words in WORDS.items():
        if place.endswith(end):
            yield from (word for word in words if word != text)
            return
    if place.endswith(
        ("birthDate", "creation", "date", "start", "end", "sent", "received", "occurredDateTime", "recorded")
    ):
        yield text.replace("202", "201", 1) if "202" in text else text.replace("19", "18", 1)
        return
    yield from other_texts(place, text)


WORDS = {
    ".type.coding[1].code": ("ZZ",),  # a type that no table has is text
    "gender": ("male", "female"),
    "name[1].use": ("official", "usual", "maiden"),
    "Patient[1].identifier[1].system": tuple(f"urn:oid:1.2.250.1.213.1.4.{last}" for last in (8, 9, 10, 11)),
    "DocumentReference[1].status": ("current", "superseded"),
}


def test_the_explanation_is_true_when_each_leaf_is_changed(case: Path) -> None:
    if "slow" in (case / "NOTE.md").read_text("utf-8"):
        pytest.skip("large: the same rules are tried by the smaller cases")
    mapping = library().mapping("fhir/bundles/document")
    tree = take_apart(over_the_wire(write(given(case))), run())
    check_explain(mapping, mapping, tree, run, texts, whole)
