"""What HL7 v2 and FHIR lose of laboratory results: every field of a report is filled, written, read back (tests/losses/laboratory.*.csv)."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from connector.app import Workbench
from connector.exchange.documents import Content
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, HumanName, Identifier, Party, Patient, Period
from connector.exchange.results import Observation, Quantity, Range, Report, Specimen
from connector.mapping.leaves import value_leaves
from connector.monsisra.codec import dump, parse
from connector.settings import Settings

BENCH = Workbench(Settings(site="lab", environment="test"), fixed=True)
AT = Moment("2026-03-02T08:00:00+01:00")


def concept(code: str) -> Concept:
    return Concept(code=code, system="2.16.840.1.113883.6.1", display=f"Label {code}")


def doctor(number: str) -> Party:
    return Party(
        identifiers=(Identifier(value=number, system="1.2.250.1.71.4.2.1", kind="RPPS"),),
        name=HumanName(family="ESSAI", given=("Claire",)),
    )


COMMON = Observation(
    code=concept("718-7"), sub_id="1", reference=Range(text="12 - 16"), interpretation=(Concept(code="H"),), status="final", observed=AT,
    analysed=AT, performer=doctor("10000023084"), producer=concept("LAB"), method=concept("M1"), notes=("Note un", "Note deux"),
)  # fmt: skip
OBSERVATIONS = (
    replace(COMMON, kind="NM", quantity=Quantity(value="13.20", unit=Concept(code="g/dL", system="2.16.840.1.113883.6.8", display="g/dL"))),
    replace(COMMON, kind="SN", quantity=Quantity(value="5", comparator="<", unit=Concept(code="mg/L"))),
    replace(COMMON, kind="SN", range=Range(low="1", high="2")),
    replace(COMMON, kind="CE", coded=(concept("A"), concept("B"))),
    replace(COMMON, kind="TX", text="Ligne 1\nLigne 2"),
    replace(COMMON, kind="TS", moment=AT),
    replace(COMMON, kind="ED", content=Content(media_type="application/pdf", data=b"%PDF-1.4")),
    replace(COMMON, kind="NM", quantity=Quantity(value="1"), reference=Range(low="0", high="2", text="0 - 2")),
)  # fmt: skip
REPORT = Report(
    placer=Identifier(value="D-1", system="1.2.250.1.9.1"), filler=Identifier(value="L-1", system="1.2.250.1.9.2"), code=concept("58410-2"),
    category=Concept(code="HM", system="http://terminology.hl7.org/CodeSystem/v2-0074"), status="final", collected=Period(start=AT, end=AT),
    issued=AT, requester=doctor("10000023092"), interpreter=doctor("10000023100"), reason=concept("R1"), notes=("Note un", "Note deux"),
    specimen=Specimen(
        identifiers=(Identifier(value="S-1", system="1.2.250.1.9.3"),), type=concept("BLD"), site=concept("ARM"),
        collected=Period(start=AT, end=AT), received=AT,
    ),
    observations=OBSERVATIONS,
)  # fmt: skip
EXCHANGE = Exchange(
    intent="notify", origin="feed",
    patient=Patient(identifiers=(Identifier(value="42", system="1.2.250.1.9", kind="PI"),), names=(HumanName(use="birth", family="PAT-TROIS", given=("DOMINIQUE",)),)),
    reports=(REPORT,),
)  # fmt: skip


def places(exchange: Exchange) -> Counter[str]:
    found = [place for place, _ in value_leaves(exchange) if place.startswith("reports")]
    return Counter(re.sub(r"\[\d+\]", "[]", place) for place in found)


@pytest.mark.parametrize("form", ["hl7", "fhir"])
def test_what_is_lost_is_what_the_table_says(form: str, root: Path, request: pytest.FixtureRequest) -> None:
    there = BENCH.convert(dump(EXCHANGE), form, "exchange")
    assert there.value is not None, there.issues
    back = BENCH.convert(there.value, "exchange", form)
    assert back.value is not None, back.issues
    read = parse(back.value).value
    assert read is not None
    lost = "".join(f"{place}\n" for place in sorted(places(EXCHANGE) - places(read)))
    table = root / "tests" / "losses" / f"laboratory.{form}.csv"
    if request.config.getoption("--update-golden"):
        table.write_text(lost, encoding="utf-8")
    assert lost == table.read_text(encoding="utf-8")


def test_what_comes_back_is_what_was_said() -> None:
    for form in ("hl7", "fhir"):
        there = BENCH.convert(dump(EXCHANGE), form, "exchange").value
        back = parse(BENCH.convert(there or b"", "exchange", form).value or b"").value
        assert back is not None
        first, second = back.reports[0].observations[:2]
        assert first.quantity == OBSERVATIONS[0].quantity
        assert second.quantity == OBSERVATIONS[1].quantity
        assert [each.text for each in back.reports[0].observations if each.text] == ["Ligne 1\nLigne 2"]
