"""The measures of the house: floors, sizes, public names, words that may not stand in the tree."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import connector

MODULES = sorted(module.name for module in pkgutil.walk_packages(connector.__path__, "connector."))
TABLES_OF_DATA = {"connector/issues.py"}  # a table with one line an issue code


def tracked(root: Path, *patterns: str) -> list[Path]:
    """The files that belong to the project; in an unpacked archive without git, all of them."""
    found = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=root, capture_output=True, check=False)
    if found.returncode:
        return [
            path
            for pattern in patterns
            for path in root.rglob(pattern)
            if not {".venv", "var", ".git"} & set(path.parts)
        ]
    return [root / name for name in found.stdout.decode().split("\0") if name and (root / name).exists()]


def test_import_contracts_hold(root: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_broken_floor_is_found(root: Path, tmp_path: Path) -> None:
    """The contracts are not vacuous: the same contracts over a package whose core opens a socket fail."""
    package = tmp_path / "connector"
    for source in tracked(root, "connector/*.py"):
        target = tmp_path / source.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((root / "pyproject.toml").read_bytes())
    (package / "issues.py").write_text(
        (package / "issues.py").read_text() + "\nimport socket\nimport connector.exchange.model\n"
    )
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode != 0
    assert "The core is pure BROKEN" in done.stdout
    assert "Layers: high may import low, never the reverse BROKEN" in done.stdout


def test_modules_stay_small(root: Path) -> None:
    long = {
        str(path.relative_to(root)): lines
        for path in tracked(root, "connector/*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert set(long) <= TABLES_OF_DATA, f"divide along a noun of the specification: {long}"


@pytest.mark.parametrize("name", MODULES)
def test_module_says_what_it_is(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert ast.get_docstring(ast.parse(Path(spec.origin).read_text())), f"{name} has no docstring"


def test_public_names_are_documented(root: Path) -> None:
    missing = []
    for path in tracked(root, "connector/*.py"):
        tree = ast.parse(path.read_text())
        missing += [
            f"{path.relative_to(root)}:{node.lineno} {node.name}"
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(
    "forbidden",
    [
        r"\bTODO\b|\bFIXME\b|\bXXX\b|NotImplementedError|# type: ignore($|[^\[])",
    ],
)
def test_no_loose_ends_in_the_code(root: Path, forbidden: str) -> None:
    pattern = re.compile(forbidden)
    found = [
        f"{path.relative_to(root)}:{number}"
        for path in tracked(root, "connector/*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found


def test_links_between_documents_resolve(root: Path) -> None:
    broken = []
    for path in tracked(root, "*.md"):
        targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", path.read_text())
        broken += [f"{path.relative_to(root)} -> {target}" for target in targets if not (path.parent / target).exists()]
    assert not broken, "\n".join(broken)


def test_every_ignored_lint_rule_has_its_reason(root: Path) -> None:
    without = [
        f"{path.relative_to(root)}:{number}"
        for path in tracked(root, "connector/*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"# noqa: [A-Z0-9, ]+$|# noqa$", line.rstrip())
    ]
    assert not without, f"say why after the code: {without}"
