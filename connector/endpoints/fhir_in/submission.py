"""One submission made ready to write: ids given, conditions and references resolved, documents set beside their resources (R4 §3.1.0.8, §3.1.0.11).

Everything is read from the store first and noted (`Put.seen`, `Put.unless`); the commit asks it again, so that no lock is held meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pybase64

from connector.endpoints.fhir_in.answers import RefusedError, pairs, refuse
from connector.endpoints.fhir_in.site import Site
from connector.fhir.codec import Resource, dump
from connector.fhir.indexing import index
from connector.fhir.requests import Request, version_of
from connector.fhir.search import PARAMETERS, Query, parse
from connector.fhir.transaction import renamed, searched, superseded
from connector.fhir.validate import references
from connector.issues import Issue, IssueCode, Severity
from connector.ports import Filing, Put

__all__ = ["EXCHANGES", "Action", "Submission", "matched"]

#: What says something to somebody: it goes through the intake and is delivered by its routes. Everything else is kept, no more.
EXCHANGES = frozenset({"Communication", "Composition", "DocumentReference", "ServiceRequest"})
#: What the verdict reads of the store beside what was posted: whom it is about, who says it, the bytes of its documents.
_AROUND = frozenset(
    {
        "AllergyIntolerance",
        "Binary",
        "CareTeam",
        "Condition",
        "Consent",
        "Device",
        "DiagnosticReport",
        "Encounter",
        "HealthcareService",
        "Immunization",
        "MedicationStatement",
        "Observation",
        "Organization",
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "Procedure",
        "RelatedPerson",
        "Specimen",
    }
)
_MOST_AROUND = 200


class Action:
    """What becomes of one request. `found`: it is there already and nothing is written (a condition found it, or it came
    before: `repeated`)."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.name = ""
        self.found: Mapping[str, Any] | None = None
        self.there: Mapping[str, Any] | None = None
        self.unless: Query | None = None
        self.resource: Resource = {}
        self.repeated = False

    @property
    def created(self) -> bool:
        """Whether the answer is 201: nothing was there, or the same request made it."""
        return (self.there is None and self.found is None) or (self.found is not None and self.repeated)


class Submission:
    """The writes of one request. `seed` gives the ids of what is created: with the same seed the same ones. `named`: what the Bundle of a
    FHIR document says of the document, its identifier."""

    def __init__(
        self, site: Site, base: str, seed: str, requests: Sequence[Request], named: Mapping[str, Any] | None = None
    ) -> None:
        self.site = site
        self.base = base
        self.seed = seed
        self.named = dict(named or {})
        self.actions = [Action(request) for request in requests]
        self.puts: list[Put] = []
        self.kind = requests[0].type if len(requests) == 1 else "Bundle"

    async def prepare(self) -> None:
        """Read what is there and make the puts. Raises RefusedError: 400, 412 or 422 with the entry's place."""
        for number, action in enumerate(self.actions):
            await self._named(number, action)
        _once(self.actions)
        urls = self._urls() | await self._conditional()
        for action in self.actions:
            if action.found is None:
                action.resource = self._resource(action, urls)
        await self._look()
        await self._write()

    @property
    def filing(self) -> Filing:
        """The puts, with what the verdict is about."""
        return Filing(puts=tuple(self.puts), tree=self.tree, type=self.kind)

    @property
    def is_exchange(self) -> bool:
        """Whether something new is said to somebody."""
        said = [put.resource for put in self.puts if put.resource.get("status") != "superseded"]
        return any(each["resourceType"] in EXCHANGES for each in said)

    # --- names

    async def _named(self, number: int, action: Action) -> None:
        request = action.request
        condition = request.unless if request.method == "POST" else (request.query or None)
        if condition is not None:
            action.unless = condition_of(self.site, request, condition)
            found = await _only(self.site, action.unless, request.place)
            if found is not None and request.method == "POST":
                action.found, action.name = found, _name(found)
                return
            if found is not None:
                given = (request.resource or {}).get("id", found["id"])
                if given != found["id"]:
                    raise refuse(
                        400,
                        IssueCode.FHIR_INVALID,
                        f"{request.place}.resource.id",
                        expected="the id of what the condition finds",
                    )
                action.name, action.unless = _name(found), None
                return
        own = request.id or ((request.resource or {}).get("id", "") if request.method == "PUT" else "")
        action.name = f"{request.type}/{own or self.site.made_id(self.seed, number)}"

    # --- references

    def _urls(self) -> dict[str, str]:
        return {action.request.url: action.name for action in self.actions if action.request.url}

    async def _conditional(self) -> dict[str, str]:
        """References with a query (`Patient?identifier=…`), each resolved to the one resource that it finds."""
        made: dict[str, str] = {}
        for action in self.actions:
            resource = action.request.resource if action.found is None else None
            for place, reference in references(resource, action.request.place or action.request.type):
                kind, mark, condition = reference.partition("?")
                if mark and kind in PARAMETERS and reference not in made:
                    request = action.request._replace(type=kind)
                    found = await _only(self.site, condition_of(self.site, request, condition), place)
                    if found is None:
                        raise refuse(412, IssueCode.FHIR_CONDITION, place, expected="one match")
                    made[reference] = _name(found)
        return made

    def _resource(self, action: Action, urls: Mapping[str, str]) -> Resource:
        given = action.request.resource or {}
        ours = {
            reference: reference.removeprefix(f"{self.base}/")
            for reference in _pointers(given)
            if reference.startswith(f"{self.base}/")
        }
        made: Resource = renamed(given, {**ours, **urls})
        return {
            "resourceType": made.pop("resourceType"),
            "id": action.name.partition("/")[2],
            **{k: v for k, v in made.items() if k != "id"},
        }

    async def _look(self) -> None:
        """What is there under the names; and that what is pointed at is there."""
        asked = {action.name: None for action in self.actions}
        places: dict[str, str] = {}
        for action in self.actions:
            for place, reference in references(action.resource, action.request.place or action.request.type):
                if _is_local(reference):
                    places.setdefault(reference.split("/_history/")[0], place)
        self.known = await self.site.documents.many([*asked, *[name for name in places if name not in asked]])
        missing = [place for name, place in places.items() if name not in self.known and name not in asked]
        if missing:
            raise RefusedError(422, *[Issue.of(Severity.ERROR, IssueCode.FHIR_REFERENCE, place) for place in missing])
        for action in self.actions:
            there = self.known.get(action.name)
            match = action.request.match
            if match is not None and (there is None or version_of(match) != int(there["meta"]["versionId"])):
                raise refuse(412, IssueCode.FHIR_CONDITION, action.request.place, expected="If-Match")
            if action.found is None and there is not None and action.request.method == "POST":
                action.found, action.repeated = there, True  # the same request came before: it is answered as it was
            elif action.found is None:
                action.there = there

    # --- what is written

    async def _write(self) -> None:
        self.puts = []
        self.tree: Resource = {"resourceType": "Bundle", "type": "transaction", **self.named, "entry": []}
        fresh = [action for action in self.actions if action.found is None]
        for action in fresh:
            self._enter(action.resource)
            kept, data = self._apart(action.resource)
            if not await self._is_there(kept, data, action.there):
                self._put(kept, data, action.there, action.unless)
        await self._supersede([action.resource for action in fresh])
        if self.is_exchange:
            await self._around()

    def _enter(self, resource: Mapping[str, Any]) -> None:
        self.tree["entry"].append({"fullUrl": _name(resource), "resource": resource})

    def _put(
        self, resource: Resource, data: bytes | None, there: Mapping[str, Any] | None, unless: Query | None = None
    ) -> None:
        seen = int(there["meta"]["versionId"]) if there is not None else 0
        rows = index(resource, self.site.settings.zone)
        self.puts.append(Put(resource=resource, rows=rows, data=data, seen=seen, unless=unless))

    def _apart(self, resource: Resource) -> tuple[Resource, bytes | None]:
        """The resource as it is kept: a Binary without its data; the documents inside a DocumentReference as Binaries that it points at."""
        if resource["resourceType"] == "Binary":
            data = resource.get("data", "")
            raw: bytes = data if isinstance(data, bytes) else pybase64.b64decode(data)
            return {name: value for name, value in resource.items() if name != "data"}, raw
        if resource["resourceType"] != "DocumentReference":
            return resource, None
        contents = []
        for number, content in enumerate(resource.get("content", ())):
            attachment = content.get("attachment", {})
            if "data" in attachment:
                content = {**content, "attachment": self._binary(resource["id"], number, attachment)}
            contents.append(content)
        return {**resource, "content": contents} if contents else resource, None

    def _binary(self, identity: str, number: int, attachment: Mapping[str, Any]) -> Resource:
        content = pybase64.b64decode(attachment["data"])
        sha1 = hashlib.sha1(content, usedforsecurity=False).digest()
        binary = {
            "resourceType": "Binary",
            "id": self.site.made_id(identity, number, hashlib.sha256(content).hexdigest()),
            "contentType": attachment.get("contentType", "application/octet-stream"),
        }
        self.puts.append(Put(resource=binary, data=content))
        kept = {name: value for name, value in attachment.items() if name != "data"}
        return {**kept, "url": _name(binary), "size": len(content), "hash": pybase64.b64encode(sha1).decode("ascii")}

    async def _is_there(self, resource: Resource, data: bytes | None, there: Mapping[str, Any] | None) -> bool:
        """Whether nothing would change."""
        if there is None or dump(_bare(resource)) != dump(_bare(there)):
            return False
        return data is None or await self.site.documents.blob(resource["id"]) == (resource.get("contentType"), data)

    async def _supersede(self, resources: Sequence[Resource]) -> None:
        """A document that is replaced here is no longer the current one (MHD: the recipient sees to it)."""
        written = {_name(put.resource) for put in self.puts}
        relations = [
            relation
            for resource in resources
            if resource["resourceType"] == "DocumentReference"
            for relation in resource.get("relatesTo", ())
            if relation.get("code") == "replaces"
        ]
        for relation in relations:
            for old in await self._older(relation.get("target", {})):
                if _name(old) not in written and old.get("status") == "current":
                    written.add(_name(old))
                    self._put(superseded(old), None, old)

    async def _older(self, target: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        known = self.known.get(target.get("reference", ""))
        if known is not None:
            return [known]
        value = searched(target.get("identifier"))
        query = parse(
            "DocumentReference", [("identifier", value or ""), ("_count", "20")], self.site.settings.zone
        ).value
        return (await self.site.documents.search(query)).resources if value and query is not None else []

    async def _around(self) -> None:
        """What the store holds of what is pointed at, so that the verdict sees the whole exchange."""
        there = {entry["fullUrl"] for entry in self.tree["entry"]}
        level = [entry["resource"] for entry in self.tree["entry"]]
        while level and len(there) < _MOST_AROUND:
            names = [
                name
                for resource in level
                for name in dict.fromkeys(_pointers(resource))
                if name.partition("/")[0] in _AROUND and name not in there
            ]
            found = await self.site.documents.many(names[:_MOST_AROUND])
            level = [each for each in found.values() if each["resourceType"] != "Binary"]
            for name, each in found.items():
                there.add(name)
                if each["resourceType"] == "Binary":
                    blob = await self.site.documents.blob(each["id"])
                    each = {**each, "data": blob[1]} if blob is not None else each
                self._enter(each)


def condition_of(site: Site, request: Request, condition: str) -> Query:
    """A condition: criteria alone, at least one. Raises RefusedError 400."""
    parsed = parse(request.type, pairs(condition), site.settings.zone)
    if parsed.value is None:
        raise RefusedError(400, *parsed.issues)
    if not parsed.value.criteria:
        place = f"{request.place}.request.ifNoneExist" if request.place else "If-None-Exist"
        raise refuse(400, IssueCode.FHIR_SEARCH, place, expected="at least one criterion")
    return parsed.value._replace(limit=2, total=False, include=(), reverse=())


async def matched(site: Site, request: Request, condition: str) -> Mapping[str, Any] | None:
    """The one resource that a condition finds, or None. Raises RefusedError: 400, 412 for more than one."""
    return await _only(site, condition_of(site, request, condition), request.place)


async def _only(site: Site, query: Query, place: str) -> Mapping[str, Any] | None:
    found = (await site.documents.search(query)).resources
    if len(found) > 1:
        raise refuse(412, IssueCode.FHIR_CONDITION, place, expected="one match")
    return found[0] if found else None


def _once(actions: Iterable[Action]) -> None:
    seen: set[str] = set()
    for action in actions:
        if action.name in seen and action.found is None:
            raise refuse(400, IssueCode.FHIR_INVALID, action.request.place, expected="each resource once")
        seen.add(action.name)


def _name(resource: Mapping[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _is_local(reference: str) -> bool:
    """A reference to a resource of this server (`Type/id`), not to what is contained, elsewhere, or said by an identifier alone."""
    kind, slash, rest = reference.partition("/")
    return bool(slash) and bool(rest) and kind.isalpha() and kind[:1].isupper()


def _pointers(node: Any) -> Iterable[str]:
    """The references and addresses in a tree."""
    level = [node]
    while level:
        value = level.pop()
        if isinstance(value, list):
            level += value
        elif isinstance(value, dict):
            for key in ("reference", "url"):
                if isinstance(value.get(key), str):
                    yield value[key]
            level += [inner for inner in value.values() if isinstance(inner, dict | list)]


def _bare(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what the store says of the version."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    made = {name: value for name, value in resource.items() if name != "meta"}
    return dict(sorted({**made, **({"meta": meta} if meta else {})}.items()))
