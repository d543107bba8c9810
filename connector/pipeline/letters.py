"""The free text of an HPRIM letter and the file that lies beside it: what of a document a practitioner's software can show.

A text document is the text. Any other one (a PDF, an image, a structured CDA) is named by the letter and stands beside it under the
same stem.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from connector.cda.sniff import extension
from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.exchange.moments import date_of
from connector.exchange.people import Party
from connector.hprim.codec import CHARSET, writable
from connector.hprim.datatypes import party_name
from connector.hprim.letter import Node
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run
from connector.pipeline.filing import body_of, operation_of

__all__ = ["Attachment", "assemble", "attachment", "stem"]

_OUT = "connector/pipeline/letters.py"
_SAID = {"replace": "Ce document remplace un document précédent.", "delete": "Ce document est supprimé par son auteur."}


class Attachment(NamedTuple):
    """A file beside a letter."""

    name: str
    data: bytes


def stem(document: Document, operation: str) -> str:
    """The name of a letter's files without extension: the day and 16 hex digits of what the document is; nothing of the patient."""
    content = document.content
    known = (document.id or (content.sha256 if content else None) or "", document.version or "", operation)
    digest = hashlib.sha256("\x1f".join(known).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    day = date_of(document.created).replace("-", "") if document.created else ""
    return f"{day}_{digest}" if day else digest


def attachment(document: Document, operation: str) -> Attachment | None:
    """The file that the letter of a document names; None when the letter holds it as text, or there is nothing."""
    shown = _shown(document, operation)
    if shown is None or shown.data is None or _is_text(shown):
        return None
    return Attachment(f"{stem(document, operation)}.{extension(shown.media_type)}", shown.data)


def assemble(letter: Node, exchange: Exchange, run: Run) -> Node:
    """Give a letter its text, and every text a form that windows-1252 holds; what had to be transliterated is a warning."""
    sections = [_section(document, operation_of(exchange, document)) for document in exchange.documents]
    letter.put("text", "\n\n".join(section for section in sections if section))
    run.derived("text", ("documents",), _OUT)
    _made_writable(letter, "", run)
    return letter


def _made_writable(node: Node, prefix: str, run: Run) -> None:
    for name, texts in node.leaves.items():
        for number, text in enumerate(texts):
            texts[number], exact = writable(text, line=name not in ("text", "TEX"))
            if not exact:
                run.report(Severity.WARNING, IssueCode.TRANSLITERATED, prefix + name, expected=CHARSET)
    for child in node.children:
        _made_writable(child, f"{prefix}{child.name}/" if child.name in ("LAB", "RES") else prefix, run)


def _section(document: Document, operation: str) -> str:
    """Title, date, author; then the text, or the name of the file."""
    shown = _shown(document, operation)
    head = [document.title or "", _signed(document.authors)]
    if any(head):
        head.insert(1, _dated(document))
    if operation in _SAID:
        head.append(_SAID[operation])
    beside = attachment(document, operation)
    if beside is not None:
        body = f"Voir le document joint : {beside.name}"
    else:
        body = _text(shown.data) if shown is not None and shown.data is not None else ""
    return "\n\n".join(part for part in ("\n".join(line for line in head if line), body) if part)


def _dated(document: Document) -> str:
    day = date_of(document.created).split("-") if document.created else []
    return f"Date : {'/'.join(reversed(day))}" if day else ""


def _signed(authors: tuple[Party, ...]) -> str:
    names = ", ".join(name for author in authors if (name := party_name(author)))
    return f"Auteur : {names}" if names else ""


def _shown(document: Document, operation: str) -> Content | None:
    return (body_of(document) or document.content) if operation != "delete" else None


def _is_text(content: Content) -> bool:
    return (content.media_type or "").partition(";")[0].strip().lower() == "text/plain"


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
