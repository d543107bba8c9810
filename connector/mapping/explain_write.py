"""Writing explained: each Exchange leaf is changed a little and written again; the output leaves that change came from it.

Writing is pure, so trying is exact, also through what is not in any rule: order, derived ids, merged references. The rules are named by
what they read, told apart by the places that they can write to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from connector.mapping.compile import Mapping, probed
from connector.mapping.exchange import types_of
from connector.mapping.language import Run
from connector.mapping.leaves import value_leaves, with_leaf
from connector.mapping.part import Part
from connector.mapping.put import Put
from connector.mapping.trace import Decision, Origin, Trace
from connector.mapping.vary import changed, variants
from connector.mapping.when import Check, Condition

__all__ = ["explain_write"]

Write = Callable[[Any, Run], Any]
_INDEX = re.compile(r"\[[^\]]*\]|->\w+")
_WORD = re.compile(r"[A-Za-z0-9_@#]+")


class _WriteProbe:
    """Records which rules read which leaves of the Exchange value."""

    def __init__(self, value: Any) -> None:
        self.at: dict[int, str] = dict(_structs(value, ""))
        self.readers: dict[str, list[Part]] = {}
        self.visited: dict[int, Part] = {}

    def values(self, part: Part, values: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
        def watched(value: Any) -> list[Any]:
            found = values(value)
            self.visited[id(part)] = part
            prefix = self.at.get(id(value))
            if found and prefix is not None and part.inner is None:
                for place in self.places(part, prefix, value):
                    self.readers.setdefault(place, []).append(part)
            return found

        return watched

    def places(self, part: Part, prefix: str, value: Any) -> Iterator[str]:
        end = _INDEX.sub("", part.rule.exchange or "")
        for place, _ in value_leaves(value):
            bare = _INDEX.sub("", place)
            if end == "." or bare == end or bare.startswith(f"{end}."):
                yield f"{prefix}.{place}" if prefix else place

    def holds(self, part: Part, condition: Condition) -> Check:
        return condition.holds

    def get(self, part: Part, get: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
        return get

    def convert(self, part: Part, convert: Callable[[Any, Run], Any] | None) -> Callable[[Any, Run], Any]:
        return convert or (lambda found, run: found)

    def put(self, part: Part, put: Put) -> Put:
        return put


def _structs(value: Any, prefix: str) -> Iterator[tuple[int, str]]:
    if isinstance(value, msgspec.Struct):
        yield id(value), prefix
        for name in value.__struct_fields__:
            yield from _structs(getattr(value, name), f"{prefix}.{name}" if prefix else name)
    elif type(value) is tuple:
        for number, item in enumerate(value, 1):
            yield from _structs(item, f"{prefix}[{number}]")


def _others(leaf: Any, codes: Iterable[str]) -> Iterator[Any]:
    """Values of the same kind that differ."""
    if isinstance(leaf, bool):
        yield not leaf
    elif isinstance(leaf, int):
        yield leaf + 1
    elif isinstance(leaf, bytes):
        yield leaf[:-1] + bytes([leaf[-1] ^ 1]) if leaf else b"x"
    elif isinstance(leaf, str):
        yield from variants(leaf, codes)


def _constantly(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def _distinct(value: Any) -> Any:
    """A copy in which no struct stands at two places, so that each has one place by its id."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **{n: _distinct(getattr(value, n)) for n in value.__struct_fields__})
    return tuple(map(_distinct, value)) if type(value) is tuple else value


class _Trial:
    """Writes a value again with one leaf changed."""

    def __init__(self, value: Any, mapping: Mapping, write: Write, run: Run, base: dict[str, object]) -> None:
        self.value = value
        self.write = write
        self.shape = mapping.shape
        self.context = run.context
        self.base = base
        models = types_of(mapping.model).values()
        self.required = {each.name for model in models for each in msgspec.structs.fields(model) if each.required}

    def of(self, place: str, leaf: Any, codes: Iterable[str]) -> tuple[frozenset[str], bool]:
        """The output leaves that depend on a leaf, and whether it only decides that they (or others) are there."""
        steady: frozenset[str] | None = None
        gone: frozenset[str] | None = None
        tries, added = 0, False
        absent = (None,) if self.optional(place) else ()
        for other in (*_others(leaf, codes), *absent):
            if other is None and steady is not None:
                break  # leaving it out tells more than a change only when no change was possible
            after = self.leaves(with_leaf(self.value, place, _constantly(other)))
            moved = changed(self.base, after)
            if self.base.keys() <= after.keys():
                steady = (steady or frozenset()) | moved
                added = added or len(after) > len(self.base)
                tries += 1
                if tries == 3:
                    break
            elif gone is None or len(moved) < len(gone):
                gone = moved
        if steady:
            return steady, False
        return gone or frozenset(), bool(gone) or added

    def optional(self, place: str) -> bool:
        """Whether the Exchange may go without this leaf."""
        return not place.endswith("]") and place.rpartition(".")[2] not in self.required

    def leaves(self, value: Any) -> dict[str, object]:
        tree = self.write(value, Run(self.context))
        return dict(self.shape.leaves(tree)) if tree is not None else {}


def explain_write(mapping: Mapping, value: Any, run: Run, write: Write | None = None) -> tuple[Any, Trace]:
    """Write with every output leaf explained.

    `write` is the whole conversion when more than the mapping takes part (`assemble`); its tree must have the leaves of the mapping's
    Shape. It must call `mapping.write` of the mapping that is given. The tree is the one it gives; issues are in `run`.
    """
    whole = write or mapping.write
    tree = whole(value, run)
    base: dict[str, object] = dict(mapping.shape.leaves(tree)) if tree is not None else {}
    distinct = _distinct(value)
    probe = _WriteProbe(distinct)
    probed(mapping, probe).write(distinct, Run(run.context))
    trial = _Trial(value, mapping, whole, run, base)
    sources: dict[str, list[str]] = {}
    decides: dict[str, tuple[Decision, ...]] = {}
    checks: dict[str, tuple[str, ...]] = {}
    unwritten: list[str] = []
    naming = _Naming(mapping, probe)
    pool: dict[str, list[Any]] = {}  # what other leaves of the same field hold: good candidates for a change of kind
    for place, leaf in value_leaves(value):
        pool.setdefault(_INDEX.sub("", place), []).append(leaf)
    for place, leaf in value_leaves(value):
        readers = probe.readers.get(place, [])
        alike = (other for other in pool[_INDEX.sub("", place)] if type(other) is str)
        moved, deciding = trial.of(place, leaf, (*_words(readers), *alike))
        tested = tuple(part.rule.place for part in readers if part.path is None)
        if tested:
            checks[place] = tested
        if not moved and not deciding:
            if not tested:
                unwritten.append(place)
        elif deciding and (not readers or not moved):
            decides[place] = (Decision(naming.decider(place), tuple(sorted(moved))),)
        else:
            for output in moved:
                sources.setdefault(output, []).append(place)
    outputs = {output: naming.origin(output, text, sources.get(output, ())) for output, text in base.items()}
    for output, _declared, by in run.derivations or ():
        if (
            output in outputs
        ):  # what it depends on was tried above; what code declares may be more (a constant part of it)
            outputs[output] = msgspec.structs.replace(outputs[output], by=f"derived: {by}")
    return tree, Trace(outputs, decides, checks, tuple(unwritten))


def _words(readers: Iterable[Part]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.exchange for part in readers if part.table is not None for row in part.table.rows))


class _Naming:
    """Finds the rule behind an output leaf: among those that read its sources, the one whose path can lead there."""

    def __init__(self, mapping: Mapping, probe: _WriteProbe) -> None:
        self.readers = probe.readers
        self.parts = list(_parts(mapping, set()))

    def decider(self, place: str) -> str:
        """The rule whose predicate speaks of an Exchange leaf, "" when none does by itself."""
        field = _bare(place)[-1]
        for part in self.parts:
            for step in part.exchange.steps if part.exchange is not None else ():
                if any(tested.name == field for _, tested, _ in step.predicates):
                    return part.rule.place
        return ""

    def origin(self, output: str, text: object, sources: Iterable[str]) -> Origin:
        sources = tuple(sources)
        readers = list(dict.fromkeys(part for source in sources for part in self.readers.get(source, ())))
        if sources:
            near = [part for part in readers if _leads(part, output)] or readers
            rows = [row for part in near if (row := _row(part, text)) is not None]
            return Origin(sources, tuple(dict.fromkeys(p.rule.place for p in near)), rows[0] if rows else None)
        leading = [part for part in self.parts if _leads(part, output)]
        built = [part for part in self.parts if _constructs(part, str(text)) and _near(part, output)]
        whole = [part for part in leading if part.datatype is not None and part.datatype.node]
        constant = [part for part in leading if part.rule.const is not None]
        for parts, by in ((constant, "const"), (built, "const"), (whole, "structure")):
            if parts:
                best = max(parts, key=lambda part: _fits(part, output))
                return Origin(rules=(best.rule.place,), by=by)
        return Origin(by="structure")


def _parts(mapping: Mapping, seen: set[str]) -> Iterator[Part]:
    if mapping.name not in seen:
        seen.add(mapping.name)
        for part in mapping.parts:
            if part.writes and part.path is not None:
                yield part
                if part.inner is not None:
                    yield from _parts(part.inner, seen)


def _bare(path: str) -> list[str]:
    return _WORD.findall(_INDEX.sub("", path))


def _leads(part: Part, output: str) -> bool:
    """Whether the output's place, without numbers, holds the words of the rule's path in their order."""
    words = iter(_bare(output))
    return all(word in words for word in _bare(part.rule.path or "") if word != part.spec.anchor)


def _fits(part: Part, output: str) -> tuple[bool, int]:
    """Which of several rules is meant: one of a mapping whose node is on the way, then the longest path."""
    words = set(_bare(output))
    return any(anchor in words for anchor in part.spec.anchors), len(_bare(part.rule.path or ""))


def _near(part: Part, output: str) -> bool:
    steps = part.format_end.parsed.steps
    words = _bare(output)
    return all(word in words for step in steps[:1] for word in _bare(step.name))


def _constructs(part: Part, text: str) -> bool:
    return any(
        predicate.op in ("=", ":=") and (predicate.value == text or predicate.table)
        for step in part.format_end.parsed.steps
        for predicate in step.predicates
    )


def _row(part: Part, text: object) -> str | None:
    if part.table is None:
        return None
    row = part.table.row_of(part.spec.side, str(text))
    return row.place if row is not None else None
