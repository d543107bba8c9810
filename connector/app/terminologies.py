"""The tables of a site as a person keeps them: who uses them, what official editions change, and new texts put in their place."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from connector.app.compiled import Compiled, compile_files
from connector.settings import find_library
from connector.settings.shipped import shipped

if TYPE_CHECKING:
    from connector.mapping.language import Rule
    from connector.settings import LibraryFiles, Settings
    from connector.terminology import Tables
    from connector.terminology.difference import Difference
    from connector.terminology.sheet import Sheet

__all__ = ["Plan", "SiteTables", "Use"]


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """Where a table, or one code of it, is named: the mapping or the other table, and `file:line`."""

    by: str
    place: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an edition changes in one table, and which codes that go are still used. `older`: it was published before what is in force."""

    difference: Difference
    used: dict[str, tuple[Use, ...]]
    older: bool


class SiteTables:
    """Tables of a site, and its mappings once they are asked for; raises TerminologyError or MappingErrors when they are wrong already."""

    def __init__(self, settings: Settings) -> None:
        from connector import terminology

        self.files: LibraryFiles = find_library(settings)
        self.tables: Tables = terminology.load(self.files.terminology)

    @cached_property
    def compiled(self) -> Compiled:
        """Tables and mappings, compiled."""
        return compile_files(self.files)

    def sheet(self, name: str) -> Sheet:
        """A table's CSV to change; an empty one for a new name."""
        from connector.terminology.sheet import Sheet

        place = self._place(name)
        return Sheet(place, self.files.terminology.get(place, ""))

    def text(self, name: str) -> str:
        """A table's CSV as it stands, empty for a new name."""
        return self.files.terminology.get(self._place(name), "")

    def shipped_version(self, name: str) -> str:
        """The version of the product's own table, when the site's lies over it; else empty."""
        from connector.terminology.sheet import Sheet

        own = shipped("terminology") / f"{name}.csv"
        if self.path(name) in (None, own) or not own.is_file():
            return ""
        return Sheet(own.name, own.read_text(encoding="utf-8")).settings.get("version", "")

    def path(self, name: str) -> Path | None:
        """Where a table's file is."""
        return self.files.files.get(self._place(name))

    # --- who uses what

    def uses(self, name: str) -> list[Use]:
        """The rules of mappings that name a table."""
        return [
            Use(by=mapping, place=rule.place)
            for mapping, rule in self._rules()
            if rule.code == name or f"={name}#" in _written(rule)
        ]

    def uses_of(self, name: str, word: str) -> list[Use]:
        """The rules that name one code of a table, and the rows of other tables that hold it."""
        named = re.compile(rf"={re.escape(name)}#{re.escape(word)}(?![A-Za-z0-9_-])")
        found = [
            Use(by=mapping, place=rule.place)
            for mapping, rule in self._rules()
            if named.search(_written(rule)) or (rule.code == name and word in (rule.const, rule.default))
        ]
        row = next((row for row in self.tables.table(name).rows if row.exchange == word), None)
        system = row.cells.get("exchange_system", "") if row else ""
        return found + [
            Use(by=other.name, place=each.place)
            for other in self.tables
            if other.name != name
            for each in other.rows
            if (each.exchange == word and system and each.cells.get("exchange_system") == system)
            or (other.name == "document-types" and name == "document-classes" and each.cells.get("class") == word)
        ]

    def _rules(self) -> Iterator[tuple[str, Rule]]:
        for mapping in self.compiled.mappings.mappings.values():
            for rule in mapping.spec.rules:
                yield mapping.name, rule

    # --- official editions

    def plans(
        self, files: Mapping[str, bytes], name: str = "", *, column: str = "", keep: bool = False, force: bool = False
    ) -> list[Plan]:
        """What the editions in these files change, table by table, in order. Raises TerminologyError for what may not be taken."""
        from connector.terminology.difference import meant, older, take
        from connector.terminology.official_files import read_editions
        from connector.terminology.tables import TerminologyError

        known = {identifier for table in self.tables for identifier in table.identifiers}
        alone = len(files) == 1 and not any(raw[:2] == b"\x1f\x8b" and "!" not in file for file, raw in files.items())
        everything = alone or bool(name)
        editions = read_editions(files, lambda found: everything or not known.isdisjoint(found))
        if not editions:
            raise TerminologyError(
                ", ".join(files), "holds no value set of our tables; name one member (package.tgz!member)"
            )
        sheets: dict[str, Sheet] = {}
        plans = []
        for edition in sorted(editions, key=lambda each: each.kind == "ConceptMap"):
            for target in meant(edition, self.tables, name, force=force):
                sheet = sheets.setdefault(target, self.sheet(target))
                difference = take(sheet, edition, self.tables.systems, column=column, keep=keep)
                used = {word: found for word in difference.gone if (found := tuple(self.uses_of(target, word)))}
                is_older = target in self.tables and older(edition, self.tables.table(target))
                if is_older and not force:
                    text = f"{edition.name} of {edition.effective} is older than {target!r} ({self.tables.table(target).effective})"
                    raise TerminologyError(edition.place, f"{text}; --force takes it")
                plans.append(Plan(difference=difference, used=used, older=is_older))
        return plans

    # --- new texts

    def put(self, folder: Path, texts: Mapping[str, str]) -> list[Path]:
        """Let new texts take the place of tables in the site's folder, all of them once they compile with all mappings.

        Raises TerminologyError or MappingErrors, and nothing is written; ValueError for the product's own folder.
        """
        from connector.terminology.tables import TerminologyError

        if folder.resolve() == shipped("terminology").resolve():
            raise ValueError("the product's own tables are never changed")
        new = {self._place(name): text for name, text in texts.items()}
        made = compile_files(msgspec.structs.replace(self.files, terminology=self.files.terminology | new))
        before = set(map(str, self.tables.clashes))
        for clash in made.tables.clashes:
            if str(clash) not in before:
                raise TerminologyError(clash.place, str(clash).removeprefix(f"{clash.place}: "))
        folder.mkdir(parents=True, exist_ok=True)
        return [_replace(folder / f"{name}.csv", text) for name, text in texts.items()]

    def _place(self, name: str) -> str:
        """The key of a table among the files; a site may keep it in a folder below."""
        return next(
            (place for place in self.files.terminology if place.rpartition("/")[2] == f"{name}.csv"),
            f"terminology/{name}.csv",
        )


def _written(rule: Rule) -> str:
    return f"{rule.path or ''} {rule.when or ''}"


def _replace(path: Path, text: str) -> Path:
    """Write beside and rename: whoever reads finds the old table or the new one, whole."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return path
