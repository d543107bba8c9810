"""The Exchange end of a rule: paths over the msgspec structs, checked against the model, compiled for both directions.

While reading, a value under construction is a dict (field -> value, dict or list); `finisher` turns it into its struct at the end.
While writing, structs are read by attribute. Paths: `birth_date`, `patient.names[use=birth].family`, `documents[1].id`,
`identifiers[]`, `.` (the value itself).
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from connector.issues import IssueCode, Severity
from connector.mapping.language import Predicate, Run
from connector.mapping.paths import closest, parse_steps, unparse_predicate

__all__ = [
    "ExchangePath",
    "Field",
    "IncompleteValue",
    "fields",
    "finisher",
    "lenient",
    "opened",
    "parse_exchange",
    "types_of",
]

Node = dict[str, Any]
_SCALARS: dict[Any, str] = {str: "text", bool: "yes or no", int: "a number", bytes: "bytes"}


class IncompleteValue(ValueError):
    """A struct lacks a field that it must have: `name` is `Type.field`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Field(msgspec.Struct, frozen=True):
    """One field of a model type: `type` is the struct, str, bool, int or bytes that it holds; `many` for a tuple of them."""

    name: str
    type: Any
    many: bool

    @property
    def struct(self) -> bool:
        """Whether it holds structs."""
        return isinstance(self.type, type) and issubclass(self.type, msgspec.Struct)

    def convert(self, text: str) -> Any:
        """The text as a value of this field (constants, predicates, defaults). ValueError says what was expected."""
        if self.type is bool:
            if text not in ("true", "false"):
                raise ValueError(f"{self.name!r} is yes or no: expected true or false, not {text!r}")
            return text == "true"
        if self.type is int:
            if not text.lstrip("-").isdigit():
                raise ValueError(f"{self.name!r} is a number, not {text!r}")
            return int(text)
        if self.type is str:
            return text
        raise ValueError(f"{self.name!r} holds {name_of(self.type)}, not text")


def name_of(kind: Any) -> str:
    """How messages call a type: `Identifier`, `text`, `yes or no`."""
    return _SCALARS.get(kind) or str(getattr(kind, "__name__", kind))


def _bare(annotation: Any) -> tuple[Any, bool]:
    """(type without None, tuple and NewType, whether it is a tuple)."""
    if hasattr(annotation, "__supertype__"):
        return _bare(annotation.__supertype__)
    origin = typing.get_origin(annotation)
    if origin is tuple:
        return _bare(typing.get_args(annotation)[0])[0], True
    if origin is types.UnionType or origin is typing.Union:
        return next(_bare(inner) for inner in typing.get_args(annotation) if inner is not type(None))
    return annotation, False


@cache
def fields(model: type[msgspec.Struct]) -> dict[str, Field]:
    """The fields of a model type by name."""
    hints = typing.get_type_hints(model)
    return {name: Field(name, *_bare(hints[name])) for name in model.__struct_fields__}


@cache
def types_of(root: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """Every model type reachable from the root, by name: what `between: {exchange: …}` may say."""
    found: dict[str, type[msgspec.Struct]] = {}

    def visit(model: type[msgspec.Struct]) -> None:
        if model.__name__ not in found:
            found[model.__name__] = model
            for field in fields(model).values():
                if field.struct:
                    visit(field.type)

    visit(root)
    return found


@cache
def finisher(model: type[msgspec.Struct]) -> Callable[[Any], Any]:
    """Turns a dict under construction (nested dicts and lists) into the struct. Raises IncompleteValue."""
    nested = _Nested(model)
    required = frozenset(c.name for c in msgspec.structs.fields(model) if c.required)

    def finish(node: Any) -> Any:
        if type(node) is not dict:
            return node
        for name, value in node.items():
            kind = type(value)
            if kind is list:
                convert = nested[name]
                node[name] = tuple([convert(item) for item in value])
            elif kind is dict:
                node[name] = nested[name](value)
        if required and not required <= node.keys():
            raise IncompleteValue(f"{model.__name__}.{min(required - node.keys())}")
        return model(**node)

    return finish


def lenient(node: Any, model: type[msgspec.Struct], run: Run, prefix: str = "") -> Any:
    """As `finisher`, for a value that has incomplete parts: each is left out with an issue that names its place. None when nothing is left."""
    if type(node) is not dict:
        return node
    known = fields(model)
    done: dict[str, Any] = {}
    for name, value in node.items():
        place = f"{prefix}.{name}" if prefix else name
        if type(value) is list:
            items = [lenient(item, known[name].type, run, f"{place}[{n}]") for n, item in enumerate(value, 1)]
            value = tuple(item for item in items if item is not None) or None
        elif type(value) is dict:
            value = lenient(value, known[name].type, run, place)
        if value is not None:
            done[name] = value
    missing = [c.name for c in msgspec.structs.fields(model) if c.required and c.name not in done]
    if missing:
        run.report(Severity.ERROR, IssueCode.MAP_REQUIRED, prefix, expected=f"{model.__name__}.{missing[0]}")
        return None
    return model(**done) if done else None


class _Nested(dict[str, Callable[[Any], Any]]):
    """The finisher of each field, made when first asked for: a model may hold itself."""

    def __init__(self, model: type[msgspec.Struct]) -> None:
        super().__init__()
        self.fields = fields(model)

    def __missing__(self, name: str) -> Callable[[Any], Any]:
        field = self.fields[name]
        made = self[name] = finisher(field.type) if field.struct else _same
        return made


def _same(value: Any) -> Any:
    return value


def opened(value: Any) -> Node:
    """A struct as a dict under construction, without what it leaves at its default."""
    if type(value) is dict:
        return value
    return {
        name: list(v) if type(v) is tuple else v
        for name in value.__struct_fields__
        if (v := getattr(value, name)) not in (None, ())
    }


class _Step(msgspec.Struct, frozen=True):
    """A step of an Exchange path: its field, and its predicates with the field and value each speaks of."""

    field: Field
    predicates: tuple[tuple[Predicate, Field, Any], ...]
    many: bool
    first: bool

    def sets(self) -> dict[str, Any]:
        """What a new item starts with."""
        return {field.name: value for predicate, field, value in self.predicates if predicate.op in ("=", ":=")}

    def test(self) -> Callable[[Any], bool] | None:
        """Whether an item (dict or struct) is meant; None when every item is."""
        tests = [_test(p, field.name, value) for p, field, value in self.predicates if p.op != ":="]
        if not tests:
            return None
        if len(tests) == 1:
            return tests[0]
        return lambda item: all(test(item) for test in tests)


def read_field(item: Any, name: str) -> Any:
    """A field of a dict under construction or of a struct; None when absent."""
    return item.get(name) if type(item) is dict else getattr(item, name)


def _test(predicate: Predicate, name: str, value: Any) -> Callable[[Any], bool]:
    match predicate.op:
        case "=":
            return lambda item: bool(read_field(item, name) == value)
        case "!=":
            return lambda item: bool(read_field(item, name) != value)
        case "in":
            allowed = frozenset(predicate.value.split("|"))
            return lambda item: read_field(item, name) in allowed
        case "prefix":
            prefix = predicate.value
            return lambda item: str(read_field(item, name) or "").startswith(prefix)
        case "exists":
            return lambda item: read_field(item, name) not in (None, ())
        case _:
            return lambda item: read_field(item, name) in (None, ())


class ExchangePath(msgspec.Struct, frozen=True):
    """A path of the Exchange taken apart. No steps: the value itself."""

    text: str
    model: Any
    steps: tuple[_Step, ...]

    @property
    def many(self) -> bool:
        """Whether it names each item of a list."""
        return any(step.many for step in self.steps)

    @property
    def field(self) -> Field | None:
        """The field at its end; None for the value itself."""
        return self.steps[-1].field if self.steps else None

    @property
    def target(self) -> Any:
        """The type at its end."""
        return self.steps[-1].field.type if self.steps else self.model

    @property
    def plain(self) -> str | None:
        """The field that the path is, when it is one and nothing is tested: all of a list, or what stands alone."""
        if len(self.steps) != 1 or self.steps[0].predicates or self.steps[0].first:
            return None
        return self.steps[0].field.name

    def values(self) -> Callable[[Any], list[Any]]:
        """Getter over structs: every filled value at the path, [] when absent."""
        if not self.steps:
            return lambda value: [value]
        walks = [_walk(step) for step in self.steps]
        if len(walks) == 1:
            return walks[0]
        if not any(step.field.many or step.predicates for step in self.steps):
            return _down([step.field.name for step in self.steps])

        def get(value: Any) -> list[Any]:
            found = [value]
            for walk in walks:
                found = [item for one in found for item in walk(one)]
                if not found:
                    break
            return found

        return get

    def holder(self) -> Callable[[Node], Node] | None:
        """Find or create, in a dict under construction, the dict that holds the last field; None when it is the dict itself."""
        makes = [_maker(step) for step in self.steps[:-1]]
        if not makes:
            return None
        if len(makes) == 1:
            return makes[0]

        def make(node: Node) -> Node:
            for step in makes:
                node = step(node)
            return node

        return make


def _down(names: list[str]) -> Callable[[Any], list[Any]]:
    """The value at the end of fields that hold one each."""

    def get(value: Any) -> list[Any]:
        for name in names:
            value = read_field(value, name)
            if value is None:
                return []
        return [value]

    return get


def _walk(step: _Step) -> Callable[[Any], list[Any]]:
    name, test = step.field.name, step.test()
    if step.field.many:
        if test is None:
            return lambda value: list(read_field(value, name) or ())
        return lambda value: [item for item in read_field(value, name) or () if test(item)]

    def one(value: Any) -> list[Any]:
        found = read_field(value, name)
        return [] if found is None or (test is not None and not test(found)) else [found]

    return one


def _maker(step: _Step) -> Callable[[Node], Node]:
    name, sets, test, many = step.field.name, step.sets(), step.test(), step.many
    if not step.field.many:

        def make(node: Node) -> Node:
            found = node.get(name)
            if found is None:
                found = node[name] = dict(sets)
            elif type(found) is not dict:
                found = node[name] = opened(found)
            return found

        return make

    def make_item(node: Node) -> Node:
        items = node.setdefault(name, [])
        if not many:
            for index, item in enumerate(items):
                if test is None or test(item):
                    if type(item) is not dict:
                        item = items[index] = opened(item)
                    return item  # type: ignore[no-any-return]
        item = dict(sets)
        items.append(item)
        return item

    return make_item


def parse_exchange(text: str, model: type[msgspec.Struct]) -> ExchangePath:
    """A path below a model type, every name and type checked. ValueError says what was expected, with the nearest right word."""
    if text == ".":
        return ExchangePath(text, model, ())
    steps: list[_Step] = []
    kind: Any = model
    for step in parse_steps(text, "."):
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            raise ValueError(f"{text!r}: {steps[-1].field.name!r} holds {name_of(kind)}, it has no fields")
        if step.reference:
            raise ValueError(f"{text!r}: '->' has no meaning in the Exchange")
        field = _field(kind, step.name, text)
        if field.many and not (step.many or step.first or step.predicates):
            raise ValueError(
                f"{text!r}: {step.name!r} is a list; write {step.name}[] for each or {step.name}[1] for the first"
            )
        if (step.many or step.first) and not field.many:
            raise ValueError(f"{text!r}: {step.name!r} is not a list")
        steps.append(_Step(field, tuple(_predicate(p, field, text) for p in step.predicates), step.many, step.first))
        kind = field.type
    return ExchangePath(text, model, tuple(steps))


def _field(model: type[msgspec.Struct], name: str, text: str) -> Field:
    known = fields(model)
    if name not in known:
        raise ValueError(f"{text!r}: {model.__name__} has no field {name!r}{closest(name, known)}")
    return known[name]


def _predicate(predicate: Predicate, field: Field, text: str) -> tuple[Predicate, Field, Any]:
    written = unparse_predicate(predicate)
    if not field.struct:
        raise ValueError(f"{text!r}: {field.name!r} holds {name_of(field.type)}, {written} has nothing to test")
    if predicate.table:
        raise ValueError(
            f"{text!r}: {written}: the Exchange holds plain words, write [{predicate.path}={predicate.value}]"
        )
    tested = _field(field.type, predicate.path, text)
    if tested.many and predicate.op not in ("exists", "absent"):
        raise ValueError(f"{text!r}: {written}: {tested.name!r} is a list")
    if predicate.op in ("=", ":=", "!="):
        return predicate, tested, tested.convert(predicate.value)
    return predicate, tested, None
