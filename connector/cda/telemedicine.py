"""A téléexpertise as CDA (CI-SIS, volets TLM-DA and TLM-CR 2022.01): the request is a structured document made from the form, the
answer an unstructured one around the expert's text.

What the requester asks and answers in the form is the narrative of Anamnèse; his documents are attached; of treatments the connector
knows nothing apart, and says so. The documented act is the NGAP code of the exchange.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from connector.cda import authorship
from connector.cda.checks import TEMPLATES, check
from connector.cda.codec import ClinicalDocument, serialise
from connector.cda.document import HEADER, CdaReading, MappingLibrary, complete, is_cda
from connector.cda.narrative import Row, plain, read_rows, write_rows
from connector.cda.narrative_checks import place_of
from connector.cda.tree import NAMESPACES, Base64Text, Element
from connector.exchange.care import Encounter
from connector.exchange.documents import Content, Document
from connector.exchange.ids import derived, oid_of
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment, from_hl7, to_hl7
from connector.exchange.people import Concept
from connector.exchange.teleexpertise import Answer, Form, Teleexpertise
from connector.issues import Issue, IssueCode, Outcome, Severity
from connector.mapping.language import Run

__all__ = [
    "MAPPING",
    "REPORT",
    "REQUEST",
    "REQUEST_TEMPLATE",
    "is_request",
    "read_request",
    "report_document",
    "request_document",
    "write_request",
]

_LOINC = "2.16.840.1.113883.6.1"
#: Document types of the two volets (JDV_J07).
REQUEST = Concept(code="75496-0", system=_LOINC, display="Demande d'acte de télémédecine")
REPORT = Concept(code="85208-7", system=_LOINC, display="CR de télémédecine")
REQUEST_TEMPLATE = "1.2.250.1.213.1.1.1.38"
_VERSION = "2022.01"
#: What its header says of the téléexpertise (mappings/cda/documents/TLM_DA.yaml).
MAPPING = "cda/documents/TLM_DA"
_QUESTION = "question"
_PRIORITY = "priority-"
_BY = "connector/cda/telemedicine.py"
_V3 = "{" + NAMESPACES[""] + "}"

_HISTORY_AND_RISKS = ("1.2.250.1.213.1.1.2.68",)
_HISTORY = ("1.2.250.1.213.1.1.2.69",)
_TREATMENTS = ("2.16.840.1.113883.10.20.1.8", "1.3.6.1.4.1.19376.1.5.3.1.3.19", "1.2.250.1.213.1.1.2.143")
_ATTACHMENTS = ("1.2.250.1.213.1.1.2.37",)
_ATTACHMENT = "1.2.250.1.213.1.1.3.18"
_SIMPLE = ("1.3.6.1.4.1.19376.1.5.3.1.4.13", "1.2.250.1.213.1.1.3.48")
_TREATMENT = (
    "2.16.840.1.113883.10.20.1.24", "1.3.6.1.4.1.19376.1.5.3.1.4.7", "1.2.250.1.213.1.1.3.42", "1.3.6.1.4.1.19376.1.5.3.1.4.7.1",
)  # fmt: skip
_PRODUCT = ("2.16.840.1.113883.10.20.1.53", "1.3.6.1.4.1.19376.1.5.3.1.4.7.2", "1.2.250.1.213.1.1.3.43")


# --- what the two documents are ---------------------------------------------------------------------------------------


def request_document(exchange: Exchange, context: Context) -> Document:
    """The request as a document: its id follows from the téléexpertise's, its date is that of the request, its title the subject."""
    asked = exchange.teleexpertise or Teleexpertise()
    created = asked.requested or context.now
    identity = asked.document or oid_of(derived(context, "tlm-da", asked.id or exchange.id or "", created))
    templates = (*TEMPLATES, REQUEST_TEMPLATE)
    return Document(
        id=identity, type=REQUEST, templates=templates, title=exchange.subject or "Demande de téléexpertise", created=created,
        confidentiality="N", status="final",
    )  # fmt: skip


def report_document(exchange: Exchange, context: Context) -> Document | None:
    """The opinion that is a text alone as a document (TLM-CR); None when there is no text."""
    asked = exchange.teleexpertise
    opinion = asked.opinion if asked is not None else None
    if asked is None or opinion is None or not opinion.text:
        return None
    author = opinion.author or (asked.expert.party if asked.expert is not None else None)
    return Document(
        id=oid_of(derived(context, "tlm-cr", asked.id or exchange.id or "", opinion.text)), type=REPORT, title="Réponse de téléexpertise",
        created=opinion.given or context.now, confidentiality="N", status="final", authors=(author,) if author is not None else (),
        recipients=(exchange.sender,) if exchange.sender is not None else (),
        content=Content(media_type="text/plain", data=opinion.text.encode("utf-8")),
    )  # fmt: skip


# --- writing ----------------------------------------------------------------------------------------------------------


def write_request(exchange: Exchange, run: Run, library: MappingLibrary) -> Outcome[bytes]:
    """The TLM-DA of a téléexpertise, its documents that are no CDA attached. Written strictly, as every header of ours."""
    before = len(run.issues)
    asked = exchange.teleexpertise or Teleexpertise()
    attached = [document for document in exchange.documents if _attachable(document, asked)]
    one = replace(
        exchange, documents=(request_document(exchange, run.context),), encounter=_virtual(exchange.encounter, run)
    )
    one = complete(authorship.signed(one, run, act=asked.act), run)
    tree = library.mapping(HEADER).write(one, run)
    expert = replace(asked.expert, party=authorship.titled(asked.expert.party)) if asked.expert is not None else None
    said = replace(one, documents=(), teleexpertise=replace(asked, expert=expert))
    tree = library.mapping(MAPPING).write(said, run, into=tree)
    for template in tree.all("templateId"):
        if template.get("root") == REQUEST_TEMPLATE:
            template.attributes["extension"] = _VERSION
    _order(tree)
    sections = tree.add("component").add("structuredBody")
    _history(sections, exchange, asked, run.context)
    _treatments(sections, run.context, asked)
    if attached:
        _attachments(sections, attached, run.context)
    issues = run.issues[before:]
    del run.issues[before:]
    try:
        raw = serialise(tree)
    except ValueError as error:
        issues.append(Issue.of(Severity.ERROR, IssueCode.MAP_NOT_WRITABLE, "/ClinicalDocument", expected=str(error)))
        return Outcome(None, tuple(issues))
    issues += check(ClinicalDocument(b"", tree, sections, "text/xml"), strict=True, tables=run.context.table)
    return Outcome(raw, tuple(issues))


def _attachable(document: Document, asked: Teleexpertise) -> bool:
    """A document of the request that a TLM-DA can hold: not the answer, not a CDA."""
    answer = asked.opinion.document if asked.opinion is not None else None
    content = document.content
    return document.id != answer and content is not None and content.data is not None and not is_cda(content)


def _virtual(encounter: Encounter | None, run: Run) -> Encounter:
    """The encounter of a téléexpertise is virtual (VR) unless a stay is known."""
    known = encounter or Encounter()
    return known if known.type is not None or known.kind is not None else replace(known, kind="virtual")


def _order(tree: Element) -> None:
    """What the two mappings wrote, in the order of the schema."""
    from connector.cda.shape import SHAPE

    SHAPE.finish(tree, None)


def _uuid(context: Context, kind: str, *parts: str) -> str:
    """A derived UUID in the capitals that HL7 v3 wants."""
    return derived(context, kind, *parts).upper()


def _section(parent: Element, templates: tuple[str, ...], code: str, title: str, identity: str | None) -> Element:
    section = parent.add("component").add("section")
    for template in templates:
        section.add("templateId", {"root": template})
    if identity is not None:
        section.add("id", {"root": identity})
    section.add("code", {"code": code, "codeSystem": _LOINC, "displayName": title})
    section.add("title", text=title)
    return section


def _history(parent: Element, exchange: Exchange, asked: Teleexpertise, context: Context) -> None:
    """Anamnèse et facteurs de risques with its Anamnèse: the question, then the form's answers."""
    identity = asked.id or exchange.id or ""
    whole = _section(
        parent,
        _HISTORY_AND_RISKS,
        "46612-8",
        "Anamnèse et facteurs de risques",
        _uuid(context, "section-68", identity),
    )
    section = _section(whole, _HISTORY, "34117-2", "Anamnèse", _uuid(context, "section-69", identity))
    section.children.append(
        write_rows(_rows(exchange, asked, context), asked.form.title if asked.form is not None else None)
    )


def _rows(exchange: Exchange, asked: Teleexpertise, context: Context) -> Iterator[Row]:
    if asked.question is not None:
        yield Row(_QUESTION, "Question posée à l'expert", (asked.question,))
    if asked.priority is not None:
        known = context.table("request-priority").from_exchange("exchange", asked.priority) if context.table else None
        shown = known.display if known is not None else None
        yield Row(_PRIORITY + asked.priority, "Degré d'urgence", (shown or asked.priority,))
    for answer in asked.form.answers if asked.form is not None else ():
        yield Row(f"f-{answer.link}", answer.text, answer.values)
    if asked.form is None and exchange.messages and exchange.messages[0].text:
        yield Row("message", "Message", (exchange.messages[0].text,))


def _treatments(parent: Element, context: Context, asked: Teleexpertise) -> None:
    """The volet wants this section with one coded treatment at least: here it says that none is known apart (nullFlavor)."""
    section = _section(parent, _TREATMENTS, "10160-0", "Traitements", None)
    section.add("text").add("content", {"ID": "traitements"}, "Non renseignés à part : voir l'anamnèse.")
    given = section.add("entry", {"typeCode": "DRIV"}).add(
        "substanceAdministration", {"classCode": "SBADM", "moodCode": "EVN"}
    )
    for template in _TREATMENT:
        given.add("templateId", {"root": template})
    given.add("id", {"root": _uuid(context, "treatment", asked.id or "")})
    given.add("text").add("reference", {"value": "#traitements"})
    given.add("statusCode", {"code": "completed"})
    product = given.add("consumable").add("manufacturedProduct")
    for template in _PRODUCT:
        product.add("templateId", {"root": template})
    material = product.add("manufacturedMaterial")
    material.add("code", {"nullFlavor": "NI"}).add("originalText").add("reference", {"value": "#traitements"})
    material.add("name", {"nullFlavor": "NA"})


def _attachments(parent: Element, documents: list[Document], context: Context) -> None:
    """Documents ajoutés: each in the narrative and as an observationMedia."""
    section = _section(
        parent,
        _ATTACHMENTS,
        "55107-7",
        "Documents ajoutés",
        _uuid(context, "section-37", *(each.id or "" for each in documents)),
    )
    lines = section.add("text").add("list")
    for number, document in enumerate(documents, 1):
        line = lines.add("item")
        line.add(
            "content",
            {"ID": f"titre-{number}"},
            document.title or (document.type.display if document.type else None) or "Document",
        )
        line.add("renderMultiMedia", {"referencedObject": f"DOC-{number}"})
        section.children.append(_attachment(document, number, context))


def _attachment(document: Document, number: int, context: Context) -> Element:
    entry = Element("entry")
    whole = entry.add("organizer", {"classCode": "CLUSTER", "moodCode": "EVN"})
    whole.add("templateId", {"root": _ATTACHMENT})
    root, _, extension = (document.id or _uuid(context, "attachment", str(number))).partition("^")
    whole.add("id", {"root": root, "extension": extension} if extension else {"root": root})
    whole.add("code", {"code": "55107-7", "codeSystem": _LOINC, "displayName": "Document attaché"})
    whole.add("statusCode", {"code": "completed"})
    nature = whole.add("component", {"typeCode": "COMP"}).add("observation", {"classCode": "OBS", "moodCode": "EVN"})
    for template in _SIMPLE:
        nature.add("templateId", {"root": template})
    nature.add("id", {"root": _uuid(context, "attachment-type", document.id or str(number))})
    nature.add("code", {"code": "69764-9", "codeSystem": _LOINC, "displayName": "Type de document"})
    nature.add("text").add("reference", {"value": f"#titre-{number}"})
    nature.add("statusCode", {"code": "completed"})
    nature.add("effectiveTime", {"value": to_hl7(document.created)} if document.created else {"nullFlavor": "UNK"})
    nature.children.append(_nature(document.type, number))
    media = whole.add("component").add(
        "observationMedia", {"classCode": "OBS", "moodCode": "EVN", "ID": f"DOC-{number}"}
    )
    content = document.content or Content()
    value = media.add("value", {"mediaType": content.media_type or "application/octet-stream", "representation": "B64"})
    value.text = Base64Text.of(content.data or b"")
    return entry


def _nature(kind: Concept | None, number: int) -> Element:
    value = Element("value", {"xsi:type": "CD"})
    if kind is not None:
        value.attributes |= {"code": kind.code}
        value.attributes |= {"codeSystem": kind.system} if kind.system else {}
        value.attributes |= {"displayName": kind.display} if kind.display else {}
    value.add("originalText").add("reference", {"value": f"#titre-{number}"})
    return value


# --- reading ----------------------------------------------------------------------------------------------------------


def is_request(document: Document) -> bool:
    """Whether a document is a request for an act of telemedicine, by its model."""
    return REQUEST_TEMPLATE in document.templates


def read_request(read: CdaReading, run: Run, library: MappingLibrary) -> Exchange:
    """What a TLM-DA says of its téléexpertise: who asks whom for what, the question and the form; the documents attached to it.

    A TLM-DA of somebody else has no rows of ours: its Anamnèse as a whole is the question.
    """
    clinical = read.clinical
    # The header was read already, and its trouble told.
    header = library.mapping(MAPPING).read(clinical.header, Run(run.context)) or Exchange()
    asked = header.teleexpertise or Teleexpertise()
    rows: list[Row] = []
    caption = question = None
    text = _narrative(clinical.structured, _HISTORY[0]) if clinical.structured is not None else None
    if text is not None:
        caption, rows = read_rows(text)
        question = None if rows else plain(text) or None
    answers = tuple(Answer(link=row.link[2:], text=row.text, values=row.values) for row in rows if row.link[:2] == "f-")
    question = next((row.values[0] for row in rows if row.link == _QUESTION and row.values), question)
    urgency = next((row.link.removeprefix(_PRIORITY) for row in rows if row.link.startswith(_PRIORITY)), None)
    form = Form(title=caption, answers=answers) if answers or caption else None
    sender = replace(read.document.authors[0], time=None) if read.document.authors else None
    return Exchange(
        subject=header.subject, sender=sender, documents=tuple(_read_attachments(clinical, run)),
        teleexpertise=replace(
            asked, question=question, priority=asked.priority or urgency, form=form, document=read.document.id
        ),
    )  # fmt: skip


def _narrative(body: Any, template: str) -> Any:
    for section in body.iter(_V3 + "section"):
        if any(each.get("root") == template for each in section.findall(_V3 + "templateId")):
            return section.find(_V3 + "text")
    return None


def _read_attachments(clinical: ClinicalDocument, run: Run) -> Iterator[Document]:
    """Each attached document with its bytes; one whose bytes are no base64 is left where it is."""
    body = clinical.structured
    for whole in body.iter(_V3 + "organizer") if body is not None else ():
        media = whole.find(f"{_V3}component/{_V3}observationMedia/{_V3}value")
        if media is None or not any(each.get("root") == _ATTACHMENT for each in whole.findall(_V3 + "templateId")):
            continue
        try:
            data = clinical.binary((media.text or "").strip()).decode()
        except ValueError as error:
            offset = str(error).rpartition(" ")[2]
            run.report(Severity.WARNING, IssueCode.DOCUMENT_ENCODING, place_of(media), offset=offset)
            continue
        identity = whole.find(_V3 + "id")
        nature = whole.find(f"{_V3}component/{_V3}observation")
        root, extension = (identity.get("root"), identity.get("extension")) if identity is not None else (None, None)
        yield Document(
            id=f"{root}^{extension}" if root and extension else root, title=_title(body, nature), type=_type(nature), created=_created(nature),
            content=Content(media_type=media.get("mediaType"), data=data, size=len(data), sha256=hashlib.sha256(data).hexdigest()),
        )  # fmt: skip


def _title(body: Any, nature: Any) -> str | None:
    reference = nature.find(f"{_V3}text/{_V3}reference") if nature is not None else None
    wanted = (reference.get("value") or "").removeprefix("#") if reference is not None else ""
    found = next((each for each in body.iter(_V3 + "content") if wanted and each.get("ID") == wanted), None)
    return " ".join("".join(found.itertext()).split()) or None if found is not None else None


def _type(nature: Any) -> Concept | None:
    value = nature.find(_V3 + "value") if nature is not None else None
    if value is None or not value.get("code"):
        return None
    return Concept(code=value.get("code"), system=value.get("codeSystem"), display=value.get("displayName"))


def _created(nature: Any) -> Moment | None:
    time = nature.find(_V3 + "effectiveTime") if nature is not None else None
    try:
        return Moment(from_hl7(time.get("value"))) if time is not None and time.get("value") else None
    except ValueError:
        return None
