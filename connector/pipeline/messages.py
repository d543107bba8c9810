"""Which HL7 v2 messages say an Exchange, one after the other, and what of it each one holds.

The volets have one document a message and no message without a document, so a mail with two documents is two messages, and a text
alone becomes a document (CDA N1). A téléexpertise is a status message beside the documents of its state: the request (TLM-DA) as long
as it is asked for, the report (TLM-CR) once the opinion is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from connector.cda import authorship, telemedicine
from connector.cda.document import is_cda
from connector.exchange.conversation import Message
from connector.exchange.documents import Content, Directives, Document
from connector.exchange.facts import VOLET_LPS, VOLET_TRANSMISSION
from connector.exchange.ids import derived, oid_of
from connector.exchange.model import Exchange
from connector.exchange.people import Concept
from connector.hl7.requests import REFERRAL, TELEEXPERTISE
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run
from connector.pdf.blocks import UnreadablePicture
from connector.pipeline.bodies import embeddable
from connector.pipeline.synthesis import plain, synthesis

__all__ = [
    "OPTIONS",
    "REPORT",
    "REQUEST",
    "STATUS",
    "TEXT",
    "WHOLE",
    "as_request",
    "messages_of",
    "part_of",
    "stage_of",
    "target",
]

#: What a destination may ask for; the first is the default.
OPTIONS = {"documents": ("", "transmission", "lps"), "requests": ("teleexpertise", "referral", "none")}

#: Names of the messages of an Exchange, beside the number of each of its documents.
WHOLE, STATUS, REQUEST, REPORT, TEXT = "", "status", "request", "report", "text"

#: Intent → event of the MDM that says it (flow table of the volet, §1.10).
_EVENTS = {"submit": "T02", "replace": "T10", "delete": "T04"}
_OPERATIONS = frozenset(("MDM", event) for event in _EVENTS.values())
_ASKED = frozenset({"demandee", "recue", "annulee"})
_OUT = "connector/pipeline/messages.py"


class Library(Protocol):
    """What is used of the library of mappings."""

    def mapping(self, name: str) -> Any: ...


# --- which ------------------------------------------------------------------------------------------------------------


def messages_of(exchange: Exchange, options: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the messages, in the order of sending; `options` are what the destination asks for."""
    if _came_whole(exchange):
        return (WHOLE,)
    if exchange.teleexpertise is not None:
        return tuple(_of_teleexpertise(exchange, options.get("requests", "")))
    if not exchange.documents:
        return (TEXT,) if any(message.text for message in exchange.messages) else (WHOLE,)
    return tuple(str(number) for number in range(1, len(exchange.documents) + 1))


def _came_whole(exchange: Exchange) -> bool:
    """A message that is no MDM (an ADT, an ORU with two forms of a document) is written as what it came as."""
    envelope = exchange.envelope
    return envelope is not None and bool(envelope.type) and (envelope.type, envelope.event) not in _OPERATIONS


def _of_teleexpertise(exchange: Exchange, requests: str) -> Iterator[str]:
    asked = exchange.teleexpertise
    assert asked is not None  # noqa: S101 - the caller's condition
    numbers: dict[str | None, str] = {
        document.id: str(number) for number, document in enumerate(exchange.documents, 1) if document.id
    }
    if asked.state in ("demandee", "recue"):
        yield numbers.get(asked.document, REQUEST)
        # A CDA cannot be attached to another one: it travels by itself.
        yield from (
            number
            for document in exchange.documents
            if is_cda(document.content) and (number := numbers.get(document.id)) and document.id != asked.document
        )
    elif asked.state == "avis_rendu" and asked.opinion is not None:
        if asked.opinion.document in numbers:
            yield numbers[asked.opinion.document]
        elif asked.opinion.text:
            yield REPORT
    if requests != "none":
        yield STATUS


# --- what each holds --------------------------------------------------------------------------------------------------


def part_of(exchange: Exchange, name: str, run: Run, library: Library) -> Exchange:
    """The Exchange as one message says it: one document with its mail, the text as a document, or the state of a téléexpertise."""
    if name in (WHOLE, STATUS):
        return replace(exchange, documents=()) if name == STATUS else exchange
    document: Document | None
    if name == REQUEST:
        document = _request(exchange, run, library)
    elif name == REPORT:
        document = telemedicine.report_document(exchange, run.context)
    elif name == TEXT:
        document = _text_document(exchange, run)
    else:
        document = exchange.documents[int(name) - 1]
    if document is None:
        return exchange
    mail = _mail_of(exchange, document)
    return replace(
        exchange, documents=(document,), intent=exchange.intent or "submit", messages=(mail,) if mail is not None else (),
        sender=(mail.sender if mail is not None else None) or exchange.sender,
        recipients=(mail.recipients if mail is not None else ()) or exchange.recipients,
        directives=_directives(exchange, mail),
    )  # fmt: skip


def _request(exchange: Exchange, run: Run, library: Library) -> Document:
    document = telemedicine.request_document(exchange, run.context)
    held = embeddable(exchange, run)
    run.issues += held.issues
    if held.value is None:
        return document
    written = telemedicine.write_request(held.value, run, library)
    run.issues += written.issues
    run.derived("documents[1].content", ("teleexpertise",), _OUT)
    if written.value is None:
        return document
    return replace(document, content=Content(media_type="text/xml", data=written.value, size=len(written.value)))


def _text_document(exchange: Exchange, run: Run) -> Document | None:
    """What was written, as a document: of a conversation its synthesis, of a mail the text itself (CDA N1 around text/plain)."""
    context = run.context
    told = [message for message in exchange.messages if message.text]
    sent = told[-1].sent or context.now
    if exchange.mode == "conversation":
        try:
            # Dated by what was said last: a second delivery is the same document.
            return synthesis(exchange, replace(context, now=authorship.second_of(sent, context)))
        except UnreadablePicture:
            run.report(Severity.ERROR, IssueCode.DOCUMENT_TYPE_CLASH, "messages", expected="image/jpeg, image/png")
            return None
    code = context.options.get("text_type") or "51851-4"
    kind = context.table("document-types").from_exchange("exchange", code) if context.table is not None else None
    text = "\n\n".join(_readable(message).text or "" for message in told)
    return Document(
        id=oid_of(derived(context, "text", exchange.id or "", *(message.id or "" for message in told), text)),
        type=Concept(code=code, system=kind.system if kind else None, display=kind.display if kind else None),
        title=exchange.subject or (kind.display if kind else None), created=sent, confidentiality="N", status="final",
        content=Content(media_type="text/plain", data=text.encode("utf-8")),
    )  # fmt: skip


def _mail_of(exchange: Exchange, document: Document) -> Message | None:
    """The message that a document came with: the one that names it, else the first."""
    named = (message for message in exchange.messages if document.id is not None and document.id in message.documents)
    found = next(named, exchange.messages[0] if exchange.messages else None)
    return _readable(found) if found is not None else None


def _readable(message: Message) -> Message:
    """The message without the marks of a rich text: neither volet says what a body is written in."""
    return (
        replace(message, text=plain(message.text), format=None)
        if message.format == "html" and message.text
        else message
    )


def _directives(exchange: Exchange, mail: Message | None) -> Directives | None:
    """What is to be done with a document that came from a mailbox or was written on MonSisra: the author's own boxes and addressees.

    A feed's directives are its own: nothing is added to them.
    """
    if exchange.origin != "monsisra":
        return exchange.directives
    known = exchange.directives or Directives()
    to_patient = exchange.mode == "mon_espace_sante"
    text = mail.text if mail is not None else None
    closing = exchange.channel is not None and exchange.channel.reply_allowed is False
    said = Directives(
        hidden_from_professionals=False, hidden_from_patient=False, hidden_from_guardians=False, secret_connection=False,
        visibility_change=False, to_dmp=False, to_professionals=not to_patient and bool(exchange.recipients), to_patient=to_patient,
        patient_may_reply=False if closing else None, acknowledge_reception=False, acknowledge_reading=False,
        mail_to_patient=text if to_patient else None, mail_to_professionals=None if to_patient else text,
    )  # fmt: skip
    changes = {name: value for name in Directives.__struct_fields__ if (value := getattr(known, name)) is not None}
    return replace(said, **changes)


# --- of a téléexpertise ------------------------------------------------------------------------------------------------


def as_request(exchange: Exchange, said: Exchange) -> Exchange:
    """A document's exchange as the téléexpertise that it asks for."""
    return replace(
        exchange, mode="teleexpertise", teleexpertise=said.teleexpertise, subject=exchange.subject or said.subject,
        sender=exchange.sender or said.sender,
    )  # fmt: skip


def stage_of(exchange: Exchange) -> tuple[str, ...]:
    """What tells the messages of one téléexpertise apart: each state has its own."""
    asked = exchange.teleexpertise
    return () if asked is None else (asked.id or exchange.id or "", asked.state, asked.requested or "")


# --- the message's name -----------------------------------------------------------------------------------------------


def target(exchange: Exchange, options: Mapping[str, str]) -> tuple[str, str, str]:
    """MSH-9, MSH-12 and MSH-21.2 of the message that says this Exchange (already one message's part).

    The type that it came in when there is one; a téléexpertise without a document says its state; a document is an MDM of the volet that
    the destination asks for, else of the volet for business software when a mailbox or a MonSisra user sent it. Among the three
    operations it is the intent that decides.
    """
    envelope = exchange.envelope
    if envelope is not None and _came_whole(exchange):
        return f"{envelope.type}^{envelope.event or ''}", envelope.version or "", envelope.profile or ""
    asked = exchange.teleexpertise
    if asked is not None and not exchange.documents:
        fresh = asked.state in _ASKED
        if options.get("requests") == "referral":
            return "REF^I12" if fresh else "RRI^I12", "", REFERRAL
        return "ORM^O01" if fresh else "ORU^R01", "", TELEEXPERTISE
    if exchange.reports and not exchange.documents:
        return "ORU^R01", "", ""
    event = _EVENTS.get(exchange.intent or "")
    if event is None:
        return ("ADT^A28" if not exchange.encounter else "ADT^A01"), "", ""
    return f"MDM^{event}", "", _volet(exchange, options.get("documents", ""))


def _volet(exchange: Exchange, asked: str) -> str:
    if asked:
        return VOLET_LPS if asked == "lps" else VOLET_TRANSMISSION
    if exchange.envelope is not None and exchange.envelope.profile:
        return exchange.envelope.profile
    from_mailbox = exchange.mode in ("mail", "conversation", "teleexpertise") or (
        exchange.mode == "document" and exchange.origin == "monsisra"
    )
    return VOLET_LPS if from_mailbox else ""
