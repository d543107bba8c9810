"""Texts of the same kind that differ."""

from __future__ import annotations

from connector.mapping.vary import changed, variants


def test_variants_differ_in_one_letter_or_digit() -> None:
    assert list(variants("19790328")) == ["19790329", "29790328", "19791328", "19790428", "19790338"]
    assert list(variants("Zz")) == ["Zy", "Yz"]
    assert list(variants("--")) == ["--x"]


def test_codes_of_the_table_come_first() -> None:
    assert list(variants("M", ("M", "F", "U", "O", "A")))[:3] == ["F", "U", "O"]


def test_large_text_is_varied_once() -> None:
    (only,) = variants("A" * 5000)
    assert len(only) == 5000
    assert only[-9:] == "A" * 9


def test_what_went_has_changed_too() -> None:
    assert changed({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 4, "d": 5}) == {"b", "c"}
