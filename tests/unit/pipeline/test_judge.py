"""The verdict: state, answers owed, deliveries, and what intake may know before it."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from msgspec.structs import replace

from connector.hl7.acknowledge import read_ack
from connector.hl7.codec import ParseOptions
from connector.issues import Issue, IssueCode, Severity
from connector.pipeline.journey import Inbound, MessageState
from connector.pipeline.judge import Desk, DeskSettings
from connector.pipeline.route import Route
from tests.golden.journeys_kit import FOLDER, context, translator

NOW = "2026-01-15T10:00:00+01:00"
T02 = (FOLDER / "mdm-t02-complete-header" / "in.hl7").read_bytes()


def desk(**settings: Any) -> Desk:
    return Desk(
        translator(), lambda now: context(), DeskSettings(routes=(Route(to=("dpi",)),), language="en", **settings)
    )


def inbound(raw: bytes, **changes: Any) -> Inbound:
    return replace(Inbound(raw=raw, endpoint="mllp", remote="10.0.0.1:5000", received_at=NOW), **changes)


def enhanced(raw: bytes, accept: bytes, application: bytes) -> bytes:
    """The message with MSH-15 and MSH-16."""
    first, rest = raw.split(b"\r", 1)
    fields = first.split(b"|")
    fields[14], fields[15] = accept, application
    return b"|".join(fields) + b"\r" + rest


ADT = enhanced((FOLDER / "adt-a01-admission" / "in.hl7").read_bytes(), b"", b"")


def test_an_understood_message_is_translated_answered_and_routed() -> None:
    entry = desk().judge(inbound(T02), "digest", NOW)
    assert entry.state is MessageState.TRANSLATED
    assert (entry.sender, entry.control_id, entry.type) == (
        "RIS-EXEMPLE|CH-EXEMPLE^1.2.250.1.213.1.4.10.9^ISO",
        "MSG-1001",
        "MDM^T02",
    )
    assert entry.key
    assert entry.patient == "279035121518989"
    assert entry.document_ids == ("1.2.250.1.213.1.4.10.9.1001",)
    assert [delivery.destination for delivery in entry.deliveries] == ["dpi"]
    assert {delivery.key for delivery in entry.deliveries} == {entry.key}
    assert [read_ack(answer).code for answer in entry.answers] == ["AA"]
    assert entry.mapping.startswith("hl7/messages/MDM_T02@")


@pytest.mark.parametrize(
    ("raw", "state", "code", "issue"),
    [
        (T02.replace(b"MDM^T02^MDM_T02", b"MDM^T99^MDM_T02"), MessageState.REFUSED, "AR", "EVENT"),
        (T02.replace(b"19790328", b"19790329", 1), MessageState.REFUSED, "AE", "INS_DIFFERS"),
        (T02.replace(b"|T|2.6", b"|P|2.6"), MessageState.REFUSED, "AR", "PROCESSING_ID"),
        (T02.replace(b"|MSG-1001|", b"||"), MessageState.REFUSED, "AR", "FIELD_MISSING"),
        (ADT.replace(b"|UNICODE UTF-8", b"|UTF-16"), MessageState.REFUSED, "AE", "CHARSET_UNKNOWN"),
        (T02.replace(b"UNICODE UTF-8", b"8859/15"), MessageState.PARKED, "AE", "CHARSET_CONFLICT"),
    ],
    ids=["event", "other patient", "environment", "no control id", "unknown charset", "charset conflict"],
)
def test_what_cannot_be_accepted(raw: bytes, state: MessageState, code: str, issue: str) -> None:
    entry = desk().judge(inbound(raw), "digest", NOW)
    assert issue in [each.code for each in entry.issues]
    assert entry.state is state
    assert entry.deliveries == ()
    assert [read_ack(answer).code for answer in entry.answers] == [code]


def test_a_broken_frame_is_kept_and_never_claims_its_control_id() -> None:
    broken = Issue.of(Severity.FATAL, IssueCode.FRAME_BROKEN)
    entry = desk().judge(inbound(T02[:900], issues=(broken,)), "digest", NOW)
    assert (entry.state, entry.control_id, entry.deliveries) == (MessageState.PARKED, "", ())
    assert [read_ack(answer).code for answer in entry.answers] == ["AR"]


def test_what_is_no_hl7_is_kept_for_a_person_and_answered_by_nobody() -> None:
    entry = desk().judge(inbound(b"GET / HTTP/1.1\r\n"), "digest", NOW)
    assert (entry.state, entry.answers) == (MessageState.PARKED, ())


@pytest.mark.parametrize(
    ("accept", "application", "codes"),
    [
        (b"", b"", ["AA"]),
        (b"AL", b"AL", ["CA", "AA"]),
        (b"AL", b"NE", ["CA"]),
        (b"NE", b"NE", []),
        (b"NE", b"AL", ["AA"]),
        (b"ER", b"", []),
        (b"SU", b"ER", ["CA"]),
    ],
)
def test_answers_are_those_that_the_sender_asked_for(accept: bytes, application: bytes, codes: list[str]) -> None:
    entry = desk().judge(inbound(enhanced(ADT, accept, application)), "digest", NOW)
    assert [read_ack(answer).code for answer in entry.answers] == codes


def test_a_large_message_is_kept_first_and_its_verdict_follows() -> None:
    small = desk(defer_above=100)
    raw = enhanced(ADT, b"AL", b"AL")
    assert small.peek(inbound(raw)).defer
    first, then = small.received(inbound(raw), "digest", NOW), small.judge(inbound(raw), "digest", NOW)
    assert first.state is MessageState.RECEIVED
    assert [read_ack(answer).code for answer in (*first.answers, *then.answers)] == ["CA", "AA"]


def test_original_mode_is_answered_once_even_when_the_verdict_follows() -> None:
    small = desk(defer_above=100)
    first, then = small.received(inbound(ADT), "digest", NOW), small.judge(inbound(ADT), "digest", NOW)
    assert [read_ack(answer).code for answer in (*first.answers, *then.answers)] == ["AA"]


def test_nothing_kept_asks_to_send_again() -> None:
    assert [read_ack(answer).code for answer in desk().unavailable(inbound(ADT), NOW)] == ["AR"]
    assert [read_ack(answer).code for answer in desk().unavailable(inbound(enhanced(ADT, b"AL", b"AL")), NOW)] == ["CR"]


def test_a_control_id_used_for_other_bytes_is_refused_with_205() -> None:
    entry = desk().duplicate(inbound(ADT), "digest", NOW, 7)
    (ack,) = map(read_ack, entry.answers)
    assert (entry.state, ack.code, ack.errors[0].condition) == (MessageState.REFUSED, "AE", "205")


def test_our_own_failure_keeps_the_message_for_a_person() -> None:
    entry = desk().broken(inbound(ADT), "digest", NOW, "KeyError at translate.py:1")
    (ack,) = map(read_ack, entry.answers)
    assert (entry.state, ack.code, ack.errors[0].condition) == (MessageState.PARKED, "AE", "207")


def test_a_sender_s_rule_is_found_by_its_name_then_by_its_endpoint_then_for_all() -> None:
    rule = ParseOptions(names={"PIDX": "PID"})
    raw = ADT.replace(b"\rPID|", b"\rPIDX|")
    sender = desk().peek(inbound(raw)).sender
    for name in (sender, "mllp", "*"):
        entry = desk(parse_options={name: rule}).judge(inbound(raw), "digest", NOW)
        assert entry.state is MessageState.TRANSLATED, name
    assert desk(parse_options={"another": rule}).judge(inbound(raw), "digest", NOW).state is MessageState.REFUSED


def test_long_texts_of_the_header_are_bounded() -> None:
    raw = ADT.replace(b"|MSG-", b"|" + b"9" * 300, 1) if b"|MSG-" in ADT else ADT
    peeked = desk().peek(inbound(raw))
    assert len(peeked.control_id) <= 199
    assert len(peeked.sender) <= 250


def test_what_is_not_hl7_owes_no_acknowledgement() -> None:
    bundle = (FOLDER / "fhir-bundle-alone" / "in.fhir.json").read_bytes()
    entry = desk().judge(inbound(bundle, format="fhir"), "digest", NOW)
    assert (entry.state, entry.answers, entry.control_id) == (MessageState.TRANSLATED, (), "")
    assert entry.type == "Bundle"


def test_a_message_leaves_no_garbage_that_only_the_collector_finds() -> None:
    """What a message leaves behind may hold a document's bytes: it goes with its last reader, not when the collector comes by."""
    at, message = desk(), inbound(T02)
    at.judge(message, "digest", NOW)  # what is made once for all messages is made now
    gc.collect()
    gc.disable()
    try:
        at.judge(message, "digest", NOW)
        left = gc.collect()
    finally:
        gc.enable()
    assert left == 0
