"""FHIR search: what a query asks of the indexed rows (`connector.fhir.indexing`), free of SQL (R4 §3.1.1).

`parse(type, parameters)` gives a `Query` whose criteria are conditions on those rows, all of them to hold, each by one of its
alternatives on one row:

    token      value = code ("" any), and system = system when it is not None ("" asks for a code without system)
    string     begins: value begins with; contains: value holds; exact: system (the text as it was) equals
    reference  value = Type/id
    uri        value equals
    date       by the prefix, on low and high (seconds since 1970): see `Alternative.prefix`
    id         the resource's own id; updated: when the store wrote it (low and high, as date)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from connector.exchange.moments import edges, from_iso
from connector.fhir.indexing import IndexRow, bounded, folded, index
from connector.fhir.parameters import ALIASES, PARAMETERS, Parameter
from connector.issues import Issue, IssueCode, Outcome, Severity
from connector.mapping.paths import closest

__all__ = [
    "MOST_COUNT",
    "MOST_TOTAL",
    "PARAMETERS",
    "PREFIXES",
    "Alternative",
    "Criterion",
    "Include",
    "IndexRow",
    "Page",
    "Query",
    "folded",
    "index",
    "parse",
]

DEFAULT_COUNT = 20
MOST_COUNT = 200
#: Matches are counted up to here; above it a searchset has no total (R4 §3.1.1.4.1 allows it).
MOST_TOTAL = 10_000
_MOST_VALUES = 100
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")


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
    """One parameter with its alternatives; `kind`: token, string, reference, uri, date, id, updated.

    `targets`: asked of what the reference points at (`author.family`), resources of these types; the resource's own row of that name
    holds too (contained target, logical identifier). `negated`: none of the alternatives holds. `missing`: whether no row may be there.
    """

    parameter: str
    kind: str
    alternatives: tuple[Alternative, ...] = ()
    targets: tuple[str, ...] = ()
    negated: bool = False
    missing: bool | None = None


class Include(NamedTuple):
    """`_include` (what the matches' references point at) or `_revinclude` (what points at the matches): source type, parameter, target type or ""."""

    source: str
    parameter: str
    target: str = ""


class Query(NamedTuple):
    """What is asked: one type, every criterion, one page.

    `sort`: "" newest first by creation, a date parameter or `_lastUpdated`; `descending` says which end first. `after`: sort key and
    number of the last resource of the page before.
    """

    type: str
    criteria: tuple[Criterion, ...] = ()
    limit: int = DEFAULT_COUNT
    sort: str = ""
    descending: bool = True
    after: tuple[float, int] | None = None
    total: bool = True
    include: tuple[Include, ...] = ()
    reverse: tuple[Include, ...] = ()


class Page(NamedTuple):
    """One page of matches. `total` None: more than MOST_TOTAL, or not asked. `next` is the `_cursor` of the page after it, if any."""

    total: int | None
    resources: Sequence[Mapping[str, Any]]
    next: str | None = None


class _RefusedError(ValueError):
    """Why a parameter is refused."""


class _UnknownError(_RefusedError):
    """A parameter that is not known: left out, and told, for who asks for leniency."""


_COMMON = {"_id": "id", "_lastUpdated": "updated"}
#: Accepted and without effect on what is found: the form of the answer.
_FORM = ("_format", "_pretty", "_elements", "_totalMethod")
_RESULT = ("_count", "_cursor", "_sort", "_total", "_summary", "_include", "_revinclude")


def parse(
    resource_type: str, parameters: Sequence[tuple[str, str]], zone: str = "Europe/Paris", *, lenient: bool = False
) -> Outcome[Query]:
    """A query of `name=value` pairs. FHIR_SEARCH for each parameter that is not answered: answering more than was asked would show other
    patients. `lenient` (Prefer: handling=lenient): an unknown one is left out with a WARNING."""
    reading = _Reading(resource_type, zone)
    issues: list[Issue] = []
    for name, value in parameters:
        if name in _FORM:
            continue
        try:
            reading.take(name, value)
        except ValueError as error:
            known = not (lenient and isinstance(error, _UnknownError))
            expected = str(error) if isinstance(error, _RefusedError) else f"{name}: a valid value"
            severity = Severity.ERROR if known else Severity.WARNING
            issues.append(Issue.of(severity, IssueCode.FHIR_SEARCH, name[:64], expected=expected))
    if any(issue.severity is Severity.ERROR for issue in issues):
        return Outcome(None, tuple(issues))
    return Outcome(reading.query(), tuple(issues))


class _Reading:
    """The parameters of one search, taken one by one."""

    def __init__(self, resource_type: str, zone: str) -> None:
        self.type = resource_type
        self.zone = zone
        self.known = PARAMETERS[resource_type]
        self.criteria: list[Criterion] = []
        self.given: dict[str, Any] = {}

    def query(self) -> Query:
        """What was taken."""
        return Query(self.type, tuple(self.criteria), **self.given)

    def take(self, name: str, value: str) -> None:
        """One parameter. ValueError says what is expected."""
        if name in _RESULT:
            _RESULTS[name](self, value)
        elif name.partition(":")[0] in ("_include", "_revinclude"):
            raise _RefusedError(f"{name.partition(':')[0]} without a modifier")
        elif value:
            self.criteria.append(self._criterion(name, value))

    # --- what shapes the answer

    def count(self, value: str) -> None:
        """`_count`; 0 asks for the total alone."""
        if not (value.isascii() and value.isdigit()) or len(value) > 9:
            raise _RefusedError("a whole number")
        self.given["limit"] = min(int(value), MOST_COUNT)

    def cursor(self, value: str) -> None:
        """`_cursor`, as a next link gives it."""
        key, _, number = value.rpartition("_")
        if not re.fullmatch(r"[0-9]{1,18}", number):
            raise _RefusedError("a cursor as a next link gives it")
        self.given["after"] = (float.fromhex(key) if key else 0.0, int(number))

    def sort(self, value: str) -> None:
        """`_sort`: one date parameter or `_lastUpdated`."""
        bare = value.removeprefix("-")
        dates = [each for each, found in self.known.items() if found.kind == "date"]
        if bare not in (*dates, "_lastUpdated"):
            raise _RefusedError(f"_sort by one of {', '.join(['_lastUpdated', *dates])}{closest(bare, dates)}")
        self.given |= {"sort": bare, "descending": value != bare}

    def totals(self, value: str) -> None:
        """`_total`."""
        if value not in ("none", "estimate", "accurate"):
            raise _RefusedError("none, estimate or accurate")
        self.given["total"] = value != "none"

    def summary(self, value: str) -> None:
        """`_summary`: the count, or no summary."""
        if value not in ("count", "false"):
            raise _RefusedError("_summary=count or _summary=false")
        if value == "count":
            self.given["limit"] = 0

    def include(self, value: str) -> None:
        """`_include=Type:parameter[:Target]` of the type that is searched."""
        self.given["include"] = (*self.given.get("include", ()), _include(value, self.type))

    def reverse(self, value: str) -> None:
        """`_revinclude=Type:parameter` of another type that points here."""
        self.given["reverse"] = (*self.given.get("reverse", ()), _include(value, ""))

    # --- what is asked

    def _criterion(self, name: str, value: str) -> Criterion:
        bare, _, modifier = name.partition(":")
        reference, _, chained = bare.partition(".")
        if ":" in name and "." in modifier:  # author:Practitioner.family
            modifier, _, chained = modifier.partition(".")
            reference = bare
        elif chained and modifier:  # author.family:exact
            chained, modifier = f"{chained}:{modifier}", ""
        reference = ALIASES.get(reference, reference)
        parameter = self.known.get(reference)
        if modifier == "identifier" and parameter is not None and parameter.kind == "reference":
            chained, modifier = "identifier", ""
        if chained and parameter is not None and parameter.kind == "reference":
            return self._chain(reference, parameter, modifier, chained, value)
        kind = _COMMON.get(name) or (parameter.kind if parameter is not None and not chained else "")
        if not kind:
            options = [*self.known, *_COMMON, *_RESULT]
            raise _UnknownError(f"a search parameter of {self.type}{closest(name, options)}")
        if modifier == "missing":
            if value not in ("true", "false"):
                raise _RefusedError(f"{reference}:missing=true or false")
            return Criterion(reference, kind, missing=value == "true")
        negated = modifier == "not" and kind in ("token", "uri")
        targets = parameter.targets if parameter is not None else ()
        found = _alternatives(reference, kind, "" if negated else modifier, value, targets, self.zone)
        return Criterion(reference, kind, found, negated=negated)

    def _chain(self, reference: str, parameter: Parameter, modifier: str, chained: str, value: str) -> Criterion:
        targets = parameter.targets or tuple(PARAMETERS)
        if modifier:
            targets = tuple(each for each in targets if each == modifier)
        bare, _, inner_modifier = chained.partition(":")
        people = ("Practitioner",) if "PractitionerRole" in targets else ()  # a role is asked for its person
        asked = [PARAMETERS[each][bare].kind for each in (*targets, *people) if bare in PARAMETERS[each]]
        if not asked or asked[0] == "reference":
            known = sorted({name for each in targets for name in PARAMETERS[each]})
            raise _UnknownError(f"{reference} of a known type, with one of its parameters{closest(bare, known)}")
        found = _alternatives(bare, asked[0], inner_modifier, value, (), self.zone)
        return Criterion(f"{reference}.{bare}", asked[0], found, targets)


_RESULTS = {
    "_count": _Reading.count,
    "_cursor": _Reading.cursor,
    "_sort": _Reading.sort,
    "_total": _Reading.totals,
    "_summary": _Reading.summary,
    "_include": _Reading.include,
    "_revinclude": _Reading.reverse,
}


def _include(value: str, source: str) -> Include:
    kind, _, rest = value.partition(":")
    parameter, _, target = rest.partition(":")
    parameter = ALIASES.get(parameter, parameter)
    found = PARAMETERS.get(kind, {}).get(parameter)
    if (
        found is None
        or found.kind != "reference"
        or (source and kind != source)
        or (target and target not in PARAMETERS)
    ):
        raise _RefusedError(f"{source or 'Type'}:parameter, a reference by its name; `*` is not answered")
    return Include(kind, parameter, target)


def _alternatives(
    name: str, kind: str, modifier: str, value: str, targets: tuple[str, ...], zone: str
) -> tuple[Alternative, ...]:
    texts = _split(value)
    if len(texts) > _MOST_VALUES:
        raise _RefusedError(f"at most {_MOST_VALUES} values")
    if kind == "string":
        if modifier not in ("", "exact", "contains"):
            raise _RefusedError(f"{name}, {name}:exact or {name}:contains")
        return tuple(_text_asked(text, modifier) for text in texts)
    if kind == "reference":
        return tuple(each for text in texts for each in _targets_asked(text, modifier, targets))
    if modifier:
        raise _RefusedError(f"{name} without a modifier")
    if kind == "token":
        return tuple(_token_asked(text) for text in texts)
    if kind in ("id", "uri"):
        return tuple(Alternative(bounded(text)) for text in texts)
    return tuple(_date_asked(text, zone) for text in texts)


def _split(text: str) -> list[str]:
    """At commas that are not escaped by a backslash (R4 §3.1.1.4.7)."""
    if "\\" not in text:
        return [part for part in text.split(",") if part]
    parts = re.findall(r"(?:\\.|[^\\,])+", text)
    return [re.sub(r"\\(.)", r"\1", part) for part in parts]


def _text_asked(text: str, modifier: str) -> Alternative:
    if modifier == "exact":
        return Alternative(folded(text)[:240], bounded(text), modifier)
    return Alternative(folded(text)[:240].replace("\x00", ""), None, modifier or "begins")


def _token_asked(text: str) -> Alternative:
    system, bar, code = text.partition("|")
    if not bar:
        return Alternative(bounded(text))
    return Alternative(bounded(code), bounded(system))


def _targets_asked(text: str, modifier: str, targets: tuple[str, ...]) -> list[Alternative]:
    """`Type/id`, an address that ends so, `id` (of each type that the reference may have), or anything else as it is."""
    parts = text.split("/_history/")[0].rsplit("/", 2)
    if modifier:
        if not modifier.isalpha():
            raise _RefusedError("a reference by Type/id, or parameter:Type with an id")
        return [Alternative(bounded(f"{modifier}/{parts[-1]}"))]
    if len(parts) == 1:
        names = [f"{kind}/{text}" for kind in (targets or PARAMETERS)] if ":" not in text else [text]
        return [Alternative(bounded(name)) for name in names]
    return [Alternative(bounded("/".join(parts[-2:])))]


def _date_asked(text: str, zone: str) -> Alternative:
    prefix = text[:2] if text[:2] in PREFIXES else "eq"
    rest = text.removeprefix(prefix)
    # A plus sign that was not escaped in the URL arrives as a blank.
    low, high = edges(from_iso(rest.replace(" ", "+")), zone)
    return Alternative("", None, prefix, low, high)
