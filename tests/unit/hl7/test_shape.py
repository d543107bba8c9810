"""Paths of rules, places of leaves, copies, and the order in which a message is written."""

from __future__ import annotations

import pytest

from connector import terminology
from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.hl7.codec import parse, serialise
from connector.hl7.message import Message, Segment
from connector.hl7.shape import MESSAGE, Hl7Shape
from connector.hl7.structure import nested, positions
from connector.mapping.language import Leaf, Located, ParsedPath, Predicate, Step, Traced

SHAPE = Hl7Shape()
TABLES = terminology.load(
    {
        "systems.csv": "alias,oid,hl7\nMETA,,Meta\nROLE,,participation|HL70912\n",
        "meta.csv": "# exchange_system: META\nexchange,hl7,display\nDMP,DESTDMP,Destinataire DMP\n",
        "role.csv": "# exchange_system: ROLE\nexchange,hl7,display\nSB,SB,Send by\n",
    }
)
CONTEXT = Context(now=Moment("2026"), table=TABLES.table, systems=TABLES.systems)
RAW = (
    b"MSH|^~\\&|A\rPID|||1^^^A&1.2&ISO^PI~2||DOE^JOHN\rOBX|1|CWE|DESTDMP^x^Meta||Y\rPRT||UC\rPRT||CP\rNTE|1\r"
    b"OBX|2|ED|CR^y^LN\rPRT||XX\rZZZ|z\r"
)


def tree(structure: str = "MSH PID OBX#(PRT NTE)", raw: bytes = RAW) -> Message:
    found = parse(raw).value
    assert found is not None
    nested(found, structure)
    return found


@pytest.mark.parametrize(
    ("path", "anchor", "leaf", "expected"),
    [
        ("PID-8", "PID", True, ParsedPath((), Leaf("8"))),
        ("PID-8", "message", True, ParsedPath((Step("PID"),), Leaf("8"))),
        ("PID-3.4.2", "PID", True, ParsedPath((), Leaf("3.4.2"))),
        ("PID-3[]", "PID", False, ParsedPath((Step("-3", many=True),))),
        ("PID-32[]", "PID", True, ParsedPath((Step("-32", many=True),), Leaf("1"))),
        ("PID-18", "PID", False, ParsedPath((Step("-18"),))),
        ("PID-5[7=L].1", "PID", True, ParsedPath((Step("-5", None, (Predicate("7", "=", "L"),)),), Leaf("1"))),
        ("PID-5[1]", "PID", False, ParsedPath((Step("-5", first=True),))),
        (
            "OBX[3.1=DESTDMP]-5.1",
            "message",
            True,
            ParsedPath((Step("OBX", None, (Predicate("3.1", "=", "DESTDMP"),)),), Leaf("5.1")),
        ),
        (
            "OBX[2=ED]/PRT[4=role#SB][]",
            "message",
            False,
            ParsedPath(
                (
                    Step("OBX", None, (Predicate("2", "=", "ED"),)),
                    Step("PRT", None, (Predicate("4", "=", "SB", "role"),), many=True),
                )
            ),
        ),
        ("PRT[]", "OBX", False, ParsedPath((Step("PRT", many=True),))),
        ("3.1", "OBX", True, ParsedPath((), Leaf("3.1"))),
        ("7", "-5", True, ParsedPath((), Leaf("7"))),
        ("*", "message", False, ParsedPath()),
    ],
)
def test_a_path_is_taken_apart(path: str, anchor: str, leaf: bool, expected: ParsedPath) -> None:
    assert SHAPE.parse(path, anchor, leaf=leaf) == expected


@pytest.mark.parametrize(
    ("path", "anchor", "leaf"),
    [
        ("PID", "message", True), ("PID-8.1", "PID", False), ("pid-8", "PID", True), ("PID-x", "PID", True), ("PID-8-9", "PID", True),
        ("PID-8/OBX", "PID", False), ("*", "message", True), ("PID-3[]x", "PID", False), ("PID-3[][7=L]", "PID", False), ("x", "-5", True),
        ("PID-3.1.2.3", "PID", True), ("", "PID", True),
    ],
)  # fmt: skip
def test_a_path_that_says_nothing_is_refused(path: str, anchor: str, leaf: bool) -> None:
    with pytest.raises(ValueError, match=r"expected|nothing stands"):
        SHAPE.parse(path, anchor, leaf=leaf)


def test_segments_and_their_children_are_walked() -> None:
    message = tree()
    obx = SHAPE.step(Step("OBX"), MESSAGE).select(message)
    assert [each.text(1) for each in obx] == ["1", "2"]
    assert [each.text(2) for each in SHAPE.step(Step("PRT"), "OBX").select(obx[0])] == ["UC", "CP"]
    assert SHAPE.step(Step("PRT"), MESSAGE).select(message) == []


@pytest.mark.parametrize("received", [True, False])
def test_an_equality_is_served_by_the_index_and_by_looking(received: bool) -> None:
    message = tree()
    if not received:
        message.received = None
    access = SHAPE.step(Step("OBX", None, (Predicate("3.1", "=", "DESTDMP"), Predicate("2", "!=", "ED"))), MESSAGE)
    assert access.tested == {0}
    assert [each.text(1) for each in access.select(message)] == ["1"]
    assert SHAPE.step(Step("OBX", None, (Predicate("3.1", "=", "NONE"),)), MESSAGE).select(message) == []


def test_a_coded_predicate_tests_code_and_system_and_writes_the_label() -> None:
    assert SHAPE.coded("3", "meta", "DMP", CONTEXT) == [
        ("3.1", "DESTDMP", True),
        ("3.2", "Destinataire DMP", False),
        ("3.3", "Meta", True),
    ]
    access = SHAPE.step(Step("OBX", None, (Predicate("3", "=", "DMP", "meta"),)), MESSAGE)
    assert [each.text(1) for each in access.select(tree())] == ["1"]


def test_a_system_with_several_names_is_written_and_not_tested() -> None:
    assert SHAPE.coded("4", "role", "SB", CONTEXT)[-1] == ("4.3", "participation", False)
    with pytest.raises(ValueError, match="NONE"):
        SHAPE.coded("4", "role", "NONE", CONTEXT)


def test_every_filled_leaf_has_one_place() -> None:
    assert dict(SHAPE.leaves(tree())) == {
        "MSH[1]-3": "A",
        "PID[1]-3[1].1": "1", "PID[1]-3[1].4.1": "A", "PID[1]-3[1].4.2": "1.2", "PID[1]-3[1].4.3": "ISO", "PID[1]-3[1].5": "PI",
        "PID[1]-3[2]": "2", "PID[1]-5.1": "DOE", "PID[1]-5.2": "JOHN",
        "OBX[1]-1": "1", "OBX[1]-2": "CWE", "OBX[1]-3.1": "DESTDMP", "OBX[1]-3.2": "x", "OBX[1]-3.3": "Meta", "OBX[1]-5": "Y",
        "PRT[1]-2": "UC", "PRT[2]-2": "CP", "NTE[1]-1": "1",
        "OBX[2]-1": "2", "OBX[2]-2": "ED", "OBX[2]-3.1": "CR", "OBX[2]-3.2": "y", "OBX[2]-3.3": "LN", "PRT[3]-2": "XX", "ZZZ[1]-1": "z",
    }  # fmt: skip


def test_a_traced_copy_says_the_same_and_knows_its_places() -> None:
    message = tree(raw=RAW.replace(b"JOHN", b"JO\\T\\HN"))
    copy, places = SHAPE.traced(message)
    assert list(SHAPE.leaves(copy)) == list(SHAPE.leaves(message))
    for place, text in SHAPE.leaves(copy):
        assert isinstance(text, Traced)
        assert text.places == {place}
    pid = copy.first("PID")
    assert pid.text(5, 2) == "JO&HN"
    assert places[id(pid)] == "PID[1]"
    assert places[id(pid.field(3)[1])] == "PID[1]-3[2]"
    assert places[id(copy.all("PRT")[2])] == "PRT[3]"


def test_one_leaf_of_a_copy_can_be_changed() -> None:
    message = tree()
    copy, _ = SHAPE.traced(message, "", lambda text, where: "9" if where == ("PID[1]-3[2]",) else text)
    before, after = dict(SHAPE.leaves(message)), dict(SHAPE.leaves(copy))
    assert {place for place in before if before[place] != after[place]} == {"PID[1]-3[2]"}


def test_a_repetition_alone_is_copied_and_listed_below_a_prefix() -> None:
    pid = tree().first("PID")
    assert pid is not None
    copy, _ = SHAPE.traced(pid.field(3)[0], "here")
    assert dict(SHAPE.leaves(copy, "here"))["here.4.2"].places == {"here.4.2"}


def test_a_place_is_spelt_as_leaves_spell_it() -> None:
    message = tree()
    pid, prt = message.first("PID"), message.all("PRT")[2]
    assert pid is not None
    second = pid.field(3)[1]
    assert SHAPE.place([Located("PID", 1, pid), Located("-3", 2, second)], None) == "PID[1]-3[2]"
    assert SHAPE.place([Located("PID", 1, pid), Located("-3", 1, pid.field(3)[0])], "4.2") == "PID[1]-3[1].4.2"
    assert SHAPE.place([Located("PID", 1, pid)], "5.2") == "PID[1]-5.2"
    assert SHAPE.place([Located("PID", 1, pid)], "3") == "PID[1]-3[1].1"
    assert SHAPE.place([Located("OBX", 2, message.all("OBX")[1]), Located("PRT", 1, prt)], "2") == "PRT[3]-2"
    assert SHAPE.place([Located("PV1", 1, None)], "19") == "PV1[1]-19"


def test_nesting_does_not_change_what_is_written() -> None:
    message = tree()
    assert [segment.name for segment in message.segments_at_top()] == ["MSH", "PID", "OBX", "OBX", "ZZZ"]
    assert message.untouched()
    assert serialise(message) == RAW


def test_a_written_message_is_ordered_numbered_and_trimmed() -> None:
    message = Message()
    for name, number in (("OBX", 3), ("ZZZ", 1), ("PID", 3), ("OBX", 5), ("MSH", 10), ("EVN", 2)):
        message.add(name).put("" if name == "EVN" else "x", number)
    obx = message.children[0]
    obx.children += [Segment("NTE"), Segment("PRT"), Segment("PRT")]
    for child in obx.children[:2]:
        assert isinstance(child, Segment)
        child.put("c", 2)
    written = serialise(SHAPE.finish(message, "MSH EVN PID OBX#(PRT NTE)"))
    assert written == b"MSH|^~\\&||||||||x\rPID|||x\rOBX|1||x\rPRT||c\rNTE||c\rOBX|2||||x\rZZZ|x\r"


def test_groups_are_written_together() -> None:
    message = Message()
    for name in ("ORC", "ORC", "OBR", "OBR", "MSH"):
        message.add(name).put("x", 3)
    SHAPE.finish(message, "MSH {ORC OBR#}")
    assert [segment.name for segment in message.segments] == ["MSH", "ORC", "OBR", "ORC", "OBR"]
    assert message.get("OBR[2]-1") == "2"


def test_a_structure_line_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        positions("MSH PID; OBX")
