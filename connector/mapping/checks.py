"""What rules may not do to one another, found when a mapping is loaded.

Two rules that write below one `[]` would make two nodes of what is one thing, and two rules that read into one `[]` two values: the
inner parts belong into a mapping of their own (`use`). They may stand side by side when their predicates cannot hold together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from connector.exchange.model import Context
from connector.mapping.access import expanded
from connector.mapping.language import MappingError, Predicate
from connector.mapping.part import Part

__all__ = ["circles", "disjoint", "overlaps"]


class _Prefix(NamedTuple):
    """The steps up to `[]`: their names, and the plain predicates of each."""

    names: tuple[str, ...]
    predicates: tuple[tuple[Predicate, ...], ...]

    def overlaps(self, other: _Prefix) -> bool:
        if self.names != other.names:
            return False
        return not any(
            disjoint(left, right)
            for mine, theirs in zip(self.predicates, other.predicates, strict=True)
            for left in mine
            for right in theirs
        )


def disjoint(left: Predicate, right: Predicate) -> bool:
    """Whether no node can satisfy (or be made with) both. `:=` counts as the value that is written."""
    if left.path != right.path:
        return False
    one, two = _values(left), _values(right)
    if one is not None and two is not None:
        return not one & two
    if two is not None:
        left, right, one = right, left, two
    if one is not None:
        return not any(_admits(right, value) for value in one)
    ops = {left.op, right.op}
    if ops == {"prefix"}:
        return not (left.value.startswith(right.value) or right.value.startswith(left.value))
    return "absent" in ops and bool(ops & {"exists", "prefix"})


def _values(predicate: Predicate) -> frozenset[str] | None:
    if predicate.op in ("=", ":="):
        return frozenset((predicate.value,))
    return frozenset(predicate.value.split("|")) if predicate.op == "in" else None


def _admits(predicate: Predicate, value: str) -> bool:
    match predicate.op:
        case "!=":
            return value != predicate.value
        case "prefix":
            return value.startswith(predicate.value)
        case "exists":
            return True
        case _:
            return False


def _format_prefix(part: Part, context: Context) -> _Prefix | None:
    steps = part.format_end.parsed.steps
    for index, step in enumerate(steps):
        if step.many:
            upto = steps[: index + 1]
            names = tuple(f"{s.name}->{s.reference or ''}" for s in upto)
            plain = [[p for each in s.predicates for p, _ in expanded(part.shape, each, context)] for s in upto]
            return _Prefix(names, tuple(tuple(each) for each in plain))
    leaf = part.format_end.parsed.leaf
    if leaf is not None and leaf.many:
        names = (*(f"{s.name}->{s.reference or ''}" for s in steps), f"leaf {leaf.name}")
        plain = [[p for each in s.predicates for p, _ in expanded(part.shape, each, context)] for s in steps]
        return _Prefix(names, (*(tuple(each) for each in plain), ()))
    return None


def _exchange_prefix(part: Part) -> tuple[_Prefix | None, bool]:
    """The steps up to `[]`, and whether the path goes on behind it."""
    steps = part.exchange_end.steps
    for index, step in enumerate(steps):
        if step.many:
            upto = steps[: index + 1]
            names = tuple(s.field.name for s in upto)
            return _Prefix(names, tuple(tuple(p for p, _, _ in s.predicates) for s in upto)), index + 1 < len(steps)
    return None, False


def overlaps(parts: Sequence[Part], context: Context) -> list[MappingError]:
    """Every pair of rules that share a `[]` with predicates that may hold together."""
    errors = [
        MappingError(
            right.rule.place,
            f"writes below the same {right.spec.side} list as {left.rule.place} ({left.rule.path!r}): two nodes would be made of one; "
            "read and write the inner parts with one rule and 'use', or tell the two apart with predicates",
        )
        for left, right in combinations([p for p in parts if p.writes and p.path is not None and p.path.many], 2)
        if _overlap(_format_prefix(left, context), _format_prefix(right, context))
    ]
    errors += _exchange_overlaps([p for p in parts if p.exchange is not None and p.exchange.many])
    return errors


def _overlap(left: _Prefix | None, right: _Prefix | None) -> bool:
    return left is not None and right is not None and left.overlaps(right)


def _exchange_overlaps(parts: Iterable[Part]) -> list[MappingError]:
    errors: list[MappingError] = []
    for left, right in combinations(parts, 2):
        (one, one_inside), (two, two_inside) = _exchange_prefix(left), _exchange_prefix(right)
        if not _overlap(one, two):
            continue
        if left.reads and right.reads and (one_inside or two_inside):
            text = f"reads into the same Exchange list as {left.rule.place} ({left.rule.exchange!r}): two values would be made of one; use one rule and 'use'"
            errors.append(MappingError(right.rule.place, text))
        elif left.writes and right.writes:
            text = (
                f"writes every item of {right.rule.exchange!r}, as {left.rule.place} does; tell the items apart with "
                "predicates, or say 'only: read'"
            )
            errors.append(MappingError(right.rule.place, text))
    return errors


def circles(parts_of: Mapping[str, Sequence[Part]]) -> list[MappingError]:
    """Mark the rules whose mapping comes back to itself by `use`; a circle that goes no deeper at one of the ends would never end."""
    errors: list[MappingError] = []
    uses = {name: [part for part in parts if part.inner is not None] for name, parts in parts_of.items()}
    for name, parts in uses.items():
        for part in parts:
            part.recursive = _reaches(part.inner.name, name, uses, lambda _: True)
            for side, stays in (("format", _stays_in_format), ("Exchange", _stays_in_exchange)):
                if stays(part) and _reaches(part.inner.name, name, uses, stays):
                    text = (
                        f"{part.rule.use!r} comes back to {name!r} at the same place of the {side}: it would never end"
                    )
                    errors.append(MappingError(part.rule.place, text))
    return errors


def _stays_in_format(part: Part) -> bool:
    return part.reads and not part.format_end.steps


def _stays_in_exchange(part: Part) -> bool:
    return part.writes and not part.exchange_end.steps


def _reaches(start: str, goal: str, uses: Mapping[str, Sequence[Part]], follow: Callable[[Part], bool]) -> bool:
    seen: set[str] = set()
    open_: list[str] = [start]
    while open_:
        name = open_.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            open_ += [part.inner.name for part in uses.get(name, ()) if follow(part)]
    return False
