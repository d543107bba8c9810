"""Golden cases of HPRIM Médecin: `hprim/<case>/in.hpr`, the Exchange that it becomes, the letter that is written of it again.

exchange.json, out.hpr, issues.txt, unread.txt, NOTE.md. `pytest --update-golden` rewrites them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.hprim.codec import parse
from connector.hprim.shape import SHAPE
from connector.issues import Severity
from connector.mapping.language import Run
from connector.mapping.leaves import value_leaves
from connector.pipeline.explain import explain
from connector.pipeline.formats import exchange_bytes
from tests.golden.journeys_kit import context, told, translator
from tests.property.metamorphic import check_explain, other_texts

CASES = sorted(path.parent for path in (Path(__file__).parent / "hprim").glob("*/in.hpr"))


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    assert (folder / "NOTE.md").is_file()
    return folder


def test_what_comes_of_a_letter_is_what_the_files_say(case: Path, request: pytest.FixtureRequest) -> None:
    raw = (case / "in.hpr").read_bytes()
    reading = translator().read(raw, "hprim", context())
    assert reading.exchange is not None
    written = translator().write(reading.exchange, "hprim", context())
    assert written.value is not None
    explained = explain(translator(), raw, "hprim", "exchange", context()).value
    assert explained is not None
    files = {
        "exchange.json": exchange_bytes(reading.exchange),
        "out.hpr": written.value,
        "issues.txt": (told(reading.issues, "read") + told(written.issues, "write")).encode(),
        "unread.txt": "".join(f"{place}\n" for place in explained.trace.unused).encode(),
    }
    for name, content in files.items():
        if request.config.getoption("--update-golden"):
            (case / name).write_bytes(content)
        assert (case / name).read_bytes() == content, name


def test_what_was_written_is_read_as_the_same_but_for_the_number_that_is_not_qualified(case: Path) -> None:
    first = translator().read((case / "in.hpr").read_bytes(), "hprim", context()).exchange
    assert first is not None
    written = translator().write(first, "hprim", context())
    assert written.value is not None
    again = translator().read(written.value, "hprim", context()).exchange
    assert again is not None
    before, after = (
        {
            place: value
            for place, value in value_leaves(exchange)
            if ".content." not in place and ".identifiers[2]" not in place
        }
        for exchange in (first, again)
    )
    assert after == before


def test_every_letter_becomes_fhir(case: Path) -> None:
    outcome = translator().convert((case / "in.hpr").read_bytes(), "hprim", "fhir", context())
    assert outcome.accepted, outcome.issues


def other(place: str, text: str) -> list[str]:
    """Dates stay dates, codes of a type stay codes."""
    if place in ("L7", "L10") or place.endswith("date"):
        return [text.replace("01", "02", 1) if "01" in text else text.replace("28", "27", 1)]
    if place.endswith("/3"):
        return ["A" if text == "N" else "N"]
    return list(other_texts(place, text))


def test_the_explanation_is_true_when_each_leaf_is_changed(case: Path) -> None:
    tree = parse((case / "in.hpr").read_bytes()).value
    assert tree is not None
    mapping = translator().mappings.mapping("hprim/medecin")
    trace = check_explain(mapping, None, tree, lambda: Run(context()), other)
    assert {place for place, _ in SHAPE.leaves(tree)} >= set(trace.unused)


def test_no_issue_of_these_cases_refuses() -> None:
    for folder in CASES:
        reading = translator().read((folder / "in.hpr").read_bytes(), "hprim", context())
        assert all(issue.severity < Severity.ERROR for issue in reading.issues)
