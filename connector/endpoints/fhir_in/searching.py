"""Searches: a page of matches with what comes along, and the way to the next page (R4 §3.1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from connector.endpoints.fhir_in.answers import RefusedError, answer, language_of, pairs, preferences, refuse
from connector.endpoints.fhir_in.body import form_of
from connector.endpoints.fhir_in.site import Site
from connector.fhir.codec import Resource
from connector.fhir.indexing import local_name, values_at
from connector.fhir.outcome import to_outcome
from connector.fhir.search import PARAMETERS, Alternative, Criterion, Include, Query, parse
from connector.issues import Issue, IssueCode, Severity

__all__ = ["post_search", "search", "searched"]

#: What comes along with a page, at most.
_MOST_INCLUDED = 500


async def search(site: Site, request: Request) -> Response:
    """A search by GET."""
    return answer(request, await searched(site, request, site.type_of(request), pairs(request.url.query)))


async def post_search(site: Site, request: Request) -> Response:
    """A search by POST: the parameters stay out of addresses and logs."""
    kind = site.type_of(request)
    form = await form_of(request, site.settings.body_timeout)
    return answer(request, await searched(site, request, kind, [*pairs(request.url.query), *form]))


async def searched(site: Site, request: Request, kind: str, parameters: Sequence[tuple[str, str]]) -> Resource:
    """The searchset. Raises RefusedError 400 for a parameter that is not answered."""
    if not PARAMETERS[kind]:
        raise refuse(400, IssueCode.FHIR_SEARCH, kind, expected=f"{kind}/id")
    lenient = preferences(request).get("handling") == "lenient"
    parsed = parse(kind, parameters, site.settings.zone, lenient=lenient)
    if parsed.value is None:
        raise RefusedError(400, *parsed.issues)
    query = parsed.value
    page = await site.documents.search(query)
    along, cut = await _included(site, query, page.resources)
    base = site.base_of(request)
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset"}
    if page.total is not None:
        bundle["total"] = page.total
    bundle["link"] = _links(f"{base}/{kind}", parameters, page.next)
    entries = [_entry(base, each, "match") for each in page.resources] + [
        _entry(base, each, "include") for each in along
    ]
    told = [*parsed.issues]
    if cut:
        told.append(Issue.of(Severity.WARNING, IssueCode.TOO_MANY, "_include", limit=_MOST_INCLUDED, what="include"))
    if told:
        entries.append({"resource": to_outcome(told, language_of(request)), "search": {"mode": "outcome"}})
    if entries:
        bundle["entry"] = entries
    return bundle


def _entry(base: str, resource: Mapping[str, Any], mode: str) -> Resource:
    url = f"{base}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": url, "resource": resource, "search": {"mode": mode}}


def _links(address: str, parameters: Sequence[tuple[str, str]], following: str | None) -> list[Resource]:
    """self and next, with what was asked."""
    links = [("self", f"{address}?{urlencode(parameters)}" if parameters else address)]
    if following is not None:
        asked = [(name, value) for name, value in parameters if name != "_cursor"]
        links.append(("next", f"{address}?{urlencode([*asked, ('_cursor', following)])}"))
    return [{"relation": name, "url": url} for name, url in links]


# --- what comes along


async def _included(
    site: Site, query: Query, matches: Sequence[Mapping[str, Any]]
) -> tuple[list[Mapping[str, Any]], bool]:
    """What the matches point at and what points at them, each once and no match again; whether there was more."""
    there = {f"{each['resourceType']}/{each['id']}" for each in matches}
    wanted = dict.fromkeys(name for include in query.include for name in _targets(matches, include))
    names = [name for name in wanted if name not in there]
    found = dict(await site.documents.many(names[:_MOST_INCLUDED]))
    cut = len(names) > _MOST_INCLUDED
    for include in query.reverse:
        pointing, more = await _pointing(site, there, include, _MOST_INCLUDED - len(found))
        found |= {name: each for name, each in pointing.items() if name not in there}
        cut = cut or more
    return list(found.values()), cut


def _targets(matches: Iterable[Mapping[str, Any]], include: Include) -> Iterable[str]:
    parameter = PARAMETERS[include.source][include.parameter]
    for resource in matches:
        for path in parameter.paths:
            for value in values_at(resource, path):
                name = local_name(value["reference"]) if isinstance(value, dict) and "reference" in value else ""
                kind = name.partition("/")[0]
                if kind in PARAMETERS and (include.target or kind) == kind and kind in (parameter.targets or (kind,)):
                    yield name


async def _pointing(
    site: Site, names: Iterable[str], include: Include, most: int
) -> tuple[dict[str, Mapping[str, Any]], bool]:
    alternatives = tuple(Alternative(name) for name in sorted(names))
    if not alternatives or most <= 0:
        return {}, bool(alternatives)
    criterion = Criterion(include.parameter, "reference", alternatives)
    page = await site.documents.search(Query(include.source, (criterion,), limit=most, total=False))
    return {f"{each['resourceType']}/{each['id']}": each for each in page.resources}, page.next is not None
