"""Values of HPRIM Médecin."""

from __future__ import annotations

from typing import Any

import pytest

from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.exchange.people import Address, Concept, Device, HumanName, Identifier, Organization, Party
from connector.exchange.results import Quantity, Range
from connector.hprim.datatypes import DATATYPES
from connector.hprim.letter import Node
from connector.mapping.language import Run


def run() -> Run:
    return Run(Context(now=Moment("2026-01-15T10:00:00+01:00")))


def read(name: str, found: Any) -> Any:
    return DATATYPES[name].read(found, run())


def written(name: str, value: Any) -> Any:
    write = DATATYPES[name].write
    assert write is not None
    if not DATATYPES[name].node:
        return write(value, run())
    node = Node("any")
    write(value, node, run())
    return {leaf: texts[0] for leaf, texts in node.leaves.items()}


def node(**texts: str) -> Node:
    return Node("any", {name.lstrip("_"): [text] for name, text in texts.items()})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("28/03/1979", "1979-03-28"), ("8/3/1979", "1979-03-08"), ("28-03-1979", "1979-03-28"), ("28.03.1979", "1979-03-28"),
     ("1979-03-28", "1979-03-28"), ("19790328", "1979-03-28")],
)  # fmt: skip
def test_dates_as_they_are_met(text: str, expected: str) -> None:
    assert read("date", text) == expected


@pytest.mark.parametrize("text", ["28/03/79", "31/13/1979", "hier", "00/03/1979", "2026-00-01"])
def test_a_text_that_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"dd/mm/yyyy|day"):
        read("date", text)


def test_a_moment_is_written_as_its_day_and_a_month_alone_is_not_written() -> None:
    assert written("date", Moment("2026-01-15T10:00:00+01:00")) == "15/01/2026"
    used = run()
    write = DATATYPES["date"].write
    assert write is not None
    assert write(Moment("1979-03"), used) is None
    assert [issue.code for issue in used.issues] == ["MAP_NOT_WRITABLE"]


def test_a_patient_code_is_never_cut() -> None:
    assert written("code", "0123456789") == "0123456789"
    assert written("code", "01234567890") is None


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (
            Address(lines=("1 rue A", "Bât. B"), postal_code="63000", city="CLERMONT"),
            {"L4": "1 rue A", "L5": "Bât. B", "L6": "63000 CLERMONT"},
        ),
        (Address(city="AJACCIO", postal_code="2A004"), {"L6": "2A004 AJACCIO"}),
        (Address(city="BRUXELLES"), {"L6": "BRUXELLES"}),
        (Address(postal_code="63000"), {"L6": "63000"}),
    ],
)
def test_an_address_both_ways(value: Address, texts: dict[str, str]) -> None:
    assert written("address", value) == texts
    assert read("address", node(**texts)) == value


def test_an_address_of_more_lines_keeps_them_on_the_second() -> None:
    assert written("address", Address(lines=("a", "b", "c"), district="d")) == {"L4": "a", "L5": "b c d"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (
            "10000023084 Dr DURAND Alice",
            Party(identifiers=(Identifier(value="10000023084", kind="RPPS"),), name=HumanName(text="Dr DURAND Alice")),
        ),
        (
            "LABO0007   LABORATOIRE",
            Party(identifiers=(Identifier(value="LABO0007"),), name=HumanName(text="LABORATOIRE")),
        ),
        ("Dr PETIT", Party(name=HumanName(text="Dr PETIT"))),
        ("750001234", Party(identifiers=(Identifier(value="750001234"),))),
    ],
)
def test_a_correspondent_is_a_code_and_a_name(text: str, value: Party) -> None:
    assert read("party", text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            Party(
                identifiers=(Identifier(value="810000023084", kind="IDNPS"),),
                name=HumanName(prefix="DR", family="DURAND", given=("ALICE",)),
            ),
            "10000023084 DR DURAND ALICE",
        ),
        (Party(name=HumanName(text="Dr PETIT")), "Dr PETIT"),
        (
            Party(
                organization=Organization(
                    name="CH DES TESTS", identifiers=(Identifier(value="300017985", kind="FINEG"),)
                )
            ),
            "300017985  CH DES TESTS",
        ),
        (Party(device=Device(model="Serveur")), "Serveur"),
        (
            Party(
                identifiers=(Identifier(value="279035121518989", kind="INS", system="1.2.250.1.213.1.4.10"),),
                name=HumanName(family="PAT-TROIS"),
            ),
            "PAT-TROIS",
        ),
    ],
    ids=["a person", "a name alone", "an organisation", "an application", "a patient, without matricule"],
)
def test_how_a_correspondent_is_written(value: Party, text: str) -> None:
    assert written("party", value) == text


@pytest.mark.parametrize(
    ("texts", "quantity", "words"),
    [
        ({"3": "N", "4": "2,41", "5": "mmol/l"}, Quantity(value="2.41", unit=Concept(code="mmol/l")), None),
        ({"3": "N", "4": "< 1.0"}, Quantity(value="1.0", comparator="<"), None),
        ({"3": "N", "4": ">=10"}, Quantity(value="10", comparator=">="), None),
        ({"3": "N", "4": "-3"}, Quantity(value="-3"), None),
        ({"3": "N", "4": "négatif"}, None, "négatif"),
        ({"3": "A", "4": "12"}, None, "12"),
        ({"3": "N"}, None, None),
    ],
)
def test_a_value_is_a_number_when_it_is_one(
    texts: dict[str, str], quantity: Quantity | None, words: str | None
) -> None:
    found = Node("value", {name: [text] for name, text in texts.items()})
    assert read("quantity", found) == quantity
    assert read("words", found) == words


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"6": "2,20", "7": "2,60"}, Range(low="2.20", high="2.60")),
        ({"6": "2.20-2.60"}, Range(low="2.20", high="2.60")),
        ({"7": "5"}, Range(high="5")),
        ({"6": "3"}, Range(low="3")),
        ({}, None),
    ],
)
def test_bounds(texts: dict[str, str], expected: Range | None) -> None:
    assert read("range", Node("bounds", {name: [text] for name, text in texts.items()})) == expected


def test_what_is_written_of_a_result_is_read_again() -> None:
    for name, value in (
        ("quantity", Quantity(value="1.10", comparator="<", unit=Concept(code="g/l"))),
        ("range", Range(low="1", high="2")),
        ("examination", Concept(code="CA", display="Calcium")),
        ("examination", Concept(code="Aspect", display="Aspect")),
    ):
        texts = written(name, value)
        if name == "quantity":
            texts["3"] = "N"
        assert read(name, Node("any", {leaf: [text] for leaf, text in texts.items()})) == value
    assert written("range", Range(text="négatif")) == {"6": "négatif"}
