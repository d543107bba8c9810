"""`connector terminology import`: official tables, their difference first, then taken into the site's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.site import SettingsOption, load_site
from connector.cli.tables import folder_of, loaded, put, refusing
from connector.cli.terminal import Terminal, plain

if TYPE_CHECKING:
    from connector.app.terminologies import Plan

__all__ = ["import_"]

_SHOWN = 200  # lines of a difference for people


def import_(
    ctx: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            help="CodeSystem, ValueSet, ConceptMap or Bundle in JSON, SVS XML, CSV, package.tgz[!member].",
            metavar="FILE…",
        ),
    ],
    table: Annotated[
        str,
        typer.Option(
            "--table", metavar="NAME", help="Table to bring up to date; by default the one that has its OID or URL."
        ),
    ] = "",
    column: Annotated[
        str, typer.Option("--column", metavar="class|hl7|fhir|cda|xds", help="Where the targets of a ConceptMap go.")
    ] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Codes that the file does not hold stay in force.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Take another value set, or an older edition.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes/--dry-run", help="Write the tables, or only tell the difference.")
    ] = False,
    settings: SettingsOption = None,
) -> None:
    """Nothing is written without --yes. The product's own tables are never changed."""
    from connector.terminology.tables import COLUMNS

    terminal: Terminal = ctx.obj
    if column and column not in COLUMNS:
        raise typer.BadParameter(", ".join(COLUMNS), param_hint="--column")
    site = load_site(terminal, settings)
    tables = loaded(terminal, site)
    folder = folder_of(terminal, site, settings) if yes else None
    with refusing(terminal):
        plans = tables.plans(_read(terminal, files), table, column=column, keep=keep, force=force)
    texts = {plan.difference.table: plan.difference.text for plan in plans}
    changed = {name: text for name, text in texts.items() if text != tables.text(name)}
    written = put(terminal, tables, folder, changed) if folder is not None and changed else []
    terminal.result({"tables": [_told(plan) for plan in plans], "written": written}, lambda: _draw(terminal, plans))
    if not yes and changed:
        terminal.say("Nothing was written; --yes takes it into the site's folder.")
    for path in written:
        terminal.say("written: {path}; a running connector reads it at SIGHUP", path=path)


def _read(terminal: Terminal, files: list[str]) -> dict[str, bytes]:
    from connector.terminology.official_files import LARGEST

    found: dict[str, bytes] = {}
    for name in files:
        path = Path(name.partition("!")[0])
        try:
            if path.stat().st_size > LARGEST:
                terminal.refuse([terminal.text("{path}: more than {limit} MB", path=path, limit=LARGEST >> 20)])
            found[name] = path.read_bytes()
        except OSError as error:
            terminal.refuse([terminal.text("{path} cannot be read ({kind})", path=path, kind=type(error).__name__)])
    return found


def _told(plan: Plan) -> dict[str, Any]:
    difference = plan.difference
    return {
        "table": difference.table, "edition": difference.edition, "version": difference.version,
        "new_version": difference.new_version, "older": plan.older, "counts": difference.counts,
        "changes": [each._asdict() for each in difference.changes], "kept": difference.kept, "elsewhere": difference.elsewhere,
        "used": plain(plan.used),
    }  # fmt: skip


def _draw(terminal: Terminal, plans: list[Plan]) -> None:
    for plan in plans:
        difference = plan.difference
        counts = ", ".join(f"{count} {terminal.text(kind)}" for kind, count in difference.counts.items())
        versions = f"{difference.version or '∅'} → {difference.new_version or '∅'}"
        terminal.write(f"{difference.table}: {versions}: {counts or terminal.text('no code changes')}")
        rows = [[terminal.text(each.kind), each.code, each.before, each.after] for each in difference.changes[:_SHOWN]]
        if rows:
            terminal.table(["change", "code", "before", "after"], rows)
        if len(difference.changes) > _SHOWN:
            terminal.say("… and {count} more", count=len(difference.changes) - _SHOWN)
        for code, uses in plan.used.items():
            places = ", ".join(f"{use.by} ({use.place})" for use in uses)
            terminal.say("{code} goes and is still used by {places}", code=code, places=places)
