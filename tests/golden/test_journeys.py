"""Golden journeys: `journeys/<case>/`, one thing that arrives and all that the connector makes of it.

in.hl7, in.cda.xml or in.fhir.json; exchange.json, out.bundle.json, out.hl7, out.cda.xml, issues.txt, unread.txt (with what a document
carries unread inside its bytes), NOTE.md. `pytest --update-golden` rewrites them: read the difference as if it were code.
"""

from __future__ import annotations

import pytest

from tests.golden.journeys_kit import Case, cases, expected_files, translator

CASES = cases()


def check_files(case: Case, update: bool = False) -> None:
    """The files of a case hold what comes of it."""
    used = translator()
    for name, content in expected_files(case, used):
        path = case.folder / name
        if update and content is not None:
            path.write_bytes(content)
        assert path.exists() == (content is not None), f"{case.folder.name}/{name}"
        assert content is None or path.read_bytes() == content, f"{case.folder.name}/{name}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.folder.name)
def test_what_comes_of_it_is_what_the_files_say(case: Case, request: pytest.FixtureRequest) -> None:
    assert (case.folder / "NOTE.md").read_text("utf-8").strip()
    check_files(case, request.config.getoption("--update-golden"))
