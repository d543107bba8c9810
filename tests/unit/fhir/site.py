"""What the FHIR tests share: the project's own tables and mappings, a fixed Context, one exchange that fills what FHIR can hold."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from connector import terminology
from connector.exchange.care import Act, Encounter, Order, Place
from connector.exchange.documents import Content, Directives, Document
from connector.exchange.model import Context, Envelope, Exchange
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
from connector.fhir import bundle, codec
from connector.fhir.composition import has_composition
from connector.fhir.search import Alternative, Criterion, IndexRow, Page, Query
from connector.fhir.shape import FhirShape
from connector.mapping.catalogue import Library, load_library
from connector.mapping.language import Run

ROOT = Path(__file__).resolve().parents[3]
NOW = Moment("2026-03-04T05:06:07+01:00")


@cache
def tables() -> terminology.Tables:
    files = {f"terminology/{p.name}": p.read_text("utf-8") for p in sorted((ROOT / "terminology").glob("*.csv"))}
    return terminology.load(files)


@cache
def library() -> Library:
    files = {
        str(p.relative_to(ROOT)): p.read_text("utf-8") for p in sorted((ROOT / "mappings" / "fhir").rglob("*.yaml"))
    }
    return load_library(files, {"fhir": FhirShape()}, tables())


def context(**changes: Any) -> Context:
    return Context(now=NOW, systems=tables().systems, table=tables().table, **changes)


def run(**changes: Any) -> Run:
    return Run(context(**changes))


def mapping_name(using: Run) -> str:
    """The mapping that writes what the options ask for."""
    return f"fhir/bundles/{'clinical' if {'sections', 'shape'} & using.context.options.keys() else 'document'}"


def write(exchange: Exchange, using: Run | None = None) -> codec.Resource:
    """The transaction Bundle of an exchange; with the options `sections` or `shape` one that holds Compositions."""
    using = using or run()
    tree = library().mapping(mapping_name(using)).write(exchange, using)
    return bundle.assemble(tree, exchange, using)


def read(resource: codec.Resource, using: Run | None = None) -> Exchange:
    """The exchange of a Bundle."""
    using = using or run()
    name = "clinical" if has_composition(resource) else "document"
    found = library().mapping(f"fhir/bundles/{name}").read(bundle.take_apart(resource, using), using)
    assert isinstance(found, Exchange)
    return found


def over_the_wire(resource: codec.Resource) -> codec.Resource:
    """Written to JSON and read again."""
    loaded = codec.load(codec.dump(resource))
    assert loaded.value is not None, loaded.issues
    return loaded.value


def resources(made: codec.Resource, kind: str) -> list[codec.Resource]:
    return [entry["resource"] for entry in made["entry"] if entry["resource"]["resourceType"] == kind]


DATA = b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'
RPPS = Identifier(value="801234567897", system="1.2.250.1.71.4.2.1", kind="IDNPS")
HOSPITAL = Organization(
    identifiers=(Identifier(value="1300017985", system="1.2.250.1.71.4.2.2", kind="IDNST"),),
    name="CH ESSAI",
    sector=Concept(code="ETABLISSEMENT", system="1.2.250.1.213.1.1.4.9", display="Etablissement de santé"),
)
DOCTOR = Party(
    identifiers=(RPPS,),
    name=HumanName(family="DUVAL", given=("Marie",), prefix="DR"),
    specialty=Concept(code="G15_10/SM26", system="1.2.250.1.213.1.1.4.5", display="Médecine générale"),
    telecoms=(Telecom(value="0450000000", system="phone", use="work"),),
    mssante="marie.duval@essai.mssante.fr",
    organization=HOSPITAL,
)
LABORATORY = Party(device=Device(model="LISx", software="Labo 3"), organization=Organization(name="LABO ESSAI"))
PATIENT = Patient(
    identifiers=(
        Identifier(value="279035121518989", system="1.2.250.1.213.1.4.10", kind="INS"),
        Identifier(value="4242", system="1.2.3.4", kind="PI", authority="CHE"),
    ),
    names=(
        HumanName(use="birth", family="PAT-TROIS", given=("DOMINIQUE",), birth_given="DOMINIQUE MARIE"),
        HumanName(use="usual", family="PATTE", given=("DOM",)),
    ),
    birth_date=Moment("1979-03-28"),
    sex="female",
    birth_place=Address(insee="63220"),
    identity_status="validated",
    addresses=(Address(use="home", lines=("1 RUE DU PUITS",), city="LYON", postal_code="69001", country="FRA"),),
    telecoms=(Telecom(value="279035121518989@patient.mssante.fr", system="mssante"),),
    guardians=(
        Party(
            relation=Concept(code="MTH", system="2.16.840.1.113883.5.111", display="Mère"),
            name=HumanName(use="usual", family="MERE-TEST", given=("ANNE",)),
        ),
    ),
)
DOCUMENT = Document(
    id="1.2.250.1.213.1.1.9^ABC",
    set_id="1.2.250.9.9",
    version="2",
    replaces="1.2.250.1.213.1.1.9^ABB",
    status="replacement",
    type=Concept(code="34133-9", system="2.16.840.1.113883.6.1", display="CR d'hospitalisation"),
    category=Concept(code="11", system="1.2.250.1.213.1.1.4.1", display="Synthèse"),
    title="CR d'hospitalisation été",
    created=Moment("2026-02-28T11:00:00+01:00"),
    language="fr-FR",
    confidentiality="N",
    format=Concept(code="urn:ihe:iti:xds-sd:pdf:2008", system="1.3.6.1.4.1.19376.1.2.3"),
    content=Content(
        media_type="text/xml", data=DATA, size=len(DATA), sha1=hashlib.sha1(DATA, usedforsecurity=False).hexdigest()
    ),
    authors=(DOCTOR, LABORATORY),
    signer=DOCTOR,
    custodian=Organization(
        identifiers=(Identifier(value="300017985", system="1.2.250.1.71.4.2.2", kind="FINEG"),), name="CH ESSAI"
    ),
    acts=(
        Act(
            code=Concept(code="IMP", system="2.16.840.1.113883.5.4"),
            period=Period(start=Moment("2026-02-20"), end=Moment("2026-02-25")),
            performer=Party(organization=Organization(sector=HOSPITAL.sector)),
        ),
    ),
    orders=(
        Order(
            placer=Identifier(value="P1", system="1.2.3.6", kind="PLAC"),
            accession=Identifier(value="A1", kind="ACSN"),
        ),
    ),
    references=(Identifier(value="R1", system="1.2.3.9"),),
)
STAY = Encounter(
    number=Identifier(value="V1", system="1.2.3.5", kind="VN"),
    kind="inpatient",
    facility_type=Concept(code="SA01", system="1.2.250.1.71.4.2.4"),
    period=Period(start=Moment("2026-02-20T08:00:00+01:00"), end=Moment("2026-02-25")),
    place=Place(unit="CHIR", room="12", bed="2"),
    responsible=DOCTOR,
    participants=(Party(role="CON", name=HumanName(use="usual", family="CONSULTANT")),),
)
EXCHANGE = Exchange(
    intent="replace",
    mode="document",
    origin="feed",
    envelope=Envelope(control_id="MSG00001", sent_at=Moment("2026-03-01T10:00:00+01:00")),
    patient=PATIENT,
    encounter=STAY,
    documents=(DOCUMENT,),
    directives=Directives(hidden_from_patient=True),
    sender=DOCTOR,
    recipients=(DOCTOR,),
)


class MemoryStore:
    """A `DocumentStore` in memory: what criteria mean, told once more in plain Python."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], dict[str, Any]] = {}
        self.rows: dict[tuple[str, str], Sequence[IndexRow]] = {}
        self.blobs: dict[str, bytes] = {}
        self.puts = 0

    async def put_many(
        self, resources: Sequence[tuple[Mapping[str, Any], Sequence[IndexRow]]], blobs: Mapping[str, bytes]
    ) -> Sequence[str]:
        for resource, rows in resources:
            key = (resource["resourceType"], resource["id"])
            old = self.kept.pop(key, None)
            version = int(old["meta"]["versionId"]) + 1 if old else 1
            meta = {
                **resource.get("meta", {}),
                "versionId": str(version),
                "lastUpdated": "2026-03-04T05:06:07.000+01:00",
            }
            self.kept[key] = {**resource, "meta": meta}
            self.rows[key] = rows
        self.blobs.update(blobs)
        self.puts += 1
        return [f"{resource['resourceType']}/{resource['id']}" for resource, _ in resources]

    async def get(self, resource_type: str, resource_id: str) -> Mapping[str, Any] | None:
        return self.kept.get((resource_type, resource_id))

    async def blob(self, resource_id: str) -> tuple[str, bytes] | None:
        found = self.kept.get(("Binary", resource_id))
        return (found["contentType"], self.blobs[resource_id]) if found else None

    async def many(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        return {name: self.kept[key] for name in names if (key := tuple(name.split("/"))) in self.kept}

    async def search(self, query: Query) -> Page:
        found = [
            resource
            for (kind, identity), resource in reversed(self.kept.items())
            if kind == query.type and all(self._meets(each, (kind, identity)) for each in query.criteria)
        ]
        return Page(len(found), found[: query.limit])

    def _meets(self, criterion: Criterion, key: tuple[str, str]) -> bool:
        if criterion.kind == "id":
            return any(each.value == key[1] for each in criterion.alternatives)
        rows = [row for row in self.rows[key] if row.parameter == criterion.parameter]
        return any(matches(criterion.kind, each, row) for each in criterion.alternatives for row in rows)

    async def changes(self) -> AsyncIterator[str]:
        for kind, identity in self.kept:
            yield f"{kind}/{identity}"


def matches(kind: str, asked: Alternative, row: IndexRow) -> bool:
    if kind == "date":
        assert row.low is not None
        assert row.high is not None
        return {
            "eq": row.low >= asked.low and row.high <= asked.high,
            "ne": not (row.low >= asked.low and row.high <= asked.high),
            "gt": row.high > asked.high,
            "lt": row.low < asked.low,
            "ge": row.high >= asked.low,
            "le": row.low <= asked.high,
            "sa": row.low > asked.high,
            "eb": row.high < asked.low,
        }[asked.prefix]
    if kind == "string":
        if asked.prefix == "exact":
            return row.system == asked.system
        return asked.value in row.value if asked.prefix == "contains" else row.value.startswith(asked.value)
    if kind == "token":
        return (not asked.value or row.value == asked.value) and asked.system in (None, row.system)
    return row.value == asked.value
