"""Laws of FHIR: what is written is valid and reads back the same; both syntaxes say the same; nothing that comes in breaks the reader."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from connector.exchange.documents import Content, Directives, Document
from connector.exchange.model import Exchange
from connector.exchange.people import Address, Concept, HumanName, Identifier, Organization, Party, Patient, Telecom
from connector.fhir.bundle import take_apart
from connector.fhir.codec import dump, load
from connector.fhir.incoming import parse
from connector.fhir.search import index
from connector.fhir.search import parse as parse_query
from connector.fhir.transaction import detached, relative
from connector.fhir.validate import check_bundle
from connector.fhir.xml import dump_xml, load_xml
from tests.unit.fhir.site import over_the_wire, read, run, write

QUICK = settings(max_examples=60, deadline=None)

#: Text as people write it: letters of any script, no blank at its ends, nothing that XML cannot hold.
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12)
CODE = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
OID = st.integers(1, 99999).map(lambda number: f"1.2.250.1.999.{number}")
DATES = st.dates().map(str)
MOMENTS = st.datetimes().map(lambda moment: f"{moment.replace(microsecond=0).isoformat()}+01:00")


def some(strategy: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=most).map(tuple)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


IDENTIFIERS = st.builds(
    Identifier, value=TEXT, system=OID, kind=st.sampled_from(["PI", "VN", "AN"]), authority=maybe(TEXT)
)
CONCEPTS = st.builds(Concept, code=CODE, system=OID, display=maybe(TEXT), text=maybe(TEXT))
CODINGS = st.builds(Concept, code=CODE, system=OID, display=maybe(TEXT), version=maybe(CODE))
NAMES = st.builds(
    HumanName,
    use=st.sampled_from(["birth", "usual", "maiden", None]),
    family=TEXT,
    given=some(TEXT),
    birth_given=maybe(TEXT),
    prefix=maybe(TEXT),
    suffix=maybe(TEXT),
)
ADDRESSES = st.builds(
    Address,
    use=st.sampled_from(["home", "work", None]),
    lines=some(TEXT),
    city=TEXT,
    postal_code=maybe(TEXT),
    insee=maybe(CODE),
)
TELECOMS = st.builds(
    Telecom, value=TEXT, system=st.sampled_from(["phone", "email", "fax"]), use=st.sampled_from(["home", "work", None])
)
ORGANIZATIONS = st.builds(
    Organization,
    identifiers=some(IDENTIFIERS),
    name=TEXT,
    sector=maybe(CONCEPTS),
    telecoms=some(TELECOMS),
    addresses=some(ADDRESSES),
)
PARTIES = st.builds(
    Party,
    identifiers=some(IDENTIFIERS),
    name=NAMES,
    specialty=maybe(CONCEPTS),
    function=maybe(CONCEPTS),
    telecoms=some(TELECOMS),
    organization=maybe(ORGANIZATIONS),
    mssante=maybe(CODE.map(lambda name: f"{name}@essai.mssante.fr")),
)
PATIENTS = st.builds(
    Patient,
    identifiers=some(IDENTIFIERS),
    names=st.lists(NAMES, min_size=1, max_size=2).map(tuple),
    birth_date=maybe(DATES),
    sex=st.sampled_from(["male", "female", "other", "unknown", None]),
    addresses=some(ADDRESSES),
    telecoms=some(TELECOMS),
    birth_place=maybe(ADDRESSES),
    marital_status=maybe(TEXT),
    managing=maybe(ORGANIZATIONS),
)
DOCUMENTS = st.builds(
    Document,
    id=st.tuples(OID, CODE).map("^".join) | OID,
    set_id=maybe(OID),
    version=maybe(CODE),
    type=maybe(CONCEPTS),
    category=maybe(CONCEPTS),
    format=maybe(CODINGS),
    title=maybe(TEXT),
    created=MOMENTS,
    language=maybe(CODE),
    confidentiality=st.sampled_from(["N", "R", "V", None]),
    authors=some(PARTIES),
    signer=maybe(PARTIES),
    custodian=maybe(ORGANIZATIONS),
    content=st.builds(Content, media_type=st.just("text/plain"), data=st.binary(min_size=1, max_size=40)),
)
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
    return replace(exchange, documents=documents)


@QUICK
@given(EXCHANGES)
def test_what_is_written_is_valid_and_reads_back_the_same(exchange: Exchange) -> None:
    made = write(exchange)
    assert check_bundle(made) == []
    using = run()
    assert normal(read(over_the_wire(made), using)) == exchange
    assert using.issues == []


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
    assert "urn:uuid:" not in dump({"resourceType": "Bundle", "entry": flat}).decode()
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
