"""Which predicates cannot hold together."""

from __future__ import annotations

import pytest

from connector.mapping.checks import disjoint
from connector.mapping.paths import parse_predicate

CASES = [
    ("u=a", "u=b", True),
    ("u=a", "u=a", False),
    ("u=a", "v=b", False),
    ("u=a", "u:=b", True),
    ("u=a|b", "u=b|c", False),
    ("u=a|b", "u=c|d", True),
    ("u=a", "u!=a", True),
    ("u=a|b", "u!=a", False),
    ("u!=a", "u!=b", False),
    ("u=a*", "u=ab", False),
    ("u=a*", "u=b", True),
    ("u=a*", "u=b*", True),
    ("u=a*", "u=ab*", False),
    ("u", "u=a", False),
    ("u", "!u", True),
    ("!u", "u=a", True),
    ("!u", "u=a*", True),
    ("!u", "u!=a", False),
    ("!u", "!u", False),
]


@pytest.mark.parametrize(("left", "right", "expected"), CASES)
def test_predicates_are_disjoint_or_not(left: str, right: str, expected: bool) -> None:
    one, two = parse_predicate(left), parse_predicate(right)
    assert disjoint(one, two) is expected
    assert disjoint(two, one) is expected
