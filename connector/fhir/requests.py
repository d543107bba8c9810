"""The requests of a transaction or batch Bundle (R4 §3.1.0.11): what each entry asks, free of any store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from connector.fhir.codec import Resource
from connector.fhir.search import PARAMETERS
from connector.fhir.submission import condition
from connector.fhir.transaction import renamed
from connector.issues import Issue, IssueCode, Outcome, Severity

__all__ = ["Request", "as_transaction", "is_identified", "requests", "version_of"]

_METHODS = ("POST", "PUT", "GET", "HEAD", "PATCH")
#: What names a resource in its sender's own words: the same bytes with it are the same thing sent again.
_IDENTIFIERS = ("identifier", "masterIdentifier")


class Request(NamedTuple):
    """One thing asked: `Type`, `Type/id` or `Type?query`, with the resource and the conditions. `place` is its entry's, for issues."""

    method: str
    type: str
    id: str = ""
    query: str = ""
    resource: Resource | None = None
    url: str = ""  # fullUrl, by which other entries point at it
    unless: str | None = None  # If-None-Exist
    match: str | None = None  # If-Match
    place: str = ""


def as_transaction(document: Mapping[str, Any]) -> Resource:
    """A FHIR document as the transaction that files it (R4 §3.3): each resource is new under an id of ours, a Patient who is known is himself."""
    entries = [each for each in document.get("entry", ()) if isinstance(each.get("resource"), dict)]
    urls = {
        "/".join(str(each["fullUrl"]).rsplit("/", 2)[-2:]): each["fullUrl"] for each in entries if "fullUrl" in each
    }
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {**each, "resource": renamed(each["resource"], urls), "request": _filed(each["resource"])}
            for each in entries
        ],
    }


def _filed(resource: Resource) -> Resource:
    made = {"method": "POST", "url": resource["resourceType"]}
    known = condition(resource) if made["url"] == "Patient" else None
    return {**made, "ifNoneExist": known} if known is not None else made


def requests(bundle: Mapping[str, Any], base: str) -> Outcome[list[Request]]:
    """Every entry's request in order. FHIR_INVALID for one that asks nothing that is answered here, FHIR_METHOD for a method that is not."""
    found: list[Request] = []
    issues: list[Issue] = []
    for number, entry in enumerate(bundle.get("entry", ()), 1):
        place = f"Bundle.entry[{number}]"
        asked = entry.get("request")
        resource = entry.get("resource")
        if asked is None:
            issues.append(_invalid(f"{place}.request", "a request in each entry"))
            continue
        request = _request(asked, resource, entry.get("fullUrl", ""), place, base)
        wrong = _wrong(request)
        if wrong is not None:
            issues.append(wrong)
        found.append(request)
    return Outcome(None if issues else found, tuple(issues))


def _request(asked: Mapping[str, Any], resource: Resource | None, url: str, place: str, base: str) -> Request:
    path, _, query = str(asked.get("url", "")).removeprefix(f"{base}/").partition("?")
    kind, _, identity = path.partition("/")
    return Request(
        method=str(asked.get("method", "")),
        type=kind,
        id=identity,
        query=query,
        resource=resource,
        url=url,
        unless=asked.get("ifNoneExist"),
        match=asked.get("ifMatch"),
        place=place,
    )


def _wrong(request: Request) -> Issue | None:
    place = f"{request.place}.request"
    if request.method not in _METHODS:
        return Issue.of(Severity.ERROR, IssueCode.FHIR_METHOD, f"{place}.method", expected=", ".join(_METHODS))
    if request.type not in PARAMETERS and request.method not in ("GET", "HEAD"):
        return _invalid(f"{place}.url", "a resource type that is kept here")
    if request.method in ("GET", "HEAD", "PATCH"):
        return None
    kind = request.resource.get("resourceType") if request.resource is not None else None
    if kind != request.type:
        return _invalid(f"{request.place}.resource", "a resource of the type of the request")
    if request.method == "POST" and (request.id or request.query):
        return _invalid(f"{place}.url", "a type alone for POST")
    if (request.method == "PUT" and not request.query and "/" in request.id) or (
        request.method == "PUT" and not (request.id or request.query)
    ):
        return _invalid(f"{place}.url", "Type/id or Type?query for PUT")
    if request.id and request.resource is not None and request.resource.get("id", request.id) != request.id:
        return _invalid(f"{request.place}.resource.id", "the id of the request")
    return None


def _invalid(place: str, expected: str) -> Issue:
    return Issue.of(Severity.ERROR, IssueCode.FHIR_INVALID, place, expected=expected)


def is_identified(resources: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of them bears an identifier of its sender."""
    return any(each.get(name) for each in resources for name in _IDENTIFIERS)


def version_of(etag: str) -> int | None:
    """The version that an ETag names (`W/"3"`), or None."""
    text = etag.strip().removeprefix("W/").strip('"')
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
