"""MSH-18 by a closed table, and the evidence of the bytes."""

from __future__ import annotations

import pytest

from connector.hl7.charsets import ALLOWED, choose, lookup, name_of


def chosen(declared: str, data: bytes, *, rule: str = "", default: str = "") -> tuple[str, str | None]:
    found = choose(declared.split("~"), [(100, data)], rule=rule, default=default)
    return found.codec, found.issues[0].code if found.issues else None


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("8859/1", "iso8859_1"),
        ("8859/15", "iso8859_15"),
        ("ISO-8859-15", "iso8859_15"),
        ("ASCII", "ascii"),
    ],
)
def test_known_names_and_spellings(name: str, codec: str) -> None:
    assert lookup(name) == codec
    assert name_of(name) in ALLOWED


@pytest.mark.parametrize(
    "name", ["UTF-16", "UNICODE UTF-16", "rot13", "zip", "hex", "../x", "ISO IR 999", "unicode_escape", "cp1252"]
)
def test_a_name_outside_the_table_is_refused(name: str) -> None:
    assert chosen(name, b"x") == ("", "CHARSET_UNKNOWN")


@pytest.mark.parametrize(
    ("declared", "data", "code"),
    [
        ("8859/1", "Zoë".encode(), "CHARSET_CONFLICT"),
        ("UNICODE UTF-8", "Zoë".encode("latin-1"), "CHARSET_CONFLICT"),
        ("", "Zoë".encode("latin-1"), "CHARSET_CONFLICT"),
        ("ASCII", "Zoë".encode(), "CHARSET_CONFLICT"),
        ("UNICODE UTF-8", b"\xc0\xaf", "CHARSET_CONFLICT"),  # overlong
        ("UNICODE UTF-8", b"\xed\xa0\x80", "CHARSET_CONFLICT"),  # surrogate
        ("UNICODE UTF-8", "\ufffd".encode(), "CHARSET_CONFLICT"),
        ("UNICODE UTF-8", "\ufffe".encode(), "CHARSET_CONFLICT"),
        ("8859/1", b"caf\xe9 \x92", "CHARSET_WINDOWS"),
        ("8859/1", "Zoë".encode("latin-1"), None),
        ("8859/15", b"\xa4", None),
        ("UNICODE UTF-8", "Zoë".encode(), None),
        ("UNICODE UTF-8~8859/1", "Zoë".encode(), None),
        ("UNICODE UTF-8~UTF-16", b"x", "CHARSET_UNKNOWN"),
        ("", b"plain", None),
    ],
)
def test_the_bytes_are_evidence(declared: str, data: bytes, code: str | None) -> None:
    assert chosen(declared, data)[1] == code


@pytest.mark.parametrize(
    ("declared", "data", "rule", "default", "codec", "code"),
    [
        ("8859/1", "Zoë".encode(), "declared", "", "iso8859_1", None),
        ("8859/1", "Zoë".encode(), "UNICODE UTF-8", "", "utf-8", None),
        ("8859/1", b"\x92", "windows-1252", "", "cp1252", None),
        ("8859/1", b"\x81", "windows-1252", "", "cp1252", "CHARSET_CONFLICT"),
        ("", "Zoë".encode("latin-1"), "", "8859/1", "iso8859_1", None),
        ("", "Zoë".encode(), "", "8859/1", "iso8859_1", "CHARSET_CONFLICT"),
        ("ASCII", b"x", "klingon", "", "", "CHARSET_UNKNOWN"),
    ],
)
def test_a_rule_for_the_sender_decides(
    declared: str, data: bytes, rule: str, default: str, codec: str, code: str | None
) -> None:
    assert chosen(declared, data, rule=rule, default=default) == (codec, code)


def test_the_issue_names_the_byte() -> None:
    found = choose(["UNICODE UTF-8"], [(0, b"plain"), (100, b"abc\xe9")])
    assert found.issues[0].params == {"offset": "103"}


def test_euro_is_euro_in_8859_15() -> None:
    assert b"\xa4".decode(chosen("8859/15", b"\xa4")[0]) == "€"
