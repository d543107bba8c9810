"""The closures that read: one a rule, from a format's node into the Exchange value under construction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from connector.issues import IssueCode, Severity
from connector.mapping.language import ERASE, Run
from connector.mapping.part import Part
from connector.mapping.probe import Probe
from connector.mapping.put import Put, putter
from connector.mapping.when import as_text

__all__ = ["ReadRule", "constant_reader", "default_reader", "reader", "switched", "when"]

#: How deep a mapping that comes back to itself may go (sections in sections; references that point at one another).
DEPTH = 40

Node = dict[str, Any]
ReadRule = Callable[[Any, Node, Run], None]


def when(part: Part, rule: ReadRule, probe: Probe | None = None) -> ReadRule:
    """The rule under its condition `when`, asked of the source."""
    if part.condition is None:
        return rule
    holds = part.condition.holds if probe is None else probe.holds(part, part.condition)

    def read(node: Any, into: Node, run: Run) -> None:
        if holds(node):
            rule(node, into, run)

    return read


def switched(rules: Sequence[tuple[Part, ReadRule]]) -> Iterator[tuple[Any, ReadRule]]:
    """The rules under their conditions, each behind what it needs; neighbours that ask the same place for its text ask it once."""

    def asked(item: tuple[Part, ReadRule]) -> tuple[Any, str | None]:
        part, _ = item
        guard = part.condition.guard if part.condition is not None else None
        return part.reading_needs, guard.path if guard is not None else None

    for (needs, path), group in groupby(rules, asked):
        same = list(group)
        if path is not None and len(same) > 1:
            yield needs, _switch(same)
        else:
            yield from ((needs, when(part, rule)) for part, rule in same)


def _switch(rules: Sequence[tuple[Part, ReadRule]]) -> ReadRule:
    """Rules whose conditions want the text of one place: found by that text."""
    guarded = [
        (condition.guard, when(part, rule), rule)
        for part, rule in rules
        if (condition := part.condition) is not None and condition.guard is not None
    ]
    every = tuple(conditional for _, conditional, _ in guarded)

    def those(text: str | None) -> tuple[ReadRule, ...]:
        return tuple(bare if guard.whole else conditional for guard, conditional, bare in guarded if guard.allows(text))

    cases = {text: those(text) for guard, _, _ in guarded for text in guard.values}
    others = those(None)
    get = guarded[0][0].get

    def read(node: Any, into: Node, run: Run) -> None:
        found = get(node)
        chosen = every if len(found) > 1 else cases.get(as_text(found[0]), others) if found else others
        for rule in chosen:
            rule(node, into, run)

    return read


def reader(part: Part, inner: Any, probe: Probe | None) -> ReadRule:
    """The closure that reads one part of a rule: compares a constant, or finds, converts and puts. `probe` watches it for `explain`."""
    path = part.format_end
    get = path.get if probe is None else probe.get(part, path.get)
    if part.exchange is None:
        return _compare(part, get)
    put = putter(part.exchange_end) if probe is None else probe.put(part, putter(part.exchange_end))
    if inner is not None:
        return _read_inner(part, inner, get, put, probe is not None)
    convert = part.conversion.read if probe is None else probe.convert(part, part.conversion.read)
    null = part.shape.null if path.leaf is not None else None
    required = part.rule.required
    if part.exchange.many:
        return _read_each(part, get, convert, put, null)

    if convert is None:

        def read_text(node: Any, into: Node, run: Run) -> None:
            found = get(node)
            if not found:
                if required:
                    _missing(part, node, run)
            elif null is not None and found[0] == null:
                _erased(part, node, found[0], run)
            elif not put(into, found[0], run):
                _disagrees(part, node, found[0], run)

        return read_text

    def read_one(node: Any, into: Node, run: Run) -> None:
        found = get(node)
        if not found:
            if required:
                _missing(part, node, run)
            return
        value = _converted(part, convert, null, node, found[0], run)
        if value is None:
            if required:
                _missing(part, node, run)
        elif value is not ERASE and not put(into, value, run):
            _disagrees(part, node, found[0], run)

    return read_one


def _converted(
    part: Part, convert: Callable[[Any, Run], Any], null: str | None, node: Any, found: Any, run: Run
) -> Any:
    """The canonical value; None when there is none, ERASE when it was erased or is unreadable (both are reported)."""
    if null is not None and found == null:
        _erased(part, node, found, run)
        return ERASE
    reported = len(run.issues)
    try:
        value = convert(found, run)
    except ValueError as error:
        part.unreadable(error, node, found, run)
        return ERASE
    if len(run.issues) != reported:
        part.settle(run, reported, lambda: part.spell(node, found, run))
    if value is ERASE:
        _erased(part, node, found, run)
    return value


def _read_each(
    part: Part, get: Callable[[Any], list[Any]], convert: Callable[[Any, Run], Any] | None, put: Put, null: str | None
) -> ReadRule:
    required = part.rule.required

    def read_each(node: Any, into: Node, run: Run) -> None:
        any_value = False
        for found in get(node):
            if convert is not None:
                value = _converted(part, convert, null, node, found, run)
                if value is None or value is ERASE:
                    continue
            elif null is not None and found == null:
                _erased(part, node, found, run)
                continue
            else:
                value = found
            any_value = True
            if not put(into, value, run):
                _disagrees(part, node, found, run)
        if required and not any_value:
            _missing(part, node, run)

    return read_each


def _read_inner(part: Part, inner: Any, get: Callable[[Any], list[Any]], put: Put, watched: bool) -> ReadRule:
    path, many, required, recursive = part.format_end, part.exchange_end.many, part.rule.required, part.recursive
    # several of one node where the Exchange holds one: the first is read, the others stay unread
    if not part.exchange_end.steps:

        def read_same(node: Any, into: Node, run: Run) -> None:
            found = get(node)
            if not found:
                if required:
                    _missing(part, node, run)
                return
            if recursive and _too_deep(part, node, found[0], run):
                return
            run.trail.append((path, node, found[0]))
            inner.read_rules(found[0], into, run)
            if into:
                for rule in inner.fills:
                    rule(found[0], into, run)
            run.trail.pop()
            if watched:
                put(into, into, run)  # adds nothing: tells the probe which value the path led to

        return read_same
    sets = part.exchange_end.steps[-1].sets()

    def read_nodes(node: Any, into: Node, run: Run) -> None:
        found = get(node)
        any_value = False
        if recursive and found and _too_deep(part, node, found[0], run):
            return
        for child in found if many else found[:1]:
            value: Node = dict(sets)
            run.trail.append((path, node, child))
            inner.read_rules(child, value, run)
            if len(value) > len(sets):
                for rule in inner.fills:
                    rule(child, value, run)
            run.trail.pop()
            if len(value) > len(sets):
                any_value = True
                if not put(into, value, run):
                    _disagrees(part, node, child, run)
        if required and not any_value:
            _missing(part, node, run)

    return read_nodes


def _too_deep(part: Part, node: Any, found: Any, run: Run) -> bool:
    if len(run.trail) < DEPTH:
        return False
    part.report(run, Severity.ERROR, IssueCode.TOO_MANY, node, found, limit=DEPTH, what="levels")
    return True


def _compare(part: Part, get: Callable[[Any], list[Any]]) -> ReadRule:
    expected, required, convert = part.constant, part.rule.required, part.conversion.read

    def compare(node: Any, into: Node, run: Run) -> None:
        found = get(node)
        if not found:
            if required:
                _missing(part, node, run)
            return
        if any(_equal(convert, each, expected, run) for each in found):
            return
        severity = Severity.ERROR if required else Severity.WARNING
        part.report(run, severity, IssueCode.MAP_CONST, node, found[0], expected=expected)

    return compare


def _equal(convert: Callable[[Any, Run], Any] | None, found: Any, expected: Any, run: Run) -> bool:
    if convert is None:
        return bool(found == expected)
    try:
        return bool(convert(found, Run(run.context)) == expected)
    except ValueError:
        return False


def constant_reader(part: Part, probe: Probe | None) -> ReadRule:
    """An Exchange end with a constant: set while reading."""
    put = putter(part.exchange_end) if probe is None else probe.put(part, putter(part.exchange_end))
    value = part.constant

    def fill(node: Any, into: Node, run: Run) -> None:
        if not put(into, value, run):
            run.rule = part.rule.place
            run.report(Severity.WARNING, IssueCode.MAP_DISAGREES, part.rule.exchange or "", rule=part.earlier)
            run.rule = None

    return fill


def default_reader(part: Part, probe: Probe | None) -> ReadRule:
    """Puts the default where no rule read a value and the sender erased none."""
    put = putter(part.exchange_end) if probe is None else probe.put(part, putter(part.exchange_end))
    values, value, end = part.exchange_end.values(), part.constant, part.rule.exchange

    def default(node: Any, into: Node, run: Run) -> None:
        if not values(into) and not any(erased == end for _, erased in run.erased):
            put(into, value, run)

    return default


def _missing(part: Part, node: Any, run: Run) -> None:
    part.report(
        run, Severity.ERROR, IssueCode.MAP_REQUIRED, node, None, expected=part.rule.exchange or part.rule.path or ""
    )


def _erased(part: Part, node: Any, found: Any, run: Run) -> None:
    place = part.spell(node, found, run)
    run.erased.append((place, part.rule.exchange or ""))
    run.rule = part.rule.place
    run.report(Severity.INFORMATION, IssueCode.MAP_ERASED, place, expected=part.rule.exchange or "")
    run.rule = None


def _disagrees(part: Part, node: Any, found: Any, run: Run) -> None:
    part.report(run, Severity.WARNING, IssueCode.MAP_DISAGREES, node, found, rule=part.earlier)
