"""Who it is about: the INS, and the CDA's patient against the message's."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from connector.exchange import rules
from connector.exchange.facts import Facts
from connector.exchange.identifiers import nir_key
from connector.exchange.identity import birth_name, folded, missing_traits, qualified, releasable
from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.exchange.people import Address, HumanName, Identifier, Patient
from tests.unit.exchange.sample import CONTEXT, EXCHANGE, FACTS, INS, NAME, PATIENT

IPP = Identifier(value="42", system="1.2.3", kind="PI")


def found(patient: Patient, context: Context = CONTEXT, facts: Facts | None = None) -> list[tuple[str, str, str]]:
    exchange = replace(EXCHANGE, patient=patient)
    known = facts if facts is not None else replace(FACTS, header_patients=())
    return [
        (issue.severity.letter, issue.code, issue.place.path) for issue in rules.check(exchange, context, facts=known)
    ]


# --- the INS ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("oid", "environment", "refused"),
    [
        ("1.2.250.1.213.1.4.8", "production", False),
        ("1.2.250.1.213.1.4.9", "production", False),
        ("1.2.250.1.213.1.4.10", "production", True),
        ("1.2.250.1.213.1.4.11", "production", True),
        ("1.2.250.1.213.1.4.10", "test", False),
        ("1.2.250.1.213.1.4.11", "test", False),
        ("1.2.250.1.213.1.4.8", "test", True),
        ("1.2.250.1.213.1.4.9", "test", True),
    ],
)
def test_an_ins_stays_in_its_environment(oid: str, environment: str, refused: bool) -> None:
    context = replace(CONTEXT, environment=environment, options={"processing_id": "tolerant"})
    patient = replace(PATIENT, identifiers=(IPP, replace(INS, system=oid)))
    expected = [("E", "INS_ENVIRONMENT", "patient.identifiers[2].system")] if refused else []
    assert [each for each in found(patient, context) if each[1] != "PROCESSING_ID"] == expected


@pytest.mark.parametrize(
    "value", ["279035121518988", "2790351215189", "27903512151898", "2790351215189890", "27903512151898A", "X"]
)
def test_a_false_matricule_is_refused(value: str) -> None:
    patient = replace(PATIENT, identifiers=(replace(INS, value=value),))
    assert found(patient) == [("E", "INS_KEY", "patient.identifiers[1].value")]


def test_a_provisional_series_is_no_nir() -> None:
    value = "7790351215189" + nir_key("7790351215189")
    context = replace(CONTEXT, environment="production", options={"processing_id": "tolerant"})
    as_nir = replace(PATIENT, identifiers=(replace(INS, value=value, system="1.2.250.1.213.1.4.8"),))
    as_nia = replace(PATIENT, identifiers=(replace(INS, value=value, system="1.2.250.1.213.1.4.9"),))
    assert ("E", "INS_KEY", "patient.identifiers[1].system") in found(as_nir, context)
    assert "INS_KEY" not in [code for _, code, _ in found(as_nia, context)]


def test_an_ins_without_oid_is_refused() -> None:
    patient = replace(PATIENT, identifiers=(replace(INS, system=None),))
    assert found(patient) == [("E", "IDENTIFIER_FORM", "patient.identifiers[1].system")]


TRAITS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"names": ()}, ["names[use=birth].family", "names[use=birth].birth_given"]),
    ({"names": (HumanName(use="usual", family="X", given=("Y",)),)}, ["names[use=birth].family", "names[use=birth].birth_given"]),
    ({"names": (HumanName(use="birth", family="X"),)}, ["names[use=birth].birth_given"]),
    ({"names": (HumanName(family="X", given=("Y",)),)}, []),
    ({"birth_date": None}, ["birth_date"]),
    ({"sex": None}, ["sex"]),
    ({"birth_place": None}, ["birth_place.insee"]),
    ({"birth_place": Address(city="PARIS")}, ["birth_place.insee"]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "missing"), TRAITS)
def test_five_traits_travel_with_the_matricule(changes: dict[str, Any], missing: list[str]) -> None:
    patient = replace(PATIENT, **changes)
    assert missing_traits(patient) == missing
    expected = [("E", "INS_INCOMPLETE", "patient")] if missing else []
    assert found(patient) == expected
    without = replace(patient, identifiers=(IPP,))
    assert "INS_INCOMPLETE" not in [code for _, code, _ in found(without)]


@pytest.mark.parametrize(
    ("to_dmp", "to_patient", "to_professionals", "expected"),
    [
        (True, False, False, [("E", "DMP")]),
        (False, True, False, [("E", "MSSanté (patient)")]),
        (False, False, True, [("W", "MSSanté (professionnel)")]),
        (False, False, False, []),
    ],
)
def test_only_a_qualified_identity_leaves(
    to_dmp: bool, to_patient: bool, to_professionals: bool, expected: list[tuple[str, str]]
) -> None:
    directives = replace(
        EXCHANGE.directives, to_dmp=to_dmp, to_patient=to_patient, to_professionals=to_professionals  # type: ignore[type-var]
    )  # fmt: skip
    exchange = replace(EXCHANGE, directives=directives, patient=replace(PATIENT, identity_status="provisional"))
    issues = [each for each in rules.check(exchange, CONTEXT) if each.code == "INS_NOT_QUALIFIED"]
    assert [(issue.severity.letter, issue.params["what"]) for issue in issues] == expected


def test_no_ins_no_dmp() -> None:
    patient = replace(PATIENT, identifiers=(IPP,))
    assert not qualified(patient)
    assert [code for _, code, _ in found(patient)] == ["INS_NOT_QUALIFIED", "INS_NOT_QUALIFIED"]


def test_a_matricule_stays_here_until_the_identity_is_qualified() -> None:
    patient = replace(PATIENT, identifiers=(IPP, INS), identity_status="provisional")
    assert releasable(patient).identifiers == (IPP,)
    assert releasable(PATIENT) is PATIENT
    without = replace(patient, identifiers=(IPP,))
    assert releasable(without) is without


# --- the patient of the document (F16, J04, J06) -----------------------------------------------------------------------

DIFFERENT: list[tuple[str, dict[str, Any], list[tuple[str, str, str]]]] = [
    ("same", {}, []),
    ("birth date by one day", {"birth_date": Moment("1979-03-29")}, [("birth_date", "INS_DIFFERS", "904")]),
    ("birth date less precise", {"birth_date": Moment("1979")}, []),
    ("birth date with a time", {"birth_date": Moment("1979-03-28T00:00:00")}, []),
    ("no birth date", {"birth_date": None}, []),
    ("other sex", {"sex": "male"}, [("sex", "INS_DIFFERS", "904")]),
    ("sex that CDA cannot say", {"sex": "unknown"}, []),
    ("other birth place", {"birth_place": Address(insee="75056")}, [("birth_place", "INS_DIFFERS", "904")]),
    ("other birth name", {"names": (replace(NAME, family="PAT-QUATRE"),)}, [("birth_name", "INS_DIFFERS", "904")]),
    ("order of given names", {"names": (replace(NAME, birth_given="MARIE-LOUISE DOMINIQUE"),)}, [("given", "INS_DIFFERS", "904")]),
    ("name in small letters", {"names": (replace(NAME, family="Pat Trois", birth_given="Dominique Marie Louise"),)}, []),
    ("other ins", {"identifiers": (replace(INS, value="277076322082910"),)}, [("INS", "INS_DIFFERS", "904")]),
    ("same number under another oid", {"identifiers": (replace(INS, system="1.2.250.1.213.1.4.8"),)}, [("INS", "INS_DIFFERS", "904")]),
    ("spaces in the number", {"identifiers": (replace(INS, value="2 79 03 51 215 189 89"),)}, []),
    ("no ins", {"identifiers": (IPP,)}, [("", "INS_MISSING", "903"), ("", "PATIENT_IDS_DIFFER", "906")]),
    ("one more number", {"identifiers": (INS, IPP)}, [("", "PATIENT_IDS_DIFFER", "906")]),
    ("everything", {"birth_date": Moment("1980-01-01"), "sex": "male", "identifiers": (IPP,), "names": (HumanName(use="birth", family="X", given=("Y",)),)},
     [("", "INS_MISSING", "903"), ("birth_date, sex, birth_name, given", "INS_DIFFERS", "904")]),
]  # fmt: skip


@pytest.mark.parametrize(("_name", "changes", "expected"), DIFFERENT, ids=[case[0] for case in DIFFERENT])
def test_the_cda_is_about_the_same_patient(
    _name: str, changes: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    facts = replace(FACTS, header_patients=(replace(PATIENT, **changes),))
    issues = rules.check(EXCHANGE, CONTEXT, facts=facts)
    assert [(issue.params.get("what", ""), issue.code, issue.definition.application) for issue in issues] == expected
    assert {issue.place.path for issue in issues} <= {"documents[1].content"}
    assert {issue.severity.letter for issue in issues} <= {"E"}


def test_a_local_number_more_may_be_let_through() -> None:
    facts = replace(FACTS, header_patients=(replace(PATIENT, identifiers=(INS, IPP)),))
    tolerant = replace(CONTEXT, options={"patient_identifiers": "tolerant"})
    assert [(issue.severity.letter, issue.code) for issue in rules.check(EXCHANGE, tolerant, facts=facts)] == [
        ("W", "PATIENT_IDS_DIFFER")
    ]
    other = replace(FACTS, header_patients=(replace(PATIENT, birth_date=Moment("1980-01-01")),))
    assert [issue.severity.letter for issue in rules.check(EXCHANGE, tolerant, facts=other)] == ["E"]


def test_the_place_says_which_document() -> None:
    facts = replace(FACTS, type="ORU", header_patients=(None, PATIENT, replace(PATIENT, sex="male")))
    assert [path for _, _, path in found(PATIENT, facts=facts)] == ["documents[3].content"]


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("Hélène", "HELENE", True),
        ("He\u0301le\u0300ne", "Hélène", True),
        ("PAT-TROIS", "pat  trois", True),
        ("D'ARTAGNAN", "D’Artagnan", True),
        ("LEŒUF", "Leœuf", True),
        ("DUPONT", "DUPOND", False),
        ("ANNE MARIE", "ANNEMARIE", False),
    ],
)
def test_names_are_compared_as_the_ins_writes_them(left: str, right: str, equal: bool) -> None:
    assert (folded(left) == folded(right)) is equal


def test_the_birth_name_is_found() -> None:
    usual = HumanName(use="usual", family="X")
    assert birth_name(Patient(names=(usual, NAME))) is NAME
    assert birth_name(Patient(names=(usual,))) is None
    assert birth_name(Patient(names=(usual, HumanName(family="Y")))) == HumanName(family="Y")
