"""What the structured documents of an Exchange say inside: read where the context asks for it (`options.sections`), written where nothing else says it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from connector.cda.body import body, content
from connector.cda.codec import ClinicalDocument, parse
from connector.cda.document import is_cda, write_document
from connector.cda.sections import read_sections
from connector.exchange.clinical import Section
from connector.exchange.documents import Document
from connector.exchange.model import Exchange
from connector.issues import Severity
from connector.mapping.catalogue import Library
from connector.mapping.language import Run

__all__ = ["unread_entries", "with_contents", "with_sections"]


def with_sections(exchange: Exchange, run: Run, library: Library, tree: Any = None) -> Exchange:
    """The Exchange with the sections of its CDA documents, where they are asked for and not there yet; for a FHIR document also the body of an
    unstructured one. `tree`: its one document as parsed, when that is at hand. Trouble goes into the run; none of it is an error."""
    if run.context.options.get("sections") != "true":
        return exchange
    documents = tuple(
        _read(document, run, library, tree, f"documents[{number}].sections")
        for number, document in enumerate(exchange.documents, 1)
    )
    return replace(exchange, documents=documents) if documents != exchange.documents else exchange


def _read(document: Document, run: Run, library: Library, tree: Any, at: str) -> Document:
    data = document.content.data if document.content is not None else None
    if document.sections or data is None or not is_cda(document.content):
        return document
    if b"structuredBody" not in data:
        known = document.body is not None and document.body.data is not None
        closed = run.context.options.get("shape") == "document" and not known
        return replace(document, body=body(data).value or document.body) if closed else document
    clinical = tree if isinstance(tree, ClinicalDocument) and tree.raw == data else parse(data).value
    return (
        replace(document, sections=read_sections(clinical, run, library, at=at)) if clinical is not None else document
    )


def unread_entries(sections: Iterable[Section]) -> Iterator[str]:
    """The places of entries that nothing reads, over a tree of sections."""
    for section in sections:
        yield from section.unread
        yield from unread_entries(section.sections)


def with_contents(exchange: Exchange, run: Run, library: Library) -> Exchange:
    """The Exchange with each document that only its sections say (a FHIR document) written as the CDA that other destinations carry.

    What such a CDA departs from of the CI-SIS is a warning: its sender wrote no CDA.
    """
    documents = tuple(
        _written(exchange, number, run, library) if document.sections and document.content is None else document
        for number, document in enumerate(exchange.documents)
    )
    return replace(exchange, documents=documents)


def _written(exchange: Exchange, number: int, run: Run, library: Library) -> Document:
    made = write_document(exchange, run, library, position=number)
    run.issues += [replace(each, severity=min(each.severity, Severity.WARNING)) for each in made.issues]
    if made.value is None:
        return exchange.documents[number]
    return replace(exchange.documents[number], content=content(made.value, "text/xml"))
