"""The same conversion told leaf by leaf, for the console and `connector explain`.

`explain_read` and `explain_write` give the value and its `Trace`; `explain_conversion` joins the two for a conversion by way of the
Exchange (`compose` does it for traces that are there already, one leaf of the Exchange being its finest grain).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from connector.mapping.compile import Mapping
from connector.mapping.explain_read import explain_read
from connector.mapping.explain_write import Write, explain_write
from connector.mapping.language import Run
from connector.mapping.trace import Decision, Origin, Trace, compose
from connector.mapping.vary import changed, variants

__all__ = ["Decision", "Origin", "Trace", "compose", "explain_conversion", "explain_read", "explain_write"]


def explain_conversion(
    read: Mapping, tree: Any, write: Mapping, run: Run, whole: Write | None = None
) -> tuple[Any, Trace]:
    """Convert a tree of one format to one of another with every output leaf explained. `whole`: see `explain_write`.

    Where an Exchange leaf has several sources and goes to several places (a media type that HL7 cuts in two), each pair is tried.
    The tree is None when nothing could be read.
    """
    value, reading = explain_read(read, tree, run)
    if value is None:
        return None, reading
    output, writing = explain_write(write, value, run, whole)
    trace = compose(reading, writing)
    doubtful = _doubtful(reading, writing)
    if not doubtful:
        return output, trace
    base = dict(write.shape.leaves(output))
    sources = {place: set(origin.sources) for place, origin in trace.outputs.items()}
    for place, text in read.shape.leaves(tree):
        if place in doubtful:
            moved = _moved(
                read,
                tree,
                place,
                str(text),
                lambda found: (whole or write.write)(found, Run(run.context)),
                base,
                write,
                run,
            )
            for end in doubtful[place] - moved if moved else ():
                sources[end].discard(place)
    outputs = {
        place: msgspec.structs.replace(origin, sources=tuple(s for s in origin.sources if s in sources[place]))
        for place, origin in trace.outputs.items()
    }
    return output, msgspec.structs.replace(trace, outputs=outputs)


def _doubtful(reading: Trace, writing: Trace) -> dict[str, set[str]]:
    """For each source leaf, the outputs that it may or may not reach through an Exchange leaf that several share."""
    found: dict[str, set[str]] = {}
    for middle, origin in reading.outputs.items():
        ends = writing.of(middle)
        if len(origin.sources) > 1 and len(ends) > 1:
            for source in origin.sources:
                found.setdefault(source, set()).update(ends)
    for source, doubted in found.items():
        for middle in reading.of(source):
            if len(reading.outputs[middle].sources) == 1:
                doubted.difference_update(writing.of(middle))
    return found


def _moved(
    read: Mapping, tree: Any, place: str, text: str, write: Any, base: dict[str, Any], target: Mapping, run: Run
) -> frozenset[str]:
    """The outputs that change with a source leaf while all stay there."""
    moved: frozenset[str] = frozenset()
    for other in variants(text):
        varied = read.shape.traced(tree, "", _instead(place, other))[0]
        value = read.read(varied, Run(run.context))
        after = dict(target.shape.leaves(write(value))) if value is not None else {}
        if base.keys() == after.keys():
            moved |= changed(base, after)
    return moved


def _instead(place: str, other: str) -> Callable[[str, tuple[str, ...]], str]:
    return lambda old, where: other if place in where else str(old)
