"""Empty nodes of a FHIR tree."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from connector.fhir.tree import prune, sound

TREES: list[tuple[dict[str, Any], bool]] = [
    ({"status": "final", "code": {"text": "x"}}, True),
    ({"active": False, "rank": 0}, True),
    ({"status": ""}, False),
    ({"status": None}, False),
    ({"code": {}}, False),
    ({"code": {"coding": [{}]}}, False),
    ({"name": [{"given": ["A", ""]}]}, False),
    ({"name": []}, False),
    ({"extension": [{"url": "x"}]}, False),
    ({"extension": [{"url": "x", "valueString": "y"}]}, True),
    ({"subject": {"->": {"resourceType": "Patient"}}}, False),
]


@pytest.mark.parametrize(("tree", "expected"), TREES)
def test_a_tree_is_sound_when_nothing_would_be_dropped_from_it(tree: dict[str, Any], expected: bool) -> None:
    pruned = deepcopy(tree)
    prune(pruned)
    assert (pruned == tree, sound(tree)) == (expected, expected)
