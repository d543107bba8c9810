"""The header of a CDA explained: its own places carried to the leaves of a Document, and joined with the message around it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from connector.cda.document import HEADER, CdaReading
from connector.cda.shape import SHAPE as CDA
from connector.cda.telemedicine import MAPPING, read_request
from connector.exchange.model import Context, Exchange
from connector.mapping.catalogue import Library
from connector.mapping.explain import Decision, Origin, Trace, explain_read
from connector.mapping.language import Run
from connector.mapping.leaves import value_leaves
from connector.pipeline.headers import COMPARED, of_header, overlaid
from connector.pipeline.messages import as_request

__all__ = ["HeaderTrace", "explain_header", "joined", "with_request"]

_DERIVED = Origin(by="derived: connector/cda/document.py")
_NARRATIVE = Origin(by="derived: connector/cda/telemedicine.py")
_BYTES = Origin(by="derived: connector/cda/codec.py")
#: Rules that compare what message and header say, by the field.
_RULES = {"id": "rules:document_ids_agree", "replaces": "rules:document_ids_agree"}
_OF_PATIENT = "rules:patient_of_document"


class HeaderTrace(msgspec.Struct, frozen=True, kw_only=True):
    """What explains one CDA: the trace of its header, the place that carries it ("" when it stands alone), and all of its places.

    Places are those of the document behind its carrier: `OBX[1]-5.5/ClinicalDocument/title`.
    """

    trace: Trace
    carrier: str
    leaves: tuple[str, ...]

    @property
    def carried(self) -> tuple[str, ...]:
        """Places that no rule reads; they travel inside the document's bytes, unchanged."""
        used = self.trace.sources
        return tuple(place for place in self.leaves if place not in used)

    def origin(self, field: str) -> Origin:
        """Where a leaf of the Document came from, by its place within it (`authors[1].name.family`, `encounter.number.value`)."""
        if field.startswith("content."):
            return _BYTES if field == "content.media_type" else Origin(sources=self.leaves, by="verbatim")
        place = field if field.startswith("encounter.") else f"documents[1].{field}"
        return self.trace.outputs.get(place, _DERIVED)

    def decisions(self, own: str) -> dict[str, tuple[Decision, ...]]:
        """What places of the header decide, in the words of the document at `own` (`documents[2].`)."""
        return {
            place: tuple(
                replace(each, outputs=tuple(_of(own, output) for output in each.outputs)) for each in decisions
            )
            for place, decisions in self.trace.decides.items()
        }


def explain_header(library: Library, read: CdaReading, carrier: str, context: Context) -> HeaderTrace:
    """Read the header of a document again, explained."""
    header = read.clinical.header
    _, trace = explain_read(library.mapping(HEADER), header, Run(context, explain=True))

    def at(places: Iterable[str]) -> tuple[str, ...]:
        return tuple(f"{carrier}{place}" for place in places)

    prefixed = Trace(
        {output: replace(origin, sources=at(origin.sources)) for output, origin in trace.outputs.items()},
        {f"{carrier}{place}": decisions for place, decisions in trace.decides.items()},
        {f"{carrier}{place}": rules for place, rules in trace.checks.items()},
        at(trace.unused),
    )
    return HeaderTrace(trace=prefixed, carrier=carrier, leaves=at(place for place, _ in CDA.leaves(header)))


def joined(
    exchange: Exchange, message: Trace, number: int, read: CdaReading, header: HeaderTrace
) -> tuple[Exchange, Trace]:
    """The Exchange with what the header of document `number` says, and one trace of both: what the header says comes from its places,
    what the message says too is compared (or unread), and the text that carries the document is that document."""
    document = overlaid(read.document, exchange.documents[number - 1])
    documents = (*exchange.documents[: number - 1], document, *exchange.documents[number:])
    merged = replace(exchange, documents=documents)
    own = f"documents[{number}]."
    outputs = {
        place: header.origin(place[len(own) :])
        if place.startswith(own) and of_header(_field(place[len(own) :]), read.document)
        else message.outputs.get(place, Origin(by="structure"))
        for place, _ in value_leaves(merged)
    }
    kept = {source for origin in outputs.values() for source in origin.sources}
    compared: dict[str, tuple[str, ...]] = {}
    dropped: list[str] = []
    for place, origin in message.outputs.items():
        rule = _compared(place[len(own) :], read) if place.startswith(own) else ""
        for source in origin.sources:
            if source not in kept and source != header.carrier:
                dropped.append(source)
                if rule:
                    compared[source] = (rule,)
    patient = (
        source
        for place, origin in header.trace.outputs.items()
        if place.startswith("patient.")
        for source in origin.sources
    )
    checks = message.checks | compared | header.trace.checks | dict.fromkeys(patient, (_OF_PATIENT,))
    checks.pop(header.carrier, None)
    decides = message.decides | header.decisions(own)
    unread = dict.fromkeys((*message.unused, *dropped))
    unused = tuple(p for p in unread if p != header.carrier and p not in checks and p not in decides)
    return merged, Trace(outputs, decides, checks, unused)


def with_request(
    exchange: Exchange, trace: Trace, read: CdaReading, header: HeaderTrace, library: Library, context: Context
) -> tuple[Exchange, Trace]:
    """The Exchange with what a TLM-DA says of its téléexpertise, and the trace with where each leaf of it came from: the header's places by
    its mapping, the author; what is narrative by the code that reads it."""
    said = read_request(read, Run(context), library)
    _, found = explain_read(library.mapping(MAPPING), read.clinical.header, Run(context, explain=True))
    merged = as_request(exchange, said)
    outputs = dict(trace.outputs)
    for place, _ in value_leaves(merged):
        if place in outputs and place != "mode":
            continue
        known = found.outputs.get(place)
        if known is not None:
            outputs[place] = replace(known, sources=tuple(f"{header.carrier}{each}" for each in known.sources))
        elif place.startswith("sender."):
            outputs[place] = header.origin(f"authors[1].{place.removeprefix('sender.')}")
        else:
            outputs[place] = header.origin("id") if place == "teleexpertise.document" else _NARRATIVE
    return merged, replace(trace, outputs=outputs)


def _field(place: str) -> str:
    return place.partition(".")[0].partition("[")[0]


def _of(own: str, output: str) -> str:
    if output.startswith("documents[1]."):
        return own + output.removeprefix("documents[1].")
    return own + output if output.startswith("encounter.") else output


def _compared(place: str, read: CdaReading) -> str:
    """The rule that compares a leaf of the message with what the header says, if any: of a code its label is free."""
    field = _field(place)
    if getattr(read.document, field, None) in (None, ()):
        return ""
    if field == "type":
        return "" if place in ("type.display", "type.text", "type.version") else "pipeline:headers"
    if field == "signer":
        return "pipeline:headers" if place.startswith("signer.identifiers[") and place.endswith(".value") else ""
    return _RULES.get(field, "pipeline:headers" if field in COMPARED else "")
