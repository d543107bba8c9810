"""Whether the matricule leaves with what we write as HL7 v2 and CDA."""

from __future__ import annotations

import json
from functools import cache

import pytest
from msgspec.structs import replace

from connector.exchange.model import Exchange
from connector.exchange.people import Identifier
from connector.pipeline.formats import exchange_parse
from tests.golden.journeys_kit import ROOT, context, translator

IPP = Identifier(value="IPP-42", system="1.2.250.1.213.1.4.10.9.1", kind="PI")


@cache
def posted() -> Exchange:
    exchange = exchange_parse((ROOT / "tests/golden/exchanges/document/exchange.json").read_bytes()).value
    assert exchange is not None
    assert exchange.patient is not None
    return replace(exchange, patient=replace(exchange.patient, identifiers=(*exchange.patient.identifiers, IPP)))


def ins() -> str:
    return str(
        json.loads((ROOT / "tests/golden/exchanges/document/exchange.json").read_text())["patient"]["identifiers"][0][
            "value"
        ]
    )


@pytest.mark.parametrize("form", ["hl7", "cda"])
@pytest.mark.parametrize(
    ("status", "origin", "leaves"),
    [
        ("validated", "monsisra", True), ("provisional", "monsisra", False), (None, "monsisra", False),
        ("provisional", "feed", False), (None, "feed", True),
    ],
)  # fmt: skip
def test_the_matricule_leaves_only_with_a_qualified_identity(
    form: str, status: str | None, origin: str, leaves: bool
) -> None:
    patient = posted().patient
    assert patient is not None
    exchange = replace(posted(), origin=origin, patient=replace(patient, identity_status=status))
    written = translator().write(exchange, form, context())
    assert written.value is not None, [(issue.code, issue.place) for issue in written.issues]
    assert (ins().encode() in written.value) is leaves
    assert ("INS_NOT_QUALIFIED" in [issue.code for issue in written.issues]) is not leaves
    assert b"IPP-42" in written.value
