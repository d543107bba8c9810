"""`connector validate`: what is wrong with a message or document, by our rules and by a second opinion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connector.cli.site import SettingsOption, load_site
from connector.cli.terminal import Terminal

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("validate", help="Check files against the volets, the mappings, FHIR R4 or the CDA header rules.")(
        validate
    )


def validate(
    ctx: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(help="Files to check; - for the standard input.", metavar="FILE…", allow_dash=True)
    ],
    origin: Annotated[
        str | None,
        typer.Option("--from", metavar="hl7|cda|fhir|exchange", help="Format of the input; recognised by default."),
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Exit code 1 when one file has an error."""
    from connector.app import Workbench
    from connector.cli.inputs import issue_lines, read_input
    from connector.issues import Severity, worst

    terminal: Terminal = ctx.obj
    bench = Workbench(load_site(terminal, settings))
    told = []
    refused = False
    for file in files:
        name, issues = bench.validate(read_input(file), origin)
        ok = worst(issues) < Severity.ERROR
        refused = refused or not ok
        told.append(
            {"file": str(file), "format": name, "accepted": ok, "issues": [_told(issue, terminal) for issue in issues]}
        )
        if not terminal.as_json:
            verdict = terminal.text("accepted") if ok else terminal.text("refused")
            terminal.write(f"{file} ({name}): {verdict}")
            for line in issue_lines(terminal, issues):
                terminal.write("  " + line)
    if terminal.as_json:
        terminal.result(told, lambda: None)
    if refused:
        raise typer.Exit(1)


def _told(issue: object, terminal: Terminal) -> dict[str, object]:
    from connector.issues import Issue

    assert isinstance(issue, Issue)  # noqa: S101 - what validate gives
    return {
        "severity": issue.severity.name.lower(),
        "code": issue.code,
        "path": issue.place.path,
        "rule": issue.place.rule,
        "text": issue.text(terminal.language),
    }
