"""What every test may ask for: the sample corpus, a fixed Context, and the rule that a real peer may not be skipped in CI."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from connector.app.national import NationalJudge

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# Everybody tries the same examples, so that a change is judged by its own faults; `make explore` draws new ones.
settings.register_profile("same", derandomize=True)
if not os.environ.get("EXPLORE"):
    settings.load_profile("same")


def real_peers_required() -> bool:
    """CI sets REQUIRE_REAL=1: then what needs a real peer fails instead of skipping."""
    return os.environ.get("REQUIRE_REAL") == "1"


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The corpus and reference data that stand beside the project; absent on a user's machine."""
    if not SHARED.is_dir():
        pytest.skip("the shared corpus is not present beside the project")
    return SHARED


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` rewrites what golden cases expect; read the difference as if it were code."""
    parser.addoption(
        "--update-golden", action="store_true", default=False, help="rewrite the expected files of golden cases"
    )


@pytest.fixture(scope="session")
def national_judge(tmp_path_factory: pytest.TempPathFactory) -> NationalJudge:
    """The judge of the checkout of ansforge/TestContenuCDA-3-0 that `ANS_CDA_JUDGE` names; its schematrons are compiled once for the session."""
    folder = os.environ.get("ANS_CDA_JUDGE")
    if not folder:
        pytest.skip(
            "ANS_CDA_JUDGE does not name a checkout of ansforge/TestContenuCDA-3-0: the national judge did not run"
        )
    pytest.importorskip("saxonche", reason="saxonche is not installed: the national judge did not run")
    from connector.app.national import NationalJudge

    return NationalJudge(Path(folder), tmp_path_factory.mktemp("national"))
