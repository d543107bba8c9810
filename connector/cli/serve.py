"""`connector serve`: run a site's connector, from its settings or from flags alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.site import load_site
from connector.cli.terminal import Terminal

if TYPE_CHECKING:
    from connector.app import Application
    from connector.settings import Settings

__all__ = ["announce", "flag_settings", "register"]

#: The official samples say P with a test identity, and some a CDA with one local number more than PID-3 (ADR 0012): where nobody
#: wrote settings, that is a warning.
_SAMPLES = {"processing_id": "tolerant", "patient_identifiers": "tolerant"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("serve", help="Run the connector, from a settings file or from flags alone.")(serve)


def serve(
    ctx: typer.Context,
    settings: Annotated[
        Path | None,
        typer.Argument(
            help="Settings file, or the folder that holds connector.yaml.",
            metavar="[SETTINGS]",
            envvar="CONNECTOR_SETTINGS",
        ),
    ] = None,
    mllp: Annotated[
        str | None, typer.Option("--mllp", metavar="[HOST:]PORT", help="Listen for HL7 v2; 0 takes a free port.")
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="URL", help="Deliver to mllp://HOST:PORT, http(s)://… (FHIR) or a folder; may be repeated."
        ),
    ] = None,
    http: Annotated[
        str | None, typer.Option("--http", metavar="[HOST:]PORT", help="Web and FHIR address; 0 takes a free port.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Data folder.", file_okay=False)] = None,
    environment: Annotated[
        str,
        typer.Option(
            "--environment", metavar="test|production", help="Without a settings file: which identities are taken."
        ),
    ] = "test",
    insecure: Annotated[
        str | None, typer.Option("--insecure", metavar="REASON", help="Why it may listen beyond loopback without TLS.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log warnings and errors only.")] = False,
) -> None:
    """Runs until Ctrl-C or SIGTERM, which end it with 0; SIGHUP reads mappings and tables again."""
    from connector.cli.running import run_connector
    from connector.cli.signals import until_stopped

    terminal: Terminal = ctx.obj
    flags = (mllp, to, http)
    if settings is not None or not any(flag is not None for flag in flags):
        if any(flag is not None for flag in flags):
            raise typer.BadParameter(
                "with a settings file, ports and destinations stand in it", param_hint="--mllp, --to, --http"
            )
        site = load_site(terminal, settings, endpoints=True, defaults=_defaults())
        if data is not None:
            site = site.model_copy(update={"data": data.absolute()})
    else:
        site = flag_settings(
            terminal, mllp=mllp, to=to or [], http=http, data=data, environment=environment, insecure=insecure
        )

    async def inside(application: Application) -> None:
        stopped = asyncio.create_task(until_stopped())
        await asyncio.sleep(0)  # the handlers are there before anybody is told that it runs
        announce(terminal, application)
        await stopped

    run_connector(terminal, site, inside, quiet=quiet)


def _defaults() -> dict[str, Any]:
    """Without settings and without flags: listen on loopback, file what comes in folders and in the own FHIR store."""
    return {
        "rules": _SAMPLES,
        "receivers": [{"kind": "mllp", "port": 2575}],
        "destinations": {
            "documents": {"kind": "folder", "path": "var/documents"},
            "fhir": {"kind": "fhir", "store": "local"},
        },
    }


def flag_settings(
    terminal: Terminal,
    *,
    mllp: str | None,
    to: list[str],
    http: str | None,
    data: Path | None,
    environment: str = "test",
    insecure: str | None = None,
    site: str = "default",
    destinations: Mapping[str, Any] | None = None,
    routes: Sequence[Mapping[str, Any]] = (),
) -> Settings:
    """Settings of flags. What is not given may come from the environment (`CONNECTOR_*`). Refuses with every mistake.

    `destinations` stand beside the default ones, `routes` say what goes to them (the demonstration's boxes).
    """
    from connector.app import endpoint_models
    from connector.cli.addresses import address
    from connector.settings import SettingsErrors, settings_from

    reason = {"insecure": insecure} if insecure else {}
    host, port = address(mllp or "2575", "--mllp")
    firm: dict[str, Any] = {"receivers": [{"kind": "mllp", "host": host, "port": port, **reason}]}
    named = [_destination(each, number, len(to)) for number, each in enumerate(to, 1)]
    if named:
        firm["destinations"] = dict(named)
    if data is not None:
        firm["data"] = str(data)
    if http is not None:
        host, port = address(http, "--http")
        firm["http"] = {"host": host, "port": port, **reason}
    values: dict[str, Any] = {"site": site, "environment": environment, "http": {"port": 0, **reason}}
    if not named:
        folder = str((data or Path("var")) / "documents")
        firm["destinations"] = {
            "documents": {"kind": "folder", "path": folder},
            "fhir": {"kind": "fhir", "store": "local"},
            **(destinations or {}),
        }
    if routes:
        firm["routes"] = [dict(route) for route in routes]
    values["rules"] = _SAMPLES if environment == "test" else {}
    kinds = endpoint_models()
    try:
        return settings_from(
            values, Path.cwd(), firm=firm, receivers=kinds["receivers"], destinations=kinds["destinations"]
        )
    except SettingsErrors as errors:
        terminal.refuse([str(error) for error in errors.errors])


def _destination(text: str, number: int, count: int) -> tuple[str, dict[str, Any]]:
    from connector.cli.addresses import address

    suffix = f"-{number}" if count > 1 else ""
    if text.startswith("mllp://"):
        host, port = address(text, "--to")
        return f"mllp{suffix}", {"kind": "mllp", "host": host, "port": port}
    if text.startswith(("http://", "https://")):
        return f"fhir{suffix}", {"kind": "fhir", "url": text}
    if "://" in text:
        raise typer.BadParameter(f"{text!r}: mllp://HOST:PORT, http(s)://…, or a folder", param_hint="--to")
    return f"folder{suffix}", {"kind": "folder", "path": text}


def announce(terminal: Terminal, application: Application) -> None:
    """Say where it listens: the ports as they really are."""
    receivers = application.receivers()
    told = {
        "environment": application.settings.environment,
        "receivers": {found.name: found.where for found in receivers},
        "http": application.http_address,
        "destinations": {name: found.kind for name, found in application.settings.destinations.items()},
        "data": str(application.settings.data),
    }
    if terminal.as_json:
        import json

        terminal.write(json.dumps(told, ensure_ascii=False))
        return
    terminal.say("environment: {environment}", environment=terminal.text(application.settings.environment))
    for found in receivers:
        terminal.say("listening: {name} on {where}", name=found.name, where=found.where)
    if application.http_address:
        terminal.say("web and FHIR: {address}/", address=application.http_address)
    terminal.say("data: {folder}", folder=application.settings.data)
