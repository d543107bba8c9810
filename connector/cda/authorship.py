"""Who answers for a document that somebody writes on MonSisra: what a CDA header asks of its author and the exchange says elsewhere.

A user posts a document with a title, a type and a date; the header of the CI-SIS also wants who signs, who keeps it, which act it is
about and where. The acting account answers for it; what only the site knows comes from its settings (`documents`): custodian, sector,
facility. Nothing clinical is made up, and what nobody says stays missing.
"""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec.structs import replace

from connector.exchange.care import Act, Encounter
from connector.exchange.documents import Document
from connector.exchange.identifiers import STRUCT_IDNAT, organization_number
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment, has_zone, precision, with_zone
from connector.exchange.people import Concept, Device, Identifier, Organization, Party, Period, Telecom
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run

__all__ = ["in_header", "second_of", "signed", "titled"]

_BY = "connector/cda/authorship.py"
#: « Service numérique référencé »: sector (JDV_J04) and facility (JDV_J02) where the site's settings name no other.
_SERVICE = "SNR"
#: Where people stand in a document and in a stay.
_PEOPLE = ("authors", "enterer", "informants", "recipients", "signer", "authenticators", "participants", "responsible")
_Held = TypeVar("_Held", Document, Encounter)
#: Titles (JDV_J246), which people and HL7 v2 put in front of a name; in a CDA the prefix is the civility.
_TITLES = ("DR", "PR", "MC", "MG", "PC", "PG")


def signed(exchange: Exchange, run: Run, *, position: int = 0, act: Concept | None = None) -> Exchange:
    """The exchange with authors, signer, custodian, act and encounter of one of its documents filled where they are absent.

    `act` is the documented act's code (NGAP for a téléexpertise). Only for what was written on MonSisra: a feed's document is its author's.
    """
    document = exchange.documents[position]
    changes: dict[str, Any] = {}

    def fill(field: str, value: Any, *sources: str) -> None:
        if value and not getattr(document, field):
            changes[field] = value
            run.derived(f"documents[{position + 1}].{field}", sources, _BY)

    created = second_of(document.created or run.context.now, run.context)
    if document.created != created:
        changes["created"] = created
        run.derived(f"documents[{position + 1}].created", (f"documents[{position + 1}].created",), _BY)
    if document.replaces is not None and not (document.set_id and document.version):
        # MonSisra replaces a document by its id; a header must have a set and a number, so it follows the first of its set.
        run.report(Severity.WARNING, IssueCode.DOCUMENT_SET, f"documents[{position + 1}].replaces")
        fill("set_id", document.replaces, f"documents[{position + 1}].replaces")
        fill("version", "2")
    author = next((each for each in document.authors if each.name or each.device), None) or exchange.sender
    if author is None:
        return replace(exchange, documents=_with(exchange, position, replace(document, **changes)))
    responsible = _account(_known(author, exchange))
    if document.recipients:
        changes["recipients"] = tuple(map(titled, document.recipients))
    if document.authors:
        changes["authors"] = tuple(
            replace(_known(each, exchange), time=each.time or created) for each in document.authors
        )
    fill("authors", (replace(responsible, time=created),), "sender")
    fill("signer", replace(responsible, device=None, time=created), "sender")
    fill("custodian", _custodian(responsible, exchange.sender, run.context), "sender.organization")
    fill(
        "acts", (Act(code=act, period=Period(start=created), performer=_performer(responsible, run.context)),), "sender"
    )
    document = replace(document, **changes)
    encounter = document.encounter or exchange.encounter or Encounter()
    facility = _coded("healthcare-facilities", run.context.options.get("facility") or _SERVICE, run.context)
    encounter = replace(
        encounter,
        facility_type=encounter.facility_type or facility,
        period=encounter.period or Period(start=created),
    )
    return replace(
        exchange, encounter=encounter, documents=_with(exchange, position, replace(document, encounter=None))
    )


def in_header(held: _Held, run: Run, place: str) -> _Held:
    """A document or a stay with its people as a header can say them: a title in front of a name stands behind it, a secure mailbox is one
    of their telecoms, the numbers of a system are those of the author that it is."""
    changes: dict[str, Any] = {}
    for name in _PEOPLE:
        value = getattr(held, name, None)
        made = tuple(map(_told, value)) if isinstance(value, tuple) else value and _told(value)
        if made != value:
            changes[name] = made
            run.derived(f"{place}.{name}", (f"{place}.{name}",), _BY)
    return replace(held, **changes) if changes else held


def _told(party: Party) -> Party:
    if party.mssante is not None and all(each.value != party.mssante for each in party.telecoms):
        party = replace(party, telecoms=(*party.telecoms, Telecom(value=party.mssante, system="mssante")))
    if party.device is not None and not party.identifiers:
        party = replace(party, identifiers=party.device.identifiers)
    return titled(party)


def _with(exchange: Exchange, position: int, document: Document) -> tuple[Document, ...]:
    return (*exchange.documents[:position], document, *exchange.documents[position + 1 :])


def second_of(moment: Moment, context: Context) -> Moment:
    """A moment as a header wants it, to the second and with a zone: a day is its beginning in the site's zone."""
    if precision(moment) in ("second", "fraction") and has_zone(moment):
        return Moment(moment)
    whole = {"year": "-01-01T00:00:00", "month": "-01T00:00:00", "day": "T00:00:00", "hour": ":00:00", "minute": ":00"}
    bare = moment if has_zone(moment) else Moment(moment + whole.get(precision(moment), ""))
    try:
        return with_zone(bare, context.zone)[0]
    except ValueError:  # no moment at all: told where it is written
        return moment


def _known(author: Party, exchange: Exchange) -> Party:
    """The author with what the exchange says more of the same person (profession, organisation), his title where a CDA wants it."""
    members = tuple(member.party for member in exchange.thread.members) if exchange.thread else ()
    for other in (exchange.sender, *members):
        if other is not None and other.identifiers and other.identifiers == author.identifiers:
            author = replace(
                author,
                specialty=author.specialty or other.specialty,
                organization=author.organization or other.organization,
            )
    return titled(author)


def titled(party: Party) -> Party:
    """A person whose title (DR…) stands in front of the name, as people and HL7 v2 write it, with the title where a CDA wants it."""
    name = party.name
    if name is None or name.prefix not in _TITLES or name.suffix is not None:
        return party
    return replace(party, name=replace(name, prefix=None, suffix=name.prefix))


def _account(author: Party) -> Party:
    """A service's account is no person: its organisation answers, and MonSisra is the software that wrote."""
    if author.name is not None or author.device is not None or author.organization is None:
        return author
    numbers = author.identifiers or author.organization.identifiers
    return replace(author, identifiers=numbers, device=Device(model="MonSisra", software="MonSisra"))


def _custodian(author: Party, sender: Party | None, context: Context) -> Organization:
    """The site's custodian, else the organisation of the author or of the acting account when the register knows it, else the site
    by its name alone, in the domain of organisations."""
    number = context.options.get("custodian")
    if number:
        name = context.options.get("custodian_name") or None
        kind = "FINEG" if len(number) == 9 else "IDNST"
        return Organization(identifiers=(Identifier(value=number, system=STRUCT_IDNAT, kind=kind),), name=name)
    for party in (author, sender):
        if party is not None and party.organization is not None and organization_number(party.organization) is not None:
            return party.organization
    return Organization(identifiers=(Identifier(value=STRUCT_IDNAT),), name=context.site)


def _performer(author: Party, context: Context) -> Party:
    sector = _coded("practice-settings", context.options.get("sector") or _SERVICE, context)
    organization = author.organization or Organization()
    if organization.sector is None and sector is not None:
        organization = replace(organization, sector=sector)
    return replace(author, organization=organization, device=None)


def _coded(table: str, code: str, context: Context) -> Concept | None:
    if context.table is None:
        return None
    found = context.table(table).from_exchange("exchange", code)
    return (
        Concept(code=found.code, system=found.system, display=found.display)
        if found is not None
        else Concept(code=code)
    )
