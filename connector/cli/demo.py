"""`connector demo`: the embedded default, with a document that goes through it before your eyes (`make run`)."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.terminal import Terminal

if TYPE_CHECKING:
    from connector.app import Application
    from connector.endpoints.mllp_peer import Answered

__all__ = ["register"]

_MLLP, _HTTP = 2575, 8080
_PATIENCE = 15.0  # seconds until the document must have arrived
_SETTLED = ("accepted", "rejected", "parked", "cancelled")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo", help="Run with the embedded default and show a document going through.")(demo)


def demo(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Show and end.")] = False,
    data: Annotated[Path, typer.Option("--data", help="Data folder.", file_okay=False)] = Path("var"),
    mllp: Annotated[int, typer.Option("--mllp", min=0, max=65535, help="First MLLP port to try.")] = _MLLP,
    http: Annotated[int, typer.Option("--http", min=0, max=65535, help="First HTTP port to try.")] = _HTTP,
) -> None:
    """Listens on loopback only; stays up until Ctrl-C or SIGTERM, which end it with 0."""
    from connector.cli.addresses import LOOPBACK, free_port
    from connector.cli.running import run_connector
    from connector.cli.serve import flag_settings
    from connector.cli.signals import until_stopped

    terminal: Terminal = ctx.obj
    settings = flag_settings(
        terminal,
        mllp=str(free_port(LOOPBACK, mllp)),
        to=[],
        http=str(free_port(LOOPBACK, http)),
        data=data,
        site="demo",
    )
    outcome: dict[str, Any] = {}

    async def inside(application: Application) -> None:
        stopped = asyncio.create_task(until_stopped())
        shown = asyncio.create_task(_show(terminal, application, data))
        await asyncio.wait({stopped, shown}, return_when=asyncio.FIRST_COMPLETED)
        if not shown.done():
            shown.cancel()
            return
        outcome.update(shown.result())
        if once:
            stopped.cancel()
        else:
            terminal.say("It stays up. Ctrl-C ends it.")
            await stopped

    run_connector(terminal, settings, inside, quiet=True)
    if outcome and not outcome["delivered"]:
        raise typer.Exit(1)


async def _show(terminal: Terminal, application: Application, data: Path) -> dict[str, Any]:
    """Send the demonstration's message over the network, wait until it has arrived, draw the picture."""
    from connector.endpoints.mllp_peer import send_messages

    raw, control_id = _message(application)
    sample = application.settings.data / "demo.hl7"
    await asyncio.to_thread(sample.write_bytes, raw)
    host, _, port = application.receivers()[0].where.rpartition(":")
    answered = await anext(send_messages(host, int(port), [raw], timeout=_PATIENCE))
    message = await _settled(application, control_id)
    legs = message["legs"] if message else []
    delivered = bool(legs) and all(leg["state"] == "accepted" for leg in legs)
    told = {
        "mllp": f"mllp://{host}:{port}",
        "http": application.http_address,
        "control_id": control_id,
        "bytes": len(raw),
        "ack": [ack.code for ack in answered.acks],
        "message_id": message["message_id"] if message else None,
        "state": message["state"] if message else None,
        "deliveries": [
            {"destination": leg["destination"], "state": leg["state"], "where": _places(application, leg)}
            for leg in legs
        ],
        "delivered": delivered,
        "file": str(data / sample.name),
    }
    terminal.result(told, lambda: _draw(terminal, told, answered, data))
    return told


def _message(application: Application) -> tuple[bytes, str]:
    """Each run sends a message and a document of its own."""
    import secrets

    from connector.demo import demo_message

    control_id = f"DEMO{secrets.token_hex(6).upper()}"
    context = application.context()
    number = secrets.randbits(60)
    return demo_message(context.now, control_id, f"{context.namespace}.99.{number}"), control_id


async def _settled(application: Application, control_id: str) -> dict[str, Any] | None:
    """The message once each of its deliveries has ended, or as it stands when patience ends."""
    from connector.store.search import Filters

    found: dict[str, Any] | None = None
    for _ in range(int(_PATIENCE / 0.05)):
        rows = await application.messages(Filters(control_id=control_id, limit=1))
        if rows:
            found = await application.message(int(rows[0]["message_id"]))
            if found and all(leg["state"] in _SETTLED for leg in found["legs"]):
                break
        await asyncio.sleep(0.05)
    return found


def _places(application: Application, leg: dict[str, Any]) -> list[str]:
    """Where the document arrived: paths of a folder, addresses of the own FHIR store."""
    spec = application.settings.destinations[leg["destination"]]
    places = [line for line in str(leg["reference"]).splitlines() if line]
    if spec.kind == "fhir" and spec.options.get("store") == "local":
        return [f"{application.http_address}/fhir/{place}" for place in places]
    return places


def _draw(terminal: Terminal, told: dict[str, Any], answered: Answered, data: Path) -> None:
    terminal.say("MonSisra connector: a document goes through (test environment)")
    terminal.write("")
    terminal.write(f"   HL7 v2   {told['mllp']}")
    terminal.write(f"   web      {told['http']}/")
    terminal.write("")
    terminal.say("1  A hospital sends a letter: MDM^T02, in it a CDA N1, in it a PDF")
    terminal.write(f"      MSH-10 {told['control_id']}, {told['bytes']} B")
    terminal.write("      │")
    codes = " ".join(told["ack"]) or answered.trouble
    terminal.say("2  The connector reads it, checks it, keeps it, and only then answers: {codes}", codes=codes)
    terminal.say(
        "      message {number}, {state}, {milliseconds} ms",
        number=told["message_id"],
        state=terminal.text(str(told["state"])),
        milliseconds=f"{answered.seconds * 1000:.0f}",
    )
    terminal.write("      │")
    terminal.say("3  It arrives")
    for leg in told["deliveries"]:
        terminal.write(f"      ├─ {leg['destination']}: {terminal.text(leg['state'])}")
        for place in leg["where"]:
            terminal.write(f"      │     {place}")
    if not told["delivered"]:
        terminal.say(
            "      not everything arrived: connector journal show {number} --data {folder}",
            number=told["message_id"],
            folder=data,
        )
    terminal.write("")
    terminal.say("Go on:")
    command = _command()
    terminal.write(f"   {command} journal show {told['message_id']} --data {data}")
    terminal.write(f"   {command} explain {told['file']}")
    terminal.write(f"   {command} send --mllp {told['mllp'].removeprefix('mllp://')} --fresh-id {told['file']}")
    terminal.write("")


def _command() -> str:
    """How this command is called from here: by its name when the shell finds it, else by its path."""
    found = shutil.which("connector")
    called = Path(sys.argv[0])
    if called.name != "connector" or (found is not None and Path(found).samefile(called)):
        return "connector"
    return str(called)
