"""A transaction Bundle made ready for where it goes: large Binaries apart, references relative, older versions superseded. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pybase64

from connector.fhir.codec import Resource

__all__ = [
    "Blob",
    "deleting",
    "detached",
    "identifiers",
    "pointers",
    "relative",
    "renamed",
    "replaced",
    "searched",
    "superseded",
    "with_entry",
]

#: id, media type, bytes of a Binary.
Blob = tuple[str, str, bytes]


def detached(bundle: Resource, limit: int) -> tuple[Resource, list[Blob]]:
    """The Bundle without Binaries larger than `limit` bytes, and those; what points at them says `Binary/<id>`. Nothing is copied."""
    blobs: list[Blob] = []
    kept: list[Resource] = []
    urls: dict[str, str] = {}
    for entry in bundle["entry"]:
        resource = entry["resource"]
        data = resource.get("data")
        if resource["resourceType"] == "Binary" and data is not None and len(data) > limit:
            raw = data if isinstance(data, bytes) else pybase64.b64decode(data)
            blobs.append((resource["id"], resource["contentType"], raw))
            urls[entry["fullUrl"]] = f"Binary/{resource['id']}"
        else:
            kept.append(entry)
    if not blobs:
        return bundle, []
    entries = [{**entry, "resource": renamed(entry["resource"], urls)} for entry in kept]
    return {**bundle, "entry": entries}, blobs


def relative(bundle: Resource) -> list[Resource]:
    """The resources with `Type/id` for each reference inside the Bundle: as a store keeps them and single PUTs need them."""
    urls = {
        entry["fullUrl"]: f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in bundle["entry"]
        if "fullUrl" in entry
    }
    return [renamed(entry["resource"], urls) for entry in bundle["entry"]]


def renamed(node: Any, urls: Mapping[str, str]) -> Any:
    """A copy in which references and addresses that are keys of `urls` are its values."""
    if isinstance(node, dict):
        made: Resource = {}
        for key, value in node.items():
            if isinstance(value, dict | list):
                made[key] = renamed(value, urls)
            elif key in ("reference", "url") and value in urls:
                made[key] = urls[value]
            else:
                made[key] = value
        return made
    if isinstance(node, list):
        return [renamed(item, urls) if isinstance(item, dict | list) else item for item in node]
    return node


def pointers(node: Any) -> set[str]:
    """Every reference in a resource or a part of one."""
    found: set[str] = set()
    level = [node]
    while level:
        value = level.pop()
        if type(value) is list:
            level += [each for each in value if type(each) is dict]
            continue
        for name, inner in value.items():
            kind = type(inner)
            if kind is dict or kind is list:
                level.append(inner)
            elif name == "reference" and kind is str:
                found.add(inner)
    return found


def _documents(resources: Iterable[Resource]) -> Iterator[Resource]:
    return (each for each in resources if each["resourceType"] == "DocumentReference")


def identifiers(document: Resource) -> str | None:
    """The search value `system|value` of a document's master identifier."""
    return searched(document.get("masterIdentifier"))


def searched(identifier: Any) -> str | None:
    """The search value `system|value` of an identifier."""
    if not isinstance(identifier, dict) or "value" not in identifier:
        return None
    return f"{_escaped(identifier.get('system', ''))}|{_escaped(identifier['value'])}"


def _escaped(text: str) -> str:
    for character in "\\,$|":
        text = text.replace(character, "\\" + character)
    return text


def replaced(resources: Iterable[Resource]) -> list[tuple[Resource, Resource, str]]:
    """(document, its relatesTo, search value) for each document that a new one replaces."""
    found = []
    for document in _documents(resources):
        for relation in document.get("relatesTo", ()):
            value = searched(relation.get("target", {}).get("identifier"))
            if relation.get("code") == "replaces" and value is not None:
                found.append((document, relation, value))
    return found


def deleting(resources: Iterable[Resource]) -> list[Resource]:
    """The documents that are entered in error: what is known of them stays, their status alone changes."""
    return [each for each in _documents(resources) if each.get("status") == "entered-in-error"]


def superseded(old: Mapping[str, Any], status: str = "superseded") -> Resource:
    """An older document with another status; what the server wrote in `meta` about the version is left to it."""
    made = {**old, "status": status}
    meta = {key: value for key, value in old.get("meta", {}).items() if key not in ("versionId", "lastUpdated")}
    if meta:
        made["meta"] = meta
    else:
        made.pop("meta", None)
    return made


def with_entry(bundle: Resource, resource: Resource, base: str, version: str | None) -> Resource:
    """The Bundle with one more resource, put in place of the version named by its ETag."""
    name = f"{resource['resourceType']}/{resource['id']}"
    request = {"method": "PUT", "url": name}
    if version is not None:
        request["ifMatch"] = version
    entry = {"fullUrl": f"{base}/{name}", "resource": resource, "request": request}
    return {**bundle, "entry": [*bundle["entry"], entry]}
