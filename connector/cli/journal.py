"""`connector journal`: what was received, where each document is, and what to do again."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.site import SettingsOption, load_site
from connector.cli.terminal import Terminal, visible

if TYPE_CHECKING:
    from connector.app import Records
    from connector.settings import Settings

__all__ = ["DataOption", "change", "opened_records", "register", "site_of"]

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data folder; by default that of the settings.", file_okay=False)
]
_PARTS = "raw|exchange|answers|sent:DELIVERY|reply:DELIVERY"


def register(app: typer.Typer) -> None:
    """Add the verb and its own verbs."""
    journal = typer.Typer(help="Look into the journal; deliver again.", no_args_is_help=True, rich_markup_mode=None)
    journal.command("ls", help="List messages, newest first.")(ls)
    journal.command("show", help="Show one message: states, deliveries, issues; one of its contents with --part.")(show)
    journal.command("retry", help="Make deliveries due now that wait, were rejected or need a decision.")(retry)
    journal.command("judge", help="Judge a refused or parked message again, once its cause is settled.")(judge)
    journal.command("replay", help="Deliver a message again, to all its destinations or to one.")(replay)
    app.add_typer(journal, name="journal")


def ls(
    ctx: typer.Context,
    state: Annotated[
        str, typer.Option("--state", metavar="received|translated|refused|parked", help="Only messages in this state.")
    ] = "",
    delivery: Annotated[
        str, typer.Option("--delivery", metavar="STATE", help="Only messages with a delivery in this state.")
    ] = "",
    destination: Annotated[str, typer.Option("--destination", help="Only messages for this destination.")] = "",
    sender: Annotated[str, typer.Option("--sender", metavar="MSH-3|MSH-4", help="Only messages of this sender.")] = "",
    control_id: Annotated[str, typer.Option("--control-id", help="Only this MSH-10.")] = "",
    document: Annotated[str, typer.Option("--document", help="Only messages that hold this document id.")] = "",
    code: Annotated[str, typer.Option("--code", help="Only messages with this issue code.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")] = 50,
    before: Annotated[int | None, typer.Option("--before", help="Only ids below this one (the next page).")] = None,
    settings: SettingsOption = None,
    data: DataOption = None,
) -> None:
    """No value of a message is listed but its MSH-10 and its type."""
    from connector.store.search import Filters

    terminal: Terminal = ctx.obj
    filters = Filters(
        state=state, delivery_state=delivery, destination=destination, sender=sender, control_id=control_id,
        document=document, code=code, limit=limit, before=before,
    )  # fmt: skip
    with opened_records(terminal, settings, data) as records:
        rows = records.messages(filters)
    told = [{**_plain(row), "deliveries": row.by_destination} for row in rows]
    for each in told:
        del each["patient"], each["key"]
    terminal.result(told, lambda: _list(terminal, told))


def _plain(row: Any) -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(row)


def _list(terminal: Terminal, told: list[dict[str, Any]]) -> None:
    rows = [
        [
            str(each["id"]), each["received_at"], each["type"], each["control_id"], terminal.text(each["state"]),
            "\n".join(f"{name}: {terminal.text(state)}" for name, state in each["deliveries"].items()),
        ]
        for each in told
    ]  # fmt: skip
    terminal.table(["id", "received", "type", "MSH-10", "state", "deliveries"], rows)


def show(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(help="Id of the message.", metavar="ID")],
    part: Annotated[
        str, typer.Option("--part", metavar=_PARTS, help="Write one content as it is kept, to the standard output.")
    ] = "",
    settings: SettingsOption = None,
    data: DataOption = None,
) -> None:
    """Contents hold patient data: they are written only when asked for with --part."""
    terminal: Terminal = ctx.obj
    with opened_records(terminal, settings, data) as records:
        shown = records.show(number)
        if shown is None:
            terminal.refuse([terminal.text("no message {number}", number=number)])
        if part:
            sys.stdout.buffer.write(_part(terminal, records, number, part, shown))
            sys.stdout.flush()
            return
    told = {**_plain(shown), "message": _plain(shown.message), "answers": len(shown.answers)}
    terminal.result(told, lambda: _show(terminal, shown))


def _part(terminal: Terminal, records: Records, number: int, part: str, shown: Any) -> bytes:
    name, _, delivery = part.partition(":")
    found: bytes | None = None
    if name in ("raw", "exchange"):
        body = records.search.body(number)
        if body is not None and name == "raw":
            found = bytes(body.raw)
        elif body is not None and body.exchange is not None:
            from connector.pipeline.formats import exchange_bytes

            found = exchange_bytes(body.exchange)
    elif name == "answers":
        found = b"\n".join(shown.answers)
    elif name in ("sent", "reply") and delivery.isdigit():
        found = records.search.sent(int(delivery)) if name == "sent" else records.search.reply(int(delivery))
    else:
        raise typer.BadParameter(_PARTS, param_hint="--part")
    if found is None:
        terminal.refuse([terminal.text("message {number} has no {part}", number=number, part=part)])
    return found


def _show(terminal: Terminal, shown: Any) -> None:
    from connector.cli.inputs import issue_lines

    message = shown.message
    facts = (
        ("received", f"{message.received_at} ({message.endpoint}, {message.remote})"),
        ("type", f"{message.type}  MSH-10 {message.control_id}  {message.size} B"),
        ("sender", message.sender),
        ("state", terminal.text(message.state)),
        ("answer", terminal.text(message.answer)),
        ("mapping", message.mapping),
        ("documents", ", ".join(shown.documents)),
    )
    for name, value in facts:
        terminal.write(f"{terminal.text(name) + ':':14} {visible(value)}")
    for line in issue_lines(terminal, shown.issues):
        terminal.write("  " + line)
    rows = [
        [
            str(leg.id),
            f"{leg.destination} ({leg.part})" if leg.part else leg.destination,
            terminal.text(leg.state),
            str(leg.attempts),
            leg.settled or leg.next_try or leg.queued or "",
            leg.reference,
        ]
        for leg in shown.legs
    ]
    if rows:
        terminal.table(["delivery", "destination", "state", "attempts", "when", "reference"], rows)
    for leg in shown.legs:
        for line in issue_lines(terminal, leg.issues):
            terminal.write(f"  {leg.id}: {line}")


def retry(
    ctx: typer.Context,
    deliveries: Annotated[list[int], typer.Argument(help="Ids of deliveries (journal show).", metavar="DELIVERY…")],
    settings: SettingsOption = None,
    data: DataOption = None,
) -> None:
    """Works beside a running connector (through its HTTP address) and without one."""
    terminal: Terminal = ctx.obj
    site = site_of(terminal, settings, data)
    count = change(
        terminal,
        site,
        "retry",
        [(f"/api/deliveries/{number}/retry", "retried") for number in deliveries],
        tuple(deliveries),
    )
    terminal.result({"retried": count}, lambda: terminal.say("{count} deliveries are due now", count=count))
    if not count:
        raise typer.Exit(1)


def judge(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(help="Id of the message.", metavar="ID")],
    settings: SettingsOption = None,
    data: DataOption = None,
) -> None:
    """With today's mappings, rules and patient index. Nothing is written to its sender; a message that was accepted keeps its verdict."""
    terminal: Terminal = ctx.obj
    site = site_of(terminal, settings, data)
    state = change(terminal, site, "judge", [(f"/api/messages/{number}/judge", "state")], number)
    terminal.result(
        {"state": state}, lambda: terminal.say("message {number}: {state}", number=number, state=terminal.text(state))
    )
    if state != "translated":
        raise typer.Exit(1)


def replay(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(help="Id of the message.", metavar="ID")],
    destination: Annotated[
        str | None, typer.Option("--to", help="One destination; by default all that it had.")
    ] = None,
    settings: SettingsOption = None,
    data: DataOption = None,
) -> None:
    """New deliveries; what the destination has already it recognises by the document's id."""
    from urllib.parse import quote

    terminal: Terminal = ctx.obj
    site = site_of(terminal, settings, data)
    suffix = f"?destination={quote(destination)}" if destination else ""
    made = change(
        terminal, site, "replay", [(f"/api/messages/{number}/replay{suffix}", "deliveries")], number, destination
    )
    count = len(made) if isinstance(made, list | tuple) else int(made)
    terminal.result({"deliveries": made}, lambda: terminal.say("{count} new deliveries", count=count))
    if not count:
        raise typer.Exit(1)


def change(terminal: Terminal, site: Settings, act: str, requests: list[tuple[str, str]], *arguments: Any) -> Any:
    """By this process, or by the running connector when it has the journal."""
    from connector.app import JournalBusy, Records

    try:
        records = Records(site)
    except FileNotFoundError:
        terminal.refuse([terminal.text("there is no journal in {folder}", folder=site.data)])
    try:
        if act in ("replay", "judge") and records.show(arguments[0]) is None:
            terminal.refuse([terminal.text("no message {number}", number=arguments[0])])
        return records.change(act, *arguments)
    except JournalBusy:
        return _asked(terminal, site, requests)
    finally:
        records.close()


def _asked(terminal: Terminal, site: Settings, requests: list[tuple[str, str]]) -> Any:
    import urllib.error
    import urllib.request

    address = _address(site)
    results: list[Any] = []
    for path, key in requests:
        request = urllib.request.Request(address + path, method="POST", headers={"X-Connector": "cli"})  # noqa: S310 - http, from our own file
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
                results.append(json.load(answer)[key])
        except urllib.error.HTTPError as error:
            reason = json.load(error).get("error", error.code)
            terminal.refuse([terminal.text("the running connector refuses: {reason}", reason=reason)])
        except OSError:
            terminal.refuse(
                [terminal.text("a connector has the journal, and {address} does not answer", address=address)]
            )
    return sum(results) if all(isinstance(result, int) for result in results) else results[0]


def _address(site: Settings) -> str:
    """Where the running connector said that it listens, else what the settings say."""
    told = site.data / "http.address"
    try:
        return told.read_text(encoding="ascii").strip()
    except OSError:
        return f"http://{site.http.host}:{site.http.port}"


def site_of(terminal: Terminal, settings: Path | None, data: Path | None) -> Settings:
    """The site's settings, with another data folder when one is given."""
    site = load_site(terminal, settings)
    return site.model_copy(update={"data": data.absolute()}) if data is not None else site


@contextlib.contextmanager
def opened_records(terminal: Terminal, settings: Path | None, data: Path | None) -> Iterator[Records]:
    """The journal of the site, to be read; refused when there is none yet."""
    from connector.app import Records

    site = site_of(terminal, settings, data)
    try:
        records = Records(site)
    except FileNotFoundError:
        terminal.refuse([terminal.text("there is no journal in {folder}", folder=site.data)])
    try:
        yield records
    finally:
        records.close()
