"""What a CDA header cannot hold is written down, field by field, and nothing else is lost."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connector import terminology
from connector.cda.codec import parse, serialise
from connector.cda.document import HEADER
from connector.cda.shape import SHAPE
from connector.exchange.care import Act, Encounter, Order, Place
from connector.exchange.documents import Content, Document
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import (
    Address,
    Concept,
    Device,
    HumanName,
    Identifier,
    Organization,
    Party,
    Patient,
    Period,
    Telecom,
)
from connector.mapping.catalogue import Library, load_library
from connector.mapping.language import Run

NUMBER = Identifier(value="1", system="1.2.250.1.999.7")
CODE = Concept(code="X", system="1.2.250.1.999.8", display="x")
#: One value of each type, as plain as a header can hold it.
VALUES: dict[type, Any] = {
    Identifier: NUMBER,
    Concept: CODE,
    HumanName: HumanName(use="birth", family="TEST", given=("A",)),
    Address: Address(lines=("1 rue",), city="LYON"),
    Telecom: Telecom(value="0600000000", system="phone"),
    Organization: Organization(identifiers=(NUMBER,), name="CH"),
    Device: Device(model="M", software="S"),
    Period: Period(start=Moment("2026-01-01"), end=Moment("2026-01-02")),
    Place: Place(facility="Service"),
    Party: Party(identifiers=(NUMBER,), name=HumanName(family="TEST")),
    Act: Act(code=CODE),
    Order: Order(placer=NUMBER),
    Encounter: Encounter(number=NUMBER, period=Period(start=Moment("2026-01-01"))),
    Content: Content(media_type="application/pdf"),
}
#: Values of single fields where any text will not do.
WORDS = {
    "Document.id": "1.2.3", "Document.set_id": "1.2.4", "Document.replaces": "1.2.5", "Document.confidentiality": "R", "Document.created": "2026-01-01",
    "Document.templates": ("1.2.6",), "Patient.sex": "male", "Patient.birth_date": "1979-03-28", "Patient.deceased_at": "2026-01-01",
    "Patient.birth_place": Address(insee="63220", city="MEILHAUD"), "Encounter.kind": "emergency", "Encounter.type": Concept(code="EMER", system="2.16.840.1.113883.5.4"),
    "HumanName.use": "usual", "Address.use": "work", "Telecom.use": "work", "Telecom.system": "fax", "Identifier.kind": "PI", "Identifier.system": "1.2.9",
    "Concept.system": "1.2.10", "Content.data": b"%PDF-1.4", "Order.requested": "2026-01-01",
}  # fmt: skip
#: Where people stand, and an informant of each sort.
ROLES = (
    "authors", "enterer", "informants", "recipients", "signer", "authenticators", "participants",
)  # fmt: skip


@pytest.fixture(scope="module")
def library(root: Path) -> Library:
    files = {f"mappings/cda/{path.name}": path.read_text() for path in (root / "mappings" / "cda").glob("*.yaml")}
    return load_library(files, {"cda": SHAPE}, _tables(root))


def _tables(root: Path) -> terminology.Tables:
    return terminology.load(
        {f"terminology/{path.name}": path.read_text() for path in (root / "terminology").glob("*.csv")}
    )


def value_of(owner: type, name: str, annotation: Any) -> Any:
    """A value for a field."""
    if f"{owner.__name__}.{name}" in WORDS:
        return WORDS[f"{owner.__name__}.{name}"]
    if name in ("time", "start", "end"):
        return "2026-01-03"
    if isinstance(annotation, types.UnionType):
        annotation = next(each for each in typing.get_args(annotation) if each is not type(None))
    if typing.get_origin(annotation) is tuple:
        return (value_of(owner, f"{name}[]", typing.get_args(annotation)[0]),)
    if annotation in VALUES:
        return VALUES[annotation]
    return {bool: True, int: 2}.get(annotation, "texte")


def fields(owner: type) -> Iterator[tuple[str, Any]]:
    """Each field with a value of its own."""
    for name, annotation in typing.get_type_hints(owner).items():
        if not name.startswith("__"):
            yield name, value_of(owner, name, annotation)


def exchange(**changes: Any) -> Exchange:
    """A document that says little, with some fields more."""
    document = Document(id="1.2.3", type=CODE)
    return Exchange(
        patient=changes.pop("patient", Patient(identifiers=(NUMBER,))),
        encounter=changes.pop("encounter", None),
        documents=(msgspec.structs.replace(document, **changes),),
    )


def first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and value else value


def cases() -> Iterator[tuple[str, Exchange, Any]]:
    """(path, an Exchange that holds a value there, the way to it)."""
    for name, value in fields(Document):
        if name in ("acts", "orders", "encounter", *ROLES, "body"):
            continue
        yield f"Document.{name}", exchange(**{name: value}), lambda e, n=name: getattr(e.documents[0], n)
    for name, value in fields(Patient):
        patient = msgspec.structs.replace(Patient(identifiers=(NUMBER,)), **{name: value})
        yield f"Patient.{name}", exchange(patient=patient), lambda e, n=name: getattr(e.patient, n)
    for name, value in fields(Encounter):
        encounter = msgspec.structs.replace(VALUES[Encounter], **{name: value})
        yield f"Encounter.{name}", exchange(encounter=encounter), lambda e, n=name: getattr(e.encounter, n)
    for where, owner in (("acts", Act), ("orders", Order)):
        for name, value in fields(owner):
            made = msgspec.structs.replace(VALUES[owner], **{name: value})
            yield (
                f"{owner.__name__}.{name}",
                exchange(**{where: (made,)}),
                lambda e, w=where, n=name: getattr(getattr(e.documents[0], w)[0], n),
            )
    for role in ROLES:
        many = not isinstance(getattr(Document(), role), type(None))
        for name, value in fields(Party):
            party = msgspec.structs.replace(VALUES[Party], **{name: value})
            if name == "device":
                party = Party(identifiers=(NUMBER,), device=value)
            yield (
                f"Document.{role}.{name}",
                exchange(**{role: (party,) if many else party}),
                lambda e, r=role, n=name: getattr(first(getattr(e.documents[0], r)), n),
            )
    for name, value in fields(Party):
        party = msgspec.structs.replace(VALUES[Party], **{name: value})
        act = Act(code=CODE, performer=party)
        yield (
            f"Act.performer.{name}",
            exchange(acts=(act,)),
            lambda e, n=name: getattr(e.documents[0].acts[0].performer, n),
        )
        stay = msgspec.structs.replace(VALUES[Encounter], responsible=party)
        yield (
            f"Encounter.responsible.{name}",
            exchange(encounter=stay),
            lambda e, n=name: getattr(e.encounter.responsible, n),
        )
        stay = msgspec.structs.replace(VALUES[Encounter], participants=(party,))
        yield (
            f"Encounter.participants.{name}",
            exchange(encounter=stay),
            lambda e, n=name: getattr(e.encounter.participants[0], n),
        )
        patient = Patient(identifiers=(NUMBER,), guardians=(party,))
        yield (
            f"Patient.guardians.{name}",
            exchange(patient=patient),
            lambda e, n=name: getattr(e.patient.guardians[0], n),
        )
    yield from values()


def values() -> Iterator[tuple[str, Exchange, Any]]:
    """The parts of values, each in a place where it is held."""
    for owner, put, get in (
        (Identifier, lambda v: exchange(patient=Patient(identifiers=(v,))), lambda e: e.patient.identifiers[0]),
        (Telecom, lambda v: exchange(patient=Patient(identifiers=(NUMBER,), telecoms=(v,))), lambda e: e.patient.telecoms[0]),
        (Address, lambda v: exchange(patient=Patient(identifiers=(NUMBER,), addresses=(v,))), lambda e: e.patient.addresses[0]),
        (Concept, lambda v: exchange(type=v), lambda e: e.documents[0].type),
        (Organization, lambda v: exchange(authors=(Party(identifiers=(NUMBER,), organization=v),)), lambda e: e.documents[0].authors[0].organization),
        (Device, lambda v: exchange(authors=(Party(identifiers=(NUMBER,), device=v),)), lambda e: e.documents[0].authors[0].device),
        (HumanName, lambda v: exchange(authors=(Party(identifiers=(NUMBER,), name=v),)), lambda e: e.documents[0].authors[0].name),
        (Place, lambda v: exchange(encounter=msgspec.structs.replace(VALUES[Encounter], place=v)), lambda e: e.encounter.place),
        (Content, lambda v: exchange(body=v), lambda e: e.documents[0].body),
    ):  # fmt: skip
        for name, value in fields(owner):
            made = msgspec.structs.replace(VALUES[owner], **{name: value})
            yield f"{owner.__name__}.{name}", put(made), lambda e, g=get, n=name: getattr(g(e), n)  # type: ignore[misc]
    for name in ("sector",):
        custodian = Organization(identifiers=(NUMBER,), sector=CODE)
        yield (
            f"Document.custodian.{name}",
            exchange(custodian=custodian),
            lambda e, n=name: getattr(e.documents[0].custodian, n),
        )


def lost(library: Library, tables: terminology.Tables) -> set[str]:
    """The paths whose value does not come back from writing and reading."""
    found = set()
    context = Context(now=Moment("2026-01-01"), table=tables.table, systems=tables.systems)
    mapping = library.mapping(HEADER)
    for path, value, get in cases():
        tree = mapping.write(value, Run(context))
        read = parse(serialise(tree))
        assert read.value is not None
        back = mapping.read(read.value.header, Run(context))
        try:
            same = get(back) == get(value)
        except (AttributeError, IndexError):
            same = False
        if not same:
            found.add(path)
    return found


def test_every_loss_is_written_down_and_every_loss_written_down_is_one(root: Path, library: Library) -> None:
    page = (root / "docs" / "reference" / "cda-losses.md").read_text()
    listed = set(re.findall(r"^\| `([A-Za-z0-9_.]+)` \|", page, re.MULTILINE))
    assert listed, "the table names each field"
    assert lost(library, _tables(root)) == listed
