"""`connector convert`: one message or document in another format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.inputs import FormatOption, check_format, issue_lines, read_input
from connector.cli.site import SettingsOption, load_site
from connector.cli.terminal import Terminal

__all__ = ["register"]

SHAPES = ("transaction", "document")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "convert",
        help="Convert a message or document (HL7 v2, CDA, FHIR, HPRIM, Exchange JSON; - reads the standard input).",
    )(convert)


def convert(
    ctx: typer.Context,
    source: Annotated[
        Path, typer.Argument(help="File to convert; - for the standard input.", metavar="IN", allow_dash=True)
    ],
    to: FormatOption = "fhir",
    origin: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="hl7|cda|fhir|hprim|exchange", help="Format of the input; recognised by default."
        ),
    ] = None,
    shape: Annotated[
        str,
        typer.Option(
            "--shape",
            metavar="transaction|document",
            help="FHIR as a transaction, or as a document that holds the first one whole.",
        ),
    ] = "transaction",
    trace: Annotated[
        bool, typer.Option("--trace", help="Also say on the error stream where each value came from.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; by default the standard output.", dir_okay=False),
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """The result is written even when issues are told; exit code 1 when a rule refuses the message, then nothing is written."""
    from connector.app import Workbench

    terminal: Terminal = ctx.obj
    check_format(to)
    if shape not in SHAPES:
        raise typer.BadParameter(", ".join(SHAPES), param_hint="--shape")
    asked = "document" if shape == "document" else ""
    raw = read_input(source)
    bench = Workbench(load_site(terminal, settings))
    made = bench.convert(raw, to, origin, shape=asked)
    lines = issue_lines(terminal, made.issues)
    if made.value is None or not made.accepted:
        terminal.refuse(lines or [terminal.text("cannot be converted")], list(made.issues))
    for line in lines:
        sys.stderr.write(line + "\n")
    if trace:
        from connector.cli.explain import draw_trace

        draw_trace(terminal, bench.explain(raw, to, origin, shape=asked), stream=sys.stderr)
    _write(terminal, made.value, output)


def _write(terminal: Terminal, value: bytes, output: Path | None) -> None:
    if output is not None:
        output.write_bytes(value)
    elif terminal.as_json:
        terminal.result(value, lambda: None)
    else:
        sys.stdout.buffer.write(value)
        if sys.stdout.isatty() and not value.endswith((b"\n", b"\r")):
            sys.stdout.buffer.write(b"\n")
        sys.stdout.flush()
