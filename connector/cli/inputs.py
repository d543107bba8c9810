"""What the verbs that take a message share: reading it, naming its format, telling its issues."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.terminal import Terminal

__all__ = ["FormatOption", "check_format", "issue_lines", "read_input"]

FORMATS = ("fhir", "hl7", "cda", "hprim", "exchange")
FormatOption = Annotated[str, typer.Option("--to", metavar="fhir|hl7|cda|hprim|exchange", help="Format to make.")]


def check_format(name: str) -> None:
    """A usage error for a word that is no format."""
    if name not in FORMATS:
        raise typer.BadParameter(", ".join(FORMATS), param_hint="--to")


def read_input(source: Path) -> bytes:
    """The bytes of a file, or of the standard input for `-`."""
    if str(source) == "-":
        return sys.stdin.buffer.read()
    if not source.is_file():
        raise typer.BadParameter(f"{source} is not a file", param_hint="IN")
    return source.read_bytes()


def issue_lines(terminal: Terminal, issues: object) -> list[str]:
    """One line an issue: severity, code, place, sentence, rule."""
    from connector.issues import Issue

    lines = []
    for issue in issues if isinstance(issues, tuple | list) else ():
        assert isinstance(issue, Issue)  # noqa: S101 - what outcomes hold
        rule = f"  [{issue.place.rule}]" if issue.place.rule else ""
        severity = terminal.text(issue.severity.name.lower())
        lines.append(
            f"{severity} {issue.code} {issue.place.path}: {issue.text(terminal.language)}{rule}".replace("  :", ":")
        )
    return lines
