"""A code looked for in every table, by code or label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from connector.terminology.tables import SIDES, Row, Table
from connector.terminology.words import Index, words_of

__all__ = ["Found", "Shown", "search", "show"]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A concept that answers to what was looked for."""

    terminology: str
    code: str
    system: str
    label: str
    status: str = ""
    end: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A concept in every format: `codes` side → what is written there (code, system); `reads` side → every code that is read as it."""

    code: str
    label: str
    codes: dict[str, tuple[str, str | None]]
    reads: dict[str, tuple[str, ...]]
    cells: dict[str, str]
    place: str


def search(tables: Iterable[Table], query: str, limit: int = 50) -> list[Found]:
    """The concepts in which every word begins as one that was typed; when there is none, those with a letter off. The code itself first."""
    wanted = words_of(query)
    if not wanted:
        return []
    rows = [(table, row) for table in tables for row in table.rows]
    found = [pair for pair in rows if _holds(pair[1], wanted)]
    if not found:
        near = Index((number, _text(row)) for number, (_, row) in enumerate(rows)).find(query)
        found = [rows[number] for number in sorted(near, key=lambda number: (near[number], number))]
    else:
        typed = query.strip().lower()
        found.sort(key=lambda pair: (typed not in _codes(pair[1]), words_of(_label(pair[1]))[:1] != wanted[:1]))
    return [_told(table, row) for table, row in found[:limit]]


def show(table: Table, word: str) -> list[Shown]:
    """The rows of a word or of a code of any format: the word's own, else those that read the code."""
    rows = [row for row in table.rows if row.exchange == word]
    return [_shown(table, row) for row in rows or [row for row in table.rows if word.lower() in _codes(row)]]


def _shown(table: Table, row: Row) -> Shown:
    codes: dict[str, tuple[str, str | None]] = {}
    reads: dict[str, tuple[str, ...]] = {}
    for side in SIDES[1:]:
        if (coded := table.from_exchange(side, row.exchange)) is not None:
            codes[side] = (coded.code, coded.system)
        read = tuple(code for code in table.reads(side) if table.row_of(side, code) is row)
        if read:
            reads[side] = read
    extra = {name: value for name, value in row.cells.items() if value and name not in (*SIDES, "display")}
    return Shown(code=row.exchange, label=_label(row), codes=codes, reads=reads, cells=extra, place=row.place)


def _holds(row: Row, wanted: list[str]) -> bool:
    words = words_of(_text(row))
    return all(any(word.startswith(typed) for word in words) for typed in wanted)


def _text(row: Row) -> str:
    return " ".join((row.exchange, *_all(row, (*SIDES[1:], "display", "also"))))


def _all(row: Row, columns: Iterable[str]) -> Iterator[str]:
    return (row.cells[name] for name in columns if row.cells.get(name))


def _codes(row: Row) -> set[str]:
    cells = (row.exchange, *_all(row, SIDES[1:]))
    return {code.removeprefix(">").lower() for cell in cells for code in cell.split("|")}


def _label(row: Row) -> str:
    return row.cells.get("display", "")


def _told(table: Table, row: Row) -> Found:
    return Found(
        terminology=table.name,
        code=row.exchange,
        system=row.cells.get("exchange_system", ""),
        label=_label(row),
        status=row.cells.get("status", ""),
        end=row.cells.get("end", ""),
    )
