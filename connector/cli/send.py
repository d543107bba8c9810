"""`connector send`: messages to an MLLP partner, and what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.terminal import Terminal

if TYPE_CHECKING:
    from connector.endpoints.mllp_peer import Answered

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("send", help="Send messages over MLLP on a fresh connection and print each answer.")(send)


def send(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="HL7 v2 files, one message each.", exists=True, dir_okay=False)],
    mllp: Annotated[str, typer.Option("--mllp", metavar="HOST:PORT", help="Where to.")],
    fresh_id: Annotated[
        bool, typer.Option("--fresh-id/--keep-id", help="Give each message a new MSH-10, or keep its own.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for each answer.")] = 30.0,
    authorities: Annotated[
        Path | None, typer.Option("--tls", help="Speak TLS; PEM file of the authorities to trust.", exists=True)
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="PEM file with our certificate and key.", exists=True)
    ] = None,
) -> None:
    """Exit code 1 when one message was not accepted."""
    import asyncio
    import ssl

    from connector.cli.addresses import address
    from connector.endpoints.mllp_peer import send_messages

    terminal: Terminal = ctx.obj
    host, port = address(mllp, "--mllp")
    messages = [_message(terminal, file, fresh=fresh_id) for file in files]
    tls = None
    if authorities is not None:
        tls = ssl.create_default_context(cafile=str(authorities))
        if certificate is not None:
            tls.load_cert_chain(certificate)
    results: list[dict[str, Any]] = []

    async def run() -> None:
        while len(results) < len(messages):
            # What got no answer ends its connection: a late answer must not be taken for the next message's.
            async for answered in send_messages(host, port, messages[len(results) :], timeout=timeout, tls=tls):
                results.append(_told(files[len(results)], answered))
                _print(terminal, results[-1])
                if answered.trouble and not answered.acks:
                    break

    try:
        asyncio.run(run())
    except (OSError, TimeoutError) as error:
        terminal.refuse(
            [terminal.text("{where}: nobody answers there ({kind})", where=mllp, kind=type(error).__name__)]
        )
    if terminal.as_json:
        terminal.result(results, lambda: None)
    refused = [result for result in results if not result["accepted"]]
    if refused or len(results) < len(files):
        raise typer.Exit(1)


def _message(terminal: Terminal, file: Path, *, fresh: bool) -> bytes:
    import secrets

    from connector.endpoints.mllp_peer import with_control_id

    raw = file.read_bytes().strip(b"\x0b\x1c\r\n ") + b"\r"
    if not fresh:
        return raw
    try:
        return with_control_id(raw, f"MSC{secrets.token_hex(8).upper()}")  # 19 characters: MSH-10 holds 20
    except ValueError:
        terminal.refuse([terminal.text("{file}: no MSH segment", file=file)])


def _told(file: Path, answered: Answered) -> dict[str, Any]:
    return {
        "file": str(file),
        "control_id": answered.control_id,
        "accepted": answered.accepted,
        "codes": [ack.code for ack in answered.acks],
        "acknowledges": [ack.control_id for ack in answered.acks],
        "errors": [error for ack in answered.acks for error in ack.errors],
        "seconds": round(answered.seconds, 4),
        "trouble": answered.trouble,
        "answers": [answer.decode("utf-8", "replace") for answer in answered.answers],
    }


def _print(terminal: Terminal, result: dict[str, Any]) -> None:
    from connector.cli.terminal import visible

    if terminal.as_json:
        return
    codes = " ".join(result["codes"]) or terminal.text(result["trouble"] or "no answer")
    terminal.write(
        f"{result['file']}  MSH-10 {visible(result['control_id'])}  {codes}  {result['seconds'] * 1000:.1f} ms"
    )
    for error in result["errors"]:
        parts = (error.severity, error.location, error.condition, error.application, error.text)
        terminal.write("    " + visible("  ".join(part for part in parts if part)))
    foreign = [other for other in result["acknowledges"] if other != result["control_id"]]
    if foreign:
        terminal.say("    acknowledges another message (MSA-2 {other})", other=visible(", ".join(foreign)))
