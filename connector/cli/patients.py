"""`connector identity check`: a number or address read back; `connector patient search|show`: the patient index and the PDQm server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.journal import DataOption, opened_records, site_of
from connector.cli.site import SettingsOption
from connector.cli.terminal import Terminal

if TYPE_CHECKING:
    from connector.app.patients import Person
    from connector.exchange.decoding import Decoded
    from connector.settings import Settings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    identity = typer.Typer(
        help="Read national numbers and addresses back.", no_args_is_help=True, rich_markup_mode=None
    )
    identity.callback()(_identity)  # with one verb of its own it would become that verb
    identity.command("check", help="Say what an INS, RPPS, ADELI, FINESS, SIREN, SIRET or secure address is, and what is wrong with it.")(
        check
    )  # fmt: skip
    app.add_typer(identity, name="identity")
    patient = typer.Typer(help="The patient index.", no_args_is_help=True, rich_markup_mode=None)
    patient.command("search", help="Find patients by name and birth date, or by number, here and on the PDQm server.")(
        search
    )
    patient.command("show", help="Show one record of the index, with what was merged into it.")(show)
    app.add_typer(patient, name="patient")


def _identity() -> None:
    """National numbers and addresses."""


def check(
    ctx: typer.Context,
    values: Annotated[list[str], typer.Argument(help="Numbers or addresses.", metavar="VALUE...")],
    kind: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="INS|RPPS|ADELI|FINESS|SIREN|SIRET|IDNPS|IDNST|MSSANTE|PATIENT",
            help="Take it as this kind.",
        ),
    ] = "",
) -> None:
    """Exit code 1 when one is wrong; a check digit of RPPS, FINESS and their kin only warns. Nothing is looked up anywhere."""
    from connector.engine.clock import SystemClock
    from connector.exchange.decoding import KINDS, decode
    from connector.issues import Severity, worst

    terminal: Terminal = ctx.obj
    if kind and kind.upper() not in KINDS:
        raise typer.BadParameter(", ".join(KINDS), param_hint="--as")
    found = [decode(value, kind.upper() or None) for value in values]
    told = [_told(each, terminal.language, SystemClock().now()) for each in found]
    terminal.result(told, lambda: _draw(terminal, told))
    if any(worst(each.issues) >= Severity.ERROR for each in found):
        raise typer.Exit(1)


def _told(found: Decoded, language: str, today: str) -> dict[str, Any]:
    import msgspec

    from connector.exchange.decoding import sentence

    facts = msgspec.to_builtins(found.ins) if found.ins is not None else None
    return {
        "kind": found.kind or None,
        "number": found.number,
        "written": found.written,
        "ins": facts,
        "sentence": sentence(found.ins, language, today) if found.ins is not None else None,
        "others": list(found.others),
        "issues": [
            {"severity": each.severity.name.lower(), "code": each.code, "text": each.text(language)}
            for each in found.issues
        ],
    }


def _draw(terminal: Terminal, told: list[dict[str, Any]]) -> None:
    rows = []
    for each in told:
        parts = [each["sentence"] or ""]
        if each["ins"]:
            parts.append(terminal.text("key {key}", key=each["ins"]["key"]))
        if each["written"]:
            parts.append(terminal.text("PS_IdNat or Struct_IdNat: {written}", written=each["written"]))
        if each["others"]:
            parts.append(terminal.text("or {others} (--as)", others=", ".join(each["others"])))
        parts += [
            terminal.text("{severity}: {text}", severity=terminal.text(issue["severity"]), text=issue["text"])
            for issue in each["issues"]
        ]
        rows.append([each["kind"] or "?", each["number"], "\n".join(part for part in parts if part)])
    terminal.table(["kind", "number", "what it says"], rows)


def search(
    ctx: typer.Context,
    family: Annotated[
        str, typer.Option("--family", help="Beginning of a family name; accents and case do not count.")
    ] = "",
    given: Annotated[str, typer.Option("--given", help="Beginning of a given name.")] = "",
    birthdate: Annotated[
        str, typer.Option("--birthdate", metavar="YYYY-MM-DD", help="Birth date, or its beginning.")
    ] = "",
    identifier: Annotated[
        str, typer.Option("--identifier", metavar="[OID|]NUMBER", help="A number, with its domain in front or in any.")
    ] = "",
    page: Annotated[int, typer.Option("--page", min=1, help="Which page.")] = 1,
    settings: SettingsOption = None,
    data: DataOption = None,
) -> None:
    """A family name and one thing more, or a number. Patients are shown: this is what was asked for."""
    from connector.app.patients import REFUSALS, Query

    terminal: Terminal = ctx.obj
    query = Query(family=family, given=given, birth_date=birthdate, identifier=identifier, page=page)
    if (refusal := query.refusal()) is not None:
        terminal.refuse([REFUSALS[refusal][0 if terminal.language == "fr" else 1]])
    site = site_of(terminal, settings, data)
    with opened_records(terminal, settings, data) as records:
        answer = asyncio.run(_asked(site, records.patients, query))
    terminal.result(_plain(answer), lambda: _list(terminal, answer))


async def _asked(site: Settings, known: Any, query: Any) -> Any:
    from connector.app.compiled import compile_site, site_context
    from connector.app.patients import PatientSearch, directory, patient_reader
    from connector.engine.clock import SystemClock

    def reader() -> Any:
        compiled = compile_site(site)
        return patient_reader(compiled.translator, site_context(site, compiled.tables)(SystemClock().now()))

    searching = PatientSearch(known, directory(site, "pdqm"), reader)
    try:
        return await searching.search(query)
    finally:
        await searching.close()


def _list(terminal: Terminal, answer: Any) -> None:
    terminal.table(
        ["id", "name", "born", "sex", "identifiers", "known by"], [_row(terminal, each) for each in answer.patients]
    )
    for server in answer.servers:
        if server["state"] != "answered":
            terminal.note("{name} did not answer: {reason}", **server)
    if answer.more:
        terminal.note("there are more; --page shows the next ones")


def _row(terminal: Terminal, each: Person) -> list[str]:
    names = [" ".join(filter(None, [name.family, *name.given])) for name in each.names]
    numbers = [
        f"{found.system or found.authority or '?'}|{found.value}" for found in each.identifiers if found.end is None
    ]
    known = list(each.origins)
    if each.merged_into is not None:
        known.append(
            terminal.text("merged into {record} by message {message}", record=each.merged_into, message=each.merged_by)
        )
    return [
        str(each.record or ""),
        "\n".join(names),
        each.birth_date or "",
        each.sex or "",
        "\n".join(numbers),
        "\n".join(known),
    ]


def show(
    ctx: typer.Context,
    record: Annotated[int, typer.Argument(help="Number of the record (patient search).", metavar="ID")],
    settings: SettingsOption = None,
    data: DataOption = None,
) -> None:
    """Identifiers with their ends, identity status, DMP, who said it and when, merges."""
    from connector.app.patients import person

    terminal: Terminal = ctx.obj
    with opened_records(terminal, settings, data) as records:
        found = records.patients.show(record)
        if found is None:
            terminal.refuse([terminal.text("no record {record}", record=record)])
        absorbed = list(records.patients.absorbed(record))
    told = {**_plain(person(found)), "updated": found.updated, "identity": found.identity, "absorbed": absorbed}
    terminal.result(told, lambda: _show(terminal, told))


def _show(terminal: Terminal, told: dict[str, Any]) -> None:
    rows = []
    for name, value in told.items():
        if value in (None, [], {}):
            continue
        text = "\n".join(map(_line, value)) if isinstance(value, list) else _line(value)
        rows.append([name, text])
    terminal.table(["field", "value"], rows)


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_line(item)}" for name, item in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _plain(value: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(value)
