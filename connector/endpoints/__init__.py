"""Where messages enter and leave: one module a kind, found by entry point, so that a site adds its own without touching ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol

import msgspec
from pydantic import BaseModel, ConfigDict

from connector.issues import Outcome
from connector.ports import Claimed, Clock, DocumentStore, ExchangeStore, Receiver, Sender

__all__ = ["GROUP", "Draft", "Endpoint", "EndpointKind", "EndpointSettings", "Unmatched", "Write", "kind", "kinds"]

#: The entry point group of `pyproject.toml` (ours and those of other packages).
GROUP = "monsisra_connector.endpoints"

#: (destination, answer as received): an acknowledgement that belongs to no message in hand; it is kept, never taken for another's.
Unmatched = Callable[[str, bytes], Awaitable[None]]

#: (delivery, format): the bytes of a delivery in a format of `pipeline.formats`, made by the mappings.
Write = Callable[[Claimed, str], Outcome[bytes]]

#: (delivery, format): the same before it is serialised, for what must not be encoded and decoded again (large Binaries of FHIR).
Tree = Callable[[Claimed, str], Outcome[Any]]


class Draft(Protocol):
    """A large body while it arrives: on the disk of the store, not in memory. What the journal does not take of it is gone once it is closed."""

    async def write(self, piece: bytes | bytearray) -> None:
        """Append. Raises JournalUnavailable (disk full…)."""
        ...

    async def whole(self) -> tuple[memoryview, str]:
        """All that was written, as a read-only view of the disk, and its SHA-256 (hex): `Inbound.raw` and `Inbound.digest`. Raises JournalUnavailable."""
        ...

    def close(self) -> None:
        """It is taken or given up; views of it stay valid."""
        ...


class EndpointSettings(BaseModel):
    """Base of the settings of every kind: unknown names are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What the application gives an endpoint beside its settings: its name in the site, the clock, and what some kinds ask for.

    `documents` is the store behind the FHIR endpoints, `exchanges` that of exchanges; `unmatched` keeps answers that belong to no message
    in hand; `draft` keeps a large body while it arrives (it gives None where there is no disk for it); `write` makes a delivery's bytes in the destination's format, `tree` what these bytes are made from.
    """

    name: str
    clock: Clock
    environment: str = "test"
    documents: DocumentStore | None = None
    exchanges: ExchangeStore | None = None
    draft: Callable[[], Draft | None] = lambda: None
    unmatched: Unmatched | None = None
    write: Write | None = None
    tree: Tree | None = None


class EndpointKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of endpoint: `build(settings, endpoint)` gives a `Receiver` (direction `in`) or a `Sender` (`out`).

    `title` (French, English) and the described fields of `settings` make the console's form and the reference page.
    """

    name: str
    direction: Literal["in", "out"]
    title: tuple[str, str]
    settings: type[EndpointSettings]
    build: Callable[[Any, Endpoint], Receiver | Sender]


def kinds() -> dict[str, EndpointKind]:
    """Every kind installed, by name. Raises TypeError naming the entry point that is not an `EndpointKind`, or the name taken twice."""
    found: dict[str, EndpointKind] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        loaded = entry.load()
        if not isinstance(loaded, EndpointKind) or loaded.name != entry.name:
            raise TypeError(f"{GROUP}: {entry.name} = {entry.value} is not an EndpointKind of that name")
        if entry.name in found:
            raise TypeError(f"{GROUP}: {entry.name} is there twice ({entry.value})")
        found[entry.name] = loaded
    return found


def kind(name: str) -> EndpointKind:
    """One kind, without importing the others. Raises LookupError naming those that exist."""
    entries = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in entries:
        raise LookupError(f"no endpoint kind {name!r}; there are: {', '.join(sorted(entries))}")
    loaded = entries[name].load()
    if not isinstance(loaded, EndpointKind):
        raise TypeError(f"{GROUP}: {name} = {entries[name].value} is not an EndpointKind")
    return loaded
