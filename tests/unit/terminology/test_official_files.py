"""SVS, CSV and packages, good and bad."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path

import pytest

from connector.terminology import TerminologyError, load
from connector.terminology.difference import meant, take
from connector.terminology.official_files import read_editions
from connector.terminology.sheet import Sheet
from tests.unit.terminology.official import OID, composed, concept, listed, package, svs, system


def test_an_svs_answer_is_an_edition() -> None:
    [edition] = read_editions({"jdv.xml": svs(concept("red"), concept("blue", "Bleu", 'dateFin="20250131000000"'))})
    assert edition.identifiers == (OID,)
    assert (edition.name, edition.effective) == ("JDV_Colours", "2026-03-01")
    red, blue = edition.concepts
    assert (red.code, red.system, red.display, red.end) == ("red", f"{OID}.1", "Red", "")
    assert (blue.display, blue.end) == ("Bleu", "2025-01-31")
    assert blue.place == "jdv.xml:1"


def test_described_value_sets_and_the_french_list() -> None:
    raw = (
        '<RetrieveMultipleValueSetsResponse xmlns="urn:ihe:iti:svs:2008"><DescribedValueSet id="1.2" displayName="A" version="3">'
        "<Source>Us</Source><EffectiveDate>2026-02-01</EffectiveDate>"
        f'<ConceptList xml:lang="en-US">{concept("red")}</ConceptList>'
        f'<ConceptList xml:lang="fr-FR">{concept("red", "Rouge")}</ConceptList></DescribedValueSet>'
        f'<DescribedValueSet id="1.3" displayName="B"><ConceptList>{concept("x")}</ConceptList></DescribedValueSet>'
        "</RetrieveMultipleValueSetsResponse>"
    ).encode()
    first, second = read_editions({"all.xml": raw})
    assert (first.source, first.effective, first.version, first.concepts[0].display) == (
        "Us",
        "2026-02-01",
        "3",
        "Rouge",
    )
    assert second.identifiers == ("1.3",)


BOMB = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
BAD_XML = [
    (svs(concept("a"), head=BOMB), "DOCTYPE is refused"),
    (svs(head='<!DOCTYPE r SYSTEM "http://127.0.0.1:1/x.dtd">'), "DOCTYPE is refused"),
    (b"<RetrieveValueSetResponse", "x.xml:1: XML not well formed"),
    (b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>", "expected RetrieveValueSetResponse"),
    (b'<RetrieveValueSetResponse xmlns="urn:ihe:iti:svs:2008"/>', "no ValueSet"),
    (b'<RetrieveValueSetResponse xmlns="urn:ihe:iti:svs:2008"><ValueSet id="1"/></RetrieveValueSetResponse>', "no ConceptList"),
    (svs(concept("a"), head='<?xml version="1.0" encoding="UTF-7"?>'), "encoding not allowed"),
    (svs(concept("a", "\u00e9")).decode().encode("latin-1"), "the bytes are not utf-8"),
    (svs(concept("a", "A"), concept("a", "B")), "code 'a' stands twice with two meanings, first at x.xml:1"),
    (svs(*(concept("a b") for _ in range(1))), "a code is 1 to 200 characters"),
    (b"<a>" * 300, "XML not well formed"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "said"), BAD_XML)
def test_bad_xml_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(TerminologyError) as error:
        read_editions({"x.xml": raw})
    assert said in str(error.value)


def test_another_encoding_is_read_when_it_is_declared() -> None:
    raw = svs(concept("a", "Élevé"), head='<?xml version="1.0" encoding="ISO-8859-1"?>').decode().encode("latin-1")
    assert read_editions({"x.xml": raw})[0].concepts[0].display == "Élevé"


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        ("code,display\na,Été\n".encode(), "Été"),
        ("Code;Libellé;statut\na;Été;\n".encode("cp1252"), "Été"),
        ("\ufeffcode\tlabel\na\tÉté\n".encode(), "Été"),
        (b"# identifier: 1.2.3\n# exchange_system: LOINC\nexchange,display\na,A\n", "A"),
    ],
)
def test_a_csv_is_read_as_it_is_found(raw: bytes, label: str) -> None:
    [edition] = read_editions({"t.csv": raw})
    assert [(each.code, each.display) for each in edition.concepts] == [("a", label)]
    assert edition.identifiers == (("1.2.3",) if b"identifier" in raw else ())


@pytest.mark.parametrize(
    ("raw", "said"), [(b"", "t.csv:1: no column of codes"), (b"name,display\na,b\n", "no column of codes")]
)
def test_a_csv_without_codes_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(TerminologyError, match=said):
        read_editions({"t.csv": raw})


def test_of_a_package_only_what_is_wanted_is_read() -> None:
    raw = package(
        ValueSet_a__json=b"x",
        **{
            "ValueSet-a__json": json.dumps(composed(listed("red"))).encode(),
            "ValueSet-b__json": json.dumps(
                {**composed({"system": "urn:unknown"}), "url": "urn:b", "identifier": []}
            ).encode(),
            "CodeSystem-c__json": json.dumps(system({"code": "a"})).encode(),
            "StructureDefinition-d__json": b"{",
        },
    )
    assert [each.name for each in read_editions({"p.tgz": raw}, lambda found: OID in found)] == ["JDV_Colours"]
    assert [each.kind for each in read_editions({"p.tgz!CodeSystem-c.json": raw})] == ["CodeSystem"]
    with pytest.raises(TerminologyError, match=r"p\.tgz!ValueSet-b\.json: compose\.include"):
        read_editions({"p.tgz!ValueSet-b.json": raw})


def test_a_package_that_is_none_or_grows_without_end_is_refused() -> None:
    for raw in (b"\x1f\x8bnothing", package(a=b"x")[:40]):
        with pytest.raises(TerminologyError, match="not a readable package"):
            read_editions({"p.tgz": raw})
    member = tarfile.TarInfo("ValueSet-a.json")
    member.size = 1 << 30  # what its header says is believed, not tried
    out = gzip.compress(member.tobuf())
    with pytest.raises(TerminologyError, match="unpacks to more"):
        read_editions({"p.tgz": out})


@pytest.mark.shared
def test_the_published_value_sets_are_our_tables(shared: Path, root: Path) -> None:
    texts = {path.name: path.read_text("utf-8") for path in (root / "terminology").glob("*.csv")}
    tables = load(texts)
    untouched = 0
    for path in sorted((shared / "fhir-data/jdv-svs").glob("*.xml")):
        for edition in read_editions({path.name: path.read_bytes()}):
            for name in [table.name for table in tables if set(table.identifiers) & set(edition.identifiers)]:
                assert name in meant(edition, tables)
                difference = take(Sheet(name, texts[f"{name}.csv"]), edition, tables.systems)
                if name == "document-types":  # ours is two years newer
                    assert difference.counts == {"removed": 7}
                else:
                    assert difference.changes == (), (name, difference.changes[:3])
                    untouched += 1
    assert untouched >= 15


@pytest.mark.shared
def test_packages_of_others_are_read(shared: Path) -> None:
    core = shared / "fhir-data/packages/hl7.fhir.fr.core-2.1.0.tgz"
    [edition] = read_editions({f"{core}!CodeSystem-fr-core-cs-v2-0445.json": core.read_bytes()})
    assert {"VALI", "PROV"} <= {each.code for each in edition.concepts}
    mhd = shared / "fhir-data/packages/ihe.iti.mhd.tgz"
    assert len(read_editions({"mhd.tgz": mhd.read_bytes()})) == 7
