"""What always holds of moments, identifiers, ids and document bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.exchange import identifiers, ids
from connector.exchange.content import attach, detach
from connector.exchange.documents import Content, Document
from connector.exchange.identity import folded
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import (
    Moment,
    from_hl7,
    from_iso,
    ordered,
    precision,
    same_instant,
    to_hl7,
    to_iso,
    with_zone,
)
from connector.exchange.people import Identifier

QUICK = settings(max_examples=150, deadline=None)
CONTEXT = Context(now=Moment("2026-11-24T10:00:00+01:00"))

ZONES = st.integers(-12 * 60, 14 * 60).map(
    lambda minutes: f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
)
STAMPS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30))


@st.composite
def dtm(draw: st.DrawFn) -> str:
    """A possible DTM of any precision."""
    stamp = draw(STAMPS)
    full = f"{stamp.year:04d}{stamp:%m%d%H%M%S}"
    digits = full[: draw(st.sampled_from([4, 6, 8, 10, 12, 14]))]
    if len(digits) == 14 and draw(st.booleans()):
        digits += "." + draw(st.text("0123456789", min_size=1, max_size=4))
    return digits + draw(st.one_of(st.just(""), ZONES))


@QUICK
@given(dtm())
def test_what_is_read_from_hl7_is_written_the_same(text: str) -> None:
    moment = from_hl7(text)
    assert to_hl7(moment) == text.replace("-0000", "+0000")
    assert from_iso(moment) == moment


@QUICK
@given(dtm())
def test_a_moment_is_never_made_more_precise_by_fhir(text: str) -> None:
    moment = from_hl7(text)
    back = from_iso(to_iso(moment))
    assert back.startswith(str(moment)[:4])
    if precision(moment) not in ("minute", "second", "fraction"):
        assert precision(back) in ("year", "month", "day")


@QUICK
@given(st.text(alphabet="0123456789+-.:TZ ", max_size=24))
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    for read in (from_hl7, from_iso):
        try:
            moment = read(text)
        except ValueError:
            continue
        assert from_iso(moment) == moment
        assert from_hl7(to_hl7(moment)) == moment or len(moment) > 24
        assert same_instant(moment, moment)


@QUICK
@given(st.datetimes(datetime(1950, 1, 1), datetime(2030, 12, 31)).map(lambda stamp: stamp.replace(microsecond=0)))
def test_a_local_time_in_its_zone_is_the_instant_that_python_knows(local: datetime) -> None:
    moment, ambiguous = with_zone(from_iso(local.isoformat()), "Europe/Paris")
    if ambiguous:
        assert moment == local.date().isoformat()
    else:
        assert datetime.fromisoformat(moment).replace(tzinfo=None) == local


@QUICK
@given(STAMPS, STAMPS, st.integers(-720, 840))
def test_order_agrees_with_the_calendar(left: datetime, right: datetime, minutes: int) -> None:
    left, right = left.replace(microsecond=0), right.replace(microsecond=0)
    zoned = left.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = left - timedelta(minutes=minutes) - right
    assert ordered(from_iso(zoned.isoformat()), from_iso(right.replace(tzinfo=UTC).isoformat())) is (
        expected <= timedelta(0)
    )


FIRST_13 = st.one_of(
    st.from_regex(r"\A[123478][0-9]{4}(0[1-9]|[1-9][0-9])[0-9]{6}\Z"),
    st.from_regex(r"\A[12][0-9]{4}2[AB][0-9]{6}\Z"),
).filter(str.isascii)


@QUICK
@given(FIRST_13)
def test_a_matricule_with_its_key_is_well_formed_and_no_other_key_is(first: str) -> None:
    key = identifiers.nir_key(first)
    assert 1 <= int(key) <= 97
    parts = identifiers.matricule(first + key)
    assert first == first[0] + parts.year + first[3:5] + parts.department + parts.commune + parts.order
    other = f"{(int(key) % 97) + 1:02d}"
    with pytest.raises(ValueError):
        identifiers.matricule(first + other)


@QUICK
@given(FIRST_13, st.integers(0, 12), st.sampled_from("0123456789"))
def test_one_wrong_digit_breaks_the_key(first: str, position: int, digit: str) -> None:
    wrong = first[:position] + digit + first[position + 1 :]
    if wrong == first or position in (0, 5, 6) or wrong[0] not in "123478":
        return
    with pytest.raises(ValueError):
        identifiers.matricule(wrong + identifiers.nir_key(first))


@QUICK
@given(st.text("0123456789", min_size=1, max_size=14), st.integers(0, 13), st.sampled_from("0123456789"))
def test_luhn_finds_one_wrong_digit(body: str, position: int, digit: str) -> None:
    whole = next(body + last for last in "0123456789" if identifiers.luhn(body + last))
    position %= len(whole)
    wrong = whole[:position] + digit + whole[position + 1 :]
    assert identifiers.luhn(wrong) is (wrong == whole)


KINDS = [None, "PI", "VN", "RPPS", "ADELI", "IDNPS", "FINEG", "FINEJ", "IDNST", "SIREN", "SIRET", "INS-C", "NH"]
SYSTEMS = [identifiers.PS_IDNAT, identifiers.STRUCT_IDNAT, "1.2.3", "http://example.org/ipp"]


@QUICK
@given(st.text("0123456789A", min_size=1, max_size=15), st.sampled_from(SYSTEMS), st.sampled_from(KINDS))
def test_fhir_gives_an_identifier_back(value: str, system: str, kind: str | None) -> None:
    implied = identifiers.from_fhir(system, value, None).kind  # what a register says of its numbers
    given_one = Identifier(value=value, system=system, kind=kind or implied)
    written = identifiers.to_fhir(given_one)
    assert identifiers.from_fhir(written.system, written.value, written.type) == given_one


@QUICK
@given(st.sampled_from(["RPPS", "ADELI", "FINEG", "SIREN", "SIRET"]), st.data())
def test_every_writing_of_a_national_number_is_the_same_number(kind: str, data: st.DataObject) -> None:
    digits = {"RPPS": 11, "SIRET": 14}.get(kind, 9)
    value = data.draw(st.text("0123456789", min_size=digits, max_size=digits))
    oid = identifiers.PS_IDNAT if kind in ("RPPS", "ADELI") else identifiers.STRUCT_IDNAT
    bare = Identifier(value=value, system=oid, kind=kind)
    root, extension = identifiers.to_cda(bare)
    assert root == oid
    assert identifiers.same(bare, identifiers.from_cda(root, extension))
    assert identifiers.normalise(identifiers.national(identifiers.normalise(bare))) == identifiers.normalise(bare)


@QUICK
@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_two_keys_make_one_id_only_when_they_are_equal(left: list[str], right: list[str]) -> None:
    assert (ids.derived(CONTEXT, "x", *left) == ids.derived(CONTEXT, "x", *right)) is (left == right)


@QUICK
@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.binary(max_size=8)), st.one_of(st.none(), st.binary(max_size=8))), max_size=4
    )
)
def test_bytes_come_back_after_they_left(contents: list[tuple[bytes | None, bytes | None]]) -> None:
    documents = tuple(Document(content=Content(data=data), body=Content(data=body)) for data, body in contents)
    without, kept = detach(Exchange(documents=documents))
    back = attach(without, kept.__getitem__)
    assert [(each.content and each.content.data, each.body and each.body.data) for each in back.documents] == contents


@QUICK
@given(st.text(max_size=12))
def test_folding_a_name_twice_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)
