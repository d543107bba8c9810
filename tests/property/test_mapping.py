"""Laws of the mapping language, over a small format of our own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.exchange.people import Address, Concept, HumanName, Identifier, Organization, Party, Patient
from connector.mapping.explain import Trace
from tests.property.metamorphic import check_explain, other_texts
from tests.unit.mapping.toy import Node, library, run

MAPPINGS = """
mapping: toy/person
between: {hl7: person, exchange: Patient}
rules:
  - {hl7: "id[]", exchange: "identifiers[]", as: identifier, required: true}
  - {hl7: "name[]", exchange: "names[]", as: name}
  - {hl7: "@birth", exchange: birth_date, as: date}
  - {hl7: "@sex", exchange: sex, code: sex}
  - {hl7: "place[@kind=home][@lang:=fr]/@city", exchange: "addresses[use=home].city"}
  - {hl7: "place[@kind=work]/@city", exchange: "addresses[use=work].city"}
  - {hl7: "@status", exchange: identity_status}
  - {hl7: "@order", exchange: birth_order}
  - {hl7: "@version", const: "2.6"}
  - {hl7: "@dead", exchange: deceased, code: "yes"}
  - {hl7: "guardian[@role!=none][]", exchange: "guardians[]", use: toy/party}
  - {hl7: managing, exchange: managing, use: toy/organization}
---
mapping: toy/party
between: {hl7: guardian, exchange: Party}
rules:
  - {hl7: "@role", exchange: role}
  - {hl7: name, exchange: name, as: name}
  - {hl7: level, exchange: function, as: coded}
  - {hl7: organization, exchange: organization, use: toy/organization}
---
mapping: toy/organization
between: {hl7: "organization|managing", exchange: Organization}
rules:
  - {hl7: "@name", exchange: name}
  - {hl7: id, exchange: "identifiers[1]", as: identifier}
"""
PERSON = library(MAPPINGS).mapping("toy/person")

words = st.text("abcdefgh ÉÀ'-0123456789", min_size=1, max_size=8).map(str.strip).filter(bool)
maybe = st.none() | words
identifiers = st.builds(
    Identifier,
    value=words,
    system=st.none() | st.sampled_from(["1.2.3", "1.2.9"]),
    kind=st.sampled_from([None, "INS", "PI"]),
)
names = st.builds(
    HumanName, family=words, given=st.lists(words, max_size=1).map(tuple), use=st.sampled_from([None, "birth", "usual"])
)
organizations = st.builds(Organization, name=words, identifiers=st.lists(identifiers, max_size=1).map(tuple))
parties = st.builds(
    Party,
    role=st.sampled_from(["SB", "RCT"]),
    name=st.none() | names,
    function=st.none() | st.builds(Concept, code=words, display=maybe),
    organization=st.none() | organizations,
)
homes = st.lists(st.sampled_from(["home", "work"]), unique=True).flatmap(
    lambda uses: st.tuples(*(st.builds(Address, use=st.just(use), city=words) for use in sorted(uses)))
)
patients = st.builds(
    Patient,
    identifiers=st.lists(identifiers, min_size=1, max_size=3).map(tuple),
    names=st.lists(names, max_size=2).map(tuple),
    birth_date=st.none() | st.dates().map(str),
    sex=st.sampled_from([None, "male", "female"]),
    addresses=homes,
    deceased=st.sampled_from([None, True, False]),
    birth_order=st.none() | st.integers(0, 9),
    guardians=st.lists(parties, max_size=2).map(tuple),
    managing=st.none() | organizations,
)


@settings(max_examples=60, deadline=None)
@given(patients)
def test_what_is_written_is_read_back(patient: Patient) -> None:
    writing, reading = run(), run()
    tree = PERSON.write(patient, writing)
    assert writing.issues == []
    assert PERSON.read(tree, reading) == patient
    assert reading.issues == []


@settings(max_examples=30, deadline=None)
@given(patients)
def test_two_conversions_do_not_meet(patient: Patient) -> None:
    """No state is shared between messages: the same value gives the same tree, whatever went before."""
    assert PERSON.write(patient, run()) == PERSON.write(patient, run())


TREE = Node(
    "person",
    Node("id", value="123", system="urn:oid:1.2", kind="I", scheme="ISO"),
    Node("id", value="77", kind="P"),
    Node("name", family="DOE", given=["ANNA", "EVE"], use="L"),
    Node("place", kind="home", city="Paris", lang="fr"),
    Node("place", kind="work", city="Lyon", lang="en"),
    Node("guardian", Node("name", family="ROE"), Node("level", code="N", system="1.2.3", label="Normal"), role="SB"),
    Node("guardian", Node("organization", Node("id", value="9"), name="Clinic"), role="RCT"),
    Node("managing", name="Hospital"),
    birth="19790328",
    sex="F",
    version="2.6",
    order="2",
    dead="N",
    lost="nobody reads me",
)


def texts(place: str, text: str) -> Iterator[str]:
    """Other codes where the toy has them, other dates, else other letters."""
    if place.endswith("@use"):
        yield {"L": "D", "D": "L"}[text]
    elif place.endswith("@kind") and text in "IP":
        yield {"I": "P", "P": "I"}[text]
    elif place.endswith("@sex"):
        yield "M"
    elif place.endswith("@dead"):
        yield "Y"
    else:
        yield from other_texts(place, text)


def test_explain_of_reading_is_exact() -> None:
    trace = check_explain(PERSON, None, TREE, run, texts)
    assert trace.unused == ("@lost", "id[1]/@scheme", "name[1]/@given[2]", "place[1]/@lang", "place[2]/@lang")
    assert set(trace.decides) == {"place[1]/@kind", "place[2]/@kind", "guardian[1]/@role", "guardian[2]/@role"}
    assert trace.outputs["addresses[1].city"].sources == ("place[1]/@city",)
    assert trace.outputs["sex"].row == "sex.csv:3"


def test_explain_by_way_of_the_exchange_is_exact() -> None:
    trace = check_explain(PERSON, PERSON, TREE, run, texts)
    assert trace.outputs["guardian[1]/level[1]/@code"].sources == ("guardian[1]/level[1]/@code",)
    assert trace.outputs["@version"].by == "const"
    assert trace.outputs["name[1]/@family"].rules == ("main.yaml:6",)  # one rule, both ways


def test_a_lie_is_found() -> None:
    """The check itself can fail: a trace that attributes a leaf to another output is refused."""
    import msgspec

    from connector.mapping.explain import explain_read
    from connector.mapping.leaves import value_leaves
    from tests.property.metamorphic import check_trace, with_text

    _, trace = explain_read(PERSON, TREE, run())
    wrong = {**trace.outputs, "sex": msgspec.structs.replace(trace.outputs["sex"], sources=("@birth",))}
    lying: Trace = msgspec.structs.replace(trace, outputs=wrong)
    with pytest.raises(AssertionError, match="@birth"):
        check_trace(
            lambda tree: dict(value_leaves(PERSON.read(tree, run()))),
            TREE,
            lying,
            [("@birth", "19790328")],
            lambda place, text: [with_text(PERSON, TREE, place, "19790329")],
        )
