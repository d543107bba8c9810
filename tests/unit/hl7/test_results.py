"""Results of a laboratory: what stands under which order, what each type of value says, and the way back."""

from __future__ import annotations

import pytest

from connector.exchange.model import Exchange
from connector.exchange.people import Concept, HumanName, Identifier, Party
from connector.exchange.results import Observation, Quantity, Report
from connector.hl7.codec import parse, serialise
from connector.hl7.datatypes.results import INTERPRETATION
from connector.hl7.message import Message, Segment
from connector.hl7.results import numbers
from connector.hl7.structure import arranged, nested
from connector.mapping.language import Run
from tests.golden.test_hl7 import context, library, mapping_of, tree_of

HEAD = (
    "MSH|^~\\&|SGL|LABO|DPI|CH|20260302101500+0100||ORU^R01^ORU_R01|M1|T|2.5|||||FRA|UNICODE UTF-8\r"
    "PID|1||1^^^CH&1.2.250.1.999.1&ISO^PI||PAT-TROIS^DOMINIQUE^DOMINIQUE^^^^L||19790328|F\r"
)
STRUCTURE = "MSH PID {OBR#(<ORC NTE OBX#(NTE) SPM#)}"


def read(*rows: str, issues: int = 0) -> Exchange:
    raw = (HEAD + "".join(f"{row}\r" for row in rows)).encode()
    run, mapping = Run(context()), mapping_of(raw)
    exchange = mapping.read(tree_of(raw, mapping), run)
    assert len(run.issues) == issues, run.issues
    assert isinstance(exchange, Exchange)
    return exchange


def one(row: str) -> Observation:
    return read("OBR|1||L1|1^A^L", row).reports[0].observations[0]


def test_sixty_results_are_sixty_observations_each_with_its_number_and_come_back() -> None:
    rows = [f"OBX|{n}|NM|{n}^Analyse^L||{n}.10|g/L^^UCUM|||||F" for n in range(1, 61)]
    exchange = read("OBR|1||L1|1^A^L", *rows)
    results = exchange.reports[0].observations
    assert [each.quantity.value for each in results if each.quantity] == [f"{n}.10" for n in range(1, 61)]
    run = Run(context())
    raw = serialise(library().mapping("hl7/messages/ORU_R01").write(exchange, run))
    assert not run.issues
    assert raw.count(b"\rOBX|") == 60
    mapping = mapping_of(raw)
    assert mapping.read(tree_of(raw, mapping), Run(context())) == exchange


@pytest.mark.parametrize(
    ("row", "field", "expected"),
    [
        ("OBX|1|NM|1^A^L||-1.10|g/L^^UCUM", "quantity.value", "-1.10"),
        ("OBX|1|SN|1^A^L||>=^450", "quantity.comparator", ">="),
        ("OBX|1|SN|1^A^L||>=^450", "quantity.value", "450"),
        ("OBX|1|SN|1^A^L||^1^-^2", "range.low", "1"),
        ("OBX|1|SN|1^A^L||^1^-^2", "range.high", "2"),
        ("OBX|1|SN|1^A^L||^1^-", "range.low", "1"),
        ("OBX|1|SN|1^A^L||^1^:^128", "text", "1:128"),
        ("OBX|1|SN|1^A^L||^2^+", "text", "2+"),
        ("OBX|1|ST|1^A^L||négatif", "text", "négatif"),
        ("OBX|1|NM|1^A^L||5||-1.5-+2", "reference.low", "-1.5"),
        ("OBX|1|NM|1^A^L||5||-1.5-+2", "reference.high", "+2"),
        ("OBX|1|NM|1^A^L||5||>0.10", "reference.low", "0.10"),
        ("OBX|1|NM|1^A^L||5||<5", "reference.high", "5"),
        ("OBX|1|NM|1^A^L||5||12 à 16", "reference.text", "12 à 16"),
        ("OBX|1|TX|1^A^L||un\\.br\\deux", "text", "un\ndeux"),
        ("OBX|1|DT|1^A^L||20260401", "moment", "2026-04-01"),
        ("OBX|1|TS|1^A^L||20260302093000+0100", "moment", "2026-03-02T09:30:00+01:00"),
        ("OBX|1|NM|1^A^L||5||||||C", "status", "corrected"),
        ("OBX|1|ST|1^A^L|2.1|x", "sub_id", "2.1"),
    ],
)
def test_a_value_is_read_by_its_type(row: str, field: str, expected: str) -> None:
    value: object = one(row)
    for name in field.split("."):
        value = getattr(value, name)
    assert value == expected


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("H", Concept(code="H", system=INTERPRETATION)),
        ("LL^Très bas^HL70078", Concept(code="LL", system=INTERPRETATION, display="Très bas")),
        ("X1", Concept(code="X1")),
        ("H^Haut^L", Concept(code="H", display="Haut", system="L")),
    ],
)
def test_an_interpretation_is_of_the_standard_s_codes_when_it_names_no_other(wire: str, expected: Concept) -> None:
    assert one(f"OBX|1|NM|1^A^L||5|||{wire}").interpretation == (expected,)


@pytest.mark.parametrize(
    ("order", "report", "expected"),
    [
        ("ORC|RE|P1|F1|||||||||9^DEMANDE", "OBR|1|||1^A^L", ("P1", "F1", "9")),
        ("ORC|RE|P1|F1|||||||||9^DEMANDE", "OBR|1|P2||1^A^L||||||||||||8^AUTRE", ("P2", "F1", "8")),
        ("ORC|RE", "OBR|1||F2|1^A^L", (None, "F2", None)),
    ],
)
def test_the_order_in_front_of_a_report_says_what_the_report_does_not(
    order: str, report: str, expected: tuple[str | None, str | None, str | None]
) -> None:
    [first, second] = read("OBR|1||F0|1^Z^L", "OBX|1|ST|1^A^L||x", order, report, "OBX|1|ST|1^A^L||y").reports
    number = second.requester.identifiers[0].value if second.requester else None
    assert (second.placer and second.placer.value, second.filler and second.filler.value, number) == expected
    assert (first.placer, first.requester) == (None, None)
    assert [len(each.observations) for each in (first, second)] == [1, 1]


def test_results_are_numbered_within_their_report() -> None:
    exchange = read("OBR|1||L1|1^A^L", "OBX|1|ST|1^A^L||x", "OBX|2|ST|1^A^L||y", "OBR|2||L2|1^B^L", "OBX|1|ST|1^A^L||z")
    raw = serialise(library().mapping("hl7/messages/ORU_R01").write(exchange, Run(context()))).decode()
    assert [row[:5] for row in raw.split("\r") if row.startswith(("OBR", "OBX"))] == [
        "OBR|1", "OBX|1", "OBX|2", "OBR|2", "OBX|1",
    ]  # fmt: skip


def test_who_interpreted_has_a_number_with_its_domain() -> None:
    report = read(
        "OBR|1||L1|1^A^L" + "|" * 28 + "10000023100&ESSAI&Claire&Anne&&DR&&&ASIP&1.2.250.1.71.4.2.1&ISO"
    ).reports[0]
    assert report.interpreter == Party(
        identifiers=(
            Identifier(value="10000023100", authority="ASIP", system="1.2.250.1.71.4.2.1", system_type="ISO"),
        ),
        name=HumanName(family="ESSAI", given=("Claire", "Anne"), prefix="DR"),
    )


def test_each_repetition_of_a_code_is_one() -> None:
    assert [each.code for each in one("OBX|1|CWE|1^A^L||1^A^SCT~2^B^SCT").coded] == ["1", "2"]


def test_comments_and_results_stand_under_what_they_follow() -> None:
    reports = read(
        "OBR|1||L1|1^A^L", "NTE|1||un", "OBX|1|ST|1^A^L||x", "NTE|1||deux", "OBR|2||L2|1^B^L", "OBX|1|ST|1^A^L||y"
    ).reports
    assert [each.notes for each in reports] == [("un",), ()]
    assert [[one.notes for one in each.observations] for each in reports] == [[("deux",)], [()]]


def test_segments_that_the_structure_does_not_name_end_no_report() -> None:
    report = read(
        "OBR|1||L1|1^A^L", "TQ1|1||||||||S", "OBX|1|ST|1^A^L||x", "ZXX|1", "NTE|1||deux", "OBX|2|ST|1^A^L||y"
    ).reports[0]
    assert [(each.text, each.notes) for each in report.observations] == [("x", ("deux",)), ("y", ())]


def test_children_of_children_are_nested_and_arranged() -> None:
    raw = (HEAD + "OBR|1\rOBX|1|ST\rNTE|1\rOBX|2|ST\rSPM|1\rORC|RE\rOBR|2\rNTE|1\rORC|RE\rZZZ|1\r").encode()
    message = parse(raw).value
    assert isinstance(message, Message)
    nested(message, STRUCTURE)
    assert [tree(each) for each in message.segments_at_top()[2:]] == [
        ("OBR", [("OBX", [("NTE", [])]), ("OBX", []), ("SPM", [])]), ("OBR", [("ORC", []), ("NTE", [])]),
        ("ZZZ", []), ("ORC", []),
    ]  # fmt: skip
    made = Message()
    order = made.add("OBR")
    for name in ("SPM", "OBX", "NTE"):
        child = Segment(name)
        child.put("x", 3)
        order.children.append(child)
    arranged(made, STRUCTURE)
    assert [each.name for each in order.children if isinstance(each, Segment)] == ["NTE", "OBX", "SPM"]


def tree(segment: object) -> tuple[str, list[object]]:
    assert isinstance(segment, Segment)
    return segment.name, [tree(each) for each in segment.children]


@pytest.mark.parametrize(
    ("value", "kind", "comparator", "number", "text"),
    [
        ("13.20", "NM", None, "13.20", None),
        ("<5", "SN", "<", "5", None),
        (">= 450.0", "SN", ">=", "450.0", None),
        ("positif", "TX", None, None, "positif"),
        ("1,5", "TX", None, None, "1,5"),
        ("5 à 10", "TX", None, None, "5 à 10"),
    ],
)
def test_what_laboratories_write_under_nm_is_a_number_or_a_text(
    value: str, kind: str, comparator: str | None, number: str | None, text: str | None
) -> None:
    report = numbers(Report(observations=(Observation(kind="NM", quantity=Quantity(value=value)),)))
    [found] = report.observations
    quantity = found.quantity
    assert (found.kind, found.text) == (kind, text)
    assert ((quantity.value, quantity.comparator) if quantity else (None, None)) == (number, comparator)
