"""What we write, before the national judge: the CDA schema and the header schematron of ansforge/TestContenuCDA-3-0.

`ANS_CDA_JUDGE` names a checkout (or working copy) of that repository. The schematron is run when `saxonche` is installed and its compiled
form (`*.xsl`) stands beside the `.sch`; nothing of it is part of this project.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lxml import etree

from connector.demo import demo_document
from connector.exchange.moments import Moment

SVRL = "{http://purl.oclc.org/dsdl/svrl}"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def judge() -> Path:
    folder = os.environ.get("ANS_CDA_JUDGE")
    if not folder:
        pytest.skip("ANS_CDA_JUDGE does not name a checkout of ansforge/TestContenuCDA-3-0")
    return Path(folder)


@pytest.fixture(scope="module")
def written(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The demonstration's document and the golden ones that are complete."""
    demo = tmp_path_factory.mktemp("judge") / "demo.xml"
    demo.write_bytes(demo_document(Moment("2026-03-04T05:06:07+01:00"), "2.25.42"))
    golden = root / "tests" / "golden" / "cda"
    return [demo, *(golden / case / "out.cda.xml" for case in ("n1-minimal", "n1-everything"))]


def test_what_we_write_is_valid_against_the_schema(judge: Path, written: list[Path]) -> None:
    schema = etree.XMLSchema(etree.parse(judge / "infrastructure" / "cda" / "CDA_extended.xsd"))
    for file in written:
        schema.validate(etree.parse(file))
        assert [error.message for error in schema.error_log] == [], file.name


def test_what_we_write_has_no_error_in_the_header_schematron(judge: Path, written: list[Path]) -> None:
    saxon = pytest.importorskip("saxonche", reason="saxonche is not installed")
    compiled = sorted((judge / "schematrons" / "profils" / "structurationMinimale").glob("*.xsl"))
    if not compiled:
        pytest.skip("the header schematron is not compiled beside its source")
    with saxon.PySaxonProcessor(license=False) as processor:
        sheet = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(compiled[-1]))
        for file in written:
            report = etree.fromstring(sheet.transform_to_string(source_file=str(file)).encode())
            failed = [
                each
                for each in report.iter(SVRL + "failed-assert")
                if not (each.get("role") or "error").startswith("warn")
            ]
            assert [each.get("location") for each in failed] == [], file.name
