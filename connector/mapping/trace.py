"""What `explain` tells: for each output leaf where it came from and by which rule, and what was not used.

Places only, never values: a trace may be shown and stored where a message may not.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

__all__ = ["Decision", "Origin", "Trace", "compose"]


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where one output leaf came from. `by`: `rule` (carried from `sources`), `const`, `default`, `structure` (order, numbers, what a datatype always writes), or
    `derived: …` (code of the format's package). `rules` are `file:line`, the reading one first; `row` is the terminology row."""

    sources: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    row: str | None = None
    by: str = "rule"


class Decision(msgspec.Struct, frozen=True):
    """A source leaf that decides whether others appear: the rule, the outputs that it governs, and the predicate or condition."""

    rule: str
    outputs: tuple[str, ...]
    test: str = ""


class Trace(msgspec.Struct, frozen=True):
    """One conversion explained.

    `outputs`: each output leaf. `decides`: leaves used in tests. `checks`: leaves compared with a constant or with what an earlier rule
    read (place -> rules). `unused`: filled source leaves that nothing used: "unread" when reading, "unwritten" when writing.
    `unwritten`: after `compose`, the Exchange leaves that no rule wrote.
    """

    outputs: dict[str, Origin]
    decides: dict[str, tuple[Decision, ...]]
    checks: dict[str, tuple[str, ...]]
    unused: tuple[str, ...]
    unwritten: tuple[str, ...] = ()

    @property
    def sources(self) -> frozenset[str]:
        """Every source leaf that was used: carried, deciding or checked."""
        carried = {place for origin in self.outputs.values() for place in origin.sources}
        return frozenset(carried | self.decides.keys() | self.checks.keys())

    def of(self, source: str) -> frozenset[str]:
        """The output leaves that a source leaf is carried to."""
        return frozenset(place for place, origin in self.outputs.items() if source in origin.sources)


def _joined(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for part in parts for item in part))


def compose(read: Trace, write: Trace) -> Trace:
    """A conversion by way of the Exchange as one trace, from source leaves to output leaves."""
    outputs: dict[str, Origin] = {}
    for place, origin in write.outputs.items():
        behind = [read.outputs[each] for each in origin.sources if each in read.outputs]
        by = origin.by
        if by == "rule" and behind and all(each.by in ("const", "default") for each in behind):
            by = behind[0].by
        rows = [each.row for each in behind if each.row] + ([origin.row] if origin.row else [])
        outputs[place] = Origin(
            sources=_joined(each.sources for each in behind),
            rules=_joined([*(each.rules for each in behind), origin.rules]),
            row=rows[0] if rows else None,
            by=by,
        )
    return Trace(
        outputs=outputs,
        decides=_decisions(read, write),
        checks=read.checks,
        unused=_unused(read, write),
        unwritten=write.unused,
    )


def _decisions(read: Trace, write: Trace) -> dict[str, tuple[Decision, ...]]:
    written_to: dict[str, list[str]] = {}
    for place, origin in write.outputs.items():
        for source in origin.sources:
            written_to.setdefault(source, []).append(place)
    found: dict[str, list[Decision]] = {}
    for source, decisions in read.decides.items():
        for each in decisions:
            outputs = _joined(tuple(written_to.get(middle, ())) for middle in each.outputs)
            found.setdefault(source, []).append(Decision(each.rule, outputs, each.test))
    for middle, decisions in write.decides.items():
        for source in read.outputs[middle].sources if middle in read.outputs else ():
            found.setdefault(source, []).extend(decisions)
    return {source: tuple(decisions) for source, decisions in found.items()}


def _unused(read: Trace, write: Trace) -> tuple[str, ...]:
    """Source leaves that no rule read, and those whose Exchange leaves were not used by any rule that wrote."""
    used = write.sources
    carried: dict[str, bool] = {}
    for middle, origin in read.outputs.items():
        for source in origin.sources:
            carried[source] = carried.get(source, False) or middle in used
    dropped = [s for s, kept in carried.items() if not kept and s not in read.decides and s not in read.checks]
    return (*read.unused, *dropped)
