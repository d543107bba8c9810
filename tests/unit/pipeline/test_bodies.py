"""What a CDA may hold: five types as they are, photos as a PDF/A page, and nothing else."""

from __future__ import annotations

import base64
import io

import pytest
from msgspec.structs import replace
from PIL import Image

from connector.cda.body import body
from connector.exchange.documents import Content
from connector.exchange.model import Exchange
from connector.exchange.people import Concept
from connector.exchange.teleexpertise import Step
from connector.issues import Issue, Outcome, Severity, worst
from connector.pdf.claim import pdfa_claim
from connector.pipeline.bodies import ACCEPTED, pdf_claims
from connector.pipeline.formats import exchange_parse
from tests.golden.journeys_kit import ROOT, context, translator

#: 64 × 64 points of one colour, HEVC.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAVZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAAB"
    "egABAAAAAAAAABkAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA1mlwcnAAAAC3aXBjbwAAAHhodmNDAQNwAAAAkAAAAAAA"
    "HvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqSSmubgIaDAgAAAMAyAAAAwAIQGIAAQAHRAHB"
    "crAiQAAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAABBwaXhpAAAAAAMICAgAAAAXaXBtYQAAAAAAAAABAAEEgQIDBAAAACFtZGF0AAAAFSgB"
    "rwUY/TslqrdHxvTHwfTl1HbDwA=="
)
DOCX = b"PK\x03\x04" + bytes(60)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n"


def picture(kind: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 120, 90)).save(made, kind)
    return made.getvalue()


def sample(name: str, content: Content) -> Exchange:
    """An example of the exchange profile whose first document has this content."""
    made = exchange_parse((ROOT / "tests" / "golden" / "exchanges" / name / "exchange.json").read_bytes()).value
    assert made is not None
    return replace(made, documents=(replace(made.documents[0], content=content, body=None), *made.documents[1:]))


def written(content: Content, to: str = "cda", name: str = "document") -> Outcome[bytes]:
    return translator().write(sample(name, content), to, context())


def errors(issues: tuple[Issue, ...]) -> list[tuple[str, str]]:
    return [(issue.code, issue.place.path) for issue in issues if issue.severity >= Severity.ERROR]


@pytest.mark.parametrize(
    ("declared", "kept", "data"),
    [
        ("application/pdf", "application/pdf", PDF),
        ("image/jpeg", "image/jpeg", picture("JPEG")),
        ("image/jpg", "image/jpeg", picture("JPEG")),
        ("image/tiff", "image/tiff", picture("TIFF")),
        ("application/rtf", "text/rtf", b"{\\rtf1 Bonjour}"),
        ("text/plain; charset=utf-8", "text/plain", "Élève à Nîmes".encode()),
        (None, "application/pdf", PDF),
        ("application/octet-stream", "image/tiff", picture("TIFF")),
    ],
)
def test_five_types_stand_in_a_document_byte_for_byte(declared: str | None, kept: str, data: bytes) -> None:
    made = written(Content(media_type=declared, data=data))
    assert made.value is not None
    assert errors(made.issues) == []
    found = body(made.value).value
    assert found is not None
    assert (found.media_type, found.data) == (kept, data)


@pytest.mark.parametrize(
    ("declared", "data"),
    [("image/png", picture("PNG")), (None, picture("PNG")), ("image/heic", HEIC), ("image/heif", HEIC), (None, HEIC)],
)
def test_a_photo_becomes_a_page_of_the_patient(declared: str | None, data: bytes) -> None:
    made, again = written(Content(media_type=declared, data=data)), written(Content(media_type=declared, data=data))
    assert made.value is not None
    assert errors(made.issues) == []
    found = body(made.value).value
    assert found is not None
    assert found.data is not None
    assert (found.media_type, pdfa_claim(found.data)) == ("application/pdf", "PDF/A-1B")
    assert b"/Image" in found.data
    assert again.value == made.value, "the same photo is the same document"


@pytest.mark.parametrize("to", ["cda", "hl7"])
@pytest.mark.parametrize(
    ("declared", "data"),
    [
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", DOCX),
        ("text/html", b"<html><body>x</body></html>"),
        ("image/gif", b"GIF89a" + bytes(20)),
        (None, DOCX),
    ],
)
def test_anything_else_is_refused_with_what_is_accepted(declared: str | None, data: bytes, to: str) -> None:
    made = written(Content(media_type=declared, data=data), to)
    assert made.value is None
    refused = made.issues[0]
    assert (refused.code, refused.place.path) == ("BODY_TYPE", "documents[1].content.media_type")
    for language in ("fr", "en"):
        assert all(kind in refused.text(language) for kind in ACCEPTED)


@pytest.mark.parametrize("to", ["cda", "hl7"])
def test_a_picture_that_is_none_is_refused(to: str) -> None:
    made = written(Content(media_type="image/png", data=picture("PNG")[:30]), to)
    assert made.value is None
    assert (made.issues[0].code, made.issues[0].place.path) == ("DOCUMENT_TYPE_CLASH", "documents[1].content")


def test_a_photo_attached_to_a_request_is_a_page_and_a_letter_of_a_word_processor_refuses_it() -> None:
    def request(content: Content) -> Outcome[bytes]:
        made = sample("teleexpertise", content)
        assert made.teleexpertise is not None
        asked = replace(made.teleexpertise, steps=(Step(state="demandee"),), opinion=None)
        kind = Concept(code="52040-3", system="2.16.840.1.113883.6.1", display="Image")
        document = replace(made.documents[0], content=content, type=kind)
        return translator().write(replace(made, teleexpertise=asked, documents=(document,)), "cda", context())

    made = request(Content(media_type="image/png", data=picture("PNG")))
    assert made.value is not None
    assert worst(made.issues) < Severity.ERROR, made.issues
    assert b'mediaType="application/pdf" representation="B64">JVBERi0' in made.value
    refused = request(Content(media_type="application/msword", data=DOCX))
    assert (refused.value, errors(refused.issues)) == (None, [("BODY_TYPE", "documents[1].content.media_type")])


def test_what_the_pdfs_of_an_exchange_claim_is_found_in_a_cda_too() -> None:
    claiming = PDF + b'<x pdfaid:part="3" pdfaid:conformance="B"/>'
    made = sample("document", Content(media_type="application/pdf", data=claiming))
    whole = translator().write(made, "cda", context()).value
    assert whole is not None
    inside = sample("document", Content(media_type="text/xml", data=whole))
    text = sample("document", Content(media_type="text/plain", data=b"abc"))
    assert [list(pdf_claims(each)) for each in (made, inside, text)] == [
        [("documents[1]", "PDF/A-3B")], [("documents[1]", "PDF/A-3B")], [],
    ]  # fmt: skip
