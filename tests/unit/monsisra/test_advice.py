"""The decision page of the guides as a table: correspondents and content → mode, why, and what keeps « ENVOYER » grey."""

from __future__ import annotations

from typing import Any

import pytest

from connector.monsisra.advice import Advice, advise
from tests.unit.monsisra.sample import CASES, DOMAIN, context, data, read

ACCOUNT = {"mssante": f"marc.modele@{DOMAIN}"}
OTHER = {"mssante": "paul.ailleurs@autre.mssante.example.test"}
PATIENT = {"mssante": "279035121518989@patient.mssante.fr"}
TEXT = [{"text": "Bonjour"}]
PHOTO = [{"photos": [{"content": {"data": "YQ=="}}]}]
FILE = [{"title": "Ordonnance"}]
EXPERT = {"expert": {"party": ACCOUNT, "kind": "expert"}}


def advice(inactive: tuple[str, ...] = (), **draft: Any) -> Advice:
    return advise(read(draft), context(), inactive=inactive)


@pytest.mark.parametrize(
    ("draft", "mode"),
    [
        ({"recipients": [ACCOUNT], "messages": TEXT}, "conversation"),
        ({"recipients": [ACCOUNT], "documents": FILE}, "conversation"),
        ({"recipients": [ACCOUNT], "messages": PHOTO}, "conversation"),
        ({"thread": {"members": [{"party": ACCOUNT}]}, "messages": TEXT}, "conversation"),
        ({"recipients": [OTHER], "documents": FILE}, "document"),
        ({"recipients": [ACCOUNT, OTHER], "documents": FILE}, "document"),
        ({"recipients": [OTHER], "messages": TEXT}, "mail"),
        ({"recipients": [OTHER], "messages": TEXT, "documents": FILE}, "mail"),
        ({"recipients": [ACCOUNT, OTHER], "messages": TEXT}, "mail"),
        ({"recipients": [PATIENT], "messages": TEXT}, "mon_espace_sante"),
        ({"recipients": [PATIENT], "documents": FILE}, "mon_espace_sante"),
        ({"recipients": [ACCOUNT], "teleexpertise": EXPERT}, "teleexpertise"),
        ({"recipients": [PATIENT, ACCOUNT], "messages": TEXT}, None),
        ({"messages": TEXT}, None),
    ],
)
def test_the_mode_follows_from_correspondents_and_content(draft: dict[str, Any], mode: str | None) -> None:
    found = advice(**draft)
    assert found.mode == mode
    assert found.why


def test_an_account_that_is_not_active_is_sent_a_document() -> None:
    found = advice(inactive=(ACCOUNT["mssante"].upper(),), recipients=[ACCOUNT], documents=FILE)
    assert (found.mode, found.name) == ("document", "Envoyer un document")
    assert "pas actif" in found.why[0].fr


def test_what_is_missing_is_told_by_field_and_rule() -> None:
    found = advice(recipients=[OTHER], documents=FILE)
    assert [(issue.place.path, issue.place.rule) for issue in found.missing] == [
        ("sender", "rules:acting_account"),
        ("patient", "rules:patient_concerned"),
        ("documents[1].created", "rules:documents_described"),
        ("documents[1].type", "rules:documents_described"),
    ]
    assert "« Agir en tant que »" in found.missing[0].text("fr")


def test_a_photo_for_another_mail_is_told_to_be_impossible() -> None:
    assert "Photo et visio" in " ".join(reason.fr for reason in advice(recipients=[OTHER], messages=PHOTO).why)


def test_the_patient_of_a_mail_goes_into_its_subject() -> None:
    found = advice(recipients=[OTHER], messages=TEXT, patient={"sex": "male"})
    assert "son nom dans l'objet" in found.why[-1].fr
    assert not [issue for issue in found.missing if issue.place.path == "patient"]


def test_without_domains_it_says_that_it_cannot_know() -> None:
    found = advise(read({"recipients": [ACCOUNT], "messages": TEXT}), context(domains=""))
    assert found.mode == "mail"
    assert "monsisra.domains" in found.why[-1].fr


@pytest.mark.parametrize("case", CASES)
def test_the_guides_examples_are_advised_their_own_mode_with_nothing_missing(case: str) -> None:
    draft = data(case, mode=None, origin=None)
    found = advise(read(draft), context())
    assert (found.mode, found.missing) == (data(case)["mode"], ())
