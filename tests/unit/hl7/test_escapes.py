"""Escape sequences: what they mean, what stays, and that nothing is lost either way."""

from __future__ import annotations

import pytest

from connector.hl7.escapes import DEFAULT_SEPARATORS, Separators, escape, format_text, kept_escapes, unescape

LATIN = Separators(codec="iso8859_1")


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (r"a\F\b", "a|b"),
        (r"a\S\b\T\c\R\d\E\e", r"a^b&c~d\e"),
        (r"http://x?a=1\T\b=2", "http://x?a=1&b=2"),
        (r"C:\E\dir", r"C:\dir"),
        ("one\\.br\\two", "one\ntwo"),
        (r"\X41C3A9\ ", "Aé "),
        (r"\X0D0A\ ", "\r\n "),
        (r"\P\ ", "# "),
    ],
)
def test_a_sequence_is_what_it_means(wire: str, text: str) -> None:
    assert unescape(wire) == text
    assert kept_escapes(wire) == 0


@pytest.mark.parametrize(
    ("wire", "kept"),
    [
        ("4\\5 re.", 1),
        (r"\Zlocal\x", 1),
        (r"\X0\x", 1),
        (r"\XZZ\x", 1),
        (r"\X00\x", 1),
        (r"\XE9\x", 1),  # no UTF-8
        (r"\C2842\x", 1),
        (r"\M244200\x", 1),
        ("last\\", 1),
        (r"\H\bold\N\ ", 0),  # highlighting has its own warning, where it is dropped
        (r"\.sp 3\x", 0),
    ],
)
def test_a_sequence_without_a_meaning_stays_and_is_counted(wire: str, kept: int) -> None:
    assert unescape(wire) == wire
    assert kept_escapes(wire) == kept


def test_hexadecimal_bytes_are_text_of_the_message_s_character_set() -> None:
    assert unescape(r"\XE9\ ", LATIN) == "é "


def test_a_lone_escape_does_not_swallow_the_sequence_behind_it() -> None:
    assert unescape("a\\b \\F\\ c") == "a\\b | c"


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("a|b^c&d~e\\f", r"a\F\b\S\c\T\d\R\e\E\f"),
        ("two\nlines\r", "two\\.br\\lines\\X0D\\"),
        (r"\Zlocal\ ", r"\Zlocal\ "),
        (r"\F\ ", r"\E\F\E\ "),
        (r"\X41\ ", r"\E\X41\E\ "),
        ("tab\there", "tab\there"),
    ],
)
def test_a_text_is_written_so_that_it_reads_back(text: str, wire: str) -> None:
    assert escape(text) == wire
    assert unescape(wire) == text


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x1f", "\x7f"])
def test_a_control_character_is_never_written(character: str) -> None:
    with pytest.raises(ValueError, match="control"):
        escape(f"a{character}b")


def test_declared_separators_are_the_ones_that_are_escaped() -> None:
    other = Separators(field="@", component="~", repetition="&", escape="#", subcomponent="\\")
    assert escape("a@b~c|d#", other) == "a#F#b#S#c|d#E#"
    assert unescape("a#F#b#S#c|d#E#", other) == "a@b~c|d#"


def test_the_truncation_character_is_escaped_only_where_it_is_declared() -> None:
    assert escape("a#b") == "a#b"
    assert escape("a#b", Separators(truncation="#")) == r"a\P\b"


@pytest.mark.parametrize(
    ("wire", "text", "dropped"),
    [
        ("one\\.br\\two", "one\ntwo", False),
        ("one\\.sp 3\\two\\.sp\\", "one\n\n\ntwo\n", False),
        ("\\.ce\\title", "\ntitle", False),
        ("a\\.sk 2\\b", "a  b", False),
        ("\\H\\warning\\N\\ a\\F\\b", "warning a|b", True),
        ("\\.in+4\\text", "text", True),
        ("plain", "plain", False),
    ],
)
def test_formatted_text_keeps_line_breaks_and_says_what_it_drops(wire: str, text: str, dropped: bool) -> None:
    assert format_text(wire, DEFAULT_SEPARATORS) == (text, dropped)
