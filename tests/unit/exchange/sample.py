"""A message that breaks no rule, to change one thing of."""

from __future__ import annotations

from connector.exchange.documents import Content, Directives, Document
from connector.exchange.facts import VOLET_TRANSMISSION, Facts
from connector.exchange.identifiers import PS_IDNAT
from connector.exchange.model import Context, Envelope, Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import Address, HumanName, Identifier, Party, Patient

CONTEXT = Context(now=Moment("2026-11-24T10:00:00+01:00"), environment="test")
INS = Identifier(value="279035121518989", system="1.2.250.1.213.1.4.10", kind="INS")
NAME = HumanName(use="birth", family="PAT-TROIS", given=("DOMINIQUE",), birth_given="DOMINIQUE MARIE-LOUISE")
PATIENT = Patient(
    identifiers=(INS,),
    names=(NAME,),
    birth_date=Moment("1979-03-28"),
    sex="female",
    birth_place=Address(insee="63220"),
    identity_status="validated",
)
DIRECTIVES = Directives(
    hidden_from_professionals=False,
    hidden_from_patient=False,
    hidden_from_guardians=False,
    secret_connection=False,
    visibility_change=False,
    to_dmp=True,
    to_professionals=True,
    to_patient=True,
    acknowledge_reception=False,
    acknowledge_reading=False,
)
SENDER = Party(role="SB", identifiers=(Identifier(value="10000023084", system=PS_IDNAT, kind="RPPS"),))
RECIPIENT = Party(role="RCT", mssante="ada.exemple@test.mssante.fr")
DOCUMENT = Document(id="1.2.3.81", version="1", content=Content(data=b"<ClinicalDocument/>"))
EXCHANGE = Exchange(
    intent="submit",
    envelope=Envelope(processing="T", profile=VOLET_TRANSMISSION, type="MDM", event="T02"),
    patient=PATIENT,
    documents=(DOCUMENT,),
    directives=DIRECTIVES,
    sender=SENDER,
    recipients=(RECIPIENT,),
)
FACTS = Facts(
    type="MDM",
    event="T02",
    controls=("NW",),
    statuses=("F",),
    announced_ids=("1.2.3.81",),
    header_ids=("1.2.3.81",),
    header_patients=(PATIENT,),
)
