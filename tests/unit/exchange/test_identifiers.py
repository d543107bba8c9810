"""INS, RPPS, FINESS and their families. All identities are test ones."""

from __future__ import annotations

import pytest

from connector.exchange import identifiers as ids
from connector.exchange.identifiers import PS_IDNAT, STRUCT_IDNAT, Number
from connector.exchange.moments import Moment
from connector.exchange.people import Identifier, Organization, Party, Patient

INS_TEST = "1.2.250.1.213.1.4.10"
MATRICULE = "279035121518989"


def identifier(value: str, system: str | None = None, kind: str | None = None) -> Identifier:
    return Identifier(value=value, system=system, kind=kind)


# --- the matricule ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "key"),
    [("2790351215189", "89"), ("253072B073004", "70"), ("253072A073004", "43")],
)
def test_key_of_a_nir(first: str, key: str) -> None:
    assert ids.nir_key(first) == key


def test_corsica_counts_as_nineteen_and_eighteen() -> None:
    assert ids.nir_key("253072A073004") == ids.nir_key("2530719073004")
    assert ids.nir_key("253072B073004") == ids.nir_key("2530718073004")


@pytest.mark.parametrize(
    "text", ["279035121518", "27903512151890", "27903512A5189", "2790351215A89", "2AA0351215189", ""]
)
def test_what_is_no_nir_has_no_key(text: str) -> None:
    with pytest.raises(ValueError):
        ids.nir_key(text)


def test_a_matricule_is_taken_apart() -> None:
    found = ids.matricule(MATRICULE)
    assert found == ("female", "79", "03", "51", "215", "189", "89", False)


@pytest.mark.parametrize(
    ("first", "sex", "month", "department", "commune", "provisional"),
    [
        ("1800197411001", "male", "01", "974", "11", False),
        ("2802099134002", "female", None, "99", "134", False),
        ("180012A004003", "male", "01", "2A", "004", False),
        ("7800175056001", "male", "01", "75", "056", True),
        ("8800175056001", "female", "01", "75", "056", True),
    ],
)
def test_departments_and_series(
    first: str, sex: str, month: str | None, department: str, commune: str, provisional: bool
) -> None:
    found = ids.matricule(first + ids.nir_key(first))
    assert (found.sex, found.month, found.department, found.commune, found.provisional) == (
        sex, month, department, commune, provisional,
    )  # fmt: skip


@pytest.mark.parametrize(
    "value", ["279035121518988", "2790351215189", "", "27903512151898X", "979035121518989", "２79035121518989"]
)
def test_a_malformed_matricule_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        ids.matricule(value)


def test_an_ins_belongs_to_an_environment() -> None:
    production = {oid for oid in ids.INS_OIDS if ids.ins_environment(oid) == "production"}
    assert production == {"1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9"}
    assert ids.ins_environment(INS_TEST) == ids.ins_environment("1.2.250.1.213.1.4.11") == "test"
    assert ids.ins_environment("1.2.250.1.213.1.4.2") is None
    assert ids.ins_environment(None) is None


def test_the_current_ins_has_no_end() -> None:
    old = Identifier(value="old", system=INS_TEST, kind="INS", end=Moment("2020"))
    now = identifier(MATRICULE, INS_TEST, "INS")
    calculated = identifier("0" * 22, "1.2.250.1.213.1.4.2", "INS-C")
    assert ids.ins_of(Patient(identifiers=(calculated, old, now))) is now
    assert ids.ins_of(Patient(identifiers=(calculated, old))) is None
    assert ids.ins_of(None) is None


def test_the_ipp_is_no_national_number() -> None:
    ins, other, ipp = identifier(MATRICULE, INS_TEST, "INS"), identifier("1", "1.2.3"), identifier("2", "1.2.4", "PI")
    assert ids.ipp_of(Patient(identifiers=(ins, other, ipp))) is ipp
    assert ids.ipp_of(Patient(identifiers=(ins, other))) is other
    assert ids.ipp_of(Patient(identifiers=(ins,))) is None


# --- FHIR and CDA ----------------------------------------------------------------------------------------------------

FR = ids.FHIR_0203_FR
HL7 = ids.FHIR_0203
FORMS = [
    # canonical, (system, type, type system) in FHIR, (root, extension) in CDA
    (identifier(MATRICULE, INS_TEST, "INS"), (f"urn:oid:{INS_TEST}", "INS-NIR-TEST", FR), (INS_TEST, MATRICULE)),
    (identifier("1", "1.2.250.1.213.1.4.9", "INS"), ("urn:oid:1.2.250.1.213.1.4.9", "INS-NIA", FR), ("1.2.250.1.213.1.4.9", "1")),
    (identifier("10000023084", PS_IDNAT, "RPPS"), ("https://rpps.esante.gouv.fr", "RPPS", FR), (PS_IDNAT, "810000023084")),
    (identifier("810000023084", PS_IDNAT, "IDNPS"), (f"urn:oid:{PS_IDNAT}", "IDNPS", FR), (PS_IDNAT, "810000023084")),
    (identifier("810000023084", PS_IDNAT, "RPPS"), (f"urn:oid:{PS_IDNAT}", "RPPS", FR), (PS_IDNAT, "810000023084")),
    (identifier("123456789", PS_IDNAT, "ADELI"), ("https://adeli.esante.gouv.fr", "ADELI", FR), (PS_IDNAT, "0123456789")),
    (identifier("300017985", STRUCT_IDNAT, "FINEG"), ("https://finess.esante.gouv.fr", "FINEG", FR), (STRUCT_IDNAT, "1300017985")),
    (identifier("300017985", STRUCT_IDNAT, "FINEJ"), ("https://finess.esante.gouv.fr", "FINEJ", FR), (STRUCT_IDNAT, "1300017985")),
    (identifier("1300017985", STRUCT_IDNAT, "IDNST"), (f"urn:oid:{STRUCT_IDNAT}", "IDNST", FR), (STRUCT_IDNAT, "1300017985")),
    (identifier("1120459876", STRUCT_IDNAT, "FINEG"), (f"urn:oid:{STRUCT_IDNAT}", "FINEG", FR), (STRUCT_IDNAT, "1120459876")),
    (identifier("356000000", STRUCT_IDNAT, "SIREN"), ("https://sirene.fr", "SIREN", FR), (STRUCT_IDNAT, "2356000000")),
    (identifier("35600000000048", STRUCT_IDNAT, "SIRET"), ("https://sirene.fr", "SIRET", FR), (STRUCT_IDNAT, "335600000000048")),
    (identifier("42", "1.2.3.4", "PI"), ("urn:oid:1.2.3.4", "PI", HL7), ("1.2.3.4", "42")),
    (identifier("42", "http://example.org/ipp", "PI"), ("http://example.org/ipp", "PI", HL7), (None, "42")),
    (identifier("42", "http://example.org/ipp"), ("http://example.org/ipp", None, None), (None, "42")),
    (identifier("42", None, "VN"), (None, "VN", HL7), (None, "42")),
    (identifier("42"), (None, None, None), (None, "42")),
]  # fmt: skip


@pytest.mark.parametrize(("canonical", "fhir", "cda"), FORMS)
def test_fhir_and_cda_forms(
    canonical: Identifier, fhir: tuple[str | None, str | None, str | None], cda: tuple[str | None, str]
) -> None:
    written = ids.to_fhir(canonical)
    assert (written.system, written.type, written.type_system) == fhir
    assert written.value == canonical.value
    assert ids.from_fhir(written.system, written.value, written.type) == canonical
    assert ids.fhir_system(canonical) == fhir[0]
    assert ids.to_cda(canonical) == cda


@pytest.mark.parametrize(
    ("system", "value", "expected"),
    [
        ("https://rpps.esante.gouv.fr", "10000023084", ("1.2.250.1.71.4.2.1", "RPPS")),
        ("https://finess.esante.gouv.fr", "300017985", ("https://finess.esante.gouv.fr", None)),
        ("https://sirene.fr", "35600000000048", (STRUCT_IDNAT, "SIRET")),
        ("https://sirene.fr", "356000000", (STRUCT_IDNAT, "SIREN")),
        ("urn:oid:1.2.250.1.213.1.4.8", MATRICULE, ("1.2.250.1.213.1.4.8", "INS")),
        ("urn:oid:1.2.250.1.176.1.2", "1", ("1.2.250.1.176.1.2", "NDP")),
    ],
)
def test_a_fhir_identifier_without_type_is_what_its_system_says(
    system: str, value: str, expected: tuple[str, str | None]
) -> None:
    found = ids.from_fhir(system, value)
    assert (found.system, found.kind) == expected


def test_the_old_nss_slice_keeps_its_type() -> None:
    # FR Core 2.1.0 wrote the NSS under the OID of the INS, with the type NH.
    found = ids.from_fhir("urn:oid:1.2.250.1.213.1.4.8", MATRICULE, "NH")
    assert found.kind == "NH"
    assert ids.to_fhir(found).type == "NH"


def test_a_cda_id_says_its_kind_by_its_root() -> None:
    assert ids.from_cda(PS_IDNAT, "810000023084") == identifier("810000023084", PS_IDNAT, "IDNPS")
    assert ids.from_cda(INS_TEST, MATRICULE) == identifier(MATRICULE, INS_TEST, "INS")
    assert ids.from_cda("1.2.3", "7") == identifier("7", "1.2.3")
    assert ids.from_cda("1.2.3", None) == identifier("1.2.3")


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (identifier("10000023084", PS_IDNAT, "RPPS"), ("RPPS", "10000023084")),
        (identifier("810000023084", PS_IDNAT, "RPPS"), ("RPPS", "10000023084")),
        (identifier("810000023084", PS_IDNAT, "IDNPS"), ("RPPS", "10000023084")),
        (identifier("810000023084", PS_IDNAT), ("RPPS", "10000023084")),
        (identifier("10000023084", PS_IDNAT, "IDNPS"), ("RPPS", "10000023084")),
        (identifier("1991234567/7", PS_IDNAT, "IDNPS"), ("CABINET-ADELI", "991234567/7")),
        (identifier("0123456789", PS_IDNAT, "IDNPS"), ("ADELI", "123456789")),
        (identifier("3300017985/agent7", PS_IDNAT, "IDNPS"), ("FINESS-INTERNE", "300017985/agent7")),
        (identifier("300017985", STRUCT_IDNAT, "FINEG"), ("FINESS", "300017985")),
        (identifier("1300017985", STRUCT_IDNAT, "FINEG"), ("FINESS", "300017985")),
        (identifier("1300017985", STRUCT_IDNAT, "IDNST"), ("FINESS", "300017985")),
        (identifier("300017985", STRUCT_IDNAT, "IDNST"), ("FINESS", "300017985")),
        (identifier("2356000000", STRUCT_IDNAT, "IDNST"), ("SIREN", "356000000")),
        (identifier("335600000000048", STRUCT_IDNAT, "IDNST"), ("SIRET", "35600000000048")),
        (identifier("technical", STRUCT_IDNAT, "IDNST"), ("IDNST", "technical")),
        (identifier("300017985", "https://finess.esante.gouv.fr"), ("FINESS", "300017985")),
        (identifier("2 79 03 51 215 189 89", INS_TEST, "INS"), ("INS", MATRICULE)),
        (identifier("42", "1.2.3", "PI"), ("1.2.3", "42")),
        (Identifier(value="42", authority="CHU-X", kind="PI"), ("CHU-X", "42")),
        (identifier("42", None, "PI"), ("", "42")),
    ],
)
def test_writings_of_one_number_become_one(given: Identifier, expected: tuple[str, str]) -> None:
    assert ids.normalise(given) == Number(*expected)


def test_a_national_number_gets_its_prefix_back() -> None:
    assert ids.national(Number("RPPS", "10000023084")) == identifier("810000023084", PS_IDNAT, "IDNPS")
    assert ids.national(Number("FINESS", "300017985")) == identifier("1300017985", STRUCT_IDNAT, "IDNST")
    with pytest.raises(KeyError):
        ids.national(Number("1.2.3", "42"))


def test_a_number_alone_equals_nothing() -> None:
    assert ids.same(identifier("42", "1.2.3", "PI"), identifier("42", "1.2.3"))
    assert not ids.same(identifier("42", "1.2.3", "PI"), identifier("42", "1.2.4", "PI"))
    assert not ids.same(identifier("42", None, "PI"), identifier("42", None, "PI"))


def test_the_register_comes_before_local_numbers() -> None:
    party = Party(identifiers=(identifier("7", "1.2.3"), identifier("810000023084", PS_IDNAT, "IDNPS")))
    assert ids.party_number(party) == ("RPPS", "10000023084")
    assert ids.party_number(Party()) is None
    organization = Organization(identifiers=(identifier("7", "1.2.3"), identifier("300017985", STRUCT_IDNAT, "FINEG")))
    assert ids.organization_number(organization) == ("FINESS", "300017985")
    assert ids.organization_number(None) is None


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (identifier(MATRICULE, INS_TEST, "INS"), None),
        (identifier("279035121518988", INS_TEST, "INS"), "INS_KEY"),
        (identifier("2790351215189", INS_TEST, "INS"), "INS_KEY"),
        (identifier("10000023084", PS_IDNAT, "RPPS"), None),
        (identifier("801234567897", PS_IDNAT, "IDNPS"), None),
        (identifier("801234567866", PS_IDNAT, "IDNPS"), "IDENTIFIER_CHECK"),
        (identifier("1000002308", PS_IDNAT, "RPPS"), "IDENTIFIER_FORM"),
        (identifier("2A0000014", STRUCT_IDNAT, "FINEJ"), None),
        (identifier("2B0000020", STRUCT_IDNAT, "FINEJ"), None),
        (identifier("2B0000014", STRUCT_IDNAT, "FINEJ"), "IDENTIFIER_CHECK"),
        (identifier("35600000000048", STRUCT_IDNAT, "SIRET"), None),
        (identifier("35600049837", STRUCT_IDNAT, "SIRET"), "IDENTIFIER_FORM"),
        (identifier("42", "1.2.3", "PI"), None),
    ],
)
def test_only_a_false_ins_key_is_an_error(given: Identifier, code: str | None) -> None:
    found = ids.check(given, "somewhere")
    assert [issue.code for issue in found] == ([code] if code else [])
    for issue in found:
        assert issue.severity.letter == ("E" if code == "INS_KEY" else "W")
        assert issue.place.path == "somewhere"
        assert given.value not in issue.text("fr") + issue.text("en")


def test_la_poste_counts_by_five() -> None:
    # The establishments of La Poste fail Luhn on purpose; their digits add up to a multiple of five.
    assert not ids.luhn("35600000049837")
    assert ids.check(identifier("35600000049837", STRUCT_IDNAT, "SIRET")) == []


@pytest.mark.parametrize(
    ("text", "oid"),
    [("1.2.3", True), ("urn:oid:1.2", False), ("12", False), ("1..2", False), ("a.b", False), ("", False)],
)
def test_is_oid(text: str, oid: bool) -> None:
    assert ids.is_oid(text) is oid


def test_a_domain_that_is_a_uuid_is_a_uri_in_fhir_and_a_root_in_cda() -> None:
    """CDA says UUIDs in capitals, a URI in small letters."""
    identifier = Identifier(value="A1", system="D5A9EF50-D05E-11DD-AD8B-0800200C9A66")
    fhir = ids.to_fhir(identifier)
    assert fhir.system == "urn:uuid:d5a9ef50-d05e-11dd-ad8b-0800200c9a66"
    assert ids.from_fhir(fhir.system, fhir.value) == identifier
    assert ids.to_cda(identifier) == (identifier.system, "A1")
