"""Who a patient is, asked by people and by destinations: the connector's own index first, then the PDQm and PIXm servers of the site."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from connector.exchange.identifiers import ins_of, is_oid
from connector.exchange.identity import different_traits, missing_traits, qualified
from connector.exchange.people import DmpConsent, HumanName, Identifier, Patient
from connector.exchange.registry import in_domain, key_of, keys_of, searched
from connector.issues import Issue, IssueCode, Severity, worst
from connector.ports import Claimed, DeliveryFailed, Receipt, Retry, Sender

if TYPE_CHECKING:
    from connector.endpoints.patient_server import PatientDirectory
    from connector.exchange.model import Context
    from connector.pipeline.translate import Translator
    from connector.settings import Settings
    from connector.store.patient_search import PatientRow, Patients

__all__ = [
    "REFUSALS",
    "InDomain",
    "PatientSearch",
    "Person",
    "Query",
    "WithChoices",
    "directory",
    "in_domain_of",
    "patient_reader",
    "person",
]

PAGE = 20
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?\Z")

#: Why a search is refused: French, English.
REFUSALS = {
    "more": (
        "il faut le nom et au moins un prénom ou une date de naissance, ou bien un identifiant",
        "a family name and at least a given name or a birth date is needed, or else an identifier",
    ),
    "birthdate": ("date de naissance : AAAA, AAAA-MM ou AAAA-MM-JJ", "birth date: YYYY, YYYY-MM or YYYY-MM-DD"),
    "long": ("valeur trop longue", "value too long"),
    "page": ("la page est un nombre à partir de 1", "the page is a number from 1"),
}


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked. `identifier` is a number, alone or behind its domain (`1.2.250.1…|42`, `urn:oid:1.2…|42`)."""

    family: str = ""
    given: str = ""
    birth_date: str = ""
    identifier: str = ""
    page: int = 1

    def refusal(self) -> str | None:
        """The key of REFUSALS that keeps it from being asked; None when nothing does."""
        if any(len(each) > 200 for each in (self.family, self.given, self.birth_date, self.identifier)):
            return "long"
        if self.birth_date and not _DATE.match(self.birth_date):
            return "birthdate"
        if not 1 <= self.page <= 10_000:
            return "page"
        enough = self.identifier.rpartition("|")[2].strip() or (
            searched(self.family) and (searched(self.given) or self.birth_date)
        )
        return None if enough else "more"

    @property
    def terms(self) -> dict[str, Any]:
        """The same as the store and the server take it."""
        domain, _, number = self.identifier.rpartition("|")
        return {
            "family": self.family.strip(), "given": self.given.strip(), "birth_date": self.birth_date,
            "number": number.strip(), "domain": domain.strip().removeprefix("urn:oid:"),
        }  # fmt: skip


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One patient found. `origins`: `local` and the servers that know him; `record` his number in the index; a merged record says into
    which one, by which message and when."""

    origins: tuple[str, ...]
    record: int | None = None
    names: tuple[HumanName, ...] = ()
    birth_date: str | None = None
    sex: str | None = None
    birth_place: str | None = None
    identifiers: tuple[Identifier, ...] = ()
    identity_status: str | None = None
    dmp: DmpConsent | None = None
    source: str | None = None
    message_id: int | None = None
    merged_into: int | None = None
    merged_by: int | None = None
    merged_at: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; `more`: there is another page. `servers`: each that was asked, with the reason when it did not answer."""

    patients: tuple[Person, ...]
    more: bool
    servers: tuple[dict[str, str], ...] = ()


def person(row: PatientRow) -> Person:
    """A record of the index."""
    fields = ("message_id", "merged_into", "merged_by", "merged_at", "source")
    return _person(row.patient, ("local",), record=row.id, **{name: getattr(row, name) for name in fields})


def _person(patient: Patient, origins: tuple[str, ...], **more: Any) -> Person:
    place = patient.birth_place
    return Person(
        origins=origins, names=patient.names, birth_date=patient.birth_date, sex=patient.sex,
        birth_place=(place.insee or place.city) if place is not None else None, identifiers=patient.identifiers,
        identity_status=patient.identity_status, dmp=patient.dmp, **more,
    )  # fmt: skip


Read = Callable[[Mapping[str, Any]], Patient | None]


def patient_reader(translator: Translator, context: Context) -> Read:
    """FHIR Patient → canonical patient, by the mappings in force; None for what is no valid Patient."""

    def read(resource: Mapping[str, Any]) -> Patient | None:
        from connector.fhir.validate import check
        from connector.mapping.language import Run

        if worst(check(resource)) >= Severity.ERROR:
            return None
        made: Patient | None = translator.mappings.mapping("fhir/resources/Patient").read(resource, Run(context))
        return made

    return read


def directory(settings: Settings, which: str) -> PatientDirectory | None:
    """The site's `pdqm` or `pixm` server, None when there is none."""
    from connector.endpoints.patient_server import PatientDirectory

    found = getattr(settings.identity, which)
    return PatientDirectory(found) if found is not None else None


class PatientSearch:
    """The index and the PDQm server as one answer; `reader` gives how a FHIR Patient is read now."""

    def __init__(self, known: Patients, server: PatientDirectory | None, reader: Callable[[], Read]) -> None:
        self.known = known
        self._server = server
        self._reader = reader

    async def search(self, query: Query) -> Answer:
        """The page asked for; the server is asked with the first one. Its failure is told, the index answers all the same."""
        rows, (patients, told) = await asyncio.gather(
            asyncio.to_thread(self.known.search, **query.terms, limit=PAGE + 1, offset=(query.page - 1) * PAGE),
            self._elsewhere(query),
        )
        found = [person(row) for row in rows[:PAGE]]
        for patient in patients:
            found = _joined(found, patient, told["name"])
        return Answer(patients=tuple(found), more=len(rows) > PAGE, servers=(told,) if told else ())

    async def close(self) -> None:
        """Release connections."""
        if self._server is not None:
            await self._server.close()

    async def _elsewhere(self, query: Query) -> tuple[list[Patient], dict[str, str]]:
        if self._server is None or query.page > 1:
            return [], {}
        told = {"name": self._server.name, "state": "answered"}
        try:
            found = await self._server.search(**query.terms, count=PAGE)
        except DeliveryFailed as failure:
            return [], {**told, "state": "failed", "reason": failure.issue.code}
        read = self._reader()
        patients = [patient for each in found.patients if (patient := read(each)) is not None]
        unread = len(found.patients) - len(patients)
        more = {"more": "yes"} if found.more else {}
        return patients, {**told, **more, **({"unreadable": str(unread)} if unread else {})}


def _joined(found: list[Person], patient: Patient, origin: str) -> list[Person]:
    """A server's patient beside what is known of him: one person when they share a number in its domain and no trait differs."""
    keys = set(keys_of(patient))
    for position, each in enumerate(found):
        local = Patient(identifiers=each.identifiers, names=each.names, sex=each.sex)
        if each.merged_into is None and keys & set(keys_of(local)) and not different_traits(patient, local):
            mine = set(keys_of(local))
            more = tuple(identifier for identifier in patient.identifiers if key_of(identifier) not in mine)
            joined = replace(each, origins=(*each.origins, origin), identifiers=(*each.identifiers, *more))
            return [*found[:position], joined, *found[position + 1 :]]
    return [*found, _person(patient, (origin,))]


# --- the number that a destination wants -----------------------------------------------------------------------------


class InDomain:
    """A `Sender` whose destination wants the patient under a number of its own domain (`ins` or an OID).

    It is taken from the message, the index, the PIXm server, in this order. Without it nothing leaves: the delivery is parked with its
    rule. `as_received`: the destination gets the bytes as they came, to which no number can be added.
    """

    def __init__(
        self,
        sender: Sender,
        domain: str,
        known: Patients,
        server: PatientDirectory | None,
        *,
        as_received: bool,
        test: bool,
    ) -> None:
        self._sender = sender
        self._domain = domain
        self._known = known
        self._server = server
        self._as_received = as_received
        self._oid = ("1.2.250.1.213.1.4.10" if test else "1.2.250.1.213.1.4.8") if domain == "ins" else domain

    async def deliver(self, claimed: Claimed, before_send: Callable[[], Awaitable[None]]) -> Receipt:
        """Deliver with the number. Raises DeliveryFailed: parked without it, SAFE when the PIXm server cannot be asked now."""
        exchange = claimed.exchange
        if exchange is None or exchange.patient is None:
            return await self._sender.deliver(claimed, before_send)
        patient = await self._addressed(exchange.patient)
        if self._domain == "ins" and not qualified(patient):
            raise _parked(IssueCode.INS_NOT_QUALIFIED, claimed.destination)
        if self._domain == "ins" and (missing := missing_traits(patient)):
            raise _parked(IssueCode.INS_INCOMPLETE, ", ".join(missing))
        if patient is not exchange.patient:
            if self._as_received:
                raise _parked(IssueCode.PATIENT_DOMAIN, self._domain)
            claimed = replace(claimed, exchange=replace(exchange, patient=patient))
        return await self._sender.deliver(claimed, before_send)

    async def close(self) -> None:
        """Release connections."""
        await self._sender.close()
        if self._server is not None:
            await self._server.close()

    async def _addressed(self, patient: Patient) -> Patient:
        if in_domain(patient, self._domain) is not None:
            return patient
        known = await asyncio.to_thread(self._known.known, keys_of(patient))
        if known is not None and not different_traits(patient, known):
            found = in_domain(known, self._domain)
            if found is not None:
                status = patient.identity_status or known.identity_status
                return replace(patient, identifiers=(*patient.identifiers, found), identity_status=status)
        found = await self._asked(patient)
        if found is None:
            raise _parked(IssueCode.PATIENT_DOMAIN, self._domain)
        return replace(patient, identifiers=(*patient.identifiers, found))

    async def _asked(self, patient: Patient) -> Identifier | None:
        if self._server is None:
            return None
        named = [each for each in patient.identifiers if each.end is None and each.system and is_oid(each.system)]
        ins = ins_of(patient)
        for each in sorted(named, key=lambda one: one is not ins)[:3]:
            found = await self._server.identifier(each, self._oid)
            if found is not None:
                return found
        return None


class WithChoices:
    """A `Sender` to a shared record: what the patient chose about the DMP (ZFA) is the index's where the message says nothing of it, so
    that an opposition told by the identity server holds for what others send."""

    def __init__(self, sender: Sender, known: Patients) -> None:
        self._sender = sender
        self._known = known

    async def deliver(self, claimed: Claimed, before_send: Callable[[], Awaitable[None]]) -> Receipt:
        """Deliver with the patient's choices as they are known at this moment."""
        exchange = claimed.exchange
        if exchange is not None and exchange.patient is not None and exchange.patient.dmp is None:
            known = await asyncio.to_thread(self._known.known, keys_of(exchange.patient))
            if known is not None and known.dmp is not None:
                claimed = replace(claimed, exchange=replace(exchange, patient=replace(exchange.patient, dmp=known.dmp)))
        return await self._sender.deliver(claimed, before_send)

    async def close(self) -> None:
        """Release connections."""
        await self._sender.close()


def _parked(code: IssueCode, what: str) -> DeliveryFailed:
    return DeliveryFailed(Retry.NEVER, Issue.of(Severity.ERROR, code, "patient.identifiers", what=what), park=True)


def in_domain_of(settings: Settings, name: str, sender: Sender, known: Patients) -> Sender:
    """The destination's sender, behind what it wants to know of the patient: the number of its domain, for a shared record his choices."""
    spec = settings.destinations[name]
    if spec.kind == "fhir" and spec.options.get("mode") == "submission":
        sender = WithChoices(sender, known)
    if not spec.patient_domain:
        return sender
    as_received = spec.kind == "mllp" and spec.options.get("format", "raw") == "raw"
    test = settings.environment == "test"
    return InDomain(sender, spec.patient_domain, known, directory(settings, "pixm"), as_received=as_received, test=test)
