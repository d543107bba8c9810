"""A téléexpertise as ServiceRequest and what refers to it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from connector.exchange.model import Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import Party
from connector.exchange.teleexpertise import Answer, Expert, Form, Opinion, Step, Teleexpertise
from connector.fhir.transaction import relative
from connector.fhir.validate import check_bundle
from tests.unit.fhir.site import DOCTOR, DOCUMENT, PATIENT, over_the_wire, read, resources, write

EXPERT = Party(mssante="avis.endocrinologie@monsisra.example.test")
REQUEST = Teleexpertise(
    id="r1", requested=Moment("2026-05-21T13:50:00+02:00"), expert=Expert(party=EXPERT, delay="48 h hors week-end")
)
ASKED = Exchange(
    id="x1",
    mode="teleexpertise",
    origin="monsisra",
    patient=PATIENT,
    sender=DOCTOR,
    subject="Avis",
    teleexpertise=REQUEST,
)


def asked(**changes: Any) -> Exchange:
    return replace(ASKED, teleexpertise=replace(REQUEST, **changes))


def one(exchange: Exchange, kind: str) -> dict[str, Any]:
    made = write(exchange)
    assert check_bundle(made) == []
    (found,) = (each for each in relative(made) if each["resourceType"] == kind)
    return found


@pytest.mark.parametrize(
    ("state", "task", "request_status"),
    [
        (None, "requested", "active"),
        ("demandee", "requested", "active"),
        ("recue", "received", "active"),
        ("acceptee", "accepted", "active"),
        ("refusee", "rejected", "revoked"),
        ("en_cours", "in-progress", "active"),
        ("avis_rendu", "completed", "completed"),
        ("cloturee", "completed", "completed"),
        ("annulee", "cancelled", "revoked"),
    ],
)
def test_the_state_is_said_by_task_and_request(state: str | None, task: str, request_status: str) -> None:
    exchange = asked(steps=(Step(state=state),) if state else ())
    made = one(exchange, "Task")
    assert made["status"] == task
    assert [each["code"] for each in made.get("businessStatus", {"coding": []})["coding"]] == (
        [state.replace("_", "-")] if state else []
    )
    assert one(exchange, "ServiceRequest")["status"] == request_status


def test_each_step_of_its_life_is_a_provenance_in_order() -> None:
    steps = (
        Step(state="demandee", at=Moment("2026-05-21T13:50:00+02:00"), by=DOCTOR),
        Step(state="refusee", at=Moment("2026-05-22"), by=EXPERT, reason="complet"),
    )
    made = relative(write(asked(steps=steps)))
    (task,) = (each for each in made if each["resourceType"] == "Task")
    by_name = {f"Provenance/{each['id']}": each for each in made if each["resourceType"] == "Provenance"}
    first, last = (by_name[each["reference"]] for each in task["relevantHistory"])
    assert first["recorded"] == "2026-05-21T13:50:00+02:00"
    assert (last["occurredDateTime"], "recorded" in last) == ("2026-05-22", False)
    assert (task["statusReason"], task["lastModified"]) == ({"text": "complet"}, "2026-05-22")
    assert first["target"] == [{"reference": f"Task/{task['id']}"}]


def test_a_step_more_keeps_every_id() -> None:
    steps = (Step(state="demandee"), Step(state="recue"))
    before, after = (
        {(each["resourceType"], each["id"]) for each in relative(write(asked(steps=these)))}
        for these in (steps[:1], steps)
    )
    assert before < after


def test_the_request_says_who_asks_whom_and_why() -> None:
    made = one(asked(question="Que faire ?", priority="urgent"), "ServiceRequest")
    assert made["reasonCode"] == [{"text": "Que faire ?"}]
    assert made["priority"] == "urgent"
    assert made["requester"] != made["performer"][0]
    assert made["subject"]["reference"].startswith("Patient/")


def test_a_request_without_a_patient_says_that_he_is_unknown() -> None:
    assert "extension" in one(replace(ASKED, patient=None), "ServiceRequest")["subject"]


def test_the_service_of_the_expert_holds_what_he_asks_and_promises() -> None:
    expert = Expert(
        party=EXPERT, kind="equipe_ressource", description="d", prerequisites="p", delay="48 h", asks="form"
    )
    made = one(asked(expert=expert), "HealthcareService")
    assert (made["comment"], made["eligibility"], made["availabilityExceptions"]) == ("d", [{"comment": "p"}], "48 h")
    assert made["category"][0]["coding"][0]["code"] == "equipe-ressource"
    assert made["referralMethod"][0]["coding"][0]["code"] == "form"


FORM = Form(
    id="f1",
    questionnaire="https://monsisra.example.test/q|2",
    title="Endocrinologie",
    answers=(Answer(link="a", text="Histoire", values=("un", "deux")), Answer(link="b", text="Examen")),
)


def test_the_questionnaire_is_built_of_the_questions() -> None:
    made = one(asked(form=FORM), "Questionnaire")
    assert (made["url"], made["version"], made["title"]) == ("https://monsisra.example.test/q", "2", "Endocrinologie")
    assert made["item"] == [
        {"linkId": "a", "text": "Histoire", "type": "text", "repeats": True},
        {"linkId": "b", "text": "Examen", "type": "text"},
    ]


@pytest.mark.parametrize(("saved", "status"), [(None, "in-progress"), (Moment("2026-05-21"), "completed")])
def test_a_form_is_complete_once_it_is_saved(saved: Moment | None, status: str) -> None:
    assert one(asked(form=replace(FORM, saved=saved)), "QuestionnaireResponse")["status"] == status


def test_a_form_without_an_address_holds_its_questionnaire_itself() -> None:
    exchange = asked(form=replace(FORM, questionnaire=None))
    made = one(exchange, "QuestionnaireResponse")
    assert (made["questionnaire"], made["contained"][0]["title"]) == ("#form", "Endocrinologie")
    assert resources(write(exchange), "Questionnaire") == []
    assert read(over_the_wire(write(exchange))) == exchange


def test_the_opinion_is_an_output_of_the_task_with_its_report_and_part_of_the_thread() -> None:
    opinion = Opinion(author=EXPERT, text="Surveiller", document=DOCUMENT.id)
    made = relative(write(replace(asked(opinion=opinion), documents=(DOCUMENT,))))
    thread, answer = sorted(
        (each for each in made if each["resourceType"] == "Communication"), key=lambda each: "partOf" in each
    )
    (task,) = (each for each in made if each["resourceType"] == "Task")
    (document,) = (each for each in made if each["resourceType"] == "DocumentReference")
    assert [each["valueReference"]["reference"] for each in task["output"]] == [
        f"Communication/{answer['id']}",
        f"DocumentReference/{document['id']}",
    ]
    assert answer["partOf"] == [{"reference": f"Communication/{thread['id']}"}]
    assert thread["basedOn"] == answer["basedOn"]


def test_form_and_document_of_the_request_support_it_and_the_form_to_fill_is_an_input() -> None:
    exchange = asked(form=FORM, document="1.2.3", expert=Expert(party=EXPERT, template="1.2.4"))
    request, task = one(exchange, "ServiceRequest"), one(exchange, "Task")
    named, filled = request["supportingInfo"]
    assert named["identifier"]["value"] == "urn:oid:1.2.3"
    assert filled["reference"].startswith("QuestionnaireResponse/")
    assert [each["type"]["coding"][0]["code"] for each in task["input"]] == ["template", "form"]
