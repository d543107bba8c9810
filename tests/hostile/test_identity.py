"""J, what needs another site than the one of the journey: production, and a platform that fills in what HL7 v2 does not carry."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from connector.exchange.model import Context
from connector.issues import Severity
from connector.mapping.language import Run
from connector.pipeline.authors import SETTING
from connector.pipeline.formats import FORMATS
from tests.hostile.harness import NOW, adt, context_at, edited, mdm, translator


def site(environment: str = "production", **options: str) -> Context:
    return replace(context_at(NOW), environment=environment, options={"processing_id": "tolerant", **options})


def errors(message: bytes, context: Context) -> list[str]:
    found = translator().read(message, "hl7", context).issues
    return [issue.code for issue in found if issue.severity >= Severity.ERROR]


@pytest.mark.parametrize("oid", ["1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"])
def test_j01_a_test_ins_in_production_is_refused(oid: str) -> None:
    message = edited(adt("1"), ("1.2.250.1.213.1.4.10&ISO^INS", f"{oid}&ISO^INS"))
    assert errors(message, site()) == ["INS_ENVIRONMENT"]


def test_j12_an_author_without_specialty_gets_the_sites_and_it_is_told() -> None:
    reading = translator().read(mdm("1"), "hl7", site("test"))
    assert reading.exchange is not None
    document = reading.exchange.documents[0]
    bare = replace(
        reading.exchange,
        documents=(replace(document, authors=tuple(replace(each, specialty=None) for each in document.authors)),),
    )
    run = Run(site("test", author_specialty="G15_10/SM26"), explain=True)
    bundle = json.dumps(translator().write_tree(bare, FORMATS["fhir"], run), default=str)
    assert "G15_10/SM26" in bundle
    told = [place for place, sources, by in run.derivations or () if by == SETTING and not sources]
    assert told == [f"documents[1].authors[{n}].specialty" for n in range(1, len(document.authors) + 1)]


def test_j12_nothing_is_invented_without_the_setting() -> None:
    reading = translator().read(mdm("1"), "hl7", site("test"))
    assert reading.exchange is not None
    run = Run(site("test"), explain=True)
    translator().write_tree(reading.exchange, FORMATS["fhir"], run)
    assert [by for _, _, by in run.derivations or () if by == SETTING] == []


def test_j14_a_test_patient_in_production_is_refused_by_name_whatever_the_oid() -> None:
    real = edited(adt("1"), ("1.2.250.1.213.1.4.10&ISO^INS", "1.2.250.1.213.1.4.8&ISO^INS"), ("CANARI", "Pat-Trois"))
    assert errors(real, site(test_names="PAT-UN\nPAT-TROIS")) == ["TEST_PATIENT"]
    assert errors(real, site(test_names="PAT-UN")) == []
    assert errors(real, site("test", test_names="PAT-TROIS")) == ["INS_ENVIRONMENT"]
