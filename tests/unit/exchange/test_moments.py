"""Partial dates: what is read, what is refused, and what is never invented."""

from __future__ import annotations

import pytest

from connector.exchange.moments import (
    Moment,
    date_of,
    from_hl7,
    from_iso,
    has_zone,
    ordered,
    precision,
    same_instant,
    time_part,
    to_hl7,
    to_instant,
    to_iso,
    with_zone,
)

READ = [
    ("2026", "2026", "year"),
    ("202611", "2026-11", "month"),
    ("20261124", "2026-11-24", "day"),
    ("2026112410", "2026-11-24T10", "hour"),
    ("202611241030", "2026-11-24T10:30", "minute"),
    ("20261124103015", "2026-11-24T10:30:15", "second"),
    ("20261124103015.2", "2026-11-24T10:30:15.2", "fraction"),
    ("20261124103015.1234+0100", "2026-11-24T10:30:15.1234+01:00", "fraction"),
    ("20261124103015-0330", "2026-11-24T10:30:15-03:30", "second"),
    ("2026112410+0100", "2026-11-24T10+01:00", "hour"),
    ("20261124+0100", "2026-11-24+01:00", "day"),
    ("2026+0100", "2026+01:00", "year"),
    ("0001", "0001", "year"),
    ("00010101", "0001-01-01", "day"),
    ("99991231235959", "9999-12-31T23:59:59", "second"),
    ("20240229", "2024-02-29", "day"),
    ("20000229", "2000-02-29", "day"),
]


@pytest.mark.parametrize(("text", "moment", "how_precise"), READ)
def test_hl7_is_read_as_precise_as_it_is_and_written_again(text: str, moment: str, how_precise: str) -> None:
    assert from_hl7(text) == moment
    assert to_hl7(from_hl7(text)) == text
    assert precision(from_hl7(text)) == how_precise
    assert from_iso(moment) == moment


@pytest.mark.parametrize(
    "text",
    [
        "20260230", "20230229", "19000229", "20261301", "20260001", "20260100", "00000101", "2026112424", "202611241060",
        "20261124103060", "202602291200+0260", "20261124103015+0260", "20261124103015+1500", "20261124.1", "2026112410.5",
        "", "2", "202", "20261", "2026112", "202611241", "2026-11-24", "+0100", "20261124 1030", "20261124\n", "２０２６",
        "2026112410３0", "20261124103015+01", "20261124103015Z", "null",
    ],
)  # fmt: skip
def test_impossible_hl7_dates_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_hl7(text)


@pytest.mark.parametrize(
    "text",
    ["2026-02-30", "2026-13", "26", "2026-1", "2026-11-24T", "2026-11-24 10:30", "2026-11-24T25:00:00Z", "2026-11-24T10:30:15+15:00",
     "2026-11-24T10:30:15+01", "2026-11-24t10:30:15z", "0000", "2026-11-24T10:30:60Z", ""],
)  # fmt: skip
def test_impossible_iso_dates_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_iso(text)


def test_utc_has_one_writing() -> None:
    assert from_iso("2026-11-24T10:30:15Z") == "2026-11-24T10:30:15+00:00"
    assert from_hl7("20261124103015-0000") == from_hl7("20261124103015+0000") == "2026-11-24T10:30:15+00:00"
    assert to_hl7(Moment("2026-11-24T10:30:15Z")) == "20261124103015+0000"


def test_a_fraction_beyond_dtm_is_cut() -> None:
    assert to_hl7(from_iso("2026-11-24T10:30:15.123456789+01:00")) == "20261124103015.1234+0100"


@pytest.mark.parametrize(
    ("moment", "zone", "written"),
    [
        ("2026", None, "2026"),
        ("2026-11-24", "Europe/Paris", "2026-11-24"),
        ("2026-11-24+01:00", None, "2026-11-24"),
        ("2026-11-24T10+01:00", None, "2026-11-24"),
        ("2026-11-24T10:30+01:00", None, "2026-11-24T10:30:00+01:00"),
        ("2026-11-24T10:30:15.5+01:00", None, "2026-11-24T10:30:15.5+01:00"),
        ("2026-11-24T10:30:15", None, "2026-11-24"),
        ("2026-11-24T10:30:15", "Europe/Paris", "2026-11-24T10:30:15+01:00"),
        ("2026-07-24T10:30:15", "Europe/Paris", "2026-07-24T10:30:15+02:00"),
        ("2026-07-24T10:30:15", "Indian/Reunion", "2026-07-24T10:30:15+04:00"),
        ("2026-10-25T02:30:00", "Europe/Paris", "2026-10-25"),
    ],
)
def test_fhir_gets_seconds_and_a_zone_or_the_date_alone(moment: str, zone: str | None, written: str) -> None:
    assert to_iso(Moment(moment), zone) == written


def test_an_instant_needs_seconds_and_a_zone() -> None:
    assert to_instant(Moment("2026-11-24T10:30:15"), "Europe/Paris") == "2026-11-24T10:30:15+01:00"
    assert to_instant(Moment("2026-11-24T10:30:15")) is None
    assert to_instant(Moment("2026-11-24T10:30+01:00")) is None
    assert to_instant(Moment("2026-10-25T02:30:00"), "Europe/Paris") is None


@pytest.mark.parametrize(
    ("text", "expected", "ambiguous"),
    [
        ("20261025023000", "2026-10-25", True),  # the hour that comes twice
        ("20261025015959", "2026-10-25T01:59:59+02:00", False),
        ("20261025030000", "2026-10-25T03:00:00+01:00", False),
        ("20260329023000", "2026-03-29", True),  # the hour that never was
        ("20260329030000", "2026-03-29T03:00:00+02:00", False),
        ("20260329", "2026-03-29", False),
        ("20261025023000+0100", "2026-10-25T02:30:00+01:00", False),
        ("2026072410", "2026-07-24T10+02:00", False),
        ("18900101120000", "1890-01-01T12:00:00", False),  # Paris time was 9 minutes 21 seconds: no ±hh:mm says that
        ("00010101000000", "0001-01-01T00:00:00", False),
    ],
)
def test_a_zone_is_added_unless_the_clock_change_makes_it_ambiguous(text: str, expected: str, ambiguous: bool) -> None:
    assert with_zone(from_hl7(text), "Europe/Paris") == (expected, ambiguous)


def test_parts() -> None:
    assert date_of(Moment("2026-11-24T10:30+01:00")) == "2026-11-24"
    assert date_of(Moment("2026+01:00")) == "2026"
    assert time_part(Moment("2026-11-24T10:30+01:00")) == "10:30"
    assert time_part(Moment("2026-11-24")) == ""
    assert has_zone(Moment("2026-11-24T10:30+01:00"))
    assert not has_zone(Moment("2026-11-24T10:30"))
    assert not has_zone(Moment("2026-11"))


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("2026-11-24T10:30:15+01:00", "2026-11-24T09:30:15+00:00", True),
        ("2026-11-24T10:30:15.5+01:00", "2026-11-24T09:30:15.50+00:00", True),
        ("2026-11-24T10:30:15+01:00", "2026-11-24T10:30:15+00:00", False),
        ("2026-11-24", "2026-11-24T00:00:00+00:00", False),
        ("2026-11-24T10:30:15", "2026-11-24T10:30:15+01:00", True),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00", True),
    ],
)
def test_same_instant(left: str, right: str, same: bool) -> None:
    assert same_instant(Moment(left), Moment(right), "Europe/Paris") is same


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("2025", "2026-02", True),
        ("2026-02", "2025", False),
        ("2026", "2026-02", None),
        ("2026-11-24", "2026-11-25", True),
        ("2026-11-24T10:30:15+01:00", "2026-11-24T09:30:16+00:00", True),
        ("2026-11-24T10:30:15+01:00", "2026-11-24T09:30:14+00:00", False),
        ("2024-02", "2024-02-29", None),
        ("9999", "0001", False),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", True),
    ],
)
def test_order_of_moments_of_any_precision(left: str, right: str, expected: bool | None) -> None:
    assert ordered(Moment(left), Moment(right)) is expected
