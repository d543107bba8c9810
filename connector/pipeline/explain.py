"""A conversion told leaf by leaf: for each output where it came from and by which rule, what was not read, what was not written.

A CDA inside a message is a source of its own: its places stand behind the place that carries it (`OBX[1]-5.5/ClinicalDocument/title`),
and each of them is carried to the bytes of the document.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from connector.cda.codec import ClinicalDocument
from connector.cda.document import HEADER, complete, is_cda, read_clinical, read_document
from connector.cda.telemedicine import MAPPING as REQUEST_MAPPING
from connector.cda.telemedicine import is_request
from connector.exchange.model import Context, Exchange
from connector.issues import Issue, IssueCode, Outcome, Severity, worst
from connector.mapping.explain import Origin, Trace, compose, explain_read, explain_write
from connector.mapping.language import Run
from connector.mapping.leaves import value_leaves
from connector.pipeline.bodies import claim_told, embeddable, pdf_claims
from connector.pipeline.explain_header import explain_header, joined, with_request
from connector.pipeline.formats import FORMATS, Format, detect
from connector.pipeline.structured import unread_entries, with_sections
from connector.pipeline.translate import Translator, opened

__all__ = ["Explained", "Explanation", "explain", "explain_reading"]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The trace of one conversion with the names of its ends and mappings. It holds places only, never values of the message.

    `carried`: places of a document's own format that no rule reads; they travel inside the document's bytes, unchanged.
    """

    source_format: str
    target_format: str
    mappings: tuple[str, ...]
    trace: Trace
    carried: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()


class Explained(NamedTuple):
    """What was read, and how."""

    exchange: Exchange
    explanation: Explanation


def explain(
    translator: Translator, raw: bytes, source_format: str | None, target_format: str, context: Context
) -> Outcome[Explanation]:
    """Explain the conversion of bytes to a format (`exchange` explains the reading alone). No value when the bytes cannot be read."""
    known = source_format or detect(raw) or ""
    if known == "exchange":
        read = _read_exchange(translator, raw, context)
    elif known in FORMATS:
        read = explain_reading(translator, raw, FORMATS[known], context)
    else:
        return Outcome(None, (Issue.of(Severity.ERROR, IssueCode.NOT_HL7, expected=", ".join((*FORMATS, "exchange"))),))
    if read.value is None:
        return Outcome(None, read.issues)
    exchange, explanation = read.value
    told = (*read.issues, *(claim_told(claim, place) for place, claim in pdf_claims(exchange)))
    if target_format == "exchange":
        return Outcome(explanation, told)
    run = Run(context, explain=True)
    written = _written(translator, exchange, explanation.trace, target_format, run)
    if written.value is None:
        return Outcome(None, (*told, *written.issues))
    mapping, trace = written.value
    issues = (*told, *run.issues)
    names = tuple(dict.fromkeys((*explanation.mappings, mapping)))
    explained = replace(explanation, target_format=target_format, trace=trace, mappings=names, issues=issues)
    return Outcome(explained, issues)


# --- reading


def explain_reading(translator: Translator, raw: bytes, form: Format, context: Context) -> Outcome[Explained]:
    """Read bytes with every Exchange leaf explained, the headers of their CDA documents included."""
    parsed = form.parse(raw)
    if parsed.value is None or (form.name == "fhir" and worst(parsed.issues) >= Severity.ERROR):
        return Outcome(None, parsed.issues)
    if form.name == "cda":
        return _read_cda(translator, parsed.value, parsed.issues, context)
    mapping, refusal = translator.mapping_for(form, form.claim(parsed.value))
    if mapping is None:
        return Outcome(None, (*parsed.issues, *refusal))
    run = Run(context, explain=True)
    exchange, trace = explain_read(mapping, opened(form, mapping, parsed.value, run), run)
    issues = (*parsed.issues, *run.issues)
    if exchange is None:
        return Outcome(None, issues)
    names = [mapping.name]
    carried: tuple[str, ...] = ()
    for number, document in enumerate(exchange.documents, 1):
        content = document.content
        if content is None or content.data is None or not is_cda(content):
            continue
        read = read_document(content.data, Run(context), translator.mappings).value
        if read is not None:
            header = explain_header(translator.mappings, read, _carrier(trace, number), context)
            exchange, trace = joined(exchange, trace, number, read, header)
            if exchange.teleexpertise is None and is_request(read.document):
                exchange, trace = with_request(exchange, trace, read, header, translator.mappings, context)
                names.append(REQUEST_MAPPING)
            carried += header.carried
            names.append(HEADER)
    explanation = Explanation(
        source_format=form.name, target_format="exchange", mappings=tuple(dict.fromkeys(names)), trace=trace,
        carried=carried, issues=issues,
    )  # fmt: skip
    return Outcome(Explained(exchange, explanation), issues)


def _read_exchange(translator: Translator, raw: bytes, context: Context) -> Outcome[Explained]:
    """The profile's own JSON: each leaf is what stands there."""
    reading = translator.read(raw, "exchange", context, rules=False)
    if reading.exchange is None:
        return Outcome(None, reading.issues)
    outputs = {place: Origin(sources=(place,), by="verbatim") for place, _ in value_leaves(reading.exchange)}
    explanation = Explanation(
        source_format="exchange", target_format="exchange", mappings=(), trace=Trace(outputs, {}, {}, ()),
        issues=reading.issues,
    )  # fmt: skip
    return Outcome(Explained(reading.exchange, explanation), reading.issues)


def _read_cda(
    translator: Translator, clinical: ClinicalDocument, issues: tuple[Issue, ...], context: Context
) -> Outcome[Explained]:
    """A document without a message around it."""
    reading = translator.read(bytes(clinical.raw), "cda", context, rules=False)
    read = read_clinical(clinical, Run(context), translator.mappings).value
    if reading.exchange is None or read is None:
        return Outcome(None, (*issues, *reading.issues))
    header = explain_header(translator.mappings, read, "", context)
    outputs = {
        place: header.origin(place.removeprefix("documents[1]."))
        if place.startswith("documents[1].")
        else header.trace.outputs.get(place, Origin(by="const"))
        for place, _ in value_leaves(replace(reading.exchange, teleexpertise=None, subject=None, sender=None))
    }
    inside = Run(context, explain=True)
    exchange = with_sections(reading.exchange, inside, translator.mappings, clinical)
    outputs |= _of_sections(exchange, inside)
    trace = Trace(outputs, header.trace.decides, header.trace.checks, ())
    names: tuple[str, ...] = (HEADER,)
    if is_request(read.document):
        _, trace = with_request(reading.exchange, trace, read, header, translator.mappings, context)
        names = (HEADER, REQUEST_MAPPING)
    issues = (*reading.issues, *inside.issues)
    carried = (*header.carried, *unread_entries(exchange.documents[0].sections))
    explanation = Explanation(
        source_format="cda", target_format="exchange", mappings=names, trace=trace, carried=carried, issues=issues,
    )  # fmt: skip
    return Outcome(Explained(exchange, explanation), issues)


def _of_sections(exchange: Exchange, run: Run) -> dict[str, Origin]:
    """Each leaf of the sections comes from the entry, else from the section, that it was read from."""
    known = {output: Origin(sources=sources, by=by) for output, sources, by in run.derivations or ()}
    found: dict[str, Origin] = {}
    for place, _ in value_leaves(exchange):
        if not place.startswith("documents[1].sections["):
            continue
        holder = place
        while holder not in known:
            holder = holder.rpartition(".")[0]
        found[place] = known[holder]
    return found


def _carrier(trace: Trace, number: int) -> str:
    """The place whose text is the document."""
    place = f"documents[{number}].content.data"
    sources = trace.outputs[place].sources if place in trace.outputs else ()
    return sources[-1] if sources else place


# --- writing


def _written(
    translator: Translator, exchange: Exchange, reading: Trace, target: str, run: Run
) -> Outcome[tuple[str, Trace]]:
    """The name of the mapping that writes and the trace of the whole."""
    if target == "cda":
        held = embeddable(exchange, run, range(len(exchange.documents))[:1])
        if held.value is None:
            return Outcome(None, held.issues)
        return Outcome((HEADER, _to_cda(translator, held.value, reading, run)))
    form = FORMATS[target]
    mapping, refusal = translator.mapping_for_writing(form, exchange, run.context)
    if mapping is None:
        return Outcome(None, tuple(refusal))

    def write(value: Any, inner: Run) -> Any:
        # What no table can say takes part in the trials: a header made up, a PDF wrapped, ids derived, resources linked. Of the message's
        # type the intent alone is tried: another type is another conversion.
        return translator.write_tree(value, form, inner, mapping if value.intent == exchange.intent else None)

    _, writing = explain_write(mapping, exchange, run, write)
    return Outcome((mapping.name, compose(reading, writing)))


def _to_cda(translator: Translator, exchange: Exchange, reading: Trace, run: Run) -> Trace:
    """A document that is a CDA leaves as it came, each place from the same place; any other is the body of one that is written."""
    document = exchange.documents[0] if exchange.documents else None
    if document is None or document.content is None or not is_cda(document.content):
        mapping = translator.mappings.mapping(HEADER)
        _, writing = explain_write(
            mapping, exchange, run, lambda value, inner: mapping.write(complete(value, inner), inner)
        )
        return compose(reading, writing)
    content = "documents[1].content.data"
    sources = reading.outputs[content].sources
    outputs = {
        source[source.index("/ClinicalDocument") :]: Origin(sources=(source,), by="verbatim") for source in sources
    }
    every = tuple(outputs)
    decides = {
        place: tuple(replace(each, outputs=every if content in each.outputs else ()) for each in decisions)
        for place, decisions in reading.decides.items()
    }
    known = {*sources, *decides, *reading.checks}
    said = dict.fromkeys((*(s for origin in reading.outputs.values() for s in origin.sources), *reading.unused))
    return Trace(outputs, decides, reading.checks, tuple(place for place in said if place not in known))
