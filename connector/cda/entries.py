"""The entries of a section: lxml → light trees of what their mappings ask for → values of the Exchange. What nothing asks for is counted.

An entry is known by its templates (IHE PCC, XD-LAB and the twins of the CI-SIS). The rules of its mapping say which elements and
attributes are looked at; the rest is not even converted, and the place of the first such leaf stands in one issue an entry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from connector.cda.elements import Conversion
from connector.cda.plans import FORM, LINKS, RELATIONS, Plan, Relation, clark, plan_of, relations_of
from connector.cda.strucdoc import words
from connector.cda.tree import NAMESPACES, Element
from connector.issues import Issue, IssueCode, Place, Severity
from connector.mapping.language import Run

__all__ = ["Entries", "MappingLibrary", "kind_of"]

_V3 = "{" + NAMESPACES[""] + "}"
_PCC = "1.3.6.1.4.1.19376.1.5.3.1.4."
_LAB = "1.3.6.1.4.1.19376.1.3.1"
_FR = "1.2.250.1.213.1.1.3."

#: Template → kind of entry; of an entry that bears several, the first in this order tells.
TEMPLATES = {
    _PCC + "5.3": "allergy-concern",
    _PCC + "6": "allergy",
    _PCC + "5.2": "problem-concern",
    _PCC + "5": "problem",
    _PCC + "12": "immunization",
    _PCC + "7": "medication",
    _FR + "42": "medication",
    _PCC + "19": "procedure",
    _PCC + "13.1": "vital-signs",
    _LAB: "laboratory",
    _FR + "18": "attachment",
    _PCC + "13": "observation",
    _LAB + ".6": "observation",
    _FR + "103": "media",
}
_RANK = {template: number for number, template in enumerate(TEMPLATES)}
#: What an entry of a kind must be.
_ELEMENTS = {
    "allergy-concern": "act", "allergy": "observation", "problem-concern": "act", "problem": "observation", "immunization": "substanceAdministration",
    "medication": "substanceAdministration", "procedure": "procedure", "vital-signs": "organizer", "laboratory": "act", "attachment": "organizer",
    "observation": "observation", "media": "observationMedia",
}  # fmt: skip
#: Kinds that may also be planned (moodCode INT); of the others only what has happened is read.
_PLANNED = ("medication", "procedure")

_TEXTS = frozenset(("originalText", "text"))
_EMPTY = frozenset(("nullFlavor", "xsi:type"))
_LINK_TAGS = frozenset(map(clark, LINKS))
_STATUS, _TEMPLATE = clark("statusCode"), clark("templateId")


#: More characters than this are no words of an entry, so that many references to one text cost no more than it is.
LIMIT = 4000


class MappingLibrary(Protocol):
    """What is used of the library of mappings."""

    def mapping(self, name: str) -> Any: ...


class Entries:
    """Reads the entries of one document. `ids` are its narrative elements by ID."""

    def __init__(self, conversion: Conversion, run: Run, library: MappingLibrary, ids: dict[str, Any]) -> None:
        self.conversion = conversion
        self.run = run
        self.mappings = library
        self.ids = ids
        self.leftover = 0
        self.first: tuple[Any, str] | None = None
        self.unit: str | None = None
        self.sources: dict[int, Any] = {}
        self.spoken: dict[str, str | None] = {}
        self.steps: dict[Any, dict[Any, int]] = {}

    # ---- light trees

    def _convert(self, source: Any, plan: Plan, within: Iterable[Any] | None = None) -> Element:
        if plan.whole:
            return self.conversion.element(source)
        name = plan.name
        items = source.items()
        attributes = self._attributes(source, name, items, plan) if items else {}
        element = Element(name, attributes)
        if name in RELATIONS:
            self.sources[id(element)] = source
        if name in _TEXTS:
            element.text = self._resolved(source)
            return element
        tags, children = plan.tags, element.children
        for child in source if within is None else within:
            tag = child.tag
            below = tags.get(tag)
            if below is not None:
                children.append(self._convert(child, below))
            elif tag not in _LINK_TAGS and not (tag == _STATUS and child.get("code") == "completed"):
                self.left(child)
        if name == "effectiveTime" and "xsi:type" not in attributes:
            attributes["xsi:type"] = "IVL_TS" if len(source) else "TS"
        coded = "code" in attributes
        for each in children:
            if each.name == "originalText" and each.text == attributes.get("displayName"):
                each.text = None  # the label of the code in other words is none
            elif each.name == "translation":
                if coded:
                    self.left(source)  # of a code one is read
                coded = coded or "code" in each.attributes
        if not children and (text := source.text) and (text := text.strip()) and not len(source):
            if plan.text:
                element.text = text
            else:
                self.left(source)
        return element

    def _attributes(self, source: Any, name: str, items: list[tuple[str, str]], plan: Plan) -> dict[str, str]:
        attributes: dict[str, str] = {}
        known = plan.attributes
        for key, value in items:
            if key[0] == "{":
                key = self.conversion.name(key)
                if key == "xsi:type":
                    value = value.rpartition(":")[2]
            attributes[key] = value
            if key not in known and key not in FORM and value and not self._said(key, value, plan):
                self.left(source, key)
        if name == "value" and attributes.get("xsi:type") != "IVL_PQ":
            self.unit = attributes.get("unit")
        return attributes

    def _said(self, key: str, value: str, plan: Plan) -> bool:
        """Whether an attribute says nothing more: not negated, absent as we say it, bounds in the unit of the value."""
        if key == "nullFlavor":
            return value == plan.null
        return (key == "negationInd" and value == "false") or (key == "unit" and value == self.unit)

    def _resolved(self, source: Any) -> str | None:
        """The words of a text, or those of the narrative that it refers to; a reference to the whole narrative, or to words beyond
        `LIMIT`, says nothing of its own."""
        said = (source.text or "").strip()
        if said:
            return said
        reference = source.find(_V3 + "reference")
        if reference is None:
            return None
        identity = (reference.get("value") or "").removeprefix("#")
        if identity not in self.spoken:
            target = self.ids.get(identity)
            whole = target is None or target.tag == _V3 + "text"
            self.spoken[identity] = None if whole else words(target, LIMIT)
        return self.spoken[identity]

    def left(self, source: Any, attribute: str = "") -> None:
        """Count a place that nothing reads."""
        self.leftover += 1
        if self.first is None:
            self.first = (source, attribute)

    def _unselected(self, mapping: Any, element: Element) -> None:
        """Relations that no rule selects, those beside the one that a rule reads, and what is filled in one beyond its rules."""
        children = [child for child in element.children if child.name in RELATIONS]
        if not children:
            return
        by: dict[int, list[Relation]] = {id(child): [] for child in children}
        for relation in relations_of(mapping):
            found = relation.select(element)
            for child in found if relation.many else found[:1]:
                by[id(child)].append(relation)
        for child in children:
            read = by[id(child)]
            source = self.sources[id(child)]
            if not read:
                if child.children or child.attributes.keys() - _EMPTY:  # a null flavour is counted where it stands
                    self.left(source)
                continue
            self._beyond(child, [relation.plan for relation in read], source)
            for relation in read:
                if relation.inner is not None:
                    inside = child.find("/".join(relation.way)) if relation.way else child
                    if inside is not None:
                        self._unselected(relation.inner, inside)

    def _beyond(self, element: Element, plans: list[Plan], source: Any) -> None:
        if any(plan.whole for plan in plans):
            return
        for key, value in element.attributes.items():
            if (
                value
                and key not in FORM
                and not any(key in plan.attributes or self._said(key, value, plan) for plan in plans)
            ):
                self.left(source)
        for child in element.children:
            below = [plan.children[child.name] for plan in plans if child.name in plan.children]
            if below:
                self._beyond(child, below, source)
            elif child.name not in LINKS:
                self.left(source)

    # ---- values

    def read(self, source: Any, mapping: str, within: Iterable[Any] | None = None, relation: int = 1) -> Any:
        """The value that an entry says by a mapping; None when nothing. `within`: its children that are looked at, when others are read
        apart; `relation`: the number of the one among them."""
        run, before = self.run, len(self.run.issues)
        compiled = self.mappings.mapping(mapping)
        plan = plan_of(compiled)
        self.sources.clear()
        element = self._convert(source, plan, within)
        self._unselected(compiled, element)
        value = compiled.read(element, run)
        if len(run.issues) > before:
            self.placed(before, source, relation)
        return value

    def placed(self, first: int, source: Any, relation: int = 1) -> None:
        """Issues of an entry get their place in the document; none of them refuses it."""
        where = self.place(source)
        issues = self.run.issues
        for index in range(first, len(issues)):
            issue = issues[index]
            path = issue.place.path.removeprefix("/ClinicalDocument").removeprefix(f"/{local(source)}")
            if relation > 1:
                path = path.replace("/entryRelationship", f"/entryRelationship[{relation}]", 1)
            path = where + path
            severity = min(issue.severity, Severity.WARNING)
            issues[index] = msgspec.structs.replace(issue, severity=severity, place=Place(path, issue.place.rule))

    def told(self) -> None:
        """Say, once an entry, how many of its filled places nothing has read, and where the first stands."""
        if self.first is not None:
            source, attribute = self.first
            where = self.place(source) + (f"/@{attribute}" if attribute else "")
            self.run.issues.append(
                Issue.of(Severity.INFORMATION, IssueCode.CDA_ENTRY_UNREAD, where, count=self.leftover)
            )
        self.forget()

    def place(self, source: Any) -> str:
        """The XPath of an lxml element in the notation of issues: the first child of a name bears no number."""
        steps: list[str] = []
        while source is not None:
            parent = source.getparent() if local(source) != "ClinicalDocument" else None
            number = self._number(parent, source) if parent is not None else 1
            steps.append(f"/{local(source)}" + (f"[{number}]" if number > 1 else ""))
            source = parent
        return "".join(reversed(steps))

    def _number(self, parent: Any, child: Any) -> int:
        """The place of a child among those of its name; counted once a parent, so that many entries cost no more than they are."""
        numbers = self.steps.get(parent)
        if numbers is None:
            seen: Counter[str] = Counter()
            numbers = self.steps[parent] = {}
            for each in parent:
                seen[each.tag] += 1
                numbers[each] = seen[each.tag]
        return numbers[child]

    def forget(self) -> None:
        """Begin the next entry."""
        self.leftover, self.first = 0, None


def kind_of(entry: Any) -> tuple[str, Any]:
    """The kind of an entry and the element that it holds; the kind is empty when it is none of ours."""
    inner, roots = None, []
    for child in entry:
        if child.tag == _TEMPLATE:
            roots.append(child.get("root"))
        elif inner is None:
            inner = child
    if inner is None:
        return "", None
    roots += [each.get("root") for each in inner.iterchildren(_TEMPLATE)]
    for template in sorted({root for root in roots if root in _RANK}, key=_RANK.__getitem__):
        kind = TEMPLATES[template]
        if inner.tag == _V3 + _ELEMENTS[kind]:
            return (kind if _happened(inner, kind) else ""), inner
    return ("media" if inner.tag == _V3 + "observationMedia" else ""), inner


def _happened(inner: Any, kind: str) -> bool:
    """Whether it is a fact (a plan only of kinds that know plans); a negated observation is none."""
    mood = inner.get("moodCode")
    if kind == "observation" and inner.get("negationInd") == "true":
        return False
    return mood in (None, "EVN") or (mood == "INT" and kind in _PLANNED)


def local(source: Any) -> str:
    """The local name of an lxml element."""
    return str(source.tag).rpartition("}")[2]
