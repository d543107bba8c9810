"""Putting a value into the Exchange value under construction: the first one wins, False says that a later one disagrees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from connector.mapping.exchange import ExchangePath, opened, read_field
from connector.mapping.language import Run

__all__ = ["Put", "merge", "putter"]

Node = dict[str, Any]
Put = Callable[[Node, Any, Run], bool]


def merge(target: Node, new: Node) -> bool:
    """Add what the target lacks; lists grow by what they do not hold. False when a value differs."""
    agreed = True
    for name, value in new.items():
        old = target.get(name)
        if old is None:
            target[name] = value
        elif type(old) is list and type(value) is list:
            old += [item for item in value if item not in old]
        elif old != value:
            agreed = _mixed(target, name, old, value) and agreed
    return agreed


def _mixed(target: Node, name: str, old: Any, value: Any) -> bool:
    """Two values of one field: a part built by paths and a struct are merged, anything else disagrees."""
    if type(old) is dict or type(value) is dict:
        node = target[name] = opened(old)
        return merge(node, opened(value))
    return False


def putter(path: ExchangePath) -> Put:
    """How to put a value (leaf, struct, or dict from a nested mapping) at a path."""
    if not path.steps:
        return lambda node, value, run: merge(node, opened(value))
    last, holder = path.steps[-1], path.holder()
    name = last.field.name
    if not last.field.many:
        return _put_single(name, holder)
    sets, test = last.sets(), last.test()
    if last.many:
        return _put_each(name, holder, sets)

    def put_found(node: Node, value: Any, run: Run) -> bool:
        target = node if holder is None else holder(node)
        items = target.get(name)
        if items is None:
            items = target[name] = []
        for index, item in enumerate(items):
            if test is None or test(item):
                if item == value:
                    return True
                if type(item) is dict or type(value) is dict:
                    items[index] = opened(item)
                    return merge(items[index], opened(value))
                return False
        value, agreed = completed(value, sets)
        items.append(value)
        return agreed

    return put_found


def _put_single(name: str, holder: Callable[[Node], Node] | None) -> Put:
    if holder is None:

        def put_here(node: Node, value: Any, run: Run) -> bool:
            old = node.get(name)
            if old is None:
                node[name] = value
                return True
            return bool(old == value) or _mixed(node, name, old, value)

        return put_here

    def put(node: Node, value: Any, run: Run) -> bool:
        target = holder(node)
        old = target.get(name)
        if old is None:
            target[name] = value
            return True
        return bool(old == value) or _mixed(target, name, old, value)

    return put


def _put_each(name: str, holder: Callable[[Node], Node] | None, sets: Node) -> Put:
    def put_each(node: Node, value: Any, run: Run) -> bool:
        target = node if holder is None else holder(node)
        agreed = True
        if sets:
            value, agreed = completed(value, sets)
        items = target.get(name)
        if items is None:
            target[name] = [value]
        else:
            items.append(value)
        return agreed

    return put_each


def completed(value: Any, sets: Node) -> tuple[Any, bool]:
    """The value with what its path's predicates say, and whether it did not say otherwise."""
    if type(value) is dict:
        agreed = all(value.setdefault(name, wanted) == wanted for name, wanted in sets.items())
        return value, agreed  # the same dict: `explain` finds it again
    missing = {name: wanted for name, wanted in sets.items() if read_field(value, name) is None}
    agreed = all(name in missing or read_field(value, name) == wanted for name, wanted in sets.items())
    return (msgspec.structs.replace(value, **missing) if missing else value), agreed
