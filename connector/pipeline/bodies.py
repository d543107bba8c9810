"""What a CDA that we write may hold. The five types of an unstructured body stand in it as they are; a photo of another type (PNG, HEIC)
becomes a PDF/A page of its own; anything else is refused with the list of what is accepted. A given PDF is never altered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from msgspec.structs import replace

from connector.cda.authorship import second_of
from connector.cda.document import is_cda
from connector.cda.findings import RULE
from connector.cda.sniff import BODY_TYPES, media_type_of
from connector.exchange.documents import Content, Document
from connector.exchange.model import Context, Exchange
from connector.issues import Issue, IssueCode, Outcome, Severity
from connector.mapping.language import Run
from connector.pdf.blocks import Picture, UnreadablePicture
from connector.pdf.claim import pdfa_claim
from connector.pipeline.filing import body_of
from connector.pipeline.synthesis import patient_line

__all__ = ["ACCEPTED", "PICTURES", "claim_told", "embeddable", "is_pdf", "pdf_claims"]

#: Pictures that become a page.
PICTURES = ("image/png", "image/heic")
ACCEPTED = (*BODY_TYPES, *PICTURES)
_BY = "connector/pipeline/bodies.py"


def embeddable(exchange: Exchange, run: Run, positions: Iterable[int] | None = None) -> Outcome[Exchange]:
    """The Exchange whose documents (those at `positions`, from 0) a CDA can hold. No value: BODY_TYPE or DOCUMENT_TYPE_CLASH says which cannot."""
    documents = list(exchange.documents)
    issues: list[Issue] = []
    for position in range(len(documents)) if positions is None else positions:
        made = _embeddable(exchange, position, run)
        issues += made.issues
        documents[position] = made.value or documents[position]
    return Outcome(None if issues else replace(exchange, documents=tuple(documents)), tuple(issues))


def _embeddable(exchange: Exchange, position: int, run: Run) -> Outcome[Document]:
    document = exchange.documents[position]
    field = "body" if document.body is not None and document.body.data is not None else "content"
    given: Content | None = getattr(document, field)
    if given is None or given.data is None or is_cda(document.content):
        return Outcome(document)
    place = f"documents[{position + 1}].{field}"
    kind = media_type_of(given.media_type, given.data)
    if kind in BODY_TYPES:
        changed = given if given.media_type == kind else replace(given, media_type=kind)
        return Outcome(replace(document, **{field: changed}))
    if kind not in PICTURES:
        issue = Issue.of(Severity.ERROR, IssueCode.BODY_TYPE, f"{place}.media_type", expected=", ".join(ACCEPTED))
        return Outcome(None, (issue,))
    try:
        page = _page(exchange, document, given.data, run.context)
    except UnreadablePicture:
        return Outcome(None, (Issue.of(Severity.ERROR, IssueCode.DOCUMENT_TYPE_CLASH, place, expected=kind),))
    run.derived(f"{place}.data", (f"{place}.data", "patient", f"documents[{position + 1}].title"), _BY)
    return Outcome(replace(document, **{field: page}))


def _page(exchange: Exchange, document: Document, picture: bytes, context: Context) -> Content:
    """The picture on a page (PDF/A-1b) with the patient above; dated as the document, so that it is the same page each time."""
    from connector.pdf.pages import pages  # what draws is loaded when a first page is drawn

    title = document.title or (document.type.display if document.type else None) or "Photo"
    created = datetime.fromisoformat(context.now)
    if document.created is not None:
        with suppress(ValueError):  # a date that is none is told where the header is written
            created = datetime.fromisoformat(second_of(document.created, context))
    data = pages(title, patient_line(exchange.patient), [Picture(picture)], created=created)
    return Content(media_type="application/pdf", data=data, size=len(data))


def pdf_claims(exchange: Exchange) -> Iterator[tuple[str, str | None]]:
    """Each PDF among the documents (alone, or the body of a CDA): its place, and what it claims to be."""
    for number, document in enumerate(exchange.documents, 1):
        found = body_of(document) or document.content
        if found is not None and is_pdf(found):
            yield f"documents[{number}]", pdfa_claim(found.data or b"")


def is_pdf(content: Content) -> bool:
    """Whether a content is there and declared, or where nothing is declared recognised, as a PDF."""
    return content.data is not None and media_type_of(content.media_type, content.data) == "application/pdf"


def claim_told(claim: str | None, place: str) -> Issue:
    """What a PDF says that it is, as `validate` and `explain` tell it: the CI-SIS wants PDF/A-1. It is read, never verified."""
    usual = claim is not None and claim.startswith("PDF/A-1")
    severity = Severity.INFORMATION if usual else Severity.WARNING
    return Issue.of(severity, IssueCode.PDF_CLAIM, place, rule=RULE, found=claim or "PDF")
