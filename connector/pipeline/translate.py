"""Raw → Exchange and Exchange → raw, by way of the format's tree and the compiled mapping that answers for it. Pure.

A document that is a CDA is read too: what its header says is the document's truth, what the message says around it fills the rest,
and what both say is compared by the rules (`Facts`).
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec.structs import replace

from connector.cda.codec import ClinicalDocument
from connector.cda.document import is_cda, read_clinical, read_document, write_document
from connector.cda.telemedicine import is_request, read_request, write_request
from connector.exchange.content import Standing
from connector.exchange.documents import Document
from connector.exchange.facts import Facts
from connector.exchange.ids import derived
from connector.exchange.model import Context, Envelope, Exchange
from connector.exchange.people import Identifier
from connector.exchange.rules import check
from connector.hl7.codec import ParseOptions
from connector.hl7.codec import parse as parse_hl7
from connector.hl7.leaves import DamagedText
from connector.hl7.results import numbers, typed
from connector.hl7.structure import nested
from connector.hl7.validate import validate
from connector.issues import Issue, IssueCode, Outcome, Severity, worst
from connector.mapping.catalogue import Library
from connector.mapping.compile import Mapping
from connector.mapping.language import Run
from connector.monsisra.modes import rules_for
from connector.pipeline.authors import with_specialties, with_systems
from connector.pipeline.bodies import embeddable
from connector.pipeline.formats import FORMATS, Claim, Format, detect, exchange_bytes, exchange_locate, exchange_parse
from connector.pipeline.headers import patient_within, read_headers
from connector.pipeline.matricule import released
from connector.pipeline.messages import TEXT, WHOLE, as_request, messages_of, part_of, stage_of
from connector.pipeline.places import MessagePlaces, facts_of
from connector.pipeline.structured import with_sections
from connector.terminology import Untranslated

__all__ = ["Reading", "Translator", "opened"]

#: Conditions of table 0357 for which a message is not read further: type, event, processing id, version.
_OF_THE_HEADER = frozenset({"200", "201", "202", "203"})
#: A document with such a body is not written at all, whatever message it would stand in.
_UNWRITABLE = frozenset((IssueCode.BODY_TYPE.name, IssueCode.DOCUMENT_TYPE_CLASH.name))
_OUT = "connector/pipeline/translate.py"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: the Exchange (None when nothing usable was), every issue, the mapping's name, the claim, the tree."""

    exchange: Exchange | None = None
    issues: tuple[Issue, ...] = ()
    mapping: str = ""
    claim: Claim = Claim("")
    tree: Any = None
    format: str = ""
    facts: Facts = Facts()
    untranslated: tuple[Untranslated, ...] = ()
    standing: dict[str, Standing] = {}  # by place: contents whose bytes were left in the raw bytes

    @property
    def accepted(self) -> bool:
        """An Exchange and no ERROR."""
        return self.exchange is not None and worst(self.issues) < Severity.ERROR


def opened(form: Format, mapping: Mapping, tree: Any, run: Run) -> Any:
    """The tree as its mapping reads it: segments in their groups, a Bundle's resources linked."""
    if form.name == "hl7" and mapping.spec.structure:
        nested(tree, mapping.spec.structure)
    return form.take_apart(tree, run) if form.take_apart else tree


class Translator:
    """The formats with one library of mappings. Holds no state of a message; a new library makes a new Translator."""

    def __init__(self, library: Library) -> None:
        self.mappings = library

    # --- reading -------------------------------------------------------------------------------------------------------

    def read(
        self,
        raw: bytes,
        format_name: str,
        context: Context,
        *,
        options: ParseOptions | None = None,
        rules: bool = True,
        tree: Outcome[Any] | None = None,
    ) -> Reading:
        """Bytes → Exchange, with the business rules when `rules`. `tree`: what they were parsed to already. Never raises for what they hold."""
        if format_name == "exchange":
            parsed = exchange_parse(raw)
            return self._judged(Reading(exchange=parsed.value, issues=parsed.issues, format="exchange"), context, rules)
        form = FORMATS[format_name]
        if tree is None:
            known: Outcome[Any] = parse_hl7(raw, options=options) if options and form.name == "hl7" else form.parse(raw)
            tree = known
        if tree.value is None:
            return Reading(issues=tree.issues, format=format_name)
        if format_name == "fhir" and worst(tree.issues) >= Severity.ERROR:
            # What breaks the standard has no shape that a mapping could rely on: it is refused as it stands.
            return Reading(issues=tree.issues, claim=form.claim(tree.value), tree=tree.value, format=format_name)
        if format_name == "cda":
            return self._judged(self._read_cda(tree.value, tree.issues, context), context, rules)
        try:
            return self._mapped(form, tree, context, rules)
        except DamagedText as damage:
            issue = Issue.of(Severity.ERROR, IssueCode.CHARSET_CONFLICT, "MSH[1]-18", offset=damage.offset)
            return Reading(issues=(*tree.issues, issue), claim=form.claim(tree.value), format=format_name)

    def _mapped(self, form: Format, tree: Outcome[Any], context: Context, rules: bool) -> Reading:
        claim, root = form.claim(tree.value), cast("Any", tree.value)
        before = (*tree.issues, *(validate(root) if form.name == "hl7" else ()))
        mapping, refusal = self.mapping_for(form, claim)
        refused = any(i.severity >= Severity.ERROR and i.definition.condition in _OF_THE_HEADER for i in before)
        if mapping is None or refused:
            told = before if refused else (*before, *refusal)
            return Reading(issues=told, claim=claim, tree=tree.value, format=form.name)
        run = Run(context)
        whole = opened(form, mapping, root, run)
        return self._judged(self.read_tree(form, mapping, whole, run, before), context, rules)

    def read_in_place(self, raw: bytes | memoryview, context: Context) -> Reading:
        """An exchange of the profile, its large contents left where they stand in the bytes. Never raises for what they hold."""
        got, at = exchange_locate(raw)
        reading = Reading(exchange=got.value, issues=got.issues, format="exchange", standing=at)
        return self._judged(reading, context, True)

    def read_tree(
        self, form: Format, mapping: Mapping, whole: Any, run: Run, before: tuple[Issue, ...] = ()
    ) -> Reading:
        """The same from a tree as `opened` gives it, without rules. `before`: issues met on the way to it."""
        exchange = mapping.read(whole, run)
        if exchange is not None and exchange.reports and form.name == "hl7":
            exchange = replace(exchange, reports=tuple(map(numbers, exchange.reports)))
        issues = [*before, *run.issues]
        hl7 = form.name == "hl7"
        claim = form.claim(whole)
        facts = facts_of(whole, claim.type) if hl7 else Facts()
        if exchange is not None and exchange.documents:
            exchange, facts = read_headers(exchange, facts, run, self.mappings, issues, hl7=hl7)
            exchange = self._with_request(exchange, run)
        return Reading(
            exchange=exchange, issues=tuple(issues), mapping=mapping.name, claim=claim, tree=whole,
            format=form.name, facts=facts, untranslated=tuple(run.untranslated),
        )  # fmt: skip

    def _with_request(self, exchange: Exchange, run: Run) -> Exchange:
        """The Exchange with what its TLM-DA says of the téléexpertise; documents attached to it stay inside."""
        for document in exchange.documents if exchange.teleexpertise is None else ():
            if is_request(document) and document.content is not None and document.content.data is not None:
                # Its issues were told when its header was read.
                read = read_document(document.content.data, Run(run.context), self.mappings).value
                if read is not None:
                    return as_request(exchange, read_request(read, Run(run.context), self.mappings))
        return exchange

    def mapping_for(self, form: Format, claim: Claim) -> tuple[Mapping | None, list[Issue]]:
        """The mapping that answers for a claim, or the refusal: MESSAGE_TYPE, EVENT or VERSION with what is supported."""
        catalogue = self.mappings.catalogue
        name = catalogue.find(form.name, claim.type, claim.version, claim.profile)
        if name is not None:
            return self.mappings.mapping(name), []
        type_, _, event = claim.type.partition("^")
        siblings = [known for known in catalogue.types(form.name) if known.partition("^")[0] == type_]
        versions = catalogue.versions(form.name, claim.type)
        if versions:
            return None, [Issue.of(Severity.ERROR, IssueCode.VERSION, "MSH[1]-12", expected=", ".join(versions))]
        profiles = catalogue.profiles(form.name, claim.type)
        if profiles:
            return None, [Issue.of(Severity.ERROR, IssueCode.FIELD_VALUE, "MSH[1]-21.2", expected=", ".join(profiles))]
        if siblings and event:
            return None, [Issue.of(Severity.ERROR, IssueCode.EVENT, "MSH[1]-9.2", expected=", ".join(siblings))]
        known = ", ".join(catalogue.types(form.name))
        return None, [Issue.of(Severity.ERROR, IssueCode.MESSAGE_TYPE, "MSH[1]-9", expected=known)]

    def _read_cda(self, clinical: ClinicalDocument, before: tuple[Issue, ...], context: Context) -> Reading:
        run = Run(context)
        read = read_clinical(clinical, run, self.mappings)
        issues = (*before, *read.issues)
        claim = Claim("ClinicalDocument")
        if read.value is None:
            return Reading(issues=issues, claim=claim, tree=clinical, format="cda")
        document, patient, encounter, _ = read.value
        intent = "replace" if document.replaces else "submit"
        document = replace(document, encounter=None) if document.encounter == encounter else document
        exchange = Exchange(
            intent=intent, mode="document", origin="feed", patient=patient, encounter=encounter, documents=(document,)
        )
        if is_request(document):
            said = read_request(read.value, run, self.mappings)
            exchange = replace(as_request(exchange, said), documents=(document, *said.documents))
            issues = (*issues, *run.issues)
        return Reading(
            exchange=exchange, issues=issues, mapping="cda/header", claim=claim, tree=clinical, format="cda",
            untranslated=tuple(run.untranslated),
        )  # fmt: skip

    def _judged(self, reading: Reading, context: Context, rules: bool) -> Reading:
        exchange = reading.exchange
        if exchange is None or not _says_something(exchange):
            if worst(reading.issues) < Severity.ERROR:
                nothing = Issue.of(Severity.ERROR, IssueCode.DOCUMENT_MISSING)
                return replace(reading, issues=(*reading.issues, nothing))
            return reading
        found = check(exchange, context, facts=reading.facts) if rules else []
        if rules and (modes := rules_for(exchange)):
            found += check(exchange, context, facts=reading.facts, rules=modes)
        issues = (*reading.issues, *found)
        if reading.format == "hl7":
            issues = tuple(map(MessagePlaces(reading.tree).of, issues))
        return replace(reading, issues=issues)

    # --- writing -------------------------------------------------------------------------------------------------------

    def write(
        self, exchange: Exchange, format_name: str, context: Context, *, run: Run | None = None, part: str | None = None
    ) -> Outcome[bytes]:
        """Exchange → bytes of the format. Issues say what the format requires and the Exchange does not hold; `run` keeps what else is told.

        Several HL7 messages that say one Exchange stand one behind the other; `part` asks for one of them (`messages_of`).
        """
        if format_name == "exchange":
            return Outcome(exchange_bytes(exchange))
        run = Run(context) if run is None else run
        if format_name == "cda":
            written = self._write_cda(released(with_specialties(exchange, run), run, "CDA"), run)
            return Outcome(written.value, (*run.issues, *_retired_types(exchange, context), *written.issues))
        form = FORMATS[format_name]
        names: tuple[str | None, ...] = (part,)
        if format_name == "hl7" and part is None:
            names = messages_of(exchange, context.options)
        parts = [self._bytes(exchange, form, run, name) for name in names]
        told = tuple(sorted(run.issues, key=lambda issue: issue.code not in _UNWRITABLE))
        refused = None in parts or (bool(told) and told[0].code in _UNWRITABLE)
        return Outcome(None if refused else b"".join(each for each in parts if each is not None), told)

    def _write_cda(self, exchange: Exchange, run: Run) -> Outcome[bytes]:
        """The document; of a téléexpertise its request, of a text alone a document around it."""
        request = exchange.teleexpertise is not None and not _request_as_sent(exchange)
        if not exchange.documents and not request and messages_of(exchange, run.context.options) == (TEXT,):
            exchange = part_of(exchange, TEXT, run, self.mappings)
        held = embeddable(exchange, run, None if request else range(len(exchange.documents))[:1])
        if held.value is None:
            return Outcome(None, held.issues)
        return (write_request if request else write_document)(held.value, run, self.mappings)

    def _bytes(self, exchange: Exchange, form: Format, run: Run, part: str | None) -> bytes | None:
        tree = self.write_tree(exchange, form, run, part=part)
        if tree is None:
            return None
        try:
            return form.serialise(tree)
        except ValueError as error:
            run.report(Severity.ERROR, IssueCode.MAP_NOT_WRITABLE, expected=str(error))
            return None

    def write_tree(
        self, exchange: Exchange, form: Format, run: Run, mapping: Mapping | None = None, part: str | None = None
    ) -> Any:
        """Exchange → tree, complete with what the format needs and no table can say; None when no mapping can. `mapping`: this one;
        `part`: which of the messages that say it (`connector.pipeline.messages`), else the first."""
        exchange = with_specialties(exchange, run)
        if form.name == "fhir":
            exchange = with_systems(with_sections(exchange, run, self.mappings), run)
        if form.name == "hl7":
            exchange = self.complete_message(self.part_of(released(exchange, run, "HL7 v2"), run, part), run)
        if mapping is None:
            mapping, refusal = self._mapping_of(form, exchange, run.context)
            run.issues += refusal
        if mapping is None:
            return None
        if form.name != "hl7":  # its rules ask the table
            run.issues += _retired_types(exchange, run.context)
        tree = mapping.write(exchange, run)
        return form.assemble(tree, exchange, run) if form.assemble else tree

    def part_of(self, exchange: Exchange, run: Run, part: str | None = None) -> Exchange:
        """The Exchange as one of its HL7 messages says it."""
        name = next(iter(messages_of(exchange, run.context.options)), WHOLE) if part is None else part
        return part_of(exchange, name, run, self.mappings)

    def mapping_for_writing(
        self, form: Format, exchange: Exchange, context: Context
    ) -> tuple[Mapping | None, list[Issue]]:
        """The mapping whose message says this Exchange (the first of its messages)."""
        if form.name == "hl7":
            exchange = self.part_of(exchange, Run(context))
        return self._mapping_of(form, exchange, context)

    def _mapping_of(self, form: Format, exchange: Exchange, context: Context) -> tuple[Mapping | None, list[Issue]]:
        claim = form.target(exchange, context.options)
        name = self.mappings.catalogue.find(form.name, claim.type, claim.version, claim.profile)
        if name is None:
            known = ", ".join(self.mappings.catalogue.types(form.name))
            return None, [Issue.of(Severity.ERROR, IssueCode.MESSAGE_TYPE, "envelope.type", expected=known)]
        return self.mappings.mapping(name), []

    def complete_message(self, exchange: Exchange, run: Run) -> Exchange:
        """What every HL7 message needs: a header, and documents that are CDA (volet 1: OBX-5 carries a CDA)."""
        context = run.context
        envelope = exchange.envelope or Envelope()
        if envelope.control_id is None:
            source = msgspec.json.encode(exchange.patient), *(document.id or "" for document in exchange.documents)
            identity = derived(
                context, "control", *(str(part) for part in source), exchange.intent or "", *stage_of(exchange)
            )
            envelope = replace(envelope, control_id=identity.replace("-", "")[:20])
            run.derived("envelope.control_id", (), _OUT)
        if envelope.sent_at is None:
            envelope = replace(envelope, sent_at=context.now)
            run.derived("envelope.sent_at", (), _OUT)
        if envelope.recorded_at is None:  # EVN-2, which MDM and ADT require
            envelope = replace(envelope, recorded_at=envelope.sent_at)
            run.derived("envelope.recorded_at", ("envelope.sent_at",), _OUT)
        if envelope.sender is None:
            envelope = replace(envelope, sender=Identifier(value=context.site.upper()))
            run.derived("envelope.sender", (), _OUT)
        if envelope.processing is None:
            envelope = replace(envelope, processing="P" if context.environment == "production" else "T")
            run.derived("envelope.processing", (), _OUT)
        if exchange.patient is None and (patient := patient_within(exchange, run, self.mappings)) is not None:
            exchange = replace(exchange, patient=patient)
            run.derived("patient", ("documents[1].content",), _OUT)
        documents = tuple(self._as_cda(exchange, number, run) for number in range(len(exchange.documents)))
        reports = tuple(map(typed, exchange.reports))
        return replace(exchange, envelope=envelope, documents=documents, reports=reports)

    def _as_cda(self, exchange: Exchange, number: int, run: Run) -> Document:
        document = exchange.documents[number]
        content = document.content
        if content is None or content.data is None:
            return document
        if is_cda(content):  # OBX-5.3 says what it is
            return (
                document if content.media_type else replace(document, content=replace(content, media_type="text/xml"))
            )
        held = embeddable(exchange, run, (number,))
        if held.value is None:
            run.issues += held.issues
            return document
        written = write_document(held.value, run, self.mappings, position=number)
        run.issues += written.issues
        if written.value is None:
            return document
        content = held.value.documents[number].content or content
        return replace(
            document,
            content=replace(
                content, media_type="text/xml", data=written.value, size=len(written.value), sha1=None, sha256=None
            ),
            body=content,
        )

    # --- both ----------------------------------------------------------------------------------------------------------

    def convert(self, raw: bytes, from_format: str | None, to_format: str, context: Context) -> Outcome[bytes]:
        """Bytes of one format → bytes of another (`from_format` None: recognised)."""
        known = from_format or detect(raw)
        if known is None:
            return Outcome(None, (Issue.of(Severity.ERROR, IssueCode.NOT_HL7, expected="HL7 v2, CDA, FHIR, Exchange"),))
        reading = self.read(raw, known, context)
        if reading.exchange is None or not reading.accepted:
            return Outcome(None, reading.issues)
        if to_format == "cda" and known == "cda":
            return Outcome(raw, reading.issues)
        inside = Run(context)
        exchange = with_sections(reading.exchange, inside, self.mappings, reading.tree)
        written = self.write(exchange, to_format, context)
        return Outcome(written.value, (*reading.issues, *inside.issues, *written.issues))


def _says_something(exchange: Exchange) -> bool:
    said = (exchange.patient, exchange.documents, exchange.encounter, exchange.envelope)
    return any((*said, exchange.messages, exchange.teleexpertise, exchange.reports))


def _request_as_sent(exchange: Exchange) -> bool:
    """Whether the request is there as the document that was sent."""
    return bool(exchange.documents) and is_cda(exchange.documents[0].content)


def _retired_types(exchange: Exchange, context: Context) -> list[Issue]:
    """FHIR and CDA hold a document's type as it is, by no table of a rule: its own table is asked here."""
    if context.table is None:
        return []
    types = context.table("document-types")
    return [
        Issue.of(Severity.WARNING, IssueCode.CODE_RETIRED, f"documents[{number}].type", table=types.name)
        for number, document in enumerate(exchange.documents, 1)
        if document.type is not None and types.retired(document.type.code, context.now[:10])
    ]
