"""What FHIR cannot hold of an exchange: every field of each mode is filled, written, read back.

What is lost is exactly tests/losses/<mode>.fhir.csv (`--update-golden` rewrites it), and docs/reference/fhir-losses.md says why.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest

from connector.exchange.clinical import Allergy, Immunization, Medication, Problem, Procedure, Section
from connector.exchange.model import Exchange
from connector.exchange.results import Observation
from connector.mapping.exchange import fields
from connector.mapping.leaves import value_leaves
from tests.property.exchanges import covers
from tests.unit.fhir.site import ROOT, over_the_wire, read, run, write

PAGE = ROOT / "docs" / "reference" / "fhir-losses.md"

#: A value for each field whose words are not free.
TEXTS: dict[str, Any] = {
    "Patient.sex": "female",
    "Patient.identity_status": "validated",
    "Patient.birth_date": "1979-03-28",
    "HumanName.use": "usual",
    "Address.use": "home",
    "Address.insee": "63220",
    "Telecom.system": "phone",
    "Telecom.use": "work",
    "Document.confidentiality": "N",
    "Document.status": "replacement",
    "Document.language": "fr-FR",
    "Document.id": "1.2.250.1.9^A",
    "Document.set_id": "1.2.250.1.9^S",
    "Document.replaces": "1.2.250.1.9^B",
    "Encounter.kind": "inpatient",
    "Exchange.intent": "replace",
    "Exchange.origin": "monsisra",
    "Content.media_type": "image/png",
    "Message.format": "html",
    "VisioLink.url": "https://visio.example.test/1",
    "Teleexpertise.priority": "urgent",
    "Step.state": "acceptee",
    "Expert.kind": "expert",
    "Expert.asks": "form",
    "Form.questionnaire": "https://questionnaires.example.test/1|2",
    "Channel.address": "279035121518989@patient.mssante.fr",
    "Channel.state": "open",
    "Content.data": b"abc",
    "Section.text": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Rien à dire.</p></div>',
    "Section.language": "fr-FR",
    "Problem.status": "resolved",
    "Allergy.status": "active",
    "Medication.status": "active",
    "Immunization.status": "completed",
    "Procedure.status": "completed",
    "Report.status": "final",
    "Quantity.value": "1.5",
    "Quantity.comparator": None,
    "Content.size": 3,
    "Content.sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
}
#: Fields that hold a moment.
MOMENTS = frozenset((
    "time", "start", "end", "created", "requested", "deceased_at", "sent_at", "recorded_at", "occurred_at", "status_date", "closed_at",
    "feeding_date", "consultation_date", "sent", "received", "opened", "closed", "joined", "taken", "starts", "at", "saved", "given",
    "issued",
))  # fmt: skip
#: The fields of an Exchange that belong to one mode or another; what results are is told with them.
OF_A_MODE = {
    "document": {"sharing", "directives", "orders", "prior"},
    "conversation": {"thread", "messages"},
    "teleexpertise": {"thread", "messages", "teleexpertise"},
    "mail": {"messages"},
    "mon_espace_sante": {"messages", "channel"},
}
#: How a document is written with its Composition: beside its DocumentReference, or as a FHIR document.
CLINICAL = {"sections": {"sections": "true"}, "header": {"shape": "document"}}
ALL = frozenset().union(*OF_A_MODE.values(), {"reports"})
LOSSES = ROOT / "tests" / "losses"
ENTRIES = {
    "problems": Problem,
    "allergies": Allergy,
    "medications": Medication,
    "immunizations": Immunization,
    "procedures": Procedure,
}
NEGATIONS = frozenset({"refuted", "not_taken", "not_given", "not_done"})
#: A party is a person or a system; the second author is the system.
PERSON, SYSTEM = frozenset({"device"}), frozenset({"identifiers", "name", "specialty", "function", "mssante"})


def filled(model: type[msgspec.Struct], name: str = "", depth: int = 0, without: frozenset[str] = frozenset()) -> Any:
    made: dict[str, Any] = {}
    for field in fields(model).values():
        if field.name in without or (field.struct and depth > 6):
            continue
        place = f"{name}.{field.name}"
        if field.struct:
            one = filled(field.type, place, depth + 1, PERSON if field.type.__name__ == "Party" else frozenset())
        else:
            one = text(model.__name__, field.name, field.type, place)
        made[field.name] = (one,) if field.many else one
    return model(**made)


def text(model: str, field: str, kind: Any, place: str) -> Any:
    if f"{model}.{field}" in TEXTS:
        return TEXTS[f"{model}.{field}"]
    if kind is bool:
        return True
    if kind is int:
        return 2
    if model == "Identifier":
        return identifier(field, place)
    if field in MOMENTS:
        return "2026-02-03T04:05:06+01:00"
    if field == "system":
        return "1.2.250.1.99"
    return f"{field}-{crc32(place.encode())}" if field == "code" else f"{field} of {place}"


def identifier(field: str, place: str) -> str:
    kinds = {".placer": "PLAC", ".filler": "FILL", ".accession": "ACSN"}
    kind = next((word for end, word in kinds.items() if place.rpartition(".")[0].endswith(end)), "PI")
    return {"value": "42", "system": "1.2.250.1.7", "system_type": "ISO", "authority": "CHE", "kind": kind}.get(
        field, "2026-01-01"
    )


def complete(mode: str) -> Exchange:
    clinical, header = mode in CLINICAL, mode == "header"
    mode = "document" if clinical else mode
    made: Exchange = filled(Exchange, without=(ALL - OF_A_MODE[mode] - {"mode"}) | {"sections"})
    document = made.documents[0]
    system = msgspec.structs.replace(
        document.authors[0],
        device=filled(fields(type(document.authors[0]))["device"].type),
        **{name: (fields(type(document.authors[0]))[name].many and ()) or None for name in SYSTEM},
    )
    section = clinical_section() if clinical else Section(title="Conclusion")
    document = msgspec.structs.replace(document, authors=(document.authors[0], system), sections=(section,))
    if header:  # a FHIR document says nothing of its sending
        made = Exchange(intent=made.intent, origin=made.origin, patient=made.patient, encounter=made.encounter)
    return msgspec.structs.replace(made, documents=(document,), mode=mode)


def clinical_section() -> Section:
    """Every field of a section and its entries; what is said not to be so has no status (R4), results have a table of their own."""
    section: Section = filled(Section, without=frozenset({"sections", "results", "observations"}))
    entries = {
        name: (filled(kind, without=NEGATIONS), filled(kind, without=frozenset({"status"})))
        for name, kind in ENTRIES.items()
    }
    panel = msgspec.structs.replace(section.vital_signs[0], observations=(Observation(code=section.code),))
    return msgspec.structs.replace(section, **entries, vital_signs=(panel,), sections=(Section(title="Remarques"),))


def bare(place: str) -> str:
    return re.sub(r"\[\d+\]", "[]", place)


@cache
def lost(mode: str) -> frozenset[str]:
    exchange = complete(mode)
    back = read(over_the_wire(write(exchange, run(options=CLINICAL.get(mode, {})))))
    kept = {bare(place) for place, _ in value_leaves(back)}
    return frozenset({bare(place) for place, _ in value_leaves(exchange)} - kept)


def gathered(mode: str) -> list[str]:
    """What is lost; a field below which everything is lost stands for all of it."""
    every, gone = (
        Counter(head for place in places for head in heads(place))
        for places in ({bare(place) for place, _ in value_leaves(complete(mode))}, lost(mode))
    )
    return sorted({next(head for head in heads(place) if gone[head] == every[head]) for place in lost(mode)})


def heads(place: str) -> list[str]:
    parts = place.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1)]


def listed() -> list[str]:
    """The patterns of the page but those of laboratory results, whose law is tests/property/test_results.py."""
    page = PAGE.read_text("utf-8").partition("\n## Laboratory results")[0]
    return re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)


@pytest.mark.parametrize("mode", [*OF_A_MODE, *CLINICAL])
def test_what_is_lost_is_what_the_table_of_the_mode_says(mode: str, request: pytest.FixtureRequest) -> None:
    file: Path = LOSSES / f"{mode}.fhir.csv"
    made = "field\n" + "".join(f"{each}\n" for each in gathered(mode))
    if request.config.getoption("--update-golden"):
        file.write_text(made, "utf-8")
    assert file.read_text("utf-8") == made


def test_the_page_says_why_each_field_is_lost() -> None:
    patterns = listed()
    every = {place for mode in (*OF_A_MODE, *CLINICAL) for place in lost(mode)}
    missing = sorted(place for place in every if not any(covers(pattern, place) for pattern in patterns))
    assert not missing, "lost, and not told in docs/reference/fhir-losses.md"
    idle = [pattern for pattern in patterns if not any(covers(pattern, place) for place in every)]
    assert not idle, "told as lost, and kept"
