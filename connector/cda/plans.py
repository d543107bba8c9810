"""What the rules of an entry's mapping look at: so that only that is converted, and what nothing reads can be counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from connector.cda.tree import NAMESPACES
from connector.mapping.language import Step

__all__ = ["FORM", "LINKS", "RELATIONS", "Plan", "Relation", "clark", "plan_of", "relations_of"]

#: Attributes and elements that are the form of an entry, not its content.
FORM = frozenset(
    [
        "typeCode",
        "classCode",
        "moodCode",
        "determinerCode",
        "contextControlCode",
        "contextConductionInd",
        "inversionInd",
        "independentInd",
        "unsorted",
        "operator",
        "institutionSpecified",
        "codeSystemName",
        "xsi:type",
        "representation",
        "mediaType",
        "ID",
        "xsi:schemaLocation",
    ]
)
LINKS = frozenset(("templateId", "typeId", "realmCode", "text"))
RELATIONS = frozenset(
    (
        "entryRelationship",
        "participant",
        "component",
        "performer",
        "author",
        "informant",
        "specimen",
        "value",
        "referenceRange",
        "id",
        "effectiveTime",
        "methodCode",
        "targetSiteCode",
    )
)
_CODED = ("code", "codeSystem", "displayName")
#: What a datatype looks at: attributes, and children with theirs.
_DATATYPES: Mapping[str, Mapping[str, Any]] = {
    "cd": {"@": ("code", "codeSystem", "displayName", "codeSystemVersion"), "originalText": {}},
    "ii": {"@": ("root", "extension", "assigningAuthorityName")},
    "pq": {"@": ("value", "unit")},
    "rto": {"numerator": {"@": ("value", "unit")}, "denominator": {"@": ("value", "unit")}},
    "bound": {"low": {"@": ("value", "unit", "inclusive")}, "high": {"@": ("value", "unit", "inclusive")}},
    "interval": {"low": {"@": ("value",)}, "high": {"@": ("value",)}},
    "material": {
        "name": {"#": True},
        "code": {
            "@": ("code", "codeSystem", "displayName", "codeSystemVersion"), "originalText": {},
            "translation": {"@": ("code", "codeSystem", "displayName", "codeSystemVersion")},
        },
    },
}  # fmt: skip


def clark(name: str) -> str:
    """An element's name as lxml has it."""
    prefix, _, bare = name.rpartition(":")
    return f"{{{NAMESPACES[prefix]}}}{bare}"


class Plan:
    """What the rules of a mapping look at, below one element. `whole`: everything; `null`: the flavour of what is absent; `tags`: the
    children again, by their names in lxml."""

    __slots__ = ("attributes", "children", "name", "null", "tags", "text", "whole")

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.tags: dict[str, Plan] = {}
        self.attributes: set[str] = set()
        self.children: dict[str, Plan] = {}
        self.text = False
        self.whole = False
        self.null: str | None = None

    def below(self, name: str) -> Plan:
        """The plan of a child."""
        if name not in self.children:
            self.children[name] = self.tags[clark(name)] = Plan(name)
        return self.children[name]

    def look(self, path: str) -> None:
        """Take in `a/b/@c` or `a/b`."""
        node = self
        for step in path.split("/"):
            if step[:1] == "@":
                # a code that is tested fixes its system and its label
                node.attributes.update(_CODED if step == "@code" else (step[1:],))
                return
            node = node.below(step)
        node.text = True

    def take(self, datatype: str) -> None:
        """Take in what a datatype looks at."""
        known = _DATATYPES.get(datatype)
        if known is None:
            self.whole = True
        else:
            self._take(known)

    def _take(self, known: Mapping[str, Any]) -> None:
        self.attributes.update(known.get("@", ()))
        self.text = self.text or known.get("#", False)
        for name, inner in known.items():
            if name not in "@#":
                self.below(name)._take(inner)

    def grow(self, mapping: Any) -> None:
        """Take in the rules of a mapping that read, and the constants that it writes."""
        for part in mapping.parts:
            if part.path is not None and (part.reads or part.exchange is None):
                self.follow(part, part.path.parsed.steps)

    def follow(self, part: Any, steps: Sequence[Step]) -> None:
        """Take in one rule, from these steps on."""
        node = self
        for step in steps:
            node = node.below(step.name)
            node.test(step)
        leaf = part.path.parsed.leaf
        node.null = node.null or part.rule.absent
        if part.inner is not None:
            node.grow(part.inner)
        elif leaf is None:
            node.take(part.rule.datatype or "")
        elif leaf.name == "#text":
            node.text = True
        else:
            # a constant code has its system and its label
            node.attributes.update(_CODED if part.exchange is None and leaf.name == "@code" else (leaf.name[1:],))

    def test(self, step: Step) -> None:
        """Take in what a step tests of this element."""
        for predicate in step.predicates:
            self.look(predicate.path)


class Relation(NamedTuple):
    """A rule that reads a relation of an entry: which it selects, whether it reads each, what it looks at inside, and where a mapping goes on."""

    select: Callable[[Any], list[Any]]
    many: bool
    plan: Plan
    way: tuple[str, ...]
    inner: Any


@lru_cache(maxsize=128)
def plan_of(mapping: Any) -> Plan:
    """The plan of a compiled mapping, made once."""
    plan = Plan(mapping.spec.anchor)
    plan.grow(mapping)
    return plan


@lru_cache(maxsize=128)
def relations_of(mapping: Any) -> tuple[Relation, ...]:
    """The rules of a mapping that read relations of its entry."""
    found: list[Relation] = []
    for part in mapping.parts:
        steps = part.path.steps if part.path is not None else ()
        if part.path is None or not part.reads:
            continue
        if not steps and part.inner is not None:
            found += relations_of(part.inner)
        elif steps and steps[0].step.name in RELATIONS:
            plan, parsed = Plan(), part.path.parsed.steps
            plan.test(parsed[0])
            plan.follow(part, parsed[1:])
            found.append(
                Relation(steps[0].select, part.path.many, plan, tuple(step.name for step in parsed[1:]), part.inner)
            )
    return tuple(found)
