"""Reading explained: the same closures run with a probe around their parts, over a tree whose leaves know their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from connector.exchange.people import Concept
from connector.mapping.compile import Mapping, probed
from connector.mapping.exchange import IncompleteValue, lenient
from connector.mapping.language import ERASE, Run, Traced
from connector.mapping.leaves import value_leaves
from connector.mapping.part import Part
from connector.mapping.put import Put
from connector.mapping.trace import Decision, Origin, Trace
from connector.mapping.vary import changed, variants
from connector.mapping.when import Check, Condition

__all__ = ["explain_read"]

Node = dict[str, Any]
Places = frozenset[str]
Tested = frozenset[tuple[str, str]]  # (place, the test)


class _Put(msgspec.Struct):
    """One value that a rule put: below which dict, which leaves it added, and each one's origin."""

    part: Part
    into: Node
    origins: dict[str, Origin]
    decides: Tested
    inner: Node | None = None  # the dict of a nested mapping, whose leaves have their own entries


def places(value: Any) -> Places:
    """The source places of a text, none when it lost them."""
    return value.places if isinstance(value, Traced) else frozenset()


def node_leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """As `value_leaves`, also through dicts under construction."""
    if type(value) is dict:
        for name, inner in value.items():
            yield from node_leaves(inner, f"{prefix}.{name}" if prefix else name)
    elif type(value) is list or type(value) is tuple:
        for number, item in enumerate(value, 1):
            yield from node_leaves(item, f"{prefix}[{number}]")
    else:
        yield from value_leaves(value, prefix)


def _nodes(value: Any, prefix: str) -> Iterator[tuple[int, str]]:
    """The place of each dict under construction by its id."""
    if type(value) is dict:
        yield id(value), prefix
        for name, inner in value.items():
            yield from _nodes(inner, f"{prefix}.{name}" if prefix else name)
    elif type(value) is list:
        for number, item in enumerate(value, 1):
            yield from _nodes(item, f"{prefix}[{number}]")


class _ReadProbe:
    """Records what each rule found, made of it and put."""

    def __init__(self) -> None:
        self.puts: list[_Put] = []
        self.checks: dict[str, list[str]] = {}
        self.deciding: dict[int, list[tuple[Any, Tested]]] = {}
        self.in_hand: dict[int, tuple[dict[str, Places], str | None, Tested]] = {}
        self.conditions: dict[int, Tested] = {}  # what held for a rule without an end in the format
        self.absorbed: list[tuple[Node, Node]] = []

    def check(self, part: Part, found: Places) -> None:
        for place in found:
            self.checks.setdefault(place, []).append(part.rule.place)

    def holds(self, part: Part, condition: Condition) -> Check:
        """What a condition read decides about what the rule puts; where it does not hold, that is all that the leaf was read for."""

        def watched(node: Any) -> bool:
            read = frozenset().union(*(places(value) for get in condition.reads for value in get(node)))
            held = condition.holds(node)
            if held:
                self.conditions[id(part)] = frozenset((place, part.rule.when or "") for place in read)
            else:
                self.check(part, read)
            return held

        return watched

    def get(self, part: Part, get: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
        def watched(node: Any) -> list[Any]:
            found = get(node)
            self.deciding[id(part)] = list(_chains(part, node)) if found else []
            if part.exchange is None:
                self.compared(part, found)
            if found and part.absent is not None:
                self.check(part, frozenset().union(*map(places, part.absent.get(node))))
            return found

        return watched

    def compared(self, part: Part, found: list[Any]) -> None:
        equal = [each for each in found if each == part.constant]
        for each in equal or found:
            self.check(part, _all_places(part, each))

    def decided(self, part: Part, found: Any) -> Tested:
        return frozenset().union(*(tested for item, tested in self.deciding.get(id(part), ()) if item is found))

    def convert(self, part: Part, convert: Callable[[Any, Run], Any] | None) -> Callable[[Any, Run], Any]:
        def watched(found: Any, run: Run) -> Any:
            value = found if convert is None else convert(found, run)
            if value is not None and value is not ERASE:
                origins = self.dependencies(part, convert, found, value, run)
                self.in_hand[id(part)] = (origins, _row(part, found, run), self.decided(part, found))
            else:
                self.check(part, _all_places(part, found))
            return value

        return watched

    def dependencies(
        self, part: Part, convert: Callable[[Any, Run], Any] | None, found: Any, value: Any, run: Run
    ) -> dict[str, Places]:
        """For each leaf of the value ("" when it is one leaf): the source leaves that it depends on."""
        base = dict(node_leaves(value))
        if part.format_end.leaf is not None and (convert is None or set(base) == {""}):
            return {"": places(found)}
        depends: dict[str, set[str]] = {leaf: set() for leaf in base}
        for place, text, again in _trials(part, convert, found, run):
            stable, broken, added = _tried(base, text, again, _codes(part))
            mine = stable if stable is not None else _carriers(base, place, broken)
            if not mine and (broken or added):
                self.check(part, place)
            for leaf in mine:
                depends[leaf] |= place
        return {leaf: frozenset(sources) for leaf, sources in depends.items()}

    def put(self, part: Part, put: Put) -> Put:
        def watched(into: Node, value: Any, run: Run) -> bool:
            before = {place for place, _ in node_leaves(into)}
            agreed = put(into, value, run)
            added = [place for place, _ in node_leaves(into) if place not in before]
            if part.inner is not None:
                self.nested(part, into, value, added)
                return agreed
            by = "const" if part.rule.const is not None else "default"
            sources, row, decides = self.in_hand.pop(id(part), ({}, None, self.conditions.get(id(part), frozenset())))
            origins = {place: self.origin(part, place, sources, row, by) for place in added}
            if not added:
                self.check(part, frozenset().union(*sources.values()))
            self.puts.append(_Put(part, into, origins, decides))
            return agreed

        return watched

    def nested(self, part: Part, into: Node, value: Node, added: list[str]) -> None:
        """A dict from a nested mapping: found again by identity, or absorbed by the one that was there."""
        if not any(node is value for node in _values(into)):
            target = next(iter(part.exchange_end.values()(into)), None)
            if type(target) is dict:
                self.absorbed.append((value, target))
        decides = frozenset().union(*(tested for _, tested in self.deciding.get(id(part), ())))
        sets = part.exchange_end.steps[-1].sets() if part.exchange_end.steps else {}
        mine = {
            place: Origin(rules=(part.rule.place,), by="const") for place in added if place.rpartition(".")[2] in sets
        }
        self.puts.append(_Put(part, into, mine, decides, value))

    def origin(self, part: Part, place: str, sources: dict[str, Places], row: str | None, by: str) -> Origin:
        rules = (part.rule.place,)
        if not sources:
            return Origin(rules=rules, by=by)
        for leaf, found in sources.items():
            if leaf and (place == leaf or place.endswith(f".{leaf}")):
                return Origin(tuple(sorted(found)), rules, row if found else None, "rule" if found else "const")
        if "" in sources:
            field = part.exchange_end.field
            if field is None or place.rpartition(".")[2].partition("[")[0] == field.name:
                return Origin(tuple(sorted(sources[""])), rules, row)
        return Origin(rules=rules, by="const")  # a predicate of the Exchange's end

    def values(self, part: Part, values: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
        return values


def _values(node: Any) -> Iterator[Any]:
    yield node
    for inner in node.values() if type(node) is dict else node if type(node) is list else ():
        yield from _values(inner)


def _chains(part: Part, node: Any, index: int = 0, tested: Tested = frozenset()) -> Iterator[tuple[Any, Tested]]:
    """Each thing found at the part's path, with the leaves that predicates and condition tested on the way to it."""
    path = part.format_end
    if index == 0 and part.condition is not None:
        read = [value for get in part.condition.reads for value in get(node)]
        tested = tested.union((place, part.rule.when or "") for value in read for place in places(value))
    if index == len(path.steps):
        for found in path.leaf.get(node) if path.leaf is not None else [node]:
            yield found, tested
        return
    step = path.steps[index]
    for child in step.select(node):
        # only the first value counts in a test, as in the compiled selection
        here = tested.union(
            (place, test.text) for test in step.tests for value in test.get(child)[:1] for place in places(value)
        )
        yield from _chains(part, child, index + 1, here)


def _all_places(part: Part, found: Any) -> Places:
    if part.format_end.leaf is not None:
        return places(found)
    return frozenset().union(*(places(text) for _, text in part.shape.leaves(found)))


def _row(part: Part, found: Any, run: Run) -> str | None:
    """The terminology row that read the code."""
    if part.table is None:
        return None
    code = found
    if part.datatype is not None:
        code = part.datatype.read(found, Run(run.context))
    if isinstance(code, Concept):
        code = code.code
    row = part.table.row_of(part.spec.side, str(code))
    return row.place if row is not None else None


def _codes(part: Part) -> tuple[str, ...]:
    return tuple(part.table.reads(part.spec.side)) if part.table is not None else ()


def _trials(
    part: Part, convert: Any, found: Any, run: Run
) -> Iterator[tuple[Places, str, Callable[[str], dict[str, Any] | None]]]:
    """For each leaf of what was found: its places, its text, and the conversion done again with another text there."""

    def again(replaced: Any) -> dict[str, Any] | None:
        try:
            value = convert(replaced, Run(run.context))
        except ValueError:
            return None
        return None if value is None or value is ERASE else dict(node_leaves(value))

    if part.format_end.leaf is not None:
        yield places(found), str(found), again
        return
    for relative, text in part.shape.leaves(found):

        def instead(other: str, relative: str = relative) -> dict[str, Any] | None:
            def make(old: str, where: tuple[str, ...]) -> str:
                return other if relative in where else str(old)

            return again(part.shape.traced(found, "", make)[0])

        yield places(text), str(text), instead


def _tried(
    base: dict[str, Any], text: str, again: Callable[[str], dict[str, Any] | None], codes: tuple[str, ...]
) -> tuple[frozenset[str] | None, frozenset[str], bool]:
    """The leaves that change when the text does while all stay there (None: no variant left them all), those that went, and whether
    others came."""
    added = False
    stable: frozenset[str] | None = None
    broken: frozenset[str] = frozenset()
    for other in (*variants(text, codes), ""):
        after = again(other)
        if after is None:
            broken |= base.keys()
        elif not base.keys() <= after.keys():
            broken |= changed(base, after)
        elif other or stable is None:
            stable = (stable or frozenset()) | changed(base, after)
            added = added or len(after) > len(base)
    return stable, broken, added


def _carriers(base: dict[str, Any], place: Places, broken: frozenset[str]) -> frozenset[str]:
    """No variant was valid: the leaves whose text still knows the place, else all that went."""
    carrying = frozenset(leaf for leaf, value in base.items() if places(value) & place)
    return carrying or broken or frozenset(base)


def explain_read(mapping: Mapping, tree: Any, run: Run) -> tuple[Any, Trace]:
    """Read with every output leaf explained. The value is the one that `mapping.read` gives; issues are in `run`."""
    traced, _ = mapping.shape.traced(tree)
    probe = _ReadProbe()
    node: Node = {}
    probed(mapping, probe).read_into(traced, node, run)
    outputs, decides = _resolved(probe, node)
    if not node:
        value = None
    else:
        try:
            value = mapping.finish(node)
        except IncompleteValue:
            value = lenient(node, mapping.model, run)
    filled = [place for place, _ in value_leaves(value)] if value is not None else []
    found = {place: outputs.get(place, Origin(by="structure")) for place in filled}
    for output, sources, by in run.derivations or ():
        known = found.get(output, Origin())
        found[output] = msgspec.structs.replace(known, sources=known.sources or sources, by=f"derived: {by}")
    used = {p for origin in found.values() for p in origin.sources} | decides.keys() | probe.checks.keys()
    unread = tuple(place for place, _ in mapping.shape.leaves(tree) if place not in used)
    checks = {place: tuple(dict.fromkeys(rules)) for place, rules in probe.checks.items()}
    return _plain(value), Trace(found, decides, checks, unread)


def _plain(value: Any) -> Any:
    """The value without Traced texts."""
    if isinstance(value, Traced):
        return str(value)
    if isinstance(value, msgspec.Struct):
        changes = {n: _plain(v) for n in value.__struct_fields__ if (v := getattr(value, n)) is not None and v != ()}
        return msgspec.structs.replace(value, **changes)
    return tuple(map(_plain, value)) if type(value) is tuple else value


def _resolved(probe: _ReadProbe, root: Node) -> tuple[dict[str, Origin], dict[str, tuple[Decision, ...]]]:
    """Origins by absolute place, and what each deciding leaf governs."""
    where = dict(_nodes(root, ""))
    for value, target in reversed(probe.absorbed):
        if id(target) in where:
            where[id(value)] = where[id(target)]

    def absolute(node: Node, relative: str) -> str:
        prefix = where.get(id(node))
        if prefix is None:
            return ""
        return f"{prefix}.{relative}" if prefix and relative else prefix or relative

    outputs = {absolute(put.into, place): origin for put in probe.puts for place, origin in put.origins.items()}
    outputs.pop("", None)
    decides: dict[str, list[Decision]] = {}
    for put in probe.puts:
        if not put.decides:
            continue
        governed = {absolute(put.into, place) for place in put.origins}
        if put.inner is not None and id(put.inner) in where:
            prefix = where[id(put.inner)]
            governed |= {place for place in outputs if place.startswith(f"{prefix}.") or not prefix}
        for place, test in sorted(put.decides):
            decides.setdefault(place, []).append(Decision(put.part.rule.place, tuple(sorted(governed - {""})), test))
    return outputs, {place: tuple(each) for place, each in decides.items()}
