"""A conversion told leaf by leaf: for each output where it came from and by which rule, what was not read, what was not written.

A CDA inside a message is a source of its own: its places stand behind the place that carries it (`OBX[1]-5.5/ClinicalDocument/title`),
and each of them is carried to the bytes of the document.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from connector.cda.document import HEADER, CdaReading, is_cda, read_document
from connector.cda.shape import SHAPE as CDA
from connector.exchange.documents import Document
from connector.exchange.model import Context, Exchange
from connector.hl7.structure import nested
from connector.issues import Issue, IssueCode, Outcome, Severity
from connector.mapping.explain import Decision, Origin, Trace, compose, explain_read, explain_write
from connector.mapping.language import Run
from connector.mapping.leaves import value_leaves
from connector.pipeline.formats import FORMATS, Format, detect
from connector.pipeline.headers import OF_THE_MESSAGE, overlaid
from connector.pipeline.translate import Translator

__all__ = ["Explanation", "explain", "explain_reading"]


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


def explain(
    translator: Translator, raw: bytes, source_format: str | None, target_format: str, context: Context
) -> Outcome[Explanation]:
    """Explain the conversion of bytes to a format (`exchange` explains the reading alone). No value when the bytes cannot be read."""
    known = source_format or detect(raw) or ""
    if known not in FORMATS:
        return Outcome(None, (Issue.of(Severity.ERROR, IssueCode.NOT_HL7, expected=", ".join(FORMATS)),))
    read = explain_reading(translator, raw, FORMATS[known], context)
    if read.value is None:
        return Outcome(None, read.issues)
    exchange, reading, explanation = read.value
    if target_format == "exchange":
        return Outcome(explanation, read.issues)
    if target_format == "cda":
        return Outcome(_of_cda(translator, exchange, reading, explanation, context), read.issues)
    form = FORMATS[target_format]
    run = Run(context, explain=True)
    whole = translator.complete_message(exchange, run) if form.name == "hl7" else exchange
    mapping, refusal = translator.mapping_for_writing(form, whole)
    if mapping is None:
        return Outcome(None, (*read.issues, *refusal))

    def write(value: Any, inner: Run) -> Any:
        tree = mapping.write(value, inner)
        return form.assemble(tree, value, inner) if form.assemble else tree

    _, writing = explain_write(mapping, whole, run, write)
    trace = compose(_with_derived(reading, run), writing)
    return Outcome(
        replace(
            explanation, target_format=target_format, trace=trace, mappings=(*explanation.mappings, mapping.name),
            issues=(*read.issues, *run.issues),
        ),
        (*read.issues, *run.issues),
    )  # fmt: skip


def explain_reading(
    translator: Translator, raw: bytes, form: Format, context: Context
) -> Outcome[tuple[Exchange, Trace, Explanation]]:
    """Read bytes with every Exchange leaf explained, the headers of their CDA documents included."""
    parsed = form.parse(raw)
    if parsed.value is None:
        return Outcome(None, parsed.issues)
    if form.name == "cda":
        return _explain_cda(translator, parsed.value, parsed.issues, context)
    mapping, refusal = translator.mapping_for(form, form.claim(parsed.value))
    if mapping is None:
        return Outcome(None, (*parsed.issues, *refusal))
    run = Run(context, explain=True)
    if form.name == "hl7" and mapping.spec.structure:
        nested(parsed.value, mapping.spec.structure)
    whole = form.take_apart(parsed.value, run) if form.take_apart else parsed.value
    exchange, trace = explain_read(mapping, whole, run)
    if exchange is None:
        return Outcome(None, (*parsed.issues, *run.issues))
    names = [mapping.name]
    carried: tuple[str, ...] = ()
    for number, document in enumerate(exchange.documents, 1):
        content = document.content
        if content is None or content.data is None or not is_cda(content):
            continue
        inner = Run(context)
        read = read_document(content.data, inner, translator.library)
        if read.value is None:
            continue
        carrier = _carrier(trace, number)
        exchange, trace, more = _with_header(translator, exchange, trace, number, read.value, carrier, context)
        carried += more
        names.append(HEADER)
    explanation = Explanation(
        source_format=form.name, target_format="exchange", mappings=tuple(dict.fromkeys(names)), trace=trace,
        carried=carried, issues=(*parsed.issues, *run.issues),
    )  # fmt: skip
    return Outcome((exchange, trace, explanation), explanation.issues)


def _explain_cda(
    translator: Translator, clinical: Any, issues: tuple[Issue, ...], context: Context
) -> Outcome[tuple[Exchange, Trace, Explanation]]:
    reading = translator.read(bytes(clinical.raw), "cda", context, rules=False)
    if reading.exchange is None:
        return Outcome(None, (*issues, *reading.issues))
    run = Run(context, explain=True)
    _, trace = explain_read(translator.library.mapping(HEADER), clinical.header, run)
    leaves = [place for place, _ in CDA.leaves(clinical.header)]
    outputs = dict(trace.outputs)
    for place, _ in value_leaves(reading.exchange):
        if ".content." in place:
            outputs[place] = Origin(sources=tuple(leaves), by="verbatim")
        outputs.setdefault(place, Origin(by="derived: connector/cda/document.py"))
    filled = {place for place, _ in value_leaves(reading.exchange)}
    kept = {place: origin for place, origin in outputs.items() if place in filled}
    carried = tuple(place for place in trace.unused if place in set(leaves))
    whole = Trace(kept, trace.decides, trace.checks, ())
    explanation = Explanation(
        source_format="cda", target_format="exchange", mappings=(HEADER,), trace=whole, carried=carried,
        issues=reading.issues,
    )  # fmt: skip
    return Outcome((reading.exchange, whole, explanation), reading.issues)


def _carrier(trace: Trace, number: int) -> str:
    """The place whose text is the document: the one source that `content.data` has and no other leaf of the content shares."""
    data = trace.outputs.get(f"documents[{number}].content.data")
    return data.sources[-1] if data is not None and data.sources else f"documents[{number}].content.data"


def _with_header(
    translator: Translator,
    exchange: Exchange,
    trace: Trace,
    number: int,
    read: CdaReading,
    carrier: str,
    context: Context,
) -> tuple[Exchange, Trace, tuple[str, ...]]:
    """The Exchange with what the CDA's header says, and the trace in which those leaves come from the CDA's own places."""
    run = Run(context, explain=True)
    _, header = explain_read(translator.library.mapping(HEADER), read.clinical.header, run)
    leaves = tuple(f"{carrier}{place}" for place, _ in CDA.leaves(read.clinical.header))
    document = overlaid(read.document, exchange.documents[number - 1])
    documents = (*exchange.documents[: number - 1], document, *exchange.documents[number:])
    merged = replace(exchange, documents=documents)
    own = f"documents[{number}]."
    outputs: dict[str, Origin] = {}
    for place, _ in value_leaves(merged):
        if not place.startswith(own) or not _of_header(place[len(own) :], read.document):
            outputs[place] = trace.outputs.get(place, Origin(by="structure"))
        elif place.startswith(f"{own}content."):
            outputs[place] = Origin(sources=leaves, by="verbatim")
        else:
            outputs[place] = _prefixed(_origin(header, place[len(own) :]), carrier)
    lost = {
        p for place, o in trace.outputs.items() if place.startswith(own) and place not in outputs for p in o.sources
    }
    replaced = {
        source
        for place, origin in trace.outputs.items()
        if place.startswith(own) and outputs.get(place) is not origin
        for source in origin.sources
    } | lost
    replaced -= {source for origin in outputs.values() for source in origin.sources} | {carrier}
    compared = _compared(trace, number, replaced)
    decides = dict(trace.decides)
    for place, decisions in header.decides.items():
        decides[f"{carrier}{place}"] = tuple(_renamed(each, own) for each in decisions)
    checks = {place: rules for place, rules in trace.checks.items() if place != carrier} | compared
    for place, rules in header.checks.items():
        checks[f"{carrier}{place}"] = rules
    for place, origin in header.outputs.items():
        if place.startswith("patient."):
            checks |= {f"{carrier}{source}": ("rules:patient_of_document",) for source in origin.sources}
    said = [*trace.unused, *sorted(replaced - compared.keys() - decides.keys() - checks.keys())]
    unused = tuple(place for place in dict.fromkeys(said) if place != carrier)
    used = header.sources
    carried = tuple(f"{carrier}{place}" for place, _ in CDA.leaves(read.clinical.header) if place not in used)
    return merged, Trace(outputs, decides, checks, unused), carried


def _of_header(field: str, header: Document) -> bool:
    """Whether a leaf of the merged document is the header's."""
    name = field.partition(".")[0].partition("[")[0]
    return name not in OF_THE_MESSAGE and getattr(header, name, None) not in (None, ())


def _origin(header: Trace, field: str) -> Origin:
    place = field if field.startswith("encounter.") else f"documents[1].{field}"
    return header.outputs.get(place, Origin(by="derived: connector/cda/document.py"))


def _prefixed(origin: Origin, carrier: str) -> Origin:
    return replace(origin, sources=tuple(f"{carrier}{source}" for source in origin.sources))


def _renamed(decision: Decision, own: str) -> Decision:
    outputs = (
        own + output.removeprefix("documents[1].") if output.startswith("documents[1].")
        else own + output if output.startswith("encounter.") else output
        for output in decision.outputs
    )  # fmt: skip
    return Decision(decision.rule, tuple(outputs))


def _compared(trace: Trace, number: int, replaced: set[str]) -> dict[str, tuple[str, ...]]:
    """Places whose value the header says too and the rules compare: TXA-12 and TXA-13."""
    found: dict[str, tuple[str, ...]] = {}
    for field in ("id", "replaces"):
        origin = trace.outputs.get(f"documents[{number}].{field}")
        for source in origin.sources if origin is not None else ():
            if source in replaced:
                found[source] = ("rules:document_ids_agree",)
    return found


def _with_derived(reading: Trace, run: Run) -> Trace:
    """The reading trace with what `complete_message` filled in before writing."""
    outputs = dict(reading.outputs)
    for output, sources, by in run.derivations or ():
        behind = tuple(s for place in sources for s in reading.outputs.get(place, Origin()).sources)
        outputs.setdefault(output, Origin(sources=behind, by=f"derived: {by}"))
    return replace(reading, outputs=outputs)


def _of_cda(
    translator: Translator, exchange: Exchange, reading: Trace, explanation: Explanation, context: Context
) -> Explanation:
    """A document that is a CDA leaves as it came: each place of it from the same place."""
    document = exchange.documents[0] if exchange.documents else None
    if document is None or document.content is None or not is_cda(document.content):
        run = Run(context, explain=True)
        _, writing = explain_write(translator.library.mapping(HEADER), exchange, run)
        return replace(
            explanation, target_format="cda", trace=compose(reading, writing), mappings=(*explanation.mappings, HEADER)
        )
    sources = reading.outputs["documents[1].content.data"].sources
    outputs = {_tail(source): Origin(sources=(source,), by="verbatim") for source in sources}
    unused = tuple(_not_in(reading, sources))
    trace = Trace(outputs, {}, reading.checks, unused)
    return replace(explanation, target_format="cda", trace=trace)


def _tail(source: str) -> str:
    return source[source.index("/ClinicalDocument") :] if "/ClinicalDocument" in source else source


def _not_in(reading: Trace, sources: Iterable[str]) -> Iterable[str]:
    known = set(sources)
    every = dict.fromkeys([*(s for o in reading.outputs.values() for s in o.sources), *reading.unused])
    return [place for place in every if place not in known and place not in reading.checks]
