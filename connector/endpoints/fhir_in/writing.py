"""Writes: create, update, transaction and batch (R4 §3.1.0.6 to §3.1.0.11; MHD ITI-65).

What is posted is checked, then kept. What says something to somebody is also an `Inbound` of the intake: journal, verdict, deliveries and
resources are one commit, and no 2xx leaves before it. The same bytes with an identifier of their sender are the same submission again.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from connector.endpoints.fhir_in.answers import (
    FORMATS,
    JSON,
    XML,
    RefusedError,
    answer,
    outcome,
    pairs,
    preferences,
    refuse,
    version_headers,
)
from connector.endpoints.fhir_in.body import checked, media_of, patch_of, resource_of, same_origin, whole
from connector.endpoints.fhir_in.reading import with_data
from connector.endpoints.fhir_in.searching import searched
from connector.endpoints.fhir_in.site import Site
from connector.endpoints.fhir_in.submission import Action, Submission, matched
from connector.fhir.capability import PATCHED
from connector.fhir.codec import Resource, dump
from connector.fhir.incoming import is_binary
from connector.fhir.outcome import to_outcome
from connector.fhir.patching import patched
from connector.fhir.requests import Request, as_transaction, is_identified, requests
from connector.fhir.search import PARAMETERS
from connector.issues import Issue, IssueCode, Severity
from connector.ports import FilingStale, Inbound, MessageState

__all__ = ["bundle", "create", "patch", "submitted", "update"]

#: How often what others changed meanwhile is looked at again.
_TRIES = 20
_FORM = ("_format", "_pretty", "_elements")
_TRANSACTIONS = ("transaction", "batch", "document")


async def create(site: Site, request: HttpRequest) -> Response:
    """POST Type."""
    kind = site.type_of(request)
    resource, raw = await _posted(site, request, kind)
    # Some clients put the condition in the address: it is honoured there too, never passed over.
    criteria = urlencode([(name, value) for name, value in pairs(request.url.query) if name not in _FORM])
    asked = Request("POST", kind, resource=resource, unless=request.headers.get("if-none-exist", criteria or None))
    return await _single(site, request, asked, raw)


async def update(site: Site, request: HttpRequest) -> Response:
    """PUT Type/id, or PUT Type?query."""
    kind, identity = site.type_of(request), request.path_params.get("id", "")
    resource, raw = await _posted(site, request, kind)
    if identity and resource.get("id", identity) != identity:
        raise refuse(400, IssueCode.FHIR_INVALID, f"{kind}.id", expected="the id of the address")
    if not identity and not request.url.query:
        raise refuse(400, IssueCode.FHIR_SEARCH, kind, expected="Type/id or Type?query")
    query = "" if identity else request.url.query
    asked = Request("PUT", kind, identity, query, resource, match=request.headers.get("if-match"))
    return await _single(site, request, asked, raw)


async def patch(site: Site, request: HttpRequest) -> Response:
    """PATCH Type/id or Type?query: what PDSm flux 03 changes of a document or submission. Nobody is told anew, but that it was entered in error."""
    kind, identity = site.type_of(request), request.path_params.get("id", "")
    if kind not in PATCHED:
        raise refuse(405, IssueCode.FHIR_METHOD, kind, expected=f"PATCH of {', '.join(PATCHED)}")
    same_origin(request)
    asked, raw = await patch_of(request, site.settings)
    there = await _patched(site, kind, identity, request.url.query)
    made = patched(there, asked)
    if made.value is None:
        status = 405 if made.issues[0].code == IssueCode.FHIR_METHOD.name else 422
        raise RefusedError(status, *made.issues)
    changed = {name: value for name, value in made.value.items() if name != "meta"}
    meta = {name: value for name, value in there["meta"].items() if name not in ("versionId", "lastUpdated")}
    changed |= {"meta": meta} if meta else {}
    await checked(changed, len(raw))
    match = request.headers.get("if-match") or f'W/"{there["meta"]["versionId"]}"'
    quiet = changed.get("status") != "entered-in-error"
    write = Request("PUT", kind, there["id"], resource=changed, match=match)
    return await _single(site, request, write, raw, quiet=quiet)


async def _patched(site: Site, kind: str, identity: str, query: str) -> Mapping[str, Any]:
    if identity:
        found = await site.documents.get(kind, identity)
    else:
        found = await matched(site, Request("PATCH", kind, query=query), query)
    if found is None:
        raise refuse(404, IssueCode.FHIR_NOT_FOUND, what=kind)
    return found


async def _posted(site: Site, request: HttpRequest, kind: str) -> tuple[Resource, bytes]:
    """The resource, checked; any content at all for a Binary (R4 §2.14.1): XML that is no FHIR Binary is a document."""
    same_origin(request)
    media = media_of(request)
    if kind == "Binary" and media and media not in (JSON, XML):
        raw = await whole(request, site.settings.body_limit, site.settings.body_timeout)
        if not (media in FORMATS and is_binary(raw)):
            return {"resourceType": "Binary", "contentType": media, "data": raw}, raw
    resource, raw = await resource_of(request, site.settings)
    if resource["resourceType"] != kind:
        raise refuse(422, IssueCode.FHIR_INVALID, "resourceType", expected=kind)
    identity = request.path_params.get("id")
    await checked({**resource, "id": identity} if identity is not None else resource, len(raw))
    return resource, raw


async def _single(site: Site, request: HttpRequest, asked: Request, raw: bytes, *, quiet: bool = False) -> Response:
    submission, message = await submitted(site, request, [asked], raw, quiet=quiet)
    (action,) = submission.actions
    wanted = preferences(request).get("return", "representation")
    found = await _now(site, action, whole=wanted == "representation")
    headers = {**version_headers(found), **_journal(message)}
    if asked.method == "POST" or action.created:
        headers["Location"] = f"{site.base_of(request)}/{action.name}/_history/{found['meta']['versionId']}"
    status = 201 if action.created else 200
    if wanted == "minimal":
        return Response(status_code=status, headers=headers)
    if wanted == "operationoutcome":
        return outcome(request, status, (), headers)
    return answer(request, found, status, headers)


def _journal(message: int | None) -> dict[str, str]:
    """Where `connector journal show` finds it."""
    return {"X-Connector-Message": str(message)} if message is not None else {}


async def _now(site: Site, action: Action, *, whole: bool) -> Mapping[str, Any]:
    """What is there now under the name (a Binary with its bytes if `whole`); as it was created, for a request that came before."""
    kind, _, identity = action.name.partition("/")
    if action.repeated:
        found = (await site.documents.versions(kind, identity))[-1]
    else:
        got = await site.documents.get(kind, identity)
        if got is None:
            raise LookupError(kind)
        found = got
    return await with_data(site.documents, found) if whole and kind == "Binary" else found


async def submitted(
    site: Site,
    request: HttpRequest,
    asked: Sequence[Request],
    raw: bytes,
    *,
    quiet: bool = False,
    named: Mapping[str, Any] | None = None,
) -> tuple[Submission, int | None]:
    """Everything written or nothing; with the number of the message in the journal (`quiet`: nobody is told; `named`: the identifier of a
    FHIR document). Raises RefusedError, JournalUnavailable."""
    resources = [each.resource for each in asked if each.resource is not None]
    again = bool(named) or is_identified(resources)
    # A body without an identifier of its sender is new each time: two equal words may be said one after the other.
    seed = hashlib.sha256(raw).hexdigest() if again else uuid.uuid4().hex  # noqa: TID251 - at the edge, and answered to the client
    submission = Submission(site, site.base_of(request), seed, asked, named)
    for _ in range(_TRIES):
        await submission.prepare()
        if not submission.puts:
            return submission, None
        try:
            if submission.is_exchange and not quiet:
                return submission, await _through_intake(site, request, submission, raw)
            await site.documents.write(submission.puts)
            return submission, None
        except FilingStale:
            submission = Submission(site, site.base_of(request), seed, asked, named)
    raise refuse(409, IssueCode.FHIR_CONDITION, expected="nobody else changing the same resource")


async def _through_intake(site: Site, request: HttpRequest, submission: Submission, raw: bytes) -> int:
    if site.intake is None:
        raise _unavailable()
    client = request.client
    inbound = Inbound(
        raw=raw,
        endpoint=site.name,
        remote=f"{client.host}:{client.port}" if client is not None else "",
        received_at=site.now(),
        format="fhir",
        filing=submission.filing,
    )
    told = await site.intake(inbound)
    if told.message_id is None:
        raise _unavailable()
    if told.state is not MessageState.TRANSLATED:
        status = 500 if any(issue.code == IssueCode.INTERNAL.name for issue in told.issues) else 422
        serious = [issue for issue in told.issues if issue.severity >= Severity.WARNING]
        raise RefusedError(status, *(serious or told.issues), headers=_journal(told.message_id))
    return told.message_id


def _unavailable() -> RefusedError:
    issue = Issue.of(Severity.ERROR, IssueCode.STORE_UNAVAILABLE)
    return RefusedError(503, issue, headers={"Retry-After": "5"})


# --- transaction and batch


async def bundle(site: Site, request: HttpRequest) -> Response:
    """POST to the base: a transaction (all or none), a batch (each for itself) or a FHIR document, which is filed as a transaction.

    Answers in the order of the entries."""
    same_origin(request)
    posted, raw = await resource_of(request, site.settings)
    if posted["resourceType"] != "Bundle" or posted.get("type") not in _TRANSACTIONS:
        raise refuse(422, IssueCode.FHIR_INVALID, "Bundle.type", expected="transaction, batch or document")
    await checked(posted, len(raw))
    named = {"identifier": posted["identifier"]} if posted["type"] == "document" and "identifier" in posted else None
    if posted["type"] == "document":
        posted = as_transaction(posted)
    read = requests(posted, site.base_of(request))
    if read.value is None:
        raise RefusedError(422, *read.issues)
    if posted["type"] == "batch":
        return await _batch(site, request, read.value)
    writes = [each for each in read.value if each.method in ("POST", "PUT")]
    done: dict[str, Resource] = {}
    message = None
    if writes:
        submission, message = await submitted(site, request, writes, raw, named=named)
        done = {action.request.place: await _done(site, request, action) for action in submission.actions}
    entries = [done[each.place] if each.place in done else await _looked_up(site, request, each) for each in read.value]
    made = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
    return answer(
        request, made if entries else {k: v for k, v in made.items() if k != "entry"}, headers=_journal(message)
    )


async def _batch(site: Site, request: HttpRequest, asked: Sequence[Request]) -> Response:
    entries = []
    for each in asked:
        try:
            if each.method in ("POST", "PUT"):
                submission, _ = await submitted(site, request, [each], dump(each.resource or {}))
                entries.append(await _done(site, request, submission.actions[0]))
            else:
                entries.append(await _looked_up(site, request, each))
        except RefusedError as error:
            entries.append({"response": {"status": str(error.status), "outcome": to_outcome(error.issues)}})
    made: Resource = {"resourceType": "Bundle", "type": "batch-response"}
    return answer(request, {**made, "entry": entries} if entries else made)


async def _done(site: Site, request: HttpRequest, action: Action) -> Resource:
    representation = preferences(request).get("return") == "representation"
    found = await _now(site, action, whole=representation)
    version = found["meta"]["versionId"]
    response = {
        "status": "201 Created" if action.created else "200 OK",
        "location": f"{site.base_of(request)}/{action.name}/_history/{version}",
        "etag": f'W/"{version}"',
        "lastModified": found["meta"]["lastUpdated"],
    }
    if representation:
        return {"resource": found, "response": response}
    return {"response": response}


async def _looked_up(site: Site, request: HttpRequest, asked: Request) -> Resource:
    """A GET of a transaction or batch, after its writes."""
    if asked.type not in PARAMETERS or "/" in asked.id:
        raise refuse(404, IssueCode.FHIR_NOT_FOUND, asked.place, what="address")
    if asked.method == "PATCH":
        raise refuse(405, IssueCode.FHIR_METHOD, asked.place, expected="POST, PUT, GET")
    if not asked.id:
        found: Mapping[str, Any] = await searched(site, request, asked.type, pairs(asked.query))
    else:
        got = await site.documents.get(asked.type, asked.id)
        if got is None:
            raise refuse(404, IssueCode.FHIR_NOT_FOUND, asked.place, what=asked.type)
        found = got
    return {"resource": found, "response": {"status": "200 OK"}}
