"""What a rule means in each direction, over the toy format."""

from __future__ import annotations

from typing import Any

import pytest

from connector.exchange.people import Address, Concept, HumanName, Identifier, Organization, Party, Patient
from connector.issues import Severity
from connector.mapping.compile import Mapping
from connector.mapping.language import Run
from tests.unit.mapping.toy import Node, library, run

HEAD = "mapping: toy/person\nbetween: {hl7: person, exchange: Patient}\nrules:\n"


def person(*rules: str, more: str = "") -> Mapping:
    """A mapping of these rules."""
    return library(HEAD + "".join(f"  - {rule}\n" for rule in rules) + more).mapping("toy/person")


def read(mapping: Mapping, tree: Node) -> tuple[Any, list[tuple[str, str, str, str | None]]]:
    """The value and the issues as (severity, code, place, rule)."""
    used = run()
    value = mapping.read(tree, used)
    assert used.trail == []
    return value, said(used)


def said(used: Run) -> list[tuple[str, str, str, str | None]]:
    return [(issue.severity.letter, issue.code, issue.place.path, issue.place.rule) for issue in used.issues]


def test_absent_means_nothing_happens() -> None:
    mapping = person(
        '{hl7: "@sex", exchange: sex, code: sex}', '{hl7: "id[]", exchange: "identifiers[]", as: identifier}'
    )
    assert read(mapping, Node("person")) == (None, [])
    used = run()
    assert mapping.write(Patient(), used) == Node("person")
    assert used.issues == []


def test_required_is_an_error_at_its_place_in_both_directions() -> None:
    mapping = person('{hl7: "id[]/@v", exchange: "identity_attributes[]", required: true}')
    assert read(mapping, Node("person", Node("id")))[1] == [("E", "MAP_REQUIRED", "id[1]/@v", "main.yaml:4")]
    used = run()
    mapping.write(Patient(), used)
    assert said(used) == [("E", "MAP_REQUIRED", "identity_attributes[]", "main.yaml:4")]


def test_place_of_an_issue_counts_nodes_before_predicates() -> None:
    mapping = person(
        '{hl7: "home[@kind=x]", exchange: managing, use: toy/org}',
        more='---\nmapping: toy/org\nbetween: {hl7: home, exchange: Organization}\nrules:\n  - {hl7: "part[@ok=1]/@date", exchange: name, as: date}\n',
    )
    tree = Node("person", Node("home"), Node("home", Node("part"), Node("part", ok="1", date="bad"), kind="x"))
    assert read(mapping, tree)[1] == [("E", "MAP_DATA_TYPE", "home[2]/part[2]/@date", "main.yaml:9")]


def test_unreadable_value_and_unknown_code_are_errors_without_the_value() -> None:
    mapping = person('{hl7: "@birth", exchange: birth_date, as: date}', '{hl7: "@sex", exchange: sex, code: sex}')
    used = run()
    assert mapping.read(Node("person", birth="19XX", sex="Q"), used) is None
    assert [(i.severity, i.code, i.place.path) for i in used.issues] == [
        (Severity.ERROR, "MAP_DATA_TYPE", "@birth"),
        (Severity.ERROR, "MAP_UNKNOWN_CODE", "@sex"),
    ]
    assert not any("19XX" in i.text() or "Q" in i.params.values() for i in used.issues)


def test_default_is_read_when_nothing_was_said_and_softens_what_cannot_be_read() -> None:
    mapping = person('{hl7: "@sex", exchange: sex, code: sex, default: unknown}')
    assert read(mapping, Node("person")) == (Patient(sex="unknown"), [])
    value, issues = read(mapping, Node("person", sex="Q"))
    assert value == Patient(sex="unknown")
    assert [issue[:2] for issue in issues] == [("W", "MAP_UNKNOWN_CODE")]
    assert mapping.write(Patient(), run()) == Node("person")


def test_default_alone_makes_no_inner_value() -> None:
    mapping = person(
        "{hl7: org, exchange: managing, use: toy/org}",
        more='---\nmapping: toy/org\nbetween: {hl7: org, exchange: Organization}\nrules:\n  - {hl7: "@n", exchange: name}\n  - {exchange: "sector.code", const: SA}\n',
    )
    assert read(mapping, Node("person", Node("org"))) == (None, [])
    assert read(mapping, Node("person", Node("org", n="X")))[0] == Patient(
        managing=Organization(name="X", sector=Concept(code="SA"))
    )


def test_first_reader_wins_and_disagreement_is_said() -> None:
    mapping = person('{hl7: "@a", exchange: sex}', '{hl7: "@b", exchange: sex}')
    assert read(mapping, Node("person", a="x", b="x")) == (Patient(sex="x"), [])
    value, issues = read(mapping, Node("person", a="x", b="y"))
    assert value == Patient(sex="x")
    assert issues == [("W", "MAP_DISAGREES", "@b", "main.yaml:5")]
    assert read(mapping, Node("person", b="y")) == (Patient(sex="y"), [])
    assert mapping.write(Patient(sex="z"), run()) == Node("person", a="z", b="z")


@pytest.mark.parametrize(("required", "letter"), [("", "W"), (", required: true", "E")])
def test_format_constant_is_written_always_and_compared_on_read(required: str, letter: str) -> None:
    mapping = person(f'{{hl7: "@version", const: "2.6"{required}}}', '{hl7: "@a", exchange: sex}')
    assert mapping.write(Patient(), run()) == Node("person", version="2.6")
    assert read(mapping, Node("person", version="2.6"))[1] == []
    assert read(mapping, Node("person", version="2.5"))[1] == [(letter, "MAP_CONST", "@version", "main.yaml:4")]
    missing = read(mapping, Node("person"))[1]
    assert missing == ([("E", "MAP_REQUIRED", "@version", "main.yaml:4")] if required else [])


def test_exchange_constant_is_set_on_read_and_tested_on_write() -> None:
    mapping = person("{exchange: deceased, const: 'true'}", '{hl7: "@a", exchange: sex}')
    assert read(mapping, Node("person", a="x"))[0] == Patient(sex="x", deceased=True)
    used = run()
    mapping.write(Patient(deceased=False), used)
    assert said(used) == [("W", "MAP_CONST", "deceased", "main.yaml:4")]
    used = run()
    mapping.write(Patient(deceased=True), used)
    assert used.issues == []


def test_constant_through_a_table_or_datatype() -> None:
    mapping = person('{hl7: "@s", const: male, code: sex}', "{hl7: level, const: secret, as: coded, code: level}")
    tree = Node("person", Node("level", code="S", system="1.2.3", label="Secret"), s="M")
    assert mapping.write(Patient(), run()) == tree
    assert read(mapping, tree)[1] == []
    assert [i[1] for i in read(mapping, Node("person", Node("level", code="N"), s="F"))[1]] == [
        "MAP_CONST",
        "MAP_CONST",
    ]


def test_coded_triple_both_ways() -> None:
    mapping = person("{hl7: level, exchange: identity_status, as: coded, code: level}")
    tree = Node("person", Node("level", code="S", system="1.2.3", label="Secret"))
    assert read(mapping, tree) == (Patient(identity_status="secret"), [])
    assert mapping.write(Patient(identity_status="secret"), run()) == tree
    used = run()
    mapping.write(Patient(identity_status="nobody"), used)
    assert said(used) == [("E", "MAP_UNKNOWN_CODE", "identity_status", "main.yaml:4")]


def test_code_into_a_concept_keeps_what_the_table_does_not_hold() -> None:
    more = "---\nmapping: toy/org\nbetween: {hl7: org, exchange: Organization}\nrules:\n  - {hl7: level, exchange: sector, as: coded, code: level}\n"
    mapping = person("{hl7: org, exchange: managing, use: toy/org}", more=more)
    value, issues = read(mapping, Node("person", Node("org", Node("level", code="local", label="Mine"))))
    assert value == Patient(managing=Organization(sector=Concept(code="local", display="Mine")))
    assert issues == [("W", "MAP_UNKNOWN_CODE", "org[1]/level[1]", "main.yaml:9")]
    written = run()
    assert mapping.write(value, written) == Node("person", Node("org", Node("level", code="local", label="Mine")))
    assert said(written) == [("W", "MAP_UNKNOWN_CODE", "managing.sector", "main.yaml:9")]


def test_explicit_null_is_reported_and_never_read() -> None:
    mapping = person(
        '{hl7: "@sex", exchange: sex, code: sex, default: unknown}',
        '{hl7: "@name", exchange: birth_date}',
        "{hl7: id, exchange: account, as: identifier}",
    )
    used = run()
    assert mapping.read(Node("person", Node("id", value='""'), sex='""', name='""'), used) is None
    assert used.erased == [("@sex", "sex"), ("@name", "birth_date"), ("id[1]", "account")]
    assert [issue[:2] for issue in said(used)] == [("I", "MAP_ERASED")] * 3


def test_null_flavour_is_written_when_there_is_no_value() -> None:
    mapping = person(
        '{hl7: "addr[]", exchange: "addresses[]", use: toy/addr, absent: UNK}',
        '{hl7: "birth/@value", exchange: birth_date, absent: NI}',
        more='---\nmapping: toy/addr\nbetween: {hl7: addr, exchange: Address}\nrules:\n  - {hl7: "@city", exchange: city}\n',
    )
    assert mapping.write(Patient(), run()) == Node("person", Node("addr", null="UNK"), Node("birth", null="NI"))
    full = Patient(addresses=(Address(city="Lyon"),), birth_date="2000")
    assert mapping.write(full, run()) == Node("person", Node("addr", city="Lyon"), Node("birth", value="2000"))


def test_predicates_construct_what_they_test() -> None:
    mapping = person('{hl7: "obs[code=meta-dmp#DESTDMP][@t:=CWE]/@v", exchange: deceased, code: "yes"}')
    tree = Node(
        "person",
        Node("obs", Node("code", code="DESTDMP", system="MetaDMPMSS", label="Destinataire DMP"), t="CWE", v="Y"),
    )
    assert mapping.write(Patient(deceased=True), run()) == tree
    assert read(mapping, tree) == (Patient(deceased=True), [])
    other = Node("person", Node("obs", Node("code", code="DESTDMP", system="OTHER"), v="Y"))
    assert read(mapping, other) == (None, [])


def test_node_found_by_predicates_gets_what_is_only_written() -> None:
    mapping = person('{hl7: "obs[@k=a]/@v", exchange: sex}', '{hl7: "obs[@k=a][@t:=CWE]/@w", exchange: birth_date}')
    assert mapping.write(Patient(sex="x", birth_date="y"), run()) == Node(
        "person", Node("obs", k="a", v="x", t="CWE", w="y")
    )


def test_test_only_predicate_is_tested_again_after_writing() -> None:
    mapping = person(
        '{hl7: "g[@role!=none][]", exchange: "guardians[]", use: toy/g}',
        more='---\nmapping: toy/g\nbetween: {hl7: g, exchange: Party}\nrules:\n  - {hl7: "@role", exchange: role}\n',
    )
    used = run()
    mapping.write(Patient(guardians=(Party(role="ok"),)), used)
    assert used.issues == []
    mapping.write(Patient(guardians=(Party(role="none"),)), used)
    assert said(used) == [("E", "MAP_PREDICATE_LOST", "guardians[]", "main.yaml:4")]
    assert used.pending == []


def test_exchange_predicates_select_and_construct() -> None:
    mapping = person(
        '{hl7: "@bf", exchange: "names[use=birth].family"}',
        '{hl7: "@uf", exchange: "names[use=usual].family"}',
        '{hl7: "@bg[]", exchange: "names[use=birth].given[]"}',
    )
    tree = Node("person", bf="A", uf="B", bg=["x", "y"])
    value = Patient(names=(HumanName(use="birth", family="A", given=("x", "y")), HumanName(use="usual", family="B")))
    assert read(mapping, tree) == (value, [])
    assert mapping.write(value, run()) == tree


def test_paths_and_datatypes_meet_in_one_value() -> None:
    mapping = person("{hl7: id, exchange: account, as: identifier}", '{hl7: "@auth", exchange: account.authority}')
    tree = Node("person", Node("id", value="1", kind="P"), auth="ME")
    assert read(mapping, tree) == (Patient(account=Identifier(value="1", kind="PI", authority="ME")), [])


def test_incomplete_value_is_left_out_and_said() -> None:
    mapping = person('{hl7: "@k", exchange: "identifiers[1].kind"}', '{hl7: "@s", exchange: sex}')
    value, issues = read(mapping, Node("person", k="PI", s="x"))
    assert value == Patient(sex="x")
    assert issues == [("E", "MAP_REQUIRED", "identifiers[1]", None)]


def test_issue_of_a_datatype_gets_place_and_rule() -> None:
    mapping = person('{hl7: "id[]", exchange: "identifiers[]", as: identifier}')
    issues = read(mapping, Node("person", Node("id", value="1"), Node("id", value="2", kind="?")))[1]
    assert issues == [("W", "TABLE_VALUE", "id[2]", "main.yaml:4")]


def test_one_direction_on_purpose_and_conditions() -> None:
    mapping = person(
        '{hl7: "@x", exchange: sex, only: read, when: "@kind = a and not exists @no"}',
        '{hl7: "@y", exchange: sex, only: write, when: "sex in (m, f) or exists birth_date"}',
    )
    assert read(mapping, Node("person", x="m", kind="a"))[0] == Patient(sex="m")
    assert read(mapping, Node("person", x="m", kind="b"))[0] is None
    assert read(mapping, Node("person", x="m", kind="a", no="1"))[0] is None
    assert mapping.write(Patient(sex="m"), run()) == Node("person", y="m")
    assert mapping.write(Patient(sex="q"), run()) == Node("person")
    assert mapping.write(Patient(sex="q", birth_date="1"), run()) == Node("person", y="q")


def test_use_of_the_same_node_reads_into_the_same_value() -> None:
    mapping = person(
        "{hl7: body, exchange: '.', use: toy/body}",
        '{hl7: "@sex", exchange: sex}',
        more='---\nmapping: toy/body\nbetween: {hl7: body, exchange: Patient}\nrules:\n  - {hl7: "@birth", exchange: birth_date}\n',
    )
    tree = Node("person", Node("body", birth="2000"), sex="m")
    assert read(mapping, tree) == (Patient(sex="m", birth_date="2000"), [])
    assert mapping.write(Patient(sex="m", birth_date="2000"), run()) == tree


def test_values_of_other_types_are_kept() -> None:
    mapping = person('{hl7: "@n", exchange: birth_order}', '{hl7: "@d", exchange: deceased, as: "yes-no"}')
    assert read(mapping, Node("person", n="2", d="N")) == (Patient(birth_order=2, deceased=False), [])
    assert mapping.write(Patient(birth_order=2, deceased=False), run()) == Node("person", n="2", d="N")
    assert read(mapping, Node("person", n="two"))[1] == [("E", "MAP_DATA_TYPE", "@n", "main.yaml:4")]


def test_writing_into_a_tree_leaves_it_unfinished() -> None:
    mapping = person('{hl7: "part/@n", exchange: sex}')
    tree = Node("whole")
    assert mapping.write(Patient(sex="m"), run(), into=tree) is tree
    assert tree == Node("whole", Node("part", n="m"))


def test_value_that_cannot_be_written_is_said() -> None:
    mapping = person('{hl7: "@birth", exchange: birth_date, as: date}')
    used = run()
    assert mapping.write(Patient(birth_date="2000"), used) == Node("person")
    assert said(used) == [("E", "MAP_NOT_WRITABLE", "birth_date", "main.yaml:4")]


def test_mapping_that_comes_back_to_itself_goes_only_so_deep() -> None:
    text = """mapping: toy/part
between: {hl7: part, exchange: Party}
rules:
  - {hl7: "@role", exchange: role}
  - {hl7: inner/part, exchange: ".", use: toy/part, only: read}
"""
    mapping = library(text).mapping("toy/part")
    tree = Node("part", role="deepest")
    for _ in range(60):
        tree = Node("part", Node("inner", tree))
    value, issues = read(mapping, tree)
    assert value is None
    assert [issue[:2] for issue in issues] == [("E", "TOO_MANY")]
    assert read(mapping, Node("part", Node("inner", Node("part", role="x"))))[0] == Party(role="x")


_BY_KIND = (
    '{hl7: "@name", exchange: "names[1].family", only: read, when: "@kind = A"}',
    '{hl7: "@name", exchange: "names[1].text", only: read, when: "@kind in (A, B) and exists @more"}',
    '{hl7: "@name", exchange: "names[1].prefix", only: read, when: "not @kind in (A, B)"}',
)


@pytest.mark.parametrize(
    ("said_of_it", "expected"),
    [
        ({"kind": "A"}, HumanName(family="x")),
        ({"kind": "A", "more": "1"}, HumanName(family="x", text="x")),
        ({"kind": "B", "more": "1"}, HumanName(text="x")),
        ({"kind": "B"}, None),
        ({"kind": "C"}, HumanName(prefix="x")),
        ({}, HumanName(prefix="x")),
    ],
)
def test_rules_that_ask_one_place_are_chosen_by_what_stands_there(
    said_of_it: dict[str, str], expected: HumanName | None
) -> None:
    value, issues = read(person(*_BY_KIND), Node("person", name="x", **said_of_it))
    assert (value.names if value is not None else ()) == (() if expected is None else (expected,))
    assert issues == []
