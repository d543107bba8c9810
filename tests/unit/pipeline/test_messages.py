"""Which HL7 v2 messages say an exchange, and what each holds: the examples of the exchange profile."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import replace

from connector.exchange.documents import Content, Document
from connector.exchange.model import Envelope, Exchange
from connector.exchange.people import Concept
from connector.exchange.teleexpertise import Opinion, Step
from connector.hl7.acknowledge import acknowledge, read_header
from connector.hl7.codec import parse
from connector.issues import Issue, Severity
from connector.mapping.language import Run
from connector.pipeline.formats import exchange_parse
from connector.pipeline.messages import messages_of, part_of, target
from connector.pipeline.route import Route, Subject, deliveries
from tests.golden.journeys_kit import ROOT, context, translator


def sample(name: str) -> Exchange:
    made = exchange_parse((ROOT / "tests" / "golden" / "exchanges" / name / "exchange.json").read_bytes()).value
    assert made is not None
    return made


def asked(*states: str, **changes: Any) -> Exchange:
    """The example's téléexpertise at the last of these states."""
    made = sample("teleexpertise")
    assert made.teleexpertise is not None
    opinion = changes.pop("opinion", None)
    steps = tuple(Step(state=state) for state in states)
    return replace(made, teleexpertise=replace(made.teleexpertise, steps=steps, opinion=opinion), **changes)


CDA = b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'
#: A document of the request that is a CDA cannot be attached to another one.
A_CDA = Document(id="1.2.3", content=Content(media_type="text/xml", data=CDA))


@pytest.mark.parametrize(
    ("exchange", "options", "expected"),
    [
        (asked("demandee"), {}, ("request", "status")),
        (asked("demandee", "recue"), {}, ("request", "status")),
        (asked("demandee", documents=(A_CDA,)), {}, ("request", "1", "status")),
        (asked("demandee", "recue", "acceptee"), {}, ("status",)),
        (asked("demandee", "recue", "refusee"), {}, ("status",)),
        (asked("demandee", "annulee"), {}, ("status",)),
        (asked("demandee", "recue", "acceptee", "avis_rendu", opinion=Opinion(text="Avis.")), {}, ("report", "status")),
        (sample("teleexpertise"), {}, ("2", "status")),
        (sample("teleexpertise"), {"requests": "none"}, ("2",)),
        (asked("demandee", "recue", "acceptee"), {"requests": "none"}, ()),
        (sample("mail"), {}, ("1",)),
        (sample("conversation"), {}, ("1",)),
        (replace(sample("conversation"), documents=()), {}, ("text",)),
        (replace(sample("conversation"), documents=(A_CDA, A_CDA)), {}, ("1", "2")),
        (sample("mon-espace-sante-fin"), {}, ("text",)),
        (Exchange(envelope=Envelope(type="ORU", event="R01"), documents=(A_CDA, A_CDA)), {}, ("",)),
        (Exchange(envelope=Envelope(type="ADT", event="A01")), {}, ("",)),
    ],
)  # fmt: skip
def test_the_messages_follow_from_what_the_exchange_holds(
    exchange: Exchange, options: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert messages_of(exchange, options) == expected


@pytest.mark.parametrize(
    ("exchange", "options", "expected"),
    [
        (asked("demandee", documents=()), {}, ("ORM^O01", "", "MONSISRA_TELEEXPERTISE")),
        (asked("demandee", "annulee", documents=()), {}, ("ORM^O01", "", "MONSISRA_TELEEXPERTISE")),
        (asked("demandee", "recue", "refusee", documents=()), {}, ("ORU^R01", "", "MONSISRA_TELEEXPERTISE")),
        (asked("demandee", documents=()), {"requests": "referral"}, ("REF^I12", "", "MONSISRA_REFERRAL")),
        (asked("demandee", "recue", "acceptee", documents=()), {"requests": "referral"}, ("RRI^I12", "", "MONSISRA_REFERRAL")),
        (replace(sample("mail"), intent="submit"), {}, ("MDM^T02", "", "CISIS_CDA_HL7_LPS")),
        (sample("document"), {}, ("MDM^T02", "", "CISIS_CDA_HL7_LPS")),
        (sample("document"), {"documents": "transmission"}, ("MDM^T02", "", "CISIS_CDA_HL7_V2")),
        (replace(sample("document"), intent="replace"), {"documents": "lps"}, ("MDM^T10", "", "CISIS_CDA_HL7_LPS")),
        (replace(sample("mon-espace-sante"), intent="submit"), {}, ("MDM^T02", "", "")),
    ],
)  # fmt: skip
def test_the_message_is_named_by_mode_state_and_what_the_destination_asks(
    exchange: Exchange, options: dict[str, str], expected: tuple[str, str, str]
) -> None:
    assert target(exchange, options) == expected


def test_one_delivery_a_message_to_a_destination_that_gets_them_written() -> None:
    exchange = sample("teleexpertise")
    subject = Subject(type="", sender="", endpoint="", key="k", exchange=exchange)
    routes = (Route(to=("dpi", "dossier")),)
    made = deliveries(subject, routes, {"dpi": {"requests": "teleexpertise", "documents": ""}})
    assert [(each.destination, each.part) for each in made] == [("dpi", "2"), ("dpi", "status"), ("dossier", "")]


def test_a_document_travels_with_the_message_that_named_it() -> None:
    part = part_of(sample("teleexpertise"), "2", Run(context()), translator().mappings)
    assert [document.id for document in part.documents] == ["1.2.250.1.213.1.4.10.9.2026.203"]
    assert [message.id for message in part.messages] == ["9b7a4c10-0002-4f6e-8f21-0c55a1d7e901"]
    assert part.sender is not None
    assert part.sender.mssante == "helene.avis@monsisra.example.test"


def test_rich_text_is_said_without_its_marks() -> None:
    part = part_of(sample("mon-espace-sante"), "1", Run(context()), translator().mappings)
    (message,) = part.messages
    assert message.format is None
    assert "<" not in (message.text or "<")
    assert part.directives is not None
    assert (part.directives.to_patient, part.directives.mail_to_patient) == (True, message.text)


def test_a_text_alone_becomes_a_document_around_it_and_the_closing_is_said() -> None:
    exchange = sample("mon-espace-sante-fin")
    written = translator().write(exchange, "hl7", context())
    assert refusals(written.issues) == []
    assert written.value is not None
    assert b"NTE||||FIN" in written.value
    back = translator().read(written.value, "hl7", context())
    assert back.exchange is not None
    (document,) = back.exchange.documents
    assert document.type == Concept(code="51851-4", system="2.16.840.1.113883.6.1", display="Document administratif")
    assert document.title == "[FIN]"
    assert document.body is not None
    assert document.body.media_type == "text/plain"


@pytest.mark.parametrize(
    "name", ["conversation", "document", "mon-espace-sante", "mon-espace-sante-fin", "teleexpertise"]
)
@pytest.mark.parametrize("format_name", ["hl7", "cda"])
def test_every_example_is_written_without_a_refusal_and_its_messages_are_accepted(name: str, format_name: str) -> None:
    written = translator().write(sample(name), format_name, context())
    assert refusals(written.issues) == []
    assert written.value is not None
    for raw in re.split(rb"(?=MSH\|)", written.value)[1:] if format_name == "hl7" else [written.value]:
        reading = translator().read(raw, format_name, context())
        assert reading.accepted, reading.issues


def test_a_mail_about_nobody_has_no_place_in_the_volet() -> None:
    """The volet's PID is required and a mail has no patient structure (monsisra.md §2.4): said, not made up."""
    written = translator().write(sample("mail"), "hl7", context())
    assert "MAP_REQUIRED" in {issue.code for issue in refusals(written.issues)}


def test_a_mail_is_about_the_patient_of_its_cda() -> None:
    exchange = replace(sample("mail"), patient=sample("document").patient)
    cda = translator().write(exchange, "cda", context()).value
    document = replace(exchange.documents[0], content=Content(media_type="text/xml", data=cda))
    written = translator().write(replace(exchange, patient=None, documents=(document,)), "hl7", context())
    assert refusals(written.issues) == []
    back = translator().read(written.value or b"", "hl7", context())
    assert back.accepted
    assert back.exchange is not None
    assert back.exchange.patient is not None
    assert back.exchange.patient.identifiers[0].value == "152034315700216"


def test_the_mail_around_a_document_comes_back() -> None:
    exchange = replace(sample("mail"), patient=sample("document").patient)
    written = translator().write(exchange, "hl7", context())
    assert refusals(written.issues) == []
    assert written.value is not None
    back = translator().read(written.value, "hl7", context()).exchange
    assert back is not None
    assert (back.mode, back.subject) == ("mail", exchange.subject)
    assert [(each.id, each.text) for each in back.messages] == [(each.id, each.text) for each in exchange.messages]
    assert [each.mssante for each in (*back.recipients, *back.reply_to)] == [
        "paul.ailleurs@autre.mssante.example.test", "secretariat.essai@monsisra.example.test",
    ]  # fmt: skip


def test_several_documents_are_several_messages_each_with_its_own_control_id() -> None:
    exchange = sample("teleexpertise")
    exchange = replace(exchange, mode="mail", teleexpertise=None)
    written = translator().write(exchange, "hl7", context())
    assert written.value is not None
    parts = [parse(raw).value for raw in re.split(rb"(?=MSH\|)", written.value)[1:]]
    assert len({part.get("MSH-10") for part in parts if part is not None}) == 2
    assert [part.get("TXA-12") for part in parts if part is not None] == [each.id for each in exchange.documents]


def test_each_state_of_one_request_has_its_own_control_id() -> None:
    written = [
        translator().write(asked(*states), "hl7", context(), part="status").value or b""
        for states in (("demandee",), ("demandee", "recue"), ("demandee", "recue", "acceptee"))
    ]
    ids = [parsed.get("MSH-10") for raw in written if (parsed := parse(raw).value) is not None]
    assert len(set(ids)) == 3


def test_a_request_is_acknowledged_as_its_own_type() -> None:
    raw = translator().write(asked("demandee"), "hl7", context(), part="status").value
    header = read_header(raw or b"")
    assert header is not None
    assert b"|ACK^O01^ACK|" in acknowledge(header, "AA", (), context())


def test_an_account_writes_as_its_organisation_and_a_person_must_sign() -> None:
    exchange = sample("document")
    document = replace(exchange.documents[0], authors=())
    written = translator().write(replace(exchange, documents=(document,)), "cda", context())
    assert [issue.place.path for issue in refusals(written.issues)] == [
        "/ClinicalDocument/legalAuthenticator/assignedEntity"
    ]
    assert b"<softwareName>MonSisra</softwareName>" in (written.value or b"")


def refusals(issues: tuple[Issue, ...]) -> list[Issue]:
    return [issue for issue in issues if issue.severity >= Severity.ERROR]


def test_a_request_of_another_profile_is_refused_with_the_profiles_that_are_known() -> None:
    raw = translator().write(asked("demandee"), "hl7", context(), part="status").value or b""
    other = translator().read(raw.replace(b"^MONSISRA_TELEEXPERTISE", b"^CISIS_TLR_HL7_V2"), "hl7", context())
    (issue,) = refusals(other.issues)
    assert (issue.code, issue.place.path) == ("FIELD_VALUE", "MSH[1]-21.2")
    assert issue.params["expected"] == "MONSISRA_TELEEXPERTISE"
