"""A CDA for people: its header as a table, its sections, its body; as one HTML page that can do nothing, or as PDF/A pages."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from connector.cda.body import body
from connector.cda.codec import ClinicalDocument
from connector.cda.rendering import as_html, as_text
from connector.cda.tree import NAMESPACES
from connector.exchange.documents import Content, Document
from connector.exchange.identifiers import ins_of
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, Organization, Party, Patient
from connector.issues import Issue, Outcome
from connector.pdf.blocks import Block, Heading, Paragraph
from connector.pdf.claim import pdfa_claim
from connector.pipeline.synthesis import moment, patient_line, spoken
from connector.pipeline.translate import Translator

__all__ = ["Part", "View", "html_page", "pdf_pages", "view"]

_V3 = "{" + NAMESPACES[""] + "}"
#: A chain of sections deeper than this is shown flat.
_DEEP = 12
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;overflow-wrap:anywhere}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #ccc}h3,h4{font-size:1rem}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}
.head th{font-weight:600;background:#f4f4f4;width:14rem}.b{font-weight:700}.i{font-style:italic}.u{text-decoration:underline}
.caption{font-weight:600;display:block}img{max-width:100%}object{width:100%;height:80vh;border:1px solid #ccc}"""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A section: its title, its narrative as HTML and as text, its place in the tree (1 = top)."""

    title: str
    code: str | None
    level: int
    html: str
    text: str


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown. `head`: (label, value) rows, in French; `body`: what a nonXMLBody holds; `issues`: what the reader met."""

    title: str
    patient: str
    head: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    body: Content | None
    issues: tuple[Issue, ...]


def view(raw: bytes, translator: Translator, context: Context) -> Outcome[View]:
    """Read a CDA for showing. No value: it cannot be read, and the issues say why."""
    reading = translator.read(raw, "cda", context, rules=False)
    clinical, exchange = reading.tree, reading.exchange
    if not isinstance(clinical, ClinicalDocument) or exchange is None:
        return Outcome(None, reading.issues)
    document = exchange.documents[0] if exchange.documents else Document()
    inner = body(clinical)
    parts = tuple(_parts(clinical.structured, 1)) if clinical.structured is not None else ()
    head = [*_head(exchange, document), *_embedded(inner.value)]
    made = View(
        title=document.title or (document.type.display if document.type else None) or "Document",
        patient=patient_line(exchange.patient), head=tuple(head), parts=parts, body=inner.value,
        issues=(*reading.issues, *inner.issues),
    )  # fmt: skip
    return Outcome(made, made.issues)


def _head(exchange: Exchange, document: Document) -> Iterator[tuple[str, str]]:
    rows: list[tuple[str, str | None]] = [
        ("Patient", patient_line(exchange.patient)),
        ("Matricule INS", _matricule(exchange.patient)),
        ("Type", _concept(document.type)),
        ("Date", _moment(document.created)),
        *(("Auteur", _who(author)) for author in document.authors),
        ("Responsable légal", _who(document.signer)),
        *(("Validé par", _who(each)) for each in document.authenticators),
        ("Conservé par", _organization(document.custodian)),
        *(("Destinataire", _who(each)) for each in document.recipients),
        *(("Informateur", _who(each)) for each in document.informants),
        *(("Acte", " — ".join(filter(None, (_concept(act.code), _who(act.performer))))) for act in document.acts),
        ("Confidentialité", document.confidentiality),
        ("Langue", document.language),
        ("Version", document.version),
        ("Remplace", document.replaces),
        ("Identifiant", document.id),
    ]
    return ((label, value) for label, value in rows if value)


def _embedded(content: Content | None) -> Iterator[tuple[str, str]]:
    """What an embedded PDF says that it is; the claim is told, not verified."""
    if content is not None and content.media_type == "application/pdf" and content.data is not None:
        yield "PDF embarqué", pdfa_claim(content.data) or "sans déclaration PDF/A"


def _matricule(patient: Patient | None) -> str | None:
    found = ins_of(patient) if patient is not None else None
    return f"{found.value} ({found.system})" if found is not None else None


def _concept(value: Concept | None) -> str | None:
    return f"{value.display or value.text or ''} ({value.code})".strip() if value is not None else None


def _moment(value: Moment | None) -> str | None:
    return moment(value) if value is not None else None


def _who(party: Party | None) -> str | None:
    if party is None:
        return None
    role = _concept(party.specialty)
    at = f"le {moment(party.time)}" if party.time else None
    return ", ".join(filter(None, (spoken(party), role, at)))


def _organization(value: Organization | None) -> str | None:
    if value is None:
        return None
    return value.name or next((each.value for each in value.identifiers), None)


def _parts(node: Any, level: int) -> Iterator[Part]:
    for component in node.iterfind(_V3 + "component"):
        section = component.find(_V3 + "section")
        if section is None:
            continue
        title, code, text = (section.find(_V3 + name) for name in ("title", "code", "text"))
        yield Part(
            title="".join(title.itertext()).strip() if title is not None else "",
            code=code.get("code") if code is not None else None,
            level=min(level, _DEEP),
            html=as_html(text) if text is not None else "",
            text=as_text(text) if text is not None else "",
        )
        yield from _parts(section, level + 1)


# --- drawn


def html_page(shown: View) -> str:
    """One page with everything inside and a policy that lets nothing run or be fetched; an embedded PDF is shown by the browser's own viewer."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; object-src data:; frame-src data:; base-uri 'none'; form-action 'none'"
    rows = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in shown.head)
    parts = "".join(_drawn(part) for part in shown.parts)
    return (
        f'<!doctype html>\n<html lang="fr"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="referrer" content="no-referrer"><title>{html.escape(shown.title)}</title><style>{_STYLE}</style></head>'
        f'<body><h1>{html.escape(shown.title)}</h1><table class="head">{rows}</table>{parts}{_body(shown.body)}</body></html>\n'
    )


def _drawn(part: Part) -> str:
    tag = f"h{min(part.level + 1, 6)}"
    return f"<section><{tag}>{html.escape(part.title)}</{tag}>{part.html}</section>"


def _body(content: Content | None) -> str:
    if content is None or content.data is None:
        return ""
    media = content.media_type or "application/octet-stream"
    if media.startswith("text/"):
        return f"<pre>{html.escape(content.data.decode('utf-8', 'replace'))}</pre>"
    data = f"data:{media};base64,{base64.b64encode(content.data).decode()}"
    if media in ("image/jpeg", "image/png", "image/gif"):
        return f'<p><img alt="" src="{data}"></p>'
    if media == "application/pdf":
        return f'<h2>Document</h2><object type="application/pdf" data="{data}">PDF, {content.size} o</object>'
    return f"<p>{html.escape(media)}, {content.size} o</p>"


def pdf_pages(shown: View, *, created: datetime) -> bytes:
    """The header and the narrative as PDF/A pages; an embedded document is named, and given as it is by `View.body`."""
    from connector.pdf.pages import pages  # what draws is loaded when a first page is drawn

    return pages(shown.title, shown.patient, _blocks(shown), created=created)


def _blocks(shown: View) -> Iterator[Block]:
    for label, value in shown.head:
        yield Paragraph(f"{label} : {value}", note=True)
    for part in shown.parts:
        yield Heading(part.title or part.code or "Section")
        if part.text:
            yield Paragraph(part.text)
    if shown.body is not None:
        if (shown.body.media_type or "").startswith("text/") and shown.body.data is not None:
            yield Paragraph(shown.body.data.decode("utf-8", "replace"))
        else:
            yield Paragraph(f"Document embarqué : {shown.body.media_type}, {shown.body.size} octets", note=True)
