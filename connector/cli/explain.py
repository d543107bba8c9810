"""`connector explain`: for each value made, where it came from and by which rule; what was not read, what was not written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from connector.cli.inputs import FormatOption, check_format, issue_lines, read_input
from connector.cli.site import SettingsOption, load_site
from connector.cli.terminal import Terminal

if TYPE_CHECKING:
    from connector.pipeline.explain import Explanation

__all__ = ["draw_trace", "register"]

#: Places shown of one output in a table; the rest is counted (a document's bytes come from every place of it).
_SHOWN = 4


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("explain", help="Tell where each value of a conversion comes from, and what was not read or written.")(
        explain
    )


def explain(
    ctx: typer.Context,
    source: Annotated[
        Path, typer.Argument(help="File to explain; - for the standard input.", metavar="IN", allow_dash=True)
    ],
    to: FormatOption = "fhir",
    origin: Annotated[
        str | None,
        typer.Option("--from", metavar="hl7|cda|fhir|hprim", help="Format of the input; recognised by default."),
    ] = None,
    path: Annotated[str, typer.Option("--path", help="Only what begins with this place, of either end.")] = "",
    values: Annotated[bool, typer.Option("--values", help="Also show the values, which are the patient's.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Shows places and rules; values only when they are asked for."""
    from connector.app import Workbench

    terminal: Terminal = ctx.obj
    check_format(to)
    bench = Workbench(load_site(terminal, settings))
    raw = read_input(source)
    explained = bench.explain(raw, to, origin)
    if explained.value is None:
        terminal.refuse(issue_lines(terminal, explained.issues), list(explained.issues))
    shown = bench.values(raw, to, origin) if values else {}
    told = told_of(explained.value, path, shown)
    terminal.result(told, lambda: _draw(terminal, told, explained.issues))


def told_of(explanation: Explanation, path: str = "", values: dict[str, str] | None = None) -> dict[str, Any]:
    """An explanation as data; `path` keeps what begins with it."""
    trace = explanation.trace
    known = values or {}
    outputs = [
        {
            "output": output,
            **({"value": known.get(output, "")} if values else {}),
            "by": origin.by,
            "sources": list(origin.sources),
            "rules": list(origin.rules),
            "row": origin.row,
        }
        for output, origin in trace.outputs.items()
        if output.startswith(path) or any(source.startswith(path) for source in origin.sources)
    ]
    return {
        "from": explanation.source_format,
        "to": explanation.target_format,
        "mappings": list(explanation.mappings),
        "outputs": outputs,
        "decides": {
            place: [
                {"rule": decision.rule, "outputs": list(decision.outputs), "test": decision.test}
                for decision in decisions
            ]
            for place, decisions in trace.decides.items()
            if place.startswith(path)
        },
        "checks": {place: list(rules) for place, rules in trace.checks.items() if place.startswith(path)},
        "unread": [place for place in trace.unused if place.startswith(path)],
        "carried": [place for place in explanation.carried if place.startswith(path)],
        "unwritten": list(trace.unwritten),
    }


def _draw(terminal: Terminal, told: dict[str, Any], issues: object) -> None:
    columns = (
        ["output", "value", "source", "rule", "row"]
        if told["outputs"] and "value" in told["outputs"][0]
        else ["output", "source", "rule", "row"]
    )
    rows = [
        [
            entry["output"],
            *([entry["value"]] if "value" in entry else []),
            _sources(terminal, entry),
            "\n".join(map(_short, entry["rules"])),
            _short(entry["row"] or ""),
        ]
        for entry in told["outputs"]
    ]
    terminal.table(columns, rows, title=f"{told['from']} → {told['to']} ({', '.join(told['mappings'])})")
    deciding = [
        [
            place,
            "\n".join(_short(each["rule"]) for each in decisions),
            str(sum(len(each["outputs"]) for each in decisions)),
        ]
        for place, decisions in told["decides"].items()
    ]
    if deciding:
        terminal.table(
            ["source", "rule", "outputs"], deciding, title=terminal.text("Places that decide whether others appear")
        )
    for name, sentence in (
        ("unread", "Filled places that no rule reads: {count}"),
        ("carried", "Places that travel inside the document's bytes, unread: {count}"),
        ("unwritten", "Values read that no rule writes to this format: {count}"),
    ):
        places = told[name]
        terminal.write("")
        terminal.say(sentence, count=len(places))
        for place in places if name != "carried" else places[:_SHOWN]:
            terminal.write(f"  {place}")
        if name == "carried" and len(places) > _SHOWN:
            terminal.say("  … and {count} more (--json lists them)", count=len(places) - _SHOWN)
    for line in issue_lines(terminal, issues):
        terminal.note("{line}", line=line)


def _sources(terminal: Terminal, entry: dict[str, Any]) -> str:
    sources: list[str] = entry["sources"]
    shown = sources[:_SHOWN]
    if len(sources) > _SHOWN:
        shown = [*sources[:_SHOWN], terminal.text("… and {count} more", count=len(sources) - _SHOWN)]
    if entry["by"] != "rule":
        shown.append(f"({entry['by']})")
    return "\n".join(shown)


def _short(place: str) -> str:
    """A rule's place without the folder that all share."""
    return place.removeprefix("mappings/").removeprefix("terminology/")


def draw_trace(terminal: Terminal, explained: Any, stream: TextIO = sys.stderr) -> None:
    """One line an output, on a stream beside the result (`convert --trace`)."""
    if explained.value is None:
        return
    told = told_of(explained.value)
    for entry in told["outputs"]:
        sources = " ".join(entry["sources"][:_SHOWN]) + (" …" if len(entry["sources"]) > _SHOWN else "")
        stream.write(
            f"{entry['output']} <- {sources or '(' + entry['by'] + ')'}  [{' '.join(map(_short, entry['rules']))}]\n"
        )
    for name in ("unread", "unwritten"):
        for place in told[name]:
            stream.write(f"{terminal.text(name)}: {place}\n")
