"""Paths of HPRIM Médecin, and what a mapping that misspells one is told."""

from __future__ import annotations

import pytest

from connector.hprim.codec import parse
from connector.hprim.shape import SHAPE
from connector.mapping.language import Located
from tests.unit.hprim.test_codec import letter


@pytest.mark.parametrize(
    ("path", "anchor", "leaf", "said"),
    [
        ("L13", "Letter", True, "no 'L13'; there are envelope, L1, L2"),
        ("L4", "Letter", True, "no 'L4'"),
        ("LAB[]", "Letter", True, "expected a text"),
        ("L1", "Letter", False, "expected a node"),
        ("LAB", "Letter", False, "written LAB"),
        ("address[]", "Letter", False, "nothing else is"),
        ("RES[]/4", "Letter", True, "below Letter stands address, LAB"),
        ("TEX", "LAB", True, "written TEX"),
        ("LAB[date=1]", "Letter", False, "without conditions"),
    ],
)
def test_a_wrong_path_says_what_there_is(path: str, anchor: str, leaf: bool, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SHAPE.parse(path, anchor, leaf=leaf)


def test_codes_have_no_systems_to_test() -> None:
    with pytest.raises(ValueError, match="no coded values"):
        SHAPE.coded("8", "sex", "male", None)  # type: ignore[arg-type]


def test_places_name_lines_and_results_and_not_the_groups() -> None:
    tree = parse(letter("texte", "****LAB****", "RES|Calcium|CA|N|2|", "TEX|un|", "TEX|deux|").encode()).value
    assert tree is not None
    places = dict(SHAPE.leaves(tree))
    assert places["L4"] == "12 rue des Tests"
    assert places["LAB[1]/RES[1]/4"] == "2"
    assert places["LAB[1]/RES[1]/TEX[2]"] == "deux"
    lab = tree.all("LAB")[0]
    way = [Located("LAB", 1, lab), Located("RES", 1, lab.children[0]), Located("value", 1, None)]
    assert SHAPE.place(way, "4") == "LAB[1]/RES[1]/4"
    copy, _ = SHAPE.traced(tree)
    assert dict(SHAPE.leaves(copy)) == places
