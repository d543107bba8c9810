"""Texts, numbers, dates, yes or no, and coded values."""

from __future__ import annotations

import re

from connector.exchange.moments import Moment, date_of, from_hl7, to_hl7
from connector.exchange.people import Concept, Period
from connector.hl7.datatypes.said import all_said, carried, erased, put, said
from connector.hl7.escapes import format_text
from connector.hl7.message import Repetition
from connector.issues import IssueCode, Severity
from connector.mapping.language import Erase, Run, Traced

__all__ = [
    "read_cwe",
    "read_dr",
    "read_dt",
    "read_dtm",
    "read_ft",
    "read_nm",
    "read_si",
    "read_text",
    "read_vid",
    "read_yes_no",
    "write_cwe",
    "write_dr",
    "write_dt",
    "write_dtm",
    "write_ft",
    "write_nm",
    "write_si",
    "write_text",
    "write_vid",
    "write_yes_no",
]

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)", re.ASCII)


def read_text(text: str, run: Run) -> str:
    """ST, ID, IS: the text as it is said."""
    return text


def write_text(text: str, run: Run) -> str:
    """ST, ID, IS."""
    return text


def read_ft(node: Repetition, run: Run) -> str | Erase | None:
    """FT and TX, v2.6 §2.A.31: line breaks kept; highlighting and indents dropped with FORMATTING_DROPPED."""
    leaf = node.leaf()
    wire = leaf if isinstance(leaf, str) else leaf.decode(node.separators.codec)
    if not wire:
        return None
    text, dropped = format_text(wire, node.separators)
    if dropped:
        run.report(Severity.WARNING, IssueCode.FORMATTING_DROPPED)
    if isinstance(wire, Traced):
        text = Traced(text, wire.places)
    return erased(node) or text


def write_ft(text: str, node: Repetition, run: Run) -> None:
    """FT and TX: a line break is `\\.br\\`."""
    node.put(text)


def read_dtm(text: str, run: Run) -> Moment:
    """TS and DTM, v2.6 §2.A.22: as precise as given, no zone invented. Raises ValueError."""
    return Moment(carried(from_hl7(text), text))


def write_dtm(moment: Moment, run: Run) -> str:
    """TS and DTM."""
    return to_hl7(moment)


def read_dt(text: str, run: Run) -> Moment:
    """DT, v2.6 §2.A.21: a date; a time is refused. Raises ValueError."""
    if len(text) > 8:
        raise ValueError("a date")
    return Moment(carried(from_hl7(text), text))


def write_dt(moment: Moment, run: Run) -> str:
    """DT."""
    return date_of(moment).replace("-", "")


def read_dr(node: Repetition, run: Run) -> Period | Erase | None:
    """DR, v2.6 §2.A.20. Raises ValueError."""
    start, end = said(node, 1), said(node, 2)
    if start is None and end is None:
        return erased(node)
    return Period(
        start=None if start is None else read_dtm(start, run), end=None if end is None else read_dtm(end, run)
    )


def write_dr(period: Period, node: Repetition, run: Run) -> None:
    """DR."""
    put(node, None if period.start is None else to_hl7(period.start), 1)
    put(node, None if period.end is None else to_hl7(period.end), 2)


def read_nm(text: str, run: Run) -> str:
    """NM, v2.6 §2.A.47: a decimal number, digit for digit. Raises ValueError."""
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("a number")
    return text


def write_nm(number: str, run: Run) -> str:
    """NM."""
    return read_nm(number, run)


def read_si(text: str, run: Run) -> int:
    """SI, v2.6 §2.A.71: a whole number. Raises ValueError."""
    if not (text.isdigit() and text.isascii() and len(text) <= 9):
        raise ValueError("a whole number")
    return int(text)


def write_si(number: int, run: Run) -> str:
    """SI."""
    return str(number)


def read_yes_no(text: str, run: Run) -> bool:
    """ID of table 0136: Y or N. Raises ValueError."""
    if text not in {"Y", "N"}:
        raise ValueError("Y or N")
    return text == "Y"


def write_yes_no(answer: bool, run: Run) -> str:
    """ID of table 0136."""
    return "Y" if answer else "N"


def read_cwe(node: Repetition, run: Run) -> Concept | Erase | None:
    """CE, CWE and CNE, v2.6 §2.A.13: the first coding, the version of its system and the original text. A text alone is no concept."""
    code, display, system, version, text = all_said(node, 1, 2, 3, 7, 9)
    if code is None:
        return erased(node)
    if system is not None and run.context.systems is not None:
        system = carried(str(run.context.systems.canonical(system)), system)
    return Concept(code=code, display=display, system=system, version=version, text=text)


def write_cwe(concept: Concept, node: Repetition, run: Run) -> None:
    """CE, CWE and CNE; the system by its HL7 name (CWE-3 is required beside a code in France)."""
    node.put(concept.code, 1)
    put(node, concept.display, 2)
    if concept.system is not None:
        systems = run.context.systems
        node.put(concept.system if systems is None else systems.hl7(concept.system), 3)
    put(node, concept.version, 7)
    put(node, concept.text, 9)


def read_vid(node: Repetition, run: Run) -> str | Erase | None:
    """VID, v2.6 §2.A.81, `2.5` or `2.5^FRA^2.11`: the version, the country and the version of its national extension."""
    parts = [part for part in (said(node, number) for number in (1, 2, 3)) if part is not None]
    return carried("^".join(parts), *parts) if parts else erased(node)


def write_vid(version: str, node: Repetition, run: Run) -> None:
    """VID."""
    for number, part in enumerate(version.split("^")[:3], 1):
        node.put(part, number)
