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
_REGION = "mes-patients"
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
    web = free_port(LOOPBACK, http)
    settings = flag_settings(
        terminal,
        mllp=str(free_port(LOOPBACK, mllp)),
        to=[],
        http=str(web),
        data=data,
        site="demo",
        # Our own FHIR API plays the region's server.
        destinations={_REGION: {"kind": "fhir", "url": f"http://{LOOPBACK}:{web}/fhir", "mode": "submission"}},
        routes=[
            {"when": {"receiver": "mllp"}, "to": ["documents", "fhir"]},
            {"when": {"box": "business_software"}, "to": "documents"},
            {"when": {"box": ["regional_record", "ma_sante_connectee"]}, "to": _REGION},
        ],
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
    from connector.store.search import Filters

    raw, control_id = _message(application)
    sample = application.settings.data / "demo.hl7"
    await asyncio.to_thread(sample.write_bytes, raw)
    host, _, port = application.receivers()[0].where.rpartition(":")
    answered = await anext(send_messages(host, int(port), [raw], timeout=_PATIENCE))
    kept = await application.messages(Filters(control_id=control_id, limit=1))
    message = await _settled(application, int(kept[0]["message_id"])) if kept else None
    exchange = await _post(application, data)
    told = {
        "mllp": f"mllp://{host}:{port}",
        "http": application.http_address,
        "control_id": control_id,
        "bytes": len(raw),
        "ack": [ack.code for ack in answered.acks],
        **_arrived(application, message),
        "file": str(data / sample.name),
        "exchange": exchange,
    }
    told["delivered"] = bool(told["delivered"] and exchange["delivered"])
    terminal.result(told, lambda: _draw(terminal, told, answered, data))
    return told


def _arrived(application: Application, message: dict[str, Any] | None) -> dict[str, Any]:
    """Where a message stands, and where each of its documents arrived."""
    legs = message["legs"] if message else []
    return {
        "message_id": message["message_id"] if message else None,
        "state": message["state"] if message else None,
        "deliveries": [
            {"destination": leg["destination"], "state": leg["state"], "where": _places(application, leg)}
            for leg in legs
        ],
        "delivered": bool(legs) and all(leg["state"] == "accepted" for leg in legs),
    }


async def _post(application: Application, data: Path) -> dict[str, Any]:
    """Post the demonstration's exchange as MonSisra would, and wait for what its three boxes ask."""
    import secrets

    import httpx

    from connector.demo import demo_exchange
    from connector.monsisra.codec import MEDIA_TYPE

    context = application.context()
    name = f"demo-{secrets.token_hex(6)}"
    raw = demo_exchange(context.now, name, f"{context.namespace}.99.{secrets.randbits(60)}")
    sample = application.settings.data / "demo-exchange.json"
    await asyncio.to_thread(sample.write_bytes, raw)
    async with httpx.AsyncClient(base_url=application.http_address, timeout=_PATIENCE, trust_env=False) as client:
        answer = await client.post("/exchanges", content=raw, headers={"content-type": MEDIA_TYPE})
    message = await _settled(application, int(answer.json()["message"])) if answer.is_success else None
    return {
        "id": name,
        "bytes": len(raw),
        "status": answer.status_code,
        **_arrived(application, message),
        "file": str(data / sample.name),
    }


def _message(application: Application) -> tuple[bytes, str]:
    """Each run sends a message and a document of its own."""
    import secrets

    from connector.demo import demo_message

    control_id = f"DEMO{secrets.token_hex(6).upper()}"
    context = application.context()
    number = secrets.randbits(60)
    return demo_message(context.now, control_id, f"{context.namespace}.99.{number}"), control_id


async def _settled(application: Application, number: int) -> dict[str, Any] | None:
    """The message once each of its deliveries has ended, or as it stands when patience ends."""
    found: dict[str, Any] | None = None
    for _ in range(int(_PATIENCE / 0.05)):
        found = await application.message(number)
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
    _draw_legs(terminal, told["deliveries"])
    exchange = told["exchange"]
    terminal.write("")
    terminal.say(
        "4  A doctor sends an ordonnance on MonSisra, the three boxes ticked: POST /exchanges, {code}",
        code=exchange["status"],
    )
    terminal.write(f"      {exchange['id']}, {exchange['bytes']} B")
    terminal.write("      │")
    _draw_legs(terminal, exchange["deliveries"])
    if not told["delivered"]:
        terminal.say(
            "      not everything arrived: connector journal show {number} --data {folder}",
            number=told["message_id"]
            if not all(leg["state"] == "accepted" for leg in told["deliveries"])
            else exchange["message_id"],
            folder=data,
        )
    terminal.write("")
    terminal.say("Go on:")
    command = _command()
    terminal.write(f"   {command} journal show {told['message_id']} --data {data}")
    terminal.write(f"   {command} explain {told['file']}")
    terminal.write(f"   {command} convert {exchange['file']} --to fhir")
    terminal.write(f"   {command} send --mllp {told['mllp'].removeprefix('mllp://')} --fresh-id {told['file']}")
    terminal.write("")


def _draw_legs(terminal: Terminal, legs: list[dict[str, Any]]) -> None:
    for leg in legs:
        terminal.write(f"      ├─ {leg['destination']}: {terminal.text(leg['state'])}")
        for place in leg["where"]:
            terminal.write(f"      │     {place}")


def _command() -> str:
    """How this command is called from here: by its name when the shell finds it, else by its path."""
    found = shutil.which("connector")
    called = Path(sys.argv[0])
    if called.name != "connector" or (found is not None and Path(found).samefile(called)):
        return "connector"
    return str(called)
