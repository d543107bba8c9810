"""PATCH of documents and submissions (PDSm flux 03, IHE ITI-57 in FHIR): status, securityLabel and the archive mark; JSON Patch or FHIRPath Patch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector.fhir.codec import Resource
from connector.issues import Issue, IssueCode, Outcome, Severity

__all__ = ["ARCHIVED", "patched"]

ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"
_ALLOWED = "status, securityLabel, isArchived"
_PATH = re.compile(r"/(status|securityLabel|extension)(?:/(\d{1,3}|-))?(?:/(valueBoolean))?")
_FHIRPATH = re.compile(
    rf"(?:\w+\.)?(?:(status)|(securityLabel)(?:\[(\d{{1,3}})\])?|extension(?:\.where\(url ?= ?'{re.escape(ARCHIVED)}'\)|\('{re.escape(ARCHIVED)}'\))\.(?:value|valueBoolean))"
)


class _RefusedError(ValueError):
    """What is expected."""


def patched(resource: Mapping[str, Any], patch: Any) -> Outcome[Resource]:
    """The resource changed. FHIR_METHOD for anything but status, securityLabel and isArchived, FHIR_INVALID for a patch that cannot be applied."""
    made: Resource = {name: list(value) if isinstance(value, list) else value for name, value in resource.items()}
    operations = _of_parameters(patch) if isinstance(patch, dict) else patch
    try:
        if not isinstance(operations, list) or not operations:
            raise _RefusedError("a list of operations")
        for number, operation in enumerate(operations, 1):
            if not isinstance(operation, dict):
                raise _RefusedError("operations as objects")
            issue = _apply(made, operation, f"[{number}]")
            if issue is not None:
                return Outcome(None, (issue,))
    except _RefusedError as error:
        return Outcome(None, (Issue.of(Severity.ERROR, IssueCode.FHIR_INVALID, "patch", expected=str(error)),))
    return Outcome({name: value for name, value in made.items() if value != []})


def _apply(made: Resource, operation: Mapping[str, Any], place: str) -> Issue | None:
    kind, path = operation.get("op"), str(operation.get("path", ""))
    found = _PATH.fullmatch(path)
    if found is None:
        return Issue.of(Severity.ERROR, IssueCode.FHIR_METHOD, f"{place}.path", expected=_ALLOWED)
    name, index, inner = found.groups()
    value = operation.get("value")
    if kind not in ("add", "replace", "remove", "test"):
        raise _RefusedError("op add, replace, remove or test")
    if name == "extension":
        return _extension(made, kind, index, inner, value, place)
    if name == "status":
        _status(made, kind, index, value)
    else:
        _labels(made, kind, index, value)
    return None


def _status(made: Resource, kind: str, index: str | None, value: Any) -> None:
    if index is not None or kind == "remove":
        raise _RefusedError("status replaced")
    if kind == "test":
        if made.get("status") != value:
            raise _RefusedError("the status that is tested")
        return
    made["status"] = value


def _labels(made: Resource, kind: str, index: str | None, value: Any) -> None:
    labels: list[Any] = made.setdefault("securityLabel", [])
    if index is None:
        made["securityLabel"] = [] if kind == "remove" else value
    elif index == "-":
        labels.append(value)
    elif int(index) >= len(labels):
        raise _RefusedError("an index that is there")
    elif kind == "remove":
        del labels[int(index)]
    elif kind == "add":
        labels.insert(int(index), value)
    else:
        labels[int(index)] = value


def _extension(made: Resource, kind: str, index: str | None, inner: str | None, value: Any, place: str) -> Issue | None:
    """The archive mark alone: by its index, or added with its URL."""
    known: list[Any] = made.setdefault("extension", [])
    refused = Issue.of(Severity.ERROR, IssueCode.FHIR_METHOD, f"{place}.path", expected=_ALLOWED)
    given = value[0] if isinstance(value, list) and len(value) == 1 else value
    if index in (None, "-") and kind == "add" and inner is None:
        if not isinstance(given, dict) or given.get("url") != ARCHIVED:
            return refused
        made["extension"] = [*[each for each in known if each.get("url") != ARCHIVED], given]
        return None
    if index is None and kind == "remove":
        made["extension"] = [each for each in known if each.get("url") != ARCHIVED]
        return None
    if index in (None, "-") or int(index or 0) >= len(known) or known[int(index or 0)].get("url") != ARCHIVED:
        return refused
    number = int(index or 0)
    if kind == "remove":
        del known[number]
    else:
        known[number] = {"url": ARCHIVED, "valueBoolean": value} if inner else given
    return None


def _of_parameters(patch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The operations of a FHIRPath Patch (R4 §3.1.0.12.1) as those of a JSON Patch."""
    made: list[dict[str, Any]] = []
    for parameter in patch.get("parameter", ()) if patch.get("resourceType") == "Parameters" else ():
        parts: dict[str, Any] = {}
        for part in parameter.get("part", ()) if isinstance(parameter, dict) else ():
            parts[str(part.get("name"))] = next((part[key] for key in part if key.startswith("value")), None)
        found = _FHIRPATH.fullmatch(str(parts.get("path", "")))
        kind = {"replace": "replace", "add": "add", "insert": "add", "delete": "remove"}.get(str(parts.get("type")), "")
        if found is None:
            made.append({"op": kind, "path": str(parts.get("path", ""))})
        elif found[1]:
            made.append({"op": kind, "path": "/status", "value": parts.get("value")})
        elif found[2]:
            made.append({"op": kind, "path": f"/securityLabel/{found[3] or '-'}", "value": parts.get("value")})
        elif kind == "remove":
            made.append({"op": "remove", "path": "/extension"})
        else:
            made.append(
                {"op": "add", "path": "/extension", "value": {"url": ARCHIVED, "valueBoolean": parts.get("value")}}
            )
    return made
