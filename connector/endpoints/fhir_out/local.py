"""Files documents in the connector's own store: each resource under its derived id, so that a second time changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.fhir.codec import Resource
from connector.fhir.search import IndexRow, index, parse
from connector.fhir.transaction import deleting, detached, identifiers, relative, replaced, superseded
from connector.issues import Issue, IssueCode, Severity
from connector.ports import DocumentStore

__all__ = ["LocalFiling"]

Indexed = tuple[Resource, list[IndexRow]]


class LocalFiling:
    """One transaction Bundle into the `DocumentStore`, all or none."""

    def __init__(self, documents: DocumentStore, zone: str = "Europe/Paris") -> None:
        self.documents = documents
        self.zone = zone

    async def prepare(self, bundle: Resource) -> tuple[list[Indexed], dict[str, bytes], list[Issue]]:
        """What to put, with what it changes in what is already there: older versions superseded, a deletion marked on the document."""
        bundle, blobs = detached(bundle, -1)
        resources = relative(bundle)
        binaries: list[Resource] = [
            {"resourceType": "Binary", "id": identity, "contentType": media} for identity, media, _ in blobs
        ]
        changed, issues = await self._changes(resources)
        there = {(each["resourceType"], each["id"]) for each in changed}
        fresh = [each for each in resources if (each["resourceType"], each["id"]) not in there]
        whole = [*binaries, *fresh, *changed]
        rows = [(each, index(each, self.zone)) for each in whole]
        return rows, {identity: data for identity, _, data in blobs}, issues

    async def put(self, indexed: list[Indexed], blobs: Mapping[str, bytes]) -> None:
        """Write it. Raises JournalUnavailable."""
        await self.documents.put_many(indexed, blobs)

    async def _changes(self, resources: list[Resource]) -> tuple[list[Resource], list[Issue]]:
        changed: dict[str, Resource] = {}
        issues: list[Issue] = []
        for document, relation, value in replaced(resources):
            found = await self._find("identifier", value)
            if not found:
                place = f"DocumentReference/{document['id']}.relatesTo"
                issues.append(Issue.of(Severity.INFORMATION, IssueCode.DOCUMENT_NOT_FOUND, place))
            for old in found:
                relation["target"]["reference"] = f"DocumentReference/{old['id']}"
                if old["id"] != document["id"] and old.get("status") == "current":
                    changed[old["id"]] = superseded(old)
        for document in deleting(resources):
            known = await self.documents.get("DocumentReference", document["id"])
            if known is None:
                issues.append(
                    Issue.of(Severity.WARNING, IssueCode.DOCUMENT_NOT_FOUND, f"DocumentReference/{document['id']}")
                )
            else:
                changed[document["id"]] = superseded(known, "entered-in-error")
        for document in resources:
            if document["resourceType"] == "DocumentReference" and document.get("status") == "current":
                await self._overtaken(document)
        return list(changed.values()), issues

    async def _overtaken(self, document: Resource) -> None:
        """A document that arrives after the one that replaces it, or after its own deletion, does not become current again."""
        value = identifiers(document)
        later = await self._find("relatesto:identifier", value) if value else []
        if any(each["id"] != document["id"] and each.get("status") != "entered-in-error" for each in later):
            document["status"] = "superseded"
        old = await self.documents.get("DocumentReference", document["id"])
        if old is not None and old.get("status") in ("superseded", "entered-in-error"):
            document["status"] = old["status"]

    async def _find(self, parameter: str, value: str) -> list[Mapping[str, Any]]:
        query = parse("DocumentReference", [(parameter, value), ("_count", "50")], self.zone).value
        if query is None:
            return []
        return list((await self.documents.search(query)).resources)
