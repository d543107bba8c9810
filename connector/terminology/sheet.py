"""A table's CSV as it is written: its first lines, its columns, its rows; changed in memory and told as text again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from connector.terminology.tables import COLUMNS, RETIRED, SETTINGS, SIDES, Systems, read_records, stem

__all__ = ["Sheet"]

_COMMENT = "#"


class Sheet:
    """`settings` are the lines `# name: value`, `remarks` the other lines that begin with `#`, `rows` the cells by column."""

    def __init__(self, name: str, text: str = "") -> None:
        self.name = stem(name)
        self.settings: dict[str, str] = {}
        self.header = ["exchange", "exchange_system", "display"]
        self.rows: list[dict[str, str]] = []
        self.remarks: list[str] = []
        if text:
            self.settings, records = read_records(name, text, COLUMNS)
            self.rows = [cells for _, cells in records]
            lines = text.removeprefix("\ufeff").splitlines()
            first = next(number for number, line in enumerate(lines) if line.strip() and not line.startswith(_COMMENT))
            self.header = [cell.strip() for cell in next(csv.reader([lines[first]]))]
            self.remarks = [line for line in lines[:first] if line.startswith(_COMMENT) and not self._is_setting(line)]

    def text(self) -> str:
        """The CSV, lines ended by LF."""
        order = (*SETTINGS, *(name for name in self.settings if name not in SETTINGS))
        out = io.StringIO()
        for name in order:
            if self.settings.get(name):
                out.write(f"# {name}: {self.settings[name]}\n")
        for remark in self.remarks:
            out.write(remark + "\n")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows([row.get(column, "") for column in self.header] for row in self.rows)
        return out.getvalue()

    def column(self, name: str) -> None:
        """Make sure of a column. One of a format begins with the code that every row had without it, the canonical word."""
        if name in self.header:
            return
        before = [each for each in COLUMNS[: COLUMNS.index(name)] if each in self.header]
        self.header.insert(self.header.index(before[-1]) + 1 if before else len(self.header), name)
        for row in self.rows:
            row[name] = row["exchange"] if name in SIDES else ""

    def put(self, row: dict[str, str], **cells: str) -> None:
        """Fill cells of a row; the columns are added where they are needed."""
        for name, value in cells.items():
            if value or name in self.header:
                self.column(name)
                row[name] = value

    def add(self, code: str, system: str, display: str, **cells: str) -> dict[str, str]:
        """A new row at the end: the formats that have a column of their own take the code as it is."""
        row = dict.fromkeys(self.header, "")
        row |= {side: code for side in SIDES if side in self.header}
        self.rows.append(row)
        self.put(row, exchange=code, exchange_system=system, display=display, **cells)
        return row

    def find(self, word: str) -> Iterator[dict[str, str]]:
        """The rows of a canonical word."""
        return (row for row in self.rows if row["exchange"] == word)

    def system_of(self, row: dict[str, str], systems: Systems) -> str:
        """The canonical name of a row's system, empty when it has none."""
        name = row.get("exchange_system") or self.settings.get("exchange_system", "")
        return systems.canonical(name) if name else ""

    def in_force(self, row: dict[str, str]) -> bool:
        """Whether the row is not marked as retired."""
        return row.get("status") != RETIRED

    def _is_setting(self, line: str) -> bool:
        return line.lstrip("# ").partition(":")[0] in self.settings
