"""The patient index: what one more message says changes in what is known."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from connector.exchange.identifiers import nir_key
from connector.exchange.model import Envelope, Exchange
from connector.exchange.people import Address, DmpConsent, HumanName, Identifier, Patient
from connector.exchange.registry import (
    Key,
    Plan,
    Record,
    Sighting,
    contradicts,
    in_domain,
    keys_of,
    lane_keys,
    plan,
    searchable,
    searched,
    sighting,
)
from connector.issues import IssueCode

TEST = "1.2.250.1.213.1.4.10"
HOSPITAL, LABORATORY = "1.2.250.1.213.1.4.10.9.1", "1.2.250.1.213.1.4.10.9.2"
GAP, LAB = "GAP|CHU", "LAB|VILLE"


def ins(first13: str = "2790351215189") -> Identifier:
    return Identifier(value=first13 + nir_key(first13), system=TEST, kind="INS")


def ipp(value: str, system: str | None = HOSPITAL, **more: str) -> Identifier:
    return Identifier(value=value, system=system, kind="PI", **more)


def patient(*identifiers: Identifier, **changes: object) -> Patient:
    whole = Patient(
        identifiers=identifiers,
        names=(HumanName(use="birth", family="PAT-TROIS", given=("DOMINIQUE",), birth_given="DOMINIQUE MARIE"),),
        birth_date="1979-03-28",
        sex="female",
        birth_place=Address(insee="63220"),
        identity_status="validated",
    )
    return replace(whole, **changes)


def seen(who: Patient, source: str = GAP, *, identity: bool = True, **more: object) -> Sighting:
    return Sighting(patient=who, source=source, identity=identity, **more)


def record(number: int, who: Patient, source: str = GAP, *, identity: bool = True) -> Record:
    return Record(id=number, patient=who, source=source, identity=identity)


# --- keys


def test_an_identifier_counts_only_in_its_domain() -> None:
    who = patient(ipp("42"), ipp("42", LABORATORY), ipp("42", None), ipp("42", None, authority="CHU"), ins())
    assert keys_of(who) == (
        Key(HOSPITAL, "42"), Key(LABORATORY, "42"), Key("authority:CHU", "42"), Key(TEST, "279035121518989"),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["NH", "AN", "VN"])
def test_what_a_family_or_a_stay_shares_tells_nobody(kind: str) -> None:
    assert keys_of(patient(Identifier(value="42", system=HOSPITAL, kind=kind))) == ()


def test_the_lanes_in_which_a_patients_messages_may_wait() -> None:
    assert lane_keys(patient(ins(), ipp("42"))) == ("ins|279035121518989", f"ipp|{HOSPITAL}|42")


def test_the_identifier_of_a_domain_is_a_current_one() -> None:
    who = patient(ins(), ipp("1", end="2025"), ipp("2"))
    assert in_domain(who, "ins") == ins()
    assert in_domain(who, HOSPITAL) == ipp("2")
    assert in_domain(who, LABORATORY) is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Lefèbvre", "LEFEBVRE"),
        ("D'Œuvre-Élise", "D OEUVRE ELISE"),
        ("  de  la  Tour ", "DE LA TOUR"),
        ("Strauß", "STRAUSS"),
    ],
)
def test_names_are_searched_without_accents_ligatures_hyphens_and_case(written: str, expected: str) -> None:
    assert searched(written) == expected


def test_every_name_is_searched_with_every_given_name() -> None:
    who = patient(ins(), names=(
        HumanName(use="birth", family="Lévy", given=("Anne",), birth_given="ANNE MARIE"),
        HumanName(use="usual", family="Cœur", given=("Nina",)),
    ))  # fmt: skip
    assert searchable(who) == [("LEVY", "ANNE ANNE MARIE"), ("COEUR", "NINA")]


# --- what a message says


def test_a_sighting_keeps_what_identifies_and_leaves_addresses() -> None:
    who = patient(ins(), addresses=(Address(city="LYON"),), dmp=DmpConsent(feeding="opposed"))
    exchange = Exchange(patient=who, envelope=Envelope(type="ADT", event="A31", occurred_at="2026-01-01"))
    found = sighting(exchange, GAP)
    assert found is not None
    assert (found.identity, found.act, found.patient.addresses, found.at) == (True, "", (), "2026-01-01")
    assert found.patient.dmp == DmpConsent(feeding="opposed")
    again = sighting(exchange, GAP)
    other = sighting(exchange, LAB)
    assert again is not None
    assert other is not None
    assert found.fingerprint == again.fingerprint != other.fingerprint


def test_a_patient_without_a_number_in_a_domain_is_not_indexed() -> None:
    assert sighting(Exchange(patient=patient(ipp("42", None))), GAP) is None
    assert sighting(Exchange(), GAP) is None


@pytest.mark.parametrize(("event", "act"), [("A40", "A40"), ("A47", "A47"), ("A31", ""), ("A28", "")])
def test_only_a_merge_and_a_change_of_number_are_acts(event: str, act: str) -> None:
    envelope = Envelope(type="ADT", event=event)
    found = sighting(Exchange(patient=patient(ipp("2")), prior=patient(ipp("1")), envelope=envelope), GAP)
    assert found is not None
    assert (found.act, found.prior is not None) == (act, bool(act))


# --- contradictions (J04)

DAY_LATER = patient(ins(), birth_date="1979-03-29")
OTHER_ORDER = patient(ins(), names=(HumanName(use="birth", family="PAT-TROIS", birth_given="MARIE DOMINIQUE"),))


@pytest.mark.parametrize(
    ("sighted", "known", "expected"),
    [
        (seen(DAY_LATER, LAB, identity=False), record(1, patient(ins())), True),
        (seen(OTHER_ORDER, LAB, identity=False), record(1, patient(ins())), True),
        (seen(DAY_LATER, LAB, identity=False), record(1, patient(ins()), "OTHER", identity=False), True),
        (seen(DAY_LATER, LAB), record(1, patient(ins())), True),
        # its own source corrects itself; an identity server is believed before documents; another number is another matter
        (seen(DAY_LATER), record(1, patient(ins())), False),
        (seen(DAY_LATER), record(1, patient(ins()), LAB, identity=False), False),
        (seen(patient(ipp("1"), birth_date="1950-01-01"), LAB), record(1, patient(ipp("1"))), False),
        (seen(patient(ins()), LAB, identity=False), record(1, patient(ins())), False),
        (seen(patient(ins(), birth_date="1979"), LAB, identity=False), record(1, patient(ins())), False),
    ],
)
def test_the_same_ins_with_other_traits_from_another_source(sighted: Sighting, known: Record, expected: bool) -> None:
    assert (contradicts(sighted, [known]) is not None) is expected


# --- plans


def test_an_unknown_patient_is_a_new_record() -> None:
    made = plan(seen(patient(ins())), [])
    assert (made.into, made.patient, made.source, made.identity) == (None, patient(ins()), GAP, True)


def test_the_same_again_changes_nothing() -> None:
    assert not plan(seen(patient(ins(), ipp("1"))), [record(1, patient(ins(), ipp("1")))])
    assert not plan(seen(patient(ins()), LAB, identity=False), [record(1, patient(ins(), ipp("1")))])


def test_an_identity_message_says_who_somebody_is_and_keeps_the_other_numbers() -> None:
    before = patient(ins(), ipp("7", LABORATORY), dmp=DmpConsent(feeding="opposed"))
    made = plan(seen(patient(ins(), ipp("1"), birth_date="1979-03-29")), [record(1, before)])
    assert made.into == 1
    assert made.patient == patient(
        ins(), ipp("1"), ipp("7", LABORATORY), birth_date="1979-03-29", dmp=DmpConsent(feeding="opposed")
    )


def test_a_document_adds_its_number_and_what_nobody_has_said() -> None:
    known = patient(ins(), birth_place=None)
    made = plan(seen(patient(ins(), ipp("7", LABORATORY)), LAB, identity=False), [record(1, known)])
    assert made.patient == patient(ins(), ipp("7", LABORATORY))
    assert (made.source, made.identity) == (GAP, True)


def test_a_document_with_other_traits_under_a_local_number_changes_nothing_and_is_told() -> None:
    made = plan(seen(patient(ipp("1"), sex="male"), LAB, identity=False), [record(1, patient(ipp("1")))])
    assert (bool(made), made.issue) == (False, IssueCode.PATIENT_AMBIGUOUS)


def test_a_document_never_gives_somebody_a_second_ins() -> None:
    other = seen(patient(ins("2880763123456"), ipp("1")), LAB, identity=False)
    made = plan(other, [record(1, patient(ins(), ipp("1")))])
    assert (bool(made), made.issue) == (False, IssueCode.PATIENT_AMBIGUOUS)


def test_a_new_ins_from_the_identity_server_ends_the_old_one() -> None:
    made = plan(seen(patient(ins("2880763123456"), ipp("1")), at="2026-02-01"), [record(1, patient(ins(), ipp("1")))])
    assert made.patient is not None
    assert made.patient.identifiers == (ins("2880763123456"), ipp("1"), replace(ins(), end="2026-02-01"))


def test_a_number_that_two_persons_bear_makes_no_person_of_them() -> None:
    shared = Identifier(value="999999", system=LABORATORY, kind="SS")
    first = patient(ipp("1"), shared)
    other = patient(ipp("2"), shared, birth_date="1954-01-02")
    assert plan(seen(other), [record(7, first)]) == Plan(issue=IssueCode.PATIENT_AMBIGUOUS)
    second = patient(ins("1540163220001"), shared, birth_date="1954-01-02")
    assert plan(seen(second), [record(7, patient(ins(), shared))]) == Plan(issue=IssueCode.PATIENT_AMBIGUOUS)


def test_an_identity_that_is_corrected_keeps_its_patient_number() -> None:
    corrected = plan(seen(patient(ipp("1"), birth_date="1954-01-02")), [record(7, patient(ipp("1")))])
    assert (corrected.into, corrected.patient.birth_date, corrected.issue) == (7, "1954-01-02", None)


def test_a_message_with_both_numbers_links_two_records_of_one_person() -> None:
    by_document, by_adt = record(3, patient(ins()), LAB, identity=False), record(5, patient(ipp("1")))
    made = plan(seen(patient(ins(), ipp("1"))), [by_document, by_adt])
    assert (made.into, made.absorbed) == (5, (3,))
    assert made.patient == patient(ins(), ipp("1"))


@pytest.mark.parametrize(
    "second",
    [
        patient(ipp("1"), birth_date="1979-03-29"),  # another person by his traits
        patient(ipp("1"), ins("2880763123456")),  # by his INS
        patient(ipp("1"), names=()),  # nobody knows
    ],
)
def test_two_records_that_may_be_two_persons_stay_two(second: Patient) -> None:
    made = plan(seen(patient(ins(), ipp("1"))), [record(3, patient(ins())), record(5, second)])
    assert (bool(made), made.issue) == (False, IssueCode.PATIENT_AMBIGUOUS)


# --- merges and changes of number (J13)


def merge(who: Patient, prior: Patient) -> Sighting:
    return seen(who, act="A40", prior=prior, at="2026-03-01")


def test_a_merge_keeps_the_old_record_and_points_it_to_the_other() -> None:
    survivor, loser = record(1, patient(ins(), ipp("1"))), record(2, patient(ipp("2")))
    made = plan(merge(patient(ins(), ipp("1")), Patient(identifiers=(ipp("2"),))), [survivor], [loser])
    assert (made.into, made.absorbed, made.patient, made.lost) == (1, (2,), None, None)
    assert {key for each in made.stale for key in lane_keys(each)} == {f"ipp|{HOSPITAL}|2"}
    assert made


def test_a_merge_of_unknown_records_keeps_both() -> None:
    made = plan(merge(patient(ipp("1")), Patient(identifiers=(ipp("2"),))), [], [])
    assert (made.into, made.patient, made.lost) == (None, patient(ipp("1")), Patient(identifiers=(ipp("2"),)))


def test_a_merge_that_was_made_already_parks_nothing_again() -> None:
    survivor = record(1, patient(ipp("1")))
    made = plan(merge(patient(ipp("1")), Patient(identifiers=(ipp("2"),))), [survivor], [survivor])
    assert (bool(made), made.stale) == (False, ())


def test_a_change_of_number_keeps_one_record_whose_old_number_ends() -> None:
    act = seen(patient(ins(), ipp("9")), act="A47", prior=Patient(identifiers=(ipp("1"),)), at="2026-03-01")
    known = record(1, patient(ins(), ipp("1")))
    made = plan(act, [known], [known])
    assert (made.into, made.absorbed) == (1, ())
    assert made.patient is not None
    assert made.patient.identifiers == (ins(), ipp("9"), replace(ipp("1"), end="2026-03-01"))
    assert [lane_keys(each) for each in made.stale] == [(f"ipp|{HOSPITAL}|1",)]


def test_a_change_to_a_number_that_somebody_has_is_for_a_person() -> None:
    act = seen(patient(ipp("9")), act="A47", prior=Patient(identifiers=(ipp("1"),)))
    made = plan(act, [record(2, patient(ipp("9")))], [record(1, patient(ipp("1")))])
    assert (bool(made), made.issue) == (False, IssueCode.PATIENT_AMBIGUOUS)
