"""An official edition of a table, whatever file it came in: a code system, a value set, or a map from codes to codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from connector.terminology.tables import TerminologyError

__all__ = ["Edition", "Mapped", "Official", "bare", "day", "distinct"]

_DAY = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})")
_LONGEST = 200


class Official(NamedTuple):
    """A code as an official file gives it. `retired`: the file says that it is no longer to be used; `start` and `end` are ISO days."""

    code: str
    system: str
    display: str
    place: str
    retired: bool = False
    start: str = ""
    end: str = ""


class Mapped(NamedTuple):
    """A line of a map: the code and what it becomes."""

    code: str
    system: str
    target: str
    target_system: str
    place: str


class Edition(NamedTuple):
    """`kind` is CodeSystem, ValueSet, ConceptMap or CSV; `identifiers` are OIDs and URLs; `whole`: a code that is missing is gone."""

    kind: str
    name: str
    place: str
    identifiers: tuple[str, ...]
    version: str
    effective: str
    source: str
    concepts: tuple[Official, ...] = ()
    mapped: tuple[Mapped, ...] = ()
    whole: bool = True


def day(text: str | None) -> str:
    """The ISO day of `2024-12-13T12:00:00+01:00`, `20241213120000` or `2024-12-13`; empty when it is none."""
    found = _DAY.match(text or "")
    return "-".join(found.groups()) if found else ""


def bare(identifiers: Iterable[str | None]) -> tuple[str, ...]:
    """Identifiers without `urn:oid:` and without a version behind `|`, each once."""
    return tuple(dict.fromkeys(each.removeprefix("urn:oid:").partition("|")[0] for each in identifiers if each))


def distinct(concepts: Sequence[Official]) -> tuple[Official, ...]:
    """The concepts, each once. TerminologyError for a code that stands twice with two labels, or that no cell of a table can hold."""
    seen: dict[tuple[str, str], Official] = {}
    for each in concepts:
        if not each.code or len(each.code) > _LONGEST or "|" in each.code or each.code[0] == ">" or _blank(each.code):
            raise TerminologyError(each.place, "a code is 1 to 200 characters without blank, '|' or a leading '>'")
        first = seen.setdefault((each.code, each.system), each)
        if first is not each and (first.display, first.retired) != (each.display, each.retired):
            raise TerminologyError(
                each.place, f"code {each.code!r} stands twice with two meanings, first at {first.place}"
            )
    return tuple(seen.values())


def _blank(code: str) -> bool:
    return any(character.isspace() or not character.isprintable() for character in code)
