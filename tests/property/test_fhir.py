"""Laws of FHIR: what is written is valid and reads back the same; both syntaxes say the same; nothing that comes in breaks the reader."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from connector.exchange.documents import Directives
from connector.exchange.model import Exchange
from connector.fhir.bundle import take_apart
from connector.fhir.codec import load
from connector.fhir.incoming import parse
from connector.fhir.search import index
from connector.fhir.search import parse as parse_query
from connector.fhir.transaction import detached, relative
from connector.fhir.validate import check_bundle
from connector.fhir.xml import dump_xml, load_xml
from connector.issues import Severity
from tests.property.exchanges import DOCUMENTS, MODES, PATIENTS, exchanges
from tests.unit.fhir.site import over_the_wire, read, run, write

QUICK = settings(max_examples=60, deadline=None)

EXCHANGES = st.builds(
    Exchange,
    intent=st.just("submit"),
    mode=st.just("document"),
    origin=st.just("feed"),
    patient=PATIENTS,
    documents=st.lists(DOCUMENTS, min_size=1, max_size=2, unique_by=lambda each: each.id).map(tuple),
    directives=st.just(Directives(hidden_from_patient=True)) | st.none(),
)


def normal(exchange: Exchange) -> Exchange:
    """What docs/reference/fhir-losses.md says is filled in: size and hash of the bytes, the status."""
    documents = tuple(
        replace(each, status=None, content=replace(each.content, size=None, sha1=None) if each.content else None)
        for each in exchange.documents
    )
    messages = tuple(
        replace(
            each,
            photos=tuple(replace(one, content=replace(one.content, size=None, sha1=None)) for one in each.photos),
        )
        for each in exchange.messages
    )
    return replace(exchange, documents=documents, messages=messages)


@QUICK
@given(EXCHANGES)
def test_what_is_written_is_valid_and_reads_back_the_same(exchange: Exchange) -> None:
    made = write(exchange)
    assert check_bundle(made) == []
    using = run()
    assert normal(read(over_the_wire(made), using)) == exchange
    assert using.issues == []


@pytest.mark.parametrize("mode", MODES)
def test_an_exchange_of_each_mode_reads_back_the_same(mode: str) -> None:
    @settings(max_examples=20, deadline=None)
    @given(exchanges(mode))
    def holds(exchange: Exchange) -> None:
        using = run()
        made = write(exchange, using)
        assert check_bundle(made) == []
        assert [each for each in using.issues if each.severity > Severity.WARNING] == []
        wire, using = over_the_wire(made), run()
        assert normal(read(wire, using)) == exchange
        assert using.issues == []
        assert load_xml(dump_xml(wire)).value == wire
        filed = relative(detached(made, -1)[0])
        assert not [each for each in references(filed) if each.startswith("urn:uuid:")]
        assert [row for each in filed for row in index(each)]

    holds()


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for each in node for found in references(each)]
    if isinstance(node, dict):
        own = [node["reference"]] if isinstance(node.get("reference"), str) else []
        return own + [found for each in node.values() for found in references(each)]
    return []


@QUICK
@given(EXCHANGES)
def test_both_syntaxes_say_the_same(exchange: Exchange) -> None:
    made = over_the_wire(write(exchange))
    assert load_xml(dump_xml(made)).value == made


@QUICK
@given(EXCHANGES)
def test_what_is_filed_has_every_reference_and_byte(exchange: Exchange) -> None:
    made, blobs = detached(write(exchange), -1)
    flat = relative(made)
    names = {f"{each['resourceType']}/{each['id']}" for each in flat} | {
        f"Binary/{identity}" for identity, _, _ in blobs
    }
    assert not [each for each in references(flat) if each.startswith("urn:uuid:")]
    assert sorted(data for _, _, data in blobs) == sorted(
        each.content.data for each in exchange.documents if each.content and each.content.data
    )
    for each in flat:
        for row in index(each):
            if "/" in row.value and row.parameter in ("patient", "author", "custodian", "organization", "practitioner"):
                assert row.value in names


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(max_size=4)
    | st.sampled_from(["#a", "urn:uuid:x", "Patient/1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceType",
                    "id",
                    "name",
                    "contained",
                    "author",
                    "reference",
                    "extension",
                    "url",
                    "entry",
                    "resource",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(JSON, st.sampled_from(["Patient", "Bundle", "DocumentReference", "Nobody"]))
def test_no_json_breaks_the_reader(value: Any, kind: str) -> None:
    node = value if isinstance(value, dict) else {"entry": value}
    outcome = parse(orjson.dumps({**node, "resourceType": kind}))
    if outcome.value is not None and not outcome.issues:
        take_apart(outcome.value, run())


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    for reader in (load, load_xml, parse):
        outcome = reader(raw)
        assert outcome.value is not None or outcome.issues


@QUICK
@given(
    st.sampled_from(["patient", "date", "identifier", "status", "type", "_id", "_count", "family:exact"]),
    st.text(max_size=20),
)
def test_no_search_breaks_the_parser(name: str, value: str) -> None:
    outcome = parse_query("DocumentReference", [(name, value)])
    assert outcome.value is not None or outcome.issues
