"""INS/NIR, RPPS, FINESS, ADELI, SIREN, SIRET, PS_IdNat and Struct_IdNat: parse, check, normalise; OID, FHIR and CDA forms.

The one canonical form. `system` is the OID of the register family when there is one: `1.2.250.1.71.4.2.1` (PS_IdNat) for RPPS,
ADELI and IDNPS, `1.2.250.1.71.4.2.2` (Struct_IdNat) for FINESS, SIREN, SIRET and IDNST, the INS OIDs for the matricule; `kind` is
the type of HL7 table 0203 as Interop'Santé extends it and says how `value` reads: RPPS is the bare 11 digits, IDNPS the same number
behind its prefix (`8…`). Nothing is rewritten when reading, so that what came in goes out again; `normalise` makes two writings of
one number equal. An identifier without OID keeps its URI.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from connector.exchange.people import Identifier, Organization, Party, Patient
from connector.issues import Issue, IssueCode, Severity

__all__ = [
    "FHIR_0203",
    "FHIR_0203_FR",
    "INS_OIDS",
    "PS_IDNAT",
    "STRUCT_IDNAT",
    "FhirIdentifier",
    "Matricule",
    "Number",
    "check",
    "fhir_system",
    "from_cda",
    "from_fhir",
    "ins_environment",
    "ins_of",
    "ipp_of",
    "is_ins",
    "is_oid",
    "luhn",
    "matricule",
    "national",
    "nir_key",
    "normalise",
    "organization_number",
    "party_number",
    "same",
    "to_cda",
    "to_fhir",
]

PS_IDNAT = "1.2.250.1.71.4.2.1"
STRUCT_IDNAT = "1.2.250.1.71.4.2.2"
INS_NIR = "1.2.250.1.213.1.4.8"
INS_NIA = "1.2.250.1.213.1.4.9"
INS_TEST = "1.2.250.1.213.1.4.10"
INS_DEMO = "1.2.250.1.213.1.4.11"
INS_C = "1.2.250.1.213.1.4.2"

#: OID of a matricule INS → (its FHIR type, the environment that it belongs to).
INS_OIDS: dict[str, tuple[str, str]] = {
    INS_NIR: ("INS-NIR", "production"),
    INS_NIA: ("INS-NIA", "production"),
    INS_TEST: ("INS-NIR-TEST", "test"),
    INS_DEMO: ("INS-NIR-DEMO", "test"),
}

FHIR_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
FHIR_0203_FR = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"

#: Types that FR Core defines in its own copy of table 0203 (the others are HL7's).
_FR_TYPES = frozenset({
    "ADELI", "EXTRN", "FINEG", "FINEJ", "IDNPS", "IDNST", "INS-C", "INS-NIA", "INS-NIR", "INS-NIR-DEMO", "INS-NIR-TEST",
    "INTRN", "NDP", "NNFRA", "RPPS", "RPPSRG", "SIREN", "SIRET",
})  # fmt: skip

#: Kinds of a register with its own FHIR system: kind → (FHIR system, OID of the family, prefix in the family, digits).
_REGISTERS: dict[str, tuple[str, str, str, int]] = {
    "RPPS": ("https://rpps.esante.gouv.fr", PS_IDNAT, "8", 11),
    "ADELI": ("https://adeli.esante.gouv.fr", PS_IDNAT, "0", 9),
    "FINEG": ("https://finess.esante.gouv.fr", STRUCT_IDNAT, "1", 9),
    "FINEJ": ("https://finess.esante.gouv.fr", STRUCT_IDNAT, "1", 9),
    "SIREN": ("https://sirene.fr", STRUCT_IDNAT, "2", 9),
    "SIRET": ("https://sirene.fr", STRUCT_IDNAT, "3", 14),
}
_FINESS_URI = "https://finess.esante.gouv.fr"
_SIRENE_URI = "https://sirene.fr"
#: FHIR systems that name one kind alone.
_KIND_OF_URI = {uri: kind for kind, (uri, *_) in _REGISTERS.items() if uri not in (_FINESS_URI, _SIRENE_URI)}

#: A domain that is named by a UUID (II.root), as CDA entries have it.
_UUID = re.compile("[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

#: System (OID) → kind of table 0203.
_KIND_OF_OID = {
    **dict.fromkeys(INS_OIDS, "INS"),
    INS_C: "INS-C",
    "1.2.250.1.213.1.4.13": "NH",
    "1.2.250.1.213.1.4.14": "NH",
    "1.2.250.1.176.1.2": "NDP",
    PS_IDNAT: "IDNPS",
    STRUCT_IDNAT: "IDNST",
}

#: First digit of PS_IdNat → what number follows (PSIdNat, annexe of the CI-SIS), and the digits of the bare number when fixed.
_PS_PREFIXES = {
    "0": ("ADELI", 9),
    "1": ("CABINET-ADELI", 0),
    "3": ("FINESS-INTERNE", 0),
    "4": ("SIREN-INTERNE", 0),
    "5": ("SIRET-INTERNE", 0),
    "6": ("CABINET-RPPS", 0),
    "8": ("RPPS", 11),
}
#: First digit of Struct_IdNat → what number follows.
_STRUCT_PREFIXES = {
    "0": ("CABINET-ADELI", 0),
    "1": ("FINESS", 9),
    "2": ("SIREN", 9),
    "3": ("SIRET", 14),
    "4": ("RPPS-RANG", 0),
}


class Number(NamedTuple):
    """A national number without prefix, and which register it is of (RPPS, ADELI, FINESS, SIREN, SIRET, INS, …)."""

    register: str
    number: str


class FhirIdentifier(NamedTuple):
    """What a FHIR Identifier says; absent is None."""

    system: str | None
    value: str
    type: str | None
    type_system: str | None


class Matricule(NamedTuple):
    """A matricule INS (NIR or NIA) taken apart. `month` is None when the civil record did not say it; `department` 2 or 3 characters."""

    sex: str
    year: str
    month: str | None
    department: str
    commune: str
    order: str
    key: str
    provisional: bool


# --- systems ---------------------------------------------------------------------------------------------------------


def is_oid(text: str) -> bool:
    """Whether it reads as an OID: dotted numbers."""
    return (
        text[:1].isdigit() and "." in text and text.isascii() and text.replace(".", "").isdigit() and ".." not in text
    )


def is_ins(identifier: Identifier) -> bool:
    """Whether it is a matricule INS (an INS-C is not)."""
    return identifier.system in INS_OIDS or (identifier.kind == "INS" and identifier.system is None)


def ins_environment(system: str | None) -> str | None:
    """`production` or `test`: where an INS OID belongs, None when the OID is not one of an INS."""
    found = INS_OIDS.get(system or "")
    return found[1] if found else None


def ins_of(patient: Patient | None) -> Identifier | None:
    """The current INS of a patient: the first without an end (at most one is current, PAM.fr PID-3)."""
    if patient is None:
        return None
    return next((each for each in patient.identifiers if is_ins(each) and each.end is None), None)


def ipp_of(patient: Patient | None) -> Identifier | None:
    """The establishment's own identifier (PI), or the first that is no national one."""
    if patient is None:
        return None
    local = [each for each in patient.identifiers if each.end is None and each.system not in _KIND_OF_OID]
    return next((each for each in local if each.kind == "PI"), None) or next(iter(local), None)


# --- FHIR ------------------------------------------------------------------------------------------------------------


def fhir_system(identifier: Identifier) -> str | None:
    """The FHIR system: the register's URI for its bare number, else `urn:oid:`, else the URI as it is."""
    return to_fhir(identifier).system


def to_fhir(identifier: Identifier) -> FhirIdentifier:
    """System, value and type as FR Core writes them. A prefixed number under a register's kind keeps the family's OID: it stays what it was."""
    kind, system, value = identifier.kind, identifier.system, identifier.value
    if kind in _REGISTERS and system in (None, _REGISTERS[kind][1]):
        uri, oid, _, digits = _REGISTERS[kind]
        url: str | None = uri if len(value) == digits else f"urn:oid:{oid}"
    elif system is None:
        url = None
    else:
        url = (
            f"urn:oid:{system}"
            if is_oid(system)
            else f"urn:uuid:{system.lower()}"
            if _UUID.fullmatch(system)
            else system
        )
    code = INS_OIDS[system][0] if system in INS_OIDS and kind in (None, "INS") else kind
    return FhirIdentifier(url, value, code, (FHIR_0203_FR if code in _FR_TYPES else FHIR_0203) if code else None)


def from_fhir(system: str | None, value: str, type: str | None = None) -> Identifier:  # noqa: A002  # FHIR's own word
    """The canonical identifier of a FHIR system, value and type code; Interop'Santé's INS types become INS under their OID."""
    if system is None:
        return Identifier(value=value, kind="INS" if type == "INS" else type)
    bare = system.removeprefix("urn:oid:")
    if bare.startswith("urn:uuid:"):  # small letters in a URI, capitals in HL7 v3
        bare = bare[9:].upper()
    kind = "INS" if bare in INS_OIDS and type in (None, "INS", *_INS_TYPES) else type or _KIND_OF_URI.get(bare)
    if bare == _SIRENE_URI and kind is None:
        kind = "SIRET" if len(value) == 14 else "SIREN"
    if kind in _REGISTERS and bare == _REGISTERS[kind][0]:
        bare = _REGISTERS[kind][1]
    return Identifier(value=value, system=bare, kind=kind or _KIND_OF_OID.get(bare))


_INS_TYPES = tuple(code for code, _ in INS_OIDS.values())


# --- CDA -------------------------------------------------------------------------------------------------------------


def to_cda(identifier: Identifier) -> tuple[str | None, str | None]:
    """(root, extension) of a CDA id: national numbers behind their prefix (CI-SIS PS_IdNat, Struct_IdNat). Root None: there is no OID."""
    kind, system, value = identifier.kind, identifier.system, identifier.value
    if kind in _REGISTERS and system in (None, _REGISTERS[kind][1], _REGISTERS[kind][0]):
        _, oid, prefix, digits = _REGISTERS[kind]
        return oid, prefix + value if len(value) == digits else value
    if system is None or not (is_oid(system) or _UUID.fullmatch(system)):
        return None, value
    return system, value


def from_cda(root: str, extension: str | None) -> Identifier:
    """The canonical identifier of a CDA id; an id without extension has its root as value (and no system)."""
    if extension is None:
        return Identifier(value=root)
    return Identifier(value=extension, system=root, kind=_KIND_OF_OID.get(root))


# --- numbers ---------------------------------------------------------------------------------------------------------


def normalise(identifier: Identifier) -> Number:
    """Which register and which bare number, whatever the writing: FINEG 300017985 and IDNST 1300017985 are both FINESS 300017985.

    A number of no known register comes back under its system, else its authority's name, else "", unchanged.
    """
    kind, system, value = identifier.kind, identifier.system, identifier.value.replace(" ", "")
    if is_ins(identifier):
        return Number("INS", value)
    if kind in _REGISTERS:
        register = "FINESS" if kind in ("FINEG", "FINEJ") else kind
        _, oid, prefix, digits = _REGISTERS[kind]
        if len(value) == digits + 1 and value[0] == prefix and system in (None, oid):
            return Number(register, value[1:])
        return Number(register, value)
    if system == _FINESS_URI:
        return Number("FINESS", value)
    if system == PS_IDNAT or (system is None and kind == "IDNPS"):
        return _without_prefix(value, _PS_PREFIXES, "IDNPS")
    if system == STRUCT_IDNAT or (system is None and kind == "IDNST"):
        return _without_prefix(value, _STRUCT_PREFIXES, "IDNST")
    return Number(system or identifier.authority or "", value)


def _without_prefix(value: str, prefixes: dict[str, tuple[str, int]], family: str) -> Number:
    # Both families are also met with the bare number: eleven digits are an RPPS (no prefixed number has eleven), nine a FINESS.
    if family == "IDNPS" and len(value) == 11 and value.isdigit():
        return Number("RPPS", value)
    if family == "IDNST" and len(value) == 9 and value[2:].isdigit():
        return Number("FINESS", value)
    register, digits = prefixes.get(value[:1], ("", 0))
    if register and (digits == 0 or len(value) == digits + 1):
        return Number(register, value[1:])
    return Number(family, value)


def national(number: Number) -> Identifier:
    """The PS_IdNat or Struct_IdNat writing of a normalised number: the inverse of `normalise`. Raises KeyError for another register."""
    for prefixes, oid, kind in ((_STRUCT_PREFIXES, STRUCT_IDNAT, "IDNST"), (_PS_PREFIXES, PS_IDNAT, "IDNPS")):
        for prefix, (register, _) in prefixes.items():
            if register == number.register:
                return Identifier(value=prefix + number.number, system=oid, kind=kind)
    raise KeyError(number.register)


def same(left: Identifier, right: Identifier) -> bool:
    """Whether both name the same thing: same register or system, same number. A number alone, without system, equals nothing (J05)."""
    a, b = normalise(left), normalise(right)
    return a == b and a.register != ""


def party_number(party: Party | None) -> Number | None:
    """The national number of a professional, the RPPS before any other."""
    numbers = [normalise(each) for each in party.identifiers] if party is not None else []
    return next((each for each in numbers if each.register == "RPPS"), next(iter(numbers), None))


def organization_number(organization: Organization | None) -> Number | None:
    """The national number of an organisation, the FINESS before any other."""
    numbers = [normalise(each) for each in organization.identifiers] if organization is not None else []
    return next((each for each in numbers if each.register == "FINESS"), next(iter(numbers), None))


def nir_key(first13: str) -> str:
    """The key of 13 characters of a NIR: 97 − (n mod 97), Corsica's 2A and 2B read as 19 and 18. Raises ValueError when malformed."""
    if len(first13) != 13 or not first13.isascii():
        raise ValueError("a NIR has 13 characters before its key")
    digits = first13
    if first13[5:7] in ("2A", "2B"):
        digits = first13[:5] + ("19" if first13[6] == "A" else "18") + first13[7:]
    if not digits.isdigit():
        raise ValueError("a NIR is made of digits")
    return f"{97 - int(digits) % 97:02d}"


def matricule(value: str) -> Matricule:
    """Take the 15 characters of a matricule INS apart. Raises ValueError when malformed or when the key is false.

    First digit 1 or 2; 3, 4, 7 and 8 are series that are not certified yet (men odd, women even).
    """
    if len(value) != 15 or value[:1] not in ("1", "2", "3", "4", "7", "8"):
        raise ValueError("a matricule INS has 15 characters and begins with 1, 2, 3, 4, 7 or 8")
    if nir_key(value[:13]) != value[13:]:
        raise ValueError("the key of the matricule is false")
    month = value[3:5] if "01" <= value[3:5] <= "12" else None
    overseas = value[5:7] in ("97", "98")
    department, commune = (value[5:8], value[8:10]) if overseas else (value[5:7], value[7:10])
    sex = "male" if value[0] in "137" else "female"
    return Matricule(sex, value[1:3], month, department, commune, value[10:13], value[13:], value[0] not in "12")


def luhn(digits: str) -> bool:
    """Luhn's check over all digits; False when there is another character."""
    if not (digits.isdigit() and digits.isascii()):
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        number = ord(digit) - 48
        total += number if position % 2 == 0 else (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)[number]
    return total % 10 == 0


#: Register → digits of its bare number; all of them end in a Luhn digit.
_LUHN = {"RPPS": 11, "ADELI": 9, "FINESS": 9, "SIREN": 9, "SIRET": 14}


def check(identifier: Identifier, path: str = "") -> list[Issue]:
    """The issues of one identifier: INS_KEY is an error; a false Luhn digit or another length only a warning (official samples break it)."""
    register, number = normalise(identifier)
    if register == "INS":
        try:
            matricule(number)
        except ValueError:
            return [Issue.of(Severity.ERROR, IssueCode.INS_KEY, path)]
        return []
    digits = _LUHN.get(register)
    if digits is None:
        return []
    if register == "FINESS":
        # Corsica: FINESS counts the letter of 2A, 2B as 1, 2.
        number = number[:1] + number[1:2].translate({65: "1", 66: "2"}) + number[2:]
    if len(number) != digits:
        return [Issue.of(Severity.WARNING, IssueCode.IDENTIFIER_FORM, path, what=register)]
    if luhn(number) or (register == "SIRET" and _la_poste(number)):
        return []
    return [Issue.of(Severity.WARNING, IssueCode.IDENTIFIER_CHECK, path, what=register)]


def _la_poste(siret: str) -> bool:
    """The establishments of La Poste have a sum of digits that is a multiple of five instead."""
    return siret.startswith("356000000") and siret.isdigit() and sum(map(int, siret)) % 5 == 0
