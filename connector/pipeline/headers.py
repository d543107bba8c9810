"""Documents that are a CDA, read with the message around them.

What the header of a CDA says is the document's truth; the message fills what the header leaves open; where both speak and differ the
header stands and the difference is told with both places (CI-SIS volet 1 §1.3: OBX-3, TXA-4, TXA-22 repeat the document).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from connector.cda.document import CdaReading, is_cda, read_document
from connector.cda.sniff import agrees, sniff
from connector.exchange.documents import Content, Document
from connector.exchange.facts import Facts
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment, edges
from connector.exchange.people import Concept, Party, Patient
from connector.issues import Issue, IssueCode, Place, Severity
from connector.mapping.catalogue import Library
from connector.mapping.language import Run

__all__ = [
    "COMPARED",
    "OF_THE_MESSAGE",
    "disagreements",
    "is_to_be_read",
    "of_header",
    "overlaid",
    "patient_within",
    "read_headers",
]

#: Fields of a Document that say what is done with it here, not what the document is: the message's word wins.
OF_THE_MESSAGE = frozenset({"status", "source_application"})

#: Fields that a message may repeat, and where the header says them. `id` and `replaces` are business rules of their own (906).
COMPARED = {
    "type": "code", "title": "title", "created": "effectiveTime", "language": "languageCode", "confidentiality": "confidentialityCode",
    "set_id": "setId", "version": "versionNumber", "signer": "legalAuthenticator",
}  # fmt: skip


def read_headers(
    exchange: Exchange, facts: Facts, run: Run, library: Library, issues: list[Issue], *, hl7: bool
) -> tuple[Exchange, Facts]:
    """The Exchange with what the header of each CDA says, and the facts that the rules compare; trouble goes to `issues`, codes without a translation to the run.

    Places of a document's own trouble stand behind `documents[n].content`. Bytes that are not what they say are DOCUMENT_TYPE_CLASH (B11).
    """
    documents: list[Document] = []
    headers: list[CdaReading | None] = []
    for number, document in enumerate(exchange.documents, 1):
        header = _header(document.content, f"documents[{number}].content", run, library, issues, hl7)
        headers.append(header)
        if header is None:
            documents.append(document)
            continue
        issues += disagreements(header.document, document, number, run.context.zone)
        documents.append(overlaid(header.document, document))
    known = replace(
        facts,
        header_ids=tuple(each.document.id if each else None for each in headers),
        header_replaces=tuple(each.document.replaces if each else None for each in headers),
        header_patients=tuple(each.patient if each else None for each in headers),
    )
    return replace(exchange, documents=tuple(documents)), known


def patient_within(exchange: Exchange, run: Run, library: Library) -> Patient | None:
    """The patient whom the first CDA among the documents names: a secure mail has none of its own (IHE XDM carries him inside)."""
    for document in exchange.documents:
        if document.content is not None and document.content.data is not None and is_cda(document.content):
            read = read_document(document.content.data, Run(run.context), library, header_only=True).value
            if read is not None and read.patient is not None:
                return read.patient
    return None


def _header(
    content: Content | None, place: str, run: Run, library: Library, issues: list[Issue], hl7: bool
) -> CdaReading | None:
    if content is None or content.data is None:
        return None
    if is_to_be_read(content, hl7=hl7):
        inner = Run(run.context)
        read = read_document(content.data, inner, library)
        run.untranslated += inner.untranslated
        issues += [_inside(issue, place) for issue in read.issues]
        return read.value
    if content.media_type is not None and not agrees(content.media_type, content.data):
        issues.append(Issue.of(Severity.ERROR, IssueCode.DOCUMENT_TYPE_CLASH, place, expected=content.media_type))
    return None


def is_to_be_read(content: Content, *, hl7: bool) -> bool:
    """Whether these bytes are, or have to be, a CDA: XML of an HL7 v2 message is nothing else (volet 1, OBX-5.3)."""
    if content.data is None:
        return False
    declared = content.media_type in (None, "text/xml", "application/xml")
    return is_cda(content) or (hl7 and declared and sniff(content.data) == "text/xml")


def overlaid(header: Document, document: Document) -> Document:
    """The document as its own header says, completed by the message around it."""
    changes = {
        name: value
        for name in Document.__struct_fields__
        if (value := getattr(document, name)) is not None and value != () and not of_header(name, header)
    }
    return replace(header, **changes) if changes else header


def of_header(name: str, header: Document) -> bool:
    """Whether a field of the document is the header's to say."""
    return name not in OF_THE_MESSAGE and getattr(header, name, None) not in (None, ())


def disagreements(header: Document, document: Document, number: int, zone: str) -> Iterator[Issue]:
    """A warning for each field of the message that says another thing than the document's header: its place and the header's."""
    for name, element in COMPARED.items():
        ours, theirs = getattr(document, name), getattr(header, name)
        if ours is not None and theirs is not None and ours != theirs and not _SAME[name](ours, theirs, zone):
            other = {"rule": f"/ClinicalDocument/{element}"}
            yield Issue(Severity.WARNING, IssueCode.MAP_DISAGREES.name, Place(f"documents[{number}].{name}"), other)


def _other(_ours: Any, _theirs: Any, _zone: str) -> bool:
    return False


def _same_code(ours: Concept, theirs: Concept, _zone: str) -> bool:
    """Labels are free; a system is compared when both name one."""
    return ours.code == theirs.code and (not (ours.system and theirs.system) or ours.system == theirs.system)


def _same_moment(ours: Moment, theirs: Moment, zone: str) -> bool:
    """One of the two may be less precise."""
    (start, end), (first, last) = edges(ours, zone), edges(theirs, zone)
    return start <= last and first <= end


def _same_person(ours: Party, theirs: Party, _zone: str) -> bool:
    """An RPPS number stands alone, or as IDNPS behind the digit of its kind."""
    mine, others = ([each.value for each in party.identifiers] for party in (ours, theirs))
    return not mine or not others or any(a.endswith(b) or b.endswith(a) for a in mine for b in others)


_SAME: dict[str, Callable[[Any, Any, str], bool]] = dict.fromkeys(COMPARED, _other) | {
    "type": _same_code, "created": _same_moment, "signer": _same_person,
}  # fmt: skip


def _inside(issue: Issue, place: str) -> Issue:
    """An issue of a document within a message keeps its XPath behind the message's place."""
    return replace(issue, place=replace(issue.place, path=f"{place}{issue.place.path}"))
