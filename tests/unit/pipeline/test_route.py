"""Routes decide by type, sender, intent, document type and directives."""

import pytest

from connector.exchange.documents import Directives, Document, Sharing
from connector.exchange.model import Exchange
from connector.exchange.people import Concept
from connector.pipeline.route import Route, Subject, deliveries, unserved

EXCHANGE = Exchange(
    intent="submit",
    mode="document",
    documents=(Document(type=Concept(code="18748-4")),),
    directives=Directives(to_dmp=True, hidden_from_patient=False),
    sharing=Sharing(regional_record=True),
)


def subject(**changed: object) -> Subject:
    fields = {
        "type": "MDM^T02",
        "sender": "RIS|HOSPITAL",
        "endpoint": "mllp",
        "key": "279035121518989",
        "exchange": EXCHANGE,
    }
    return Subject(**{**fields, **changed})  # type: ignore[arg-type]  # the table below changes one field at a time


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (Route(to=("folder",)), True),
        (Route(to=("folder",), types=("MDM^*",)), True),
        (Route(to=("folder",), types=("ORU^R01", "ADT^*")), False),
        (Route(to=("folder",), senders=("RIS|*",)), True),
        (Route(to=("folder",), senders=("LIS|*",)), False),
        (Route(to=("folder",), endpoints=("folder_in",)), False),
        (Route(to=("folder",), intents=("submit", "replace")), True),
        (Route(to=("folder",), intents=("delete",)), False),
        (Route(to=("folder",), modes=("mail",)), False),
        (Route(to=("folder",), document_types=("18748-4",)), True),
        (Route(to=("folder",), document_types=("11502-2",)), False),
        (Route(to=("folder",), directives=("to_dmp",)), True),
        (Route(to=("folder",), directives=("to_dmp", "to_patient")), False),
        (Route(to=("folder",), directives=("not hidden_from_patient",)), True),
        (Route(to=("folder",), directives=("not to_dmp",)), False),
        (Route(to=("folder",), boxes=("regional_record", "business_software")), True),
        (Route(to=("folder",), boxes=("business_software",)), False),
    ],
)
def test_route_holds_when_every_condition_does(route: Route, expected: bool) -> None:
    assert route.holds(subject()) is expected


def test_each_destination_is_meant_once_in_the_order_of_the_routes() -> None:
    routes = [Route(to=("fhir", "folder")), Route(to=("mllp", "folder")), Route(to=("dmp",), types=("ORU^*",))]
    assert [(d.destination, d.key) for d in deliveries(subject(), routes)] == [
        (name, "279035121518989") for name in ("fhir", "folder", "mllp")
    ]


def test_a_message_without_exchange_meets_only_routes_without_conditions_on_it() -> None:
    routes = [
        Route(to=("archive",)),
        Route(to=("dmp",), directives=("to_dmp",)),
        Route(to=("folder",), intents=("submit",)),
    ]
    assert [d.destination for d in deliveries(subject(exchange=None), routes)] == ["archive"]


def test_a_ticked_box_that_no_route_serves_is_told() -> None:
    anything = Route(to=("folder",))
    [issue] = unserved(subject(), [anything])
    assert (issue.code, issue.place.path if issue.place else "") == ("SHARING_NOT_SERVED", "sharing.regional_record")
    assert unserved(subject(), [anything, Route(to=("mhd",), boxes=("regional_record",))]) == []
    elsewhere = Route(to=("mhd",), boxes=("regional_record",), modes=("mail",))
    assert len(unserved(subject(), [elsewhere])) == 1
