"""Explain across a message and the CDA inside it; that it is exact is tested place by place in tests/golden/test_journeys_explained.py."""

from __future__ import annotations

import pytest

from connector.issues import Issue, IssueCode, Severity
from connector.pipeline.explain import Explanation, explain
from connector.pipeline.places import MessagePlaces
from tests.golden.journeys_kit import FOLDER, context, translator

T10 = (FOLDER / "mdm-t10-replacement" / "in.hl7").read_bytes()
IN_CDA = "OBX[1]-5.5/ClinicalDocument"


def told(target: str, raw: bytes = T10, source: str | None = None) -> Explanation:
    outcome = explain(translator(), raw, source, target, context())
    assert outcome.value is not None, outcome.issues
    return outcome.value


def test_what_the_header_says_comes_from_its_own_places() -> None:
    outputs = told("fhir").trace.outputs
    title = outputs["DocumentReference[1].content[1].attachment.title"]
    assert title.sources == (f"{IN_CDA}/title",)
    assert any(rule.startswith("mappings/cda/header.yaml:") for rule in title.rules)
    assert any(rule.startswith("mappings/fhir/resources/DocumentReference.yaml:") for rule in title.rules)


def test_the_bytes_of_a_document_come_from_all_of_its_places() -> None:
    explanation = told("fhir")
    data = explanation.trace.outputs["DocumentReference[1].content[1].attachment.data"]
    assert set(explanation.carried) < set(data.sources)
    assert all(place.startswith(IN_CDA) for place in data.sources)


def test_what_the_message_repeats_is_compared_and_its_label_unread() -> None:
    trace = told("exchange").trace
    assert {"TXA[1]-12", "TXA[1]-13", "TXA[1]-4", "OBX[1]-3.1"} <= trace.checks.keys()
    assert "OBX[1]-3.2" in trace.unused
    assert "OBX[1]-5.5" not in {*trace.sources, *trace.unused}


def test_a_document_sent_on_as_a_cda_is_itself() -> None:
    trace = told("cda").trace
    assert trace.outputs["/ClinicalDocument/title"].sources == (f"{IN_CDA}/title",)
    assert all(place.startswith(f"{IN_CDA}") for origin in trace.outputs.values() for place in origin.sources)


def test_mappings_are_named_in_their_order_and_no_value_is_told() -> None:
    explanation = told("fhir")
    assert explanation.mappings == ("hl7/messages/MDM_T10", "cda/header", "fhir/bundles/document")
    assert (explanation.source_format, explanation.target_format) == ("hl7", "fhir")
    assert "PAT-TROIS" not in repr(explanation)


@pytest.mark.parametrize("raw", [b"", b"%PDF-1.4", b"MSH|^~\\&|A", T10.replace(b"MDM^T10", b"MDM^T77", 1)])
def test_what_cannot_be_read_is_not_explained(raw: bytes) -> None:
    outcome = explain(translator(), raw, None, "fhir", context())
    assert outcome.value is None
    assert outcome.issues


@pytest.mark.parametrize(("target", "place"), [("fhir", "DocumentReference[1].id"), ("hl7", "OBX[1]-3.1")])
def test_an_exchange_is_explained_from_its_own_fields(target: str, place: str) -> None:
    raw = (FOLDER.parent / "exchanges" / "document" / "exchange.json").read_bytes()
    outputs = told(target, raw).trace.outputs
    assert outputs[place].sources[0].startswith("documents[1].")
    assert set(told("exchange", raw).trace.outputs) >= {"sharing.regional_record", "recipients[2].mssante"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("patient.identifiers[1].value", "PID[1]-3"),
        ("patient.identifiers[2].value", "PID[1]-3[2]"),
        ("patient.nothing", "PID[1]"),
        ("envelope.processing", "MSH[1]-11"),
        ("documents[1].created", "TXA[1]-4"),
        ("documents[1].content/ClinicalDocument/title", "OBX[1]-5/ClinicalDocument/title"),
        ("documents[1].type", "OBX[1]-3"),
        ("documents[3].content", "OBX"),
        ("directives.to_dmp", "OBX[7]-5"),
        ("directives.mail_to_patient", "OBX"),
        ("recipients[2]", "PRT[3]"),
        ("sender", "PRT[1]"),
        ("reply_to[1].mssante", "PRT[4]"),
        ("recipients", "PRT[2]"),
        ("intent", "ORC[1]-1"),
        ("PID[1]-8", "PID[1]-8"),
        ("/ClinicalDocument/title", "/ClinicalDocument/title"),
        ("", ""),
    ],
)
def test_a_rule_s_place_becomes_the_sender_s_field(path: str, expected: str) -> None:
    message = (FOLDER / "mdm-t02-complete-header" / "in.hl7").read_bytes()
    tree = translator().read(message, "hl7", context()).tree
    issue = Issue.of(Severity.ERROR, IssueCode.FIELD_VALUE, path)
    assert MessagePlaces(tree).of(issue).place.path == expected
