"""CDA data types: what real traffic writes, and what is refused (the laws are in tests/property/test_cda.py)."""

from __future__ import annotations

import pytest

from connector.cda import datatypes
from connector.cda.datatypes import DATATYPES
from connector.cda.tree import Base64Text, Element
from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.exchange.people import Address, Concept, HumanName, Identifier, Telecom
from connector.mapping.language import Run


class Systems:
    """The two systems that these tests name."""

    def canonical(self, name: str) -> str:
        return {"LOINC": "2.16.840.1.113883.6.1"}.get(name, name)

    def oid(self, name: str) -> str | None:
        return {"http://loinc.org": "2.16.840.1.113883.6.1"}.get(name, name if name[0].isdigit() else None)


RUN = Run(Context(now=Moment("2026-01-01"), systems=Systems()))


def node(attributes: dict[str, str] | None = None, *children: tuple[str, str, str], text: str | None = None) -> Element:
    """An element with children (name, qualifier, text)."""
    parts = [Element(name, {"qualifier": q} if q else {}, content) for name, q, content in children]
    return Element("x", attributes or {}, text, parts)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"root": "1.2.250.1.213.1.4.10", "extension": "279035121518989"}, Identifier(value="279035121518989", system="1.2.250.1.213.1.4.10", kind="INS")),
        ({"root": "1.2.250.1.71.4.2.1", "extension": "810000000001"}, Identifier(value="810000000001", system="1.2.250.1.71.4.2.1", kind="IDNPS")),
        ({"root": "1.2.3", "extension": "A", "assigningAuthorityName": "CH"}, Identifier(value="A", system="1.2.3", authority="CH")),
        ({"root": "1.2.3"}, Identifier(value="1.2.3")),
        ({"extension": "A"}, Identifier(value="A")),
        ({"nullFlavor": "UNK"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_ii_is_read(attributes: dict[str, str], expected: Identifier | None) -> None:
    assert datatypes.read_ii(node(attributes), RUN) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Identifier(value="10000000009", kind="RPPS"), {"root": "1.2.250.1.71.4.2.1", "extension": "810000000009"}),
        (Identifier(value="630000404", kind="FINEG"), {"root": "1.2.250.1.71.4.2.2", "extension": "1630000404"}),
        (Identifier(value="1.2.3"), {"root": "1.2.3"}),
    ],
)
def test_national_numbers_are_written_behind_their_prefix(value: Identifier, expected: dict[str, str]) -> None:
    made = Element("id")
    datatypes.write_ii(value, made, RUN)
    assert made.attributes == expected


@pytest.mark.parametrize("value", [Identifier(value="A"), Identifier(value="A", system="urn:x:local")])
def test_an_identifier_without_an_oid_cannot_be_written(value: Identifier) -> None:
    with pytest.raises(ValueError, match="OID"):
        datatypes.write_ii(value, Element("id"), RUN)


def test_cd_gives_the_canonical_system_and_keeps_the_original_text() -> None:
    made = node({"code": "11490-0", "codeSystemName": "LOINC", "displayName": "Lettre", "codeSystemVersion": "2.77"})
    made.add("originalText", text="lettre du 5")
    made.add("translation", {"code": "X"})
    expected = Concept(
        code="11490-0", system="2.16.840.1.113883.6.1", display="Lettre", version="2.77", text="lettre du 5"
    )
    assert datatypes.read_cd(made, RUN) == expected
    assert datatypes.read_cd(node({"nullFlavor": "NA"}), RUN) is None


def test_cd_writes_the_oid_of_its_system() -> None:
    made = Element("code")
    datatypes.write_cd(Concept(code="11490-0", system="http://loinc.org"), made, RUN)
    assert made.attributes == {"code": "11490-0", "codeSystem": "2.16.840.1.113883.6.1"}
    with pytest.raises(ValueError, match="OID"):
        datatypes.write_cd(Concept(code="X", system="http://unknown.example"), made, RUN)


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        ((("prefix", "", "M"), ("given", "", "Jean"), ("family", "", "ESSAI"), ("suffix", "", "DR")), HumanName(family="ESSAI", given=("Jean",), prefix="M", suffix="DR")),
        ((("family", "SP", "ESSAI"), ("given", "", "Jean")), HumanName(use="usual", family="ESSAI", given=("Jean",))),
        ((("family", "CL", "USUEL"), ("family", "BR", "ESSAI"), ("given", "BR", "JEAN"), ("given", "", "JEAN PAUL")), HumanName(use="birth", family="ESSAI", given=("JEAN",), birth_given="JEAN PAUL")),
        ((("given", "", "Jean"),), HumanName(given=("Jean",))),
        ((), None),
    ],
)  # fmt: skip
def test_pn_is_read(children: tuple[tuple[str, str, str], ...], expected: HumanName | None) -> None:
    assert datatypes.read_pn(node({}, *children), RUN) == expected


def test_a_name_without_parts_is_its_text() -> None:
    assert datatypes.read_pn(node(text="Dr Jean Essai"), RUN) == HumanName(text="Dr Jean Essai")


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        ((("streetAddressLine", "", "1 rue"), ("streetAddressLine", "", "63000 CLERMONT")), Address(lines=("1 rue", "63000 CLERMONT"))),
        ((("houseNumber", "", "28"), ("streetNameType", "", "avenue"), ("streetName", "", "de Breteuil"), ("unitID", "", "Escalier A"), ("postalCode", "", "75007"), ("city", "", "PARIS"), ("county", "", "75107")), Address(lines=("28 avenue de Breteuil", "Escalier A"), postal_code="75007", city="PARIS", insee="75107")),
        ((("streetAddressLine", "", "1 rue"), ("city", "", "LYON")), Address(lines=("1 rue",), city="LYON")),
        ((), None),
    ],
)  # fmt: skip
def test_both_forms_of_an_address_are_read(
    children: tuple[tuple[str, str, str], ...], expected: Address | None
) -> None:
    assert datatypes.read_ad(node({}, *children), RUN) == expected


def test_an_address_is_never_written_in_two_forms() -> None:
    for value in (Address(lines=("a", "b")), Address(lines=("a", "b"), city="c", postal_code="d")):
        made = Element("addr")
        datatypes.write_ad(value, made, RUN)
        assert ("streetAddressLine" in {part.name for part in made.children}) == (value.city is None)


def test_an_address_with_more_lines_than_places_is_said() -> None:
    with pytest.raises(ValueError, match="lines"):
        datatypes.write_ad(Address(lines=("a", "b", "c", "d"), city="e"), Element("addr"), RUN)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"value": "tel:0144534551", "use": "H"}, Telecom(value="0144534551", system="phone", use="home")),
        ({"value": "TEL:0144534551"}, Telecom(value="0144534551", system="phone")),
        ({"value": "0144534551"}, Telecom(value="0144534551", system="phone")),
        ({"value": "fax:01"}, Telecom(value="01", system="fax")),
        ({"value": "mailto:a@b.fr"}, Telecom(value="a@b.fr", system="email")),
        ({"value": "mailto:279035121518989@patient.mssante.fr"}, Telecom(value="279035121518989@patient.mssante.fr", system="mssante")),
        ({"value": "https://x/y", "use": "HP MC"}, Telecom(value="https://x/y", system="url", use="HP MC")),
        ({"value": "urn:x:y"}, Telecom(value="urn:x:y", system="other")),
        ({"value": "tel:"}, None),
        ({"nullFlavor": "NASK"}, None),
    ],
)  # fmt: skip
def test_tel_is_read(attributes: dict[str, str], expected: Telecom | None) -> None:
    assert datatypes.read_tel(node(attributes), RUN) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [("ts", "20260230"), ("ts", "20260105101500+100"), ("bl", "oui"), ("int", "x"), ("int", "9" * 5000), ("base64", "AAA"), ("base64", "é")],
)  # fmt: skip
def test_a_leaf_that_is_not_of_its_type_is_a_value_error(name: str, text: str) -> None:
    with pytest.raises(ValueError):
        DATATYPES[name].read(text, RUN)


@pytest.mark.parametrize(
    "root", ["MON-ID", "", "1..2", "e3e70682-c209-4cac-629f-6fbed82c07c", "g3e70682-c209-4cac-629f-6fbed82c07cd"]
)
def test_a_document_id_needs_an_oid_or_uuid(root: str) -> None:
    with pytest.raises(ValueError, match="OID"):
        datatypes.write_unique_id(root, Element("id"), RUN)


@pytest.mark.parametrize(
    ("text", "offset"),
    [(b"AAAA*AAA", "4"), (b"AAA", "3"), (b"QUJD\nQU!D", "7"), (b"====", ""), (b"QUI=QUI=", "")],
)
def test_what_is_not_base64_is_refused_where_it_stands(text: bytes, offset: str) -> None:
    for ask in (Base64Text(text).head, Base64Text(text).decode):
        with pytest.raises(ValueError, match=rf"offset {offset}"):
            ask()
