"""A partial date with its zone, in ISO notation; HL7 (v2 DTM/TS, CDA TS) and FHIR notations, both ways.

The canonical text is as precise as what was given and holds no zone that was not given:
`YYYY[-MM[-DD[Thh[:mm[:ss[.f…]]]]]][±hh:mm]`. UTC is written `+00:00`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Literal, NewType
from zoneinfo import ZoneInfo

__all__ = [
    "Moment",
    "Precision",
    "date_of",
    "edges",
    "from_hl7",
    "from_iso",
    "has_zone",
    "ordered",
    "precision",
    "same_instant",
    "time_part",
    "to_hl7",
    "to_instant",
    "to_iso",
    "with_zone",
]

Moment = NewType("Moment", str)
Precision = Literal["year", "month", "day", "hour", "minute", "second", "fraction"]

_DAYS = {
    "01": "31", "02": "29", "03": "31", "04": "30", "05": "31", "06": "30",
    "07": "31", "08": "31", "09": "30", "10": "31", "11": "30", "12": "31",
}  # fmt: skip
_TAIL = re.compile(r"(\.[0-9]{1,9})?([+-][0-9]{4})?", re.ASCII)
_ISO = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:T([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,9})?)?)?)?)?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)


def from_hl7(text: str) -> Moment:
    """Read `YYYY[MM[DD[HH[MM[SS[.S…]]]]]][±ZZZZ]` (v2 DTM §2.A.22, CDA TS). Raises ValueError when it is no possible moment."""
    size = len(text)
    if (size == 14 or size == 8) and text.isdigit() and text.isascii():
        day = _day(text[:4], text[4:6], text[6:8])
        if size == 8:
            return Moment(day)
        return Moment(f"{day}T{_clock(text[8:10], text[10:12], text[12:14])}")
    if size == 19 and text[14] in "+-" and text[:14].isdigit() and text[15:].isdigit() and text.isascii():
        zone = _zone(f"{text[14:17]}:{text[17:]}")
        return Moment(f"{_day(text[:4], text[4:6], text[6:8])}T{_clock(text[8:10], text[10:12], text[12:14])}{zone}")
    head = len(_DIGITS.match(text)[0])  # type: ignore[index]  # the pattern matches the empty text too
    tail = _TAIL.fullmatch(text, head)
    if tail is None or (tail[1] and head != 14):
        raise ValueError("not a DTM")
    return Moment(_from_digits(text[:head]) + (tail[1] or "") + _zone_from_hl7(tail[2]))


_DIGITS = re.compile(r"[0-9]*", re.ASCII)


def _from_digits(digits: str) -> str:
    size = len(digits)
    if size >= 8:
        day = _day(digits[:4], digits[4:6], digits[6:8])
        if size == 8:
            return day
        if size == 14:
            return f"{day}T{_clock(digits[8:10], digits[10:12], digits[12:14])}"
        if size == 12:
            return f"{day}T{_clock(digits[8:10], digits[10:12], '00')[:5]}"
        if size == 10:
            return f"{day}T{_clock(digits[8:10], '00', '00')[:2]}"
    elif size == 6:
        return _day(digits[:4], digits[4:], "01")[:7]
    elif size == 4:
        return _day(digits, "01", "01")[:4]
    raise ValueError("not a DTM")


def _day(year: str, month: str, day: str) -> str:
    last = _DAYS.get(month)
    if last is None or not "01" <= day <= last or year == "0000":
        raise ValueError("impossible date")
    if day == "29" and month == "02" and not _leap(int(year)):
        raise ValueError("impossible date")
    return f"{year}-{month}-{day}"


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _clock(hour: str, minute: str, second: str) -> str:
    if hour > "23" or minute > "59" or second > "59":
        raise ValueError("impossible time")
    return f"{hour}:{minute}:{second}"


def _zone_from_hl7(zone: str | None) -> str:
    return _zone(f"{zone[:3]}:{zone[3:]}") if zone else ""


def _zone(zone: str) -> str:
    # Real offsets lie between -12:00 and +14:00; FHIR allows 14:00 on both sides (dateTime, R4).
    if zone[4:] > "59" or not zone[1:] <= "14:00":
        raise ValueError("impossible zone")
    return "+00:00" if zone == "-00:00" else zone


def to_hl7(moment: Moment) -> str:
    """Write as DTM, as precise as it is; a fraction beyond the four digits that DTM has is cut."""
    body, zone = _split(moment)
    if len(body) > 24:
        body = body[:24]
    return body.replace("-", "").replace("T", "").replace(":", "") + zone.replace(":", "")


def _split(moment: str) -> tuple[str, str]:
    """The moment without its zone, and its zone ("" when it has none)."""
    if moment[-1:] == "Z":
        return moment[:-1], "+00:00"
    # A zone ends in [+-]hh:mm; a local time ends in Thh:mm or :ss, where the sixth character from the end is never a sign.
    if len(moment) > 9 and moment[-3] == ":" and moment[-6] in "+-":
        return moment[:-6], moment[-6:]
    return moment, ""


def from_iso(text: str) -> Moment:
    """Read a FHIR date, dateTime or instant, or a canonical moment. Raises ValueError when it is no possible moment."""
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError("not an ISO date")
    year, month, day, hour, minute, second, _fraction, zone = found.groups()
    _day(year, month or "01", day or "01")
    _clock(hour or "00", minute or "00", second or "00")
    if zone is None:
        return Moment(str(text))
    return Moment(text[: -len(zone)] + ("+00:00" if zone == "Z" else _zone(zone)))


def to_iso(moment: Moment, zone: str | None = None) -> str:
    """Write as FHIR dateTime (R4): a time has seconds and a zone.

    A minute gets `:00`, as FHIR allows. A time to the hour, or one without zone (when `zone`, an IANA name, does not give one), is
    written as its date: nothing is invented. A zone on a date has no place in FHIR and is dropped.
    """
    body, offset = _split(moment)
    if len(body) <= 10:
        return body
    if not offset and zone is not None:
        body, offset = _split(with_zone(moment, zone)[0])
    if not offset or len(body) < 16:
        return body[:10]
    return (body if len(body) > 16 else body + ":00") + offset


def to_instant(moment: Moment, zone: str | None = None) -> str | None:
    """Write as FHIR instant, or None when the moment is less precise than a second or no zone is known."""
    body, offset = _split(moment)
    if len(body) < 19:
        return None
    if not offset:
        body, offset = _split(with_zone(moment, zone)[0]) if zone is not None else (body, "")
    return body + offset if offset else None


def precision(moment: Moment) -> Precision:
    """How precise it is."""
    size = len(_split(moment)[0])
    return _PRECISIONS.get(size, "fraction")


_PRECISIONS: dict[int, Precision] = {4: "year", 7: "month", 10: "day", 13: "hour", 16: "minute", 19: "second"}


def has_zone(moment: Moment) -> bool:
    """Whether a zone was given."""
    return _split(moment)[1] != ""


def date_of(moment: Moment) -> str:
    """The date part as it was given, `YYYY[-MM[-DD]]`: a FHIR date."""
    return _split(moment)[0][:10]


def time_part(moment: Moment) -> str:
    """The time part as it was given, `hh[:mm[:ss[.f…]]]`, or ""."""
    return _split(moment)[0][11:]


def with_zone(moment: Moment, zone: str) -> tuple[Moment, bool]:
    """Add the offset that the IANA `zone` had at a local time without one; dates and zoned times stay as they are.

    The flag is True when the local time happened twice or never (clock change): then it is the day alone that is returned,
    and the caller reports DATE_AMBIGUOUS.
    """
    body, offset = _split(moment)
    if offset or len(body) <= 10:
        return moment, False
    found = _offset(body[:16], zone)
    if found is None:
        return Moment(body[:10]), True
    return Moment(body + found), False


@lru_cache(maxsize=4096)
def _offset(minute: str, zone: str) -> str | None:
    """The offset at a local minute: None when it is ambiguous or missing, "" when it cannot be written as ±hh:mm (before standard time)."""
    local = datetime.fromisoformat(minute if len(minute) == 16 else minute + ":00").replace(tzinfo=ZoneInfo(zone))
    early, late = local.utcoffset(), local.replace(fold=1).utcoffset()
    if early is None or early != late:
        return None
    minutes, rest = divmod(int(early.total_seconds()), 60)
    if rest:
        return ""
    hours, minutes = divmod(abs(minutes), 60)
    return f"{'-' if early < timedelta(0) else '+'}{hours:02d}:{minutes:02d}"


def _interval(moment: Moment, zone: str) -> tuple[datetime, datetime]:
    """First and last microsecond that the moment may mean; a moment without zone is taken in `zone`."""
    body, offset = _split(moment)
    first = body + "0001-01-01T00:00:00"[len(body) :] if len(body) < 19 else body
    size = len(body)
    if size > 19:
        first = f"{body[:19]}.{(body[20:] + '000000')[:6]}"
    start = datetime.fromisoformat(first).replace(tzinfo=_tzinfo(offset) if offset else ZoneInfo(zone))
    return start, start + _WIDTH.get(size, timedelta(0)) if size > 7 else _end_of_period(start, size)


_WIDTH = {
    10: timedelta(hours=23, minutes=59, seconds=59),
    13: timedelta(minutes=59, seconds=59),
    16: timedelta(seconds=59),
}


def _end_of_period(start: datetime, size: int) -> datetime:
    month = 12 if size == 4 else start.month
    day = 29 if month == 2 and _leap(start.year) else 28 if month == 2 else int(_DAYS[f"{month:02d}"])
    return start.replace(month=month, day=day, hour=23, minute=59, second=59)


def _tzinfo(offset: str) -> timezone:
    minutes = int(offset[1:3]) * 60 + int(offset[4:])
    return UTC if minutes == 0 else timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def same_instant(left: Moment, right: Moment, zone: str = "UTC") -> bool:
    """Whether both name the same time with the same precision, whatever their zones; local ones are taken in `zone`."""
    if left == right:
        return True
    return precision(left) == precision(right) and _utc(left, zone) == _utc(right, zone)


def ordered(left: Moment, right: Moment, zone: str = "UTC") -> bool | None:
    """True when `left` surely is not after `right`, False when it surely is, None when their precision cannot tell."""
    left_start, left_end = (_shift(edge) for edge in _interval(left, zone))
    right_start, right_end = (_shift(edge) for edge in _interval(right, zone))
    if left_end <= right_start:
        return True
    if left_start > right_end:
        return False
    return None


def edges(moment: Moment, zone: str = "UTC") -> tuple[float, float]:
    """First and last second that the moment may mean, since 1970 in UTC; one without zone is taken in `zone`."""
    start, end = _interval(moment, zone)
    return _shift(start).total_seconds(), _shift(end).total_seconds()


def _utc(moment: Moment, zone: str) -> timedelta:
    return _shift(_interval(moment, zone)[0])


def _shift(moment: datetime) -> timedelta:
    # As a distance, because converting year 1 or 9999 to UTC would leave the range of datetime.
    local = moment.replace(tzinfo=None) - _EPOCH
    return local - (moment.utcoffset() or timedelta(0))


_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # only a distance is taken from it
