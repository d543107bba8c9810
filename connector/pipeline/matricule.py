"""The matricule INS and its OID leave only when the identity is qualified (référentiel INS): PID-32 VALI, `validated` in the model.

FHIR and HPRIM Médecin say it in their own ways (`connector.fhir.bundle`, mappings/hprim); this is for what we write as HL7 v2 and CDA. A
patient of a hospital's feed that says nothing of the identity's state (a CDA cannot) keeps the matricule: who sent it had the right to.
"""

from __future__ import annotations

from msgspec.structs import replace

from connector.exchange.identity import releasable
from connector.exchange.model import Exchange
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run

__all__ = ["released"]


def released(exchange: Exchange, run: Run, what: str) -> Exchange:
    """The Exchange whose patient has no matricule when it may not leave; told as a WARNING. `what`: the format that is written."""
    patient = exchange.patient
    if patient is None or (patient.identity_status is None and exchange.origin != "monsisra"):
        return exchange
    leaving = releasable(patient)
    if leaving is patient:
        return exchange
    run.report(Severity.WARNING, IssueCode.INS_NOT_QUALIFIED, "patient.identifiers", what=what)
    return replace(exchange, patient=leaving)
