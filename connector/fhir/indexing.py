"""What is indexed of a resource for search: rows free of SQL (R4 §3.1.1). What a query asks of them is in search.py."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from connector.exchange.moments import edges, from_iso
from connector.fhir.parameters import PARAMETERS

__all__ = ["IndexRow", "bounded", "folded", "index", "local_name", "values_at"]

#: Characters of an indexed text; a database index has no room for more.
_LONGEST = 240
#: What is indexed of the resources contained in what a reference points at, and of its logical identifier.
_OF_TARGETS = ("family", "given", "name", "identifier")
#: An open end of a period.
_EVER = (-1e13, 1e13)


class IndexRow(NamedTuple):
    """One searchable value of a resource. `low`/`high` (seconds since 1970) for dates; for strings `value` is folded and `system` the text."""

    parameter: str
    system: str = ""
    value: str = ""
    low: float | None = None
    high: float | None = None


def folded(text: str) -> str:
    """Without case and accents, as string search compares (R4 §3.1.1.4.8)."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(each for each in decomposed if not unicodedata.combining(each)).split())


def bounded(text: str) -> str:
    """A text as it is indexed and asked: a long one by its digest, so that it stays itself and comparable."""
    text = text.replace("\x00", "\ufffd")
    return text if len(text) <= _LONGEST else "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def local_name(reference: str) -> str:
    """`Type/id` of a reference to a resource, whatever its server and version; else the reference as it is."""
    parts = reference.split("/_history/")[0].rsplit("/", 2)
    return "/".join(parts[-2:]) if len(parts) > 1 and parts[-2] in PARAMETERS else reference


def index(resource: Mapping[str, Any], zone: str = "Europe/Paris") -> list[IndexRow]:
    """Every row of a resource, each once."""
    rows: dict[IndexRow, None] = {}
    contained = {f"#{each.get('id')}": each for each in resource.get("contained", ()) if isinstance(each, dict)}
    for name, parameter in PARAMETERS.get(resource.get("resourceType", ""), {}).items():
        for path in parameter.paths:
            for value in values_at(resource, path):
                if parameter.kind == "reference":
                    found = _references(name, value, parameter.targets, contained, zone)
                else:
                    found = _MAKERS[parameter.kind](name, value, zone)
                for row in found:
                    rows[row] = None
    return list(rows)


def values_at(resource: Mapping[str, Any], path: str) -> list[Any]:
    """The values at a path of `connector.fhir.parameters`."""
    level: list[Any] = [resource]
    for name in path.split("."):
        name, bracket, suffix = name.partition("[")
        level = [each for node in level if isinstance(node, dict) for each in _listed(node.get(name))]
        if bracket:
            ending = "/" + suffix.removesuffix("]")
            level = [each for each in level if isinstance(each, dict) and str(each.get("url", "")).endswith(ending)]
    return level


def _listed(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _token(name: str, value: Any, zone: str) -> Iterator[IndexRow]:
    if isinstance(value, bool):
        yield IndexRow(name, "", "true" if value else "false")
    elif isinstance(value, str):
        yield IndexRow(name, "", bounded(value))
    elif not isinstance(value, dict):
        return
    elif "coding" in value or "text" in value:
        for coding in value.get("coding", ()):
            yield from _token(name, coding, zone)
    else:
        code = value.get("value") or value.get("code")
        if isinstance(code, str):
            system = bounded(str(value.get("system", "")))
            yield IndexRow(name, system, bounded(code))
            # A document id is asked by its URI too, whichever way it was written (MHD: urn:oid in the value).
            if system == "urn:ietf:rfc:3986" and code.startswith("urn:oid:"):
                yield IndexRow(name, "", bounded(code.removeprefix("urn:oid:")))


def _string(name: str, value: Any, zone: str) -> Iterator[IndexRow]:
    if isinstance(value, str):
        yield IndexRow(name, bounded(value), folded(value)[:_LONGEST].replace("\x00", "\ufffd"))


def _uri(name: str, value: Any, zone: str) -> Iterator[IndexRow]:
    if isinstance(value, str):
        yield IndexRow(name, "", bounded(value))
        if "|" in value:  # a canonical with its version is found without it too
            yield IndexRow(name, "", bounded(value.partition("|")[0]))


def _references(
    name: str, value: Any, targets: tuple[str, ...], contained: Mapping[str, Mapping[str, Any]], zone: str
) -> Iterator[IndexRow]:
    if not isinstance(value, dict):
        return
    reference = value.get("reference")
    if isinstance(reference, str) and reference.startswith("#"):
        yield from _of_contained(name, contained.get(reference), contained, zone)
    elif isinstance(reference, str):
        local = local_name(reference)
        if not targets or "/" not in local or local.partition("/")[0] in targets:
            yield IndexRow(name, "", bounded(local))
    if "identifier" in value:
        yield from _token(f"{name}.identifier", value["identifier"], zone)


def _of_contained(
    name: str, target: Mapping[str, Any] | None, contained: Mapping[str, Mapping[str, Any]], zone: str
) -> Iterator[IndexRow]:
    """What is asked through a reference (`author.family`) of a contained resource, and of the person in a contained role."""
    if target is None:
        return
    kind = target.get("resourceType", "")
    for asked in _OF_TARGETS:
        parameter = PARAMETERS.get(kind, {}).get(asked)
        if parameter is not None:
            for value in [value for path in parameter.paths for value in values_at(target, path)]:
                yield from _MAKERS[parameter.kind](f"{name}.{asked}", value, zone)
    person = target.get("practitioner") if kind == "PractitionerRole" else None
    if isinstance(person, dict):
        yield from _of_contained(name, contained.get(str(person.get("reference"))), {}, zone)
        if "identifier" in person:
            yield from _token(f"{name}.identifier", person["identifier"], zone)


def _date(name: str, value: Any, zone: str) -> Iterator[IndexRow]:
    try:
        if isinstance(value, dict):
            start, end = value.get("start"), value.get("end")
            low = edges(from_iso(start), zone)[0] if start else _EVER[0]
            high = edges(from_iso(end), zone)[1] if end else _EVER[1]
            if start or end:
                yield IndexRow(name, "", "", low, high)
        elif isinstance(value, str):
            yield IndexRow(name, "", "", *edges(from_iso(value), zone))
    except ValueError:
        return  # an unreadable date is not found by date; validation has told it already


_MAKERS: dict[str, Callable[[str, Any, str], Iterator[IndexRow]]] = {
    "token": _token,
    "string": _string,
    "uri": _uri,
    "date": _date,
}
