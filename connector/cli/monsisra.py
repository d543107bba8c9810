"""`connector advise`: which mode, why, and what is missing; `connector monsisra schema`: the exchange profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from connector.cli.site import SettingsOption, load_site
from connector.cli.terminal import Terminal

__all__ = ["register"]

Addresses = Annotated[
    list[str] | None,
    typer.Option("--to", metavar="ADDRESS", help="Secure address of a correspondent; may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("advise", help="Say which of the five modes to use, why, and what is missing before it can be sent.")(
        advise
    )
    verb = typer.Typer(help="The exchange profile.", no_args_is_help=True, rich_markup_mode=None)
    verb.callback()(_profile)  # with one verb of its own it would become that verb
    verb.command("schema", help="Write the JSON Schema of the exchange profile.")(schema)
    app.add_typer(verb, name="monsisra")


def _profile() -> None:
    """The exchange profile."""


def schema(ctx: typer.Context) -> None:
    """The published schema."""
    from connector.monsisra.schema import published

    terminal: Terminal = ctx.obj
    terminal.write(published().decode().rstrip("\n"))


def advise(
    ctx: typer.Context,
    draft: Annotated[
        Path | None,
        typer.Argument(
            help="Draft: an exchange (JSON) without its mode; - for the standard input.",
            metavar="DRAFT",
            allow_dash=True,
        ),
    ] = None,
    to: Addresses = None,
    inactive: Annotated[
        list[str] | None,
        typer.Option(
            "--inactive", metavar="ADDRESS", help="A correspondent who is not active on MonSisra; may be repeated."
        ),
    ] = None,
    expert: Annotated[
        str | None, typer.Option("--expert", metavar="ADDRESS", help="The expert whose opinion is asked.")
    ] = None,
    team: Annotated[
        str | None, typer.Option("--team", metavar="ADDRESS", help="The équipe ressource that is called upon.")
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="There is text.")] = False,
    document: Annotated[bool, typer.Option("--document", help="There is a document.")] = False,
    photo: Annotated[bool, typer.Option("--photo", help="There is a photo.")] = False,
    visio: Annotated[bool, typer.Option("--visio", help="A visio is proposed.")] = False,
    settings: SettingsOption = None,
) -> None:
    """A draft, or options for what it would hold. Exit code 1 when no one mode does it all."""
    from connector.app import Workbench
    from connector.cli.inputs import issue_lines, read_input
    from connector.monsisra.answer import advice_told
    from connector.monsisra.codec import from_tree, parse

    terminal: Terminal = ctx.obj
    bench = Workbench(load_site(terminal, settings))
    tree = _draft(to or [], expert, team, text=text, document=document, photo=photo, visio=visio)
    read = parse(read_input(draft)) if draft is not None else from_tree(tree)
    if read.value is None:
        terminal.refuse(issue_lines(terminal, read.issues), list(read.issues))
    found = bench.advise(read.value, inactive or [])
    said = advice_told(found, terminal.language)
    terminal.result(said, lambda: _draw(terminal, said))
    if found.mode is None:
        raise typer.Exit(1)


def _draft(
    to: list[str], expert: str | None, team: str | None, *, text: bool, document: bool, photo: bool, visio: bool
) -> dict[str, Any]:
    asked = expert or team
    message: dict[str, Any] = {}
    if text:
        message["text"] = "…"
    if photo:
        message["photos"] = [{"content": {"media_type": "image/jpeg"}}]
    if visio:
        message["visio"] = {"url": "https://visio.invalid/"}
    draft: dict[str, Any] = {
        "recipients": [{"mssante": address} for address in dict.fromkeys([*to, *([asked] if asked else [])])]
    }
    if message:
        draft["messages"] = [message]
    if document:
        draft["documents"] = [{}]
    if asked:
        kind = "expert" if expert else "equipe_ressource"
        draft["teleexpertise"] = {"expert": {"party": {"mssante": asked}, "kind": kind}}
    return draft


def _draw(terminal: Terminal, said: dict[str, Any]) -> None:
    if said["name"]:
        terminal.write(f"{said['name']} ({said['mode']})")
    for sentence in said["why"]:
        terminal.write(f"  {sentence}")
    if said["missing"]:
        terminal.say("Missing before it can be sent:")
    for issue in said["missing"]:
        terminal.write(f"  {issue['field']}: {issue['text']}  [{issue['rule']}]")
