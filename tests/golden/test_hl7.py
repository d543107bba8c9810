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
