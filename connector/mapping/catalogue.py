"""Which mapping answers for a message, and the library of all mappings of a site, loaded and compiled in one go.

A library is built aside and takes the place of the old one in one assignment by whoever holds it.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from connector.exchange.model import Exchange
from connector.mapping.compile import Mapping as CompiledMapping
from connector.mapping.compile import compile_mappings
from connector.mapping.exchange import types_of
from connector.mapping.language import MappingError, MappingErrors, MappingSpec, Shape
from connector.mapping.load import CLAIMS, read_specs
from connector.mapping.part import Workbench
from connector.mapping.paths import closest
from connector.terminology import Tables

__all__ = ["Catalogue", "Claim", "Library", "load_library"]


class Claim(NamedTuple):
    """One thing a mapping accepts: its type exactly, by its beginning (`ADT^*`) or any (empty); version and profile exactly or any."""

    side: str
    type: str
    version: str
    profile: str
    site: str
    mapping: str
    place: str

    def answers(self, side: str, type_: str, version: str, profile: str) -> tuple[int, ...] | None:
        """How specific the answer is (greater is more specific), None when it is not meant."""
        if (
            self.side != side
            or (self.version and self.version != version)
            or (self.profile and self.profile != profile)
        ):
            return None
        if self.type.endswith("*"):
            if not type_.startswith(self.type[:-1]):
                return None
            exact = len(self.type)
        elif self.type and self.type != type_:
            return None
        else:
            exact = 1000 if self.type else 0
        return (bool(self.site), exact, bool(self.profile), bool(self.version))


class Catalogue:
    """The claims of all mappings. The most specific one answers: a site's own, then by type, profile and version."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self.claims = tuple(claims)
        self._of_side = {
            side: [each for each in self.claims if each.side == side] for side in {each.side for each in self.claims}
        }

    def find(self, side: str, type_: str, version: str = "", profile: str = "") -> str | None:
        """The name of the mapping that answers, None when none does."""
        best: tuple[tuple[int, ...], str] | None = None
        for claim in self._of_side.get(side, ()):
            rank = claim.answers(side, type_, version, profile)
            if rank is not None and (best is None or rank > best[0]):
                best = (rank, claim.mapping)
        return best[1] if best else None

    def types(self, side: str) -> list[str]:
        """Every type that a mapping of this side claims, sorted."""
        return sorted({claim.type for claim in self.claims if claim.side == side and claim.type})

    def versions(self, side: str, type_: str) -> list[str]:
        """The versions claimed for a type, sorted; empty when any will do."""
        meant = [c for c in self.claims if c.answers(side, type_, c.version, c.profile) is not None]
        return [] if any(not c.version for c in meant) else sorted({c.version for c in meant})

    def profiles(self, side: str, type_: str) -> list[str]:
        """The profiles claimed for a type, sorted; empty when any will do."""
        meant = [c for c in self.claims if c.answers(side, type_, c.version, c.profile) is not None]
        return [] if any(not c.profile for c in meant) else sorted({c.profile for c in meant})

    def nearest(self, side: str, type_: str, limit: int = 5) -> list[str]:
        """The known types nearest to one that nobody answers for, for a refusal that helps; all when none is near."""
        known = self.types(side)
        return difflib.get_close_matches(type_, known, limit, 0.4) or known[:limit]


class Library:
    """Every mapping of a site, compiled. `version` is a short digest of the texts it was made from."""

    def __init__(
        self,
        mappings: Mapping[str, CompiledMapping],
        catalogue: Catalogue,
        version: str,
        unused_tables: tuple[str, ...],
    ) -> None:
        self.mappings = mappings
        self.catalogue = catalogue
        self.version = version
        self.unused_tables = unused_tables  # terminology that no rule names: a lint, not a mistake

    def mapping(self, name: str) -> CompiledMapping:
        """A mapping by its name. KeyError names the nearest."""
        try:
            return self.mappings[name]
        except KeyError:
            raise KeyError(f"no mapping {name!r}{closest(name, self.mappings)}") from None


def claims_of(spec: MappingSpec) -> list[Claim]:
    """Each combination of what `accepts` lists."""
    if not spec.accepts:
        return []
    types, versions, profiles = (spec.accepts.get(name) or ("",) for name in CLAIMS)
    return [
        Claim(spec.side, type_, version, profile, spec.site or "", spec.name, spec.place)
        for type_ in types
        for version in versions
        for profile in profiles
    ]


def _equal_claims(claims: Iterable[Claim]) -> list[MappingError]:
    first: dict[tuple[str, ...], Claim] = {}
    errors: list[MappingError] = []
    for claim in claims:
        earlier = first.setdefault(claim[:5], claim)
        if earlier is not claim:
            said = " ".join(part for part in claim[1:4] if part) or "everything"
            errors.append(
                MappingError(
                    claim.place, f"{claim.mapping!r} accepts {said}, as {earlier.mapping!r} does ({earlier.place})"
                )
            )
    return errors


def _by_file(names: Sequence[str]) -> Callable[[MappingError], tuple[int, int]]:
    order = {name: number for number, name in enumerate(names)}

    def key(error: MappingError) -> tuple[int, int]:
        name, _, line = error.place.rpartition(":")
        return order.get(name, len(order)), int(line)

    return key


def load_library(
    files: Mapping[str, str], shapes: Mapping[str, Shape], tables: Tables, sites: Collection[str] = ()
) -> Library:
    """Compile every mapping of the files (name -> text) for the sites, first to last. Raises MappingErrors with every mistake of every file."""
    specs, errors = read_specs(files, tuple(shapes), sites)
    bench = Workbench(dict(shapes), tables, types_of(Exchange))
    mappings, more = compile_mappings(specs, bench)
    errors += more
    claims = [claim for spec in specs for claim in claims_of(spec)]
    errors += _equal_claims(claims)
    if errors:
        raise MappingErrors(sorted(errors, key=_by_file(tuple(files))))
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{files[name]}\0".encode())
    digest.update("\0".join(sites).encode())
    unused = tuple(sorted(table.name for table in tables if table.name not in bench.used_tables))
    return Library(mappings, Catalogue(claims), digest.hexdigest()[:12], unused)
