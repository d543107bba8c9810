"""Mappings and tables of a site, compiled aside: a translator that takes the place of the old one in one assignment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from connector.exchange.model import Context
from connector.exchange.moments import Moment

if TYPE_CHECKING:
    from connector.mapping.catalogue import Library
    from connector.mapping.language import Rule
    from connector.pipeline.translate import Translator
    from connector.settings import LibraryFiles, Settings
    from connector.terminology import Tables

__all__ = ["Compiled", "Mistake", "compile_files", "compile_site", "library_mistakes", "rules_of", "site_context"]

#: (place `file:line`, what is wrong)
Mistake = tuple[str, str]


class Compiled(msgspec.Struct, frozen=True):
    """A set of mappings and tables ready for use."""

    mappings: Library
    tables: Tables
    translator: Translator

    @property
    def version(self) -> str:
        """The beginning of the SHA-256 of the mappings' texts."""
        return self.mappings.version


def compile_files(files: LibraryFiles) -> Compiled:
    """Compile a set of files. Raises TerminologyError or MappingErrors with every mistake."""
    from connector import terminology
    from connector.mapping.catalogue import load_library
    from connector.pipeline.formats import SHAPES
    from connector.pipeline.translate import Translator

    tables = terminology.load(files.terminology)
    library = load_library(files.mappings, SHAPES, tables, files.sites)
    return Compiled(library, tables, Translator(library))


def compile_site(settings: Settings | None = None) -> Compiled:
    """The product's mappings and tables with the site's laid over. Raises TerminologyError or MappingErrors."""
    from connector.settings import find_library

    return compile_files(find_library(settings))


def library_mistakes(settings: Settings | None = None) -> list[Mistake]:
    """Every mistake of tables and mappings, with the real file of each; none when the set may be used."""
    from connector.mapping.language import MappingErrors
    from connector.settings import find_library
    from connector.terminology import TerminologyError

    files = find_library(settings)
    try:
        compiled = compile_files(files)
    except TerminologyError as error:
        return [(_real(error.place, files), error.text)]
    except MappingErrors as errors:
        return [(_real(error.place, files), error.text) for error in errors.errors]
    return [
        (_real(clash.place, files), str(clash).removeprefix(f"{clash.place}: ")) for clash in compiled.tables.clashes
    ]


def _real(place: str, files: LibraryFiles) -> str:
    name, colon, line = place.rpartition(":")
    return f"{files.files[name]}:{line}" if colon and name in files.files else place


def rules_of(mapping: str) -> tuple[Rule, ...]:
    """The rules of one of the product's mappings, as written."""
    return compile_site().mappings.mapping(mapping).spec.rules


def site_context(settings: Settings, tables: Tables) -> Callable[[str], Context]:
    """The site's Context at a moment (ISO with any zone; told in the site's own)."""
    zone = ZoneInfo(settings.zone)
    base_url = settings.base_url or f"http://{settings.http.host}:{settings.http.port}/fhir"
    options = {name: str(value) for name, value in settings.rules.model_dump().items()}
    options["test_names"] = "\n".join(settings.identity.test_names)
    options["author_specialty"] = settings.identity.author_specialty
    options |= settings.documents.model_dump()
    options["fr_core"] = settings.fhir.core
    options |= {name: value for name, value in settings.pdsm.model_dump().items() if value}
    options["monsisra_domains"] = " ".join(settings.monsisra.domains)

    def at(now: str) -> Context:
        local = datetime.fromisoformat(now).astimezone(zone).isoformat(timespec="milliseconds")
        return Context(
            now=Moment(local),
            zone=settings.zone,
            site=settings.site,
            environment=settings.environment,
            namespace=settings.namespace,
            base_url=base_url,
            systems=tables.systems,
            table=tables.table,
            options=options,
        )

    return at
