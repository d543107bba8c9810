"""Numbers and addresses read back to a person."""

from __future__ import annotations

import pytest

from connector.exchange.decoding import decode, decode_ins, sentence
from connector.exchange.identifiers import nir_key


def with_key(first13: str) -> str:
    return first13 + nir_key(first13)


TODAY = "2026-01-15"


@pytest.mark.parametrize(
    ("first13", "french", "english"),
    [
        (
            "2880799123456",
            "Ce matricule INS correspond à une femme, née en juillet 1988, dans le département 99",
            "This INS matricule is that of a woman born in July 1988, in département 99",
        ),
        ("153072B073004", "un homme, né en juillet 1953, dans le département 2B", "in département 2B"),
        ("285082A073004", "une femme, née en août 1985, dans le département 2A", "born in August 1985"),
        ("1720697405001", "un homme, né en juin 1972, dans le département 974", "in département 974"),
        ("2994299123456", "une femme, née en 1999, dans", "born in 1999, in"),
        ("1250175056001", "né en janvier 1925 ou 2025", "January 1925 or 2025"),
    ],
)
def test_a_matricule_is_read_back_as_the_guide_does(first13: str, french: str, english: str) -> None:
    for value in (with_key(first13), first13, f" {first13[:7]} {first13[7:]}"):
        facts = decode_ins(value)
        assert facts is not None
        assert facts.key == nir_key(first13)
        assert french in sentence(facts, "fr", TODAY)
        assert english in sentence(facts, "en", TODAY)


@pytest.mark.parametrize(
    "value", ["", "279035121518988", "27903512151898", "279035121518989x", "579035121518989", "2790351215é89"]
)
def test_what_is_no_matricule_says_nothing(value: str) -> None:
    assert decode_ins(value) is None


@pytest.mark.parametrize(
    ("value", "kind", "number", "codes"),
    [
        ("279035121518989", "INS", "279035121518989", []),
        ("2790351215189", "INS", "279035121518989", []),
        ("279035121518988", "INS", "279035121518988", ["INS_KEY"]),
        ("10000023084", "RPPS", "10000023084", []),
        ("810000023084", "RPPS", "10000023084", []),
        ("801234567866", "RPPS", "01234567866", ["IDENTIFIER_CHECK"]),
        ("300017985", "FINESS", "300017985", []),
        ("1300017985", "FINESS", "300017985", []),
        ("2A0000014", "FINESS", "2A0000014", []),
        ("2B0000014", "FINESS", "2B0000014", ["IDENTIFIER_CHECK"]),
        ("732829320", "FINESS", "732829320", []),
        ("73282932000074", "SIRET", "73282932000074", []),
        ("373282932000074", "SIRET", "73282932000074", []),
        ("secretariat@hopital.mssante.fr", "MSSANTE", "secretariat@hopital.mssante.fr", []),
        ("sans domaine@", "MSSANTE", "sans domaine@", ["IDENTIFIER_FORM"]),
        ("279035121518989@patient.mssante.fr", "PATIENT", "279035121518989", []),
        (
            "27707279035121518989@patient.mssante.fr",
            "PATIENT",
            "27707279035121518989@patient.mssante.fr",
            ["IDENTIFIER_FORM"],
        ),
        ("279035121518980@PATIENT.mssante.fr", "PATIENT", "279035121518980", ["INS_KEY"]),
        ("Bonjour", "", "BONJOUR", ["IDENTIFIER_FORM"]),
    ],
)
def test_the_kind_is_recognised_and_what_is_wrong_is_told(value: str, kind: str, number: str, codes: list[str]) -> None:
    found = decode(value)
    assert (found.kind, found.number, [issue.code for issue in found.issues]) == (kind, number, codes)


def test_nine_digits_may_be_three_things_and_can_be_forced() -> None:
    assert decode("732829320").others == ("ADELI", "SIREN")
    assert (decode("732829320", "SIREN").kind, decode("732829320", "SIREN").written) == ("SIREN", "2732829320")


def test_an_address_of_a_patient_is_read_back_too() -> None:
    found = decode("279035121518989@patient.mssante.fr")
    assert found.ins is not None
    assert (found.ins.sex, found.ins.month, found.ins.year) == ("female", 3, "79")
