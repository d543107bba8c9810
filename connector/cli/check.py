"""`connector check`: settings, tables, mappings and golden cases of a site: every mistake at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connector.cli.site import FILE
from connector.cli.terminal import Refused, Terminal

if TYPE_CHECKING:
    from connector.settings import Settings

__all__ = ["GOLDEN", "golden_cases", "golden_files", "register", "update_golden"]

#: The folder of a site's cases; each case is a folder with `in.hl7`, `in.xml` or `in.json`.
GOLDEN = "golden"
_INPUTS = ("in.hl7", "in.er7", "in.xml", "in.json")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check", help="Check settings, tables, mappings and golden cases: every mistake at once.")(check)


def check(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The site's folder (default: here).", metavar="[DIR]")] = Path(),
    update: Annotated[
        bool, typer.Option("--update-golden", help="Write what the cases expect anew; then read the difference.")
    ] = False,
) -> None:
    """Exit code 1 with every mistake, each with its file and line."""
    from connector.app import library_mistakes
    from connector.cli.site import load_site

    terminal: Terminal = ctx.obj
    if not folder.exists():
        raise typer.BadParameter(f"{folder} is not there", param_hint="DIR")
    base = folder if folder.is_dir() else folder.parent
    given = folder if folder.is_file() or (folder / FILE).is_file() else None
    mistakes: list[tuple[str, str]] = []
    settings: Settings | None = None
    try:
        settings = load_site(terminal, given, endpoints=True)
    except Refused as refused:
        mistakes += [(str(detail["place"]), str(detail["text"])) for detail in refused.details]
        settings = _default(terminal, base)
    library = library_mistakes(settings)
    mistakes += library
    cases = golden_cases(base)
    if not library:
        for case in cases:
            if update:
                update_golden(case, settings)
            mistakes += differences(case, settings, terminal)
    _tell(terminal, mistakes, len(cases))


def _default(terminal: Terminal, base: Path) -> Settings:
    """When the settings themselves are wrong: the folder's mappings and tables are still checked, as those of a test site."""
    from connector.settings import settings_from

    return settings_from({"site": base.resolve().name or "site", "environment": "test"}, base, environ={})


def golden_cases(folder: Path) -> list[Path]:
    """The input file of each case, in order of name."""
    return [
        found
        for case in sorted((folder / GOLDEN).glob("*/"))
        for found in [next((case / name for name in _INPUTS if (case / name).is_file()), None)]
        if found is not None
    ]


def golden_files(source: Path, settings: Settings) -> dict[str, bytes]:
    """What a case must become today: `exchange.json`, `issues.txt`, `unread.txt`."""
    from connector.app import Workbench

    return Workbench(settings, fixed=True).golden(source.read_bytes())


def update_golden(source: Path, settings: Settings) -> None:
    """Write what a case expects anew."""
    for name, content in golden_files(source, settings).items():
        (source.parent / name).write_bytes(content)


def differences(source: Path, settings: Settings, terminal: Terminal) -> Iterator[tuple[str, str]]:
    """The first line of each file of a case that is not as expected."""
    for name, content in golden_files(source, settings).items():
        expected = source.parent / name
        if not expected.is_file():
            yield str(expected), terminal.text("is missing; --update-golden writes it")
            continue
        found, wanted = content.decode().splitlines(), expected.read_text(encoding="utf-8").splitlines()
        if found == wanted:
            continue
        number = next(
            (n for n, (a, b) in enumerate(zip(found, wanted, strict=False), 1) if a != b),
            min(len(found), len(wanted)) + 1,
        )
        yield (
            f"{expected}:{number}",
            terminal.text("is not what the mappings make today; --update-golden writes it anew"),
        )


def _tell(terminal: Terminal, mistakes: list[tuple[str, str]], cases: int) -> None:
    if mistakes:
        lines = [f"{place}: {text}" for place, text in mistakes]
        count = terminal.text("{count} mistakes", count=len(mistakes))
        terminal.refuse([*lines, count], [{"place": place, "text": text} for place, text in mistakes])
    terminal.result(
        {"mistakes": [], "cases": cases},
        lambda: terminal.say("settings, tables, mappings and {count} golden cases are right", count=cases),
    )
