"""What the messages of a téléexpertise must hold, and how their observations are numbered."""

from __future__ import annotations

import pytest

from connector.hl7.codec import parse
from connector.hl7.message import Message
from connector.hl7.requests import issues, numbered
from connector.hl7.validate import validate
from connector.issues import Severity

MSH = (
    r"MSH|^~\&|MONSISRA|GCS|DPI|CH|20260521140000||{type}|1|T|2.5.1|||||FRA|UNICODE UTF-8|||1.0^MONSISRA_TELEEXPERTISE"
)
PID = "PID|||279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||PAT-TROIS^DOMINIQUE^DOMINIQUE^^^^L"
OBR = "OBR|1|D-1||DEMANDE^Demande de téléexpertise^MONSISRA_TLX_OBR"
PEOPLE = ("PRT||UC||OP^Ordering Provider^participation|1^ESSAI", "PRT||UC||CP^Consulting Provider^participation|2^AVIS")


def message(*segments: str, type_: str = "ORM^O01^ORM_O01") -> Message:
    found = parse("\r".join((MSH.replace("{type}", type_), *segments, "")).encode()).value
    assert found is not None
    return found


def state(code: str) -> str:
    return f"OBX|1|CE|ETAPE^Étape de la demande^MONSISRA_TLX||{code}^^MONSISRA_TLX_ETAPE"


@pytest.mark.parametrize(
    ("type_", "segments", "expected"),
    [
        ("ORM^O01^ORM_O01", (PID, "ORC|NW|D-1", OBR, *PEOPLE), []),
        ("ORM^O01^ORM_O01", (PID, "ORC|NW|D-1", OBR, *PEOPLE, state("RECUE")), []),
        ("ORM^O01^ORM_O01", (PID, "ORC|NW|D-1", OBR, *PEOPLE, state("CLOTUREE")), [("ERROR", "INTENT_CLASH", "ORC[1]-1")]),
        ("ORM^O01^ORM_O01", (PID, "ORC|NW|D-1", OBR, PEOPLE[0]), [("ERROR", "SEGMENT_MISSING", "PRT")]),
        ("ORM^O01^ORM_O01", (PID, "ORC||D-1", OBR), [("ERROR", "FIELD_MISSING", "ORC[1]-1")]),
        ("ORM^O01^ORM_O01", (PID, "ORC|OK|D-1", OBR), [("ERROR", "FIELD_VALUE", "ORC[1]-1")]),
        ("ORM^O01^ORM_O01", (PID, "ORC|CA", OBR), [("ERROR", "FIELD_MISSING", "ORC[1]-2"), ("WARNING", "FIELD_MISSING", "ORC[1]-16.2")]),
        ("ORM^O01^ORM_O01", ("ORC|CA|D-1||||||||||||||^Doublon", OBR), [("ERROR", "FIELD_MISSING", "PID[1]-3"), ("ERROR", "FIELD_MISSING", "PID[1]-5")]),
        ("ORU^R01^ORU_R01", (PID, "ORC|OC|D-1||||||||||||||^Hors champ", OBR, state("REFUSEE")), []),
        ("ORU^R01^ORU_R01", (PID, "ORC|OC|D-1||||||||||||||^Hors champ", OBR, state("ACCEPTEE")), [("ERROR", "INTENT_CLASH", "ORC[1]-1")]),
        ("ORU^R01^ORU_R01", (PID, "ORC|OK|D-1", OBR, state("AVIS_RENDU")), []),
        ("ORU^R01^ORU_R01", (PID, "ORC|NW|D-1", OBR), [("ERROR", "FIELD_VALUE", "ORC[1]-1"), ("ERROR", "SEGMENT_MISSING", "PRT"), ("ERROR", "SEGMENT_MISSING", "PRT")]),
    ],
)  # fmt: skip
def test_what_a_message_lacks_or_contradicts(
    type_: str, segments: tuple[str, ...], expected: list[tuple[str, str, str]]
) -> None:
    found = [(issue.severity.name, issue.code, issue.place.path) for issue in issues(message(*segments, type_=type_))]
    assert found == expected


def test_other_profiles_are_not_judged_by_it() -> None:
    other = message(PID, "ORC|XX")
    other.put("MSH-21.2", "CISIS_TLR_HL7_V2")
    assert list(issues(other)) == []


def test_a_referral_names_who_refers_and_to_whom() -> None:
    referral = message("RF1||||||R-1", "PRD|RP^Referring Provider^HL70286", PID, type_="REF^I12^REF_I12")
    referral.put("MSH-21.2", "MONSISRA_REFERRAL")
    assert [(issue.code, issue.place.path) for issue in issues(referral)] == [("SEGMENT_MISSING", "PRD[2]")]


def test_a_message_without_its_patient_is_refused_by_the_common_rules_too() -> None:
    found = validate(message("ORC|NW|D-1", OBR, *PEOPLE))
    assert {"SEGMENT_MISSING", "FIELD_MISSING"} <= {each.code for each in found if each.severity >= Severity.ERROR}


@pytest.mark.parametrize(("type_", "status"), [("ORM^O01^ORM_O01", "O"), ("ORU^R01^ORU_R01", "F")])
def test_observations_of_one_thing_share_a_number(type_: str, status: str) -> None:
    made = message(
        "OBX||FT|QUESTION^^MONSISRA_TLX", "OBX||ST|EXPERT_NATURE^^MONSISRA_TLX", "OBX||ST|EXPERT_DELAI^^MONSISRA_TLX",
        "OBX||ST|FORMULAIRE_TITRE^^MONSISRA_TLX", "OBX||FT|question^^MONSISRA_FORMULAIRE", "OBX||CE|ETAPE^^MONSISRA_TLX",
        "OBX||CE|ETAPE^^MONSISRA_TLX", "OBX||FT|AVIS^^MONSISRA_TLX", "OBX||ST|AVIS_DOCUMENT^^MONSISRA_TLX", type_=type_,
    )  # fmt: skip
    assert numbered(made) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert [each.text(4) for each in made.all("OBX")] == ["", "1.1", "1.2", "2.1", "2.2", "3.1", "3.2", "4.1", "4.2"]
    assert {each.text(11) for each in made.all("OBX")} == {status}
