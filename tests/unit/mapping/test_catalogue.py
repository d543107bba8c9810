"""Which mapping answers for a message."""

from __future__ import annotations

import pytest

from connector.mapping.language import MappingErrors
from tests.unit.mapping.toy import library


def mapping(name: str, accepts: str, site: str = "") -> str:
    """A mapping that claims something."""
    own = f"site: {site}\n" if site else ""
    return f"mapping: {name}\nbetween: {{hl7: m, exchange: Exchange}}\naccepts: {accepts}\n{own}rules: []\n"


LIBRARY = (
    mapping("any-adt", "{type: ADT^*}"),
    mapping("a01", "{types: [ADT^A01, ADT^A04]}"),
    mapping("a01-26", "{type: ADT^A01, versions: ['2.6']}"),
    mapping("mdm", "{type: MDM^T02, version: '2.6', profile: CISIS}"),
    mapping("mine", "{type: ADT^A01}", "chu"),
)

CASES = [
    (("ADT^A01", "2.5", ""), "a01"),
    (("ADT^A01", "2.6", ""), "a01-26"),
    (("ADT^A03", "2.5", ""), "any-adt"),
    (("MDM^T02", "2.6", "CISIS"), "mdm"),
    (("MDM^T02", "2.5", "CISIS"), None),
    (("MDM^T02", "2.6", ""), None),
    (("ORU^R01", "2.5", ""), None),
]


@pytest.mark.parametrize(("asked", "expected"), CASES)
def test_most_specific_claim_answers(asked: tuple[str, str, str], expected: str | None) -> None:
    assert library(*LIBRARY).catalogue.find("hl7", *asked) == expected
    assert library(*LIBRARY).catalogue.find("fhir", *asked) is None


def test_own_mapping_of_a_site_answers_first() -> None:
    assert library(*LIBRARY, sites=("chu",)).catalogue.find("hl7", "ADT^A01", "2.6") == "mine"


def test_equal_claims_are_a_mistake() -> None:
    with pytest.raises(MappingErrors, match=r"'b' accepts ADT\^A01 2.5, as 'a' does \(main.yaml:1\)"):
        library(mapping("a", "{type: ADT^A01, version: '2.5'}"), mapping("b", "{type: ADT^A01, version: '2.5'}"))


def test_nearest_types_and_versions_help_a_refusal() -> None:
    catalogue = library(*LIBRARY).catalogue
    assert catalogue.nearest("hl7", "ADT^A02")[0] in ("ADT^A01", "ADT^A04", "ADT^*")
    assert catalogue.versions("hl7", "MDM^T02") == ["2.6"]
    assert catalogue.versions("hl7", "ADT^A01") == []
    assert catalogue.types("hl7") == ["ADT^*", "ADT^A01", "ADT^A04", "MDM^T02"]


def test_library_has_a_version_and_names_what_is_near() -> None:
    one, two = library(*LIBRARY), library(*LIBRARY[:-1])
    assert one.version == library(*LIBRARY).version != two.version
    with pytest.raises(KeyError, match="did you mean 'a01'"):
        one.mapping("a001")


def test_unused_tables_are_listed() -> None:
    text = "mapping: x\nbetween: {hl7: m, exchange: Patient}\nrules:\n  - {hl7: '@s', exchange: sex, code: sex}\n"
    assert "sex" not in library(text).unused_tables
    assert "level" in library(text).unused_tables
