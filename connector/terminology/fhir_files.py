"""CodeSystem, ValueSet and ConceptMap in FHIR R4 JSON → editions (R4 §4.8, §4.9, §4.10). Plain data, no models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from connector.terminology.edition import Edition, Mapped, Official, bare, day, distinct
from connector.terminology.tables import TerminologyError, closest

__all__ = ["KINDS", "Resources"]

KINDS = ("CodeSystem", "ValueSet", "ConceptMap")
_DEEPEST = 100
_RETIRED = frozenset({"retired", "deprecated", "inactive"})
_STARTS = ("dateValid", "effectiveDate")
_ENDS = ("dateFin", "retirementDate", "deprecationDate", "deprecated")
_NO_TRANSLATION = frozenset({"unmatched", "disjoint"})


class Resources:
    """The terminology resources of some files: value sets may include the others by their URL."""

    def __init__(self, resources: Sequence[tuple[str, Any]]) -> None:
        self._found = [pair for place, data in resources for pair in _unpacked(place, data)]
        self._by_url = {
            str(data["url"]): (place, data) for place, data in self._found if isinstance(data.get("url"), str)
        }

    def editions(self, wanted: Callable[[Sequence[str]], bool]) -> Iterator[Edition]:
        """The resources whose identifiers are wanted, as editions. TerminologyError names the place in the file."""
        for place, data in self._found:
            if wanted(_identifiers(place, data)):
                yield self._edition(place, data)

    def _edition(self, place: str, data: Mapping[str, Any]) -> Edition:
        kind = str(data["resourceType"])
        identifiers = _identifiers(place, data)
        name = str(data.get("name") or data.get("title") or data.get("id") or "")
        effective = day(_text(data.get("date"))) or _period(data)
        publisher = str(data.get("publisher") or "").partition(" - ")[0]
        source = ", ".join(filter(None, (publisher, name)))
        version = _text(data.get("version"))
        if kind == "ConceptMap":
            mapped = tuple(_mapped(place, data))
            return Edition(kind, name, place, identifiers, version, effective, source, (), mapped, False)
        concepts = distinct(_defined(place, data) if kind == "CodeSystem" else self._values(place, data, ()))
        whole = data.get("content") != "fragment"
        return Edition(kind, name, place, identifiers, version, effective, source, concepts, (), whole)

    def _values(self, place: str, data: Mapping[str, Any], within: tuple[str, ...]) -> list[Official]:
        """The codes of a value set: its expansion, else what it composes."""
        url = _text(data.get("url"))
        if url and url in within:
            raise TerminologyError(place, f"the value set includes itself, by way of {' → '.join((*within, url))}")
        expansion, compose = data.get("expansion"), data.get("compose")
        if isinstance(expansion, dict):
            found = list(_contained(f"{place}: expansion", _list(expansion, "contains", place)))
            total = expansion.get("total")
            if isinstance(total, int) and total > len(found):
                raise TerminologyError(place, f"a part of an expansion: {len(found)} codes of {total}")
            return found
        if not isinstance(compose, dict):
            raise TerminologyError(place, "the value set has neither an expansion nor a compose")
        chosen: dict[tuple[str, str], Official] = {}
        for number, include in enumerate(_list(compose, "include", place)):
            where = f"{place}: compose.include[{number}]"
            for each in self._included(where, include, (*within, url)):
                chosen.setdefault((each.code, each.system), each)
        for number, exclude in enumerate(_list(compose, "exclude", place)):
            for each in self._included(f"{place}: compose.exclude[{number}]", exclude, (*within, url)):
                chosen.pop((each.code, each.system), None)
        return list(chosen.values())

    def _included(self, place: str, include: Any, within: tuple[str, ...]) -> list[Official]:
        include = _object(include, place)
        if _list(include, "filter", place):
            raise TerminologyError(place, "chosen by a filter: give the value set with its expansion")
        system = _text(include.get("system"))
        concepts = _list(include, "concept", place)
        if concepts:
            return [
                _official(f"{place}.concept[{number}]", _object(each, place), system)
                for number, each in enumerate(concepts)
            ]
        others = [str(each).partition("|")[0] for each in _list(include, "valueSet", place)]
        if not others:
            return self._whole_system(place, system)
        sets = [self._values(*self._other(place, url), within) for url in others]
        common = set.intersection(*({(each.code, each.system) for each in each_set} for each_set in sets))
        return [each for each in sets[0] if (each.code, each.system) in common and system in ("", each.system)]

    def _whole_system(self, place: str, system: str) -> list[Official]:
        return _defined(*self._other(place, system))

    def _other(self, place: str, url: str) -> tuple[str, Mapping[str, Any]]:
        if url not in self._by_url:
            raise TerminologyError(place, f"{url} is not in the files given: give it too, or an expansion")
        return self._by_url[url]


def _unpacked(place: str, data: Any, depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The resources of a Bundle, or the one that it is."""
    data = _object(data, place)
    kind = data.get("resourceType")
    if kind == "Bundle" and depth < 2:
        for number, entry in enumerate(_list(data, "entry", place)):
            resource = _object(entry, place).get("resource")
            if isinstance(resource, dict) and resource.get("resourceType") in (*KINDS, "Bundle"):
                yield from _unpacked(f"{place}: entry[{number}]", resource, depth + 1)
    elif kind in KINDS:
        yield place, data
    else:
        hint = closest(str(kind), KINDS) if isinstance(kind, str) else ""
        raise TerminologyError(place, f"expected a {', '.join(KINDS)} or Bundle of FHIR{hint}")


def _defined(place: str, data: Mapping[str, Any]) -> list[Official]:
    """The concepts of a code system, those below others too."""
    if data.get("content") not in (None, "complete", "fragment"):
        raise TerminologyError(place, f"the code system's content is {_text(data.get('content'))!r}: it holds no codes")
    system = _text(data.get("url"))
    found: list[Official] = []
    above: dict[str, set[str]] = {}
    pending = [(f"{place}: concept", _list(data, "concept", place), "", 0)]
    while pending:
        where, concepts, parent, depth = pending.pop()
        if depth > _DEEPEST:
            raise TerminologyError(where, f"more than {_DEEPEST} levels of concepts")
        for number, each in enumerate(concepts):
            spot = f"{where}[{number}]"
            concept = _object(each, spot)
            official = _official(spot, concept, system)
            found.append(official)
            above.setdefault(official.code, set()).update(filter(None, (parent, *_parents(concept, spot))))
            if below := _list(concept, "concept", spot):
                pending.append((f"{spot}.concept", below, official.code, depth + 1))
    _no_cycle(place, above)
    return found


def _parents(concept: Mapping[str, Any], place: str) -> Iterator[str]:
    for each in _list(concept, "property", place):
        if isinstance(each, dict) and each.get("code") in ("parent", "subsumedBy"):
            yield _text(each.get("valueCode"))


def _no_cycle(place: str, above: Mapping[str, set[str]]) -> None:
    """Kahn's order: what remains once all that has nothing above it is taken away goes round in a circle."""
    waiting = {code: sum(parent in above for parent in parents) for code, parents in above.items()}
    below: dict[str, list[str]] = {}
    for code, parents in above.items():
        for parent in parents:
            below.setdefault(parent, []).append(code)
    free = [code for code, count in waiting.items() if not count]
    done = 0
    while free:
        done += 1
        for child in below.get(free.pop(), ()):
            waiting[child] -= 1
            if not waiting[child]:
                free.append(child)
    if done < len(waiting):
        circle = next(code for code, count in waiting.items() if count)
        raise TerminologyError(place, f"the hierarchy goes round in a circle at code {circle!r}")


def _contained(place: str, contains: Sequence[Any], depth: int = 0) -> Iterator[Official]:
    if depth > _DEEPEST:
        raise TerminologyError(place, f"more than {_DEEPEST} levels of codes")
    for number, each in enumerate(contains):
        spot = f"{place}.contains[{number}]"
        concept = _object(each, spot)
        if concept.get("code") is not None and concept.get("abstract") is not True:
            official = _official(spot, concept, _text(concept.get("system")))
            yield official._replace(retired=official.retired or concept.get("inactive") is True)
        yield from _contained(spot, _list(concept, "contains", spot), depth + 1)


def _official(place: str, concept: Mapping[str, Any], system: str) -> Official:
    """A concept with what its properties say of its life (`status`, `inactive`, and the days that the ANS and HL7 give)."""
    said: dict[str, Any] = {}
    for each in _list(concept, "property", place):
        if isinstance(each, dict):
            said[str(each.get("code"))] = next((each[key] for key in each if key.startswith("value")), None)
    start = next((found for name in _STARTS if (found := day(_text(said.get(name))))), "")
    end = next((found for name in _ENDS if (found := day(_text(said.get(name))))), "")
    retired = said.get("status") in _RETIRED or said.get("inactive") is True
    return Official(_text(concept.get("code")), system, _label(concept, place), place, retired, start, end)


def _label(concept: Mapping[str, Any], place: str) -> str:
    """The French label where there are several languages and the first is not it."""
    display = _text(concept.get("display"))
    if not display:
        french = (
            _text(each.get("value"))
            for each in _list(concept, "designation", place)
            if isinstance(each, dict) and _text(each.get("language")).lower().startswith("fr")
        )
        display = next(french, "")
    return " ".join(display.split())


def _mapped(place: str, data: Mapping[str, Any]) -> Iterator[Mapped]:
    for number, group in enumerate(_list(data, "group", place)):
        where = f"{place}: group[{number}]"
        group = _object(group, where)
        source, target_system = _text(group.get("source")), _text(group.get("target"))
        for position, element in enumerate(_list(group, "element", where)):
            spot = f"{where}.element[{position}]"
            element = _object(element, spot)
            targets = [
                _text(each.get("code"))
                for each in _list(element, "target", spot)
                if isinstance(each, dict) and each.get("equivalence") not in _NO_TRANSLATION and each.get("code")
            ]
            if len(set(targets)) > 1:
                raise TerminologyError(
                    spot, f"code {_text(element.get('code'))!r} becomes {len(targets)} codes: one is needed"
                )
            if targets:
                yield Mapped(_text(element.get("code")), source, targets[0], target_system, spot)


def _identifiers(place: str, data: Mapping[str, Any]) -> tuple[str, ...]:
    """OIDs and URL of a code system or value set; of a map those of the codes that it starts from."""
    if data["resourceType"] == "ConceptMap":
        return bare((_text(data.get("sourceUri")), _text(data.get("sourceCanonical"))))
    values = [_text(each.get("value")) for each in _list(data, "identifier", place) if isinstance(each, dict)]
    return bare((*(each for each in values if each.startswith("urn:oid:")), _text(data.get("url"))))


def _period(data: Mapping[str, Any]) -> str:
    period = data.get("effectivePeriod")
    return day(_text(period.get("start"))) if isinstance(period, dict) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TerminologyError(place, "expected an object")
    return value


def _list(data: Mapping[str, Any], name: str, place: str) -> list[Any]:
    value = data.get(name, [])
    if not isinstance(value, list):
        raise TerminologyError(place, f"{name}: expected a list")
    return value
