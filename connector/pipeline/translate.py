"""Raw → Exchange and Exchange → raw, by way of the format's tree and the compiled mapping that answers for it. Pure.

A document that is a CDA is read too: what its header says is the document's truth, what the message says around it fills the rest,
and what both say is compared by the rules (`Facts`).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from connector.cda.codec import ClinicalDocument
from connector.cda.document import is_cda, read_clinical, write_document
from connector.exchange.documents import Document
from connector.exchange.facts import Facts
from connector.exchange.ids import derived
from connector.exchange.model import Context, Envelope, Exchange
from connector.exchange.people import Identifier
from connector.exchange.rules import check
from connector.hl7.codec import ParseOptions
from connector.hl7.codec import parse as parse_hl7
from connector.hl7.message import Message
from connector.hl7.structure import nested
from connector.hl7.validate import validate
from connector.issues import Issue, IssueCode, Outcome, Severity, worst
from connector.mapping.catalogue import Library
from connector.mapping.compile import Mapping
from connector.mapping.language import Run
from connector.monsisra.modes import rules_for
from connector.pipeline.formats import FORMATS, Claim, Format, detect, exchange_bytes, exchange_parse
from connector.pipeline.headers import read_headers
from connector.pipeline.places import MessagePlaces, document_observations
from connector.terminology import Untranslated

__all__ = ["Reading", "Translator", "opened"]

#: Conditions of table 0357 for which a message is not read further: type, event, processing id, version.
_OF_THE_HEADER = frozenset({"200", "201", "202", "203"})
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
        self, raw: bytes, format_name: str, context: Context, *, options: ParseOptions | None = None, rules: bool = True
    ) -> Reading:
        """Bytes → Exchange, with the business rules when `rules`. Never raises for what the bytes hold."""
        if format_name == "exchange":
            parsed = exchange_parse(raw)
            return self._judged(Reading(exchange=parsed.value, issues=parsed.issues, format="exchange"), context, rules)
        form = FORMATS[format_name]
        tree: Outcome[Any] = parse_hl7(raw, options=options) if options and format_name == "hl7" else form.parse(raw)
        if tree.value is None:
            return Reading(issues=tree.issues, format=format_name)
        if format_name == "cda":
            return self._judged(self._read_cda(tree.value, tree.issues, context), context, rules)
        claim = form.claim(tree.value)
        before = (*tree.issues, *(validate(tree.value) if format_name == "hl7" else ()))
        mapping, refusal = self.mapping_for(form, claim)
        refused = any(i.severity >= Severity.ERROR and i.definition.condition in _OF_THE_HEADER for i in before)
        if mapping is None or refused:
            told = before if refused else (*before, *refusal)
            return Reading(issues=told, claim=claim, tree=tree.value, format=format_name)
        run = Run(context)
        whole = opened(form, mapping, tree.value, run)
        return self._judged(self.read_tree(form, mapping, whole, run, before), context, rules)

    def read_tree(
        self, form: Format, mapping: Mapping, whole: Any, run: Run, before: tuple[Issue, ...] = ()
    ) -> Reading:
        """The same from a tree as `opened` gives it, without rules. `before`: issues met on the way to it."""
        exchange = mapping.read(whole, run)
        issues = [*before, *run.issues]
        hl7 = form.name == "hl7"
        claim = form.claim(whole)
        facts = _facts(whole, claim) if hl7 else Facts()
        if exchange is not None and exchange.documents:
            exchange, facts = read_headers(exchange, facts, run, self.mappings, issues, hl7=hl7)
        return Reading(
            exchange=exchange, issues=tuple(issues), mapping=mapping.name, claim=claim, tree=whole,
            format=form.name, facts=facts, untranslated=tuple(run.untranslated),
        )  # fmt: skip

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
        exchange = Exchange(
            intent=intent, mode="document", origin="feed", patient=patient, encounter=encounter,
            documents=(replace(document, encounter=None) if document.encounter == encounter else document,),
        )  # fmt: skip
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
        self, exchange: Exchange, format_name: str, context: Context, *, run: Run | None = None
    ) -> Outcome[bytes]:
        """Exchange → bytes of the format. Issues say what the format requires and the Exchange does not hold; `run` keeps what else is told."""
        if format_name == "exchange":
            return Outcome(exchange_bytes(exchange))
        run = Run(context) if run is None else run
        if format_name == "cda":
            return write_document(exchange, run, self.mappings)
        form = FORMATS[format_name]
        tree = self.write_tree(exchange, form, run)
        if tree is None:
            return Outcome(None, tuple(run.issues))
        try:
            return Outcome(form.serialise(tree), tuple(run.issues))
        except ValueError as error:
            run.report(Severity.ERROR, IssueCode.MAP_NOT_WRITABLE, expected=str(error))
            return Outcome(None, tuple(run.issues))

    def write_tree(self, exchange: Exchange, form: Format, run: Run, mapping: Mapping | None = None) -> Any:
        """Exchange → tree, complete with what the format needs and no table can say; None when no mapping can. `mapping`: this one."""
        if form.name == "hl7":
            exchange = self.complete_message(exchange, run)
        if mapping is None:
            mapping, refusal = self.mapping_for_writing(form, exchange)
            run.issues += refusal
        if mapping is None:
            return None
        _warn_of_retired_types(exchange, run)
        tree = mapping.write(exchange, run)
        return form.assemble(tree, exchange, run) if form.assemble else tree

    def mapping_for_writing(self, form: Format, exchange: Exchange) -> tuple[Mapping | None, list[Issue]]:
        """The mapping whose message says this Exchange."""
        claim = form.target(exchange)
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
            identity = derived(context, "control", *(str(part) for part in source), exchange.intent or "")
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
        documents = tuple(self._as_cda(exchange, number, run) for number in range(len(exchange.documents)))
        return replace(exchange, envelope=envelope, documents=documents)

    def _as_cda(self, exchange: Exchange, number: int, run: Run) -> Document:
        document = exchange.documents[number]
        content = document.content
        if content is None or content.data is None or is_cda(content):
            return document
        written = write_document(exchange, run, self.mappings, position=number)
        run.issues += written.issues
        if written.value is None:
            return document
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
        written = self.write(reading.exchange, to_format, context)
        return Outcome(written.value, (*reading.issues, *written.issues))


def _says_something(exchange: Exchange) -> bool:
    said = (exchange.patient, exchange.documents, exchange.encounter, exchange.envelope)
    return any((*said, exchange.messages, exchange.teleexpertise, exchange.reports))


def _warn_of_retired_types(exchange: Exchange, run: Run) -> None:
    """Document types are written by no table of a rule: their own one is asked here."""
    if run.context.table is None:
        return
    types = run.context.table("document-types")
    for number, document in enumerate(exchange.documents, 1):
        if document.type is not None and types.retired(document.type.code, run.context.now[:10]):
            run.report(Severity.WARNING, IssueCode.CODE_RETIRED, f"documents[{number}].type", table=types.name)


def _facts(message: Message, claim: Claim) -> Facts:
    """What a message says of its documents beside the Exchange (volet 1: ORC-1, OBX-11, TXA-12, TXA-13)."""
    type_, _, event = claim.type.partition("^")
    documents = document_observations(message)
    txa = message.first("TXA")
    return Facts(
        type=type_,
        event=event,
        controls=tuple(orc.text(1) for orc in message.all("ORC") if orc.text(1)),
        statuses=tuple(obx.text(11) for obx in documents),
        announced_ids=(_entity(txa, 12),) if txa is not None else (),
        announced_replaces=(_entity(txa, 13),) if txa is not None else (),
    )


def _entity(txa: Any, field: int) -> str | None:
    """TXA-12/13 as root or root^extension: 12.1 = extension and 12.3 = root, else 12.1 = root alone (volet 1, TXA-12)."""
    extension, root = txa.text(field, 1), txa.text(field, 3)
    if root and extension:
        return f"{root}^{extension}"
    return extension or None
