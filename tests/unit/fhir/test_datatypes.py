"""Each datatype both ways."""

from __future__ import annotations

from typing import Any

import pytest

from connector.exchange.people import Address, Concept, HumanName, Identifier, Period, Telecom
from connector.fhir.datatypes import BIRTH_GIVEN, DATATYPES, EMAIL_TYPE, INSEE
from connector.issues import Severity
from connector.mapping.language import Run
from tests.unit.fhir.site import run

FR_0203 = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"


def written(name: str, value: Any, using: Run | None = None) -> Any:
    datatype = DATATYPES[name]
    assert datatype.write is not None
    if not datatype.node:
        return datatype.write(value, using or run())
    node: dict[str, Any] = {}
    datatype.write(value, node, using or run())
    return node


def was_read(name: str, node: Any, using: Run | None = None) -> Any:
    return DATATYPES[name].read(node, using or run())


@pytest.mark.parametrize(
    ("identifier", "system", "code", "use"),
    [
        (
            Identifier(value="279035121518989", system="1.2.250.1.213.1.4.10", kind="INS"),
            "urn:oid:1.2.250.1.213.1.4.10",
            "INS-NIR-TEST",
            "official",
        ),
        (
            Identifier(value="279035121518989", system="1.2.250.1.213.1.4.8", kind="INS"),
            "urn:oid:1.2.250.1.213.1.4.8",
            "INS-NIR",
            "official",
        ),
        (
            Identifier(value="801234567897", system="1.2.250.1.71.4.2.1", kind="IDNPS"),
            "urn:oid:1.2.250.1.71.4.2.1",
            "IDNPS",
            None,
        ),
        (
            Identifier(value="01234567897", system="1.2.250.1.71.4.2.1", kind="RPPS"),
            "https://rpps.esante.gouv.fr",
            "RPPS",
            None,
        ),
        (
            Identifier(value="300017985", system="1.2.250.1.71.4.2.2", kind="FINEG"),
            "https://finess.esante.gouv.fr",
            "FINEG",
            None,
        ),
        (Identifier(value="42", system="1.2.3.4", kind="PI", authority="CHE"), "urn:oid:1.2.3.4", "PI", None),
    ],
)
def test_an_identifier_goes_as_fr_core_writes_it_and_comes_back(
    identifier: Identifier, system: str, code: str, use: str | None
) -> None:
    node = written("identifier", identifier)
    assert (node["system"], node["type"]["coding"][0]["code"], node.get("use")) == (system, code, use)
    assert (node["type"]["coding"][0]["system"] == FR_0203) == (code != "PI")
    assert was_read("identifier", node) == identifier


def test_a_former_ins_is_old_and_keeps_its_period() -> None:
    former = Identifier(value="279035121518989", system="1.2.250.1.213.1.4.10", kind="INS", end="2020-01-01")
    node = written("identifier", former)
    assert (node["use"], node["period"]) == ("old", {"end": "2020-01-01"})
    assert was_read("identifier", node) == former


@pytest.mark.parametrize(
    ("identity", "system", "value"),
    [
        ("1.2.250.1.9^A7", "urn:oid:1.2.250.1.9", "A7"),
        ("1.2.250.1.9.1", "urn:ietf:rfc:3986", "urn:oid:1.2.250.1.9.1"),
        ("12345678-abcd-1234-abcd-1234567890ab", "urn:ietf:rfc:3986", "urn:uuid:12345678-abcd-1234-abcd-1234567890ab"),
    ],
)
def test_a_document_id_is_a_uri_or_root_and_extension(identity: str, system: str, value: str) -> None:
    node = written("document-id", identity)
    assert node == {"system": system, "value": value}
    assert was_read("document-id", node) == identity


def test_a_concept_keeps_version_display_and_text() -> None:
    concept = Concept(code="34133-9", system="2.16.840.1.113883.6.1", display="CR", version="2.77", text="Compte rendu")
    node = written("concept", concept)
    assert node["coding"][0]["system"] == "http://loinc.org"
    assert was_read("concept", node) == concept


def test_a_local_system_is_told_and_the_code_kept() -> None:
    using = run()
    assert written("coding", Concept(code="X1", system="LOCAL"), using) == {"code": "X1"}
    assert [issue.code for issue in using.issues] == ["MAP_CODE_SYSTEM"]


def test_text_alone_is_no_concept() -> None:
    assert was_read("concept", {"text": "Compte rendu"}) is None


@pytest.mark.parametrize(
    ("name", "node"),
    [
        (
            HumanName(use="birth", family="PAT", given=("A",), birth_given="A B"),
            {
                "extension": [{"url": BIRTH_GIVEN, "valueString": "A B"}],
                "use": "official",
                "family": "PAT",
                "given": ["A"],
            },
        ),
        (
            HumanName(use="usual", family="É", given=("J", "K"), prefix="DR", suffix="PR", text="Dr É"),
            {"use": "usual", "text": "Dr É", "family": "É", "given": ["J", "K"], "prefix": ["DR"], "suffix": ["PR"]},
        ),
    ],
)
def test_a_name_both_ways(name: HumanName, node: dict[str, Any]) -> None:
    assert written("name", name) == node
    assert was_read("name", node) == name


def test_a_name_use_that_nobody_knows_is_told() -> None:
    using = run()
    assert was_read("name", {"use": "x", "family": "A"}, using) == HumanName(family="A")
    assert [issue.code for issue in using.issues] == ["MAP_UNKNOWN_CODE"]


@pytest.mark.parametrize("insee", ["63220", "99401"])
def test_a_cog_code_of_a_commune_or_a_country_stands_in_the_one_table_that_fr_core_binds(insee: str) -> None:
    address = Address(lines=("1 RUE", "BAT 2"), city="LYON", postal_code="69001", country="FRA", insee=insee)
    node = written("address", address)
    coding = next(each for each in node["extension"] if each["url"] == INSEE)["valueCoding"]
    assert coding["code"] == insee
    assert coding["system"].endswith("TRE-R13-CommuneOM")
    assert was_read("address", node) == address


@pytest.mark.parametrize(
    "telecom",
    [
        Telecom(value="a@b.mssante.fr", system="mssante", use="work"),
        Telecom(value="a@b.fr", system="email"),
        Telecom(value="0102030405", system="phone", use="home"),
    ],
)
def test_a_contact_both_ways(telecom: Telecom) -> None:
    node = written("contact", telecom)
    assert was_read("contact", node) == telecom
    assert ("extension" in node) == (telecom.system == "mssante")
    if "extension" in node:
        assert node["extension"][0]["url"] == EMAIL_TYPE
        assert node["system"] == "email"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-02", "2026-02"),
        ("2026-02-03", "2026-02-03"),
        ("2026-02-03T04:05:06+01:00", "2026-02-03T04:05:06+01:00"),
        ("2026-02-03T04:05", "2026-02-03T04:05:00+01:00"),
        ("2026-07-03T04:05:06", "2026-07-03T04:05:06+02:00"),
        ("2026-02-03T04", "2026-02-03"),
    ],
)
def test_a_moment_gets_the_zone_of_the_site_and_nothing_else(moment: str, text: str) -> None:
    assert written("datetime", moment) == text


def test_the_hour_that_happens_twice_is_told_and_only_the_day_is_written() -> None:
    using = run()
    assert written("datetime", "2026-10-25T02:30:00", using) == "2026-10-25"
    assert [(issue.severity, issue.code) for issue in using.issues] == [(Severity.WARNING, "DATE_AMBIGUOUS")]


def test_a_hash_is_base64_in_fhir_and_hex_in_the_exchange() -> None:
    digest = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
    assert written("sha1", digest) == "2jmj7l5rSw0yVb/vlWAYkK/YBwk="
    assert was_read("sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk=") == digest
    with pytest.raises(ValueError):
        was_read("sha1", "YWJj")


def test_base64_may_hold_white_space_and_nothing_else() -> None:
    assert was_read("base64", "YW\n Jj") == b"abc"
    assert was_read("base64", b"abc") == b"abc"
    with pytest.raises(ValueError):
        was_read("base64", "YW?Jj")


@pytest.mark.parametrize(("name", "value"), [("boolean", "true"), ("boolean", 1), ("integer", "1"), ("integer", True)])
def test_a_value_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError):
        was_read(name, value)


def test_a_period_both_ways() -> None:
    period = Period(start="2026-01-01", end="2026-02-01T10:00:00+01:00")
    assert was_read("period", written("period", period)) == period
    assert was_read("period", {}) is None
