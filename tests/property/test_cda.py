"""CDA laws: what the header can hold comes back from writing and reading; no bytes make the reader raise.

The fields of the Exchange that a header cannot hold are those of docs/reference/cda-losses.md; the strategies leave them out.
"""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector import terminology
from connector.cda.body import body
from connector.cda.codec import parse, serialise
from connector.cda.datatypes import DATATYPES
from connector.cda.document import HEADER
from connector.cda.shape import SHAPE
from connector.cda.tree import Base64Text, Element
from connector.exchange.care import Act, Encounter, Order, Place
from connector.exchange.documents import Content, Document
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import (
    Address,
    Concept,
    Device,
    HumanName,
    Identifier,
    Organization,
    Party,
    Patient,
    Period,
    Telecom,
)
from connector.exchange.results import Quantity, Range
from connector.mapping.catalogue import Library, load_library
from connector.mapping.language import Run
from tests.unit.cda.sample import document as sample

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

# Texts as XML carries them: no control characters, no space at the ends (the reader strips them, §2.10 says nothing of them).
words = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=12).filter(
    lambda text: text == text.strip()
)
oids = st.lists(st.integers(0, 9999), min_size=2, max_size=6).map(lambda parts: "1.2." + ".".join(map(str, parts)))
unknown_oids = oids.map(lambda oid: "1.2.250.1.999." + oid[4:])
uuids = st.uuids().map(str)
moments = st.one_of(
    st.dates().map(lambda day: day.isoformat()),
    st.datetimes().map(lambda at: at.replace(microsecond=0).isoformat() + "+01:00"),
    st.integers(1000, 9999).map(str),
).map(Moment)
optional_words = st.none() | words


def some(strategy: st.SearchStrategy, size: int = 2) -> st.SearchStrategy:  # type: ignore[type-arg]
    """A short tuple."""
    return st.lists(strategy, max_size=size).map(tuple)


identifiers = st.builds(Identifier, value=words, system=unknown_oids, authority=optional_words)
concepts = st.builds(
    Concept,
    code=words,
    system=st.none() | unknown_oids,
    display=optional_words,
    version=optional_words,
    text=optional_words,
)
periods = st.builds(Period, start=moments, end=st.none() | moments)
telecoms = st.one_of(
    st.builds(Telecom, value=words, system=st.just("phone"), use=st.sampled_from([None, "home", "work", "mobile"])),
    st.builds(Telecom, value=words.map(lambda w: f"{w}@a.mssante.fr"), system=st.just("mssante"), use=st.none()),
    st.builds(Telecom, value=words.map(lambda w: f"{w}@b.fr"), system=st.just("email"), use=st.just("work")),
    st.builds(Telecom, value=words, system=st.just("fax"), use=st.just("public")),
    st.builds(Telecom, value=words.map("https://x/{}".format), system=st.just("url"), use=st.none()),
)
uses = st.sampled_from([None, "home", "work", "vacation", "direct"])
addresses = st.one_of(
    st.builds(Address, use=uses, lines=st.lists(words, min_size=1, max_size=7).map(tuple)),
    st.builds(
        Address, use=uses, lines=st.lists(words, max_size=3).map(tuple), city=words, postal_code=optional_words,
        country=optional_words, insee=optional_words, district=optional_words,
    ),
)  # fmt: skip
names = st.one_of(
    st.builds(HumanName, family=words, given=some(words), prefix=optional_words, suffix=optional_words),
    st.builds(HumanName, use=st.just("birth"), family=words, given=some(words), birth_given=optional_words),
    st.builds(HumanName, use=st.just("usual"), family=words, given=some(words)),
    st.builds(HumanName, text=words),
)
organizations = st.builds(
    Organization, identifiers=some(identifiers), name=words, sector=st.none() | concepts, telecoms=some(telecoms, 1), addresses=some(addresses, 1)
)  # fmt: skip
entity = {
    "identifiers": some(identifiers), "name": names, "specialty": st.none() | concepts, "telecoms": some(telecoms, 1),
    "addresses": some(addresses, 1), "organization": st.none() | organizations,
}  # fmt: skip
related = {key: entity[key] for key in ("name", "telecoms", "addresses")}
authors = st.one_of(
    st.builds(Party, time=moments, function=st.none() | concepts, **entity),
    st.builds(
        Party, time=moments, identifiers=some(identifiers), device=st.builds(Device, model=words, software=words)
    ),
)
signers = st.builds(Party, time=moments, **entity)
informants = st.lists(st.builds(Party, **entity), max_size=1).flatmap(
    lambda first: st.lists(
        st.builds(Party, role_class=st.sampled_from(["NOK", "ECON"]), relation=st.none() | concepts, **related),
        max_size=1,
    ).map(lambda second: (*first, *second))
)
participants = st.builds(
    Party,
    role=st.sampled_from(["INF", "REF"]),
    role_class=st.just("PROV"),
    function=st.none() | concepts,
    period=periods,
    **entity,
)
performers = st.builds(Party, function=st.none() | concepts, period=st.none() | periods, **entity)
recipients = st.builds(
    Party,
    role=st.just("PRCP"),
    organization=st.none() | organizations.map(lambda o: msgspec.structs.replace(o, sector=None)),
    **{key: entity[key] for key in ("identifiers", "name", "telecoms", "addresses")},
)
patients = st.builds(
    Patient,
    identifiers=st.lists(identifiers, min_size=1, max_size=2).map(tuple),
    names=st.tuples(
        st.builds(
            HumanName, use=st.just("birth"), family=words, given=some(words), birth_given=optional_words, prefix=optional_words, suffix=optional_words
        ),
        st.builds(HumanName, use=st.just("usual"), family=words, given=some(words)),
    ),
    birth_date=moments,
    sex=st.sampled_from(["male", "female", "unknown"]),
    birth_place=st.none() | st.builds(Address, insee=words, city=optional_words, postal_code=optional_words, country=optional_words),
    addresses=some(addresses, 1),
    telecoms=some(telecoms, 1),
    deceased=st.sampled_from([None, True, False]),
    deceased_at=st.none() | moments,
    multiple_birth=st.sampled_from([None, True, False]),
    birth_order=st.none() | st.integers(1, 9),
    guardians=some(
        st.builds(
            Party, identifiers=some(identifiers), name=names, telecoms=some(telecoms, 1),
            addresses=some(addresses, 1), organization=st.none() | organizations,
        ),
        1,
    ),
)  # fmt: skip
encounters = st.builds(
    Encounter, number=st.none() | identifiers, type=st.none() | concepts, period=periods, facility_type=st.none() | concepts,
    discharge=st.none() | concepts, place=st.none() | st.builds(Place, facility=words), responsible=st.none() | st.builds(Party, **entity),
    participants=some(st.builds(Party, role=st.just("REF"), period=st.none() | periods, **entity), 1),
)  # fmt: skip
documents = st.builds(
    Document,
    id=st.one_of(oids, uuids, st.tuples(oids, words).map("^".join)),
    set_id=st.none() | uuids,
    version=st.none() | st.integers(0, 99).map(str),
    replaces=st.none() | oids,
    type=concepts,
    templates=some(oids, 3),
    title=optional_words,
    created=st.none() | moments,
    language=st.none() | st.just("fr-FR"),
    realm=st.none() | st.just("FR"),
    confidentiality=st.none() | st.sampled_from(["N", "R", "V"]),
    authors=some(authors),
    enterer=st.none() | signers,
    informants=informants,
    custodian=st.none() | organizations.map(lambda o: msgspec.structs.replace(o, sector=None)),
    recipients=some(recipients, 1),
    signer=st.none() | signers,
    authenticators=some(signers, 1),
    participants=some(participants, 1),
    orders=some(st.builds(Order, placer=identifiers, accession=st.none() | identifiers, service=st.none() | concepts), 1),
    acts=some(st.builds(Act, code=concepts, identifiers=some(identifiers, 1), period=st.none() | periods, performer=st.none() | performers), 2),
    consents=some(concepts, 1),
    body=st.none() | st.builds(Content, media_type=st.just("application/pdf"), data=st.binary(min_size=1, max_size=30)),
)  # fmt: skip
exchanges = st.builds(
    Exchange, documents=documents.map(lambda d: (d,)), patient=patients, encounter=st.none() | encounters
)


@pytest.fixture(scope="module")
def tables(root: Path) -> terminology.Tables:
    return terminology.load(
        {f"terminology/{path.name}": path.read_text() for path in (root / "terminology").glob("*.csv")}
    )


@pytest.fixture(scope="module")
def library(root: Path, tables: terminology.Tables) -> Library:
    files = {f"mappings/cda/{path.name}": path.read_text() for path in (root / "mappings" / "cda").glob("*.yaml")}
    return load_library(files, {"cda": SHAPE}, tables)


@FEW
@given(exchange=exchanges)
def test_what_the_header_can_hold_comes_back(exchange: Exchange, library: Library, tables: terminology.Tables) -> None:
    mapping = library.mapping(HEADER)
    context = Context(now=Moment("2026-01-01"), table=tables.table, systems=tables.systems)
    run = Run(context)
    tree = mapping.write(exchange, run)
    assert run.issues == []
    read = parse(serialise(tree))
    assert read.value is not None, read.issues
    back = mapping.read(read.value.header, Run(context))
    assert back.patient == exchange.patient
    kind = back.encounter.kind if back.encounter is not None else None
    expected = exchange.encounter and msgspec.structs.replace(exchange.encounter, kind=kind)
    assert back.encounter == expected
    (given_document,) = exchange.documents
    (document,) = back.documents
    if given_document.body is not None:
        found = body(read.value).value if given_document.body.data[:4] == b"%PDF" else None  # type: ignore[index]
        assert found is None or found.data == given_document.body.data
        document = msgspec.structs.replace(
            document, body=msgspec.structs.replace(document.body, data=given_document.body.data)
        )
    assert document == given_document


@FEW
@given(exchange=exchanges)
def test_writing_is_the_same_each_time_and_in_schema_order(
    exchange: Exchange, library: Library, tables: terminology.Tables
) -> None:
    context = Context(now=Moment("2026-01-01"), table=tables.table, systems=tables.systems)
    mapping = library.mapping(HEADER)
    first = mapping.write(exchange, Run(context))
    assert serialise(first) == serialise(mapping.write(exchange, Run(context)))
    order = [
        "realmCode",
        "typeId",
        "templateId",
        "id",
        "code",
        "title",
        "effectiveTime",
        "confidentialityCode",
        "languageCode",
        "setId",
        "versionNumber",
        "recordTarget",
        "author",
        "dataEnterer",
        "informant",
        "custodian",
        "informationRecipient",
        "legalAuthenticator",
        "authenticator",
        "participant",
        "inFulfillmentOf",
        "documentationOf",
        "relatedDocument",
        "authorization",
        "componentOf",
        "component",
    ]
    places = [order.index(child.name) for child in first.children]
    assert places == sorted(places)
    assert all(value for _, value in SHAPE.leaves(first))


UCUM = "2.16.840.1.113883.6.8"
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str)
units = st.sampled_from(["mg", "mmol/L", "{tablet}", "h"]).map(lambda code: Concept(code=code, system=UCUM))
rates = st.sampled_from(["/d", "mg/d", "mg/kg/h", "mL"]).map(lambda code: Concept(code=code, system=UCUM))
materials = concepts.filter(lambda concept: concept.text != concept.display)

PAIRS = {
    "ii": identifiers,
    "cd": concepts,
    "pn": names,
    "ad": addresses,
    "tel": telecoms,
    "unique-id": st.tuples(oids, words).map("^".join),
    "previous-version": st.integers(2, 9999).map(str),
    "request-id": st.one_of(words, st.tuples(oids, words).map("^".join)),
    "pq": st.builds(Quantity, value=numbers, unit=st.none() | units),
    "rto": st.builds(Quantity, value=numbers, unit=st.none() | rates),
    "bound": st.builds(
        Quantity, value=numbers, unit=st.none() | units, comparator=st.sampled_from(["<", "<=", ">", ">="])
    ),
    "interval": st.builds(Range, low=numbers, high=numbers),
    "material": materials,
}
LEAVES = {"ts": moments, "bl": st.booleans(), "int": st.integers(0, 99999), "base64": st.binary(max_size=200)}


def test_every_datatype_has_its_law() -> None:
    assert PAIRS.keys() | LEAVES.keys() == DATATYPES.keys()


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_datatype_reads_what_it_writes(name: str, data: st.DataObject) -> None:
    value = data.draw(PAIRS[name])
    run = Run(Context(now=Moment("2026-01-01")))
    node = Element("x")
    datatype = DATATYPES[name]
    assert datatype.write is not None
    datatype.write(value, node, run)
    assert datatype.read(node, run) == value
    assert run.issues == []


@pytest.mark.parametrize("name", LEAVES)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_leaf_datatype_reads_what_it_writes(name: str, data: st.DataObject) -> None:
    value = data.draw(LEAVES[name])
    run = Run(Context(now=Moment("2026-01-01")))
    datatype = DATATYPES[name]
    assert datatype.write is not None
    assert datatype.read(datatype.write(value, run), run) == value


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda t: f"<?xml version='1.0'?>{t}".encode("utf-8", "replace"))
)
def test_no_bytes_make_the_reader_raise(raw: bytes) -> None:
    read = parse(raw)
    assert (read.value is None) == any(issue.severity >= 3 for issue in read.issues)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(sample()) - 1), st.binary(min_size=1, max_size=3))
def test_a_damaged_document_is_read_or_refused(at: int, damage: bytes) -> None:
    raw = sample()
    broken = raw[:at] + damage + raw[at + len(damage) :]
    read = parse(broken)
    if read.value is not None:
        assert read.value.raw == broken
        body(read.value)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 90))
def test_base64_in_lines_of_any_width_is_checked_and_decoded(data: bytes, width: int) -> None:
    text = base64.b64encode(data)
    wrapped = b"\r\n".join(text[start : start + width] for start in range(0, len(text), width))
    found = Base64Text(wrapped)
    assert found.decode() == data
    assert found.head(64) == data[:64]
