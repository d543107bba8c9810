"""A shared record as a destination: what may not be shared does not leave and says why; what leaves is an ITI-65."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from connector.endpoints.fhir_out import FhirOutSettings
from connector.exchange.documents import Directives, Sharing
from connector.exchange.model import Exchange
from connector.issues import Severity
from connector.ports import DeliveryFailed, Retry
from tests.unit.endpoints.test_fhir_out import BASE, Server, anyio_backend, deliver
from tests.unit.fhir.site import EXCHANGE

__all__ = ["anyio_backend"]
pytestmark = pytest.mark.anyio
BOTH = Sharing(regional_record=True, ma_sante_connectee=True)


def shared(**changes: Any) -> Exchange:
    return replace(EXCHANGE, **{"directives": None, "sharing": BOTH, **changes})


def labels(server: Server) -> set[str]:
    body = orjson.loads(server.requests[-1].content)
    documents = [e["resource"] for e in body["entry"] if e["resource"]["resourceType"] == "DocumentReference"]
    return {c["code"] for d in documents for label in d.get("securityLabel", ()) for c in label["coding"]}


@pytest.mark.parametrize(
    ("sharing", "hidden"),
    [(BOTH, False), (Sharing(regional_record=True), True), (Sharing(ma_sante_connectee=True), False), (None, True)],
)
async def test_the_patient_sees_it_when_his_box_is_ticked(sharing: Sharing | None, hidden: bool) -> None:
    server = Server()
    receipt = await deliver(server.sender(mode="submission"), shared(sharing=sharing))
    assert server.asked == ["POST /fhir"]
    assert ("INVISIBLE_PATIENT" in labels(server)) is hidden
    assert [issue.code for issue in receipt.issues if issue.code.startswith("SHARING")] == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"patient": replace(EXCHANGE.patient, identity_status="provisional") if EXCHANGE.patient else None}, "SHARING_NOT_QUALIFIED"),
        ({"documents": tuple(replace(each, confidentiality="R") for each in EXCHANGE.documents)}, "SHARING_RESTRICTED"),
    ],
)  # fmt: skip
async def test_what_may_not_be_shared_does_not_leave_and_names_its_rule(changes: dict[str, Any], rule: str) -> None:
    server = Server()
    with pytest.raises(DeliveryFailed) as failed:
        await deliver(server.sender(mode="submission"), shared(**changes))
    assert (failed.value.retry, failed.value.park, failed.value.issue.code) == (Retry.NEVER, False, rule)
    assert server.requests == []


async def test_one_box_refused_is_told_and_the_other_is_served() -> None:
    server = Server()
    receipt = await deliver(server.sender(mode="submission"), shared(directives=Directives(hidden_from_patient=True)))
    assert "INVISIBLE_PATIENT" in labels(server)
    [told] = [issue for issue in receipt.issues if issue.code == "DIRECTIVE_CONFLICT"]
    assert (told.severity, told.place.path) == (Severity.WARNING, "sharing.ma_sante_connectee")


async def test_who_submits_must_be_known() -> None:
    with pytest.raises(DeliveryFailed) as failed:
        await deliver(Server().sender(mode="submission"), shared(sender=None, recipients=(), origin="feed"))
    assert (failed.value.issue.code, failed.value.park) == ("SENDER_MISSING", True)


def test_the_own_store_takes_transactions_only() -> None:
    with pytest.raises(ValueError, match="own store"):
        FhirOutSettings(store="local", mode="submission")
    assert FhirOutSettings(url=BASE, mode="submission").mode == "submission"
