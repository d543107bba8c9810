"""The words of the settings: names, OIDs, time zones, lists; each says what is wrong with what was written."""

from __future__ import annotations

import re
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field

from connector.exchange.documents import Directives

__all__ = ["Name", "Oid", "Port", "Words", "Zone", "directives", "domain", "listed"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}\Z", re.IGNORECASE)
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+\Z")


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise ValueError("a name is made of letters, digits, '-', '_' and '.', 63 at most")
    return text


def _oid(text: str) -> str:
    if not _OID.match(text):
        raise ValueError("not an OID (digits and dots, e.g. 1.2.250.1.…)")
    return text


def domain(text: str) -> str:
    """Nothing, `ins`, or an OID."""
    return text if text in ("", "ins") else _oid(text)


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("not a time zone of the IANA list (e.g. Europe/Paris, America/Martinique)") from error
    return text


def listed(value: Any) -> Any:
    """One word stands for a list of one, so that `to: ris` and `to: [ris, dpi]` both read well."""
    return [value] if isinstance(value, str) else value


def directives(words: tuple[str, ...]) -> tuple[str, ...]:
    """Names of directives, each perhaps with `not ` in front."""
    known = [field.name for field in msgspec.structs.fields(Directives)]
    for word in words:
        if word.removeprefix("not ").strip() not in known:
            raise ValueError(f"not a directive; there are {', '.join(known)}, each with or without `not ` in front")
    return words


Name = Annotated[str, AfterValidator(_name)]
Oid = Annotated[str, AfterValidator(_oid)]
Zone = Annotated[str, AfterValidator(_zone)]
Words = Annotated[tuple[str, ...], BeforeValidator(listed)]
Port = Annotated[int, Field(ge=0, le=65535)]
