"""What the golden journeys are made with: the shipped mappings, a fixed Context, the files of a case, and changes of one source place."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from connector import terminology
from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.fhir.codec import dump_pretty, load
from connector.issues import Issue, Outcome
from connector.mapping.catalogue import load_library
from connector.pipeline.explain import Explanation, explain
from connector.pipeline.formats import SHAPES, exchange_bytes
from connector.pipeline.translate import Reading, Translator

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "journeys"

#: The input of a case by the format it is in; a case has one.
INPUTS = {"in.hl7": "hl7", "in.cda.xml": "cda", "in.fhir.json": "fhir"}
OUTPUTS = {"out.bundle.json": "fhir", "out.hl7": "hl7", "out.cda.xml": "cda"}


class Case(NamedTuple):
    """A folder of tests/golden/journeys."""

    folder: Path
    source: Path
    format: str

    @property
    def raw(self) -> bytes:
        """The bytes that arrive."""
        return self.source.read_bytes()


def cases(folder: Path = FOLDER) -> list[Case]:
    """Every case of a folder."""
    found = sorted(path for name in INPUTS for path in folder.glob(f"*/{name}"))
    return [Case(path.parent, path, INPUTS[path.name]) for path in found]


@cache
def tables() -> terminology.Tables:
    """The shipped tables."""
    return terminology.load({path.name: path.read_text("utf-8") for path in (ROOT / "terminology").glob("*.csv")})


@cache
def translator(mappings: Path = ROOT / "mappings") -> Translator:
    """The mappings of a folder, compiled once."""
    files = {
        f"mappings/{path.relative_to(mappings).as_posix()}": path.read_text("utf-8")
        for path in sorted(mappings.rglob("*.yaml"))
    }
    return Translator(load_library(files, SHAPES, tables()))


@cache
def context() -> Context:
    """A test environment at a fixed moment."""
    now = Moment("2026-01-15T10:00:00+01:00")
    return Context(now=now, table=tables().table, systems=tables().systems)


def told(issues: tuple[Issue, ...], way: str) -> str:
    """Issues, one a line."""
    return "".join(f"{way} {i.severity.name} {i.code} {i.place}: {i.text('en')}\n" for i in issues)


def read(case: Case, translate: Translator | None = None) -> Reading:
    """The case read."""
    return (translate or translator()).read(case.raw, case.format, context())


def written(reading: Reading, translate: Translator | None = None) -> dict[str, Outcome[bytes]]:
    """What is written of it, by format. A case without a document has no CDA."""
    exchange = reading.exchange
    assert exchange is not None, reading.issues
    used = translate or translator()
    formats = [name for name in OUTPUTS.values() if name != "cda" or exchange.documents]
    return {name: used.write(exchange, name, context()) for name in formats}


def explained(case: Case, target: str, translate: Translator | None = None) -> Explanation:
    """The case explained to a format."""
    outcome = explain(translate or translator(), case.raw, case.format, target, context())
    assert outcome.value is not None, outcome.issues
    return outcome.value


def expected_files(case: Case, translate: Translator | None = None) -> Iterator[tuple[str, bytes | None]]:
    """What the files of a case hold; None for one that must not be there."""
    reading = read(case, translate)
    assert reading.exchange is not None, reading.issues
    yield "exchange.json", exchange_bytes(reading.exchange)
    outputs = written(reading, translate)
    for name, format_name in OUTPUTS.items():
        outcome = outputs.get(format_name)
        value = outcome.value if outcome is not None else None
        yield name, _pretty(value) if name == "out.bundle.json" and value is not None else value
    lines = [told(reading.issues, "read")]
    lines += [told(outcome.issues, f"write {name}") for name, outcome in outputs.items()]
    yield "issues.txt", "".join(lines).encode()
    explanation = explained(case, "exchange", translate)
    places = [f"{place}\n" for place in explanation.trace.unused]
    places += [f"{place} (carried)\n" for place in explanation.carried]
    yield "unread.txt", "".join(places).encode()


def _pretty(bundle: bytes) -> bytes:
    tree = load(bundle).value
    assert tree is not None
    return dump_pretty(tree)
