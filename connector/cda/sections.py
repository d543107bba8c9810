"""The structured body of a CDA ↔ sections of the Exchange: tree, narrative and the coded entries that our users exchange most.

Read on demand, never in the path of a message. A defect is told and refuses nothing: the document itself stays as it came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from connector.cda.body import content
from connector.cda.codec import ClinicalDocument
from connector.cda.elements import Conversion
from connector.cda.entries import Entries, MappingLibrary, kind_of
from connector.cda.forms import dress
from connector.cda.generated import narrative
from connector.cda.shape import SHAPE
from connector.cda.strucdoc import Narrative, read_narrative, write_narrative
from connector.cda.tree import NAMESPACES, Base64Text, Element
from connector.exchange.attachment import Content
from connector.exchange.clinical import Section
from connector.exchange.results import Report
from connector.issues import Issue, IssueCode, Severity
from connector.mapping.language import Run

__all__ = ["read_sections", "write_sections"]

_V3 = "{" + NAMESPACES[""] + "}"
_BY = "connector/cda/sections.py"
#: Kind of entry → field of a section.
FIELDS = {
    "problem-concern": "problems", "problem": "problems", "allergy-concern": "allergies", "allergy": "allergies",
    "medication": "medications", "immunization": "immunizations", "procedure": "procedures", "observation": "observations",
    "vital-signs": "vital_signs", "laboratory": "results", "media": "media", "attachment": "media",
}  # fmt: skip
_MAPPINGS = {
    "problem": "cda/entries/problem", "allergy": "cda/entries/allergy", "medication": "cda/entries/medication",
    "immunization": "cda/entries/immunization", "procedure": "cda/entries/procedure", "observation": "cda/entries/observation",
    "vital-signs": "cda/entries/vital-signs",
}  # fmt: skip
#: What an act of a concern or of a laboratory says of itself.
_OWN = frozenset(("id", "statusCode", "effectiveTime"))
_HEAD = frozenset(("templateId", "id", "code", "title", "languageCode", "author"))
_ELSEWHERE = frozenset(("text", "entry", "component"))


def read_sections(
    clinical: ClinicalDocument, run: Run, library: MappingLibrary, *, at: str = "documents[1].sections"
) -> tuple[Section, ...]:
    """The sections of a structured body, () when there is none. Issues go into the run: warnings and information, never an error.

    `at` is where they stand in the Exchange: a run that explains is told which entry each value was read from.
    """
    if clinical.structured is None:
        return ()
    reader = _Reader(clinical, run, library)
    found = list(_sections(clinical.structured))
    for section in clinical.structured.iter(_V3 + "section"):
        text = section.find(_V3 + "text")
        if text is not None and (len(text) or (text.text or "").strip()):
            reader.narratives[section] = read_narrative(text, reader.entries.ids)
    return tuple(reader.section(section, f"{at}[{number}]") for number, section in enumerate(found, 1))


def _sections(parent: Any) -> Iterator[Any]:
    for component in parent.iterchildren(_V3 + "component"):
        yield from component.iterchildren(_V3 + "section")


class _Reader:
    """One document under way. Narratives are read first: any entry may refer to any of them."""

    def __init__(self, clinical: ClinicalDocument, run: Run, library: MappingLibrary) -> None:
        self.clinical = clinical
        self.run = run
        self.head = library.mapping("cda/section")
        self.conversion = Conversion(clinical.token, clinical.cuts)
        self.entries = Entries(self.conversion, run, library, {})
        self.narratives: dict[Any, str] = {}

    def section(self, source: Any, at: str) -> Section:
        """A section with those inside."""
        if self.run.derivations is not None:
            self.run.derived(at, (self.entries.place(source),), _BY)
        head = Element("section")
        lists: dict[str, list[Any]] = {}
        unread: list[str] = []
        for child in source:
            name = child.tag.removeprefix(_V3)
            if name in _HEAD:
                head.children.append(self.conversion.element(child))
            elif name == "entry":
                self.entry(child, lists, unread, at)
            elif name not in _ELSEWHERE:
                unread.append(self.entries.place(child))
        before = len(self.run.issues)
        made = self.head.read(head, self.run) or Section()
        if len(self.run.issues) > before:
            self.entries.placed(before, source)
        return replace(
            made, text=self.narratives.get(source), unread=tuple(unread), sections=tuple(
                self.section(each, f"{at}.sections[{number}]") for number, each in enumerate(_sections(source), 1)
            ),
            **{name: tuple(values) for name, values in lists.items()},
        )  # fmt: skip

    def entry(self, source: Any, lists: dict[str, list[Any]], unread: list[str], at: str) -> None:
        """Put what an entry says into the list of its kind, or its place among the unread."""
        kind, inner = kind_of(source)
        values = list(self.values(kind, inner)) if kind else []
        if values:
            held = lists.setdefault(FIELDS[kind], [])
            if self.run.derivations is not None:
                for number in range(len(held), len(held) + len(values)):
                    self.run.derived(f"{at}.{FIELDS[kind]}[{number + 1}]", (self.entries.place(source),), _BY)
            held.extend(values)
            self.entries.told()
        else:
            self.entries.forget()
            unread.append(self.entries.place(source))

    def values(self, kind: str, inner: Any) -> Iterator[Any]:
        """What an entry of a kind says: one value, or one for each observation of a concern, each battery, each file."""
        if kind.endswith("-concern"):
            yield from self.concern(inner, kind.removesuffix("-concern"))
        elif kind == "laboratory":
            yield from self.laboratory(inner)
        elif kind in ("media", "attachment"):
            yield from self.media(inner)
        else:
            value = self.entries.read(inner, _MAPPINGS[kind])
            if value is not None:
                yield value

    def concern(self, act: Any, kind: str) -> Iterator[Any]:
        """Each observation of a concern, with what the concern says."""
        relations = act.findall(_V3 + "entryRelationship")
        around = [each for each in act if each.tag != _V3 + "entryRelationship"]
        times = _times(act)
        for number, relation in enumerate(relations, 1):
            observation = relation.find(_V3 + "observation")
            if observation is None:
                self.entries.left(relation)
                continue
            # the time of a concern that is the observation's says nothing more
            same = times == _times(observation)
            within = [each for each in around if not (same and each.tag == _V3 + "effectiveTime")]
            value = self.entries.read(act, f"cda/entries/{kind}-concern", (*within, relation), number)
            around = _first(around)  # what else it holds is counted once
            if value is not None:
                yield replace(value, concern=None) if value.concern in value.identifiers else value

    def laboratory(self, act: Any) -> Iterator[Report]:
        """A report for each battery, after one for the results that stand alone; what the act says is said of each."""
        alone = _holding(act, "entryRelationship", "observation")
        apart = {*alone, *_holding(act, "entryRelationship", "organizer")}
        own = [each for each in act if alone and each.tag.removeprefix(_V3) in _OWN]
        rest = [each for each in act if each not in apart and not (alone and each.tag.removeprefix(_V3) in _OWN)]
        shared = self.entries.read(act, "cda/entries/laboratory", rest) or Report()
        if alone:
            code = act.findall(_V3 + "code")
            report = self.entries.read(act, "cda/entries/act-results", (*code, *own, *alone)) or Report()
            yield replace(report, interpreter=shared.interpreter, specimen=shared.specimen, notes=shared.notes)
        for battery in act.iter(_V3 + "organizer"):
            nested = set(_holding(battery, "component", "organizer"))
            within = [each for each in battery if each not in nested]
            report = self.entries.read(battery, "cda/entries/battery-results", within)
            if report is not None:
                yield replace(
                    report, category=shared.category, interpreter=shared.interpreter, specimen=report.specimen or shared.specimen,
                    notes=(*shared.notes, *report.notes),
                )  # fmt: skip

    def media(self, inner: Any) -> Iterator[Content]:
        """The files of an observationMedia, or of a document attached."""
        for each in inner.iter(_V3 + "observationMedia"):
            value = each.find(_V3 + "value")
            if value is None or not (value.text or "").strip():
                self.entries.left(each)
                continue
            try:
                data = self.clinical.binary(value.text.strip()).decode()
            except ValueError as error:
                offset = str(error).rpartition(" ")[2]
                self.run.issues.append(
                    Issue.of(Severity.WARNING, IssueCode.DOCUMENT_ENCODING, self.entries.place(value), offset=offset)
                )
                continue
            yield content(data, value.get("mediaType"))
        for each in inner.iterchildren(_V3 + "component") if inner.tag == _V3 + "organizer" else ():
            if each.find(_V3 + "observationMedia") is None:
                self.entries.left(each)


def _holding(parent: Any, name: str, inner: str) -> list[Any]:
    return [each for each in parent.iterchildren(_V3 + name) if each.find(_V3 + inner) is not None]


def _first(children: list[Any]) -> list[Any]:
    """The first child of each name that a concern's own rules read."""
    return list({each.tag: each for each in reversed(children) if each.tag.removeprefix(_V3) in _OWN}.values())


def _times(source: Any) -> list[tuple[str | None, ...]]:
    return [tuple(each.get("value") for each in time.iter()) for time in source.iterchildren(_V3 + "effectiveTime")]


# --- writing ----------------------------------------------------------------------------------------------------------

#: Field of a section → the kind of its entries, in the order in which they are written.
_KINDS = {
    "problems": "problem-concern", "allergies": "allergy-concern", "medications": "medication", "immunizations": "immunization",
    "procedures": "procedure", "vital_signs": "vital-signs", "observations": "observation",
}  # fmt: skip
_MEDIA = ("2.16.840.1.113883.10.12.304", "1.2.250.1.213.1.1.3.103")
_LABORATORY = ("1.3.6.1.4.1.19376.1.3.1", "1.2.250.1.213.1.1.3.21")


def write_sections(sections: tuple[Section, ...], run: Run, library: MappingLibrary) -> Element:
    """The structuredBody of sections. A section without a text gets one from its entries; what cannot be written is an issue of the run."""
    body = Element("structuredBody")
    writer = _Writer(run, library)
    for section in sections:
        body.add("component").children.append(writer.section(section))
    return body


class _Writer:
    """One structuredBody under way; narratives are numbered through the document."""

    def __init__(self, run: Run, library: MappingLibrary) -> None:
        self.run = run
        self.mappings = library
        self.narratives = 0
        self.ids: set[str] = set()

    def section(self, section: Section) -> Element:
        """A section with those inside."""
        element: Element = self.mappings.mapping("cda/section").write(section, self.run)
        said = self.narrative(section)
        if said.inside:
            element.children.append(Element("text", {"ID": said.id}, said.inside))
        for field, kind in _KINDS.items():
            for value in getattr(section, field):
                self.entry(element, self.written(kind, value), kind, said)
        for report in section.results:
            self.laboratory(element, report, said)
        for number, media in enumerate(section.media):
            element.children.append(
                _media(media, said.objects[number] if number < len(said.objects) else f"{said.id}-{number + 1}")
            )
        SHAPE.finish(element, None)
        for inner in section.sections:
            element.add("component").children.append(self.section(inner))
        return element

    def narrative(self, section: Section) -> Narrative:
        """Its text, else one made of its entries."""
        self.narratives += 1
        if section.text is not None:
            try:
                return write_narrative(section.text, self.narratives, self.ids)
            except ValueError as error:
                self.run.report(
                    Severity.WARNING, IssueCode.MAP_NOT_WRITABLE, "documents[1].sections[].text", expected=str(error)
                )
        return write_narrative(narrative(section, self.narratives), self.narratives, self.ids)

    def written(self, kind: str, value: Any) -> Element:
        """An entry by its mapping. A concern of which only the observation has an id bears that one."""
        if kind.endswith("-concern") and value.concern is None and value.identifiers:
            value = replace(value, concern=value.identifiers[0])
        made: Element = self.mappings.mapping(f"cda/entries/{kind}").write(value, self.run)
        return made

    def entry(self, parent: Element, made: Element, kind: str, said: Narrative) -> None:
        """Put an entry into its section, in its form."""
        dress(made, kind, said)
        parent.add("entry", {"typeCode": "DRIV"}).children.append(made)

    def laboratory(self, parent: Element, report: Report, said: Narrative) -> None:
        """A battery inside the act of its category; the act itself stands for a battery without one."""
        if report.category is None:
            act = self.mappings.mapping("cda/entries/act-results").write(report, self.run)
            act = self.mappings.mapping("cda/entries/laboratory").write(report, self.run, into=act)
        else:
            act = self.mappings.mapping("cda/entries/laboratory").write(report, self.run)
            battery = self.mappings.mapping("cda/entries/battery-results").write(report, self.run)
            act.add("entryRelationship", {"typeCode": "COMP"}).children.append(battery)
        self.entry(parent, act, "laboratory", said)
        parent.children[-1].children[:0] = [Element("templateId", {"root": root}) for root in _LABORATORY]


def _media(media: Content, name: str) -> Element:
    entry = Element("entry", {"typeCode": "DRIV"})
    shown = entry.add("observationMedia", {"classCode": "OBS", "moodCode": "EVN", "ID": name})
    shown.children += [Element("templateId", {"root": root}) for root in _MEDIA]
    value = shown.add("value", {"mediaType": media.media_type or "application/octet-stream", "representation": "B64"})
    value.text = Base64Text.of(media.data or b"")
    return entry
