"""Structured documents between CDA and FHIR: a FHIR document becomes a CDA and a CDA a FHIR document, and what it says comes back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from connector.cda.body import body
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment, to_iso, with_zone
from connector.exchange.people import HumanName, Party
from connector.fhir.codec import load
from connector.fhir.validate import validate
from connector.issues import Severity
from connector.mapping.language import Run
from connector.pipeline.structured import with_contents
from tests.conftest import ROOT
from tests.golden.journeys_kit import context, translator

GOLDEN = ROOT / "tests" / "golden"
LETTER = GOLDEN / "fhir" / "structured-letter"


def asked(shape: str = "") -> Context:
    options = {"sections": "true", **({"shape": shape} if shape else {})}
    return replace(context(), options={**context().options, **options})


def converted(raw: bytes, origin: str, to: str, using: Context) -> bytes:
    made = translator().convert(raw, origin, to, using)
    assert made.value is not None, [str(each) for each in made.issues if each.severity >= Severity.ERROR]
    return made.value


def exchange_of(raw: bytes, origin: str) -> Exchange:
    found = translator().read(raw, origin, asked(), rules=False).exchange
    assert found is not None
    return found


def differences(before: Any, after: Any, place: str = "") -> Iterator[str]:
    """The places at which two values differ, without numbers."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from differences(before.get(name), after.get(name), f"{place}.{name}" if place else name)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        if len(before) != len(after):
            yield place
        for one, other in zip(before, after, strict=False):
            yield from differences(one, other, f"{place}[]")
    elif before != after and moment(before) != moment(after):
        yield place


def moment(value: Any) -> Any:
    """A moment to the minute is the same with its seconds and the zone of the site."""
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        return to_iso(with_zone(Moment(value), context().zone)[0])
    return value


def between(before: Exchange, after: Exchange) -> set[str]:
    return set(differences(msgspec.to_builtins(before), msgspec.to_builtins(after)))


#: What CDA cannot say of the golden letter, or says otherwise (docs/reference/cda-losses.md).
BY_CDA = {
    "patient.identity_status", "encounter.number.kind", "encounter.type", "documents[].category", "documents[].orders[].requested",
    "documents[].sections[].medications[].dose.unit.display", "documents[].sections[].medications[].dose_high.unit.display",
    "documents[].sections[].medications[].most.unit.display", "documents[].sections[].results[].collected",
}  # fmt: skip


def test_a_fhir_document_becomes_a_cda_and_says_the_same_again() -> None:
    given = (LETTER / "out.document.json").read_bytes()
    cda = converted(given, "fhir", "cda", asked())
    assert b"<structuredBody>" in cda
    again = converted(cda, "cda", "fhir", asked("document"))
    assert validate(load(again).value or {}) == []
    assert between(exchange_of(given, "fhir"), exchange_of(again, "fhir")) == BY_CDA


def test_a_cda_around_a_file_is_a_fhir_document_of_one_section() -> None:
    cda = (GOLDEN / "cda" / "n1-everything" / "out.cda.xml").read_bytes()
    made = json.loads(converted(cda, "cda", "fhir", asked("document")))
    composition = made["entry"][0]["resource"]
    (section,) = composition["section"]
    (binary,) = [each["resource"] for each in made["entry"] if each["fullUrl"] == section["entry"][0]["reference"]]
    file = body(cda).value
    assert file is not None
    assert (binary["resourceType"], binary["contentType"]) == ("Binary", file.media_type)
    back = exchange_of(json.dumps(made).encode(), "fhir").documents[0]
    assert back.content is not None
    assert back.content.data == file.data


def test_what_a_fhir_document_says_is_written_as_the_cda_that_destinations_carry() -> None:
    read = exchange_of((LETTER / "out.document.json").read_bytes(), "fhir")
    run = Run(context())
    (document,) = with_contents(read, run, translator().mappings).documents
    assert document.content is not None
    assert document.content.media_type == "text/xml"
    assert b"<structuredBody>" in (document.content.data or b"")
    assert [each for each in run.issues if each.severity > Severity.WARNING] == []
    assert with_contents(replace(read, documents=(document,)), Run(context()), translator().mappings).documents == (
        document,
    )


@pytest.mark.parametrize(("number", "kind"), [("279035121518989", "Patient"), ("276059205062865", "PractitionerRole")])
def test_a_signer_is_the_patient_when_the_mailbox_is_his_own(number: str, kind: str) -> None:
    exchange = exchange_of((LETTER / "out.document.json").read_bytes(), "fhir")
    signer = Party(
        identifiers=exchange.patient.identifiers if exchange.patient is not None and kind == "Patient" else (),
        name=HumanName(use="birth", family="PAT-TROIS", given=("DOMINIQUE",), birth_given="DOMINIQUE MARIE-LOUISE"),
        mssante=f"{number}@patient.mssante.fr",
    )
    (document,) = exchange.documents
    given = replace(exchange, documents=(replace(document, signer=signer),))
    made = translator().write(given, "fhir", asked("document")).value or b""
    composition = json.loads(made)["entry"][0]["resource"]
    legal = next(each["party"] for each in composition["attester"] if each["mode"] == "legal")
    resources = {each["fullUrl"]: each["resource"]["resourceType"] for each in json.loads(made)["entry"]}
    assert resources[legal["reference"]] == kind
    back = exchange_of(made, "fhir").documents[0].signer
    assert back is not None
    assert (back.name, back.identifiers) == (signer.name, signer.identifiers)


#: Places that differ between a CDA's sections and what FHIR gives back, each with its reason in docs/reference/fhir-losses.md.
BY_FHIR = (
    "unread", "refuted", "not_given", "not_done", "not_taken", "sha1", "sha256", "size", "time", "role", "role_class", "relation",
)  # fmt: skip


#: What a header says otherwise when it comes back from a FHIR document: no place (realm, format), R4's own words (the use of an address),
#: a status that R4 requires, a secure mailbox among the contacts, numbers of a system and of an order with their kind.
HEADER = (
    "realm", "format", "status", "use", "kind", "telecoms", "mssante", "authors[].identifiers", "device.identifiers", "addresses",
)  # fmt: skip
#: What did not happen has no other status; a narrative without a word is none (R4 txt-2).
OTHERWISE = {"procedures.status", "immunizations.status", "medications.status", "sections.text"}


@pytest.mark.shared
def test_every_example_is_valid_fhir_in_both_shapes_and_its_sections_come_back(shared: Path) -> None:
    """The corpus, and the examples of the ANS where ANS_CDA_JUDGE names their checkout."""
    judge = os.environ.get("ANS_CDA_JUDGE")
    files = sorted((shared / "corpus" / "cda").rglob("*.xml"))
    files += sorted((Path(judge) / "ExemplesCDA").glob("*.xml")) if judge else []
    places: set[str] = set()
    headers: set[str] = set()
    for file in files:
        read = translator().convert(file.read_bytes(), "cda", "exchange", asked())
        if read.value is None:
            continue
        exchange = translator().read(read.value, "exchange", asked(), rules=False).exchange
        assert exchange is not None
        for shape in ("", "document"):
            made = translator().write(exchange, "fhir", asked(shape))
            assert made.value is not None, file.name
            assert validate(load(made.value).value or {}) == [], file.name
            back = exchange_of(made.value, "fhir").documents[0]
            known = exchange.documents[0]
            places |= set(
                differences(msgspec.to_builtins(known.sections), msgspec.to_builtins(back.sections), "sections")
            )
            heads = (replace(each, content=None, body=None, sections=()) for each in (known, back))
            headers |= set(differences(*map(msgspec.to_builtins, heads))) if shape else set()
    told = {each for each in places if each.rpartition(".")[2] not in BY_FHIR}
    assert {each.rpartition("[].")[0].rpartition(".")[2] + "." + each.rpartition(".")[2] for each in told} <= OTHERWISE
    assert {each for each in headers if not each.endswith(HEADER)} == set()
