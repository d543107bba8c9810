"""Text that remembers its places, and the leaves of an Exchange value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connector.exchange.people import HumanName, Patient
from connector.mapping.language import Traced
from connector.mapping.leaves import value_leaves, with_leaf

A, B = Traced(" Ab-c ", ["a"]), Traced("X", ["b"])

KEEPING: list[Callable[[], Any]] = [
    lambda: A.strip(),
    lambda: A[1:3],
    lambda: A[1],
    lambda: A.lower(),
    lambda: A.casefold(),
    lambda: A.replace("b", "z"),
    lambda: A.removeprefix(" "),
    lambda: A + "x",
    lambda: "x" + A,
    lambda: A.split("-")[1],
    lambda: A.partition("-")[0],
    lambda: next(iter(A)),
    lambda: A.zfill(9),
]


@pytest.mark.parametrize("make", KEEPING)
def test_text_made_from_traced_text_keeps_the_places(make: Callable[[], Any]) -> None:
    assert make().places == {"a"}


def test_places_are_joined() -> None:
    assert (A + B).places == {"a", "b"}
    assert A.replace("b", B).places == {"a", "b"}


def test_traced_text_is_its_text() -> None:
    assert A == " Ab-c "
    assert {str(A): 1}[A] == 1
    assert str(A.strip()) == "Ab-c"


PATIENT = Patient(names=(HumanName(family="A", given=("b", "c")),), deceased=False)


def test_leaves_of_a_value_have_places_from_one() -> None:
    assert dict(value_leaves(PATIENT)) == {
        "names[1].family": "A",
        "names[1].given[1]": "b",
        "names[1].given[2]": "c",
        "deceased": False,
    }


def test_one_leaf_is_changed() -> None:
    changed = with_leaf(PATIENT, "names[1].given[2]", lambda old: old + "!")
    assert dict(value_leaves(changed)) == {**dict(value_leaves(PATIENT)), "names[1].given[2]": "c!"}
