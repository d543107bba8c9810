"""Retired codes and unknown ones on their way through the real mappings."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import pytest

from connector.app.compiled import Compiled, compile_files, site_context
from connector.demo import demo_document, demo_message
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment
from connector.issues import Severity
from connector.mapping.language import Run
from connector.pipeline.translate import Reading
from connector.settings import find_library, settings_from
from connector.terminology import RETIRED, Untranslated, untranslated
from connector.terminology.sheet import Sheet

WHEN = Moment("2026-01-05T10:15:00+01:00")
DOCUMENT = "1.2.250.1.213.1.4.10.9.99.5"


@pytest.fixture(scope="module")
def retired() -> Compiled:
    """A site whose tables retired a stay's class without a day, and a document's type and a confidentiality on a day."""
    files = find_library()
    texts = dict(files.terminology)
    for name, word, cells in (
        ("encounter-class", "inpatient", {"status": RETIRED}),
        ("document-types", "11490-0", {"end": "2026-06-01"}),
        ("confidentiality", "N", {"end": "2027-06-01"}),
    ):
        place = f"terminology/{name}.csv"
        sheet = Sheet(place, texts[place])
        sheet.put(next(sheet.find(word)), **cells)
        texts[place] = sheet.text()
    return compile_files(msgspec.structs.replace(files, terminology=texts))


def context(of: Compiled, day: str) -> Context:
    site = settings_from({"site": "default", "environment": "test"}, Path.cwd(), environ={})
    return site_context(site, of.tables)(f"{day}T10:00:00+01:00")


def read(of: Compiled, raw: bytes, form: str = "hl7") -> Reading:
    return of.translator.read(raw, form, context(of, "2026-03-01"))


def told(of: Compiled, exchange: Exchange, form: str, day: str) -> list[tuple[str, str]]:
    run = Run(context(of, day))
    written = of.translator.write(exchange, form, run.context, run=run)
    assert written.value is not None
    issues = [issue for issue in written.issues if issue.code == "CODE_RETIRED"]
    assert all(issue.severity == Severity.WARNING for issue in issues)
    return sorted((issue.place.path, issue.params["table"]) for issue in issues)


def test_a_retired_code_is_read_without_a_word_and_told_when_it_is_written(retired: Compiled) -> None:
    reading = read(retired, demo_message(WHEN, "R1", DOCUMENT))
    assert reading.accepted
    assert "CODE_RETIRED" not in [issue.code for issue in reading.issues]
    exchange = reading.exchange
    assert exchange is not None
    assert exchange.encounter is not None
    assert exchange.encounter.kind == "inpatient"
    before, after = (told(retired, exchange, "hl7", day) for day in ("2026-05-31", "2026-06-01"))
    assert before == [("encounter.kind", "encounter-class")]
    assert {table for _, table in after} == {"document-types", "encounter-class"}
    for form in ("fhir", "cda"):
        assert told(retired, exchange, form, "2026-06-01").count(("documents[1].type", "document-types")) == 1


def codes(reading: Reading) -> list[Untranslated]:
    return list(dict.fromkeys(reading.untranslated))


def test_the_code_of_each_unknown_code_is_kept_beside_the_issues(retired: Compiled) -> None:
    document = demo_document(WHEN, DOCUMENT)
    changed = document.replace(b'<code code="11490-0"', b'<code code="99999-9"')
    message = (
        demo_message(WHEN, "R1", DOCUMENT).replace(b"PV1|1|I|", b"PV1|1|Q|").replace(b"|19790328|F|", b"|19790328|H|")
    )
    message = message.replace(base64.b64encode(document), base64.b64encode(changed))
    reading = read(retired, message)
    assert set(codes(reading)) == {
        untranslated("encounter-class", "read", "hl7", "Q"),
        untranslated("sex", "read", "hl7", "H"),
        untranslated("document-types", "read", "cda", "99999-9"),
    }
    unknown = [issue for issue in reading.issues if issue.code == "MAP_UNKNOWN_CODE"]
    assert len(unknown) >= 3
    assert not any("99999-9" in str(value) for issue in unknown for value in issue.params.values())
    assert untranslated("document-types", "read", "cda", "99999-9") in codes(read(retired, changed, "cda"))


def test_a_message_that_every_table_knows_keeps_nothing(retired: Compiled) -> None:
    assert read(retired, demo_message(WHEN, "R1", DOCUMENT)).untranslated == ()


def test_a_word_that_a_format_has_no_code_for_is_kept(retired: Compiled) -> None:
    exchange = read(retired, demo_message(WHEN, "R1", DOCUMENT)).exchange
    assert exchange is not None
    assert exchange.patient is not None
    odd = msgspec.structs.replace(exchange, patient=msgspec.structs.replace(exchange.patient, sex="neither"))
    run = Run(context(retired, "2026-03-01"))
    retired.translator.write(odd, "fhir", run.context, run=run)
    assert untranslated("sex", "write", "fhir", "neither") in run.untranslated
