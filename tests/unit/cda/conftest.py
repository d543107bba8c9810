"""The compiled CDA mappings and a run, for the tests of documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector import terminology
from connector.cda.shape import SHAPE
from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.mapping.catalogue import Library, load_library
from connector.mapping.language import Run


@pytest.fixture(scope="session")
def tables(root: Path) -> terminology.Tables:
    return terminology.load(
        {f"terminology/{path.name}": path.read_text() for path in (root / "terminology").glob("*.csv")}
    )


@pytest.fixture(scope="session")
def library(root: Path, tables: terminology.Tables) -> Library:
    files = {str(path.relative_to(root)): path.read_text() for path in (root / "mappings" / "cda").rglob("*.yaml")}
    return load_library(files, {"cda": SHAPE}, tables)


@pytest.fixture
def run(tables: terminology.Tables) -> Run:
    return Run(
        Context(now=Moment("2026-03-04T05:06:07+01:00"), table=tables.table, systems=tables.systems), explain=True
    )
