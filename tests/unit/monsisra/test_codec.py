"""The exchange profile's JSON: read strictly, written so that it reads back; bytes inline or in the parts of a form."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from connector.issues import Severity
from connector.monsisra.codec import dump, parse
from tests.unit.monsisra.sample import CASES, data, raw, read


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_reads_back(case: str) -> None:
    exchange = read(data(case))
    assert parse(dump(exchange)).value == exchange


@pytest.mark.parametrize(
    ("text", "code", "place", "expected"),
    [
        (b'{"idd": "x"}', "EXCHANGE_FIELD", "", "id"),
        (b'{"documents": [{"titel": "x"}]}', "EXCHANGE_FIELD", "documents[1]", "title"),
        (b'{"id": ""}', "EXCHANGE_EMPTY", "id", ""),
        (b'{"id": null}', "EXCHANGE_EMPTY", "id", ""),
        (b'{"id": 5}', "EXCHANGE_VALUE", "id", "string"),
        (b'{"id": "a\\u0000"}', "EXCHANGE_VALUE", "id", "U+0020"),
        (b'{"mode": "fax"}', "EXCHANGE_VALUE", "mode", "conversation"),
        (b'{"patient": {"birth_date": "2026-02-30"}}', "EXCHANGE_VALUE", "patient.birth_date", "YYYY"),
        (b'{"patient": {"birth_order": 1.0}}', "EXCHANGE_VALUE", "patient.birth_order", "integer"),
        (b'{"patient": {"deceased": "no"}}', "EXCHANGE_VALUE", "patient.deceased", "true, false"),
        (b'{"documents": {"title": "x"}}', "EXCHANGE_VALUE", "documents", "array"),
        (b'{"patient": ["x"]}', "EXCHANGE_VALUE", "patient", "object"),
        (b'{"thread": {"members": [{}]}}', "FIELD_MISSING", "thread.members[1]", "party"),
        (b'{"documents": [{"content": {"data": "a b"}}]}', "EXCHANGE_VALUE", "documents[1].content.data", "base64"),
        (b'{"documents": [{"content": {"data": "YQ==", "size": 2}}]}', "EXCHANGE_HASH", "documents[1].content.size", "size"),
        (b'{"documents": [{"content": {"data": "YQ==", "sha1": "00"}}]}', "EXCHANGE_HASH", "documents[1].content.sha1", "sha1"),
        (b'{"id": "a", "id": "a"}', "EXCHANGE_SYNTAX", "", "each key once"),
        (b'{"id": NaN}', "EXCHANGE_SYNTAX", "", "NaN"),
        (b'{"id": "\\ud800"}', "EXCHANGE_SYNTAX", "", "UTF-8"),
        (b'{"id": "\xe9"}', "EXCHANGE_SYNTAX", "", "UTF-8"),
        (b"[]", "EXCHANGE_SYNTAX", "", "one object"),
        (b"{} {}", "EXCHANGE_SYNTAX", "", "JSON"),
        (b"", "EXCHANGE_SYNTAX", "", "JSON"),
        (b'{"patient":' * 30 + b"{}" + b"}" * 30, "EXCHANGE_SYNTAX", "", "levels"),
        (b'{"patient":' * 100_000, "EXCHANGE_SYNTAX", "", ""),
    ],
)  # fmt: skip
def test_what_is_no_exchange_is_refused_with_its_place(text: bytes, code: str, place: str, expected: str) -> None:
    outcome = parse(text)
    assert outcome.value is None
    assert (outcome.issues[0].code, outcome.issues[0].place.path) == (code, place)
    assert expected in outcome.issues[0].text("fr")
    assert outcome.issues[0].severity >= Severity.ERROR


def test_no_value_and_no_unknown_name_is_repeated() -> None:
    outcome = parse(b'{"CANARI": 1, "mode": "CANARI", "patient": {"sex": "CANARI", "birth_date": "CANARI"}}')
    assert len(outcome.issues) == 4
    assert "CANARI" not in "".join(f"{issue} {issue.text('fr')}" for issue in outcome.issues)


def test_size_and_hashes_are_computed_from_the_bytes() -> None:
    content = read(data("document")).documents[0].content
    assert content is not None
    assert content.data is not None
    assert (content.size, content.sha256) == (len(content.data), hashlib.sha256(content.data).hexdigest())


def test_without_attachments_the_contents_keep_their_hashes() -> None:
    told = json.loads(dump(read(data("document")), attachments=False))["documents"][0]["content"]
    assert set(told) == {"media_type", "size", "sha1", "sha256"}


# --- forms


def form(*parts: tuple[str, str, bytes], boundary: str = "limite") -> bytes:
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\nContent-Type: {media}\r\n\r\n'.encode() + body + b"\r\n"
        for name, media, body in parts
    ]  # fmt: skip
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


def without_data() -> tuple[dict[str, Any], bytes]:
    value = data("document")
    return value, base64.b64decode(value["documents"][0]["content"].pop("data"))


def test_a_form_with_the_file_beside_it_is_the_same_exchange() -> None:
    value, pdf = without_data()
    parts = [("exchange", "application/json", json.dumps(value).encode())]
    named_by_document = parse(form(*parts, (value["documents"][0]["id"], "application/pdf", pdf)))
    assert named_by_document.value == read(data("document"))
    value["documents"][0]["content"] = {"sha256": hashlib.sha256(pdf).hexdigest()}
    parts = [("exchange", "application/json", json.dumps(value).encode())]
    assert (
        parse(form(*parts, (hashlib.sha256(pdf).hexdigest(), "application/pdf", pdf))).value == named_by_document.value
    )


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([("other", "text/plain", b"x")], "EXCHANGE_SYNTAX"),
        ([("exchange", "application/json", b"{}"), ("exchange", "application/json", b"{}")], "EXCHANGE_SYNTAX"),
        ([("exchange", "application/json", raw("mail")), ("1.2.3", "text/plain", b"x")], "EXCHANGE_PART"),
        ([("exchange", "application/json", raw("mail")), ("1.2", "a/b", b"x"), ("1.2", "a/b", b"y")], "EXCHANGE_PART"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(parts: list[tuple[str, str, bytes]], code: str) -> None:
    outcome = parse(form(*parts))
    assert outcome.value is None
    assert outcome.issues[0].code == code


@pytest.mark.parametrize(
    "text",
    [
        b"--",
        b"--limite\r\n",
        b"--limite\r\n\r\nx\r\n--limite--",
        form(("exchange", "application/json", b"{}"))[:-10],
        form(("exchange", "application/json", b"{}")).replace(b"\r\n--limite--", b"\r\n--limite?"),
        b"--limite\r\nContent-Disposition: form-data; name=\xff\r\n\r\nx\r\n--limite--",
        b"--" + b"a" * 100 + b"\r\n",
    ],
)
def test_a_form_that_is_cut_or_bent_is_refused(text: bytes) -> None:
    assert [issue.code for issue in parse(text).issues] == ["EXCHANGE_SYNTAX"]


def test_a_form_file_with_a_false_hash_is_refused() -> None:
    value, pdf = without_data()
    value["documents"][0]["content"]["sha256"] = "0" * 64
    body = form(
        ("exchange", "application/json", json.dumps(value).encode()),
        (value["documents"][0]["id"], "application/pdf", pdf),
    )
    assert [issue.code for issue in parse(body).issues] == ["EXCHANGE_HASH"]
