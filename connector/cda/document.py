"""A CDA as the pipeline meets it: bytes → document, patient, encounter; and an Exchange → the bytes of a CDA N1.

What no table can say is done here and told to `explain` (`Run.derived`): the templates of an unstructured document, the set id and
version of a first one, the format code that follows from the body or the document model.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import msgspec

from connector.cda import body as bodies
from connector.cda.authorship import in_header, signed
from connector.cda.checks import N1_TEMPLATE, TEMPLATES, check
from connector.cda.codec import DEFAULT_LIMITS, ClinicalDocument, Limits, parse, serialise
from connector.cda.sections import write_sections
from connector.cda.sniff import sniff
from connector.exchange.care import Encounter
from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.exchange.people import Concept, Patient
from connector.issues import Issue, IssueCode, Outcome, Severity, worst
from connector.mapping.language import Run
from connector.terminology import untranslated

__all__ = ["HEADER", "CdaReading", "complete", "is_cda", "read_clinical", "read_document", "write_document"]

#: The mapping of the header (mappings/cda/header.yaml).
HEADER = "cda/header"

_CDA_TYPES = ("text/xml", "application/xml", "application/hl7-v3+xml", "application/xslt+xml", "application/cda+xml")


class CompiledMapping(Protocol):
    """What is used of a compiled mapping."""

    def read(self, tree: Any, run: Run) -> Any: ...

    def write(self, value: Any, run: Run) -> Any: ...


class MappingLibrary(Protocol):
    """What is used of the library of mappings."""

    def mapping(self, name: str) -> Any: ...


class CdaReading(NamedTuple):
    """What a CDA says. `document.content` is the CDA itself, `document.body` the media type of an unstructured body, whose bytes
    `connector.cda.body.body(clinical)` decodes. `patient` and `encounter` stand apart: a message has its own to compare with."""

    document: Document
    patient: Patient | None
    encounter: Encounter | None
    clinical: ClinicalDocument


def is_cda(content: Content | None) -> bool:
    """Whether a content is a CDA: by its bytes when they are there, else by its declared type."""
    if content is None:
        return False
    if content.data is not None:
        return sniff(content.data) == "text/xml" and b"ClinicalDocument" in content.data
    return content.media_type in _CDA_TYPES


def read_document(
    raw: bytes | memoryview,
    run: Run,
    library: MappingLibrary,
    *,
    limits: Limits = DEFAULT_LIMITS,
    header_only: bool = False,
) -> Outcome[CdaReading]:
    """Read a CDA. The Outcome holds all issues of this document (the run keeps none of them); an ERROR among them refuses it.

    `header_only`: for who wants nothing of the sections, not even that they are XML (`codec.parse`).
    """
    parsed = parse(raw, limits=limits, header_only=header_only)
    if parsed.value is None:
        return Outcome(None, parsed.issues)
    read = read_clinical(parsed.value, run, library)
    return Outcome(read.value, (*parsed.issues, *read.issues))


def read_clinical(clinical: ClinicalDocument, run: Run, library: MappingLibrary) -> Outcome[CdaReading]:
    """The same from a parsed document (or from a traced copy of it, for `explain`)."""
    before = len(run.issues)
    exchange = library.mapping(HEADER).read(clinical.header, run)
    issues = [_weighed(issue) for issue in run.issues[before:]]
    checked = check(clinical, tables=run.context.table)
    for issue in (each for each in checked if each.code == IssueCode.MAP_UNKNOWN_CODE.name):
        code = clinical.header.value(issue.place.path.removeprefix("/ClinicalDocument/"))
        run.untranslated.append(untranslated(issue.params["table"], "read", "cda", code))
    issues += checked
    del run.issues[before:]
    if exchange is None or not exchange.documents:
        issues.append(Issue.of(Severity.ERROR, IssueCode.CDA_MISSING, "/ClinicalDocument", expected="id, code"))
        return Outcome(None, tuple(issues))
    document = _read_details(exchange.documents[0], clinical, exchange.encounter, run)
    return Outcome(CdaReading(document, exchange.patient, exchange.encounter, clinical), tuple(issues))


def _weighed(issue: Issue) -> Issue:
    """A datum that cannot be read refuses a document only where it says who and which document: the rest of the header is read
    liberally, since official documents hold such faults too."""
    if issue.severity != Severity.ERROR or issue.code not in _LIBERAL or issue.place.path.startswith(_IDENTITY):
        return issue
    return msgspec.structs.replace(issue, severity=Severity.WARNING)


_LIBERAL = frozenset((IssueCode.MAP_DATA_TYPE.name, IssueCode.MAP_UNKNOWN_CODE.name))
_IDENTITY = tuple(
    f"/ClinicalDocument/{path}"
    for path in (
        "id",
        "setId",
        "recordTarget/patientRole/id",
        "recordTarget/patientRole/patient/name",
        "recordTarget/patientRole/patient/birthTime",
        "recordTarget/patientRole/patient/administrativeGenderCode",
        "relatedDocument",
    )
)


def _read_details(document: Document, clinical: ClinicalDocument, encounter: Encounter | None, run: Run) -> Document:
    """What follows from the document as a whole: its bytes, its format code, its encounter."""
    content = Content(media_type=clinical.media_type, data=clinical.raw, size=len(clinical.raw))
    run.derived("documents[1].encounter", ("/ClinicalDocument/componentOf/encompassingEncounter",), "cda.document")
    return msgspec.structs.replace(
        document, content=content, encounter=encounter, format=document.format or _format(document, clinical, run)
    )


def _format(document: Document, clinical: ClinicalDocument, run: Run) -> Concept | None:
    """The XDS formatCode: from the body's media type for N1 (ASS_A12), else from the document model's template (ASS_A11)."""
    if run.context.table is None:
        return None
    unstructured = clinical.structured is None
    keys = (document.body.media_type,) if unstructured and document.body else () if unstructured else document.templates
    table = run.context.table("formats-by-media" if unstructured else "formats-by-template")
    for key in keys:
        word = table.to_exchange("cda", key) if key else None
        if word is None:
            continue
        coded = table.from_exchange("exchange", word)
        source = f"{bodies.PLACE}/@mediaType" if unstructured else "/ClinicalDocument/templateId/@root"
        run.derived("documents[1].format", (source,), f"terminology {table.name}")
        return Concept(code=coded.code, system=coded.system, display=coded.display)
    return None


# --- writing ----------------------------------------------------------------------------------------------------------


def write_document(exchange: Exchange, run: Run, library: MappingLibrary, *, position: int = 0) -> Outcome[bytes]:
    """The CDA of one document of an Exchange. One that is a CDA already leaves as it came, byte for byte; any other content becomes
    the body of a CDA N1, without content the document's sections a structured body. The header is written strictly: every departure
    from the structuration minimale is an ERROR."""
    if position >= len(exchange.documents):
        return Outcome(None, (Issue.of(Severity.ERROR, IssueCode.DOCUMENT_MISSING),))
    document = exchange.documents[position]
    if document.content is not None and document.content.data is not None and is_cda(document.content):
        return Outcome(document.content.data)
    before = len(run.issues)
    if exchange.origin == "monsisra":
        asked = exchange.teleexpertise
        act = asked.act if asked is not None and document.type is not None and document.type.code == "85208-7" else None
        exchange = signed(exchange, run, position=position, act=act)
    one = complete(exchange, run, position=position)
    tree = library.mapping(HEADER).write(one, run)
    written = one.documents[0]
    sections = write_sections(written.sections, run, library) if written.sections and written.body is None else None
    issues = run.issues[before:]
    del run.issues[before:]
    around = tree.add("component") if sections is not None else None
    issues += check(ClinicalDocument(b"", tree, sections, "text/xml"), strict=True, tables=run.context.table)
    if around is not None and sections is not None:  # after the check, which is the header's
        around.children.append(sections)
    try:
        raw = serialise(tree)
    except ValueError as error:
        issues.append(Issue.of(Severity.ERROR, IssueCode.MAP_NOT_WRITABLE, "/ClinicalDocument", expected=str(error)))
        return Outcome(None, tuple(issues))
    text = tree.find("component/nonXMLBody/text")
    if text is None and sections is None and worst(issues) < Severity.ERROR:
        issues.append(
            Issue.of(Severity.ERROR, IssueCode.CDA_BODY, bodies.PLACE, expected="nonXMLBody | structuredBody")
        )
    return Outcome(raw, tuple(issues))


def complete(exchange: Exchange, run: Run, *, position: int = 0) -> Exchange:
    """An Exchange of this one document with what a header needs and other formats do not say. Nothing clinical is made up.

    A first version names its own set (setId = id, versionNumber 1); realm and language are the territory's; the templates are those
    of an unstructured document; a content that is no CDA (a PDF) becomes the body; the message's encounter stands for the document's.
    """
    document = exchange.documents[position]
    changes: dict[str, Any] = {}

    def fill(field: str, value: Any, *sources: str) -> None:
        if value and not getattr(document, field):
            changes[field] = value
            run.derived(f"documents[{position + 1}].{field}", sources, "cda.document")

    where = f"documents[{position + 1}]"
    fill("realm", "FR")
    fill("language", "fr-FR")
    fill("title", document.type.display if document.type else None, f"{where}.type.display")
    if document.replaces is None:  # the set and number of a later version are known to its author alone
        fill("set_id", document.id, f"{where}.id")
        fill("version", "1")
    if document.body is None and document.content is not None and not is_cda(document.content):
        fill("body", document.content, f"{where}.content")
    missing = tuple(template for template in TEMPLATES if template not in document.templates)
    structured = bool(document.sections) and document.body is None and "body" not in changes
    model = () if structured or set(document.templates) - set(TEMPLATES) else (N1_TEMPLATE,)
    if missing or model:
        changes["templates"] = (*missing, *document.templates, *model)
        run.derived(f"{where}.templates", (), "cda.document")
    encounter = _typed(document.encounter or exchange.encounter, run)
    encounter = in_header(encounter, run, "encounter") if encounter is not None else None
    made = in_header(msgspec.structs.replace(document, **changes), run, where)
    return msgspec.structs.replace(exchange, encounter=encounter, documents=(made,))


def _typed(encounter: Encounter | None, run: Run) -> Encounter | None:
    """An encounter of which only the kind is known (PV1-2) gets the type that it stands for."""
    if encounter is None or encounter.type is not None or encounter.kind is None or run.context.table is None:
        return encounter
    coded = run.context.table("encounter-class").from_exchange("cda", encounter.kind)
    if coded is None:
        return encounter
    run.derived("encounter.type", ("encounter.kind",), "terminology encounter-class")
    words = run.context.table("encounter-types").from_exchange("exchange", coded.code)
    display = words.display if words is not None else coded.display
    return msgspec.structs.replace(encounter, type=Concept(code=coded.code, system=coded.system, display=display))
