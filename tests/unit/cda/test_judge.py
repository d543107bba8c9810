"""What we write, before the national judge: every kind of CDA of the golden cases. `ANS_CDA_JUDGE` names a checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connector.app.national import PROFILES, NationalJudge
from connector.issues import Severity

pytestmark = pytest.mark.slow
#: Cases whose point is to be incomplete, or given by somebody else.
_GIVEN = ("as-traffic-is",)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> NationalJudge:
    folder = os.environ.get("ANS_CDA_JUDGE")
    if not folder:
        pytest.skip("ANS_CDA_JUDGE does not name a checkout of ansforge/TestContenuCDA-3-0")
    pytest.importorskip("saxonche", reason="saxonche is not installed")
    return NationalJudge(Path(folder), tmp_path_factory.mktemp("judge"))


def test_what_the_golden_cases_write_has_no_error(judge: NationalJudge, root: Path) -> None:
    files = sorted((root / "tests" / "golden" / "cda").glob("*/out.cda.xml"))
    assert files
    told = {}
    for file in files:
        found = judge.judge(file.read_bytes(), ("xsd", *PROFILES))
        errors = [f"{each.place} {each.text()}" for each in found if each.severity >= Severity.WARNING]
        if errors and not any(word in file.parent.name for word in _GIVEN):
            told[file.parent.name] = errors
    assert told == {}
