"""Exchange paths of rules → the places of a CDA header, so that who wrote the document reads its own XPath."""

from __future__ import annotations

import re

from msgspec.structs import replace

from connector.cda.findings import ROOT
from connector.cda.tree import Element, numbered
from connector.issues import Issue, Place

__all__ = ["HeaderPlaces"]

_PATH = re.compile(
    r"(?P<head>patient|documents\[1\])(?:\.(?P<field>[a-z_]+)(?:\[(?P<index>\d+)\])?)?(?:\.(?P<part>[a-z_]+))?"
)
_ROLE = f"{ROOT}/recordTarget/patientRole"
_PATIENT = {
    "names": "patient/name", "birth_date": "patient/birthTime/@value", "sex": "patient/administrativeGenderCode/@code",
    "birth_place": "patient/birthplace",
}  # fmt: skip
_DOCUMENT = {
    "id": "id", "set_id": "setId", "version": "versionNumber/@value", "replaces": "relatedDocument/parentDocument/id", "type": "code/@code",
}  # fmt: skip
_PART = {"value": "/@extension", "system": "/@root"}


class HeaderPlaces:
    """The places of one header."""

    def __init__(self, header: Element) -> None:
        self.header = header

    def of(self, issue: Issue) -> Issue:
        """The issue with the document's own place; one whose path is no Exchange path stays as it is."""
        found = _PATH.match(issue.place.path)
        place = self._place(found) if found is not None else None
        return replace(issue, place=Place(place, issue.place.rule)) if place is not None else issue

    def _place(self, found: re.Match[str]) -> str | None:
        field = found["field"]
        if found["head"] != "patient":
            return f"{ROOT}/{_DOCUMENT[field]}" if field in _DOCUMENT else None
        if field == "identifiers":
            return f"{self._identifier(int(found['index'] or 1))}{_PART.get(found['part'] or '', '')}"
        return f"{_ROLE}/{_PATIENT.get(field or '', 'patient')}"

    def _identifier(self, number: int) -> str:
        """The nth id of the patient that says something."""
        role = self.header.find("recordTarget/patientRole")
        said = [
            step for step, child in (numbered(role) if role is not None else ()) if child.name == "id" and _says(child)
        ]
        return f"{_ROLE}/{said[number - 1]}" if number <= len(said) else f"{_ROLE}/id"


def _says(node: Element) -> bool:
    return node.get("nullFlavor") is None and (node.get("root") or node.get("extension")) is not None
