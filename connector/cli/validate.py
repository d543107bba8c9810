"""`connector validate`: what is wrong with a message or document, by our rules and by a second opinion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connector.cli.site import SettingsOption, load_site
from connector.cli.terminal import Terminal

if TYPE_CHECKING:
    from connector.issues import Issue

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
        typer.Option(
            "--from", metavar="hl7|cda|fhir|hprim|exchange", help="Format of the input; recognised by default."
        ),
    ] = None,
    xsd: Annotated[
        Path | None,
        typer.Option(
            "--xsd", help="XML schema to hold CDA documents against (CDA_extended.xsd).", dir_okay=False, exists=True
        ),
    ] = None,
    schematrons: Annotated[
        Path | None,
        typer.Option(
            "--schematrons",
            help="Checkout of ansforge/TestContenuCDA-3-0: its schema and schematrons judge CDA documents.",
            envvar="ANS_CDA_JUDGE",
            file_okay=False,
        ),
    ] = None,
    volet: Annotated[
        list[str], typer.Option("--volet", help="Also judge by this volet of the checkout, e.g. TLM-CR_2022.01.")
    ] = [],  # noqa: B006 - typer's way of a repeated option
    settings: SettingsOption = None,
) -> None:
    """Exit code 1 when one file has an error."""
    from connector.app import Workbench
    from connector.cli.inputs import issue_lines, read_input
    from connector.issues import Severity, worst

    terminal: Terminal = ctx.obj
    site = load_site(terminal, settings)
    bench = Workbench(site)
    judged = _judges(terminal, site.data / "cache", xsd, schematrons, volet)
    told = []
    refused = False
    for file in files:
        raw = read_input(file)
        name, issues = bench.validate(raw, origin)
        if name == "cda" and worst(issues) < Severity.FATAL and bench.show(raw).value is not None:
            issues = (*issues, *(issue for judge in judged for issue in judge(raw)))
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


def _judges(
    terminal: Terminal, cache: Path, xsd: Path | None, schematrons: Path | None, volets: list[str]
) -> list[Callable[[bytes], list[Issue]]]:
    """What judges a CDA beside our own rules; a judge that was asked for and cannot run refuses the command: silence is no pass."""
    from connector.app.national import PROFILES, NationalJudge, schema_issues

    judged: list[Callable[[bytes], list[Issue]]] = []
    if xsd is not None:
        judged.append(lambda raw: schema_issues(raw, xsd))
    if schematrons is None:
        return judged
    try:
        national = NationalJudge(schematrons, cache)
    except ImportError:
        terminal.refuse([terminal.text("the schematrons need saxonche: pip install 'monsisra-connector[national]'")])
    except FileNotFoundError as error:
        terminal.refuse([str(error)])
    unknown = sorted(set(volets) - set(national.volets()))
    if unknown:
        terminal.refuse(
            [terminal.text("no volet {name}; there are {known}", name=unknown[0], known=", ".join(national.volets()))]
        )
    names = ("xsd", *PROFILES, *(f"volet:{each}" for each in volets))
    return [*judged, lambda raw: national.judge(raw, names)]


def _told(issue: object, terminal: Terminal) -> dict[str, object]:
    from connector.issues import Issue

    assert isinstance(issue, Issue)  # noqa: S101 - what validate gives
    return {
        "severity": issue.severity.name.lower(),
        "code": issue.code,
        "path": issue.place.path,
        "rule": issue.place.rule,
        "expected": issue.params.get("expected"),
        "text": issue.text(terminal.language),
        **{language: issue.text(language) for language in ("fr", "en")},
    }
