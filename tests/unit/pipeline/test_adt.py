"""ADT of PAM.fr: the DMP and the consents of ZFA as the published samples say them, merges, and what tolerated events are."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.exchange.people import DmpConsent
from connector.issues import Severity
from connector.mapping.language import Run
from connector.pipeline.formats import FORMATS
from tests.golden.journeys_kit import context, translator
from tests.hostile.cases_identity import IPP, merging
from tests.hostile.harness import adt, edited

SAMPLES = {
    "NonConsentementConsultation_NonOpposition": ("not-opposed", "refused"),
    "_ConsentementConsultation_NonOpposition": ("not-opposed", "consented"),
    "NonConsentementConsultation_Opposition": ("opposed", "refused"),
    "NonRecueillieConsentementConsultation_NonOpposition": ("not-opposed", "not-collected"),
    "NonRecueillieConsentementConsultation_NonRecueillie": ("not-collected", "not-collected"),
}


@pytest.mark.shared
@pytest.mark.parametrize(("name", "said"), SAMPLES.items())
def test_the_published_samples_say_what_the_patient_chose(name: str, said: tuple[str, str], shared: Path) -> None:
    found = [path for path in (shared / "corpus" / "hl7v2").glob("*Consentement_DMP*") if f"{name}" in path.name]
    assert len(found) == 1
    reading = translator().read(found[0].read_bytes(), "hl7", context(), rules=False)
    assert [issue.code for issue in reading.issues if issue.severity >= Severity.ERROR] == []
    assert reading.exchange is not None
    assert reading.exchange.patient is not None
    dmp = reading.exchange.patient.dmp
    assert dmp is not None
    assert (dmp.feeding, dmp.consultation) == said


@pytest.mark.parametrize("event", ["A01", "A03", "A04", "A08", "A28", "A31"])
def test_every_event_of_identity_and_stay_reads_the_dmp_and_writes_it_back(event: str) -> None:
    message = edited(
        adt("1", more="ZFA|FERME|20250101|20250601||||||IO|20250102|INC|20250103\r"),
        ("ADT^A01^ADT_A01", f"ADT^{event}^ADT_A01"),
    )
    reading = translator().read(message, "hl7", context())
    assert reading.accepted, reading.issues
    assert reading.exchange is not None
    assert reading.exchange.patient is not None
    assert reading.exchange.patient.dmp == DmpConsent(
        status="closed", status_date="2025-01-01", closed_at="2025-06-01", feeding="opposed",
        feeding_date="2025-01-02", consultation="refused", consultation_date="2025-01-03",
    )  # fmt: skip
    written = translator().write_tree(reading.exchange, FORMATS["hl7"], Run(context()))
    assert "ZFA|FERME|20250101|20250601||||||IO|20250102|INC|20250103" in FORMATS["hl7"].serialise(written).decode()


def test_a_choice_that_pam_does_not_know_is_refused_and_never_guessed() -> None:
    reading = translator().read(adt("1", more="ZFA|ACTIF||||||||XX\r"), "hl7", context())
    assert not reading.accepted
    assert ("MAP_UNKNOWN_CODE", "ZFA[1]-9") in [(issue.code, issue.place.path) for issue in reading.issues]


@pytest.mark.parametrize("event", ["A40", "A47"])
def test_a_merge_says_who_stays_and_whom_he_was_known_as(event: str) -> None:
    reading = translator().read(merging(event, IPP), "hl7", context())
    assert reading.exchange is not None
    assert reading.exchange.prior is not None
    assert [each.value for each in reading.exchange.prior.identifiers] == ["DEMO-0042"]
    assert reading.exchange.patient is not None
    assert [each.value for each in reading.exchange.patient.identifiers] == ["279035121518989", "NEW-7"]
