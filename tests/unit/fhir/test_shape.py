"""Paths against the standard's tables."""

from __future__ import annotations

from typing import Any

import pytest

from connector.fhir.shape import FhirShape
from connector.fhir.tree import LINK, TARGET, prune
from connector.mapping.language import Leaf, Located, Traced
from tests.unit.fhir.site import context

SHAPE = FhirShape()


@pytest.mark.parametrize(
    ("path", "anchor", "leaf", "expected"),
    [
        ("nam.family", "Patient", True, "did you mean 'name'?"),
        ("name.family[]", "Patient", True, "'family' is not a list"),
        ("gender[1]", "Patient", True, "'gender' is not a list"),
        ("gender.code", "Patient", True, "it has no elements"),
        ("name[]", "Patient", True, "a value was expected"),
        ("gender", "Patient", False, "a node was expected"),
        ("name[]->Practitioner", "Patient", False, "not a reference"),
        ("managingOrganization->Practitioner", "Patient", False, "points at Organization"),
        ("subject->Patien", "DocumentReference", False, "did you mean 'Patient'?"),
        ("Patien[1]", "Bundle", False, "did you mean 'Patient'?"),
        ("gender[x=y]", "Patient", True, "predicates stand on nodes"),
        ("name", "Patiens", False, "did you mean 'Patient'?"),
    ],
)
def test_a_wrong_path_is_refused_with_the_right_word(path: str, anchor: str, leaf: bool, expected: str) -> None:
    with pytest.raises(ValueError) as refused:
        SHAPE.parse(path, anchor, leaf=leaf)
    assert expected in str(refused.value)


def test_the_node_itself_has_no_steps() -> None:
    for path in (".", "*", "Patient"):
        assert SHAPE.parse(path, "Patient", leaf=False).steps == ()


def put(path: str, anchor: str, value: Any, node: dict[str, Any]) -> None:
    """Write as the compiler does, creating at each step."""
    parsed = SHAPE.parse(path, anchor, leaf=True)
    kind: str = anchor
    for step in parsed.steps:
        access = SHAPE.step(step, kind)
        found = access.select(node)
        node = found[0] if found else access.create(node)
        kind = step.reference or step.name
    assert isinstance(parsed.leaf, Leaf)
    SHAPE.leaf(parsed.leaf, kind).put(node, value)


def test_lists_come_from_the_standard_not_from_brackets() -> None:
    tree = SHAPE.new("DocumentReference")
    put("masterIdentifier.value", "DocumentReference", "1", tree)
    put("category.coding.code", "DocumentReference", "11", tree)
    put("content.attachment.title", "DocumentReference", "T", tree)
    assert tree == {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"value": "1"},
        "category": [{"coding": [{"code": "11"}]}],
        "content": [{"attachment": {"title": "T"}}],
    }


def test_a_reference_makes_and_finds_its_target() -> None:
    tree = SHAPE.new("DocumentReference")
    put("author->PractitionerRole.practitioner->Practitioner.name.family", "DocumentReference", "A", tree)
    role = tree["author"][0][TARGET]
    assert role["resourceType"] == "PractitionerRole"
    assert role["practitioner"][TARGET] == {"resourceType": "Practitioner", "name": [{"family": "A"}]}
    parsed = SHAPE.parse("author[]->Device", "DocumentReference", leaf=False)
    assert SHAPE.step(parsed.steps[0], "DocumentReference").select(tree) == []


def test_a_link_names_the_one_root_of_a_type() -> None:
    tree = SHAPE.new("DocumentReference")
    put("subject", "DocumentReference", "->Patient", tree)
    put("context.encounter", "DocumentReference", "->Encounter", tree)
    assert tree["subject"] == {LINK: "->Patient"}
    assert SHAPE.leaf(Leaf("subject"), "DocumentReference").get(tree) == ["->Patient"]
    with pytest.raises(ValueError):
        put("subject", "DocumentReference", "Patient/1", tree)


def test_a_coded_predicate_tests_code_and_system_and_writes_the_label() -> None:
    found = SHAPE.coded("coding", "visibility", "INVISIBLE_PATIENT", context())
    assert [(path, tested) for path, _, tested in found] == [
        ("coding.system", True),
        ("coding.code", True),
        ("coding.display", False),
    ]
    with pytest.raises(ValueError, match="no FHIR code"):
        SHAPE.coded("coding", "visibility", "NOBODY", context())


def test_what_stayed_empty_is_dropped() -> None:
    tree = {
        "resourceType": "Patient",
        "name": [{"given": []}, {"family": "A", "use": ""}],
        "contact": [{"organization": {TARGET: {"resourceType": "Organization"}}}],
        "extension": [{"url": "u"}, {"url": "v", "valueString": "x"}],
        "deceasedBoolean": False,
        "photo": [{"url": "kept"}],
    }
    assert not prune(tree)
    assert tree == {
        "resourceType": "Patient",
        "name": [{"family": "A"}],
        "extension": [{"url": "v", "valueString": "x"}],
        "deceasedBoolean": False,
        "photo": [{"url": "kept"}],
    }


TREE = {
    "DocumentReference": [
        {
            "resourceType": "DocumentReference",
            "subject": {LINK: "->Patient"},
            "author": [
                {TARGET: {"resourceType": "Device", "modelNumber": "M"}},
                {TARGET: {"resourceType": "PractitionerRole", "active": True, "telecom": [{"value": "1"}]}},
            ],
        }
    ]
}


def test_places_unfold_references_and_are_unique() -> None:
    assert dict(SHAPE.leaves(TREE)) == {
        "DocumentReference[1].subject": "->Patient",
        "DocumentReference[1].author[1]->Device.modelNumber": "M",
        "DocumentReference[1].author[2]->PractitionerRole.active": True,
        "DocumentReference[1].author[2]->PractitionerRole.telecom[1].value": "1",
    }


def test_an_issue_spells_its_place_as_leaves_do() -> None:
    document = TREE["DocumentReference"][0]
    role = document["author"][1][TARGET]  # type: ignore[index]
    way = [Located("DocumentReference", 1, document), Located("author->PractitionerRole", 1, role)]
    telecom = role["telecom"][0]
    place = SHAPE.place([*way, Located("telecom", 1, telecom)], "value")
    assert place == "DocumentReference[1].author[2]->PractitionerRole.telecom[1].value"
    assert SHAPE.place([], None) == ""


def test_a_traced_copy_remembers_places_and_can_change_one_leaf() -> None:
    copy, places = SHAPE.traced(TREE)
    telecom = copy["DocumentReference"][0]["author"][1][TARGET]["telecom"][0]
    assert isinstance(telecom["value"], Traced)
    place = "DocumentReference[1].author[2]->PractitionerRole.telecom[1]"
    assert telecom["value"].places == {f"{place}.value"}
    assert places[id(telecom)] == place
    changed, _ = SHAPE.traced(TREE, "", lambda text, where: "" if where[0].endswith(".value") else text)
    assert "value" not in changed["DocumentReference"][0]["author"][1][TARGET]["telecom"][0]
    assert TREE["DocumentReference"][0]["author"][1][TARGET]["telecom"] == [{"value": "1"}]  # type: ignore[index]
