"""What FHIR cannot hold of an exchange: every field of the model is filled, written, read back; what is lost is what the page says."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from connector.exchange.model import Exchange
from connector.mapping.exchange import fields
from connector.mapping.leaves import value_leaves
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
    "Exchange.mode": "document",
    "Exchange.origin": "feed",
    "Content.media_type": "text/plain",
    "Content.data": b"abc",
    "Content.size": 3,
    "Content.sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
}
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
    given = TEXTS.get(f"{model}.{field}")
    if given is not None:
        return given
    if kind is bool:
        return True
    if kind is int:
        return 2
    if model == "Identifier":
        return identifier(field, place)
    if field in (
        "time",
        "start",
        "end",
        "created",
        "requested",
        "deceased_at",
        "sent_at",
        "recorded_at",
        "occurred_at",
    ):
        return "2026-02-03T04:05:06+01:00"
    if field == "system":
        return "1.2.250.1.99"
    return f"{field}-{abs(hash(place)) % 97}" if field == "code" else f"{field} of {place}"


def identifier(field: str, place: str) -> str:
    kinds = {".placer": "PLAC", ".filler": "FILL", ".accession": "ACSN"}
    kind = next((word for end, word in kinds.items() if place.rpartition(".")[0].endswith(end)), "PI")
    return {"value": "42", "system": "1.2.250.1.7", "system_type": "ISO", "authority": "CHE", "kind": kind}.get(
        field, "2026-01-01"
    )


def complete() -> Exchange:
    made: Exchange = filled(Exchange)
    document = made.documents[0]
    system = msgspec.structs.replace(
        document.authors[0],
        device=filled(fields(type(document.authors[0]))["device"].type),
        **{name: (fields(type(document.authors[0]))[name].many and ()) or None for name in SYSTEM},
    )
    document = msgspec.structs.replace(document, authors=(document.authors[0], system))
    return msgspec.structs.replace(made, documents=(document,))


def bare(place: str) -> str:
    return re.sub(r"\[\d+\]", "[]", place)


def lost() -> set[str]:
    exchange = complete()
    back = read(over_the_wire(write(exchange, run())))
    kept = {bare(place) for place, _ in value_leaves(back)}
    return {bare(place) for place, _ in value_leaves(exchange)} - kept


def listed() -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)


def covers(pattern: str, place: str) -> bool:
    escaped = re.escape(pattern).replace(r"\*", ".*")
    return re.fullmatch(rf"{escaped}([.\[].*)?", place) is not None


def test_what_is_lost_is_what_the_page_says() -> None:
    patterns = listed()
    missing = sorted(place for place in lost() if not any(covers(pattern, place) for pattern in patterns))
    assert not missing, "lost, and not told in docs/reference/fhir-losses.md"


def test_the_page_says_nothing_that_is_kept() -> None:
    gone = lost()
    idle = [pattern for pattern in listed() if not any(covers(pattern, place) for place in gone)]
    assert not idle, "told as lost, and kept"


def test_the_page_names_fields_that_exist() -> None:
    places = {bare(place) for place, _ in value_leaves(complete())}
    assert [pattern for pattern in listed() if not any(covers(pattern, place) for place in places)] == []
