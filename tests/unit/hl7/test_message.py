"""The tree: positions of the standard, late splitting, changing and writing."""

from __future__ import annotations

import pytest

from connector.hl7.codec import parse, serialise
from connector.hl7.leaves import LARGE, Slice
from connector.hl7.message import Group, Message, Repetition, Segment

RAW = b"MSH|^~\\&|APP^1.2^ISO|FAC|||20260115||ADT^A01^ADT_A01|1|T|2.5\rPID|||1^^^A&1.2&ISO^PI~2^^^B||O\\F\\NEIL^ANNE\rZZZ|x\r"


def message(raw: bytes = RAW) -> Message:
    found = parse(raw).value
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-3.2", "1.2"),
        ("MSH-9.3", "ADT_A01"),
        ("PID-3", "1"),
        ("PID-3.4.2", "1.2"),
        ("PID-3[2]", "2"),
        ("PID-3[2].4", "B"),
        ("PID[1]-5", "O|NEIL"),
        ("PID-5.9", ""),
        ("PID-3[3]", ""),
        ("PID-99", ""),
        ("PID[2]-3", ""),
        ("NK1-1", ""),
        ("ZZZ-1", "x"),
    ],
)
def test_positions_are_those_of_the_standard(path: str, text: str) -> None:
    assert message().get(path) == text


@pytest.mark.parametrize("path", ["PID", "PID-", "pid-3", "PID-3.1.1.1", "PID-x"])
def test_a_path_of_another_form_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="PID-3"):
        message().get(path)


def test_text_and_field_agree() -> None:
    pid = message().first("PID")
    assert pid is not None
    assert [repetition.text(1) for repetition in pid.field(3)] == ["1", "2"]
    assert pid.text(3, 4, 2) == pid.field(3)[0].text(4, 2) == "1.2"
    assert pid.text(3, 4, 3) == "ISO"
    assert pid.text(3, 1, 2) == ""
    assert pid.field(4) == []


def test_untouched_is_written_byte_for_byte() -> None:
    for raw in (RAW, RAW.replace(b"\r", b"\n"), RAW.replace(b"\r", b"\r\n"), RAW + b"\r\n  \r"):
        tree = message(raw)
        for segment in tree.segments:
            for number in range(1, len(segment) + 1):
                segment.text(number, 2, 2)
                segment.field(number)
        assert serialise(tree) == raw


def test_a_change_is_written_and_the_rest_stays() -> None:
    tree = message(RAW.replace(b"\r", b"\n"))
    tree.put("PID-3[2].4.2", "9|9")
    tree.put("PID-8", "F")
    assert serialise(tree) == RAW.replace(b"2^^^B", b"2^^^B&9\\F\\9").replace(b"ANNE\r", b"ANNE|||F\r")
    assert tree.get("PID-3[2].4.2") == "9|9"


def test_a_message_is_made() -> None:
    tree = Message()
    msh = tree.add("MSH")
    msh.put("ACK", 9)
    msh.put("R01", 9, 2)
    tree.add("MSA").put("AA", 1)
    assert serialise(tree) == b"MSH|^~\\&|||||||ACK^R01\rMSA|AA\r"


def test_order_of_segments_counts_as_a_change() -> None:
    tree = message()
    assert tree.untouched()
    tree.children.reverse()
    assert not tree.untouched()


def test_nested_segments_are_found_and_written_in_order() -> None:
    tree = Message([Segment("MSH", wire="MSH|^~\\&|a"), Segment("OBX", wire="OBX|1")])
    tree.children[1].children.append(Segment("PRT", wire="PRT||UC"))
    tree.children.append(Group("ORDER", [Segment("ORC", wire="ORC|NW"), Segment("PRT", wire="PRT||CP")]))
    assert [segment.name for segment in tree.segments] == ["MSH", "OBX", "PRT", "ORC", "PRT"]
    assert [segment.name for segment in tree.segments_at_top()] == ["MSH", "OBX", "ORC", "PRT"]
    assert tree.get("PRT[2]-2") == "CP"
    assert serialise(tree) == b"MSH|^~\\&|a\rOBX|1\rPRT||UC\rORC|NW\rPRT||CP\r"


def test_trimming_drops_what_is_empty_at_ends() -> None:
    segment = Segment("PID")
    segment.add(3)
    segment.put("1", 3, 4, 2)
    segment.put("", 3, 6)
    segment.add(3)
    segment.add(9)
    segment.trim()
    assert segment.raw() == "PID|||^^^&1"


def test_a_large_field_stays_in_the_received_bytes() -> None:
    data = b"QUJD" * LARGE
    raw = RAW + b"OBX|1|ED|X^Y^LN||A^text^XML^Base64^" + data + b"||||||F\r"
    tree = message(raw)
    obx = tree.first("OBX")
    assert obx is not None
    assert obx.text(3, 3) == "LN"
    assert obx.text(11) == "F"
    (repetition,) = obx.field(5)
    assert repetition.text(4) == "Base64"
    leaf = repetition.leaf(5)
    assert isinstance(leaf, Slice)
    assert leaf.base is raw
    payload = repetition.payload(5)
    assert isinstance(payload, memoryview)
    assert payload.obj is raw
    assert payload == data
    assert serialise(tree) is raw
    tree.put("OBX-11", "C")
    assert serialise(tree) == raw.replace(b"||||||F\r", b"||||||C\r")


def test_a_large_text_is_checked_when_it_is_read() -> None:
    data = b"a\x00" + b"b" * LARGE
    leaf = Slice(data, 0, len(data))
    with pytest.raises(ValueError, match="control"):
        Repetition(leaf).text()
