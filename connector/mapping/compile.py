"""MappingSpec -> Mapping: one closure a rule and direction, made once; constants only, nothing shared between messages.

Absent means nothing happens. The first rule that reads an Exchange end wins; later ones that disagree are reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from connector.issues import IssueCode, Severity
from connector.mapping import reading, writing
from connector.mapping.checks import circles, overlaps
from connector.mapping.exchange import IncompleteValue, finisher, lenient
from connector.mapping.language import MappingError, MappingSpec, Run, Shape
from connector.mapping.part import Part, Workbench
from connector.mapping.paths import closest
from connector.mapping.probe import Probe

__all__ = ["Mapping", "compile_mappings", "probed"]

Node = dict[str, Any]


class Mapping:
    """A compiled mapping. `read(tree, run)` and `write(value, run)`; trouble in a message is in `run.issues`, never raised."""

    __slots__ = ("fills", "finish", "model", "name", "needed", "parts", "reads", "shape", "spec", "writes")

    def __init__(self, spec: MappingSpec, shape: Shape, model: type[msgspec.Struct]) -> None:
        self.name = spec.name
        self.spec = spec
        self.shape = shape
        self.model = model
        self.finish = finisher(model)
        self.parts: tuple[Part, ...] = ()
        self.reads: tuple[
            tuple[Any, reading.ReadRule], ...
        ] = ()  # each behind what must stand in the node (None: try it)
        self.fills: tuple[reading.ReadRule, ...] = ()
        self.writes: tuple[tuple[str | None, writing.WriteRule], ...] = ()  # each behind the field that must be filled
        self.needed: frozenset[str | None] = frozenset()  # those fields

    def read(self, tree: Any, run: Run) -> Any:
        """The Exchange value that the tree says, None when it says nothing that the mapping knows."""
        node: Node = {}
        self.read_into(tree, node, run)
        if not node:
            return None
        try:
            return self.finish(node)
        except IncompleteValue:
            return lenient(node, self.model, run)

    def read_into(self, tree: Any, node: Node, run: Run) -> None:
        """Read into a dict under construction."""
        self.read_rules(tree, node, run)
        for rule in self.fills:
            rule(tree, node, run)

    def read_rules(self, tree: Any, node: Node, run: Run) -> None:
        """As `read_into`, without constants and defaults."""
        if self.shape.filled is None:
            for _, rule in self.reads:
                rule(tree, node, run)
            return
        there = self.shape.filled(tree)
        for needs, rule in self.reads:
            if needs is None or needs in there:
                rule(tree, node, run)

    def write(self, value: Any, run: Run, into: Any = None) -> Any:
        """The format's tree of a value. With `into`, the tree is written below that node and left unfinished: the caller finishes it."""
        tree = self.shape.new(self.spec.anchor) if into is None else into
        self.write_into(value, tree, run)
        for part, node, test in run.pending:
            found = test.get(node)
            if not test.passes(found[0] if found else None):
                part.complain(run, Severity.ERROR, IssueCode.MAP_PREDICATE_LOST, expected=test.text)
        run.pending.clear()
        return self.shape.finish(tree, self.spec.structure) if into is None else tree

    def write_into(self, value: Any, tree: Any, run: Run) -> None:
        """Write below a node."""
        for field, rule in self.writes:
            # most fields are None or (); a falsy value is said all the same
            if field is None or (found := getattr(value, field)) or (found is not None and found != ()):
                rule(value, tree, run)

    def says(self, value: Any) -> bool:
        """Whether any of its rules may write something of the value."""
        return any(field is None or getattr(value, field) not in (None, ()) for field in self.needed)


def compile_mappings(specs: Iterable[MappingSpec], bench: Workbench) -> tuple[dict[str, Mapping], list[MappingError]]:
    """Every mapping by name, linked by `use`, and every mistake found on the way."""
    errors: list[MappingError] = []
    made: dict[str, Mapping] = {}
    for spec in specs:
        model = bench.types.get(spec.target)
        if model is None:
            errors.append(
                MappingError(spec.place, f"unknown exchange type {spec.target!r}{closest(spec.target, bench.types)}")
            )
            continue
        mapping = made[spec.name] = Mapping(spec, bench.shapes[spec.side], model)
        parts: list[Part] = []
        for rule in spec.rules:
            try:
                parts.append(Part(rule, spec, bench, model))
            except MappingError as error:
                errors.append(error)
        mapping.parts = tuple(parts)
        errors += overlaps(parts, bench.context)
    known = {spec.name for spec in specs}
    for mapping in made.values():
        for part in mapping.parts:
            if part.rule.use is not None:
                try:
                    part.inner = _linked(part, made, known)
                except ValueError as error:
                    errors.append(MappingError(part.rule.place, str(error)))
    errors += circles({name: mapping.parts for name, mapping in made.items()})
    if not errors:
        for mapping in made.values():
            _close(mapping, mapping.parts, lambda part: part.inner, None)
    return made, errors


def _linked(part: Part, made: dict[str, Mapping], known: set[str]) -> Mapping | None:
    name = part.rule.use or ""
    inner = made.get(name)
    if inner is None:
        if name in known:
            return None  # its own mistake is reported already
        raise ValueError(f"no mapping {name!r} to use{closest(name, made)}")
    if inner.spec.side != part.spec.side:
        raise ValueError(f"{name!r} is a mapping of {inner.spec.side!r}, not of {part.spec.side!r}")
    if inner.model is not part.exchange_end.target:
        target = getattr(part.exchange_end.target, "__name__", "text")
        raise ValueError(f"{name!r} maps {inner.spec.target}, this end of the Exchange is {target}")
    at = part.spec.anchors if not part.format_end.parsed.steps else (part.format_end.kind,)
    if "*" not in inner.spec.anchors and not set(at) & set(inner.spec.anchors):
        written = "|".join((*inner.spec.anchors, at[0]))
        raise ValueError(
            f"{name!r} is for {inner.spec.anchor!r}, this path ends at {at[0]!r}; if it fits there too, say between: {{{part.spec.side}: {written!r}}}"
        )
    return inner


def probed(mapping: Mapping, probe: Probe) -> Mapping:
    """The mapping and all that it uses, compiled again with a probe around each part."""
    twins: dict[str, Mapping] = {}

    def twin(original: Mapping) -> Mapping:
        if original.name not in twins:
            made = twins[original.name] = Mapping(original.spec, original.shape, original.model)
            made.parts = original.parts
            _close(made, original.parts, lambda part: twin(part.inner) if part.inner is not None else None, probe)
        return twins[original.name]

    return twin(mapping)


def _close(mapping: Mapping, parts: tuple[Part, ...], inner: Callable[[Part], Any], probe: Probe | None) -> None:
    reads: list[tuple[Part, reading.ReadRule]] = []
    fills: list[reading.ReadRule] = []
    writes: list[tuple[str | None, writing.WriteRule]] = []
    first: dict[str, str] = {}
    for part in parts:
        if part.reads:
            part.earlier = first.setdefault(part.rule.exchange or part.rule.place, part.rule.place)
            if part.path is None:
                fills.append(reading.when(part, reading.constant_reader(part, probe), probe))
                if part.writes:
                    writes.append((None, writing.when(part, writing.constant_tester(part, probe))))
                continue
            reads.append((part, reading.reader(part, inner(part), probe)))
            if part.rule.default is not None:
                fills.append(reading.when(part, reading.default_reader(part, probe), probe))
        if part.writes and part.path is not None:
            field = part.writing_needs if probe is None else None
            writes.append((field, writing.when(part, writing.writer(part, inner(part), probe))))
    mapping.fills, mapping.writes = tuple(fills), tuple(writes)
    mapping.needed = frozenset(field for field, _ in writes)
    if probe is None:
        mapping.reads = tuple(reading.switched(reads))
    else:
        mapping.reads = tuple((None, reading.when(part, rule, probe)) for part, rule in reads)
