"""Sections as bytes and back, for the tests of sections."""

from __future__ import annotations

from typing import Any

from connector.cda.codec import ClinicalDocument, parse, serialise
from connector.cda.sections import read_sections, write_sections
from connector.cda.tree import Element
from connector.exchange.clinical import Section
from connector.mapping.language import Run

BODY = "/ClinicalDocument/component/structuredBody"


def parsed(raw: bytes) -> ClinicalDocument:
    """A document that can be read."""
    read = parse(raw)
    assert read.value is not None, read.issues
    return read.value


def around(body: str) -> bytes:
    """A document with these components of a structuredBody."""
    return (
        '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><component><structuredBody>'
        f"{body}</structuredBody></component></ClinicalDocument>"
    ).encode()


def section(inside: str) -> bytes:
    """A document with one section."""
    return around(f"<component><section>{inside}</section></component>")


def read(raw: bytes, run: Run, library: Any) -> tuple[Section, ...]:
    """The sections of a document."""
    return read_sections(parsed(raw), run, library)


def written(sections: tuple[Section, ...], run: Run, library: Any) -> bytes:
    """A document with these sections."""
    document = Element("ClinicalDocument")
    document.add("component").children.append(write_sections(sections, run, library))
    return serialise(document)


def again(sections: tuple[Section, ...], run: Run, library: Any) -> tuple[Section, ...]:
    """Written, then read."""
    return read(written(sections, run, library), run, library)
