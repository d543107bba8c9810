"""What an official edition changes in a table: told first, row by row, then taken into the table's text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from connector.terminology.edition import Edition, Mapped, Official
from connector.terminology.sheet import Sheet
from connector.terminology.tables import LOCAL, RETIRED, Systems, Table, Tables, TerminologyError

__all__ = ["Change", "Difference", "meant", "older", "same_value_set", "take"]


class Change(NamedTuple):
    """`kind`: added, relabelled, dated, retired (the edition says so), removed (the edition has it no more), restored, mapped."""

    kind: str
    code: str
    system: str
    before: str
    after: str


class Difference(NamedTuple):
    """What changes in one table, and the table's text once it is taken. `kept`: rows of the site's own; `elsewhere`: codes of the
    edition in a system that the table is not about."""

    table: str
    edition: str
    version: str
    new_version: str
    changes: tuple[Change, ...]
    kept: int
    elsewhere: int
    text: str

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return dict(Counter(change.kind for change in self.changes))

    @property
    def gone(self) -> list[str]:
        """The words that are no longer to be written."""
        return [change.code for change in self.changes if change.kind in ("retired", "removed")]


def same_value_set(edition: Edition, identifiers: Iterable[str]) -> bool:
    """Whether an edition says that it is this table: an OID or URL in common."""
    return not set(edition.identifiers).isdisjoint(identifiers)


def meant(edition: Edition, tables: Tables, name: str = "", *, force: bool = False) -> list[str]:
    """The names of the tables that an edition is for. `name`: this one, which may be new; another value set is refused unless forced."""
    known: list[Table] = [table for table in tables if same_value_set(edition, table.identifiers)]
    if not name:
        if not known:
            said = ", ".join(edition.identifiers) or "no OID, no URL"
            raise TerminologyError(
                edition.place, f"no table is this value set ({edition.name}: {said}); name one with --table"
            )
        return [table.name for table in known]
    if name in tables and edition.identifiers and name not in [table.name for table in known] and not force:
        said = ", ".join(tables.table(name).identifiers) or "of no official value set"
        text = f"{edition.name} ({', '.join(edition.identifiers)}) is not the value set of {name!r} ({said}); --force takes it"
        raise TerminologyError(edition.place, text)
    return [name]


def older(edition: Edition, table: Table) -> bool:
    """Whether the edition was published before the table's own version."""
    return bool(edition.effective and table.effective and edition.effective < table.effective)


def take(sheet: Sheet, edition: Edition, systems: Systems, *, column: str = "", keep: bool = False) -> Difference:
    """The difference that an edition makes; the sheet is changed. `column`: where a map's targets go; `keep`: missing codes stay in force."""
    version = sheet.settings.get("version", "")
    if edition.kind == "ConceptMap":
        changes = list(_map(sheet, edition, systems, column or _column(sheet, edition, systems)))
        kept = elsewhere = 0
        new_version = version
    else:
        changes, elsewhere = _concepts(sheet, edition, systems, keep=keep)
        kept = sum(row.get("status") == LOCAL for row in sheet.rows)
        new_version = f"{edition.name} {edition.effective or edition.version}".strip()
        known = [each for each in sheet.settings.get("identifier", "").split("|") if each]
        sheet.settings |= {
            "version": new_version,
            "source": edition.source,
            "identifier": "|".join(dict.fromkeys((*known, *edition.identifiers))),
            "effective": edition.effective,
        }
    return Difference(sheet.name, edition.place, version, new_version, tuple(changes), kept, elsewhere, sheet.text())


def _concepts(sheet: Sheet, edition: Edition, systems: Systems, *, keep: bool) -> tuple[list[Change], int]:
    own = sheet.settings.get("exchange_system", "")
    about = systems.canonical(own) if own else ""
    rows = {(row["exchange"], sheet.system_of(row, systems)): row for row in sheet.rows}
    changes: list[Change] = []
    met: set[tuple[str, str]] = set()
    elsewhere = 0
    for each in edition.concepts:
        system = systems.canonical(each.system) if each.system else about
        if about and system != about:
            elsewhere += 1
            continue
        key = (each.code, system)
        met.add(key)
        if (row := rows.get(key)) is None:
            sheet.add(each.code, "" if about else _alias(system, systems), each.display, **_life(each))
            changes.append(Change("added", each.code, system, "", each.display))
        else:
            changes += _changed(sheet, row, each, system)
    if edition.whole and not keep:
        for key, row in rows.items():
            if key not in met and row.get("status") not in (LOCAL, RETIRED):
                sheet.put(row, status=RETIRED, end=row.get("end") or edition.effective)
                changes.append(Change("removed", *key, row.get("display", ""), ""))
    return changes, elsewhere


def _changed(sheet: Sheet, row: dict[str, str], each: Official, system: str) -> Iterator[Change]:
    label = row.get("display", "")
    if each.display and each.display != label:
        yield Change("relabelled", each.code, system, label, each.display)
        sheet.put(row, display=each.display)
    was = (row.get("start", ""), row.get("end", ""), row.get("status", ""))
    now = (each.start or was[0], each.end, RETIRED if each.retired else "")
    if was == now:
        return
    if now[2] != was[2]:
        yield Change("retired" if each.retired else "restored", each.code, system, was[1], each.end)
    else:
        yield Change("dated", each.code, system, " – ".join(was[:2]).strip(), " – ".join(now[:2]).strip())
    sheet.put(row, start=now[0], end=now[1], status=now[2])


def _life(each: Official) -> dict[str, str]:
    return {"start": each.start, "end": each.end, "status": RETIRED if each.retired else ""}


def _alias(system: str, systems: Systems) -> str:
    found = systems.find(system)
    return found.alias if found else system


def _column(sheet: Sheet, edition: Edition, systems: Systems) -> str:
    """Where a map's targets go: the format whose system they are of, else the class of the table."""
    target = next((each.target_system for each in edition.mapped if each.target_system), "")
    for name in sheet.settings.keys() | set(sheet.header):
        side = name.removesuffix("_system")
        if (
            side != name
            and side != "exchange"
            and systems.canonical(sheet.settings.get(name, "")) == systems.canonical(target)
        ):
            return side
    if "class" in sheet.header:
        return "class"
    raise TerminologyError(
        edition.place, f"a map to {target or 'codes without a system'}: say with --column where it goes"
    )


def _map(sheet: Sheet, edition: Edition, systems: Systems, column: str) -> Iterator[Change]:
    wanted: dict[tuple[str, str], Mapped] = {}
    for each in edition.mapped:
        wanted[each.code, systems.canonical(each.system) if each.system else ""] = each
    for row in list(sheet.rows):
        system = sheet.system_of(row, systems)
        line = wanted.get((row["exchange"], system)) or wanted.get((row["exchange"], ""))
        before = row.get(column, "")
        if line is not None and before.split("|")[0] != line.target:
            sheet.put(row, **{column: line.target})
            yield Change("mapped", row["exchange"], system, before, line.target)
