"""A code that had no translation: what is kept of it, and how it gets one."""

from __future__ import annotations

import pytest

from connector.terminology import Tables, TerminologyError, Untranslated, load, untranslated
from connector.terminology.settling import settle, settled
from connector.terminology.sheet import Sheet

SEX = "exchange,hl7,fhir,display\nmale,M,male,Homme\nother,O|A,,Autre\n"
PLAIN = "exchange,exchange_system,display\nred,COL,Red\nblue,COL,Blue\n"
SYSTEMS = "alias,title,oid,uri,hl7\nCOL,Colours,1.2.3,urn:colours,COLS\n"


def tables(**changed: str) -> Tables:
    return load(
        {"systems.csv": SYSTEMS, "sex.csv": SEX, "colours.csv": PLAIN, **{f"{n}.csv": t for n, t in changed.items()}}
    )


def translated(met: Untranslated, to: str, label: str = "") -> Tables:
    """The tables once it is settled; it must not have been before."""
    before = tables()
    assert not settled(met, before)
    sheet = Sheet(met.terminology + ".csv", {"sex": SEX, "colours": PLAIN}[met.terminology])
    settle(sheet, before.table(met.terminology), met, to, label)
    after = tables(**{met.terminology: sheet.text()})
    assert settled(met, after)
    assert after.clashes == []
    return after


def test_a_code_that_was_read_becomes_one_more_code_of_our_word() -> None:
    after = translated(untranslated("sex", "read", "hl7", "H"), "male").table("sex")
    assert after.to_exchange("hl7", "H") == "male"
    written = after.from_exchange("hl7", "male")
    assert written is not None
    assert written.code == "M", "what is written stays"


def test_a_format_without_a_column_gets_one_and_the_other_codes_stay() -> None:
    after = translated(untranslated("colours", "read", "cda", "rot", "1.2.3"), "red").table("colours")
    assert [after.to_exchange("cda", code) for code in ("red", "rot", "blue")] == ["red", "red", "blue"]


def test_a_word_without_a_code_in_the_format_gets_one() -> None:
    after = translated(untranslated("sex", "write", "fhir", "other"), "other").table("sex")
    coded = after.from_exchange("fhir", "other")
    assert coded is not None
    assert coded.code == "other"


def test_a_code_that_another_word_reads_is_written_only() -> None:
    after = translated(untranslated("sex", "write", "fhir", "other"), "male").table("sex")
    assert after.to_exchange("fhir", "male") == "male"


def test_a_new_word_needs_a_label_and_is_the_sites_own() -> None:
    met = untranslated("colours", "read", "hl7", "PK", "COLS")
    with pytest.raises(TerminologyError, match=r"'pink' is not a word of this table; --label adds it"):
        settle(Sheet("colours.csv", PLAIN), tables().table("colours"), met, "pink")
    with pytest.raises(TerminologyError, match="did you mean 'red'"):
        settle(Sheet("colours.csv", PLAIN), tables().table("colours"), met, "redd")
    after = translated(met, "pink", "Pink").table("colours")
    assert (after.get("pink", "status"), after.get("pink", "display")) == ("local", "Pink")


@pytest.mark.parametrize("to", ["", "a b", "a|b", ">a"])
def test_what_is_no_code_is_refused(to: str) -> None:
    with pytest.raises(TerminologyError, match="no blank"):
        settle(Sheet("sex.csv", SEX), tables().table("sex"), untranslated("sex", "read", "hl7", "H"), to)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("11488-4", "11488-4"), ("X", "X"), ("urn:oid:1.2.3", "urn:oid:1.2.3"), ("A+B^C/D_E", "A+B^C/D_E"), ("385892002", "385892002"),
        ("Madame Untel", ""), ("né le 3 mai", ""), ("a" * 65, ""), ("", ""), ("é", ""), ("a\x00", ""), ("a\n", ""), ("<b>", ""),
        ("279035121518989", ""), ("2790351215189", ""), ("1800175123456", ""), ("12A0175123456", "12A0175123456"),
    ],
)  # fmt: skip
def test_text_and_a_persons_number_are_not_kept(text: str, kept: str) -> None:
    assert untranslated("sex", "read", "hl7", text).code == kept


def test_a_system_is_kept_when_it_is_a_name() -> None:
    for name in (
        "1.2.250.1.213.1.1.4.12",
        "https://mos.esante.gouv.fr/NOS/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05",
        "LN",
    ):
        assert untranslated("sex", "read", "fhir", "a", name).system == name
    for text in ("the list of Dr X", "279035121518989", None):
        assert untranslated("sex", "read", "fhir", "a", text).system == ""


def test_what_was_no_code_can_only_be_ignored() -> None:
    met = untranslated("sex", "read", "hl7", "Madame Untel")
    assert not settled(met, tables())
    with pytest.raises(TerminologyError, match="no code"):
        settle(Sheet("sex.csv", SEX), tables().table("sex"), met, "male")


def test_a_code_of_a_table_that_is_gone_stays_to_settle() -> None:
    assert not settled(untranslated("gone", "read", "hl7", "H"), tables())
