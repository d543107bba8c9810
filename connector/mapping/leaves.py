"""The leaves of an Exchange value: listed with their places, and changed one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from connector.exchange.people import Model

__all__ = ["value_leaves", "with_leaf"]


def value_leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every filled leaf of a value with its place, 1-based: `patient.names[1].given[2]`."""
    if isinstance(value, Model):
        for name in value.__struct_fields__:
            inner = getattr(value, name)
            if inner is not None and inner != ():
                yield from value_leaves(inner, f"{prefix}.{name}" if prefix else name)
    elif type(value) is tuple or type(value) is list:
        for number, item in enumerate(value, 1):
            yield from value_leaves(item, f"{prefix}[{number}]")
    elif value is not None:
        yield prefix, value


def with_leaf(value: Any, place: str, change: Callable[[Any], Any], prefix: str = "") -> Any:
    """The value with the leaf at `place` (as `value_leaves` names it) replaced by `change(leaf)`; what is not on the way is shared."""
    if prefix == place:
        return change(value)
    if isinstance(value, Model):
        for name in value.__struct_fields__:
            inner = f"{prefix}.{name}" if prefix else name
            if place == inner or place.startswith((inner + ".", inner + "[")):
                return msgspec.structs.replace(value, **{name: with_leaf(getattr(value, name), place, change, inner)})
    elif type(value) is tuple:
        return tuple(
            with_leaf(item, place, change, inner)
            if place == inner or place.startswith((inner + ".", inner + "["))
            else item
            for number, item in enumerate(value, 1)
            for inner in [f"{prefix}[{number}]"]
        )
    return value
