"""What a Bundle under construction gives: ids that last, references that point, moments that are instants."""

from __future__ import annotations

import pytest

from connector.exchange.model import Context, Envelope, Exchange
from connector.exchange.moments import Moment
from connector.fhir.filing import Filing
from connector.mapping.language import Run
from tests.unit.fhir.site import NOW, run


def filing(exchange: Exchange | None = None, using: Run | None = None) -> tuple[Filing, dict[str, dict[str, object]]]:
    kept: dict[str, dict[str, object]] = {}

    def put(resource: dict[str, object], identity: str) -> str:
        kept[identity] = resource
        return f"urn:uuid:{identity}"

    document = {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2"},
    }
    return Filing(exchange or Exchange(), using or run(), put, [{"fullUrl": "urn:uuid:d", "resource": document}]), kept


def test_a_resource_has_the_id_of_its_parts_and_the_standards_order() -> None:
    made, kept = filing()
    url = made.add(
        {"sent": "2026", "status": "completed", "resourceType": "Communication"}, "thread", "a", "b", place="x"
    )
    assert url == made.url("thread", "a", "b") != made.url("thread", "ab")
    (resource,) = kept.values()
    assert list(resource) == ["resourceType", "status", "sent"]


def test_a_reference_that_names_a_document_of_the_bundle_points_at_it() -> None:
    made, _ = filing()
    here, elsewhere = ({"identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:1.{n}"}} for n in (2, 3))
    assert made.settle(here) == {"reference": "urn:uuid:d", **here}
    assert made.settle(elsewhere) == elsewhere


@pytest.mark.parametrize(
    ("moments", "sent", "recorded"),
    [
        (("2026-05-21T13:40:00+02:00",), None, "2026-05-21T13:40:00+02:00"),
        ((None, "2026-05-21"), "2026-05-22T10:00:00+02:00", "2026-05-22T10:00:00+02:00"),
        (("2026-05-21",), None, None),
    ],
)
def test_a_provenance_is_recorded_at_an_instant_or_nobody_knows_when(
    moments: tuple[str | None, ...], sent: str | None, recorded: str | None
) -> None:
    made, _ = filing(Exchange(envelope=Envelope(sent_at=Moment(sent) if sent else None)))
    assert made.recorded(*moments).get("recorded") == recorded
    assert ("_recorded" in made.recorded(*moments)) == (recorded is None)


def test_without_tables_a_code_is_its_word() -> None:
    made, _ = filing(using=Run(Context(now=NOW)))
    assert made.coding("exchange-modes", "mail") == {"code": "mail"}
