"""The unstructured body of a CDA N1: found in the header's tree, checked without being kept, decoded when somebody asks."""

from __future__ import annotations

import hashlib

from connector.cda.codec import ClinicalDocument, parse
from connector.cda.findings import RULE
from connector.cda.sniff import BODY_TYPES, agrees
from connector.cda.tree import Base64Text, Element
from connector.exchange.documents import Content
from connector.issues import Issue, IssueCode, Outcome, Severity

__all__ = ["PLACE", "body", "check", "content"]

PLACE = "/ClinicalDocument/component/nonXMLBody/text"


def content(data: bytes, media_type: str | None) -> Content:
    """A Content with its size and hashes (SHA-1 is what XDS and FHIR ask for, SHA-256 is how the journal finds it)."""
    sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    return Content(media_type=media_type, data=data, size=len(data), sha1=sha1, sha256=hashlib.sha256(data).hexdigest())


def _text(document: ClinicalDocument) -> Element | None:
    return document.header.find("component/nonXMLBody/text")


def body(source: ClinicalDocument | bytes) -> Outcome[Content]:
    """The decoded body (a PDF…) of a document, or of its bytes. No value and no ERROR: it has none (a structured document).

    ERROR DOCUMENT_ENCODING with the offset when it is not base64; DOCUMENT_TYPE_CLASH when it is not of its declared type.
    """
    if isinstance(source, ClinicalDocument):
        document = source
    else:
        read = parse(source)
        if read.value is None:
            return Outcome(None, read.issues)
        document = read.value
    text = _text(document)
    if text is None or text.text is None:
        return Outcome(None)
    media_type = text.get("mediaType")
    if not isinstance(text.text, Base64Text):
        return Outcome(content(text.text.encode("utf-8"), media_type or "text/plain"))
    try:
        data = text.text.decode()
    except ValueError as error:
        return Outcome(None, (_encoding(error),))
    if media_type is not None and not agrees(media_type, data):
        return Outcome(None, (_clash(media_type),))
    return Outcome(content(data, media_type))


def check(document: ClinicalDocument, usual: Severity) -> list[Issue]:
    """What is wrong with the body; departures from the CI-SIS are `usual`, a body that is not what it says is an ERROR (B11)."""
    text = _text(document)
    if text is None:
        if document.structured is None and document.header.find("component") is not None:
            expected = "nonXMLBody/text | structuredBody"
            return [Issue.of(usual, IssueCode.CDA_MISSING, "/ClinicalDocument/component", rule=RULE, expected=expected)]
        return []
    issues: list[Issue] = []
    media_type = text.get("mediaType")
    if media_type is None or media_type.partition(";")[0].strip().lower() not in BODY_TYPES:
        issues.append(
            Issue.of(usual, IssueCode.CDA_VALUE, f"{PLACE}/@mediaType", rule=RULE, expected=", ".join(BODY_TYPES))
        )
    if not isinstance(text.text, Base64Text):
        issues.append(Issue.of(usual, IssueCode.CDA_BODY, PLACE, rule=RULE, expected="@representation=B64, base64"))
        return issues
    try:
        head = text.text.head()
    except ValueError as error:
        return [*issues, _encoding(error)]
    if media_type is not None and not agrees(media_type, head):
        issues.append(_clash(media_type))
    return issues


def _encoding(error: ValueError) -> Issue:
    offset = str(error).rpartition(" ")[2]
    return Issue.of(Severity.ERROR, IssueCode.DOCUMENT_ENCODING, PLACE, rule=RULE, offset=offset)


def _clash(media_type: str) -> Issue:
    # The declared type is named only when it is one of the list: it is text of the message.
    named = media_type if media_type in BODY_TYPES else "@mediaType"
    return Issue.of(Severity.ERROR, IssueCode.DOCUMENT_TYPE_CLASH, PLACE, rule=RULE, expected=named)
