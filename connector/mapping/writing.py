"""The closures that write: one a rule, from an Exchange value into a format's tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connector.issues import IssueCode, Severity
from connector.mapping.language import Run
from connector.mapping.part import Part
from connector.mapping.probe import Probe

__all__ = ["WriteRule", "constant_tester", "writer"]

WriteRule = Callable[[Any, Any, Run], None]


def when(part: Part, rule: WriteRule) -> WriteRule:
    """The rule under its condition `when`, asked of the Exchange."""
    if part.condition is None:
        return rule
    holds = part.condition.holds

    def write(value: Any, tree: Any, run: Run) -> None:
        if holds(value):
            rule(value, tree, run)

    return write


def writer(part: Part, inner: Any, probe: Probe | None) -> WriteRule:
    """The closure that writes one part of a rule: a constant, a value, or by another mapping. `probe` watches it for `explain`.

    It is called when what the rule needs is filled (`Part.writing_needs`).
    """
    place = _placer(part)
    if part.exchange is None:
        return _write_constant(part, place)
    one = _write_value(part, place) if inner is None else _write_inner(part, inner, place)
    if probe is None and part.writing_needs is not None and (field := part.exchange.plain) is not None:
        return _each(field, one) if part.exchange.many else _single(field, one)
    values = part.exchange.values() if probe is None else probe.values(part, part.exchange.values())
    return _writes(part, values, one)


def _single(field: str, one: WriteRule) -> WriteRule:
    return lambda value, tree, run: one(getattr(value, field), tree, run)


def _each(field: str, one: WriteRule) -> WriteRule:
    def write(value: Any, tree: Any, run: Run) -> None:
        for each in getattr(value, field):
            one(each, tree, run)

    return write


def _placer(part: Part) -> Callable[[Any, Run], Any] | None:
    """How paths that only test find or make their node, watched; None for the others: their `make` suffices."""
    path = part.format_end
    if not path.fragile:
        return None

    def watch(tree: Any, run: Run) -> Any:
        watched: list[tuple[Any, Any]] = []
        node = path.make_watched(tree, watched)
        run.pending += [(part, child, test) for child, test in watched]
        return node

    return watch


def _writes(part: Part, values: Callable[[Any], list[Any]], one: WriteRule) -> WriteRule:
    many, required = bool(part.exchange and part.exchange.many), part.rule.required
    absent, flavour = part.absent, part.rule.absent

    def write(value: Any, tree: Any, run: Run) -> None:
        found = values(value)
        if not found:
            if absent is not None:
                absent.put(tree, flavour)
            elif required:
                part.complain(run, Severity.ERROR, IssueCode.MAP_REQUIRED, expected=part.rule.exchange or "")
        elif many:
            for each in found:
                one(each, tree, run)
        else:
            one(found[0], tree, run)

    return write


def _write_inner(part: Part, inner: Any, place: Callable[[Any, Run], Any] | None) -> WriteRule:
    end, make = part.rule.exchange, part.format_end.make

    whole = end == "."

    def write(value: Any, tree: Any, run: Run) -> None:
        if whole and not inner.says(value):
            return  # another way to write a part of the same value, which it does not have
        run.trail.append(end)
        inner.write_into(value, make(tree) if place is None else place(tree, run), run)
        run.trail.pop()

    return write


def _write_value(part: Part, place: Callable[[Any, Run], Any] | None) -> WriteRule:
    path, convert, fill = part.format_end, part.conversion.write, part.conversion.fill
    make, put_text = path.make, path.put
    if fill is None and convert is None and place is None:
        return lambda value, tree, run: put_text(tree, value)
    put = path.leaf.put if path.leaf is not None else None

    def write(value: Any, tree: Any, run: Run) -> None:
        reported = len(run.issues)
        try:
            if fill is not None:
                fill(value, make(tree) if place is None else place(tree, run), run)
            else:
                text = value if convert is None else convert(value, run)
                if text is not None and put is not None:
                    put(make(tree) if place is None else place(tree, run), text)
        except ValueError as error:
            part.unwritable(error, run)
        if len(run.issues) != reported:
            part.settle(run, reported, lambda: part.spell_exchange(run))

    return write


def _write_constant(part: Part, place: Callable[[Any, Run], Any] | None) -> WriteRule:
    write_one = _write_value(part, place)
    constant = part.constant
    return lambda value, tree, run: write_one(constant, tree, run)


def constant_tester(part: Part, probe: Probe | None) -> WriteRule:
    """An Exchange end with a constant: tested while writing."""
    values = part.exchange_end.values() if probe is None else probe.values(part, part.exchange_end.values())
    expected, required = part.constant, part.rule.required

    def test(value: Any, tree: Any, run: Run) -> None:
        found = values(value)
        if (found and found[0] != expected) or (required and not found):
            severity = Severity.ERROR if required else Severity.WARNING
            part.complain(run, severity, IssueCode.MAP_CONST, expected=part.rule.const)

    return test
