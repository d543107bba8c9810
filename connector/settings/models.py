"""The settings as models: one described field each; the reference page, the JSON Schema and the console form are made from them.

What belongs to one kind of endpoint (port, limits, TLS…) is described by that kind's own model and checked with it when the
file is loaded (connector.settings.load).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connector.pipeline.journey import Policy
from connector.settings.api import FhirApi
from connector.settings.references import SecretReference
from connector.settings.tls import ClientTls
from connector.settings.words import Name, Oid, Port, Words, Zone, directives, domain, listed
from connector.settings.written import WrittenDocuments

__all__ = [
    "DestinationSettings",
    "Duplicates",
    "Http",
    "Identity",
    "PatientServer",
    "Pdsm",
    "ReceiverSettings",
    "Retrying",
    "Route",
    "Settings",
    "When",
]


class Model(BaseModel):
    """Base of the settings: closed and constant."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Retrying(Model):
    """How a destination is tried again. The nth wait is min(longest, first × factor^(n-1)) seconds."""

    first: float = Field(default=2.0, gt=0, description="Seconds before the first new attempt.")
    factor: float = Field(default=2.0, ge=1, description="By how much each wait is longer than the one before.")
    longest: float = Field(default=300.0, gt=0, description="Seconds that a wait never exceeds.")
    attempts: int = Field(
        default=0, ge=0, description="Failed attempts after which a person must decide; 0 = never give up."
    )
    ambiguous: Literal["retry", "park"] = Field(
        default="retry",
        description="When the other side perhaps accepted: `retry` (it recognises our ids) or `park` (a person decides).",
    )

    def policy(self) -> Policy:
        """The same, as the engine wants it."""
        return Policy(**self.model_dump())


class ReceiverSettings(BaseModel):
    """Something that listens. Beside these fields it holds those of its kind."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = Field(description="What it is: `mllp` (HL7 v2 over TCP) or `folder` (files dropped in a folder).")
    name: Name = Field(
        default="", validate_default=False, description="How logs and the journal call it; by default its kind."
    )

    @property
    def options(self) -> dict[str, Any]:
        """The fields of the kind."""
        return dict(self.model_extra or {})

    @property
    def called(self) -> str:
        """Its name, else its kind."""
        return self.name or self.kind


class DestinationSettings(BaseModel):
    """Something that documents are brought to. Beside these fields it holds those of its kind."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = Field(
        description="What it is: `folder` (files for the business software), `fhir` (a FHIR server or the connector's own store) or `mllp` (HL7 v2 over TCP)."
    )
    retry: Retrying = Field(default=Retrying(), description="How it is tried again.")
    parallel: int = Field(
        default=4,
        ge=1,
        le=256,
        description="How many patients' documents may be on their way at once; each patient's stay in order.",
    )
    patient_domain: Annotated[str, AfterValidator(domain)] = Field(
        default="",
        description="Identifier of the patient that the destination wants: `ins`, or the OID of a domain (its IPP, the regional one). It is looked for in the message, the patient index and the PIXm server; without it nothing leaves and the delivery is parked.",
    )

    pdf: Literal["any", "pdfa", "pdfa-1"] = Field(
        default="any",
        description="Which PDFs it takes: `any`, those that claim to be PDF/A, or those that claim PDF/A-1 as the CI-SIS asks. A leg with another PDF is refused (PDF_REFUSED); a given PDF is never altered.",
    )

    @property
    def options(self) -> dict[str, Any]:
        """The fields of the kind."""
        return dict(self.model_extra or {})


class When(Model):
    """Which messages a route takes. Every field given must hold; a field is met by one of its words (`directive`: by all). None: every message."""

    type: Words = Field(
        default=(), description="Message types as MSH-9 says them, with `*` for anything: `MDM^T02`, `MDM^*`."
    )
    sender: Words = Field(default=(), description="Senders as `MSH-3|MSH-4`, with `*` for anything: `SGL*`.")
    receiver: Words = Field(default=(), description="Names of the receivers that it came by.")
    intent: Words = Field(default=(), description="What is asked: `submit`, `replace`, `delete`, `notify`.")
    mode: Words = Field(
        default=(),
        description="Exchange modes: `document`, `conversation`, `teleexpertise`, `mail`, `mon_espace_sante`.",
    )
    document_type: Words = Field(default=(), description="Codes of the document's type, e.g. LOINC `11502-2`.")
    directive: Annotated[Words, AfterValidator(directives)] = Field(
        default=(),
        description="Directives that must be yes (`to_dmp`, `to_professionals`, `to_patient`…), or no or absent with `not ` in front.",
    )
    box: Annotated[
        tuple[Literal["business_software", "regional_record", "ma_sante_connectee"], ...], BeforeValidator(listed)
    ] = Field(
        default=(),
        description="Sharing boxes of « Envoyer un document », one of which must be ticked: `business_software`, `regional_record`, `ma_sante_connectee`. A ticked box that no route names refuses the exchange.",
    )


class Route(Model):
    """One line of routing: what matches `when` goes to every destination of `to`. All matching routes apply, each destination once."""

    when: When = Field(default=When(), description="Which messages; without it, all.")
    to: Words = Field(min_length=1, description="Names of destinations.")


class Http(Model):
    """The connector's own web server: status page, health, metrics, FHIR API."""

    enabled: bool = Field(default=True, description="Whether it runs.")
    host: str = Field(
        default="127.0.0.1",
        description="Address it listens on. Anything but loopback is open to the network: see `insecure`.",
    )
    port: Port = Field(default=8080, description="Port; 0 takes a free one and says which.")
    insecure: str | None = Field(
        default=None,
        description="Why it may listen beyond loopback without TLS (e.g. `behind the hospital's reverse proxy`). Required then.",
    )

    @model_validator(mode="after")
    def _loopback_or_reason(self) -> Http:
        if self.host not in ("127.0.0.1", "::1", "localhost") and not self.insecure:
            raise ValueError(
                "listens beyond loopback without TLS: say why in `insecure`, or keep 127.0.0.1 behind a proxy"
            )
        return self


class Duplicates(Model):
    """What is the same message again: sender (MSH-3, MSH-4) and control id (MSH-10)."""

    window_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Days within which a control id of a sender is not used for another message.",
    )


class Rules(Model):
    """Rules of the volets that a site may hold more or less strictly. The default of each is what the volet says, or the safer reading."""

    mssante_matrix: Literal["literal", "tolerant"] = Field(
        default="tolerant",
        description="Directive matrix of MSSanté: `literal` refuses what it does not list, `tolerant` warns (its own examples are not in it).",
    )
    processing_id: Literal["strict", "tolerant"] = Field(
        default="strict", description="MSH-11 that disagrees with the environment: refused, or a warning."
    )
    masked_to_professionals: Literal["refuse", "allow"] = Field(
        default="refuse", description="A document masked to professionals (MASQUE_PS) and sent to one (DESTMSSANTEPS)."
    )
    patient_identifiers: Literal["strict", "tolerant"] = Field(
        default="strict",
        description="PID-3 and the CDA's patient ids must be the same; `tolerant` lets a local number that only one side holds through.",
    )
    unknown_original: Literal["warn", "refuse"] = Field(
        default="warn",
        description="A replacement or deletion of a document that never came here: told (it may be older than the connector), or refused (900).",
    )


class Monsisra(Model):
    """MonSisra and the exchange profile."""

    domains: Words = Field(
        default=(),
        description="Domains of MonSisra mailboxes, with `*` for anything: an address of one is a MonSisra account. Without them nobody can tell, and a conversation is taken with a warning.",
    )
    max_exchange: int = Field(
        default=25_000_000, ge=1024, description="Bytes above which an exchange is not taken, its files included."
    )


class PatientServer(Model):
    """A FHIR R4 server that knows patients: asked, never written to."""

    url: str = Field(description="Base address, e.g. https://mpi.example/fhir.")
    token: SecretReference | None = Field(default=None, description="Bearer token, as env:NAME or file:PATH.")
    tls: ClientTls | None = Field(default=None, description="Authorities and client certificate, beside the system's.")
    insecure: str | None = Field(
        default=None,
        description="Why it is spoken to in clear (http) beyond this machine; refused without a reason.",
    )
    timeout: float = Field(default=10.0, gt=0, le=120, description="Seconds without an answer.")

    @model_validator(mode="after")
    def _address(self) -> PatientServer:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ValueError("`url` is an http or https address without user or query")
        if parts.scheme == "http" and not self.insecure and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("`url` is in clear: use https, or say why in `insecure`")
        return self


class Identity(Model):
    """Who patients and authors are: test names, where patients are looked for, what is filled in for authors."""

    test_names: Words = Field(
        default=("PAT-UN", "PAT-DEUX", "PAT-TROIS", "PAT-QUATRE", "PAT-CINQ"),
        description="Birth names of test patients, refused in production (accents, case and hyphens do not count).",
    )
    author_specialty: str = Field(
        default="",
        description="Code of JDV_J01 (`G15_10/SM26`) for authors who come without profession and specialty, which HL7 v2 does not carry; told as the site's in `explain`.",
    )
    pdqm: PatientServer | None = Field(
        default=None,
        description="IHE PDQm server (ITI-78) that `GET /patients` and `connector patient search` ask too.",
    )
    pixm: PatientServer | None = Field(
        default=None, description="IHE PIXm server (ITI-83) asked for the identifier that a destination wants."
    )


class Pdsm(Model):
    """What PDSm asks of a document and senders do not say: told as the site's in `explain`. With all of it each document claims PDSm."""

    facility_type: str = Field(
        default="",
        description="Code of JDV_J02 (`SA01`): the kind of facility of documents that say none (PDSm context.facilityType).",
    )
    practice_setting: str = Field(
        default="",
        description="Code of JDV_J04 (`AMBULATOIRE`): the practice setting of documents that say none (PDSm context.practiceSetting).",
    )
    designation_type: str = Field(
        default="",
        description="Code of JDV_J03: the kind of activity of submissions; by default the sector of the sender's organisation.",
    )
    custodian: str = Field(
        default="", description="Name of the organisation that keeps documents which name none (PDSm custodian)."
    )
    custodian_finess: str = Field(default="", description="FINESS number of that organisation.")


class SenderRules(Model):
    """How the messages of one sender are read where they differ from what they declare."""

    charset: str | None = Field(
        default=None,
        description="Character set to read in spite of MSH-18: a name of table 0211, `UNICODE UTF-8` or `windows-1252`; `declared`: MSH-18 whatever the bytes look like.",
    )
    default_charset: str | None = Field(default=None, description="Character set when MSH-18 is empty.")
    continuation: bool | None = Field(
        default=None, description="A line that is no segment continues the one before it."
    )
    names: dict[str, str] | None = Field(
        default=None, description="Segment names that the sender misspells, each with the right one."
    )


class Settings(Model):
    """The settings of a site."""

    site: Name = Field(description="Short name of the site; its mapping overlays bear it.")
    environment: Literal["test", "production"] = Field(
        description="`test` takes test identities only, `production` real ones only; there is no default: a mistake here sends test documents to patients."
    )
    data: Path = Field(
        default=Path("var"), description="Where journal, documents and logs are kept; relative to the settings file."
    )
    database: str = Field(
        default="", description="SQLAlchemy URL of the journal without password; by default a SQLite file in `data`."
    )
    database_password: SecretReference | None = Field(
        default=None, description="Where the database's password is kept: `env:NAME` or `file:PATH`."
    )
    contents: Path | None = Field(
        default=None,
        description="Folder of large documents; by default beside the SQLite file, and in the database itself with PostgreSQL. Shared by all nodes when set.",
    )
    zone: Zone = Field(
        default="Europe/Paris", description="Time zone of the site (IANA), for local times that bear none."
    )
    namespace: Oid = Field(
        default="1.2.250.1.213.1.4.10.9", description="OID under which this site makes its own identifiers."
    )
    language: Literal["fr", "en"] = Field(
        default="fr", description="Language of what partners read (error texts of acknowledgements) and of the logs."
    )
    base_url: str = Field(
        default="", description="Public address of the FHIR API, written in full URLs; by default that of `http`."
    )
    mappings: Path | None = Field(
        default=None,
        description="Folder of the site's mapping overlays; by default `mappings` beside the settings file when it exists.",
    )
    terminology: Path | None = Field(
        default=None,
        description="Folder of the site's tables (a file replaces the product's of the same name); by default `terminology` beside the settings file.",
    )
    receivers: tuple[ReceiverSettings, ...] = Field(default=(), description="What listens.")
    destinations: dict[Name, DestinationSettings] = Field(default={}, description="Where documents go, by name.")
    routes: tuple[Route, ...] = Field(
        default=(), description="Which message goes where. Without routes, every message goes to every destination."
    )
    rules: Rules = Field(default=Rules(), description="Where the site decides how strictly a rule is held.")
    monsisra: Monsisra = Field(
        default=Monsisra(), description="What the site knows of MonSisra, and how large an exchange may be."
    )
    pdsm: Pdsm = Field(default=Pdsm(), description="What is filled in for documents as FHIR, so that they claim PDSm.")
    identity: Identity = Field(default=Identity(), description="Who patients and authors are.")
    documents: WrittenDocuments = Field(
        default=WrittenDocuments(), description="What stands in the documents that the connector makes itself."
    )
    fhir: FhirApi = Field(default=FhirApi(), description="FHIR: the version of FR Core, limits of the API.")
    senders: dict[str, SenderRules] = Field(
        default={},
        description="Rules for senders that write differently, by `MSH-3|MSH-4`, by the name of a receiver, or `*` for any.",
    )
    duplicates: Duplicates = Field(default=Duplicates(), description="What is the same message again.")
    defer_above: int = Field(
        default=5_000_000,
        ge=0,
        description="Bytes above which a message is acknowledged once safe and understood afterwards; 0 = never.",
    )
    keep_days: int = Field(
        default=0, ge=0, description="Days that settled messages are kept before they are forgotten; 0 = for ever."
    )
    http: Http = Field(default=Http(), description="The connector's own web server.")
