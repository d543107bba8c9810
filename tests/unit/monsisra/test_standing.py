"""Large contents that stay where they stand: found, hashed, told and given back exactly as if they had been read whole."""

from __future__ import annotations

import base64
import hashlib
import json
import tracemalloc
from typing import Any

import pytest

from connector.exchange.content import each_content
from connector.exchange.documents import Content
from connector.exchange.model import Exchange
from connector.monsisra.codec import dump, locate, parse, pieces
from connector.monsisra.standing import LARGE, bytes_at
from tests.unit.monsisra.sample import data

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 400
DOCUMENT = "documents[1].content"


def exchange(attachment: bytes | str, **content: Any) -> dict[str, Any]:
    """A mail with that attachment; text stands as it is."""
    value = data("mail")
    inline = attachment if isinstance(attachment, str) else base64.b64encode(attachment).decode()
    value["documents"][0]["content"] = {"media_type": "application/pdf", "data": inline, **content}
    return value


def written(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def form(value: dict[str, Any], **files: bytes) -> bytes:
    parts = {"exchange": written(value), **files}
    made = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + parts[name] for name in parts]
    return b"\r\n".join((*made, b"--b--\r\n"))


def told(raw: bytes) -> list[tuple[str, str, dict[str, str]]]:
    return [(issue.code, issue.place.path, dict(issue.params)) for issue in parse(raw).issues]


def contents(read: Exchange) -> list[Content]:
    found: list[Content] = []
    each_content(read, lambda _place, content, _outer: found.append(content) or content)  # type: ignore[func-returns-value]
    return found


@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_a_large_attachment_is_left_in_the_json_with_its_hashes(kind: Any) -> None:
    raw = written(exchange(PDF))
    outcome, standing = locate(kind(raw))
    assert outcome.value is not None
    [content] = contents(outcome.value)
    assert (content.data, content.size, content.sha256) == (None, len(PDF), hashlib.sha256(PDF).hexdigest())
    assert list(standing) == [DOCUMENT]
    assert bytes_at(raw, standing[DOCUMENT]) == PDF
    assert contents(parse(kind(raw)).value or Exchange())[0] == Content(
        media_type="application/pdf", data=PDF, size=len(PDF), sha1=content.sha1, sha256=content.sha256
    )


@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_a_large_part_of_a_form_is_left_in_it_and_so_is_what_its_json_holds(kind: Any) -> None:
    value = exchange(PDF)
    value["documents"].append({**value["documents"][0], "id": "2.25.9", "content": {}})
    raw = form(value, **{"2.25.9": PDF[::-1]})
    outcome, standing = locate(kind(raw))
    assert outcome.value is not None, outcome.issues
    assert {place: bytes_at(raw, each) for place, each in standing.items()} == {
        DOCUMENT: PDF,
        "documents[2].content": PDF[::-1],
    }
    assert [content.data for content in contents(outcome.value)] == [None, None]
    assert [content.data for content in contents(parse(raw).value or Exchange())] == [PDF, PDF[::-1]]


def test_a_small_one_and_one_that_must_be_looked_into_have_their_bytes() -> None:
    small = b"%PDF" + bytes(range(256)) * 4
    cda = b"\xef\xbb\xbf \n<?xml version='1.0'?><ClinicalDocument/>" + b" " * LARGE
    for attachment, where in ((small, []), (cda, [DOCUMENT])):
        outcome, standing = locate(written(exchange(attachment)))
        assert outcome.value is not None
        assert contents(outcome.value)[0].data == attachment
        assert list(standing) == where
    assert contents(locate(written(exchange(PDF, media_type="text/xml"))).outcome.value or Exchange())[0].data == PDF


def test_a_long_text_of_the_same_letters_is_a_text() -> None:
    value = exchange(PDF)
    value["subject"] = "A" * LARGE
    value["messages"] = [{"id": "1", "text": "B" * LARGE, "sent": "2026-05-21T10:00:00+02:00"}]
    outcome, standing = locate(written(value))
    assert outcome.value is not None, outcome.issues
    assert (outcome.value.subject, outcome.value.messages[0].text) == ("A" * LARGE, "B" * LARGE)
    assert list(standing) == [DOCUMENT]


LONG = base64.b64encode(PDF).decode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (written(exchange(LONG + "A")), ("EXCHANGE_VALUE", f"{DOCUMENT}.data", {"expected": "base64"})),
        (written(exchange(LONG + "====")), ("EXCHANGE_VALUE", f"{DOCUMENT}.data", {"expected": "base64"})),
        (written(exchange(PDF, size=1)), ("EXCHANGE_HASH", f"{DOCUMENT}.size", {"expected": "size"})),
        (written(exchange(PDF, sha256="00")), ("EXCHANGE_HASH", f"{DOCUMENT}.sha256", {"expected": "sha256"})),
        (written(exchange(PDF, titel="x")), ("EXCHANGE_FIELD", DOCUMENT, {"number": "3", "expected": "media_type, data, size, sha1, sha256"})),
        (written({**exchange(PDF), "subject": "a\x00"}), ("EXCHANGE_VALUE", "subject", {"expected": "U+0009, U+000A, U+000D, U+0020…"})),
        (written({**exchange(PDF), "subject": "\x000"}), ("EXCHANGE_VALUE", "subject", {"expected": "U+0009, U+000A, U+000D, U+0020…"})),
        (written({"id": "x", "data": LONG}), ("EXCHANGE_FIELD", "", {"number": "2"})),
        (written({"patient": {"data": LONG}}), ("EXCHANGE_FIELD", "patient", {"number": "1"})),
        (written({LONG: "x"}), ("EXCHANGE_FIELD", "", {"number": "1"})),
        (b'{"id":"' + LONG.encode() + b'" x}', ("EXCHANGE_SYNTAX", "", {"expected": f"JSON (line 1, column {len(LONG) + 10})"})),
        (b'"' + LONG.encode() + b'"', ("EXCHANGE_SYNTAX", "", {"expected": "one object"})),
        (b'{"id": "a"' + LONG.encode() + b'"": 1}', ("EXCHANGE_SYNTAX", "", {"expected": "JSON (line 1, column 11)"})),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_as_of_the_whole_text(raw: bytes, expected: tuple[str, str, dict[str, str]]) -> None:
    [(code, place, params)] = told(raw)
    assert (code, place) == expected[:2]
    assert {name: value for name, value in params.items() if name in expected[2]} == expected[
        2
    ] or code == "EXCHANGE_FIELD"


def test_escaped_slashes_are_read_too() -> None:
    text = LONG[:1000] + "//" + LONG[1002:]
    raw = written(exchange(text)).replace(b"//", b"\\/\\/")
    outcome, standing = locate(raw)
    assert outcome.value is not None
    assert contents(outcome.value)[0].data == base64.b64decode(text)
    assert standing == {}


@pytest.mark.parametrize("kind", ["inline", "form"])
def test_a_large_attachment_costs_nothing_like_its_size(kind: str) -> None:
    big = PDF * 50
    value = exchange(big if kind == "inline" else b"%PDF")
    if kind == "form":
        del value["documents"][0]["content"]["data"]
        raw = form(value, **{value["documents"][0]["id"]: big})
    else:
        raw = written(value)
    locate(raw)
    tracemalloc.start()
    try:
        outcome, _ = locate(memoryview(raw))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcome.value is not None
    assert peak < len(big) / 2, f"{peak} of {len(big)}"


def test_the_pieces_are_what_is_written_at_once() -> None:
    value = exchange(PDF)
    mark = hashlib.sha384(DOCUMENT.encode()).digest()
    for attachments in ([], [PDF], [PDF, PDF[:-1], b"%PDF", PDF], [PDF, mark]):
        documents = [
            {**value["documents"][0], "id": f"2.25.{n}", "content": {"data": base64.b64encode(each).decode()}}
            for n, each in enumerate(attachments, 1)
        ]
        read = parse(written({**value, "documents": documents})).value
        assert read is not None
        made = list(pieces(read))
        assert b"".join(made) == dump(read)
        assert max(map(len, made)) < 300_000
