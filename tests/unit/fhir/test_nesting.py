"""Resources that refer to their holder are put into it; nothing is lost, nothing hangs."""

from __future__ import annotations

from typing import Any

import pytest

from connector.fhir.link import link
from tests.unit.fhir.site import run

Resource = dict[str, Any]


def to(name: str) -> Resource:
    return {"reference": name}


def tree(*resources: Resource) -> Resource:
    entries = [{"fullUrl": f"http://x/{each['resourceType']}/{each['id']}", "resource": each} for each in resources]
    return link({"resourceType": "Bundle", "type": "collection", "entry": entries}, run())


THREAD: Resource = {"resourceType": "Communication", "id": "t", "category": [{"coding": [{"code": "thread"}]}]}
REQUEST: Resource = {"resourceType": "ServiceRequest", "id": "r"}


@pytest.mark.parametrize(
    ("held", "holder", "element"),
    [
        ({"resourceType": "Communication", "partOf": [to("Communication/t")]}, "Communication", "message"),
        (
            {
                "resourceType": "Communication",
                "category": [{"coding": [{"code": "opinion"}]}],
                "basedOn": [to("ServiceRequest/r")],
                "partOf": [to("Communication/t")],
            },
            "ServiceRequest",
            "answer",
        ),
        ({"resourceType": "Task", "focus": to("ServiceRequest/r")}, "ServiceRequest", "task"),
        ({"resourceType": "Task", "basedOn": [to("ServiceRequest/r")]}, "ServiceRequest", "task"),
        ({"resourceType": "QuestionnaireResponse", "basedOn": [to("ServiceRequest/r")]}, "ServiceRequest", "form"),
        ({"resourceType": "Provenance", "target": [to("Communication/t")]}, "Communication", "provenance"),
    ],
)
def test_what_refers_to_its_holder_is_held_and_no_longer_a_root(held: Resource, holder: str, element: str) -> None:
    made = tree({**held, "id": "h", "status": "x"}, THREAD, REQUEST)
    (inside,) = made[holder][0][element]
    assert inside == {"resourceType": held["resourceType"], "id": "h", "status": "x", **_left(held)}
    assert all(each["id"] != "h" for kind in made for each in made[kind])


def _left(held: Resource) -> Resource:
    kept = {"category": held["category"]} if "category" in held else {}
    return kept | ({"step": []} if held["resourceType"] == "Task" else {})


def test_a_form_that_its_request_names_is_held_though_it_does_not_say_so() -> None:
    request = {**REQUEST, "supportingInfo": [to("QuestionnaireResponse/f"), to("DocumentReference/d")]}
    made = tree(
        request, {"resourceType": "QuestionnaireResponse", "id": "f"}, {"resourceType": "DocumentReference", "id": "d"}
    )
    assert [each["id"] for each in made["ServiceRequest"][0]["form"]] == ["f"]
    assert made["ServiceRequest"][0]["supportingInfo"] == [{"=>": "->DocumentReference"}]


@pytest.mark.parametrize("canonical", ["http://q", "http://q|2"])
def test_a_form_holds_the_questionnaire_of_its_address(canonical: str) -> None:
    form = {
        "resourceType": "QuestionnaireResponse",
        "id": "f",
        "basedOn": [to("ServiceRequest/r")],
        "questionnaire": canonical,
    }
    made = tree(
        REQUEST, form, {"resourceType": "Questionnaire", "id": "q", "url": "http://q", "version": "2", "title": "T"}
    )
    assert made["ServiceRequest"][0]["form"][0]["definition"][0]["title"] == "T"
    assert "Questionnaire" not in made


def test_the_message_of_the_journal_stays_outside() -> None:
    trail = {"resourceType": "Provenance", "id": "p", "target": [to("Communication/t")], "entity": [{"role": "source"}]}
    made = tree(THREAD, trail)
    assert "provenance" not in made["Communication"][0]
    assert [each["id"] for each in made["Provenance"]] == ["p"]


def test_history_of_a_task_is_in_the_order_that_the_task_says() -> None:
    steps: list[Resource] = [{"resourceType": "Provenance", "id": f"p{n}", "target": [to("Task/k")]} for n in (2, 1)]
    task = {"resourceType": "Task", "id": "k", "focus": to("ServiceRequest/r")}
    made = tree(*steps, {**task, "relevantHistory": [to("Provenance/p1"), to("Provenance/p2")]}, REQUEST)
    (held,) = made["ServiceRequest"][0]["task"]
    assert [each["id"] for each in held["step"]] == ["p1", "p2"]
    assert "Provenance" not in made


def test_a_resource_that_is_part_of_itself_is_a_root() -> None:
    made = tree({"resourceType": "Communication", "id": "a", "partOf": [to("Communication/a")]})
    assert [each["id"] for each in made["Communication"][0]["message"]] == ["a"]
