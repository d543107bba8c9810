"""An exchange with a patient on Mon Espace Santé: the INS is the address, and `[FIN]` closes the channel (rules 5 and 7)."""

from __future__ import annotations

from collections.abc import Iterator

from connector.exchange.decoding import PATIENT_DOMAIN, InsFacts, decode_ins, ins_of_address
from connector.exchange.facts import Facts
from connector.exchange.identifiers import ins_of
from connector.exchange.identity import qualified
from connector.exchange.model import Context, Exchange
from connector.exchange.people import Patient
from connector.issues import Issue, IssueCode, Severity

__all__ = ["FIN", "fin", "identity_qualified", "ins_of_the_address", "one_patient"]

#: The subject that closes the channel.
FIN = "[FIN]"


def one_patient(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """One recipient, the patient, at the channel's address."""
    channel = exchange.channel.address if exchange.channel is not None else None
    if len(exchange.recipients) > 1 or (not exchange.recipients and channel is None):
        yield Issue.of(Severity.ERROR, IssueCode.MODE_ONE_RECIPIENT, "recipients")
    for position, party in enumerate(exchange.recipients[:1], 1):
        if channel is not None and (party.mssante or "").lower() != channel.lower():
            yield Issue.of(Severity.ERROR, IssueCode.MODE_ONE_RECIPIENT, f"recipients[{position}].mssante")


def ins_of_the_address(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """The local part is a well-formed INS, and what it says agrees with the patient when one is given."""
    found = _address(exchange)
    if found is None:
        return
    place, address = found
    matricule = (ins_of_address(address) or "").upper()
    told = decode_ins(matricule) if len(matricule) == 15 else None
    if told is None:
        yield Issue.of(Severity.ERROR, IssueCode.MODE_ADDRESS, place, expected=f"<INS>@{PATIENT_DOMAIN}")
    elif exchange.patient is not None:
        for field, what in _differences(told, matricule, exchange.patient):
            # Communes have changed their département since: that alone refuses nobody.
            severity = Severity.WARNING if field == "birth_place.insee" else Severity.ERROR
            yield Issue.of(severity, IssueCode.MODE_ADDRESS_DIFFERS, f"patient.{field}", what=what)


def _address(exchange: Exchange) -> tuple[str, str] | None:
    if exchange.channel is not None and exchange.channel.address is not None:
        return "channel.address", exchange.channel.address
    for party in exchange.recipients[:1]:
        return "recipients[1].mssante", party.mssante or ""
    return None


def _differences(told: InsFacts, matricule: str, patient: Patient) -> Iterator[tuple[str, str]]:
    """(field of the patient, its French name) where the matricule says otherwise. A part that is not known differs from nothing."""
    number = ins_of(patient)
    if number is not None and number.value.replace(" ", "").upper() not in (matricule, matricule[:13]):
        yield "identifiers", "matricule"
    if patient.sex in ("male", "female") and patient.sex != told.sex:
        yield "sex", "sexe"
    born = patient.birth_date or ""
    if len(born) >= 4 and born[2:4] != told.year:
        yield "birth_date", "année de naissance"
    elif len(born) >= 7 and told.month is not None and int(born[5:7]) != told.month:
        yield "birth_date", "mois de naissance"
    place = patient.birth_place.insee if patient.birth_place is not None else None
    if place and not place.startswith(told.department):
        yield "birth_place.insee", "département de naissance"


def identity_qualified(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """A patient who is given is qualified: the INS leaves the connector as the address (référentiel INS)."""
    if exchange.patient is not None and not qualified(exchange.patient):
        place = "patient.identity_status"
        yield Issue.of(Severity.ERROR, IssueCode.INS_NOT_QUALIFIED, place, what="Mon Espace Santé")


def fin(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """Closing the channel and the subject `[FIN]` go together; a channel that this message closes is not open after it."""
    channel = exchange.channel
    closes = channel is not None and channel.closes_channel is True
    if closes != (exchange.subject == FIN):
        yield Issue.of(Severity.ERROR, IssueCode.MODE_FIN, "channel.closes_channel" if closes else "subject")
    elif channel is not None and channel.state is not None and closes != (channel.state == "closed"):
        yield Issue.of(Severity.ERROR, IssueCode.MODE_FIN, "channel.state")
