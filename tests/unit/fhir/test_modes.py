"""What others write in FHIR becomes an exchange: its mode is recognised by what is there."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from msgspec.structs import replace

from connector.exchange.conversation import Message
from connector.exchange.model import Exchange
from connector.exchange.people import Party
from connector.exchange.teleexpertise import Step
from connector.fhir.validate import validate
from tests.unit.fhir.site import context, read, run

Resource = dict[str, Any]
ME: Resource = {
    "resourceType": "PractitionerRole",
    "id": "me",
    "practitioner": {"display": "Dr ESSAI"},
    "telecom": [
        {
            "extension": [
                {
                    "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type",
                    "valueCoding": {"code": "MSSANTE"},
                }
            ],
            "system": "email",
            "value": "claire.essai@monsisra.example.test",
        }
    ],
}
PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "p",
    "name": [{"use": "official", "family": "ESSAI", "given": ["HENRI"]}],
}
MAIL = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode", "code": "EMAILWRIT"}]}]
NOTICE = [
    {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/communication-category", "code": "notification"}]}
]
SENDER = Party(mssante="claire.essai@monsisra.example.test")


def message(identity: str, **more: Any) -> Resource:
    text = {"status": "completed", "payload": [{"contentString": f"text of {identity}"}]}
    return {"resourceType": "Communication", "id": identity, **text, **more}


def bundle(*resources: Resource) -> Resource:
    entries = [
        {"fullUrl": f"http://other.test/{each['resourceType']}/{each['id']}", "resource": each} for each in resources
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def to(kind: str, identity: str) -> Resource:
    return {"reference": f"{kind}/{identity}"}


def exchange(*resources: Resource) -> Exchange:
    posted = bundle(*resources) if len(resources) > 1 else resources[0]
    assert validate(posted) == []
    return read(posted)


@pytest.mark.parametrize(
    ("resources", "mode"),
    [
        ([message("1")], "conversation"),
        ([message("1", medium=MAIL)], "mail"),
        ([message("1", recipient=[to("Patient", "p")]), PATIENT], "mon_espace_sante"),
        ([message("1", medium=MAIL, recipient=[to("Patient", "p")]), PATIENT], "mon_espace_sante"),
        (
            [
                message("1"),
                {
                    "resourceType": "ServiceRequest",
                    "id": "r",
                    "status": "active",
                    "intent": "order",
                    "subject": to("Patient", "p"),
                },
                PATIENT,
            ],
            "teleexpertise",
        ),
    ],
)
def test_the_mode_is_recognised_by_what_is_there(resources: list[Resource], mode: str) -> None:
    assert exchange(*resources).mode == mode


def test_one_communication_alone_is_a_thread_of_one_message() -> None:
    posted = message(
        "1",
        identifier=[{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:5d0f7f10-0001-4c1b-9d07-5e1f0a7c2b11"}],
        topic={"text": "Plaie"},
        contained=[ME],
        sender={"reference": "#me"},
        sent="2026-05-21T13:40:00+02:00",
    )
    identity = "5d0f7f10-0001-4c1b-9d07-5e1f0a7c2b11"
    written = Message(id=identity, sender=SENDER, sent="2026-05-21T13:40:00+02:00", text="text of 1")
    assert exchange(posted) == Exchange(
        id=identity, mode="conversation", origin="feed", subject="Plaie", sender=SENDER, messages=(written,)
    )


def test_messages_that_are_part_of_the_first_are_in_its_thread_and_the_first_is_one_of_them() -> None:
    found = exchange(
        message("1"), message("2", partOf=[to("Communication", "1")]), message("3", partOf=[to("Communication", "2")])
    )
    assert [each.text for each in found.messages] == ["text of 1", "text of 2", "text of 3"]


def test_messages_without_a_common_part_are_one_thread_in_their_order() -> None:
    found = exchange(message("1"), message("2", inResponseTo=[to("Communication", "1")]))
    assert [each.text for each in found.messages] == ["text of 1", "text of 2"]


def test_a_notice_of_reading_belongs_to_the_message_that_it_answers() -> None:
    seen = {"resourceType": "Communication", "id": "s", "status": "completed", "category": NOTICE}
    found = exchange(
        message("1"),
        {
            **seen,
            "inResponseTo": [to("Communication", "1")],
            "sender": to("PractitionerRole", "me"),
            "sent": "2026-05-21",
        },
        ME,
    )
    assert [(each.reader, each.at) for each in found.messages[0].seen] == [(SENDER, "2026-05-21")]


def test_parts_of_one_another_are_told_and_nothing_hangs() -> None:
    posted = bundle(message("1", partOf=[to("Communication", "2")]), message("2", partOf=[to("Communication", "1")]))
    assert len(read(posted).messages) == 2


def test_two_threads_in_one_bundle_are_refused() -> None:
    using = run()
    parts = [message(f"{name}2", partOf=[to("Communication", name)]) for name in ("a", "b")]
    read(bundle(message("a"), message("b"), *parts), using)
    assert [(each.code, each.place.path) for each in using.issues] == [("FHIR_INVALID", "Communication[2]")]


def test_a_file_inside_a_message_is_a_document_of_the_exchange() -> None:
    data = base64.b64encode(b"%PDF-1.4 essai").decode()
    attachment = {"contentType": "application/pdf", "data": data, "title": "Bilan"}
    found = exchange(message("1") | {"payload": [{"contentAttachment": attachment}, {"contentString": "voici"}]})
    (document,) = found.documents
    assert document.content is not None
    assert (document.title, document.content.data) == ("Bilan", b"%PDF-1.4 essai")
    assert found.messages[0].documents == (document.id,)
    assert found.messages[0].text == "voici"


def test_a_task_without_history_has_been_in_one_state() -> None:
    request = {
        "resourceType": "ServiceRequest",
        "id": "r",
        "status": "active",
        "intent": "order",
        "subject": to("Patient", "p"),
    }
    task = {
        "resourceType": "Task",
        "id": "t",
        "status": "rejected",
        "intent": "order",
        "focus": to("ServiceRequest", "r"),
    }
    said = {"statusReason": {"text": "complet"}, "lastModified": "2026-05-22", "owner": to("PractitionerRole", "me")}
    found = exchange(request, {**task, **said}, PATIENT, ME).teleexpertise
    assert found is not None
    assert found.steps == (Step(state="refusee", at="2026-05-22", by=SENDER, reason="complet"),)


@pytest.mark.parametrize("status", ["requested", "draft"])
def test_a_task_that_is_only_asked_has_no_steps(status: str) -> None:
    request = {
        "resourceType": "ServiceRequest",
        "id": "r",
        "status": "active",
        "intent": "order",
        "subject": to("Patient", "p"),
    }
    task = {
        "resourceType": "Task",
        "id": "t",
        "status": status,
        "intent": "order",
        "basedOn": [to("ServiceRequest", "r")],
    }
    found = exchange(request, task, PATIENT)
    assert found.teleexpertise is None or found.teleexpertise.steps == ()


def test_a_patient_who_writes_is_read_with_his_birth_name_and_mailbox() -> None:
    mailbox = {**ME["telecom"][0], "value": "279035121518989@patient.mssante.fr"}
    found = exchange(
        message("1", sender=to("Patient", "p"), recipient=[to("PractitionerRole", "me")]),
        {**PATIENT, "telecom": [mailbox]},
        ME,
    )
    sender = found.messages[0].sender
    assert sender is not None
    assert (sender.mssante, sender.name and sender.name.family) == ("279035121518989@patient.mssante.fr", "ESSAI")
    assert found.recipients == (SENDER,)


def test_a_list_with_our_tags_says_where_it_began_and_which_boxes_are_ticked() -> None:
    systems = context().table("exchange-origins"), context().table("sharing-boxes")
    origin, box = (
        table.from_exchange("fhir", word) for table, word in zip(systems, ("monsisra", "regional_record"), strict=True)
    )
    tags = [{"system": each.system, "code": each.code} for each in (origin, box)]
    listed = {
        "resourceType": "List",
        "id": "l",
        "meta": {"tag": [*tags, {"system": "urn:other", "code": "regional-record"}]},
        "status": "current",
        "mode": "working",
        "entry": [{"item": to("DocumentReference", "d")}],
    }
    document = {
        "resourceType": "DocumentReference",
        "id": "d",
        "status": "current",
        "content": [{"attachment": {"title": "t"}}],
    }
    found = exchange(listed, document)
    assert found.mode == "document"
    assert found.origin == "monsisra"
    assert found.sharing is not None
    assert found.sharing == replace(found.sharing, regional_record=True, business_software=None)
