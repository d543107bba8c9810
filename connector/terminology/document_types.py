"""National document types typed ahead: what a person who files a document is proposed (JDV_J07, its class of ASS_X04, whether the DMP takes it)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connector.terminology.tables import Row, Tables
from connector.terminology.words import Index, words_of

__all__ = ["DocumentType", "DocumentTypes"]

#: Short forms of labels that people type out, and the other way round.
_SHORT = {"CR": "Compte rendu", "RCP": "Réunion de concertation pluridisciplinaire"}


#: Types that professionals exchange most: first among those that answer equally well.
_COMMON = (
    "57833-6", "11488-4", "11490-0", "96349-6", "11502-2", "18748-4", "34112-3", "60591-5", "85208-7", "75496-0", "34794-8",
    "51851-4", "57828-6",
)  # fmt: skip


class DocumentType(msgspec.Struct, frozen=True, kw_only=True):
    """A type to choose. `system` is the OID, `class_code` the document class; `dmp`: whether the DMP takes it, None when no table says
    so; `recent`: used lately; `matched`: the other name by which it was found."""

    code: str
    system: str
    label: str
    class_code: str | None
    class_label: str | None
    dmp: bool | None
    recent: bool = False
    matched: str | None = None


class DocumentTypes:
    """The types of a site's tables that may be chosen on a day (ISO date), in memory."""

    def __init__(self, tables: Tables, day: str) -> None:
        table = tables.table("document-types")
        classes = tables.table("document-classes")
        dmp = tables.table("document-types-dmp") if "document-types-dmp" in tables else None
        rows = [
            row
            for row in table.rows
            if row.get("display") and not table.retired(row.exchange, day) and row.cells.get("start", "") <= day
        ]
        self._types = [
            DocumentType(
                code=row.exchange,
                system=row.cells.get("exchange_system", ""),
                label=row.cells["display"],
                class_code=row.get("class"),
                class_label=classes.get(row.cells.get("class", ""), "display"),
                dmp=None if dmp is None else row.exchange in dmp and not dmp.retired(row.exchange, day),
            )
            for row in rows
        ]
        self._names: list[tuple[int, str, bool]] = []
        for number, each in enumerate(self._types):
            self._names += [(number, name, False) for name in (each.label, *_written_out(each.label))]
            self._names += [(number, name, True) for name in _also(rows[number])]
        texts = (f"{name} {self._types[number].code}" for number, name, _ in self._names)
        self._index = Index(enumerate(texts))
        common = {code: rank for rank, code in enumerate(_COMMON)}
        self._order = [(common.get(each.code, len(common)), words_of(each.label)) for each in self._types]

    def propose(self, query: str, recent: Sequence[str] = (), limit: int = 20) -> list[DocumentType]:
        """The types that answer to what was typed, those used lately first (`recent`: their codes, latest first), then the nearest.

        Nothing typed: those used lately, then the others.
        """
        lately = {code: rank for rank, code in reversed(list(enumerate(recent)))}
        found = self._found(query)
        never = len(lately)

        def order(number: int) -> tuple[int, int, tuple[int, list[str]]]:
            return lately.get(self._types[number].code, never), found[number][0], self._order[number]

        return [
            msgspec.structs.replace(
                self._types[number], recent=self._types[number].code in lately, matched=found[number][1]
            )
            for number in sorted(found, key=order)[:limit]
        ]

    def _found(self, query: str) -> dict[int, tuple[int, str | None]]:
        """Type → how far from what was typed, and the other name that was nearer than the label."""
        if not words_of(query):
            return dict.fromkeys(range(len(self._types)), (0, None))
        best: dict[int, tuple[int, str | None]] = {}
        for place, far in sorted(self._index.find(query).items()):  # the label comes before the other names
            number, name, other = self._names[place]
            if number not in best or far < best[number][0]:
                best[number] = (far, name if other else None)
        return best


def _also(row: Row) -> tuple[str, ...]:
    return tuple(name for name in row.cells.get("also", "").split("|") if name)


def _written_out(label: str) -> list[str]:
    return [label.replace(short, whole, 1) for short, whole in _SHORT.items() if short in label.split()]
