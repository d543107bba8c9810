"""Is it FHIR? Our compiled checks on what goes out, in microseconds; the full models on what comes in.

`check` looks at names, arrays, types, required elements and required codes from the standard's tables, `check_bundle` also at
references. `validate` adds fhir.resources (R4B module), imported when first asked for: its import costs a fifth of a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from typing import Any

from connector.fhir.codec import Resource, dump
from connector.fhir.elements import Element, elements, is_resource, required_of, types
from connector.fhir.xhtml import is_safe
from connector.issues import Issue, IssueCode, Severity
from connector.mapping.paths import closest

__all__ = ["check", "check_bundle", "references", "validate"]

_TEXT = frozenset({"string", "markdown", "code", "id", "uri", "url", "canonical", "oid", "uuid", "xhtml"})
_PATTERNS = {
    "code": re.compile(r"[^\s]+( [^\s]+)*"),
    "id": re.compile(r"[A-Za-z0-9\-.]{1,64}"),
    "date": re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?"),
    "dateTime": re.compile(
        r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d))?)?)?"
    ),
    "instant": re.compile(
        r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d)"
    ),
    "time": re.compile(r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"),
    "oid": re.compile(r"urn:oid:[0-2](\.(0|[1-9]\d*))+"),
    "uri": re.compile(r"[^\s\x00-\x1f\x7f]*"),
    "url": re.compile(r"[^\s\x00-\x1f\x7f]*"),
    "canonical": re.compile(r"[^\s\x00-\x1f\x7f]*"),
}
_LOWEST = {"unsignedInt": 0, "positiveInt": 1, "integer": -(2**31)}


def check(resource: Mapping[str, Any], place: str = "") -> list[Issue]:
    """What breaks the standard's tables, as FHIR_INVALID errors with their place. Bytes pass as base64Binary (they are not encoded yet)."""
    kind = resource.get("resourceType", "")
    kind = kind if isinstance(kind, str) else ""
    if not is_resource(kind):
        return [_issue("resourceType", f"one of {len(types())} known types{closest(kind, types())}")]
    issues: list[Issue] = []
    if not _passes(kind)(resource):
        _node(resource, kind, place or kind, issues)
    return issues


# --- the fast way: does it pass? -------------------------------------------------------------------------------------

Test = Callable[[Any], bool]


@lru_cache(maxsize=512)
def _passes(kind: str) -> Test:
    """A type's elements as closures: the answer is yes or no, `_node` says where and why."""
    tests: dict[str, Test] = {}
    get = tests.get
    required = [(forms, len(forms) == 1) for _, forms in required_of(kind)]

    def passes(node: Any) -> bool:
        if type(node) is not dict or not node:
            return False
        for name, value in node.items():
            test = get(name)
            if test is None or not test(value):
                return False
        for forms, single in required:
            if (forms[0] not in node) if single else not any(form in node for form in forms):
                return False
        return len(node) > 1 or "resourceType" not in node

    # Types hold themselves (Extension.extension): the closure exists before its table is filled.
    _FILLING[kind] = passes
    for name, found in elements(kind).items():
        tests[name] = _test(found)
    if is_resource(kind):
        tests["resourceType"] = lambda value: bool(value == kind)
    return passes


_FILLING: dict[str, Test] = {}


def _test(found: Element) -> Test:
    one = _primitive(found) if found.primitive else _complex(found.type)
    if not found.many:
        return one

    def each(values: Any) -> bool:
        if type(values) is not list or not values:
            return False
        return all(map(one, values))

    return each


def _complex(kind: str) -> Test:
    if kind == "Resource":
        return lambda value: (
            type(value) is dict
            and isinstance(name := value.get("resourceType"), str)
            and is_resource(name)
            and _passes(name)(value)
        )
    known = _FILLING.get(kind)
    if known is not None:
        return known
    made: list[Test] = []

    def later(value: Any) -> bool:
        if not made:
            made.append(_passes(kind))
        return made[0](value)

    return later


def _primitive(found: Element) -> Test:
    kind, codes = found.type, found.codes
    if codes is not None:
        return lambda value: isinstance(value, str) and value in codes
    pattern = _PATTERNS.get(kind)
    if kind in ("uri", "url", "canonical"):
        return lambda value: isinstance(value, str) and value != "" and " " not in value and value.isprintable()
    if pattern is not None:
        match = pattern.fullmatch
        return lambda value: isinstance(value, str) and match(value) is not None
    if kind == "xhtml":
        return lambda value: isinstance(value, str) and is_safe(value)
    if kind in _TEXT:
        return lambda value: isinstance(value, str) and value != ""
    if kind == "base64Binary":
        return lambda value: isinstance(value, str | bytes | memoryview) and len(value) > 0
    return lambda value: not isinstance(value, str) and _fits(value, kind)


# --- the slow way: where and why -------------------------------------------------------------------------------------


def _issue(place: str, expected: str) -> Issue:
    return Issue.of(Severity.ERROR, IssueCode.FHIR_INVALID, place, expected=expected)


def _node(node: Mapping[str, Any], kind: str, place: str, issues: list[Issue]) -> None:
    known = elements(kind)
    for name, value in node.items():
        found = known.get(name)
        if found is None:
            if name != "resourceType":
                _unknown(name, value, known, place, issues)
            continue
        if found.many:
            if type(value) is not list or not value:
                issues.append(_issue(f"{place}.{name}", "a list that is not empty"))
                continue
            for number, item in enumerate(value, 1):
                _value(item, found, f"{place}.{name}[{number}]", issues)
        else:
            _value(value, found, f"{place}.{name}", issues)
    for name, forms in required_of(kind):
        if not any(form in node or f"_{form}" in node for form in forms):
            issues.append(_issue(f"{place}.{name}", f"{kind}.{name}, which is required"))
    if not node or (len(node) == 1 and "resourceType" in node and kind != "Binary"):
        issues.append(_issue(place, "an element that is not empty"))


def _unknown(name: str, value: Any, known: Mapping[str, Element], place: str, issues: list[Issue]) -> None:
    """`_birthDate` holds the id and extensions of a primitive; anything else is no element."""
    found = known.get(name[1:]) if name.startswith("_") else None
    if found is None or not found.primitive:
        issues.append(_issue(f"{place}.{name[:64]}", f"an element of FHIR R4{closest(name, known)}"))
        return
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            _node(item, "Element", f"{place}.{name}", issues)
        elif item is not None:
            issues.append(_issue(f"{place}.{name}", "id and extension of a primitive"))


def _value(value: Any, found: Element, place: str, issues: list[Issue]) -> None:
    kind = found.type
    if not found.primitive:
        if type(value) is not dict:
            issues.append(_issue(place, f"an object ({kind})"))
        elif kind == "Resource":
            issues += check(value, place)
        else:
            _node(value, kind, place, issues)
        return
    if isinstance(value, str):
        if found.codes is not None and value not in found.codes:
            issues.append(_issue(place, f"one of {'|'.join(sorted(found.codes))}"))
        elif kind in _TEXT or kind in _PATTERNS or kind == "base64Binary":
            pattern = _PATTERNS.get(kind)
            if not value or (pattern is not None and pattern.fullmatch(value) is None):
                issues.append(_issue(place, f"a {kind}"))
            elif kind == "xhtml" and not is_safe(value):
                issues.append(_issue(place, "XHTML without active content (R4 §2.4.0)"))
        else:
            issues.append(_issue(place, f"a {kind}"))
    elif not _fits(value, kind) or (kind == "base64Binary" and not value):
        issues.append(_issue(place, f"a {kind}"))


def _fits(value: Any, kind: str) -> bool:
    """Whether a value that is no text is of a primitive type."""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "decimal":
        return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if kind in _LOWEST:
        return isinstance(value, int) and not isinstance(value, bool) and _LOWEST[kind] <= value < 2**31
    return kind == "base64Binary" and isinstance(value, bytes | memoryview)


def check_bundle(bundle: Resource) -> list[Issue]:
    """Every resource of a Bundle, that each reference inside (`urn:…`) has its target, and that no two entries have one full URL."""
    return [*check(bundle, "Bundle"), *_links(bundle)]


def _links(bundle: Resource) -> list[Issue]:
    """Full URLs that differ, references inside that have a target."""
    issues: list[Issue] = []
    urls: set[str] = set()
    entries = bundle.get("entry")
    for number, entry in enumerate(entries if isinstance(entries, list) else (), 1):
        url = entry.get("fullUrl") if isinstance(entry, dict) else None
        if isinstance(url, str):
            if url in urls and bundle.get("type") != "history":  # R4 bdl-7
                issues.append(_issue(f"Bundle.entry[{number}].fullUrl", "full URLs that differ"))
            urls.add(url)
    if all(reference in urls for reference in _inside(bundle)):
        return issues
    for place, reference in references(bundle, "Bundle"):
        if reference.startswith("urn:") and reference not in urls:
            issues.append(Issue.of(Severity.ERROR, IssueCode.FHIR_REFERENCE, place))
    return issues


def _inside(node: Any) -> list[str]:
    """Every reference that must have its target in the Bundle."""
    found: list[str] = []
    level = [node]
    while level:
        value = level.pop()
        if type(value) is list:
            level += value
        elif type(value) is dict:
            for key, inner in value.items():
                if type(inner) is dict or type(inner) is list:
                    level.append(inner)
                elif key == "reference" and isinstance(inner, str) and inner.startswith("urn:"):
                    found.append(inner)
    return found


def references(node: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every reference with its place."""
    level: list[tuple[str, Any]] = [(place, node)]
    while level:
        where, value = level.pop()
        if isinstance(value, dict):
            reference = value.get("reference")
            if isinstance(reference, str):
                yield f"{where}.reference", reference
            level += [(f"{where}.{key}", inner) for key, inner in value.items() if isinstance(inner, dict | list)]
        elif isinstance(value, list):
            level += [(f"{where}[{number}]", inner) for number, inner in enumerate(value, 1)]


def validate(resource: Resource) -> list[Issue]:
    """Our checks, and the opinion of fhir.resources when ours find nothing. For what comes in, `$validate` and tests.

    Types that the tables do not hold (an Observation in a Bundle) are left to fhir.resources.
    """
    issues = _links(resource) if resource.get("resourceType") == "Bundle" else []
    if all(map(is_resource, _types(resource))):
        issues = [*check(resource), *issues]
    if issues:
        return issues
    kind = resource["resourceType"]
    try:
        model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
        model.model_validate_json(dump(resource))
    except ImportError:
        issues.append(_issue("resourceType", "a type of FHIR R4"))
    except ValueError as error:
        issues += _opinion(error, kind)
    except (KeyError, TypeError, AttributeError):  # how fhir.resources fails on a resource inside that says no type
        issues.append(_issue(kind, "what fhir.resources can read"))
    return issues


def _types(node: Any) -> Iterator[str]:
    """The type of a resource and of those inside it."""
    level = [node]
    while level:
        value = level.pop()
        if isinstance(value, dict):
            if isinstance(value.get("resourceType"), str):
                yield value["resourceType"]
            level += [inner for inner in value.values() if isinstance(inner, dict | list)]
        elif isinstance(value, list):
            level += value


def _opinion(error: ValueError, kind: str) -> list[Issue]:
    """pydantic's errors as issues: the place, never the value."""
    errors = getattr(error, "errors", None)
    if not callable(errors):
        return [_issue(kind, "what fhir.resources accepts")]
    found = errors(include_url=False, include_context=False, include_input=False)
    return [_issue(".".join([kind, *map(str, each["loc"])]), f"fhir.resources: {each['type']}") for each in found]
