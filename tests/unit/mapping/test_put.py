"""Putting values into an Exchange value under construction."""

from __future__ import annotations

from typing import Any

import pytest

from connector.exchange.people import HumanName, Identifier, Organization, Patient
from connector.mapping.exchange import finisher, lenient, parse_exchange
from connector.mapping.put import merge, putter
from tests.unit.mapping.toy import run


def put_all(*puts: tuple[str, Any]) -> tuple[Any, list[bool]]:
    """The Patient that these puts make, and whether each agreed."""
    node: dict[str, Any] = {}
    agreed = [putter(parse_exchange(path, Patient))(node, value, run()) for path, value in puts]
    return finisher(Patient)(node), agreed


ONE, TWO = Identifier(value="1"), Identifier(value="2")

CASES: list[tuple[list[tuple[str, Any]], Patient, list[bool]]] = [
    ([("sex", "m"), ("sex", "m"), ("sex", "f")], Patient(sex="m"), [True, True, False]),
    ([("identifiers[]", ONE), ("identifiers[]", TWO)], Patient(identifiers=(ONE, TWO)), [True, True]),
    ([("identifiers[1]", ONE), ("identifiers[1]", ONE)], Patient(identifiers=(ONE,)), [True, True]),
    ([("identifiers[1]", ONE), ("identifiers[1]", TWO)], Patient(identifiers=(ONE,)), [True, False]),
    (
        [("identifiers[1]", ONE), ("identifiers[1].kind", "PI")],
        Patient(identifiers=(Identifier(value="1", kind="PI"),)),
        [True, True],
    ),
    (
        [("identifiers[1].kind", "PI"), ("identifiers[1]", ONE)],
        Patient(identifiers=(Identifier(value="1", kind="PI"),)),
        [True, True],
    ),
    ([("account", ONE), ("account", TWO)], Patient(account=ONE), [True, False]),
    ([("account.kind", "X"), ("account", ONE)], Patient(account=Identifier(value="1", kind="X")), [True, True]),
    ([("account", ONE), ("account", {"value": "2", "kind": "X"})], Patient(account=Identifier(value="1", kind="X")), [True, False]),
    (
        [("names[use=birth][]", HumanName(family="A"))],
        Patient(names=(HumanName(use="birth", family="A"),)),
        [True],
    ),
    ([("names[use=birth][]", HumanName(use="usual"))], Patient(names=(HumanName(use="usual"),)), [False]),
    ([("names[use=birth]", HumanName(family="A")), ("names[use=usual].family", "B")],
     Patient(names=(HumanName(use="birth", family="A"), HumanName(use="usual", family="B"))), [True, True]),
    ([("sex", "m"), (".", Patient(sex="m", birth_date="1"))], Patient(sex="m", birth_date="1"), [True, True]),
    ([("sex", "m"), (".", Patient(sex="f"))], Patient(sex="m"), [True, False]),
    ([("managing.name", "H"), ("managing.name", "I")], Patient(managing=Organization(name="H")), [True, False]),
]  # fmt: skip


@pytest.mark.parametrize(("puts", "expected", "agreed"), CASES)
def test_first_value_wins_and_parts_meet(puts: list[tuple[str, Any]], expected: Patient, agreed: list[bool]) -> None:
    assert put_all(*puts) == (expected, agreed)


def test_lists_that_meet_hold_each_item_once() -> None:
    target: dict[str, Any] = {"given": ["a"]}
    assert merge(target, {"given": ["a", "b"], "family": "X"})
    assert target == {"given": ["a", "b"], "family": "X"}


def test_lenient_finish_leaves_out_what_is_incomplete() -> None:
    used = run()
    node = {"sex": "m", "account": {"kind": "X"}, "identifiers": [{"value": "1"}, {"kind": "Y"}], "managing": {}}
    assert lenient(node, Patient, used) == Patient(sex="m", identifiers=(ONE,))
    assert [(i.code, i.place.path, i.params["expected"]) for i in used.issues] == [
        ("MAP_REQUIRED", "account", "Identifier.value"),
        ("MAP_REQUIRED", "identifiers[2]", "Identifier.value"),
    ]
