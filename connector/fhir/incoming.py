"""FHIR that comes in: JSON or XML, then checked: our tables, fhir.resources (R4B), and documents against their announced size and hash."""

from __future__ import annotations

import hashlib
import re
from binascii import Error
from collections.abc import Iterator, Mapping
from typing import Any

import pybase64

from connector.fhir.codec import Limits, Resource, load
from connector.fhir.validate import references, validate
from connector.fhir.xml import load_xml
from connector.issues import Issue, IssueCode, Outcome, Severity

__all__ = ["attachments", "check_incoming", "is_binary", "is_xml", "parse", "read"]

#: A JSON string, closed or not: it always matches from its quote, so that a text is passed once.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[{\]}]")
_BOM = b"\xef\xbb\xbf"


def is_xml(raw: bytes | memoryview) -> bool:
    """Whether the first character opens an element."""
    return bytes(raw[:256]).lstrip(_BOM + b" \t\r\n").startswith(b"<")


def is_binary(raw: bytes) -> bool:
    """Whether bytes of an XML or JSON type are a Binary resource, not a document of that type."""
    return (b"http://hl7.org/fhir" in raw[:1000] and b"<Binary" in raw[:1000]) or b'"Binary"' in raw[:1000]


def read(raw: bytes | memoryview, limits: Limits | None = None) -> Outcome[Resource]:
    """One resource of either syntax, not yet checked. FHIR_SYNTAX: it cannot be read, or nests deeper than the limit (asked before parsing)."""
    limits = limits or Limits()
    if is_xml(raw):
        return load_xml(bytes(raw))
    if _deeper(bytes(raw), limits.depth):
        return Outcome(None, (_syntax(f"at most {limits.depth} levels"),))
    return load(raw, limits)


def parse(raw: bytes | memoryview) -> Outcome[Resource]:
    """`read` and `check_incoming`. FHIR_SYNTAX: it cannot be read (no value). FHIR_INVALID: it is read and is not FHIR R4."""
    found = read(raw)
    return found if found.value is None else Outcome(found.value, tuple(check_incoming(found.value)))


def check_incoming(resource: Resource) -> list[Issue]:
    """What is not FHIR R4, and documents that are not what is said of them. FHIR_INVALID with the place."""
    try:
        return validate(resource) or [*_documents(resource), *_inside(resource)]
    except RecursionError:
        return [_syntax("less depth")]


def _inside(resource: Resource) -> Iterator[Issue]:
    """Contained resources: what points at one has it, none holds others, none leads back to itself (R4 dom-2; hostile G10)."""
    for place, node in _objects(resource, str(resource.get("resourceType", ""))):
        if "resourceType" not in node or ".contained" in place:
            continue
        contained = [each for each in node.get("contained", ()) if isinstance(each, dict)]
        links = {f"#{each.get('id')}": {found for _, found in references(each, "")} for each in contained}
        if any("contained" in each for each in contained):
            yield _invalid(f"{place}.contained", "contained resources without others in them")
        inner = {name: value for name, value in node.items() if name not in ("contained", "entry", "parameter")}
        for where, reference in [*references(inner, place), *references({"contained": contained}, place)]:
            if reference.startswith("#") and reference != "#" and reference not in links:
                yield Issue.of(Severity.ERROR, IssueCode.FHIR_REFERENCE, where)
        if _circular(links):
            yield _invalid(f"{place}.contained", "references that do not lead back to where they began")


def _circular(links: Mapping[str, set[str]]) -> bool:
    """Whether something is left when what points at nothing is taken away, again and again."""
    left = {name: {each for each in found if each in links} for name, found in links.items()}
    while done := {name for name, found in left.items() if not found}:
        left = {name: found - done for name, found in left.items() if name not in done}
    return bool(left)


def _syntax(expected: str) -> Issue:
    return Issue.of(Severity.FATAL, IssueCode.FHIR_SYNTAX, expected=expected)


def _deeper(raw: bytes, limit: int) -> bool:
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", raw)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > limit:
            return True
    return False


# --- documents


def attachments(node: Any) -> int:
    """How many attachments and Binaries a tree holds."""
    return sum(1 for _, each in _objects(node, "") if "contentType" in each or "data" in each)


def _objects(node: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    level: list[tuple[str, Any]] = [(place, node)]
    while level:
        where, value = level.pop()
        if isinstance(value, list):
            level += [(f"{where}[{number}]", inner) for number, inner in enumerate(value, 1)]
        elif isinstance(value, dict):
            yield where, value
            level += [(f"{where}.{key}", inner) for key, inner in value.items() if isinstance(inner, dict | list)]


def _documents(resource: Resource) -> Iterator[Issue]:
    """Size, hash (SHA-1, R4 Attachment) and base64 of what stands in the resource or in a Binary of the same Bundle."""
    binaries = {
        str(entry.get("fullUrl")): inner
        for entry in resource.get("entry", ())
        if isinstance(entry, dict) and isinstance(inner := entry.get("resource"), dict)
        and inner.get("resourceType") == "Binary"
    }  # fmt: skip
    for place, node in _objects(resource, str(resource.get("resourceType", ""))):
        data, url = node.get("data"), node.get("url")
        described = "size" in node or "hash" in node
        if isinstance(data, str) and isinstance(url, str) and "system" not in node:
            yield _invalid(place, "data or url, not both")
        elif isinstance(data, str) and (described or "contentType" in node):
            yield from _as_said(place, node, data)
        elif described and url in binaries:
            yield from _as_said(place, node, binaries[url].get("data", ""))


def _as_said(place: str, node: Mapping[str, Any], data: str) -> Iterator[Issue]:
    try:
        content = pybase64.b64decode(data, validate=True)
    except (Error, ValueError):
        yield _invalid(f"{place}.data", "base64")
        return
    if "size" in node and node["size"] != len(content):
        yield _invalid(f"{place}.size", "the size of the data")
    if "hash" in node:
        sha1 = hashlib.sha1(content, usedforsecurity=False).digest()
        if node["hash"] != pybase64.b64encode(sha1).decode():
            yield _invalid(f"{place}.hash", "the SHA-1 of the data, in base64")


def _invalid(place: str, expected: str) -> Issue:
    return Issue.of(Severity.ERROR, IssueCode.FHIR_INVALID, place, expected=expected)
