"""CodeSystem, ValueSet and ConceptMap in JSON, good and bad."""

from __future__ import annotations

import time
from typing import Any

import pytest

from connector.terminology import TerminologyError
from connector.terminology.official_files import read_editions
from tests.unit.terminology.official import OID, SYSTEM, URL, composed, encoded, listed, system, values


def codes(*resources: dict[str, Any]) -> list[str]:
    return [each.code for each in read_editions(encoded(*resources))[-1].concepts]


def test_a_value_set_says_who_it_is_and_since_when() -> None:
    [edition] = read_editions(encoded(composed(listed("red", "blue"))))
    assert edition.identifiers == (OID, URL)
    assert (edition.name, edition.version, edition.effective) == ("JDV_Colours", "20260301", "2026-03-01")
    assert edition.source == "Us, JDV_Colours"
    assert [(each.code, each.system, each.display) for each in edition.concepts] == [
        ("red", SYSTEM, "Red"),
        ("blue", SYSTEM, "Blue"),
    ]


def test_the_life_of_a_code_is_read_from_its_properties() -> None:
    concepts = (
        {"code": "a", "property": [{"code": "dateValid", "valueDateTime": "2016-05-19T00:00:00+01:00"}, {"code": "status", "valueCode": "active"}]},
        {"code": "b", "property": [{"code": "dateFin", "valueDateTime": "2024-01-26T12:00:00+01:00"}, {"code": "status", "valueCode": "deprecated"}]},
        {"code": "c", "property": [{"code": "inactive", "valueBoolean": True}]},
        {"code": "d", "designation": [{"language": "fr-FR", "value": "Dé"}]},
    )  # fmt: skip
    a, b, c, d = read_editions(encoded(system(*concepts)))[0].concepts
    assert (a.start, a.end, a.retired) == ("2016-05-19", "", False)
    assert (b.end, b.retired) == ("2024-01-26", True)
    assert c.retired
    assert d.display == "Dé"


def test_an_expansion_is_taken_before_what_was_composed() -> None:
    contains = [
        {"system": SYSTEM, "abstract": True, "code": "all", "contains": [{"system": SYSTEM, "code": "red", "inactive": True}]},
        {"system": SYSTEM, "code": "blue"},
    ]  # fmt: skip
    [edition] = read_editions(encoded(values(expansion={"contains": contains}, compose={"include": [listed("green")]})))
    assert [(each.code, each.retired) for each in edition.concepts] == [("red", True), ("blue", False)]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ((composed({"system": SYSTEM}), system({"code": "a", "concept": [{"code": "b"}]})), ["a", "b"]),
        ((composed(listed("a", "b", "c"), exclude=[listed("b")]),), ["a", "c"]),
        ((composed({"valueSet": ["urn:other"]}), {**composed(listed("x")), "url": "urn:other"}), ["x"]),
        (
            (
                composed({"valueSet": ["urn:one", "urn:two|1"]}),
                {**composed(listed("x", "y")), "url": "urn:one"},
                {**composed(listed("y", "z")), "url": "urn:two"},
            ),
            ["y"],
        ),
    ],
)
def test_what_a_value_set_composes(resources: tuple[dict[str, Any], ...], expected: list[str]) -> None:
    assert [each.code for each in read_editions(encoded(*resources))[0].concepts] == expected


def test_a_bundle_holds_several() -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": system({"code": "a"})}, {"resource": {"resourceType": "Patient"}}, {"resource": composed({"system": SYSTEM})}],
    }  # fmt: skip
    assert [edition.kind for edition in read_editions(encoded(bundle))] == ["CodeSystem", "ValueSet"]


def test_a_map_keeps_one_target_a_code() -> None:
    elements = [
        {"code": "a", "target": [{"code": "10", "equivalence": "equivalent"}]},
        {"code": "b", "target": [{"equivalence": "unmatched"}]},
    ]
    found = {
        "resourceType": "ConceptMap", "url": "urn:map", "name": "ASS", "sourceUri": URL,
        "group": [{"source": SYSTEM, "target": "urn:t", "element": elements}],
    }  # fmt: skip
    [edition] = read_editions(encoded(found))
    assert edition.identifiers == (URL,)
    assert [(each.code, each.target, each.target_system) for each in edition.mapped] == [("a", "10", "urn:t")]


PROPERTY = "property"
BAD = [
    ({"resourceType": "Patient"}, "0.json: expected a CodeSystem, ValueSet, ConceptMap or Bundle"),
    ({"resourceType": "ValueSett"}, "did you mean 'ValueSet'?"),
    ([1], "expected an object"),
    (values(), "neither an expansion nor a compose"),
    (composed({"system": SYSTEM}), f"compose.include[0]: {SYSTEM} is not in the files given"),
    (composed({"system": SYSTEM, "filter": [{"property": "a", "op": "=", "value": "b"}]}), "chosen by a filter"),
    (composed({"valueSet": [URL]}), "includes itself"),
    (composed({"system": SYSTEM, "concept": "a"}), "concept: expected a list"),
    (composed(listed("a b")), "concept[0]: a code is 1 to 200 characters"),
    (composed(listed("a|b")), "without blank, '|'"),
    (composed(listed("")), "a code is 1 to 200"),
    (composed(listed("x" * 201)), "a code is 1 to 200"),
    (values(expansion={"total": 3, "contains": [{"code": "a"}]}), "a part of an expansion: 1 codes of 3"),
    (system(content="not-present"), "it holds no codes"),
    (system({"code": "a", "display": "A"}, {"code": "a", "display": "B"}), "concept[1]: code 'a' stands twice with two meanings"),
    (
        system(
            {"code": "a", PROPERTY: [{"code": "parent", "valueCode": "b"}]},
            {"code": "b", PROPERTY: [{"code": "parent", "valueCode": "a"}]},
        ),
        "round in a circle at code",
    ),
    (
        {"resourceType": "ConceptMap", "group": [{"element": [{"code": "a", "target": [{"code": "1"}, {"code": "2"}]}]}]},
        "code 'a' becomes 2 codes",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "said"), BAD)
def test_a_bad_resource_is_refused_with_its_place(resource: dict[str, Any], said: str) -> None:
    with pytest.raises(TerminologyError) as error:
        read_editions(encoded(resource))
    assert said in str(error.value)


def test_value_sets_that_include_one_another_are_refused() -> None:
    one, two = (
        {**composed({"valueSet": [other]}), "url": url} for url, other in (("urn:1", "urn:2"), ("urn:2", "urn:1"))
    )
    with pytest.raises(TerminologyError, match="includes itself, by way of urn:1 → urn:2 → urn:1"):
        read_editions(encoded(one, two))


def test_the_same_code_twice_with_one_meaning_is_one() -> None:
    assert codes(system({"code": "a", "display": "A"}, {"code": "a", "display": "A"})) == ["a"]


def test_concepts_too_deep_are_refused_before_the_stack_ends() -> None:
    deep: dict[str, Any] = {"code": "x"}
    for number in range(150):
        deep = {"code": f"c{number}", "concept": [deep]}
    with pytest.raises(TerminologyError, match="more than 100 levels"):
        codes(system(deep))
    with pytest.raises(TerminologyError, match="not JSON"):
        read_editions({"deep.json": b'{"a":' * 100_000})


def test_a_hundred_thousand_codes_are_read_in_linear_time() -> None:
    many = [{"code": f"c{number}", "display": f"Label {number}", PROPERTY: [{"code": "parent", "valueCode": f"c{number // 2}"}]} for number in range(1, 100_001)]  # fmt: skip
    many[0].pop(PROPERTY)
    files = encoded(system(*many))
    started = time.process_time()
    [edition] = read_editions(files)
    assert len(edition.concepts) == 100_000
    assert time.process_time() - started < 60
