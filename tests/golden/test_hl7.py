"""Golden cases of HL7 v2 mappings: `hl7/<mapping>/<case>/` with in.hl7 and what comes of it.

exchange.json (read), out.hl7 (written back from it), issues.txt, unread.txt, NOTE.md (which page of which specification).
`pytest --update-golden` rewrites them: read the difference as if it were code. Beside the files, what is always true is checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from connector import terminology
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment
from connector.hl7.codec import header, parse, serialise
from connector.hl7.message import Message
from connector.hl7.shape import Hl7Shape
from connector.hl7.structure import nested
from connector.issues import Issue, Severity
from connector.mapping.catalogue import Library, load_library
from connector.mapping.compile import Mapping
from connector.mapping.explain import Trace, explain_read
from connector.mapping.language import Run
from connector.mapping.leaves import value_leaves
from connector.mapping.vary import variants

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "hl7"
CASES = sorted(path.parent for path in FOLDER.glob("*/*/in.hl7"))
SHAPE = Hl7Shape()


class Converted(NamedTuple):
    """A case read, explained and written back."""

    mapping: Mapping
    tree: Message
    exchange: Exchange
    trace: Trace
    reading: list[Issue]
    writing: list[Issue]
    written: bytes


@cache
def tables() -> terminology.Tables:
    return terminology.load({path.name: path.read_text("utf-8") for path in (ROOT / "terminology").glob("*.csv")})


@cache
def library() -> Library:
    folder = ROOT / "mappings" / "hl7"
    files = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(folder.rglob("*.yaml"))}
    return load_library(files, {"hl7": SHAPE}, tables())


@cache
def context() -> Context:
    now = Moment("2026-01-15T10:00:00+01:00")
    return Context(now=now, table=tables().table, systems=tables().systems)


def tree_of(raw: bytes, mapping: Mapping) -> Message:
    outcome = parse(raw)
    assert outcome.value is not None, outcome.issues
    nested(outcome.value, mapping.spec.structure or "")
    return outcome.value


def mapping_of(raw: bytes) -> Mapping:
    head = header(raw)
    name = library().catalogue.find("hl7", f"{head.type}^{head.event}", head.version, head.profile)
    assert name is not None
    return library().mapping(name)


@cache
def converted(case: Path) -> Converted:
    raw = (case / "in.hl7").read_bytes()
    mapping = mapping_of(raw)
    tree = tree_of(raw, mapping)
    read, write = Run(context()), Run(context())
    exchange, trace = explain_read(mapping, tree, read)
    written = serialise(mapping.write(exchange, write))
    return Converted(mapping, tree, exchange, trace, read.issues, write.issues, written)


def told(issues: list[Issue], way: str) -> list[str]:
    return [f"{way} {issue.severity.name} {issue.code} {issue.place}: {issue.text('en')}\n" for issue in issues]


def expected_files(case: Path) -> Iterator[tuple[str, bytes]]:
    done = converted(case)
    yield "exchange.json", msgspec.json.format(msgspec.json.encode(done.exchange), indent=2) + b"\n"
    yield "out.hl7", done.written
    issues = told(done.reading, "read") + told(done.writing, "write")
    yield "issues.txt", "".join(issues).encode()
    yield "unread.txt", "".join(f"{place}\n" for place in done.trace.unused).encode()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
class TestCase:
    def test_what_comes_of_it_is_what_the_files_say(self, case: Path, request: pytest.FixtureRequest) -> None:
        assert case.parent.name == converted(case).mapping.name.rpartition("/")[2]
        assert (case / "NOTE.md").read_text("utf-8").strip()
        for name, content in expected_files(case):
            path = case / name
            if request.config.getoption("--update-golden"):
                path.write_bytes(content)
            assert path.read_bytes() == content, name

    def test_what_was_written_reads_back_to_the_same_exchange(self, case: Path) -> None:
        done = converted(case)
        again = done.mapping.read(tree_of(done.written, done.mapping), Run(context()))
        assert again == done.exchange

    def test_writing_twice_gives_the_same_bytes(self, case: Path) -> None:
        done = converted(case)
        assert serialise(done.mapping.write(done.exchange, Run(context()))) == done.written

    def test_explaining_reads_what_reading_reads(self, case: Path) -> None:
        done = converted(case)
        run = Run(context())
        assert done.mapping.read(done.tree, run) == done.exchange
        assert [issue.code for issue in run.issues] == [issue.code for issue in done.reading]

    def test_every_filled_place_is_used_or_listed_as_unread(self, case: Path) -> None:
        done = converted(case)
        filled = [place for place, _ in SHAPE.leaves(done.tree)]
        assert len(filled) == len(set(filled))
        assert set(filled) == set(done.trace.sources) | set(done.trace.unused)
        assert not set(done.trace.sources) & set(done.trace.unused)

    def test_changing_a_place_changes_exactly_what_explain_attributes_to_it(self, case: Path) -> None:
        done = converted(case)
        before = dict(value_leaves(done.exchange))
        wrong = []
        for place, text in SHAPE.leaves(done.tree):
            if place in done.trace.decides or place in done.trace.checks:
                continue
            changes = [changed(before, after) for after in outcomes(done, place, text) if after.keys() == before.keys()]
            attributed = done.trace.of(place)
            seen = frozenset().union(*changes)
            # What a terminology row gives (the system beside a code) changes only with codes of that table.
            rows = {output for output in attributed if done.trace.outputs[output].row is not None}
            if not seen <= attributed or (changes and not attributed - rows <= seen):
                wrong.append((place, sorted(attributed), sorted(seen)))
        assert wrong == []


def outcomes(done: Converted, place: str, text: str) -> Iterator[dict[str, Any]]:
    """The Exchange leaves after each of a few changes of one place that keep it readable."""
    for other in list(variants(text))[:2]:
        tree, _ = SHAPE.traced(done.tree, "", lambda old, where, other=other: other if place in where else str(old))
        run = Run(context())
        value = done.mapping.read(tree, run)
        if not any(issue.severity >= Severity.ERROR for issue in run.issues[len(done.reading) :]):
            yield dict(value_leaves(value))


def changed(before: dict[str, Any], after: dict[str, Any]) -> frozenset[str]:
    return frozenset(place for place, value in before.items() if after.get(place) != value)


def test_every_message_mapping_has_a_case() -> None:
    messages = {path.stem for path in (ROOT / "mappings" / "hl7" / "messages").glob("*.yaml")}
    assert {case.parent.name for case in CASES} == messages


@pytest.mark.shared
def test_every_official_message_is_read_and_written_back(shared: Path) -> None:
    """The samples of the ANS: their known faults are warnings, and nothing is lost between two readings."""
    files = sorted((shared / "corpus" / "hl7v2").glob("ans__*"))
    read = 0
    for path in files:
        raw = path.read_bytes()
        head = header(raw)
        if head.type not in {"MDM", "ORU", "ADT"}:
            continue
        mapping = mapping_of(raw)
        run, write = Run(context()), Run(context())
        exchange = mapping.read(tree_of(raw, mapping), run)
        assert not [issue for issue in run.issues if issue.severity >= Severity.ERROR], path.name
        assert exchange.intent is not None, path.name
        assert exchange.documents or head.type == "ADT", path.name
        written = serialise(mapping.write(exchange, write))
        assert not write.issues, path.name
        again = mapping.read(tree_of(written, mapping), Run(context()))
        same = {"profile": None, "profile_version": None}
        assert _bare(again, same) == _bare(exchange, same), path.name
        read += 1
    assert read >= 20


def _bare(exchange: Exchange, changes: dict[str, None]) -> Exchange:
    assert exchange.envelope is not None
    return msgspec.structs.replace(exchange, envelope=msgspec.structs.replace(exchange.envelope, **changes))


REPORT = FOLDER / "MDM_T02" / "report-to-dmp-and-professional" / "in.hl7"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"ORC|NW", b"ORC|RO", ("WARNING", "MAP_DISAGREES", "OBX[1]-11")),
        (b"||||||F\rPRT", b"||||||C\rPRT", ("WARNING", "MAP_DISAGREES", "OBX[1]-11")),
        (b"\rPID|", b"\rZID|", ("ERROR", "MAP_REQUIRED", "PID[1]")),
        (b"MSG-1001", b"", ("ERROR", "MAP_REQUIRED", "MSH[1]-10")),
        (b"|19790328|F", b"|19790230|F", ("ERROR", "MAP_DATA_TYPE", "PID[1]-7")),
        (b"|19790328|F", b"|19790328|Q", ("ERROR", "MAP_UNKNOWN_CODE", "PID[1]-8")),
        (b"^Base64^PD94", b"^Base64^P!94", ("ERROR", "DOCUMENT_ENCODING", "OBX[1]-5")),
        (b"^Base64^PD94", b"^Base65^PD94", ("ERROR", "MAP_DATA_TYPE", "OBX[1]-5")),
        (b"MetaDMPMSS||Y^^", b"MetaDMPMSS||O^^", ("ERROR", "MAP_UNKNOWN_CODE", "OBX[7]-5")),
        (b"18748-4^Compte rendu d'imagerie m\xc3\xa9dicale^LN||RIS", b"00000-0^X^LN||RIS", ("WARNING", "MAP_UNKNOWN_CODE", "OBX[1]-3")),
        (b"|||||AU|", b"|||||PA|", ("WARNING", "MAP_CONST", "TXA[1]-17")),
    ],
)  # fmt: skip
def test_trouble_is_said_with_its_place(old: bytes, new: bytes, expected: tuple[str, str, str]) -> None:
    raw = REPORT.read_bytes()
    assert old in raw
    changed_raw = raw.replace(old, new, 1)
    run = Run(context())
    mapping = mapping_of(raw)
    mapping.read(tree_of(changed_raw, mapping), run)
    found = [(issue.severity.name, issue.code, issue.place.path) for issue in run.issues]
    assert expected in found
    assert all(issue.place.rule for issue in run.issues)


def test_the_same_document_is_written_for_every_operation() -> None:
    """One Exchange, three messages: what says the operation follows the mapping, nothing else changes."""
    base = converted(REPORT.parent)
    for name, intent, event, control, status in (
        ("MDM_T02", "submit", "T02", "NW", "F"),
        ("MDM_T10", "replace", "T10", "RO", "C"),
        ("MDM_T04", "delete", "T04", "CA", "D"),
    ):
        document = msgspec.structs.replace(base.exchange.documents[0], status="final", replaces="1.2.3")
        exchange = msgspec.structs.replace(base.exchange, intent=intent, documents=(document,))
        run = Run(context())
        tree = library().mapping(f"hl7/messages/{name}").write(exchange, run)
        assert run.issues == []
        assert [tree.get(path) for path in ("MSH-9.2", "MSH-9.3", "ORC-1", "OBX-11", "OBX-2", "OBX[2]-2")] == [
            event, "MDM_T02", control, status, "ED", "CWE",
        ]  # fmt: skip


def test_an_exchange_from_elsewhere_becomes_a_message_of_the_volet() -> None:
    """Without an envelope, as it comes from FHIR: constants fill the header; what the caller must give is said to be missing."""
    base = converted(REPORT.parent).exchange
    run = Run(context())
    tree = library().mapping("hl7/messages/ORU_R01_document").write(msgspec.structs.replace(base, envelope=None), run)
    assert [issue.code for issue in run.issues] == ["MAP_REQUIRED"]
    assert [tree.get(f"MSH-{path}") for path in ("9", "9.2", "9.3", "12", "17", "18", "21.1", "21.2")] == [
        "ORU", "R01", "ORU_R01", "2.5", "FRA", "UNICODE UTF-8", "2.1", "CISIS_CDA_HL7_V2",
    ]  # fmt: skip
    assert tree.get("OBX-5.2") == "TEXT"
    assert tree.get("OBX[2]-2") == "CE"
