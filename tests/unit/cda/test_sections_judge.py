"""A structured document of ours before the national judge: every kind of entry, with its narrative, without, and without a single id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from connector.app.national import PROFILES, NationalJudge
from connector.cda.document import read_document, write_document
from connector.exchange.clinical import Section
from connector.exchange.model import Exchange
from connector.exchange.people import Concept
from connector.issues import Severity
from connector.mapping.catalogue import Library
from connector.mapping.language import Run
from tests.unit.cda import clinical

pytestmark = pytest.mark.slow
#: Fields that an entry can do without.
_IDS = {"identifiers", "concern", "filler"}
_ENTRIES = {"Problem", "Allergy", "Medication", "Immunization", "Procedure", "Observation", "Report"}
#: The summary of the attending physician (VSM): a model that has these sections.
_TYPE = Concept(code="34133-9", system="2.16.840.1.113883.6.1", display="Synthèse")
_MODEL = "1.2.250.1.213.1.1.1.13"


def nameless(value: Any) -> Any:
    """A value whose entries have no ids."""
    if isinstance(value, tuple):
        return tuple(map(nameless, value))
    if not isinstance(value, msgspec.Struct):
        return value
    bare = _IDS if type(value).__name__ in _ENTRIES else set()
    kept = {name: nameless(getattr(value, name)) for name in value.__struct_fields__ if name not in bare}
    return type(value)(**kept)


def textless(sections: tuple[Section, ...]) -> tuple[Section, ...]:
    return tuple(replace(each, text=None) for each in sections)


SECTIONS = (*clinical.SECTIONS, clinical.BIOLOGY)


@pytest.mark.parametrize("sections", [SECTIONS, textless(SECTIONS), nameless(SECTIONS)], ids=["whole", "textless", "nameless"])  # fmt: skip
def test_a_structured_document_has_neither_error_nor_warning(
    sections: tuple[Section, ...], national_judge: NationalJudge, run: Run, library: Library, root: Path
) -> None:
    raw = (root / "tests" / "golden" / "cda" / "n1-everything" / "in.cda.xml").read_bytes()
    header = read_document(raw, run, library).value
    assert header is not None
    document = replace(header.document, content=None, body=None, templates=(_MODEL,), type=_TYPE, sections=sections)
    exchange = Exchange(documents=(document,), patient=header.patient, encounter=header.encounter)
    made = write_document(exchange, run, library)
    assert made.value is not None
    found = national_judge.judge(made.value, ("xsd", *PROFILES))
    assert [f"{each.place} {each.text('en')}" for each in found if each.severity >= Severity.WARNING] == []
