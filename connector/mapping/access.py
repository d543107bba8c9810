"""A path of a format, compiled: get, find-or-create, put, and where a node stands when an issue must name it.

Predicates are constructors: `[p=v]` tests while reading and is written into a node that is made; `[p:=v]` is only written; the others only
test, and are tested again after writing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from connector.exchange.model import Context
from connector.mapping.language import LeafAccess, Located, ParsedPath, Predicate, Shape, Step
from connector.mapping.paths import unparse_predicate

__all__ = ["FormatPath", "Test", "expanded"]

Getter = Callable[[Any], list[Any]]


class Test(NamedTuple):
    """One test of a step's node: how to get the tested values, the verdict on the first of them (None: absent), its text in the rule."""

    get: Getter
    passes: Callable[[str | None], bool]
    text: str
    rewritten: bool  # True when writing makes it true by itself (`=`)


class _Compiled(NamedTuple):
    """A step ready to walk: `select` with every test applied, `create` with every constructor, what is written only when still empty."""

    step: Step
    parent: str
    kind: str
    select: Getter
    create: Callable[[Any], Any]
    tests: tuple[Test, ...]
    late: tuple[tuple[FormatPath, str], ...]
    needs: Any


def expanded(shape: Shape, predicate: Predicate, context: Context) -> list[tuple[Predicate, bool]]:
    """A predicate as plain ones, with whether it is tested: `[3=table#CODE]` becomes one each for code, system and label."""
    if not predicate.table:
        return [(predicate, predicate.op != ":=")]
    plain = shape.coded(predicate.path, predicate.table, predicate.value, context)
    return [(Predicate(path, predicate.op, text), tested and predicate.op == "=") for path, text, tested in plain]


def _verdict(predicate: Predicate) -> Callable[[str | None], bool]:
    value = predicate.value
    match predicate.op:
        case "=":
            return lambda found: found == value
        case "!=":
            return lambda found: found != value
        case "in":
            allowed = frozenset(value.split("|"))
            return lambda found: found in allowed
        case "prefix":
            return lambda found: found is not None and found.startswith(value)
        case "exists":
            return lambda found: found is not None
        case _:
            return lambda found: found is None


class FormatPath:
    """`ParsedPath` compiled for one Shape below a node of kind `anchor`. ValueError (from the Shape) says what was expected."""

    __slots__ = ("anchor", "get", "kind", "leaf", "make", "many", "needs", "parsed", "put", "shape", "steps")

    def __init__(self, shape: Shape, parsed: ParsedPath, anchor: str, context: Context) -> None:
        self.shape = shape
        self.parsed = parsed
        self.anchor = anchor
        steps: list[_Compiled] = []
        kind = anchor
        for step in parsed.steps:
            steps.append(_compile_step(shape, step, kind, context))
            kind = steps[-1].kind
        self.steps = tuple(steps)
        self.kind = kind  # of the node at the end, or of the node that holds the leaf
        self.many = any(step.many for step in parsed.steps) or bool(parsed.leaf and parsed.leaf.many)
        self.leaf: LeafAccess | None = shape.leaf(parsed.leaf, kind) if parsed.leaf is not None else None
        self.needs = steps[0].needs if steps else self.leaf.needs if self.leaf else None
        self.get = _getter([step.select for step in steps], self.leaf.get if self.leaf else None)
        self.make = _maker(self.steps)
        self.put = _putter(self.make if steps else None, self.leaf.put if self.leaf else None)

    def beside(self, name: str, context: Context) -> FormatPath:
        """The path of another leaf of the node at the end: where a null flavour goes."""
        leaf = self.shape.parse(name, self.kind, leaf=True)
        return FormatPath(self.shape, ParsedPath(self.parsed.steps + leaf.steps, leaf.leaf), self.anchor, context)

    def nodes(self, node: Any) -> list[Any]:
        """The nodes at the end (those that hold the leaf, if it ends at one)."""
        found = [node]
        for step in self.steps:
            found = [child for one in found for child in step.select(one)]
        return found

    @property
    def fragile(self) -> bool:
        """Whether a step only tests (`!=`, `a|b`, `x*`, `[p]`, `[!p]`): what is written must be tested again at the end."""
        return any(not test.rewritten for step in self.steps for test in step.tests)

    def make_watched(self, node: Any, watched: list[tuple[Any, Test]]) -> Any:
        """As `make`, and adds each node on the way with the tests that writing does not make true by itself."""
        for step in self.steps:
            found = None if step.step.many else step.select(node)
            node = found[0] if found else step.create(node)
            watched += [(node, test) for test in step.tests if not test.rewritten]
        return node

    def locate(self, node: Any, target: Any | None) -> list[Located]:
        """The way from a node to the target (by identity, else by equality), or to the first one that could have been there (target None)."""
        plain = [self.shape.step(Step(s.step.name, s.step.reference), s.parent).select for s in self.steps]
        if target is not None:
            for same in (lambda found: found is target, lambda found: bool(found == target)):
                way = self._search(plain, node, same)
                if way is not None:
                    return way
        return self._first(plain, node)

    def _search(self, plain: list[Getter], node: Any, same: Callable[[Any], bool]) -> list[Located] | None:
        index = len(self.steps) - len(plain)
        if index == len(self.steps):
            return [] if same(node) else None
        for number, child in enumerate(plain[0](node), 1):
            rest = self._search(plain[1:], child, same)
            if rest is not None:
                return [Located(_spelt(self.steps[index].step), number, child), *rest]
        return None

    def _first(self, plain: list[Getter], node: Any) -> list[Located]:
        way: list[Located] = []
        for everyone, compiled in zip(plain, self.steps, strict=True):
            chosen = compiled.select(node) if node is not None else []
            found = chosen[0] if chosen else None
            number = 1
            if chosen:
                number = next((n for n, child in enumerate(everyone(node), 1) if child is found or child == found), 1)
            way.append(Located(_spelt(compiled.step), number, found))
            node = found
        return way


def _spelt(step: Step) -> str:
    return f"{step.name}->{step.reference}" if step.reference else step.name


def _relative(shape: Shape, path: str, kind: str, context: Context) -> FormatPath:
    return FormatPath(shape, shape.parse(path, kind, leaf=True), kind, context)


def _compile_step(shape: Shape, step: Step, parent: str, context: Context) -> _Compiled:
    access = shape.step(step, parent)
    kind = step.reference or step.name
    tests: list[Test] = []
    served: list[Test] = []
    sets: list[tuple[FormatPath, str]] = []
    late: list[tuple[FormatPath, str]] = []
    for index, predicate in enumerate(step.predicates):
        for plain, tested in expanded(shape, predicate, context):
            path = _relative(shape, plain.path, kind, context)
            if plain.op in ("=", ":="):
                sets.append((path, plain.value))
                if not tested:
                    late.append((path, plain.value))
            if tested:
                test = Test(path.get, _verdict(plain), unparse_predicate(predicate), plain.op == "=")
                (served if index in access.tested else tests).append(test)
    return _Compiled(
        step,
        parent,
        kind,
        _selector(access.select, tests),
        _creator(access.create, [(path.put, text) for path, text in sets]),
        (*served, *tests),
        tuple(late),
        access.needs,
    )


def _selector(select: Getter, tests: Sequence[Test]) -> Getter:
    if not tests:
        return select
    if len(tests) == 1:
        get, passes = tests[0].get, tests[0].passes

        def select_one(node: Any) -> list[Any]:
            chosen = []
            for child in select(node):
                found = get(child)
                if passes(found[0] if found else None):
                    chosen.append(child)
            return chosen

        return select_one
    pairs = tuple((test.get, test.passes) for test in tests)

    def select_all(node: Any) -> list[Any]:
        chosen = []
        for child in select(node):
            for get, passes in pairs:
                found = get(child)
                if not passes(found[0] if found else None):
                    break
            else:
                chosen.append(child)
        return chosen

    return select_all


def _creator(
    create: Callable[[Any], Any], sets: Sequence[tuple[Callable[[Any, Any], None], str]]
) -> Callable[[Any], Any]:
    if not sets:
        return create
    pairs = tuple(sets)

    def construct(node: Any) -> Any:
        child = create(node)
        for put, text in pairs:
            put(child, text)
        return child

    return construct


def _getter(selects: Sequence[Getter], leaf: Getter | None) -> Getter:
    if not selects:
        return leaf or (lambda node: [node])
    if len(selects) == 1:
        (only,) = selects
        if leaf is None:
            return only

        def get_one(node: Any) -> list[Any]:
            children = only(node)
            if len(children) == 1:
                return leaf(children[0])
            return [value for child in children for value in leaf(child)]

        return get_one
    first, rest = selects[0], tuple(selects[1:])

    def get(node: Any) -> list[Any]:
        found = first(node)
        for select in rest:
            if not found:
                return found
            found = select(found[0]) if len(found) == 1 else [child for one in found for child in select(one)]
        if leaf is None or not found:
            return found
        return leaf(found[0]) if len(found) == 1 else [value for one in found for value in leaf(one)]

    return get


def _maker(steps: Sequence[_Compiled]) -> Callable[[Any], Any]:
    if len(steps) == 1 and steps[0].step.many:
        return steps[0].create
    if len(steps) == 1 and not steps[0].late:
        (select_one, create_one) = steps[0].select, steps[0].create

        def make_one(node: Any) -> Any:
            found = select_one(node)
            return found[0] if found else create_one(node)

        return make_one
    acts = tuple((None if step.step.many else step.select, step.create, step.late) for step in steps)

    def make(node: Any) -> Any:
        for select, create, late in acts:
            found = select(node) if select is not None else None
            if not found:
                node = create(node)
                continue
            node = found[0]
            for path, text in late:
                if not path.get(node):
                    path.put(node, text)
        return node

    return make


def _putter(make: Callable[[Any], Any] | None, put: Callable[[Any, Any], None] | None) -> Callable[[Any, Any], None]:
    if put is None:

        def refuse(node: Any, value: Any) -> None:
            raise TypeError("this path ends at a node, not at a value")

        return refuse
    if make is None:
        return put
    return lambda node, value: put(make(node), value)
