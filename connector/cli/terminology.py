"""`connector terminology`: find a code, see what it becomes, keep tables up to date, settle codes that had no translation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.journal import DataOption, change, opened_records, site_of
from connector.cli.site import SettingsOption, load_site
from connector.cli.tables import folder_of, loaded, put, refusing
from connector.cli.terminal import Terminal, plain

if TYPE_CHECKING:
    from connector.settings import Settings
    from connector.store.tasks import Task

__all__ = ["register"]

TableOption = Annotated[str, typer.Option("--table", metavar="NAME", help="Only this table.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")]


def register(app: typer.Typer) -> None:
    """Add the verb and its own verbs."""
    from connector.cli.terminology_import import import_

    verb = typer.Typer(
        help="Find codes, bring tables up to date, settle codes without a translation.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    verb.command("search", help="Find codes in every table, by code or words of the label.")(search)
    verb.command("show", help="Show a table with its version and who uses it, or one code in every format.")(show)
    verb.command("types", help="Propose national document types for the beginning of a name, recent ones first.")(types)
    verb.command(
        "import", help="Take official tables: FHIR JSON, IHE SVS XML, CSV, package. Tells the difference first."
    )(import_)
    verb.command("tasks", help="List the codes that were met without a translation.")(tasks)
    verb.command("settle", help="Give such a code its translation, or ignore it.")(settle)
    app.add_typer(verb, name="terminology")


def search(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(help="Code or beginnings of words, in any order.", metavar="WORDS…")],
    table: TableOption = "",
    limit: LimitOption = 50,
    settings: SettingsOption = None,
) -> None:
    """Accents and capitals are forgiven, and a letter when nothing answers exactly."""
    from connector.terminology.finding import search as search_tables

    terminal: Terminal = ctx.obj
    tables = loaded(terminal, load_site(terminal, settings)).tables
    chosen = [_table(terminal, tables, table)] if table else list(tables)
    found = search_tables(chosen, " ".join(words), limit)
    rows = [[each.terminology, each.code, each.label, terminal.text(each.status), each.end] for each in found]
    terminal.result(found, lambda: terminal.table(["table", "code", "label", "state", "end"], rows))
    if not found:
        raise typer.Exit(1)


def _table(terminal: Terminal, tables: Any, name: str) -> Any:
    try:
        return tables.table(name)
    except KeyError as error:
        terminal.refuse([str(error.args[0])])


def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the table.", metavar="TABLE")],
    code: Annotated[str, typer.Argument(help="One code of it, ours or that of a format.", metavar="CODE")] = "",
    settings: SettingsOption = None,
) -> None:
    """What a code becomes in each format; who names the table."""
    from connector.terminology.finding import show as show_code

    terminal: Terminal = ctx.obj
    site = loaded(terminal, load_site(terminal, settings))
    table = _table(terminal, site.tables, name)
    if not code:
        with refusing(terminal):
            uses = site.uses(name)
        told = {
            "table": name, "version": table.version, "effective": table.effective, "source": table.source,
            "identifiers": table.identifiers, "rows": len(table), "retired": len(table.ends), "file": str(site.path(name) or ""), "product_version": site.shipped_version(name),
            "used_by": uses,
        }  # fmt: skip
        terminal.result(told, lambda: _draw(terminal, {**told, "used_by": _places(told["used_by"])}))
        return
    shown = show_code(table, code)
    if not shown:
        from connector.terminology.tables import closest

        near = closest(code, [row.exchange for row in table.rows])
        terminal.refuse([terminal.text("{code} is not in table {table}{near}", code=code, table=name, near=near)])
    with refusing(terminal):
        result = [{**plain(each), "used_by": plain(site.uses_of(name, each.code))} for each in shown]
    terminal.result(result, lambda: _draw_all(terminal, result))


def _draw_all(terminal: Terminal, shown: list[dict[str, Any]]) -> None:
    for each in shown:
        _draw(terminal, _flat(each))


def _flat(each: dict[str, Any]) -> dict[str, Any]:
    codes = {side: " ".join(filter(None, pair)) for side, pair in each["codes"].items()}
    reads = {f"{side} (read)": ", ".join(read) for side, read in each["reads"].items()}
    used = [f"{use['by']} ({use['place']})" for use in each["used_by"]]
    return {"code": each["code"], "label": each["label"], **codes, **reads, **each["cells"], "used_by": "\n".join(used)}


def _places(uses: Any) -> str:
    return "\n".join(f"{use.by} ({use.place})" for use in uses)


def _draw(terminal: Terminal, facts: dict[str, Any]) -> None:
    rows = [[name, ", ".join(value) if isinstance(value, tuple) else str(value)] for name, value in facts.items()]
    terminal.table(["what", "value"], [row for row in rows if row[1]])


def types(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="What was typed so far.", metavar="TEXT")] = "",
    account: Annotated[str, typer.Option("--account", help="Recent ones of this mailbox or identifier only.")] = "",
    limit: LimitOption = 20,
    settings: SettingsOption = None,
    data: DataOption = None,
) -> None:
    """Types of JDV_J07 with their class, and whether the DMP takes them."""
    from connector.engine.clock import SystemClock
    from connector.terminology.document_types import DocumentTypes

    terminal: Terminal = ctx.obj
    site = site_of(terminal, settings, data)
    known = DocumentTypes(loaded(terminal, site).tables, SystemClock().now()[:10])
    found = known.propose(query, _recent(site, account), limit)
    rows = [
        [
            each.code,
            each.label,
            each.matched or "",
            each.class_label or "",
            _yes(terminal, each.dmp),
            _yes(terminal, each.recent),
        ]
        for each in found
    ]
    terminal.result(found, lambda: terminal.table(["code", "label", "also called", "class", "DMP", "recent"], rows))
    if not found:
        raise typer.Exit(1)


def _yes(terminal: Terminal, value: bool | None) -> str:
    return "" if value is None else terminal.text("yes") if value else terminal.text("no")


def _recent(site: Settings, account: str) -> list[str]:
    from connector.app import Records

    try:
        records = Records(site)
    except FileNotFoundError:
        return []
    try:
        return records.recent_types(account)
    finally:
        records.close()


def tasks(
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Those settled or ignored too.")] = False,
    settings: SettingsOption = None,
    data: DataOption = None,
) -> None:
    """A code that the tables translate by now is no longer listed."""
    from connector.terminology.settling import settled

    terminal: Terminal = ctx.obj
    tables = loaded(terminal, site_of(terminal, settings, data)).tables
    with opened_records(terminal, settings, data) as records:
        found = records.tasks()
    told = [{**plain(each), "settled": settled(each, tables)} for each in found]
    if not everything:
        told = [each for each in told if not each["settled"] and not each["ignored"]]
    rows = [
        [str(each["id"]), each["terminology"], f"{each['way']} {each['side']}", each["code"], each["system"], str(each["seen"]),
         each["last_seen"], str(each["message_id"])]
        for each in told
    ]  # fmt: skip
    columns = ["id", "table", "direction", "code", "system", "times", "last", "message"]
    terminal.result(told, lambda: terminal.table(columns, rows))


def settle(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(help="Id of the task.", metavar="ID")],
    to: Annotated[
        str, typer.Option("--to", metavar="CODE", help="Its translation: our word, or the code of the format.")
    ] = "",
    label: Annotated[str, typer.Option("--label", help="Label of a word that the table does not hold yet.")] = "",
    ignore: Annotated[bool, typer.Option("--ignore", help="List it no more.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; write nothing.")] = False,
    settings: SettingsOption = None,
    data: DataOption = None,
) -> None:
    """The row is written into the site's own table; the difference is shown."""
    terminal: Terminal = ctx.obj
    if bool(to) == ignore:
        raise typer.BadParameter(terminal.text("one of the two: --to CODE, or --ignore"))
    with opened_records(terminal, settings, data) as records:
        task = next((each for each in records.tasks() if each.id == number), None)
    if task is None:
        terminal.refuse([terminal.text("no task {number}", number=number)])
    if ignore:
        site = site_of(terminal, settings, data)
        asked = [(f"/api/terminology/tasks/{number}/ignore", "ignored")]
        count = change(terminal, site, "write", asked, "ignore_task", (number, True))
        terminal.result({"ignored": count}, lambda: terminal.say("task {number} is ignored", number=number))
        return
    _translate(terminal, task, to, label, settings, write=not dry_run)


def _translate(terminal: Terminal, task: Task, to: str, label: str, settings: Path | None, *, write: bool) -> None:
    from difflib import unified_diff

    from connector.terminology.settling import settle as settle_task

    site = load_site(terminal, settings)
    tables = loaded(terminal, site)
    folder = folder_of(terminal, site, settings)
    sheet = tables.sheet(task.terminology)
    before = sheet.text()
    with refusing(terminal):
        settle_task(sheet, _table(terminal, tables.tables, task.terminology), task, to, label)
    name = f"{task.terminology}.csv"
    lines = list(unified_diff(before.splitlines(), sheet.text().splitlines(), name, name, lineterm="", n=1))
    written = put(terminal, tables, folder, {task.terminology: sheet.text()}) if write else []
    terminal.result({"difference": lines, "written": written}, lambda: terminal.write("\n".join(lines)))
    for path in written:
        terminal.say("written: {path}; a running connector reads it at SIGHUP", path=path)
