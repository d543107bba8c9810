"""The linked tree that FHIR mappings read and write: its keys, its empty nodes dropped, its leaves and their places.

Below `Bundle` it is a dict of root resources by type; a Reference holds its target resource under `TARGET`, or says under `LINK` that it
points at the one root resource of a type. Places unfold the references:
`DocumentReference[1].author[1]->PractitionerRole.practitioner->Practitioner.name[1].family`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = [
    "HELD",
    "LINK",
    "SHARING",
    "SUBMISSION",
    "TARGET",
    "VISIBILITY",
    "Node",
    "copied",
    "leaves_of",
    "prune",
    "sound",
]

Node = dict[str, Any]

#: Under this key a Reference holds the resource that it points at.
TARGET = "->"
#: Under this key a Reference says `->Type`: the one root resource of that type.
LINK = "=>"
#: What a Bundle's tree holds beside resources, because FHIR says it of each document (status, relatesTo, securityLabel, context): the
#: operation, the visibility, and the facility of the one stay; and because FHIR says it by categories and tags: mode, origin, the boxes.
#: `bundle` and `threads` spread it over the resources, `gathering` and `nesting` gather it again.
SUBMISSION = "Submission"
VISIBILITY = ("MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX")
SHARING = ("business_software", "regional_record", "ma_sante_connectee")
#: What the tree holds inside a resource and FHIR says the other way round, by a resource that refers to its holder: type → element → type
#: of what is held. `threads` writes each as a resource of its own, `nesting` puts it back into its holder.
HELD = {
    "DiagnosticReport": {"note": "Annotation"},
    "DocumentReference": {"composition": "Composition"},
    "Immunization": {"negated": "boolean"},
    "MedicationStatement": {"negated": "boolean"},
    "Observation": {"panel": "code"},
    "Procedure": {"negated": "boolean"},
    "Communication": {
        "team": "CareTeam",
        "message": "Communication",
        "notification": "Communication",
        "provenance": "Provenance",
    },
    "List": {"provenance": "Provenance"},
    "ServiceRequest": {"task": "Task", "answer": "Communication", "form": "QuestionnaireResponse"},
    "Task": {"step": "Provenance"},
    "QuestionnaireResponse": {"definition": "Questionnaire"},
}


def prune(node: Node, nothing: frozenset[str] = frozenset({"resourceType"})) -> bool:
    """Drop empty nodes and values, in place; True when nothing but `nothing` is left (the url of an extension is nothing)."""
    empty: list[str] | None = None
    for key, value in node.items():
        kind = type(value)
        if kind is str:
            if value:
                continue
            hollow = True
        elif kind is dict:
            hollow = prune(value, _URL if key in _EXTENSIONS else _TYPE)
        elif kind is list:
            hollow = _prune_list(value, _URL if key in _EXTENSIONS else _TYPE)
        else:
            hollow = value is None or value == ""
        if hollow:
            empty = [key] if empty is None else [*empty, key]
    if empty is not None:
        for key in empty:
            del node[key]
    return len(node) <= 1 and node.keys() <= nothing


_TYPE = frozenset({"resourceType"})
_URL = frozenset({"url"})
_EXTENSIONS = frozenset({"extension", "modifierExtension"})


def sound(root: Node) -> bool:
    """Whether `prune` has nothing to drop: so it is with most trees, and to ask costs half."""
    level = [root]
    for node in level:
        if len(node) < 2 and (not node or "resourceType" in node or "url" in node):
            return False
        for value in node.values():
            kind = type(value)
            if kind is str:
                if not value:
                    return False
            elif kind is dict:
                level.append(value)
            elif kind is list:
                if not value:
                    return False
                for item in value:
                    if type(item) is dict:
                        level.append(item)
                    elif item is None or item == "":
                        return False
            elif value is None:
                return False
    return True


def _prune_list(items: list[Any], nothing: frozenset[str]) -> bool:
    kept = [item for item in items if (not prune(item, nothing) if type(item) is dict else item not in (None, ""))]
    if len(kept) != len(items):
        items[:] = kept
    return not kept


def copied(node: Any, place: str, make: Callable[[str, tuple[str, ...]], str], places: dict[int, str]) -> Any:
    """A deep copy whose texts are made by `make` with their place; a text made empty is left out. `places` takes each node's by its id."""
    if isinstance(node, dict):
        made: Node = {}
        places[id(made)] = place
        for key, value in node.items():
            if _notation(key, value):
                made[key] = value
                continue
            child = copied(value, _below(place, key, value), make, places)
            if child is not None:
                made[key] = child
        return made
    if isinstance(node, list):
        copies = [copied(item, f"{place}[{number}]", make, places) for number, item in enumerate(node, 1)]
        return [item for item in copies if item is not None]
    if isinstance(node, str):
        return make(node, (place,)) or None
    return node


def _notation(key: str, value: Any) -> bool:
    """What says how to read its neighbours and nothing of its own: a resource's type, the system of an identifier that is a URI."""
    return key == "resourceType" or (key == "system" and value == "urn:ietf:rfc:3986")


def _below(place: str, key: str, value: Any) -> str:
    if key == TARGET:
        return f"{place}->{value['resourceType']}"
    if key == LINK:
        return place
    return f"{place}.{key}" if place else key


def leaves_of(node: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every filled leaf with its place, references unfolded."""
    if isinstance(node, dict):
        for key, value in node.items():
            if not _notation(key, value):
                yield from leaves_of(value, _below(place, key, value))
    elif isinstance(node, list):
        for number, item in enumerate(node, 1):
            yield from leaves_of(item, f"{place}[{number}]")
    elif node is not None and node != "":
        yield place, node
