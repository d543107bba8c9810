"""Results as laboratories of many countries send them: every OBX that says something is exactly one Observation, in the exchange and in FHIR."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from connector.exchange.model import Exchange
from connector.hl7.codec import parse
from connector.hl7.message import Message
from tests.golden.journeys_kit import context, translator

pytestmark = pytest.mark.shared


def results(shared: Path) -> Iterator[tuple[str, Message, Exchange]]:
    """The messages of the corpus that are results, and no documents of the volet, with what is read of them."""
    for path in sorted((shared / "corpus" / "hl7v2").iterdir()):
        message = parse(raw := path.read_bytes()).value
        if message is None or message.get("MSH-9.1") != "ORU" or message.get("MSH-9.2") != "R01":
            continue
        reading = translator().read(raw, "hl7", context(), rules=False)
        if reading.mapping == "hl7/messages/ORU_R01":
            assert reading.exchange is not None, path.name
            yield path.name, message, reading.exchange


def said(message: Message) -> int:
    """How many OBX say more than their number and the type of their value."""
    return sum(any(segment.text(field) for field in range(3, len(segment) + 1)) for segment in message.all("OBX"))


def test_every_obx_that_holds_a_result_is_one_observation(shared: Path) -> None:
    counts = {}
    for name, message, exchange in results(shared):
        written = translator().write(exchange, "fhir", context())
        assert written.value is not None, name
        kinds = [each["resource"]["resourceType"] for each in orjson.loads(written.value)["entry"]]
        read = sum(len(report.observations) for report in exchange.reports)
        counts[name] = (said(message), read, kinds.count("Observation"))
    assert {name: count for name, count in counts.items() if len(set(count)) > 1} == {}
    assert len(counts) >= 10
    assert sum(obx for obx, _, _ in counts.values()) >= 100
