"""`connector show`: a CDA for people, on the terminal, as an HTML page or as PDF/A pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connector.cli.inputs import issue_lines, read_input
from connector.cli.site import SettingsOption, load_site
from connector.cli.terminal import Terminal, visible

if TYPE_CHECKING:
    from connector.pipeline.showing import View

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "show",
        help="Show a document (CDA) to people: its header, its sections, its body; as text, an HTML page or PDF/A.",
    )(show)


def show(
    ctx: typer.Context,
    source: Annotated[
        Path, typer.Argument(help="File to show; - for the standard input.", metavar="FILE", allow_dash=True)
    ],
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write an HTML page that runs nothing and fetches nothing.", dir_okay=False),
    ] = None,
    pdf: Annotated[
        Path | None, typer.Option("--pdf", help="Write the header and the narrative as PDF/A-1b.", dir_okay=False)
    ] = None,
    body: Annotated[
        Path | None,
        typer.Option("--body", help="Write the embedded body (a PDF…) exactly as it is.", dir_okay=False),
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """A message or an exchange is shown by its first document. Exit code 1 when it cannot be read, or has no body to write."""
    from datetime import datetime

    from connector.app import Workbench
    from connector.engine.clock import SystemClock
    from connector.pipeline.showing import html_page, pdf_pages

    terminal: Terminal = ctx.obj
    made = Workbench(load_site(terminal, settings)).show(read_input(source))
    if made.value is None:
        terminal.refuse(issue_lines(terminal, made.issues), list(made.issues))
    shown = made.value
    if html is not None:
        html.write_text(html_page(shown), encoding="utf-8")
    if pdf is not None:
        pdf.write_bytes(pdf_pages(shown, created=datetime.fromisoformat(SystemClock().now())))
    if body is not None:
        if shown.body is None or shown.body.data is None:
            terminal.refuse([terminal.text("the document has no embedded body")])
        body.write_bytes(shown.body.data)
    if terminal.as_json or html is pdf is body is None:
        terminal.result(_told(shown), lambda: _draw(terminal, shown))
    for line in issue_lines(terminal, shown.issues):
        sys.stderr.write(line + "\n")


def _told(shown: View) -> dict[str, object]:
    body = shown.body
    return {
        "title": shown.title,
        "head": [list(row) for row in shown.head],
        "sections": [{"title": each.title, "code": each.code, "level": each.level, "text": each.text} for each in shown.parts],
        "body": {"media_type": body.media_type, "size": body.size, "sha256": body.sha256} if body is not None else None,
    }  # fmt: skip


def _draw(terminal: Terminal, shown: View) -> None:
    terminal.write(visible(shown.title).upper())
    for label, value in shown.head:
        terminal.write(f"  {label:<20}{visible(value)}")
    for part in shown.parts:
        terminal.write("")
        terminal.write(visible("  " * (part.level - 1) + (part.title or part.code or "")).upper())
        for line in part.text.splitlines():
            terminal.write("  " * part.level + visible(line))
    body = shown.body
    if body is not None:
        terminal.write("")
        if (body.media_type or "").startswith("text/") and body.data is not None:
            terminal.write(visible(body.data.decode("utf-8", "replace").replace("\r\n", "\n")))
        else:
            terminal.say("embedded: {media}, {size} bytes (--body writes it)", media=body.media_type, size=body.size)
