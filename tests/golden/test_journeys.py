"""Golden journeys: `journeys/<case>/`, one thing that arrives and all that the connector makes of it.

in.hl7, in.cda.xml or in.fhir.json; exchange.json, out.bundle.json, out.hl7, out.cda.xml, issues.txt, unread.txt (with what a document
carries unread inside its bytes), NOTE.md. `pytest --update-golden` rewrites them: read the difference as if it were code.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from connector.hl7.codec import parse
from connector.hl7.message import Segment
from connector.issues import Severity
from connector.mapping.leaves import value_leaves
from connector.pipeline.translate import Translator
from tests.golden.journeys_kit import ROOT, Case, cases, context, expected_files, read, translator, written

CASES = cases()


def check_files(case: Case, used: Translator, update: bool = False) -> None:
    """The files of a case hold what comes of it."""
    for name, content in expected_files(case, used):
        path = case.folder / name
        if update and content is not None:
            path.write_bytes(content)
        assert path.exists() == (content is not None), f"{case.folder.name}/{name}"
        assert content is None or path.read_bytes() == content, f"{case.folder.name}/{name}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.folder.name)
def test_what_comes_of_it_is_what_the_files_say(case: Case, request: pytest.FixtureRequest) -> None:
    assert (case.folder / "NOTE.md").read_text("utf-8").strip()
    check_files(case, translator(), request.config.getoption("--update-golden"))


# --- what holds for every case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.folder.name)
class TestWhatIsWritten:
    def test_a_second_run_makes_the_same_bytes_and_ids(self, case: Case) -> None:
        first, second = (written(read(case)) for _ in range(2))
        assert {name: one.value for name, one in first.items()} == {name: one.value for name, one in second.items()}

    def test_every_reference_of_the_bundle_is_an_entry_of_it(self, case: Case) -> None:
        bundle = json.loads(outputs(case)["fhir"])
        urls = [entry["fullUrl"] for entry in bundle["entry"]]
        assert len(urls) == len(set(urls))
        inside = {f"#{inner['id']}" for entry in bundle["entry"] for inner in entry["resource"].get("contained", ())}
        assert set(references(bundle)) <= {*urls, *inside}
        assert all(entry["fullUrl"] == f"urn:uuid:{entry['resource']['id']}" for entry in bundle["entry"])

    def test_the_bundle_is_valid_for_another_implementation_of_r4(self, case: Case) -> None:
        bundle = pytest.importorskip("fhir.resources.R4B.bundle")
        bundle.Bundle.model_validate_json(outputs(case)["fhir"])

    def test_another_parser_finds_the_same_segments_in_the_message(self, case: Case) -> None:
        hl7apy = pytest.importorskip("hl7apy.parser")
        raw = outputs(case)["hl7"].decode()
        ours = parse(outputs(case)["hl7"]).value
        assert ours is not None
        # PRT is pre-adopted from a later version (volet 1, §1.0): each segment is read by the version that has it.
        theirs = [
            hl7apy.parse_segment(line, version="2.7" if line.startswith("PRT") else ours.get("MSH-12"))
            for line in raw.split("\r")
            if line
        ]
        assert [segment.name for segment in theirs] == [segment.name for segment in ours.segments]
        filled = [len({field.name for field in segment.children if field.to_er7()}) for segment in theirs]
        assert filled == [fields_filled(segment) for segment in ours.segments]

    def test_the_message_that_was_written_is_accepted_by_ourselves(self, case: Case) -> None:
        again = translator().read(outputs(case)["hl7"], "hl7", context())
        told = {issue.code for issue in again.issues if issue.severity >= Severity.ERROR}
        # Where a document goes is said by whoever sends it on: neither a CDA nor a Bundle holds the ten directives of the volet.
        assert told <= ({"DIRECTIVE_MISSING"} if case.format != "hl7" else set()), again.issues

    def test_nothing_carries_the_source_along(self, case: Case) -> None:
        """No private extension, no Z segment but those of PAM.fr, no content that holds what came."""
        urls = set(extension_urls(json.loads(outputs(case)["fhir"])))
        assert all(url.startswith(PUBLIC) for url in urls), urls
        segments = {line[:3] for line in outputs(case)["hl7"].split(b"\r")}
        assert not any(name.startswith(b"Z") for name in segments - {b"ZFA"})
        marks = {"hl7": [b"MSH|"], "fhir": [b"resourceType"], "cda": []}[case.format]
        for name, raw in outputs(case).items():
            for content in (raw, *decoded(raw)):
                assert not any(mark in content for mark in marks if name != case.format), name
                assert name == case.format or case.format == "cda" or case.raw not in content

    @pytest.mark.parametrize("target", ["fhir", "hl7"])
    def test_what_was_written_reads_back_to_the_same_but_for_the_known_losses(self, case: Case, target: str) -> None:
        exchange = read(case).exchange
        again = translator().read(outputs(case)[target], target, context(), rules=False).exchange
        assert exchange is not None
        assert again is not None
        before, after = (dict(value_leaves(replace(each, envelope=None))) for each in (exchange, again))
        lost = {bare(place) for place in before if place not in after}
        changed = {bare(place) for place, value in before.items() if after.get(place, value) != value}
        known = LOSSES.get(f"{case.format}-{target}", frozenset()) | LOSSES.get(
            f"{case.folder.name}-{target}", frozenset()
        )
        assert {place for place in lost | changed if not place.startswith(tuple(known))} == set()


#: Who publishes the extensions that we write.
PUBLIC = (
    "http://hl7.org/fhir/",
    "https://profiles.ihe.net/ITI/MHD/",
    "https://hl7.fr/ig/fhir/core/",
    "https://interop.esante.gouv.fr/ig/fhir/pdsm/",
)

#: What a format has no place for, or says more exactly: fields of the Exchange, by source and target format or by case and target.
LOSSES: dict[str, frozenset[str]] = {
    "hl7-fhir": frozenset(
        {
            "patient.identifiers.system_type", "patient.account", "patient.identity_unknown", "patient.identity_attributes",
            "patient.dmp", "encounter.number.system_type", "encounter.responsible.identifiers.system_type", "encounter.participants.identifiers.system_type",
            # FHIR wants seconds and a zone
            "encounter.period", "documents.created",
            "orders", "documents.source_application", "sender.role", "sender.identifiers.system_type",
            "sender.organization.identifiers.system_type", "recipients.role", "recipients.identifiers.system_type", "reply_to",
            # what is to be done with a document is this connector's business; its visibility goes to its labels when it says yes
            "directives", "intent",
        }
    ),
    # the matricule leaves only with a qualified identity (INS/va1.53)
    "cda-fhir": frozenset({"patient.identifiers"}),
    # an HL7 v2 stay has no kind of facility: it is in the document's header
    "cda-hl7": frozenset({"encounter.facility_type"}),
    # the document is another one now: the CDA that holds it
    "fhir-hl7": frozenset({"documents.category", "documents.content"}),
    # the type of an OID is HL7's own word
    "teleexpertise-request-fhir": frozenset(
        {
            "recipients.organization.identifiers.system_type", "teleexpertise.expert.party.organization.identifiers.system_type",
            "teleexpertise.steps.by.identifiers.system_type", "teleexpertise.steps.by.organization.identifiers.system_type",
        }
    ),
    "mdm-plain-pdf-hl7": frozenset({"documents.content", "documents.signer.identifiers"}),
}  # fmt: skip


@cache
def outputs(case: Case) -> dict[str, bytes]:
    """What is written of a case, by format."""
    return {name: outcome.value for name, outcome in written(read(case)).items() if outcome.value is not None}


def bare(place: str) -> str:
    return re.sub(r"\[\d+\]", "", place)


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


def references(bundle: Any) -> Iterator[str]:
    for node in walk(bundle):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        if isinstance(node.get("attachment"), dict) and "url" in node["attachment"]:
            yield node["attachment"]["url"]


def extension_urls(bundle: Any) -> Iterator[str]:
    for node in walk(bundle):
        for each in node.get("extension", ()):
            # inside a complex extension the parts have names of their own
            if ":" in each["url"]:
                yield each["url"]


def decoded(raw: bytes) -> Iterator[bytes]:
    """Every base64 text inside, and those inside of these."""
    for found in re.findall(rb"[A-Za-z0-9+/]{40,}={0,2}", raw):
        content = base64.b64decode(found + b"=" * (-len(found) % 4))
        yield content
        yield from decoded(content)


def fields_filled(segment: Segment) -> int:
    """How many fields of a segment hold something (MSH-1 and MSH-2 included)."""
    return sum(
        any(repetition.filled() for repetition in segment.field(number)) for number in range(1, len(segment) + 1)
    )


# --- one place


def test_a_message_type_is_added_by_one_yaml_and_one_golden_folder(tmp_path: Path) -> None:
    mappings, folder = tmp_path / "mappings", tmp_path / "journeys"
    shutil.copytree(ROOT / "mappings", mappings)
    original = next(case for case in CASES if case.folder.name == "mdm-t04-deletion")
    added = folder / "mdm-t06-addendum"
    shutil.copytree(original.folder, added)
    message = original.raw.replace(b"MDM^T04^MDM_T02", b"MDM^T06^MDM_T02").replace(b"ORC|CA", b"ORC|NW")
    message = message.replace(b"|2.1^CISIS_CDA_HL7_V2", b"|")  # the volet has no such message
    (added / "in.hl7").write_bytes(message.replace(b"||||||D\r", b"||||||F\r", 1))
    (case,) = cases(folder)
    assert "EVENT" in [issue.code for issue in read(case).issues], "not known before"

    (mappings / "hl7" / "messages" / "MDM_T06.yaml").write_text(
        "# MDM^T06: an addendum to a document.\n"
        "mapping: hl7/messages/MDM_T06\n"
        "extends: hl7/messages/MDM_T02\n"
        "accepts: {type: MDM^T06}\n"
        "rules:\n"
        "  - {hl7: MSH-9.2, const: T06}\n"
    )
    used = translator(mappings)
    with pytest.raises(AssertionError):
        check_files(case, used)  # what the copied files say is of another message
    check_files(case, used, update=True)
    check_files(case, used)
    exchange = read(case, used).exchange
    assert exchange is not None
    assert (exchange.intent, len(exchange.documents)) == ("submit", 1)
    assert b"MDM^T06^MDM_T02" in (added / "out.hl7").read_bytes()
