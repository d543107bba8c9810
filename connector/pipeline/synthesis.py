"""The synthesis of a conversation: what was said, by whom and when, as a PDF/A-1b document of the patient's record."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator
from datetime import datetime

from connector.exchange.conversation import Message
from connector.exchange.documents import Content, Document
from connector.exchange.ids import derived, oid_of
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment, date_of, time_part
from connector.exchange.people import Concept, Party, Patient
from connector.pdf.blocks import Block, Heading, Paragraph, Picture

__all__ = ["day", "moment", "patient_line", "plain", "spoken", "synthesis", "synthesis_pdf"]

#: « Synthèse », of TRE_A05 (JDV_J07).
SYNTHESIS = Concept(code="SYNTH", system="1.2.250.1.213.1.1.4.12", display="Synthèse")


def synthesis(exchange: Exchange, context: Context) -> Document:
    """The document: final, version 1, written by the sender, its id made of the conversation's and of what was said. Raises UnreadablePicture."""
    data = synthesis_pdf(exchange, context)
    digest = hashlib.sha256(data).hexdigest()
    content = Content(media_type="application/pdf", data=data, size=len(data), sha256=digest)
    thread = exchange.thread.id if exchange.thread is not None else None
    name = oid_of(derived(context, "synthesis", thread or exchange.id or "", digest))
    return Document(
        id=name, set_id=name, version="1", type=SYNTHESIS, title=_title(exchange), created=context.now, language="fr-FR",
        confidentiality="N", status="final", content=content,
        authors=(exchange.sender,) if exchange.sender is not None else (),
    )  # fmt: skip


def synthesis_pdf(exchange: Exchange, context: Context) -> bytes:
    """The pages alone."""
    from connector.pdf.pages import pages  # what draws is loaded when a first page is drawn

    return pages(
        _title(exchange), patient_line(exchange.patient), _blocks(exchange), created=datetime.fromisoformat(context.now)
    )


def _title(exchange: Exchange) -> str:
    return f"Synthèse de la conversation : {exchange.subject}" if exchange.subject else "Synthèse de la conversation"


def patient_line(patient: Patient | None) -> str:
    """Birth name, given names, used name and birth date, as people say them in France."""
    if patient is None:
        return "Patient non précisé"
    named = {name.use: name for name in reversed(patient.names)}
    name = named.get("birth") or next(iter(named.values()), None)
    words = [(name.family or "") if name else "", (name.birth_given or " ".join(name.given)) if name else ""]
    usual = named.get("usual")
    if usual is not None and usual.family and usual is not name:
        words.append(f"(nom utilisé : {usual.family})")
    born = {"male": "né le", "female": "née le"}.get(patient.sex or "", "né(e) le")
    said = " ".join(filter(None, words))
    return f"{said}, {born} {day(patient.birth_date)}" if patient.birth_date else said


def _blocks(exchange: Exchange) -> Iterator[Block]:
    thread = exchange.thread
    if thread is not None and thread.members:
        yield Heading("Membres de la conversation")
        for member in thread.members:
            since = f" (depuis le {moment(member.joined)})" if member.joined else ""
            yield Paragraph(f"{spoken(member.party)}{since}")
    yield Heading("Échanges")
    titles = {document.id: document.title or "document" for document in exchange.documents}
    for message in exchange.messages:
        yield from _message(message, titles)


def _message(message: Message, titles: dict[str | None, str]) -> Iterator[Block]:
    who = spoken(message.sender) if message.sender is not None else "?"
    typed = f" (saisi par {spoken(message.enterer)})" if message.enterer is not None else ""
    yield Paragraph(f"{who}{typed}, le {moment(message.sent)}" if message.sent else f"{who}{typed}", note=True)
    if message.text:
        yield Paragraph(plain(message.text) if message.format == "html" else message.text)
    for name in message.documents:
        yield Paragraph(f"Document joint : {titles.get(name, name)}")
    if message.visio is not None:
        starts = f", le {moment(message.visio.starts)}" if message.visio.starts else ""
        yield Paragraph(f"Visioconférence proposée{starts}")
    for photo in message.photos:
        if photo.content.data is not None:
            yield Picture(photo.content.data, photo.title or "Photo")
        else:
            yield Paragraph(f"Photo : {photo.title or 'sans titre'}")
    if message.seen:
        readers = ", ".join(
            f"{spoken(seen.reader)} ({moment(seen.at)})" if seen.at else spoken(seen.reader) for seen in message.seen
        )
        yield Paragraph(f"Vu par {readers}", note=True)


def spoken(party: Party) -> str:
    """Somebody as people call him: title, name, organisation; else his mailbox."""
    name = party.name
    person = " ".join(filter(None, (name.prefix, " ".join(name.given), name.family))) if name is not None else ""
    said = person or (name.text if name is not None else None)
    place = party.organization.name if party.organization is not None else None
    return ", ".join(filter(None, (said, place))) or party.mssante or "?"


def day(value: Moment) -> str:
    """`21/05/2024`, `05/2024` or `2024`, as precise as what is known."""
    return "/".join(reversed(date_of(value).split("-")))


def moment(value: Moment) -> str:
    """`21/05/2024 à 10:34`, or the day alone."""
    clock = time_part(value)[:5]
    return f"{day(value)} à {clock}" if clock else day(value)


_BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|h[1-6]|tr)>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def plain(text: str) -> str:
    """Rich text without its tags: paragraphs and breaks become lines."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", text))).strip()
