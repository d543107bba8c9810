"""`explain` held against the truth: change each source leaf, convert again, and see that exactly what it was attributed to changes.

    check_explain(read, write, tree, run)            by way of the Exchange: mapping -> Exchange -> mapping
    check_explain(read, None, tree, run)             reading alone
    check_trace(convert, trace, leaves, changes)     anything else

`texts(place, text)` gives other texts of the same kind for a leaf (a code of the same table, a date); `other_texts` is the default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from connector.issues import Severity
from connector.mapping.compile import Mapping as CompiledMapping
from connector.mapping.explain import Trace, explain_conversion, explain_read
from connector.mapping.language import Run
from connector.mapping.leaves import value_leaves

__all__ = ["check_explain", "check_trace", "other_texts", "with_text"]

Texts = Callable[[str, str], Iterable[str]]


def other_texts(place: str, text: str) -> Iterator[str]:
    """Texts with another letter or digit, at three places; a mark is added to a text that has neither."""
    spots = [n for n, c in enumerate(text) if c.isascii() and c.isalnum()]
    if not spots:
        yield text + "7"
    for spot in dict.fromkeys((spots[-1], spots[len(spots) // 2], spots[0]) if spots else ()):
        c = text[spot]
        if c.isdigit():
            swapped = str((int(c) + 3) % 10)
        else:
            swapped = chr((ord(c) - ord("a") + 5) % 26 + ord("a")) if c.islower() else chr((ord(c) - 60) % 26 + 65)
        yield text[:spot] + swapped + text[spot + 1 :]


def with_text(mapping: CompiledMapping, tree: Any, place: str, text: str) -> Any:
    """A copy of the tree with another text at one leaf."""
    return mapping.shape.traced(tree, "", lambda old, where: text if place in where else str(old))[0]


def check_trace(
    convert: Callable[[Any], Mapping[str, object] | None],
    source: Any,
    trace: Trace,
    leaves: Iterable[tuple[str, object]],
    changes: Callable[[str, object], Iterable[Any]],
    strict_decisions: bool = True,
) -> None:
    """Assert that the trace tells the truth about each leaf. `changes(place, text)` gives sources with that one leaf changed.

    `convert` gives the output leaves, None when it refuses what the unchanged source does not have (an unknown code).
    `strict_decisions` False: a value that disappears may make no difference to the output (a directive that says no).
    """
    base = convert(source)
    assert base is not None
    assert set(trace.outputs) == set(base), "every output leaf is explained, and nothing else"
    for place, text in leaves:
        attributed = trace.of(place)
        governed = {output for each in trace.decides.get(place, ()) for output in each.outputs}
        unused = place in trace.unused
        used = bool(attributed) or place in trace.decides or place in trace.checks
        assert used != unused, f"{place}: read and unread exclude one another and leave nothing out"
        moved_by: set[str] = set()
        broken: set[str] = set()
        for changed_source in changes(place, text):
            after = convert(changed_source)
            if after is None:
                broken |= set() if unused else set(base)  # what is not carried may still have to be valid
                continue
            moved = {output for output, value in base.items() if after.get(output, base) != value}
            if set(after) == set(base):
                moved_by |= moved
            else:
                broken |= moved or set(base)
        if unused:
            assert not moved_by, f"{place} is listed as unread, {sorted(moved_by)} change with it"
            assert not broken, f"{place} is listed as unread, but other outputs appear or go with it"
        elif attributed and moved_by:
            assert moved_by == attributed, (
                f"{place}: attributed to {sorted(attributed)} by {_rules(trace, attributed)}, changes {sorted(moved_by)}"
            )
        elif attributed:
            assert broken >= attributed, f"{place}: attributed to {sorted(attributed)}, nothing of it changes"
        elif strict_decisions and governed and all(_exact(each.test) for each in trace.decides[place]):
            assert moved_by | broken, f"{place}: decides {sorted(governed)}, nothing changes"


def _exact(test: str) -> bool:
    """Whether any other text makes the test fail: `[p=v]`, not `[p!=v]`, `[p=a|b]`, `[p=x*]`, `[p]`."""
    return "=" in test and not any(mark in test for mark in ("!=", "|", "*"))


def _rules(trace: Trace, outputs: Iterable[str]) -> list[str]:
    return sorted({rule for output in outputs for rule in trace.outputs[output].rules})


def check_explain(
    read: CompiledMapping,
    write: CompiledMapping | None,
    tree: Any,
    run: Callable[[], Run],
    texts: Texts = other_texts,
    whole_write: Callable[[Any, Run], Any] | None = None,
) -> Trace:
    """Explain, hold the trace against the truth, and give it. `whole_write` when more than the mapping writes (`assemble`)."""
    if write is None:
        value, trace = explain_read(read, tree, Run(run().context, explain=True))
        assert value == read.read(tree, run()), "explaining reads the same value"
    else:
        _, trace = explain_conversion(read, tree, write, Run(run().context, explain=True), whole_write)

    def errors(used: Run) -> int:
        return sum(issue.severity >= Severity.ERROR for issue in used.issues)

    accepted = run()
    read.read(tree, accepted)

    def convert(source: Any) -> dict[str, object] | None:
        used = run()
        found = read.read(source, used)
        if errors(used) > errors(accepted):
            return None
        if found is None or write is None:
            return dict(value_leaves(found))
        return {p: str(t) for p, t in write.shape.leaves((whole_write or write.write)(found, run()))}

    def changes(place: str, text: object) -> Iterator[Any]:
        for other in texts(place, str(text)):
            yield with_text(read, tree, place, other)

    check_trace(convert, tree, trace, read.shape.leaves(tree), changes, write is None)
    return trace
