"""Terminology: CSV text in, tables out, both ways. Pure: the caller reads the files.

A table holds one concept a row. `exchange` is the canonical word; `hl7`, `fhir`, `cda`, `xds` are the codes of the formats: without the
column the code is the same there, with an empty cell the format has no code for it. A cell may hold `a|b` (writes `a`, reads both) or `>a`
(writes `a` only, because another row reads it). `<side>_system` names the code system (an alias of systems.csv, an OID, a URI or an HL7
name); without it the row's `exchange_system` is translated. Lines before the header that begin with `#` hold `version:`, `source:`,
`identifier:` (the value set that the table is: OIDs and URLs between `|`), `effective:` (since when this version) and column defaults
(`hl7_system: MetaDMPMSS`). A row whose `status` is `retired`, or whose `end` has passed, is read and no longer to be written.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

__all__ = [
    "COLUMNS",
    "LOCAL",
    "RETIRED",
    "SETTINGS",
    "SIDES",
    "Clash",
    "Coded",
    "Row",
    "System",
    "Systems",
    "Table",
    "Tables",
    "TerminologyError",
    "closest",
    "load",
    "read_records",
    "stem",
]

SIDES = ("exchange", "hl7", "fhir", "cda", "xds")
#: `status` of a row that is read and no longer written, and of one that is the site's own (an import leaves it alone).
RETIRED, LOCAL = "retired", "local"
SETTINGS = ("version", "source", "identifier", "effective")
COLUMNS = (
    *SIDES,
    *(f"{side}_system" for side in SIDES),
    *("display", "class", "status", "start", "end", "also", "note"),
)
_DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\Z")
_SYSTEM_COLUMNS = ("alias", "title", "oid", "uri", "hl7", "version", "source", "licence")


class TerminologyError(Exception):
    """A mistake in one of our own CSV files; `place` is `file:line`."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place = place
        self.text = text


class Coded(NamedTuple):
    """A code ready for one format: its system is the format's own (URI in FHIR, name in HL7 v2, OID in CDA, XDS and the Exchange)."""

    code: str
    system: str | None
    display: str | None


class Clash(NamedTuple):
    """Two rows that read one code of one side to two concepts; `place` and `other` are `file:line`."""

    place: str
    other: str
    side: str
    code: str

    def __str__(self) -> str:
        return f"{self.place}: {self.side} code {self.code!r} is already read by {self.other}; write `>{self.code}` to write it only"


class System(NamedTuple):
    """A code system: one row of systems.csv. `hl7` are its HL7 v2 names (CWE-3), the first is written."""

    alias: str
    title: str
    oid: str
    uri: str
    hl7: tuple[str, ...]
    place: str


class Systems:
    """Code systems under all their names. The canonical name is the OID when there is one, else the URI, else the alias."""

    def __init__(self, rows: Iterable[System] = ()) -> None:
        self._known: dict[str, System] = {}
        for row in rows:
            for name in dict.fromkeys((row.alias, row.oid, row.oid and f"urn:oid:{row.oid}", row.uri, *row.hl7)):
                if name and self._known.setdefault(name, row) is not row:
                    raise TerminologyError(row.place, f"{name!r} already names the system of {self._known[name].place}")

    def __iter__(self) -> Iterator[System]:
        return iter(dict.fromkeys(self._known.values()))

    def find(self, name: str) -> System | None:
        """The system of any of its names, None when unknown."""
        return self._known.get(name)

    def canonical(self, name: str) -> str:
        """The canonical name of a system given by alias, OID, urn:oid, URI or HL7 name; an unknown one is kept (an OID without its urn)."""
        found = self._known.get(name)
        if found is not None:
            return found.oid or found.uri or found.alias
        return name.removeprefix("urn:oid:")

    def oid(self, name: str) -> str | None:
        """The OID, None when the system has none."""
        found = self._known.get(name)
        if found is not None:
            return found.oid or None
        bare = name.removeprefix("urn:oid:")
        return bare if _is_oid(bare) else None

    def uri(self, name: str) -> str | None:
        """The FHIR system: the URI, else urn:oid; None for an unknown local name."""
        found = self._known.get(name)
        if found is not None:
            return found.uri or (f"urn:oid:{found.oid}" if found.oid else None)
        if _is_oid(name):
            return f"urn:oid:{name}"
        return name if ":" in name else None

    def hl7(self, name: str) -> str:
        """The HL7 v2 name (CWE-3): the first of the row, else its alias; an unknown one as it is."""
        found = self._known.get(name)
        if found is None:
            return name
        return found.hl7[0] if found.hl7 else found.alias

    def for_side(self, side: str, name: str) -> str | None:
        """The name that a format writes: `fhir` the URI, `hl7` the HL7 name, `cda` and `xds` the OID (else as canonical), `exchange` canonical."""
        if side == "fhir":
            return self.uri(name)
        if side == "hl7":
            return self.hl7(name)
        if side == "exchange":
            return self.canonical(name)
        return self.oid(name) or self.canonical(name)


def _is_oid(text: str) -> bool:
    return text[:1].isdigit() and "." in text and text.replace(".", "").isdigit()


class Row(NamedTuple):
    """One concept: its place `file:line`, its canonical word, and the other cells by column."""

    place: str
    exchange: str
    cells: dict[str, str]

    def get(self, column: str) -> str | None:
        """A cell (`class`, `status`…), None when empty."""
        return self.cells.get(column) or None


class Table:
    """One CSV, both ways."""

    def __init__(
        self, name: str, rows: Iterable[Row], systems: Systems, settings: Mapping[str, str] | None = None
    ) -> None:
        said = settings or {}
        self.name = name
        self.version = said.get("version", "")
        self.source = said.get("source", "")
        self.effective = said.get("effective", "")
        self.identifiers = tuple(each for each in said.get("identifier", "").split("|") if each)
        self.rows = tuple(rows)
        #: Word → the day from which it is not to be written any more ("" when it is retired without a day).
        self.ends: dict[str, str] = {}
        self.clashes: list[Clash] = []
        self._read: dict[str, dict[str, str]] = {side: {} for side in SIDES}
        self._read_row: dict[str, dict[str | tuple[str, str], Row]] = {side: {} for side in SIDES}
        self._write: dict[str, dict[str, Coded]] = {side: {} for side in SIDES}
        self._write_row: dict[str, Row] = {}
        for row in self.rows:
            self._add(row, systems)

    def _add(self, row: Row, systems: Systems) -> None:
        if self._write_row.setdefault(row.exchange, row) is row and (row.get("status") == RETIRED or row.get("end")):
            self.ends[row.exchange] = row.cells.get("end", "")
        display = row.get("display")
        for side in SIDES:
            cell = row.exchange if side == "exchange" else row.cells.get(side, row.exchange)
            if not cell:
                continue
            codes = cell.split("|")
            system = row.get(f"{side}_system")
            native = _native(side, system, row.get("exchange_system"), systems)
            self._write[side].setdefault(row.exchange, Coded(codes[0].removeprefix(">"), native, display))
            for code in codes:
                if not code.startswith(">"):
                    self._reads(side, code, native, row)

    def _reads(self, side: str, code: str, system: str | None, row: Row) -> None:
        known = self._read_row[side]
        other = known.setdefault((code, system or ""), row)
        if other is not row:
            self.clashes.append(Clash(row.place, other.place, side, code))
        known.setdefault(code, row)
        self._read[side].setdefault(code, row.exchange)

    def to_exchange(self, side: str, code: str, system: str | None = None) -> str | None:
        """The canonical word of a format's code, None when it is not in the table. `system` tells codes apart that two systems share."""
        if system is None:
            return self._read[side].get(code)
        row = self._read_row[side].get((code, system)) or self._read_row[side].get(code)
        return row.exchange if row else None

    def from_exchange(self, side: str, value: str) -> Coded | None:
        """The code that a format writes for a canonical word, None when the format has none for it."""
        return self._write[side].get(value)

    def row_of(self, side: str, code: str) -> Row | None:
        """The row that reads a format's code (`exchange`: that writes a word), for `explain`."""
        return self._write_row.get(code) if side == "exchange" else self._read_row[side].get(code)

    def reads(self, side: str) -> Mapping[str, str]:
        """Code → canonical word, for compiled closures."""
        return self._read[side]

    def writes(self, side: str) -> Mapping[str, Coded]:
        """Canonical word → code, for compiled closures."""
        return self._write[side]

    def get(self, value: str, column: str) -> str | None:
        """Another cell of a concept (`class` of a document type…), None when the word or the cell is absent."""
        row = self._write_row.get(value)
        return row.get(column) if row else None

    def retired(self, value: str, day: str) -> bool:
        """Whether a word is no longer to be written on a day (ISO date): it is retired, or its end has passed."""
        end = self.ends.get(value)
        return end is not None and end <= day

    def __contains__(self, value: object) -> bool:
        return value in self._write_row

    def __len__(self) -> int:
        return len(self.rows)


def _native(side: str, own: str | None, exchange: str | None, systems: Systems) -> str | None:
    """The name of a row's system in a format: its own column as written when systems.csv does not know it."""
    name = own or exchange
    if name is None:
        return None
    return systems.for_side(side, name) or name


class Tables:
    """Every table of a site."""

    def __init__(self, tables: Mapping[str, Table], systems: Systems) -> None:
        self._tables = dict(tables)
        self.systems = systems

    def table(self, name: str) -> Table:
        """A table by its name (the file's, without `.csv`). Raises KeyError with the nearest name."""
        try:
            return self._tables[name]
        except KeyError:
            raise KeyError(f"no terminology {name!r}{closest(name, self._tables)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[Table]:
        return iter(self._tables.values())

    @property
    def clashes(self) -> list[Clash]:
        """Where two rows read one code to two concepts, over all tables."""
        return [clash for table in self._tables.values() for clash in table.clashes]


def load(files: Mapping[str, str]) -> Tables:
    """Tables from CSV texts by file name; the one called systems.csv is read first. Raises TerminologyError with file and line."""
    systems = Systems()
    for name, text in files.items():
        if stem(name) == "systems":
            systems = Systems(_systems(name, text))
    tables = {stem(name): _table(name, text, systems) for name, text in files.items() if stem(name) != "systems"}
    return Tables(tables, systems)


def stem(name: str) -> str:
    """The name of a table in its file's name."""
    return name.rsplit("/", 1)[-1].removesuffix(".csv")


def closest(word: str, words: Iterable[str]) -> str:
    """`; did you mean 'x'?` or nothing."""
    near = get_close_matches(word, list(words), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def read_records(
    name: str, text: str, columns: tuple[str, ...]
) -> tuple[dict[str, str], list[tuple[int, dict[str, str]]]]:
    """The settings of the lines that begin with `#`, and each record with its line."""
    settings: dict[str, str] = {}
    lines = text.removeprefix("\ufeff").splitlines()
    first = 0
    while first < len(lines) and (not lines[first].strip() or lines[first].startswith("#")):
        key, colon, value = lines[first].lstrip("# ").partition(":")
        if colon and (key in SETTINGS or key in columns):
            settings[key] = value.strip()
        first += 1
    reader = csv.reader(lines[first:], strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise TerminologyError(f"{name}:{first + 1}", "no header line")
        _check_header(f"{name}:{first + 1}", header, columns)
        records = [(first + reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise TerminologyError(f"{name}:{first + reader.line_num}", str(error)) from error
    for line, cells in records:
        if len(cells) != len(header):
            raise TerminologyError(f"{name}:{line}", f"{len(cells)} cells under {len(header)} columns")
    return settings, [(line, dict(zip(header, map(str.strip, cells), strict=True))) for line, cells in records]


def _check_header(place: str, header: list[str], columns: tuple[str, ...]) -> None:
    for column in header:
        if column not in columns:
            raise TerminologyError(place, f"unknown column {column!r}{closest(column, columns)}")
        if header.count(column) > 1:
            raise TerminologyError(place, f"column {column!r} stands twice")
    if columns[0] not in header:
        raise TerminologyError(place, f"missing column {columns[0]!r}")


def _systems(name: str, text: str) -> Iterator[System]:
    _, records = read_records(name, text, _SYSTEM_COLUMNS)
    for line, cells in records:
        place = f"{name}:{line}"
        if not cells["alias"]:
            raise TerminologyError(place, "a system needs an alias")
        hl7 = tuple(each for each in cells.get("hl7", "").split("|") if each)
        yield System(cells["alias"], cells.get("title", ""), cells.get("oid", ""), cells.get("uri", ""), hl7, place)


def _table(name: str, text: str, systems: Systems) -> Table:
    settings, records = read_records(name, text, COLUMNS)
    defaults = {key: value for key, value in settings.items() if key in COLUMNS}
    rows: list[Row] = []
    seen: dict[tuple[str, str], str] = {}
    for line, cells in records:
        place = f"{name}:{line}"
        filled = {column: value for column, value in cells.items() if value or column in SIDES}
        row = Row(place, cells["exchange"], {**defaults, **filled})
        if not row.exchange:
            raise TerminologyError(place, "the exchange column is empty")
        for column in (each for each in row.cells if each.endswith("_system")):
            row.cells[column] = systems.canonical(row.cells[column])
        key = (row.exchange, row.cells.get("exchange_system", ""))
        if (other := seen.setdefault(key, place)) is not place:
            raise TerminologyError(place, f"{row.exchange!r} is already defined by {other}")
        for column in ("start", "end"):
            if (day := row.get(column)) is not None and not _DATE.match(day):
                raise TerminologyError(place, f"{column}: {day!r} is not a day (2026-12-31)")
        rows.append(row)
    return Table(stem(name), rows, systems, settings)
