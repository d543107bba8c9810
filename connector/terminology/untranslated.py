"""A code that a table did not hold, told beside the issues (which never hold a value) so that a person can settle it."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Untranslated", "untranslated"]

#: What codes look like: no blank, no accent, no more than 64 characters.
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/^+-]{0,63}\Z")
_SYSTEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/?#=&%~^+-]{0,199}\Z")
#: A sex digit, a year, a month and a département (with or without key): a matricule INS or a NIR put in a place for codes.
_MATRICULE = re.compile(r"[1-478][0-9]{2}[0-9]{2}[0-9AB]{2}[0-9]{6}([0-9]{2})?\Z")


class Untranslated(NamedTuple):
    """`way` is `read` (a code of the format `side`) or `write` (a canonical word that `side` has no code for).

    `code` is empty when what stood there is no code but text, or looks like a person's number: it is counted, and not kept.
    """

    terminology: str
    way: str
    side: str
    system: str
    code: str


def untranslated(terminology: str, way: str, side: str, code: object, system: str | None = None) -> Untranslated:
    """The value to count for a code as it was met."""
    return Untranslated(terminology, way, side, _kept(system or "", _SYSTEM), _kept(str(code), _CODE))


def _kept(text: str, form: re.Pattern[str]) -> str:
    return text if form.match(text) and not _MATRICULE.match(text) else ""
