"""FHIR search: what is indexed of a resource, and what a query asks, both free of SQL (R4 §3.1.1).

`index(resource, …)` gives rows; `parse(type, parameters)` gives a `Query` whose criteria are conditions on those rows, all of them to hold,
each by one of its alternatives:

    token      value = code, and system = system when it is not None ("" asks for a code without system)
    string     begins: value begins with; contains: value holds; exact: system (the text as it was) equals
    reference  value equals (both `Type/id` and `id` are rows)
    date       by the prefix, on low and high (seconds since 1970): see `Alternative.prefix`
    id         the resource's own id; updated: when the store wrote it (low and high, as date)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from connector.exchange.moments import edges, from_iso
from connector.issues import Issue, IssueCode, Outcome, Severity
from connector.mapping.paths import closest

__all__ = [
    "MOST_COUNT",
    "PARAMETERS",
    "PREFIXES",
    "Alternative",
    "Criterion",
    "IndexRow",
    "Query",
    "folded",
    "index",
    "parse",
]

DEFAULT_COUNT = 20
MOST_COUNT = 200
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")


class IndexRow(NamedTuple):
    """One searchable value of a resource. `low`/`high` (seconds since 1970) for dates; for strings `value` is folded and `system` the text."""

    parameter: str
    system: str = ""
    value: str = ""
    low: float | None = None
    high: float | None = None


class Alternative(NamedTuple):
    """One value of a criterion.

    `system` None: any. `prefix` of a date, with [low, high] asked and [l, h] indexed: eq l≥low and h≤high; ne not eq; gt h>high;
    lt l<low; ge h≥low; le l≤high; sa l>high; eb h<low. Of a string: begins, contains, exact.
    """

    value: str = ""
    system: str | None = None
    prefix: str = ""
    low: float = 0.0
    high: float = 0.0


class Criterion(NamedTuple):
    """One parameter with its alternatives; `kind`: token, string, reference, date, id, updated."""

    parameter: str
    kind: str
    alternatives: tuple[Alternative, ...]


class Query(NamedTuple):
    """What is asked: one type, every criterion, one page, newest first."""

    type: str
    criteria: tuple[Criterion, ...] = ()
    limit: int = DEFAULT_COUNT
    offset: int = 0


#: type → parameter → (kind, paths). `->` follows a reference inside what is written together.
PARAMETERS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "DocumentReference": {
        "author": ("reference", ("author",)),
        "category": ("token", ("category",)),
        "contenttype": ("token", ("content.attachment.contentType",)),
        "creation": ("date", ("content.attachment.creation",)),
        "custodian": ("reference", ("custodian",)),
        "date": ("date", ("date",)),
        "encounter": ("reference", ("context.encounter",)),
        "event": ("token", ("context.event",)),
        "facility": ("token", ("context.facilityType",)),
        "format": ("token", ("content.format",)),
        "identifier": ("token", ("masterIdentifier", "identifier")),
        "patient": ("reference", ("subject",)),
        "patient.identifier": ("token", ("subject->identifier",)),
        "period": ("date", ("context.period",)),
        "related": ("reference", ("context.related",)),
        "relatesto.identifier": ("token", ("relatesTo.target.identifier",)),
        "security-label": ("token", ("securityLabel",)),
        "setting": ("token", ("context.practiceSetting",)),
        "status": ("token", ("status",)),
        "subject": ("reference", ("subject",)),
        "type": ("token", ("type",)),
    },
    "Patient": {
        "birthdate": ("date", ("birthDate",)),
        "family": ("string", ("name.family",)),
        "gender": ("token", ("gender",)),
        "given": ("string", ("name.given", "name.extension.valueString")),
        "identifier": ("token", ("identifier",)),
        "name": ("string", ("name.family", "name.given", "name.text")),
        "telecom": ("token", ("telecom.value",)),
    },
    "Encounter": {
        "class": ("token", ("class",)),
        "date": ("date", ("period",)),
        "identifier": ("token", ("identifier",)),
        "patient": ("reference", ("subject",)),
        "status": ("token", ("status",)),
        "subject": ("reference", ("subject",)),
    },
    "Practitioner": {
        "family": ("string", ("name.family",)),
        "given": ("string", ("name.given",)),
        "identifier": ("token", ("identifier",)),
        "name": ("string", ("name.family", "name.given", "name.text")),
    },
    "PractitionerRole": {
        "organization": ("reference", ("organization",)),
        "practitioner": ("reference", ("practitioner",)),
        "role": ("token", ("code",)),
        "specialty": ("token", ("specialty",)),
        "telecom": ("token", ("telecom.value",)),
    },
    "Organization": {
        "identifier": ("token", ("identifier",)),
        "name": ("string", ("name",)),
        "type": ("token", ("type",)),
    },
    "Device": {"identifier": ("token", ("identifier",)), "organization": ("reference", ("owner",))},
    "Location": {"name": ("string", ("name",))},
    "List": {
        "code": ("token", ("code",)),
        "date": ("date", ("date",)),
        "identifier": ("token", ("identifier",)),
        "item": ("reference", ("entry.item",)),
        "patient": ("reference", ("subject",)),
        "source": ("reference", ("source",)),
        "status": ("token", ("status",)),
        "subject": ("reference", ("subject",)),
    },
    "Binary": {},
}
_COMMON = {"_id": "id", "_lastUpdated": "updated"}
_PAGING = ("_count", "_offset")
#: Accepted and without effect on what is found: the form of the answer, and the only order there is.
_IGNORED = ("_format", "_pretty", "_total")

Find = Callable[[str], Mapping[str, Any] | None]


def folded(text: str) -> str:
    """Without case and accents, as string search compares (R4 §3.1.1.4.8)."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(each for each in decomposed if not unicodedata.combining(each)).split())


# --- indexing --------------------------------------------------------------------------------------------------------


def index(resource: Mapping[str, Any], find: Find | None = None, zone: str = "Europe/Paris") -> list[IndexRow]:
    """Every row of a resource. `find` gives the target of a reference written together with it (for `patient.identifier`)."""
    rows: dict[IndexRow, None] = {}
    for parameter, (kind, paths) in PARAMETERS.get(resource.get("resourceType", ""), {}).items():
        make = _MAKERS[kind]
        for path in paths:
            for value in _values(resource, path, find):
                for row in make(parameter, value, zone):
                    rows[row] = None
    return list(rows)


def _values(resource: Mapping[str, Any], path: str, find: Find | None) -> Iterator[Any]:
    here, arrow, beyond = path.partition("->")
    level: list[Any] = [resource]
    for name in here.split("."):
        level = [each for node in level if isinstance(node, dict) for each in _listed(node.get(name))]
    if not arrow:
        yield from level
        return
    for reference in level:
        target = find(reference.get("reference", "")) if find is not None and isinstance(reference, dict) else None
        if target is not None:
            yield from _values(target, beyond, None)


def _listed(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _token(parameter: str, value: Any, zone: str) -> Iterator[IndexRow]:
    if isinstance(value, str):
        yield IndexRow(parameter, "", value)
    elif "coding" in value or "text" in value:
        for coding in value.get("coding", ()):
            yield from _token(parameter, coding, zone)
    else:
        code = value.get("value") or value.get("code")
        if code:
            yield IndexRow(parameter, value.get("system", ""), code)
            # A document id is asked by its URI too, whichever way it was written (MHD: urn:oid in the value).
            if value.get("system") == "urn:ietf:rfc:3986" and code.startswith("urn:oid:"):
                yield IndexRow(parameter, "", code.removeprefix("urn:oid:"))


def _string(parameter: str, value: Any, zone: str) -> Iterator[IndexRow]:
    if isinstance(value, str):
        yield IndexRow(parameter, value, folded(value))


def _reference(parameter: str, value: Any, zone: str) -> Iterator[IndexRow]:
    reference = value.get("reference") if isinstance(value, dict) else None
    if reference:
        parts = reference.rsplit("/", 2)
        yield IndexRow(parameter, "", "/".join(parts[-2:]))
        yield IndexRow(parameter, "", parts[-1])


def _date(parameter: str, value: Any, zone: str) -> Iterator[IndexRow]:
    try:
        if isinstance(value, dict):
            start, end = value.get("start"), value.get("end")
            low = edges(from_iso(start), zone)[0] if start else _EVER[0]
            high = edges(from_iso(end), zone)[1] if end else _EVER[1]
            if start or end:
                yield IndexRow(parameter, "", "", low, high)
        elif isinstance(value, str):
            yield IndexRow(parameter, "", "", *edges(from_iso(value), zone))
    except ValueError:
        return  # an unreadable date is not found by date; validation has told it already


#: An open end of a period.
_EVER = (-1e13, 1e13)
_MAKERS: dict[str, Callable[[str, Any, str], Iterator[IndexRow]]] = {
    "token": _token,
    "string": _string,
    "reference": _reference,
    "date": _date,
}


# --- queries ---------------------------------------------------------------------------------------------------------


class _RefusedError(ValueError):
    """Why a parameter is refused."""


def parse(resource_type: str, parameters: Sequence[tuple[str, str]], zone: str = "Europe/Paris") -> Outcome[Query]:
    """A query of `name=value` pairs. An unknown parameter is refused: answering more than was asked would show other patients."""
    known = PARAMETERS[resource_type]
    criteria: list[Criterion] = []
    paging = {"_count": DEFAULT_COUNT, "_offset": 0}
    issues: list[Issue] = []
    for name, value in parameters:
        if name in _IGNORED:
            continue
        try:
            if name in paging:
                paging[name] = _whole(value)
            elif value:
                criteria.append(_criterion(name, value, known, resource_type, zone))
        except ValueError as error:
            expected = str(error) if isinstance(error, _RefusedError) else f"{name}: a valid value"
            issues.append(Issue.of(Severity.ERROR, IssueCode.FHIR_SEARCH, name, expected=expected))
    if issues:
        return Outcome(None, tuple(issues))
    return Outcome(Query(resource_type, tuple(criteria), min(paging["_count"], MOST_COUNT), paging["_offset"]))


def _whole(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > 9:
        raise _RefusedError("a whole number")
    return int(value)


def _criterion(
    name: str, value: str, known: Mapping[str, tuple[str, tuple[str, ...]]], resource_type: str, zone: str
) -> Criterion:
    bare, _, modifier = name.partition(":")
    if modifier == "identifier" and f"{bare}.identifier" in known:
        bare, modifier = f"{bare}.identifier", ""
    kind = _COMMON.get(bare) or (known[bare][0] if bare in known else "")
    if not kind:
        options = [*known, *_COMMON, *_PAGING]
        raise _RefusedError(f"a search parameter of {resource_type}{closest(bare, options)}")
    texts = _split(value, ",")
    if kind == "string":
        if modifier not in ("", "exact", "contains"):
            raise _RefusedError(f"{bare}, {bare}:exact or {bare}:contains")
        found = tuple(
            Alternative(text if modifier == "exact" else folded(text), None, modifier or "begins") for text in texts
        )
    elif kind == "reference":
        found = tuple(Alternative(_target(text, modifier)) for text in texts)
    elif modifier:
        raise _RefusedError(f"{bare} without a modifier")
    elif kind == "token":
        found = tuple(_token_asked(text) for text in texts)
    elif kind == "id":
        found = tuple(Alternative(text) for text in texts)
    else:
        found = tuple(_date_asked(text, zone) for text in texts)
    return Criterion(bare, kind, found)


def _split(text: str, separator: str) -> list[str]:
    """At separators that are not escaped by a backslash (R4 §3.1.1.4.7)."""
    if "\\" not in text:
        return [part for part in text.split(separator) if part]
    parts, current, escaped = [], "", False
    for character in text:
        if escaped:
            current, escaped = current + character, False
        elif character == "\\":
            escaped = True
        elif character == separator:
            parts.append(current)
            current = ""
        else:
            current += character
    return [part for part in [*parts, current] if part]


def _token_asked(text: str) -> Alternative:
    system, bar, code = text.partition("|")
    if not bar:
        return Alternative(text)
    return Alternative(code, system)


def _target(text: str, modifier: str) -> str:
    parts = text.split("/_history/")[0].rsplit("/", 2)
    if modifier:
        if not modifier.isalpha():
            raise _RefusedError("a reference by Type/id, or parameter:Type with an id")
        return f"{modifier}/{parts[-1]}"
    return "/".join(parts[-2:])


def _date_asked(text: str, zone: str) -> Alternative:
    prefix = text[:2] if text[:2] in PREFIXES else "eq"
    rest = text.removeprefix(prefix)
    # A plus sign that was not escaped in the URL arrives as a blank.
    low, high = edges(from_iso(rest.replace(" ", "+")), zone)
    return Alternative("", None, prefix, low, high)
