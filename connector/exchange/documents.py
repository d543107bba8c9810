"""Documents, the directives that travel with them, and their recipients."""

from __future__ import annotations

from connector.exchange.attachment import Content
from connector.exchange.care import Act, Encounter, Order
from connector.exchange.clinical import Section
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, Identifier, Model, Organization, Party

__all__ = ["Content", "Directives", "Document", "Sharing"]


class Document(Model, frozen=True):
    """One document. `id` is root or root^extension (XDS uniqueId); `replaces` the id of the one that it replaces.

    What a CDA header says is here (authors, signer, custodian, acts…); `content` holds the CDA itself, `body` its
    unstructured body (a PDF…) when there is one, `sections` what its structured body says. `status`: final, replacement, deletion, preliminary (OBX-11 / intent).
    """

    id: str | None = None
    set_id: str | None = None
    version: str | None = None
    replaces: str | None = None
    type: Concept | None = None
    category: Concept | None = None
    format: Concept | None = None
    templates: tuple[str, ...] = ()
    title: str | None = None
    created: Moment | None = None
    language: str | None = None
    realm: str | None = None
    confidentiality: str | None = None
    status: str | None = None
    source_application: str | None = None
    content: Content | None = None
    body: Content | None = None
    authors: tuple[Party, ...] = ()
    enterer: Party | None = None
    informants: tuple[Party, ...] = ()
    custodian: Organization | None = None
    recipients: tuple[Party, ...] = ()
    signer: Party | None = None
    authenticators: tuple[Party, ...] = ()
    participants: tuple[Party, ...] = ()
    orders: tuple[Order, ...] = ()
    acts: tuple[Act, ...] = ()
    consents: tuple[Concept, ...] = ()
    references: tuple[Identifier, ...] = ()
    encounter: Encounter | None = None
    sections: tuple[Section, ...] = ()


class Directives(Model, frozen=True):
    """The MetaDMPMSS observations of the volet (CI-SIS "Transmission d'un document CDA-R2 en HL7v2", meta-dmp-mss)."""

    hidden_from_professionals: bool | None = None
    hidden_from_patient: bool | None = None
    hidden_from_guardians: bool | None = None
    secret_connection: bool | None = None
    visibility_change: bool | None = None
    to_dmp: bool | None = None
    to_professionals: bool | None = None
    to_patient: bool | None = None
    patient_may_reply: bool | None = None
    acknowledge_reception: bool | None = None
    acknowledge_reading: bool | None = None
    mail_to_professionals: str | None = None
    mail_to_patient: str | None = None


class Sharing(Model, frozen=True):
    """The three boxes of « Envoyer un document »: *mon logiciel métier*, *Mes Patients* (regional record), *Ma Santé Connectée*."""

    business_software: bool | None = None
    regional_record: bool | None = None
    ma_sante_connectee: bool | None = None
