"""What the fields of a result say: reference range (OBX-7), interpretation (OBX-8), a structured numeric that is no number (OBX-5)."""

from __future__ import annotations

import re

from connector.exchange.people import Concept
from connector.exchange.results import Range
from connector.hl7.datatypes.said import carried, erased, put, said
from connector.hl7.datatypes.values import read_cwe, write_cwe
from connector.hl7.message import Repetition
from connector.mapping.language import Erase, Run

__all__ = [
    "INTERPRETATION",
    "read_interpretation",
    "read_reference_range",
    "read_sn_text",
    "write_interpretation",
    "write_reference_range",
    "write_sn_text",
]

#: ObservationInterpretation of HL7 v3, which took over the codes of table 0078.
INTERPRETATION = "2.16.840.1.113883.5.83"
#: The names under which table 0078 comes.
_TABLE_0078 = frozenset({None, "HL70078", "0078", "HL7 0078", "2.16.840.1.113883.18.51"})
#: Codes of table 0078 that no cell of a terminology table can say.
_OFF_SCALE = frozenset({"<", ">"})
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_STRUCTURED = re.compile(rf"(<=|>=|<>|[<>=])?({_NUMBER})?([-+/.:])({_NUMBER})?", re.ASCII)
_BOUNDS = re.compile(rf"({_NUMBER})-({_NUMBER})|>({_NUMBER})|<({_NUMBER})", re.ASCII)


def read_reference_range(node: Repetition, run: Run) -> Range | Erase | None:
    """OBX-7, v2.6 §7.4.2.7: `low-high`, `>low` and `<high` are bounds when they are numbers; anything else is a text."""
    text = said(node, 1)
    if text is None:
        return erased(node)
    found = _BOUNDS.fullmatch(text)
    if found is None:
        return Range(text=text)
    low, high = found[1] or found[3], found[2] or found[4]
    return Range(low=low and carried(low, text), high=high and carried(high, text))


def write_reference_range(reference: Range, node: Repetition, run: Run) -> None:
    """OBX-7: the text when there is one, else the bounds."""
    low, high = reference.low, reference.high
    bounds = f"{low}-{high}" if low and high else f">{low}" if low else f"<{high}" if high else None
    put(node, reference.text or bounds, 1)


def read_interpretation(node: Repetition, run: Run) -> Concept | Erase | None:
    """OBX-8, v2.6 §7.4.2.8: a code of table 0078 as one of ObservationInterpretation; other codes as they are."""
    found = read_cwe(node, run)
    if not isinstance(found, Concept) or found.system not in _TABLE_0078 or not _known(found.code, run):
        return found
    return Concept(
        code=found.code, system=INTERPRETATION, display=found.display, version=found.version, text=found.text
    )


def write_interpretation(concept: Concept, node: Repetition, run: Run) -> None:
    """OBX-8: a code of table 0078 stands without its system (IS before v2.7)."""
    write_cwe(concept, node, run)
    if concept.system == INTERPRETATION and _known(concept.code, run):
        node.put("", 3)


def _known(code: str, run: Run) -> bool:
    find = run.context.table
    if code in _OFF_SCALE:
        return True
    return find is not None and find("interpretations").to_exchange("hl7", code) is not None


def read_sn_text(node: Repetition, run: Run) -> str | Erase | None:
    """SN, v2.6 §2.A.74, of which a Quantity and a Range hold nothing: a titre `1:128`, a grade `2+`."""
    parts = [part for part in (said(node, place) for place in (1, 2, 3, 4)) if part is not None]
    return carried("".join(parts), *parts) if parts else erased(node)


def write_sn_text(text: str, node: Repetition, run: Run) -> None:
    """SN: comparator, number, separator or suffix, number; what has another form stands whole in the first component."""
    found = _STRUCTURED.fullmatch(text)
    for place, part in enumerate(found.groups() if found else (text,), 1):
        put(node, part, place)
