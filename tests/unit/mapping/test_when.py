"""The condition of an `only:` rule."""

from __future__ import annotations

import pytest

from connector.mapping.when import parse_condition

VALUES = {"a": ["1"], "b": ["x", "y"], "yes": [True], "n": [3], "q[k=v]": ["z"]}

CASES = [
    ("exists a", True),
    ("exists c", False),
    ("not exists c", True),
    ("a = 1", True),
    ("a = 2", False),
    ("b = y", True),
    ("b != y", False),
    ("c != y", True),
    ("c = y", False),
    ("b in (q, y)", True),
    ("a in (2,3)", False),
    ("yes = true and n = 3", True),
    ("a = 2 or b = x and n = 3", True),
    ("(a = 2 or b = x) and n = 4", False),
    ("not (a = 1 and b = x)", False),
    ("q[k=v] = z", True),
    ("a = 'one two'", False),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_condition_holds_or_not(text: str, expected: bool) -> None:
    condition = parse_condition(text, lambda path: lambda node: node.get(path, []))
    assert condition.holds(VALUES) is expected


MISTAKES = [
    ("", "expected a path, found the end"),
    ("a", "expected '=', '!=' or 'in', found the end"),
    ("a = ", "expected a value"),
    ("a = 1 b", "expected the end, 'and' or 'or', found 'b'"),
    ("(a = 1", r"expected '\)'"),
    ("a in 1", r"expected '\('"),
    ("a in (1", "expected ',' or"),
    ("and = 1", "expected a path, found 'and'"),
    ("a = 'x", "cannot be read from"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_mistake_says_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_condition(text, lambda path: lambda node: [])


GUARDS = [
    ("a = 1", ("a", {"1"}, True, True)),
    ("a != 1", ("a", {"1"}, False, True)),
    ("a in (1, 2)", ("a", {"1", "2"}, True, True)),
    ("not a in (1, 2)", ("a", {"1", "2"}, False, True)),
    ("a = 1 and not exists b", ("a", {"1"}, True, False)),
    ("(a = 1) and b = x", ("a", {"1"}, True, False)),
    ("not (a = 1 and b = x)", None),
    ("a = 1 or b = x", None),
    ("exists a", None),
    ("exists b and a = 1", None),
]


@pytest.mark.parametrize(("text", "expected"), GUARDS)
def test_what_a_condition_wants_first_of_one_place(
    text: str, expected: tuple[str, set[str], bool, bool] | None
) -> None:
    guard = parse_condition(text, lambda path: lambda node: node.get(path, [])).guard
    found = None if guard is None else (guard.path, set(guard.values), guard.among, guard.whole)
    assert found == expected
