"""FHIR primitives, and Period, to canonical values and back (R4 §2.24.0.1)."""

from __future__ import annotations

import hashlib
from typing import Any

import pybase64

from connector.exchange.moments import Moment, date_of, from_iso, to_iso, with_zone
from connector.exchange.people import Period
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run

__all__ = [
    "TYPES_0203",
    "moment_of",
    "period_of",
    "read_base64",
    "read_boolean",
    "read_datetime",
    "read_integer",
    "read_period",
    "read_sha1",
    "sha1_of",
    "to_datetime",
    "write_base64",
    "write_date",
    "write_datetime",
    "write_period",
    "write_same",
    "write_sha1",
]

_TABLE_0203 = """
AC ACSN AM AMA AN ANC AND ANON ANT APRN ASID BA BC BCFN BCT BR BRN BSNR CC CONM CY CZ DC DCFN DDS DEA DFN DI
DL DN DO DP DPM DR DS EI EN ESN FDR FDRFN FI FILL GI GL GN HC IND JHN LACSN LANR LI LN LR MA MB MC MCD MCN
MCR MCT MD MI MR MRT MS NBSNR NCT NE NH NI NII NIIP NNxxx NP NPI OBI OD PA PC PCN PE PEN PHC PHE PHO PI PLAC
PN PNT PPIN PPN PRC PRN PT QA RI RN RPH RR RRI RRP SB SID SL SN SNBSN SNO SP SR SS STN TAX TN TPR TRL U UDI
UPIN USID VN VP VS WC WCN WP XV XX
"""
#: Types of HL7's table 0203 in R4 (4.0.1); a type that it does not have is text.
TYPES_0203 = frozenset(_TABLE_0203.split())

Node = dict[str, Any]


def moment_of(text: str | None) -> Moment | None:
    """A moment when there is a text."""
    return from_iso(text) if text else None


def to_datetime(moment: Moment, run: Run) -> str:
    """A FHIR dateTime in the site's zone; a clock-change hour is told and written as its day."""
    if len(moment) == 25 and moment[-3] == ":":  # to the second, with its zone: so FHIR writes it too
        return moment
    zoned, ambiguous = with_zone(moment, run.context.zone)
    if ambiguous:
        run.report(Severity.WARNING, IssueCode.DATE_AMBIGUOUS)
    return to_iso(zoned)


def period_of(start: Moment | None, end: Moment | None, run: Run) -> Node:
    """The node of a Period."""
    return {name: to_datetime(moment, run) for name, moment in (("start", start), ("end", end)) if moment is not None}


def read_period(node: Node, run: Run) -> Period | None:
    """Period, R4 §2.24.0.10."""
    start, end = moment_of(node.get("start")), moment_of(node.get("end"))
    return None if start is None and end is None else Period(start=start, end=end)


def write_period(period: Period, node: Node, run: Run) -> None:
    """Period."""
    node.update(period_of(period.start, period.end, run))


def read_datetime(text: str, run: Run) -> Moment:
    """date, dateTime, instant."""
    return from_iso(text)


def write_datetime(moment: Moment, run: Run) -> str:
    """dateTime."""
    return to_datetime(moment, run)


def write_date(moment: Moment, run: Run) -> str:
    """date."""
    return date_of(moment)


def read_base64(text: str | bytes, run: Run) -> bytes:
    """base64Binary; a tree of our own holds the bytes themselves."""
    if isinstance(text, bytes):
        return text
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        # White space is allowed in base64Binary (R4 §2.24.0.1); anything else is not.
        return pybase64.b64decode("".join(text.split()), validate=True)


def write_base64(value: bytes, run: Run) -> bytes:
    """The bytes: the codec encodes them while it writes."""
    return value


def read_sha1(text: str, run: Run) -> str:
    """Attachment.hash, SHA-1 in base64, to hex (XDS hash)."""
    digest = pybase64.b64decode(text, validate=True)
    if len(digest) != 20:
        raise ValueError("a SHA-1 in base64")
    return digest.hex()


def write_sha1(value: str, run: Run) -> str:
    """Hex to base64."""
    return pybase64.b64encode(bytes.fromhex(value)).decode("ascii")


def sha1_of(data: bytes) -> str:
    """Attachment.hash of these bytes."""
    return pybase64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode("ascii")


def read_boolean(value: Any, run: Run) -> bool:
    """boolean."""
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def read_integer(value: Any, run: Run) -> int:
    """integer, unsignedInt, positiveInt."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("a whole number")


def write_same(value: Any, run: Run) -> Any:
    """A value that JSON holds as it is."""
    return value
