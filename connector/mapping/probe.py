"""What `explain` lays around the parts of each rule: the same closures, with somebody listening."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from connector.mapping.language import Run
from connector.mapping.part import Part
from connector.mapping.put import Put
from connector.mapping.when import Check, Condition

__all__ = ["Probe"]


class Probe(Protocol):
    """What `explain` lays around the parts of each rule. Each method returns what the closure will call instead."""

    def holds(self, part: Part, condition: Condition) -> Check:
        """Around the condition of a rule that reads."""
        ...

    def get(self, part: Part, get: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
        """Around reading the format's end."""
        ...

    def convert(self, part: Part, convert: Callable[[Any, Run], Any] | None) -> Callable[[Any, Run], Any]:
        """Around the conversion of a found leaf or node."""
        ...

    def put(self, part: Part, put: Put) -> Put:
        """Around putting a value into the Exchange under construction."""
        ...

    def values(self, part: Part, values: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
        """Around reading the Exchange's end."""
        ...
