"""Laws of the pipeline: a verdict is always given, the same for the same bytes, and no text of a patient is ever in an issue."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.hl7.acknowledge import read_ack
from connector.pipeline.journey import Entry, Inbound, MessageState
from connector.pipeline.judge import Desk, DeskSettings
from connector.pipeline.route import Route
from tests.golden.journeys_kit import cases, context, translator

NOW = "2026-01-15T10:00:00+01:00"
DESK = Desk(translator(), lambda now: context(), DeskSettings(routes=(Route(to=("dpi",)),)))
MESSAGES = [case.raw for case in cases() if case.format == "hl7"]
OTHERS = [(case.format, case.raw) for case in cases() if case.format != "hl7"]


def judged(raw: bytes, name: str = "hl7") -> Entry:
    inbound = Inbound(raw=raw, endpoint="mllp", remote="10.0.0.1:5000", received_at=NOW, format=name)
    return DESK.judge(inbound, "digest", NOW)


def check(entry: Entry) -> None:
    """What holds for every verdict."""
    accepted = entry.state is MessageState.TRANSLATED
    assert accepted or entry.issues
    assert bool(entry.deliveries) == accepted
    assert all(read_ack(answer).unreadable is None for answer in entry.answers)
    assert all((read_ack(answer).code in ("AA", "CA")) == accepted for answer in entry.answers[-1:])
    told = "".join(issue.text("fr") + str(issue.place) + str(issue.params) for issue in entry.issues)
    assert "PAT-TROIS" not in told
    assert "DOMINIQUE" not in told
    assert "INTERNAL" not in [issue.code for issue in entry.issues]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_have_a_verdict(raw: bytes) -> None:
    check(judged(raw))
    check(judged(b"MSH|^~\\&|" + raw))


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(MESSAGES), st.floats(0, 1), st.binary(min_size=1, max_size=6), st.integers(0, 12))
def test_a_message_changed_anywhere_has_a_verdict(raw: bytes, where: float, other: bytes, gone: int) -> None:
    at = int(where * len(raw))
    changed = raw[:at] + other + raw[at + gone :]
    check(judged(changed))
    assert judged(changed) == judged(changed)


def test_damage_in_a_large_field_is_said_with_its_place() -> None:
    raw = next(raw for raw in MESSAGES if b"MDM^T02" in raw and len(raw) > 18_000)
    at = len(raw) // 2
    entry = judged(raw[:at] + b"~\x80" + raw[at:])
    check(entry)
    conflict = next(issue for issue in entry.issues if issue.code == "CHARSET_CONFLICT")
    assert (entry.state, conflict.params["offset"]) == (MessageState.PARKED, str(at + 1))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(OTHERS), st.floats(0, 1), st.binary(min_size=1, max_size=6), st.integers(0, 12))
def test_a_document_or_bundle_changed_anywhere_has_a_verdict(
    source: tuple[str, bytes], where: float, other: bytes, gone: int
) -> None:
    name, raw = source
    at = int(where * len(raw))
    check(judged(raw[:at] + other + raw[at + gone :], name))
