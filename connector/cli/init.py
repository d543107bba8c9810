"""`connector init`: a site's own folder, ready for git."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connector.cli.terminal import Terminal

__all__ = ["OVERLAY", "register"]

#: An overlay that replaces a rule by itself: it changes nothing, and shows where a change is written.
OVERLAY = ("hl7/segments/PID", "  - {{hl7: {hl7}, exchange: {exchange}{rest}}}")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "init", help="Make a site's folder: commented settings, a mapping overlay, a golden case, ready for git."
    )(init)


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to make.", file_okay=False, metavar="DIR")],
    site: Annotated[str, typer.Option("--site", help="Short name of the site; by default the folder's name.")] = "",
) -> None:
    """Never overwrites: refused when one of the files is already there."""
    import re

    from connector.cli.scaffold import files
    from connector.demo import demo_message
    from connector.exchange.moments import Moment

    terminal: Terminal = ctx.obj
    name = site or re.sub(r"[^a-z0-9_.-]+", "-", folder.resolve().name.lower()).strip("-.") or "site"
    message = demo_message(Moment("2026-01-05T10:15:00+01:00"), "INIT0001", "1.2.250.1.213.1.4.10.9.99.2")
    made = files(name, terminal.language, overlay=_overlay(), message=message)
    there = [path for path in made if (folder / path).exists()]
    if there:
        terminal.refuse(
            [terminal.text("{path} is already there; nothing was written", path=folder / path) for path in there]
        )
    for path, content in made.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)
    _update(terminal, folder)
    paths = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and ".git/" not in str(path)
    )
    terminal.result({"folder": str(folder), "files": paths}, lambda: _told(terminal, folder, paths))


def _update(terminal: Terminal, folder: Path) -> None:
    """Write what the golden case expects: what the mappings make of the message today."""
    from connector.cli.check import golden_cases, update_golden
    from connector.cli.site import load_site

    settings = load_site(terminal, folder)
    for case in golden_cases(folder):
        update_golden(case, settings)


def _told(terminal: Terminal, folder: Path, paths: list[str]) -> None:
    for path in paths:
        terminal.write(f"  {folder / path}")
    terminal.say("Next: cd {folder} && git init && connector check .", folder=folder)


def _overlay() -> tuple[str, str]:
    """The first plain two-way rule of the product's PID mapping, as an overlay of itself."""
    from connector.app import rules_of

    target, line = OVERLAY
    rule = next(
        rule for rule in rules_of(target) if rule.path and rule.exchange and rule.use is None and rule.when is None
    )
    keys = {"as": rule.datatype, "code": rule.code, "const": rule.const, "default": rule.default, "only": rule.only}
    rest = "".join(f", {key}: {_quoted(value)}" for key, value in keys.items() if value is not None)
    rest += ", required: true" if rule.required else ""
    return target, line.format(hl7=_quoted(rule.path or ""), exchange=_quoted(rule.exchange or ""), rest=rest)


def _quoted(text: str) -> str:
    return f'"{text}"' if any(character in text for character in "[]{}:#,&*!|>'%@`") else text
