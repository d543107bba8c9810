"""Business rules about where a document may go: the MetaDMPMSS observations of the volet and their MSSanté matrix.

Source: CI-SIS volet "Transmission d'un document CDA-R2 en HL7v2", meta-dmp-mss and regles-gestion-mssante. The matrix calls itself
exhaustive, yet no row of it lets a document that is hidden from nobody go to a professional alone, and official samples fall outside.
So it is data with two modes: `literal` refuses what is outside, `tolerant` (default) warns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from connector.exchange.documents import Directives
from connector.exchange.facts import VOLET_TRANSMISSION, Facts
from connector.exchange.identifiers import is_ins
from connector.exchange.model import Context, Exchange
from connector.exchange.people import Party
from connector.issues import Issue, IssueCode, Severity

__all__ = [
    "MATRIX",
    "REQUIRED",
    "MatrixRow",
    "directives_complete",
    "directives_conflict",
    "dmp_types",
    "in_matrix",
    "mssante_matrix",
    "recipients_present",
    "sender_present",
]

#: Field of `Directives` → code of the volet, in the order of the message: the ten that are required.
REQUIRED = {
    "hidden_from_professionals": "MASQUE_PS",
    "hidden_from_patient": "INVISIBLE_PATIENT",
    "hidden_from_guardians": "INVISIBLE_REP_LEGAUX",
    "secret_connection": "CONNEXION_SECRETE",
    "visibility_change": "MODIF_CONF_CODE",
    "to_dmp": "DESTDMP",
    "to_professionals": "DESTMSSANTEPS",
    "to_patient": "DESTMSSANTEPAT",
    "acknowledge_reception": "ACK_RECEPTION",
    "acknowledge_reading": "ACK_LECTURE_MSS",
}


class MatrixRow(NamedTuple):
    """One row of regles-gestion-mssante: what each flag must be; None stands for any. MODIF_CONF_CODE and the ACKs are any everywhere."""

    hidden_from_professionals: bool | None
    hidden_from_patient: bool | None
    hidden_from_guardians: bool | None
    secret_connection: bool | None
    to_dmp: bool | None
    to_professionals: bool | None
    to_patient: bool | None


#: The only combinations that send mail, as the volet has them.
MATRIX = (
    MatrixRow(False, False, False, None, None, True, True),  # to professionals and the patient
    MatrixRow(False, True, False, None, None, True, False),  # to professionals only
    MatrixRow(None, False, None, False, False, False, True),  # to the patient only
)


def in_matrix(directives: Directives) -> bool:
    """Whether the combination is one that sends mail. A flag that is absent counts as N."""
    flags = [bool(getattr(directives, name)) for name in MatrixRow._fields]
    return any(all(want is None or want is have for want, have in zip(row, flags, strict=True)) for row in MATRIX)


def directives_complete(exchange: Exchange, _context: Context, facts: Facts) -> Iterator[Issue]:
    """A message of the volet holds the ten required observations, each Y or N."""
    envelope, directives = exchange.envelope, exchange.directives
    if envelope is None or envelope.profile != VOLET_TRANSMISSION or exchange.intent not in _DOCUMENT_INTENTS:
        return
    if facts.type is not None and facts.type not in ("ORU", "MDM"):
        return
    for field, code in REQUIRED.items():
        if directives is None or getattr(directives, field) is None:
            yield Issue.of(Severity.ERROR, IssueCode.DIRECTIVE_MISSING, f"directives.{field}", expected=code)


_DOCUMENT_INTENTS = ("submit", "replace", "delete")


def directives_conflict(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """What is hidden from somebody is not sent to him; a change of visibility is a replacement; R and V should stay out of the DMP."""
    directives = exchange.directives
    if directives is None:
        return
    if directives.hidden_from_patient and directives.to_patient:
        yield _conflict(Severity.ERROR, "to_patient", "INVISIBLE_PATIENT=Y", "DESTMSSANTEPAT=Y")
    if directives.hidden_from_professionals and directives.to_professionals:
        # The volet's prose and its own correction differ here; a site may open it in writing.
        allowed = context.options.get("masked_to_professionals") == "allow"
        severity = Severity.WARNING if allowed else Severity.ERROR
        yield _conflict(severity, "to_professionals", "MASQUE_PS=Y", "DESTMSSANTEPS=Y")
    if directives.visibility_change and exchange.intent != "replace":
        yield _conflict(Severity.WARNING, "visibility_change", "MODIF_CONF_CODE=Y", "intent")
    if directives.to_dmp and any(document.confidentiality in ("R", "V") for document in exchange.documents):
        yield _conflict(Severity.WARNING, "to_dmp", "DESTDMP=Y", "confidentialityCode R/V")


def _conflict(severity: Severity, field: str, left: str, right: str) -> Issue:
    return Issue.of(severity, IssueCode.DIRECTIVE_CONFLICT, f"directives.{field}", left=left, right=right)


def mssante_matrix(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """Mail leaves only for a combination of the matrix; outside of it `literal` refuses, `tolerant` warns (context option mssante_matrix)."""
    directives = exchange.directives
    if directives is None or not (directives.to_professionals or directives.to_patient) or in_matrix(directives):
        return
    literal = context.options.get("mssante_matrix", "tolerant") == "literal"
    yield Issue.of(Severity.ERROR if literal else Severity.WARNING, IssueCode.DIRECTIVE_MATRIX, "directives")


def recipients_present(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """DESTMSSANTEPS=Y needs a recipient (PRT RCT), and each recipient an address (PRT-15.4)."""
    directives = exchange.directives
    if directives is None or not directives.to_professionals:
        return
    # PRT-5 may also name the patient as a recipient, under his INS.
    if all(_is_patient(party) for party in exchange.recipients):
        yield Issue.of(Severity.ERROR, IssueCode.RECIPIENT_MISSING, "recipients", expected="PRT RCT")
    for position, party in enumerate(exchange.recipients, 1):
        if not party.mssante and not _is_patient(party):
            place = f"recipients[{position}].mssante"
            yield Issue.of(Severity.ERROR, IssueCode.RECIPIENT_MISSING, place, expected="PRT-15.4")


def _is_patient(party: Party) -> bool:
    return any(is_ins(each) for each in party.identifiers)


def dmp_types(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """DESTDMP=Y needs a document type of JDV_J66: the platform checks it before it sends (volet, OBR-4)."""
    if context.table is None or exchange.directives is None or not exchange.directives.to_dmp:
        return
    taken = context.table("document-types-dmp")
    for position, document in enumerate(exchange.documents, 1):
        if document.type is not None and document.type.code not in taken:
            yield Issue.of(
                Severity.ERROR, IssueCode.DMP_TYPE, f"documents[{position}].type", table="document-types-dmp"
            )


def sender_present(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """DESTDMP=Y needs the sender (PRT SB): it feeds the VIHF and the author of the submission set."""
    if exchange.directives is not None and exchange.directives.to_dmp and exchange.sender is None:
        yield Issue.of(Severity.ERROR, IssueCode.SENDER_MISSING, "sender", what="DMP")
