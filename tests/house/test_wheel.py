"""The wheel alone: built without network, unpacked, run from elsewhere with the mappings and tables that it brings."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import real_peers_required

GOLDEN = "tests/golden/journeys/mdm-t02-complete-header/in.hl7"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """The wheel, made of this checkout."""
    if importlib.util.find_spec("hatchling") is None or importlib.util.find_spec("pip") is None:
        if real_peers_required():
            pytest.fail("hatchling and pip are needed to build the wheel")
        pytest.skip("hatchling or pip is not installed, and nothing is fetched to build the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--wheel-dir", folder, root],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it holds, outside the checkout."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(unpacked: Path, code: str, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with the unpacked wheel in front of whatever is installed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "LC_", "LANG"))}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=kept | {"PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def console(unpacked: Path) -> str:
    """Code that does what the installed command does: the entry point as the wheel's metadata names it."""
    (entries,) = unpacked.glob("*.dist-info/entry_points.txt")
    (line,) = [line for line in entries.read_text().splitlines() if line.startswith("connector =")]
    module, _, function = line.partition("=")[2].strip().partition(":")
    return f"from {module} import {function}; {function}()"


def test_it_holds_every_module_mapping_and_table_and_nothing_of_the_tests(unpacked: Path, root: Path) -> None:
    def files(folder: Path, pattern: str) -> set[str]:
        return {path.relative_to(folder).as_posix() for path in folder.rglob(pattern)}

    shipped = unpacked / "connector" / "_shipped"
    assert files(shipped / "mappings", "*.yaml") == files(root / "mappings", "*.yaml")
    assert files(shipped / "terminology", "*.csv") == files(root / "terminology", "*.csv")
    assert files(unpacked / "connector", "*.py") == files(root / "connector", "*.py")
    assert (unpacked / "connector" / "demo" / "letter.cda.xml").is_file()
    assert {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")} == {"connector"}
    assert list(unpacked.glob("*.dist-info/licenses/LICENSE"))


def test_it_converts_with_what_it_brings(unpacked: Path, root: Path, tmp_path: Path) -> None:
    where = run(
        unpacked,
        "import connector.settings.shipped as l; print(l.__file__, l.shipped('mappings'), l.shipped('terminology'), sep='\\n')",
        tmp_path,
    )
    assert where.returncode == 0, where.stderr
    assert all(Path(line).is_relative_to(unpacked) for line in where.stdout.split("\n") if line), where.stdout
    done = run(unpacked, console(unpacked), tmp_path, "convert", str(root / GOLDEN), "--to", "fhir")
    assert done.returncode == 0, done.stderr
    bundle = json.loads(done.stdout)
    kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert {"Patient", "DocumentReference", "Binary"} <= kinds
    checkout = run(root, console(unpacked), tmp_path, "convert", str(root / GOLDEN), "--to", "fhir")
    assert done.stdout == checkout.stdout


def test_without_its_tables_it_would_not(unpacked: Path, root: Path, tmp_path: Path) -> None:
    """The conversion really uses what the wheel brings: with the tables taken away it fails."""
    hidden = unpacked / "connector" / "_shipped"
    aside = hidden.with_name("_aside")
    hidden.rename(aside)
    try:
        done = run(unpacked, console(unpacked), tmp_path, "convert", str(root / GOLDEN), "--to", "fhir")
    finally:
        aside.rename(hidden)
    assert done.returncode != 0
