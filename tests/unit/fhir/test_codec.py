"""JSON in and out."""

from __future__ import annotations

import pytest

from connector.fhir.codec import Limits, dump, dump_pretty, load


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"resourceType":"Patient","id":"a","id":"b"}', "each key once"),
        (b'{"resourceType":"Patient","x":NaN}', "no NaN"),
        (b'{"resourceType":"Patient","x":-Infinity}', "no NaN"),
        (b'{"resourceType":"Patient","x":1e400}', "exponents"),
        (b'{"resourceType":"Patient","x":' + b"9" * 100_000 + b"}", "numbers of at most"),
        (b'{"resourceType":"Patient","x":0.' + b"9" * 100_000 + b"}", "numbers of at most"),
        (b"[" * 100_000, "levels"),
        (b'{"resourceType":"Patient","x":' + b"[" * 100 + b"]" * 100 + b"}", "levels"),
        (b'{"resourceType":"Patient","x":"\xff"}', "UTF-8"),
        (b'{"resourceType":"Patient","x":"\\ud800"}', "UTF-8"),
        (b'{"resourceType":"Patient"', "JSON (line 1"),
        (b'["Patient"]', "resourceType"),
        (b'{"id":"a"}', "resourceType"),
        (b"", "JSON"),
    ],
)
def test_what_is_no_fhir_json_is_refused_with_a_reason(raw: bytes, expected: str) -> None:
    outcome = load(raw)
    assert outcome.value is None
    assert expected in outcome.issues[0].params["expected"]


def test_a_body_above_the_limit_is_not_read() -> None:
    assert load(b'{"resourceType":"Patient"}', Limits(size=10)).value is None


def test_decimals_keep_their_digits_and_keys_their_order() -> None:
    raw = b'{"resourceType":"Observation","z":1.10,"a":1E+2,"m":{"b":0.00,"a":-7}}'
    outcome = load(raw)
    assert outcome.value is not None
    assert dump(outcome.value) == raw


def test_a_byte_order_mark_is_no_data() -> None:
    assert load(b'\xef\xbb\xbf{"resourceType":"Patient"}').value == {"resourceType": "Patient"}


def test_bytes_are_written_as_base64() -> None:
    assert dump({"resourceType": "Binary", "data": b"abc"}) == b'{"resourceType":"Binary","data":"YWJj"}'
    assert b'"data": "YWJj"' in dump_pretty({"resourceType": "Binary", "data": b"abc"})


def test_what_json_cannot_hold_is_our_own_mistake() -> None:
    with pytest.raises(TypeError):
        dump({"resourceType": "Patient", "x": object()})
