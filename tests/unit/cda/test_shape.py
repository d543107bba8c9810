"""Paths of the mapping language in a CDA."""

from __future__ import annotations

import pytest

from connector.cda.codec import parse
from connector.cda.shape import SHAPE
from connector.cda.tree import Element
from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.mapping.language import Leaf, Located, ParsedPath, Predicate, Step, Traced
from tests.unit.cda.sample import document


@pytest.mark.parametrize(
    ("path", "leaf", "expected"),
    [
        (".", False, ParsedPath()),
        ("author", False, ParsedPath()),
        ("time/@value", True, ParsedPath((Step("time"),), Leaf("@value"))),
        ("author/time/@value", True, ParsedPath((Step("time"),), Leaf("@value"))),
        ("@typeCode", True, ParsedPath((), Leaf("@typeCode"))),
        ("assignedAuthor/id[]", False, ParsedPath((Step("assignedAuthor"), Step("id", many=True)))),
        ("name", True, ParsedPath((Step("name"),), Leaf("#text"))),
        ("name/#text", True, ParsedPath((Step("name"),), Leaf("#text"))),
        ("given[!@qualifier][]", True, ParsedPath((Step("given", None, (Predicate("@qualifier", "absent"),), many=True),), Leaf("#text"))),
        ("sdtc:deceasedInd/@value", True, ParsedPath((Step("sdtc:deceasedInd"),), Leaf("@value"))),
        ("ps3-20:accessionNumber", False, ParsedPath((Step("ps3-20:accessionNumber"),))),
    ],
)  # fmt: skip
def test_a_path_is_taken_apart(path: str, leaf: bool, expected: ParsedPath) -> None:
    assert SHAPE.parse(path, "author", leaf=leaf) == expected


@pytest.mark.parametrize(
    ("path", "leaf", "reason"),
    [
        ("time/@value", False, "ends at an element"),
        ("time/@", True, "@attribute"),
        ("time/#value", True, "@attribute"),
        ("a->B", False, "no references"),
        ("a b/c", False, "name of an element"),
        ("a//b", False, "missing"),
        ("a[b", False, "not closed"),
    ],
)
def test_a_path_that_cannot_be_read_says_what_was_expected(path: str, leaf: bool, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SHAPE.parse(path, "author", leaf=leaf)


def people() -> Element:
    root = Element("name")
    for qualifier, text in (("BR", "A"), ("CL", "B"), ("", "C")):
        root.add("given", {"qualifier": qualifier} if qualifier else {}, text)
    return root


@pytest.mark.parametrize(
    ("predicate", "found"),
    [
        (Predicate("@qualifier", "=", "BR"), ["A"]),
        (Predicate("@qualifier", "!=", "BR"), ["B", "C"]),
        (Predicate("@qualifier", "in", "BR|CL"), ["A", "B"]),
        (Predicate("@qualifier", "exists"), ["A", "B"]),
        (Predicate("@qualifier", "absent"), ["C"]),
    ],
)
def test_predicates_on_an_attribute_are_tested_while_selecting(predicate: Predicate, found: list[str]) -> None:
    access = SHAPE.step(Step("given", None, (predicate,)), "name")
    assert access.tested == {0}
    assert [child.text for child in access.select(people())] == found


@pytest.mark.parametrize(
    "predicate", [Predicate("time/@value", "=", "1"), Predicate("@code", ":=", "S"), Predicate("", "=", "x")]
)
def test_other_predicates_are_left_to_the_compiler(predicate: Predicate) -> None:
    assert SHAPE.step(Step("given", None, (predicate,)), "name").tested == frozenset()


def test_places_are_unique_and_spelled_the_same_everywhere() -> None:
    read = parse(document())
    assert read.value is not None
    header = read.value.header
    leaves = dict(SHAPE.leaves(header))
    assert len(leaves) == len(list(SHAPE.leaves(header)))
    assert leaves["/ClinicalDocument/author[2]/time/@value"] == "20260105101500+0100"
    assert leaves["/ClinicalDocument/title"] == "Lettre de liaison"
    copy, places = SHAPE.traced(header)
    second = copy.all("author")[1]
    assert places[id(second)] == "/ClinicalDocument/author[2]"
    time = second.find("time")
    assert time is not None
    value = time.attributes["value"]
    assert isinstance(value, Traced)
    assert value.places == {"/ClinicalDocument/author[2]/time/@value"}
    way = [Located("author", 2, second), Located("time", 1, time)]
    assert SHAPE.place(way, "@value") == "/ClinicalDocument/author[2]/time/@value"
    assert SHAPE.place(way[:1], None) == "/ClinicalDocument/author[2]"
    assert SHAPE.place([Located("title", 1, None)], "#text") == "/ClinicalDocument/title"


def test_a_traced_copy_of_a_part_can_change_one_leaf() -> None:
    root = people()
    copy, _ = SHAPE.traced(root, "", lambda text, where: "" if where == ("/name/given[2]",) else str(text))
    assert [child.text for child in copy.children] == ["A", None, "C"]
    assert [child.text for child in root.children] == ["A", "B", "C"]


def test_finishing_sorts_by_the_schema_and_drops_what_says_nothing() -> None:
    root = Element("author")
    root.add("assignedAuthor").add("id", {"nullFlavor": "UNK"})
    root.add("time", {"value": "2026"})
    root.add("functionCode")
    root.add("{urn:x}other", {"a": "1"})
    SHAPE.finish(root, None)
    assert [child.name for child in root.children] == ["time", "assignedAuthor", "{urn:x}other"]


def test_a_table_predicate_gives_code_system_and_label() -> None:
    class Table:
        def from_exchange(self, side: str, word: str) -> object:
            assert side == "cda"
            return {"normal": type("Coded", (), {"code": "N", "system": "1.2", "display": "Normal"})}.get(word)

    context = Context(now=Moment("2026-01-01"), table=lambda name: Table())
    assert SHAPE.coded("code", "t", "normal", context) == [
        ("code/@code", "N", True), ("code/@codeSystem", "1.2", True), ("code/@displayName", "Normal", False),
    ]  # fmt: skip
    assert SHAPE.coded("", "t", "normal", context)[0][0] == "@code"
    with pytest.raises(ValueError, match="no row"):
        SHAPE.coded("", "t", "other", context)
