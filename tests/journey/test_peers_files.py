"""What the business software finds in its folder, opened by others: poppler for the PDF, xmllint for the CDA."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from connector.demo import demo_document
from connector.exchange.moments import Moment
from tests.conftest import real_peers_required
from tests.journey.running_connector import COMMAND, PATIENT_VALUES, environment

pytestmark = pytest.mark.real


def tool(name: str) -> str:
    """A program of Debian; CI has it."""
    found = shutil.which(name)
    if found is None:
        if real_peers_required():
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


def said(*command: object) -> str:
    return subprocess.run(
        list(map(str, command)), capture_output=True, check=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"}
    ).stdout.decode("utf-8")


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(the message of the demonstration, the folder that it became)."""
    folder = tmp_path_factory.mktemp("business")
    done = subprocess.run(
        [*COMMAND, "--json", "demo", "--once", "--mllp", "0", "--http", "0", "--data", "var"],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (found,) = [path.parent for path in (folder / "var" / "documents").glob("[!.]*/document.xml")]
    return folder / "var" / "demo.hl7", found


def test_poppler_opens_the_pdf_with_its_accents(sent: tuple[Path, Path]) -> None:
    pdf = sent[1] / "body.pdf"
    told = dict(re.findall(r"^([^:\n]+):\s*(.*)$", said(tool("pdfinfo"), pdf), re.MULTILINE))
    assert told["Pages"] == "1"
    assert "A4" in told["Page size"]
    assert told["Encrypted"] == "no"
    text = said(tool("pdftotext"), "-layout", pdf, "-")
    for words in (
        "Lettre de liaison à la sortie",
        "Chère consœur",
        "née le 28/03/1979 à MEILHAUD",
        "à l'issue du séjour",
    ):
        assert words in text
    assert "\ufffd" not in text


def test_poppler_finds_nothing_wrong_in_the_pdf(sent: tuple[Path, Path]) -> None:
    done = subprocess.run([tool("pdftotext"), sent[1] / "body.pdf", "-"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr == ""


def test_the_cda_is_well_formed_and_has_the_bytes_that_were_sent(sent: tuple[Path, Path]) -> None:
    message, folder = sent
    document = (folder / "document.xml").read_bytes()
    said(tool("xmllint"), "--nonet", "--noout", "--huge", folder / "document.xml")
    # OBX-5.5 of the message, taken apart without anything of ours.
    field = next(line for line in message.read_bytes().split(b"\r") if line.startswith(b"OBX|1|ED|")).split(b"|")[5]
    carried = base64.b64decode(field.split(b"^")[4], validate=True)
    assert hashlib.sha256(document).hexdigest() == hashlib.sha256(carried).hexdigest()
    index = json.loads((folder / "index.json").read_bytes())
    listed = {each["name"]: each["sha256"] for each in index["files"]}
    assert listed["document.xml"] == hashlib.sha256(carried).hexdigest()
    assert listed["body.pdf"] == hashlib.sha256((folder / "body.pdf").read_bytes()).hexdigest()


def test_the_body_is_the_one_that_an_xml_reader_of_others_finds_in_the_cda(sent: tuple[Path, Path]) -> None:
    tree = etree.parse(
        sent[1] / "document.xml", etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    )
    (body,) = tree.findall(".//{urn:hl7-org:v3}nonXMLBody/{urn:hl7-org:v3}text")
    assert base64.b64decode(body.text) == (sent[1] / "body.pdf").read_bytes()
    title = said(
        tool("xmllint"),
        "--nonet",
        "--xpath",
        "string(//*[local-name()='ClinicalDocument']/*[local-name()='title'])",
        sent[1] / "document.xml",
    )
    assert title.strip()


def test_names_of_folders_and_files_hold_no_value_of_the_patient(sent: tuple[Path, Path]) -> None:
    names = [str(path.relative_to(sent[1].parent)) for path in [sent[1], *sent[1].iterdir()]]
    assert not [name for name in names for value in PATIENT_VALUES if value in name]


def test_the_document_of_the_demonstration_is_read_by_xmllint_as_it_is_in_the_package(tmp_path: Path) -> None:
    path = tmp_path / "letter.xml"
    path.write_bytes(demo_document(Moment("2026-01-05T10:15:00+01:00"), "1.2.250.1.213.1.4.10.9.99.77"))
    where = "string(/*/*[local-name()='id']/@root)"
    assert said(tool("xmllint"), "--nonet", "--xpath", where, path).strip() == "1.2.250.1.213.1.4.10.9.99.77"
