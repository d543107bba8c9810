"""What `explain` says about the kinds of origin that the laws in tests/property do not name one by one."""

from __future__ import annotations

from connector.exchange.people import Patient
from connector.mapping.explain import Decision, compose, explain_conversion, explain_read, explain_write
from connector.mapping.language import Run
from tests.unit.mapping.toy import Node, library, run

TEXT = """mapping: toy/person
between: {hl7: person, exchange: Patient}
rules:
  - {hl7: "@sex", exchange: sex, code: sex}
  - {hl7: "@gender", exchange: sex, code: sex}
  - {hl7: "@version", const: "2.6"}
  - {exchange: deceased, const: "false"}
  - {hl7: "@status", exchange: identity_status, default: provisional}
  - {hl7: "obs[code=meta-dmp#MASQUE]/@v", exchange: identity_unknown, code: "yes"}
  - {hl7: "@old", exchange: birth_date, only: read, when: "@kind = date"}
  - {hl7: body, exchange: ".", use: toy/body}
---
mapping: toy/body
between: {hl7: body, exchange: Patient}
rules:
  - {hl7: "@order", exchange: birth_order}
"""
MAPPING = library(TEXT).mapping("toy/person")
TREE = Node(
    "person",
    Node("obs", Node("code", code="MASQUE", system="MetaDMPMSS", label="Masque"), v="Y"),
    Node("obs", Node("code", code="OTHER", system="MetaDMPMSS"), v="N"),
    Node("body", order="2"),
    sex="F",
    gender="F",
    version="2.5",
    old="1979",
    kind="date",
)


def explaining() -> Run:
    return Run(run().context, explain=True)


def test_reading_names_rule_row_constant_and_default() -> None:
    value, trace = explain_read(MAPPING, TREE, explaining())
    assert value == MAPPING.read(TREE, run())
    said = {place: (origin.sources, origin.rules, origin.row, origin.by) for place, origin in trace.outputs.items()}
    assert said == {
        "sex": (("@sex",), ("main.yaml:4",), "sex.csv:3", "rule"),
        "deceased": ((), ("main.yaml:7",), None, "const"),
        "identity_status": ((), ("main.yaml:8",), None, "default"),
        "identity_unknown": (("obs[1]/@v",), ("main.yaml:9",), "yes.csv:2", "rule"),
        "birth_date": (("@old",), ("main.yaml:10",), None, "rule"),
        "birth_order": (("body[1]/@order",), ("main.yaml:16",), None, "rule"),
    }


def test_leaves_that_confirm_or_are_compared_are_checks() -> None:
    _, trace = explain_read(MAPPING, TREE, explaining())
    assert trace.checks == {"@gender": ("main.yaml:5",), "@version": ("main.yaml:6",)}


def test_predicates_and_conditions_decide_what_they_govern() -> None:
    _, trace = explain_read(MAPPING, TREE, explaining())
    masque = (Decision("main.yaml:9", ("identity_unknown",), "[code=meta-dmp#MASQUE]"),)
    assert trace.decides == {
        "obs[1]/code[1]/@code": masque,
        "obs[1]/code[1]/@system": masque,
        "@kind": (Decision("main.yaml:10", ("birth_date",), "@kind = date"),),
    }


def test_what_no_rule_took_is_unread() -> None:
    _, trace = explain_read(MAPPING, TREE, explaining())
    assert trace.unused == (
        "obs[1]/code[1]/@label", "obs[2]/@v", "obs[2]/code[1]/@code", "obs[2]/code[1]/@system",
    )  # fmt: skip
    filled = {place for place, _ in MAPPING.shape.leaves(TREE)}
    assert trace.sources | set(trace.unused) == filled


def test_what_no_rule_wrote_is_unwritten() -> None:
    value = Patient(sex="female", marital_status="M", birth_date="2000")
    tree, trace = explain_write(MAPPING, value, explaining())
    assert tree == MAPPING.write(value, run())
    assert trace.unused == ("birth_date", "marital_status")
    assert trace.outputs["@sex"].sources == ("sex",)
    assert trace.outputs["@sex"].row == "sex.csv:3"
    assert trace.outputs["@version"].by == "const"


def test_labels_and_systems_written_by_a_predicate_are_constants_of_its_rule() -> None:
    _, trace = explain_write(MAPPING, Patient(identity_unknown=True), explaining())
    assert trace.outputs["obs[1]/@v"].sources == ("identity_unknown",)
    label = trace.outputs["obs[1]/code[1]/@label"]
    assert (label.sources, label.rules, label.by) == ((), ("main.yaml:9",), "const")


def test_what_code_derives_is_said_with_its_author() -> None:
    used = explaining()

    def whole(value: object, run: Run) -> Node:
        tree = MAPPING.write(value, run)
        tree.leaves["key"] = [f"{getattr(value, 'sex', None)}-key"]
        run.derived("@key", ("sex",), "toy ids")
        return tree  # type: ignore[no-any-return]

    _, trace = explain_write(MAPPING, Patient(sex="female"), used, whole)
    assert (trace.outputs["@key"].sources, trace.outputs["@key"].by) == (("sex",), "derived: toy ids")


def test_composed_trace_goes_from_source_to_output() -> None:
    value, reading = explain_read(MAPPING, TREE, explaining())
    _, writing = explain_write(MAPPING, value, explaining())
    trace = compose(reading, writing)
    assert trace.outputs["@sex"].sources == ("@sex",)
    assert trace.outputs["@gender"].sources == ("@sex",)
    assert trace.outputs["@status"].by == "default"
    assert trace.unwritten == ("birth_date",)
    assert "@old" in trace.unused
    assert trace.decides["obs[1]/code[1]/@code"][0].outputs == ("obs[1]/@v",)


def test_leaf_that_feeds_two_places_by_one_value_is_told_apart() -> None:
    """Two source leaves make one Exchange leaf, which is cut in two again: each output has its own source."""
    from connector.mapping.catalogue import load_library
    from connector.mapping.language import Datatype
    from tests.unit.mapping.toy import DATATYPES, AsHl7, tables

    def write_two(value: str, node: Node, run: Run) -> None:
        node.leaves["a"], node.leaves["b"] = ([part] for part in value.split("/"))

    shape = AsHl7()
    two = Datatype("two", lambda node, run: f"{node.text('a')}/{node.text('b')}", write_two, True, str)
    shape.datatypes = {**DATATYPES, "two": two}
    text = "mapping: x\nbetween: {hl7: m, exchange: Patient}\nrules:\n  - {hl7: media, exchange: sex, as: two}\n"
    mapping = load_library({"main.yaml": text}, {"hl7": shape}, tables()).mapping("x")
    _, trace = explain_conversion(mapping, Node("m", Node("media", a="text", b="xml")), mapping, explaining())
    assert trace.outputs["media[1]/@a"].sources == ("media[1]/@a",)
    assert trace.outputs["media[1]/@b"].sources == ("media[1]/@b",)


def test_explaining_an_empty_message_says_nothing() -> None:
    output, trace = explain_conversion(
        library(
            TEXT.replace('  - {exchange: deceased, const: "false"}\n', "").replace(", default: provisional", "")
        ).mapping("toy/person"),
        Node("person", x="1"),
        MAPPING,
        explaining(),
    )
    assert output is None
    assert trace.unused == ("@x",)
