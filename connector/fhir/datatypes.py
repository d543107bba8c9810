"""FHIR datatypes to canonical values and back: one read/write pair a type, side by side (R4 §2.24, FR Core 2.1.0).

A pair on a node takes a dict; what it does not read stays visible as unread. Canonical moments, identifiers and systems are those of
`connector.exchange`; code systems are written as URIs.
"""

from __future__ import annotations

import html
import re
from typing import Any

from connector.exchange.identifiers import is_oid
from connector.exchange.people import Address, Concept, HumanName, Identifier, Period, Telecom
from connector.exchange.results import Quantity
from connector.fhir.identifiers import (
    RFC_3986,
    read_business_id,
    read_document_id,
    read_identifier,
    read_uri,
    write_business_id,
    write_document_id,
    write_identifier,
    write_uri,
)
from connector.fhir.measures import (
    read_decimal,
    read_instant,
    read_quantity,
    read_unit,
    write_decimal,
    write_instant,
    write_quantity,
    write_unit,
)
from connector.fhir.primitives import (
    read_base64,
    read_boolean,
    read_datetime,
    read_integer,
    read_period,
    read_sha1,
    write_base64,
    write_date,
    write_datetime,
    write_period,
    write_same,
    write_sha1,
)
from connector.issues import IssueCode, Severity
from connector.mapping.language import Datatype, Run

__all__ = [
    "BIRTH_GIVEN",
    "DATATYPES",
    "EMAIL_TYPE",
    "INSEE",
    "PATIENT_DOMAIN",
    "RFC_3986",
    "read_concept",
    "read_document_id",
    "read_identifier",
    "secure_mailbox",
    "system_uri",
    "write_concept",
    "write_document_id",
    "write_identifier",
]

Node = dict[str, Any]

FR_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
BIRTH_GIVEN = FR_CORE + "fr-core-patient-birth-list-given-name"
INSEE = FR_CORE + "fr-core-address-insee-code"
EMAIL_TYPE = FR_CORE + "fr-core-contact-point-email-type"
MAIL_SYSTEM = "https://mos.esante.gouv.fr/NOS/TRE_R256-TypeMessagerie/FHIR/TRE-R256-TypeMessagerie"
COG_COMMUNE = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"
#: A patient's Mon Espace Santé mailbox is <INS>@patient.mssante.fr.
PATIENT_DOMAIN = "@patient.mssante.fr"

_ADDRESS_USES = frozenset({"home", "work", "temp", "old", "billing"})
_CONTACT_USES = frozenset({"home", "work", "temp", "old", "mobile"})
_CONTACT_SYSTEMS = frozenset({"phone", "fax", "email", "pager", "url", "sms", "other"})


# --- systems and codes -----------------------------------------------------------------------------------------------


def system_uri(system: str, run: Run) -> str | None:
    """The URI of a canonical code system; None with an issue for a local name that systems.csv does not know."""
    systems = run.context.systems
    uri: str | None
    if systems is not None:
        uri = systems.uri(system)
    else:
        uri = f"urn:oid:{system}" if is_oid(system) else system if ":" in system else None
    if uri is None:
        run.report(Severity.WARNING, IssueCode.MAP_CODE_SYSTEM)
    return uri


def _canonical(system: str, run: Run) -> str:
    systems = run.context.systems
    return str(systems.canonical(system)) if systems is not None else system.removeprefix("urn:oid:")


def read_coding(node: Node, run: Run) -> Concept | None:
    """Coding, R4 §2.24.0.7."""
    code = node.get("code")
    if not code:
        return None
    system = node.get("system")
    return Concept(
        code=code,
        system=_canonical(system, run) if system else None,
        display=node.get("display"),
        version=node.get("version"),
    )


def write_coding(concept: Concept, node: Node, run: Run) -> None:
    """Coding, R4 §2.24.0.7; `text` belongs to the CodeableConcept around it."""
    if concept.system is not None and (uri := system_uri(concept.system, run)) is not None:
        node["system"] = uri
    if concept.version is not None:
        node["version"] = concept.version
    node["code"] = concept.code
    if concept.display is not None:
        node["display"] = concept.display


def read_concept(node: Node, run: Run) -> Concept | None:
    """CodeableConcept, R4 §2.24.0.8: its first coding that has a code. Text alone is no concept."""
    for coding in node.get("coding", ()):
        found = read_coding(coding, run)
        if found is not None:
            text = node.get("text")
            if text is None:
                return found
            return Concept(
                code=found.code, system=found.system, display=found.display, version=found.version, text=text
            )
    return None


def write_concept(concept: Concept, node: Node, run: Run) -> None:
    """CodeableConcept, R4 §2.24.0.8."""
    coding: Node = {}
    write_coding(concept, coding, run)
    node["coding"] = [coding]
    if concept.text is not None:
        node["text"] = concept.text


def read_producer(node: Node, run: Run) -> Concept | None:
    """An Organization as whoever made a result: its first number with a value is the code, its name the label (v2-to-FHIR, OBX-15)."""
    number = next((each for each in node.get("identifier", ()) if each.get("value")), None)
    if number is None:
        return Concept(code=node["name"]) if node.get("name") else None
    system = number.get("system")
    return Concept(
        code=number["value"],
        system=_canonical(system, run) if system else None,
        display=node.get("name"),
        text=next(iter(node.get("alias", ())), None),
    )


def write_producer(producer: Concept, node: Node, run: Run) -> None:
    """An Organization of one number and a name."""
    number: Node = {}
    if producer.system is not None and (uri := system_uri(producer.system, run)) is not None:
        number["system"] = uri
    number["value"] = producer.code
    node["identifier"] = [number]
    if producer.display is not None:
        node["name"] = producer.display
    if producer.text is not None:
        node["alias"] = [producer.text]


# --- people ----------------------------------------------------------------------------------------------------------


def _word(table: str, code: str | None, run: Run) -> str | None:
    """The canonical word of a FHIR code; MAP_UNKNOWN_CODE when the table has none."""
    if code is None or run.context.table is None:
        return code
    found: str | None = run.context.table(table).to_exchange("fhir", code)
    if found is None:
        run.unknown_code(table, "read", "fhir", code)
    return found


def _code(table: str, word: str | None, run: Run) -> str | None:
    """The FHIR code of a canonical word; MAP_UNKNOWN_CODE when FHIR has none for it."""
    if word is None or run.context.table is None:
        return word
    found = run.context.table(table).from_exchange("fhir", word)
    if found is None:
        run.unknown_code(table, "write", "fhir", word)
        return None
    return str(found.code)


def _extension(node: Node, url: str) -> Node | None:
    for extension in node.get("extension", ()):
        if extension.get("url") == url:
            return extension  # type: ignore[no-any-return]  # JSON
    return None


def read_name(node: Node, run: Run) -> HumanName | None:
    """HumanName, R4 §2.24.0.12, with FR Core's list of given names of the birth certificate."""
    extension = _extension(node, BIRTH_GIVEN)
    name = HumanName(
        use=_word("name-use", node.get("use"), run),
        family=node.get("family"),
        given=tuple(node.get("given", ())),
        birth_given=extension.get("valueString") if extension else None,
        prefix=" ".join(node["prefix"])
        if len(node.get("prefix", ())) > 1
        else next(iter(node.get("prefix", ())), None),
        suffix=" ".join(node["suffix"])
        if len(node.get("suffix", ())) > 1
        else next(iter(node.get("suffix", ())), None),
        text=node.get("text"),
    )
    return None if name == HumanName() else name


def write_name(name: HumanName, node: Node, run: Run) -> None:
    """HumanName."""
    if name.birth_given is not None:
        node["extension"] = [{"url": BIRTH_GIVEN, "valueString": name.birth_given}]
    use = _code("name-use", name.use, run)
    for key, value in (("use", use), ("text", name.text), ("family", name.family)):
        if value is not None:
            node[key] = value
    if name.given:
        node["given"] = list(name.given)
    if name.prefix is not None:
        node["prefix"] = [name.prefix]
    if name.suffix is not None:
        node["suffix"] = [name.suffix]


def read_address(node: Node, run: Run) -> Address | None:
    """Address, R4 §2.24.0.15, with the code officiel géographique (fr-core-address-insee-code)."""
    extension = _extension(node, INSEE)
    address = Address(
        use=node.get("use"),
        lines=tuple(node.get("line", ())),
        city=node.get("city"),
        district=node.get("district"),
        postal_code=node.get("postalCode"),
        country=node.get("country"),
        insee=extension.get("valueCoding", {}).get("code") if extension else None,
    )
    return None if address == Address() else address


def write_address(address: Address, node: Node, run: Run) -> None:
    """Address; a use that FHIR does not have is left out (`birth` is said by the place it stands in)."""
    if address.insee is not None:
        # Codes 99… are countries; fr-core-vs-insee-code binds this place to TRE_R13 alone.
        node["extension"] = [{"url": INSEE, "valueCoding": {"system": COG_COMMUNE, "code": address.insee}}]
    if address.use in _ADDRESS_USES:
        node["use"] = address.use
    if address.lines:
        node["line"] = list(address.lines)
    for key, value in (
        ("city", address.city),
        ("district", address.district),
        ("postalCode", address.postal_code),
        ("country", address.country),
    ):
        if value is not None:
            node[key] = value


def read_contact(node: Node, run: Run) -> Telecom | None:
    """ContactPoint, R4 §2.24.0.14; an e-mail typed MSSANTE is a secure mailbox (fr-core-contact-point-email-type)."""
    value = node.get("value")
    if not value:
        return None
    extension = _extension(node, EMAIL_TYPE)
    secure = extension is not None and extension.get("valueCoding", {}).get("code") == "MSSANTE"
    return Telecom(value=value, system="mssante" if secure else node.get("system"), use=node.get("use"))


def write_contact(telecom: Telecom, node: Node, run: Run) -> None:
    """ContactPoint."""
    if telecom.system == "mssante":
        node |= secure_mailbox(telecom.value)
    elif telecom.system is not None:
        # cpt-2: a value needs a system; a word that FHIR does not have is `other`.
        node["system"] = telecom.system if telecom.system in _CONTACT_SYSTEMS else "other"
    node["value"] = telecom.value
    if telecom.use in _CONTACT_USES:
        node["use"] = telecom.use


def secure_mailbox(address: str) -> Node:
    """The ContactPoint of a secure mailbox (fr-core-contact-point-email-type)."""
    coding = {"system": MAIL_SYSTEM, "code": "MSSANTE"}
    return {"extension": [{"url": EMAIL_TYPE, "valueCoding": coding}], "system": "email", "value": address}


def read_mailbox(node: Node, run: Run) -> str | None:
    """The address of a secure mailbox; None for another contact."""
    found = read_contact(node, run)
    return found.value if found is not None and found.system == "mssante" else None


def write_mailbox(value: str, node: Node, run: Run) -> None:
    """A secure mailbox."""
    write_contact(Telecom(value=value, system="mssante", use="work"), node, run)


def read_rich_text(text: str | bytes, run: Run) -> str:
    """A text that is kept as an attachment."""
    return read_base64(text, run).decode("utf-8")


def write_rich_text(value: str, run: Run) -> bytes:
    """The bytes of a text."""
    return value.encode()


def read_narrative(div: str, run: Run) -> str | None:
    """The words of a narrative that is nothing but words; one with structure is its sender's rendering and says nothing new."""
    found = _WORDS.fullmatch(div)
    return (html.unescape(found[1]) or None) if found is not None else None


def write_narrative(text: str, run: Run) -> str:
    """Words as a narrative (R4 §2.4.0)."""
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{html.escape(text, quote=False)}</div>'


_WORDS = re.compile(r"<div[^>]*>([^<]*)</div>", re.DOTALL)


DATATYPES: dict[str, Datatype] = {
    each.name: each
    for each in (
        Datatype("identifier", read_identifier, write_identifier, node=True, value=Identifier),
        Datatype("document-id", read_document_id, write_document_id, node=True, value=str),
        Datatype("business-id", read_business_id, write_business_id, node=True, value=str),
        Datatype("coding", read_coding, write_coding, node=True, value=Concept),
        Datatype("concept", read_concept, write_concept, node=True, value=Concept),
        Datatype("name", read_name, write_name, node=True, value=HumanName),
        Datatype("address", read_address, write_address, node=True, value=Address),
        Datatype("contact", read_contact, write_contact, node=True, value=Telecom),
        Datatype("mailbox", read_mailbox, write_mailbox, node=True, value=str),
        Datatype("period", read_period, write_period, node=True, value=Period),
        Datatype("quantity", read_quantity, write_quantity, node=True, value=Quantity),
        Datatype("unit", read_unit, write_unit, node=True, value=Concept),
        Datatype("producer", read_producer, write_producer, node=True, value=Concept),
        Datatype("decimal", read_decimal, write_decimal, node=False, value=str),
        Datatype("instant", read_instant, write_instant, node=False, value=str),
        Datatype("datetime", read_datetime, write_datetime, node=False, value=str),
        Datatype("date", read_datetime, write_date, node=False, value=str),
        Datatype("base64", read_base64, write_base64, node=False, value=bytes),
        Datatype("rich-text", read_rich_text, write_rich_text, node=False, value=str),
        Datatype("narrative", read_narrative, write_narrative, node=False, value=str),
        Datatype("oid", read_uri, write_uri, node=False, value=str),
        Datatype("sha1", read_sha1, write_sha1, node=False, value=str),
        Datatype("boolean", read_boolean, write_same, node=False, value=bool),
        Datatype("integer", read_integer, write_same, node=False, value=int),
    )
}
