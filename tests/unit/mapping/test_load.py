"""Every mistake in a mapping file is found when it is loaded, with its line and the nearest right word."""

from __future__ import annotations

import pytest

from connector.mapping.language import MappingErrors
from connector.mapping.strict_yaml import documents
from tests.unit.mapping.toy import library, run

HEAD = "mapping: toy/person\nbetween: {hl7: person, exchange: Patient}\nrules:\n"

#: One rule on line 4, and what is said about it.
RULES = [
    ('{hl7: "@sex", exchange: sex, codes: sex}', "unknown key 'codes'; did you mean 'code'?"),
    ('{hl7: "@sex", exchange: sexe, code: sex}', "Patient has no field 'sexe'; did you mean 'sex'?"),
    ('{hl7: "@sex", exchange: sex, code: sexe}', "no terminology 'sexe'; did you mean 'sex'?"),
    ('{hl7: "@b", exchange: birth_date, as: dat}', "unknown datatype 'dat' for hl7; did you mean 'date'?"),
    ('{hl7: "id[]", exchange: "identifiers[]", use: toy/idd}', "no mapping 'toy/idd' to use"),
    ('{hl7: "@x", exchange: identity_status, as: upper}', "datatype 'upper' has no writer: the rule must say 'only: read'"),
    ('{hl7: "id[]", exchange: account, as: identifier}', "'[]' stands on one end only ('id[]')"),
    ('{hl7: id, exchange: "identifiers[]", as: identifier}', "'[]' stands on one end only ('identifiers[]')"),
    ('{hl7: id, exchange: identifiers, as: identifier}', "write identifiers[] for each or identifiers[1] for the first"),
    ('{hl7: id, exchange: "account[1]", as: identifier}', "'account' is not a list"),
    ('{hl7: id, exchange: birth_date, as: identifier}', "datatype 'identifier' makes Identifier, this end of the Exchange holds text"),
    ('{hl7: "@x", exchange: account}', "this end of the Exchange holds Identifier: say how to read it with 'as', 'code' or 'use'"),
    ('{hl7: "@x", exchange: deceased}', "this end of the Exchange holds yes or no"),
    ('{hl7: "@x", exchange: birth_order, code: sex}', "terminology 'sex' gives words, this end of the Exchange holds a number"),
    ('{hl7: "@x", exchange: deceased, code: sex}', "is yes or no: expected true or false"),
    ('{hl7: "@x", exchange: sex.code}', "'sex' holds text, it has no fields"),
    ('{hl7: "@x", exchange: "names[user=birth].family"}', "HumanName has no field 'user'; did you mean 'use'?"),
    ('{hl7: "@x", exchange: "names[use=t#x].family"}', "the Exchange holds plain words"),
    ('{hl7: id, exchange: sex}', "'id' ends at a node, a leaf (@name) was expected"),
    ('{hl7: "@x", exchange: account, as: identifier}', "ends at a leaf, a node was expected"),
    ('{hl7: "id[/@x", exchange: sex}', "not closed"),
    ('{hl7: "x[c=meta-dmp#NONE]/@v", exchange: sex}', "terminology 'meta-dmp' has no 'NONE'"),
    ('{hl7: "@x"}', "the end 'exchange' is missing (only a 'const' has one end)"),
    ('{exchange: sex}', "the end 'hl7' is missing"),
    ('{as: date}', "a rule names its two ends: 'hl7' and 'exchange'"),
    ('{hl7: "@x", exchange: sex, const: male}', "a 'const' has one end"),
    ('{exchange: birth_order, const: first}', "'birth_order' is a number, not 'first'"),
    ('{hl7: "@x", exchange: sex, default: male, required: true}', "'default' excludes 'required' and 'const'"),
    ('{hl7: "@x", exchange: sex, default: male, only: write}', "'default' belongs to reading"),
    ('{hl7: "@x[]", exchange: "identity_attributes[]", default: x}', "'default' has no meaning for each of a list"),
    ('{hl7: "@x", exchange: sex, when: exists @y}', "'when' stands only in a rule that says 'only: read' or 'only: write'"),
    ('{hl7: "@x", exchange: sex, only: read, when: exists}', "expected a path, found the end"),
    ('{hl7: "@x", exchange: sex, only: write, when: sexe = male}', "no field 'sexe'; did you mean 'sex'?"),
    ('{hl7: "@x", exchange: sex, only: reading}', "'only' is read or write, not 'reading'; did you mean 'read'?"),
    ('{hl7: "@x", exchange: sex, required: yes}', "'required' is true or false, not 'yes'"),
    ('{hl7: "@x", exchange: sex, only: read, absent: UNK}', "'absent' belongs to writing"),
    ('{hl7: id, exchange: account, use: toy/person, as: identifier}', "'use' and 'as' exclude one another"),
    ('{hl7: person, exchange: account, use: toy/person}', "'toy/person' maps Patient, this end of the Exchange is Identifier"),
    ("just text", "a rule must be a table of keys and values, not text"),
    ('{hl7: [a, b], exchange: sex}', "'hl7' must be text, not a list"),
    ('{hl7: "@x", exchange: }', "a value is missing"),
    ('{hl7: "@x", hl7: "@y", exchange: sex}', "key 'hl7' stands twice (first on line 4)"),
    ('{hl7: &a "@x", exchange: sex}', "an anchor (&a) is not allowed"),
    ('{hl7: *a, exchange: sex}', "an alias (*a) is not allowed"),
    ('{hl7: !!python/object:os.system "@x", exchange: sex}', "a tag (tag:yaml.org,2002:python/object:os.system) is not allowed"),
    ('{hl7: "@x", exchange: sex', "YAML: "),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "said"), RULES)
def test_mistake_in_a_rule_is_said_with_its_line(rule: str, said: str) -> None:
    with pytest.raises(MappingErrors) as caught:
        library(f"{HEAD}  - {rule}\n")
    first = caught.value.errors[0]
    assert said in first.text
    assert first.place in ("main.yaml:4", "main.yaml:5")


DOCUMENTS = [
    ("maping: x\n", "a document begins with 'mapping:' or 'overlay:'; did you mean 'mapping'?"),
    ("mapping: x\nrule: []\nbetween: {hl7: a, exchange: Patient}\n", "unknown key 'rule'; did you mean 'rules'?"),
    ("mapping: x\nrules: []\n", "'between: {side: node, exchange: Type}' is missing"),
    ("mapping: x\nbetween: {hl8: a, exchange: Patient}\n", "unknown side 'hl8'; did you mean 'hl7'?"),
    ("mapping: x\nbetween: {hl7: a}\n", "'between' names one format's node and one exchange type"),
    ("mapping: x\nbetween: {hl7: a, exchange: Patiant}\n", "unknown exchange type 'Patiant'; did you mean 'Patient'?"),
    (
        "mapping: x\nbetween: {hl7: a, exchange: Patient}\naccepts: {typ: A}\n",
        "unknown claim 'typ'; did you mean 'type'?",
    ),
    ("mapping: x\nextends: y\n", "no mapping 'y' to extend"),
    ("mapping: x\nextends: x\n", "'x' extends itself"),
    ("overlay: x\nsite: s\nruls: []\n", "unknown key 'ruls'; did you mean 'rules'?"),
    ("overlay: x\n", "an overlay belongs to a site"),
    ("- a\n- b\n", "a mapping file must be a table of keys and values, not a list"),
    ("a: {b: {c: {d: {e: {f: {g: h}}}}}}\n", "nested more than 6 levels deep"),
]


@pytest.mark.parametrize(("text", "said"), DOCUMENTS)
def test_mistake_in_a_document_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(MappingErrors) as caught:
        library(text)
    assert said in str(caught.value)
    assert all(error.place.startswith("main.yaml:") for error in caught.value.errors)


def test_every_mistake_of_every_file_is_said_at_once() -> None:
    with pytest.raises(MappingErrors) as caught:
        library(f'{HEAD}  - {{hl7: "@a", exchange: sexe}}\n  - {{hl7: "@b", exchange: birth}}\n', "mapping: y\n")
    assert [error.place for error in caught.value.errors] == ["main.yaml:4", "main.yaml:5", "more1.yaml:1"]


def test_every_value_stays_the_text_that_was_written() -> None:
    (item,) = documents("x.yaml", "a: NO\nb: 012\nc: 12:30\nd: 2026-01-02\ne: 1.10\nf: true\ng: 0x1F\n")
    assert {key: value.value for key, value in item.value.items()} == {
        "a": "NO", "b": "012", "c": "12:30", "d": "2026-01-02", "e": "1.10", "f": "true", "g": "0x1F",
    }  # fmt: skip


def test_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    with pytest.raises(MappingErrors, match=r"main.yaml:1: an anchor \(&a\)"):
        library(bomb)


def test_two_rules_of_the_same_ends_are_refused() -> None:
    rule = '  - {hl7: "@sex", exchange: sex, code: sex}\n'
    with pytest.raises(
        MappingErrors, match=r"main\.yaml:5: a rule between '@sex' and 'sex' stands already at main.yaml:4"
    ):
        library(HEAD + rule + rule)


OVERLAPS = [
    ('{hl7: "id[]/@a", exchange: "identifiers[].value"}', '{hl7: "id[]/@b", exchange: "identifiers[].kind"}', "writes below the same hl7 list"),
    ('{hl7: "a[]/@a", exchange: "identifiers[].value"}', '{hl7: "b[]/@b", exchange: "identifiers[].kind"}', "reads into the same Exchange list"),
    ('{hl7: "a[]", exchange: "identifiers[]", as: identifier}', '{hl7: "b[]", exchange: "identifiers[]", as: identifier}', "writes every item of 'identifiers[]'"),
    ('{hl7: "n[@u=L][]", exchange: "names[]", as: name}', '{hl7: "n[]", exchange: "identifiers[]", as: identifier}', "writes below the same hl7 list"),
    ('{hl7: "n[@u=L|D][]", exchange: "names[]", as: name}', '{hl7: "n[@u=D][]", exchange: "identifiers[]", as: identifier}', "writes below the same hl7 list"),
]  # fmt: skip

APART = [
    ('{hl7: "n[@u=L][]", exchange: "names[]", as: name}', '{hl7: "n[@u=D][]", exchange: "identifiers[]", as: identifier}'),
    ('{hl7: "n[!@u][]", exchange: "names[]", as: name}', '{hl7: "n[@u=D][]", exchange: "identifiers[]", as: identifier}'),
    ('{hl7: "n[@u!=D][]", exchange: "names[]", as: name}', '{hl7: "n[@u=D][]", exchange: "identifiers[]", as: identifier}'),
    ('{hl7: "n[c=meta-dmp#DESTDMP][]", exchange: "names[]", as: name}', '{hl7: "n[c=meta-dmp#MASQUE][]", exchange: "identifiers[]", as: identifier}'),
    ('{hl7: "a[]", exchange: "names[use=birth][]", as: name}', '{hl7: "b[]", exchange: "names[use=usual][]", as: name}'),
    ('{hl7: "a[]", exchange: "names[]", as: name}', '{hl7: "b[]", exchange: "names[]", as: name, only: read}'),
]  # fmt: skip


@pytest.mark.parametrize(("one", "two", "said"), OVERLAPS)
def test_rules_that_share_a_list_are_refused(one: str, two: str, said: str) -> None:
    with pytest.raises(MappingErrors) as caught:
        library(f"{HEAD}  - {one}\n  - {two}\n")
    assert said in str(caught.value)
    assert caught.value.errors[0].place == "main.yaml:5"


@pytest.mark.parametrize(("one", "two"), APART)
def test_rules_told_apart_by_predicates_stand_side_by_side(one: str, two: str) -> None:
    assert len(library(f"{HEAD}  - {one}\n  - {two}\n").mapping("toy/person").parts) == 2


BASE = HEAD + '  - {hl7: "@sex", exchange: sex, code: sex}\n  - {hl7: "@status", exchange: identity_status}\n'


def test_overlay_replaces_by_both_ends_adds_and_drops() -> None:
    overlay = (
        "overlay: toy/person\nsite: chu\n"
        'rules:\n  - {hl7: "@status", exchange: identity_status, default: provisional}\n'
        'add:\n  - {hl7: "@order", exchange: birth_order}\n'
        'drop:\n  - {hl7: "@sex", exchange: sex}\n'
    )
    ours = library(BASE, overlay, sites=("chu",)).mapping("toy/person")
    assert [(p.rule.path, p.rule.place) for p in ours.parts] == [
        ("@status", "more1.yaml:4"),
        ("@order", "more1.yaml:6"),
    ]
    plain = library(BASE, overlay).mapping("toy/person")
    assert [p.rule.path for p in plain.parts] == ["@sex", "@status"]


def test_site_is_told_by_the_folder_too() -> None:
    overlay = 'overlay: toy/person\nrules:\n  - {hl7: "@sex", exchange: sex}\n'
    text = {"mappings/sites/chu/person.yaml": overlay}
    assert library(BASE, sites=("chu",), **text).mapping("toy/person").parts[0].rule.code is None
    assert library(BASE, sites=("other",), **text).mapping("toy/person").parts[0].rule.code == "sex"


OVERLAYS = [
    ('rules:\n  - {hl7: "@gender", exchange: sex}\n', "overrides nothing in 'toy/person': no rule between '@gender' and 'sex'; the rule for 'sex' (main.yaml:4) has the other end '@sex'"),
    ('add:\n  - {hl7: "@sex", exchange: sex}\n', "exists already in 'toy/person'; what changes it stands under 'rules:'"),
    ('drop:\n  - {hl7: "@sexe", exchange: sex}\n', "drops nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "said"), OVERLAYS)
def test_overlay_that_changes_nothing_is_a_mistake(body: str, said: str) -> None:
    with pytest.raises(MappingErrors) as caught:
        library(BASE, f"overlay: toy/person\nsite: chu\n{body}", sites=("chu",))
    assert said in str(caught.value)


def test_overlay_on_an_unknown_mapping_is_a_mistake() -> None:
    with pytest.raises(MappingErrors, match="no mapping 'toy/persn' to lay over; did you mean 'toy/person'"):
        library(BASE, "overlay: toy/persn\nsite: chu\n", sites=("chu",))


def test_extension_inherits_replaces_and_appends() -> None:
    child = (
        "mapping: toy/child\nextends: toy/person\nrules:\n"
        '  - {hl7: "@status", exchange: identity_status, required: true}\n  - {exchange: multiple_birth, const: "false"}\n'
    )
    mapping = library(BASE, child).mapping("toy/child")
    assert [(p.rule.path, p.rule.exchange, p.rule.required) for p in mapping.parts] == [
        ("@sex", "sex", False),
        ("@status", "identity_status", True),
        (None, "multiple_birth", False),
    ]


def test_anchor_of_a_used_mapping_must_fit() -> None:
    inner = "\n---\nmapping: toy/id\nbetween: {{hl7: {}, exchange: Identifier}}\nrules:\n  - {{hl7: '@v', exchange: value}}\n"
    outer = HEAD + '  - {hl7: "id[]", exchange: "identifiers[]", use: toy/id}'
    with pytest.raises(MappingErrors, match=r"'toy/id' is for 'code', this path ends at 'id'.*'code\|id'"):
        library(outer + inner.format("code"))
    assert library(outer + inner.format("'code|id'")) is not None
    assert library(outer + inner.format("'code|*'")) is not None


def test_other_sites_mappings_are_left_out() -> None:
    own = "mapping: toy/own\nsite: chu\nbetween: {hl7: a, exchange: Patient}\nrules: []\n"
    assert "toy/own" not in library(BASE, own).mappings
    assert "toy/own" in library(BASE, own, sites=("chu",)).mappings


def test_issue_names_the_overlay_rule_that_met_it() -> None:
    overlay = 'overlay: toy/person\nsite: chu\nrules:\n  - {hl7: "@sex", exchange: sex, code: sex, required: true}\n'
    used = run()
    library(BASE, overlay, sites=("chu",)).mapping("toy/person").read(library_tree(), used)
    assert [issue.place.rule for issue in used.issues] == ["more1.yaml:4"]


def library_tree() -> object:
    """A person without @sex."""
    from tests.unit.mapping.toy import Node

    return Node("person", status="x")


def test_circle_that_goes_no_deeper_is_refused() -> None:
    same = "mapping: a\nbetween: {hl7: x, exchange: Party}\nrules:\n  - {hl7: x, exchange: '.', use: a}\n"
    with pytest.raises(
        MappingErrors, match="'a' comes back to 'a' at the same place of the format: it would never end"
    ):
        library(same)
    down = "mapping: a\nbetween: {hl7: x, exchange: Party}\nrules:\n  - {hl7: y/x, exchange: '.', use: a}\n"
    with pytest.raises(MappingErrors, match="at the same place of the Exchange"):
        library(down)
    assert library(down.replace("use: a", "use: a, only: read")) is not None
