"""`connector listen`: a partner that answers as told, to try a sender with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connector.cli.terminal import Terminal

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("listen", help="Listen on MLLP and answer as told: well, badly, late or never.")(listen)


def listen(
    ctx: typer.Context,
    mllp: Annotated[str, typer.Option("--mllp", metavar="[HOST:]PORT", help="Where to listen; 0 takes a free port.")],
    answer: Annotated[
        str, typer.Option("--answer", metavar="AA|AE|AR|none|late:S|reset", help="What to answer.")
    ] = "AA",
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Keep each message as a file here.", file_okay=False)
    ] = None,
    count: Annotated[int, typer.Option("--count", min=0, help="End after so many messages; 0 = go on.")] = 0,
) -> None:
    """Runs until Ctrl-C or SIGTERM, which end it with 0."""
    import asyncio

    from connector.cli.addresses import address
    from connector.cli.signals import until_stopped
    from connector.cli.terminal import visible
    from connector.endpoints.mllp_peer import Answering, ScriptedPeer, answering, control_id
    from connector.engine.clock import SystemClock

    terminal: Terminal = ctx.obj
    host, port = address(mllp, "--mllp")
    try:
        rule: Answering = answering(answer)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--answer") from error
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()

    async def run() -> None:
        enough = asyncio.Event()
        seen = 0

        def received(raw: bytes) -> None:
            nonlocal seen
            seen += 1
            kept = _keep(folder, seen, raw)
            identity = control_id(raw)
            drawn = f"{clock.now()}  MSH-10 {visible(identity)}  {len(raw)} B  {kept}".rstrip()
            terminal.result({"control_id": identity, "bytes": len(raw), "file": kept}, lambda: terminal.write(drawn))
            if count and seen >= count:
                enough.set()

        peer = ScriptedPeer(rule, received, now=clock.now)
        try:
            await peer.start(host, port)
        except OSError as error:
            terminal.refuse(
                [terminal.text("cannot listen on {where} ({kind})", where=f"{host}:{port}", kind=type(error).__name__)]
            )
        terminal.note("listening on {where}, answering {answer}", where=f"{host}:{peer.port}", answer=answer)
        await until_stopped(enough)
        if count:
            await asyncio.sleep(0.05 + rule.after)  # the last answer leaves
        await peer.stop()

    asyncio.run(run())


def _keep(folder: Path | None, number: int, raw: bytes) -> str:
    """Write a message under a new name; an existing file is never touched."""
    if folder is None:
        return ""
    while True:
        path = folder / f"{number:06d}.hl7"
        try:
            with path.open("xb") as file:
                file.write(raw)
        except FileExistsError:
            number += 1
            continue
        return str(path)
