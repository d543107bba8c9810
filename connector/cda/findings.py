"""Issues in the making: what a header lacks or says wrongly, with its place, its rule and what was expected."""

from __future__ import annotations

from collections.abc import Iterator

from connector.cda.tree import Element
from connector.issues import Issue, IssueCode, Severity

__all__ = ["ROOT", "RULE", "Findings", "placed", "spelled"]

RULE = "CI-SIS structuration minimale"
ROOT = "/ClinicalDocument"


class Findings:
    """Issues in the making; `strict` makes each departure an ERROR."""

    def __init__(self, strict: bool) -> None:
        self.issues: list[Issue] = []
        self.usual = Severity.ERROR if strict else Severity.WARNING

    def add(self, code: IssueCode, place: str, *, grave: bool = False, **params: object) -> None:
        severity = Severity.ERROR if grave else self.usual
        self.issues.append(Issue.of(severity, code, place, rule=RULE, **params))

    def missing(self, place: str, expected: str, *, grave: bool = False) -> None:
        self.add(IssueCode.CDA_MISSING, place, grave=grave, expected=expected)

    def value(self, place: str, expected: str, *, grave: bool = False) -> None:
        self.add(IssueCode.CDA_VALUE, place, grave=grave, expected=expected)

    def need(self, node: Element, place: str, path: str, *, grave: bool = False) -> str | None:
        """The text or attribute at a path; an issue when there is none."""
        found = node.value(path)
        if found is None:
            self.missing(place, path, grave=grave)
        return found


def placed(node: Element, name: str, place: str = ROOT) -> Iterator[tuple[str, Element]]:
    """The children of a name with their places."""
    for number, child in enumerate(node.all(name), 1):
        yield (f"{place}/{name}" if number == 1 else f"{place}/{name}[{number}]"), child


def spelled(trail: list[Element], last: Element) -> str:
    """The place of an element from the way to it."""
    place, parent = f"/{trail[0].name}", trail[0]
    for node in (*trail[1:], last):
        number = 1
        for child in parent.children:
            if child is node:
                break
            number += child.name == node.name
        place += f"/{node.name}" if number == 1 else f"/{node.name}[{number}]"
        parent = node
    return place
