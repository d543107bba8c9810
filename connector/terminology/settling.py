"""A code that was met without a translation gets one: the row is written into the table's text."""

from __future__ import annotations

from typing import Protocol

from connector.terminology.sheet import Sheet
from connector.terminology.tables import LOCAL, Table, Tables, TerminologyError, closest

__all__ = ["Met", "settle", "settled"]


class Met(Protocol):
    """What is known of such a code (a task of the journal, an `Untranslated`)."""

    @property
    def terminology(self) -> str: ...
    @property
    def way(self) -> str: ...
    @property
    def side(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def code(self) -> str: ...


def settled(met: Met, tables: Tables) -> bool:
    """Whether the tables translate it by now."""
    if not met.code or met.terminology not in tables:
        return False
    table = tables.table(met.terminology)
    if met.way == "write":
        return table.from_exchange(met.side, met.code) is not None
    native = tables.systems.for_side(met.side, met.system) if met.system else None
    return table.to_exchange(met.side, met.code, native) is not None


def settle(sheet: Sheet, table: Table, met: Met, to: str, label: str = "") -> None:
    """Write the translation: a code that was read is `to` in our words; a word that could not be written is `to` in the format.

    A word that the table does not hold is added when it has a `label`. TerminologyError says what is wrong with `to`.
    """
    if not met.code:
        raise TerminologyError(
            sheet.name, "what stood there is no code: it can only be corrected by its sender, or ignored"
        )
    if not to or "|" in to or to[0] == ">" or any(letter.isspace() for letter in to):
        raise TerminologyError(sheet.name, "a code has no blank, no '|' and no leading '>'")
    word = met.code if met.way == "write" else to
    row = next(sheet.find(word), None)
    if row is None:
        if not label:
            near = closest(word, [each.exchange for each in table.rows])
            raise TerminologyError(sheet.name, f"{word!r} is not a word of this table{near}; --label adds it")
        row = sheet.add(word, met.system, label, status=LOCAL)
        sheet.put(row, **{met.side: met.code if met.way == "read" else to})
    elif met.way == "read":
        sheet.column(met.side)
        sheet.put(row, **{met.side: "|".join(filter(None, (row[met.side], met.code)))})
    else:
        reader = table.to_exchange(met.side, to)
        sheet.put(row, **{met.side: to if reader in (None, word) else f">{to}"})
