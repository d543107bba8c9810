"""People, organisations and how they are named, in nobody's wire format."""

from __future__ import annotations

import msgspec

from connector.exchange.moments import Moment

__all__ = [
    "Address",
    "Concept",
    "Device",
    "DmpConsent",
    "HumanName",
    "Identifier",
    "Model",
    "Organization",
    "Party",
    "Patient",
    "Period",
    "Telecom",
]


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every canonical value. Absent is None or an empty tuple; `""` never stands for absent."""


class Identifier(Model, frozen=True):
    """An identifier in the domain of its issuer (CX, XCN-1, XON-10, II, FHIR Identifier).

    `system` is the issuer's OID without prefix, or a URI, or a local universal id whose type is `system_type`
    (HL7 table 0301; None means ISO for an OID and URI for a URI). `kind` is a code of table 0203 as Interop'Santé
    extends it (INS, PI, VN, AN, IDNPS, RPPS, FINEG, FINEJ, IDNST…).
    """

    value: str
    system: str | None = None
    system_type: str | None = None
    authority: str | None = None
    kind: str | None = None
    start: Moment | None = None
    end: Moment | None = None


class Concept(Model, frozen=True):
    """A coded value. `system` is an OID without prefix or a URI, canonical as terminology/systems.csv says; else the name as received."""

    code: str
    system: str | None = None
    display: str | None = None
    version: str | None = None
    text: str | None = None


class Period(Model, frozen=True):
    """From `start` to `end`, either may be absent."""

    start: Moment | None = None
    end: Moment | None = None


class HumanName(Model, frozen=True):
    """A name. `use`: birth (HL7 L, CDA BR, FHIR official), usual (D, CL, usual) or another word of table name-use.

    `given` are the names in use order, the first is the first given name; `birth_given` is the list of given names of
    the birth certificate exactly as the identity holds it (XPN-3, unqualified CDA given), one string separated by spaces.
    """

    use: str | None = None
    family: str | None = None
    given: tuple[str, ...] = ()
    birth_given: str | None = None
    prefix: str | None = None
    suffix: str | None = None
    text: str | None = None


class Address(Model, frozen=True):
    """An address. `insee` is the code officiel géographique (COG) of a commune or a country."""

    use: str | None = None
    lines: tuple[str, ...] = ()
    city: str | None = None
    district: str | None = None
    postal_code: str | None = None
    country: str | None = None
    insee: str | None = None


class Telecom(Model, frozen=True):
    """A way to reach somebody. `system`: phone, fax, email, url, mssante (a secure mailbox) or other."""

    value: str
    system: str | None = None
    use: str | None = None


class Organization(Model, frozen=True):
    """An organisation or a unit. `sector` is the cadre d'exercice (JDV_J04)."""

    identifiers: tuple[Identifier, ...] = ()
    name: str | None = None
    sector: Concept | None = None
    telecoms: tuple[Telecom, ...] = ()
    addresses: tuple[Address, ...] = ()


class Device(Model, frozen=True):
    """A system that wrote a document (assignedAuthoringDevice, PRT-10)."""

    identifiers: tuple[Identifier, ...] = ()
    model: str | None = None
    software: str | None = None


class Party(Model, frozen=True):
    """Somebody in a role: a person (`name`), an application (`device`), or an organisation alone.

    `role` is what the format calls it there (XDS author role, PRT-4 SB/RCT, participant type); `function` the JDV_J47 code;
    `specialty` profession and specialty (JDV_J01); `mssante` the secure mailbox (PRT-15.4); `role_class` the RoleClass that a CDA
    gives an informant or participant (ECON, NOK, CAREGIVER, PROV, AGNT…).
    """

    role: str | None = None
    role_class: str | None = None
    function: Concept | None = None
    time: Moment | None = None
    period: Period | None = None
    identifiers: tuple[Identifier, ...] = ()
    name: HumanName | None = None
    specialty: Concept | None = None
    relation: Concept | None = None
    telecoms: tuple[Telecom, ...] = ()
    addresses: tuple[Address, ...] = ()
    organization: Organization | None = None
    device: Device | None = None
    mssante: str | None = None


class DmpConsent(Model, frozen=True):
    """What an establishment knows of the patient's DMP and of his choices (ZFA, PAM.fr).

    `status`: active, closed, absent (table dmp-status). `feeding`: not-opposed, opposed, not-collected (dmp-feeding: the patient was told
    that documents are put into the DMP). `consultation`: consented, refused, not-collected (dmp-consultation). Each with its date.
    """

    status: str | None = None
    status_date: Moment | None = None
    closed_at: Moment | None = None
    feeding: str | None = None
    feeding_date: Moment | None = None
    consultation: str | None = None
    consultation_date: Moment | None = None


class Patient(Model, frozen=True):
    """The patient. The five INS strict traits are the birth name, birth given names, birth date, sex, birth place (COG).

    `sex`: male, female, other, unknown. `identity_status`: the words of table identity-reliability (validated, provisional…);
    `identity_attributes` what stands beside it in PID-32 (homonym…). `account` is PID-18.
    """

    identifiers: tuple[Identifier, ...] = ()
    names: tuple[HumanName, ...] = ()
    birth_date: Moment | None = None
    sex: str | None = None
    birth_place: Address | None = None
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()
    marital_status: str | None = None
    account: Identifier | None = None
    deceased: bool | None = None
    deceased_at: Moment | None = None
    identity_unknown: bool | None = None
    identity_status: str | None = None
    identity_attributes: tuple[str, ...] = ()
    multiple_birth: bool | None = None
    birth_order: int | None = None
    guardians: tuple[Party, ...] = ()
    managing: Organization | None = None
    dmp: DmpConsent | None = None
