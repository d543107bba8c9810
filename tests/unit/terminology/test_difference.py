"""What an edition changes in a table: told, taken, and nothing of the site's own lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.terminology import TerminologyError, load
from connector.terminology.difference import Change, Difference, meant, older, take
from connector.terminology.edition import Edition, Mapped, Official
from connector.terminology.sheet import Sheet

SYSTEMS = "alias,title,oid,uri,hl7\nCOL,Colours,1.2.3,urn:colours,COLS\nLOINC,LOINC,,http://loinc.org,LN\n"
TABLE = (
    "# version: Colours 2025\n# identifier: 1.2.9\n# effective: 2025-01-01\n# a remark\n"
    "exchange,exchange_system,display,class,status\n"
    "red,COL,Red,warm,\nblue,COL,Blue,cold,\ngreen,COL,Green,,\nold,COL,Old,,retired\nours,COL,Ours,,local\n"
)


def official(code: str, display: str = "", **more: object) -> Official:
    return Official(code, "urn:colours", display or code.title(), f"f:{code}", **more)  # type: ignore[arg-type]


def edition(*concepts: Official, **more: object) -> Edition:
    base = Edition("ValueSet", "JDV_Colours", "f", ("1.2.9",), "2", "2026-03-01", "Us", concepts)
    return base._replace(**more)


def taken(table: str, new: Edition, **more: object) -> Difference:
    systems = load({"systems.csv": SYSTEMS}).systems
    return take(Sheet("colours.csv", table), new, systems, **more)  # type: ignore[arg-type]


def rows(text: str) -> dict[str, dict[str, str]]:
    return {row["exchange"]: row for row in Sheet("colours.csv", text).rows}


def test_each_kind_of_change_is_told_and_taken() -> None:
    new = edition(
        official("red", "Rouge"), official("blue", retired=True, end="2026-02-01"), official("old"), official("pink", start="2027-01-01"),
    )  # fmt: skip
    difference = taken(TABLE, new)
    assert difference.changes == (
        Change("relabelled", "red", "1.2.3", "Red", "Rouge"),
        Change("retired", "blue", "1.2.3", "", "2026-02-01"),
        Change("restored", "old", "1.2.3", "", ""),
        Change("added", "pink", "1.2.3", "", "Pink"),
        Change("removed", "green", "1.2.3", "Green", ""),
    )
    assert difference.counts == {"relabelled": 1, "retired": 1, "restored": 1, "added": 1, "removed": 1}
    assert difference.gone == ["blue", "green"]
    assert difference.kept == 1
    made = rows(difference.text)
    assert (made["red"]["display"], made["red"]["class"]) == ("Rouge", "warm"), "what the file knows nothing of stays"
    assert (made["blue"]["status"], made["blue"]["end"]) == ("retired", "2026-02-01")
    assert (made["green"]["status"], made["green"]["end"]) == ("retired", "2026-03-01")
    assert (made["old"]["status"], made["ours"]["status"]) == ("", "local")
    assert (made["pink"]["exchange_system"], made["pink"]["start"]) == ("COL", "2027-01-01")
    assert difference.text.startswith(
        "# version: JDV_Colours 2026-03-01\n# source: Us\n# identifier: 1.2.9\n# effective: 2026-03-01\n# a remark\nexchange,"
    )


def test_a_retired_code_is_read_and_no_longer_to_be_written() -> None:
    text = taken(TABLE, edition(official("red"), official("blue", end="2030-01-01"))).text
    table = load({"systems.csv": SYSTEMS, "colours.csv": text}).table("colours")
    assert table.to_exchange("hl7", "green") == "green"
    assert table.from_exchange("fhir", "green") is not None
    assert [table.retired(word, "2026-03-01") for word in ("red", "blue", "green", "old")] == [False, False, True, True]
    assert table.retired("blue", "2030-01-01")
    assert not table.retired("green", "2026-02-28"), "in force until the day of the edition"


def test_taking_the_same_edition_again_changes_nothing() -> None:
    new = edition(official("red", "Rouge"), official("pink"))
    first = taken(TABLE, new)
    again = taken(first.text, new)
    assert again.changes == ()
    assert again.text == first.text


def test_a_part_of_a_value_set_retires_nothing() -> None:
    assert taken(TABLE, edition(official("red")), keep=True).changes == ()
    assert taken(TABLE, edition(official("red"), whole=False)).changes == ()


def test_a_table_of_one_system_takes_only_its_codes() -> None:
    table = "# exchange_system: COL\nexchange,hl7,display\nred,R|RD,Red\n"
    new = edition(official("red"), official("pink"), official("1234-5")._replace(system="http://loinc.org"))
    difference = taken(table, new)
    assert [(each.kind, each.code) for each in difference.changes] == [("added", "pink")]
    assert difference.elsewhere == 1
    assert rows(difference.text)["red"]["hl7"] == "R|RD"
    assert rows(difference.text)["pink"]["hl7"] == "pink", "a format with a column of its own takes the published code"


@pytest.mark.parametrize(
    ("header", "column", "expected"),
    [
        ("exchange,exchange_system,class\nred,COL,\n", "", "class"),
        ("# cda_system: 1.2.4\nexchange,exchange_system,cda\nred,COL,red\n", "", "cda"),
        ("exchange,exchange_system,class\nred,COL,\n", "xds", "xds"),
    ],
)
def test_a_map_fills_the_column_of_its_targets(header: str, column: str, expected: str) -> None:
    new = edition(
        kind="ConceptMap", concepts=(), mapped=(Mapped("red", "urn:colours", "W", "1.2.4", "f"),), whole=False
    )
    difference = taken(header, new, column=column)
    assert [(each.kind, each.code, each.after) for each in difference.changes] == [("mapped", "red", "W")]
    assert rows(difference.text)["red"][expected] == "W"


def test_a_map_that_may_go_anywhere_asks_for_the_column() -> None:
    new = edition(kind="ConceptMap", concepts=(), mapped=(Mapped("red", "urn:colours", "W", "1.2.4", "f"),))
    with pytest.raises(TerminologyError, match="--column"):
        taken("exchange,exchange_system,display\nred,COL,Red\n", new)


def test_the_table_is_the_one_with_the_same_identifier() -> None:
    tables = load({"systems.csv": SYSTEMS, "colours.csv": TABLE, "other.csv": "exchange\na\n"})
    new = edition(official("red"))
    assert meant(new, tables) == ["colours"]
    assert meant(new, tables, "colours") == ["colours"]
    assert meant(new, tables, "a-new-one") == ["a-new-one"]
    assert meant(new, tables, "other", force=True) == ["other"]
    assert meant(new._replace(identifiers=()), tables, "other") == ["other"], (
        "a file that names no value set contradicts none"
    )
    with pytest.raises(TerminologyError, match=r"f: JDV_Colours \(1.2.9\) is not the value set of 'other'"):
        meant(new, tables, "other")
    with pytest.raises(TerminologyError, match="no table is this value set"):
        meant(new._replace(identifiers=("9.9",)), tables)
    assert older(new._replace(effective="2024-12-31"), tables.table("colours"))
    assert not older(new, tables.table("colours"))


WORDS = st.text("abcdé ,\"'#", min_size=1, max_size=6).map(str.strip).filter(bool)
CODES = st.text("abcXYZ019.-_", min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(before=st.dictionaries(CODES, WORDS, min_size=1, max_size=6), after=st.dictionaries(CODES, WORDS, max_size=6))
def test_no_code_is_ever_lost_and_what_is_taken_is_what_was_published(
    before: dict[str, str], after: dict[str, str]
) -> None:
    table = Sheet("colours.csv")
    for code, label in before.items():
        table.add(code, "COL", label)
    difference = taken(table.text(), edition(*(official(code, label) for code, label in after.items())))
    made = load({"systems.csv": SYSTEMS, "colours.csv": difference.text}).table("colours")
    assert {row.exchange for row in made.rows} == before.keys() | after.keys()
    assert {row.exchange: row.get("display") for row in made.rows if row.get("status") is None} == after
    assert all(made.to_exchange("fhir", code) == code for code in before.keys() | after.keys())


def test_fifty_thousand_rows_are_compared_in_linear_time() -> None:
    concepts = tuple(official(f"c{number}") for number in range(50_000))
    started = time.process_time()
    first = taken(TABLE, edition(*concepts))
    again = taken(first.text, edition(*concepts[:-1]))
    assert first.counts["added"] == 50_000
    assert again.counts == {"removed": 1}
    assert time.process_time() - started < 60
