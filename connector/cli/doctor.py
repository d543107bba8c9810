"""`connector doctor`: is everything there that the connector needs? Each finding says what was looked at and what to do."""

from __future__ import annotations

import shutil
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from connector.cli.site import SettingsOption, load_site
from connector.cli.terminal import Terminal

if TYPE_CHECKING:
    from connector.settings import Settings

__all__ = ["Finding", "examine", "register"]

#: (ok | warning | failure, what was looked at, what was found, what to do) — the last two are sentences with names.
Finding = tuple[str, str, str, dict[str, object]]

_LOW_DISK = 1_000_000_000
_SYMBOLS = {"ok": "✓", "warning": "!", "failure": "✗"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor", help="Check Python, SQLite, database, disk, ports, clock, TLS files, mappings.")(doctor)


def doctor(ctx: typer.Context, settings: SettingsOption = None) -> None:
    """Exit code 1 when something fails; a warning alone is 0."""
    terminal: Terminal = ctx.obj
    site = load_site(terminal, settings, endpoints=True)
    findings = list(examine(site))
    told = [
        {"state": state, "subject": subject, "text": terminal.text(sentence, **names)}
        for state, subject, sentence, names in findings
    ]
    terminal.result(told, lambda: _draw(terminal, told))
    if any(state == "failure" for state, *_ in findings):
        raise typer.Exit(1)


def _draw(terminal: Terminal, told: list[dict[str, str]]) -> None:
    for finding in told:
        terminal.write(f"{_SYMBOLS[finding['state']]} {terminal.text(finding['subject'])}: {finding['text']}")


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding for a site. Nothing is changed, except that the data folder is made when it is not there."""
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _python, _sqlite, _data, _database, _ports, _clock, _tls, _secrets, _mappings,
    )  # fmt: skip
    for check in checks:
        yield from check(settings)


def _python(_: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield "ok", "Python", "{version}", {"version": version}
    try:
        import uvloop  # noqa: F401 - only whether it can be imported
    except ImportError:
        yield "warning", "Python", "uvloop is not installed: network throughput is about a third lower", {}


def _sqlite(settings: Settings) -> Iterator[Finding]:
    from connector.store.database import sqlite_module, sqlite_warning

    version = sqlite_module().sqlite_version
    if sqlite_warning() is None:
        yield "ok", "SQLite", "{version}", {"version": version}
    else:
        state = "warning" if not settings.database or settings.database.startswith("sqlite") else "ok"
        yield (
            state,
            "SQLite",
            "{version} has the WAL-reset defect (fixed in 3.51.3): install the pysqlite3 wheel",
            {"version": version},
        )


def _data(settings: Settings) -> Iterator[Finding]:
    folder = settings.data
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        yield "failure", "Data", "{folder} cannot be written ({kind})", {"folder": folder, "kind": type(error).__name__}
        return
    free = shutil.disk_usage(folder).free
    state = "ok" if free >= _LOW_DISK else "warning"
    yield state, "Data", "{folder}, {free} GB free", {"folder": folder, "free": f"{free / 1e9:.1f}"}


def _database(settings: Settings) -> Iterator[Finding]:
    from connector.app import journal_state

    try:
        state = journal_state(settings)
    except Exception as error:  # whatever a database driver raises: the finding is that it cannot be reached
        yield "failure", "Journal", "cannot be reached ({kind})", {"kind": type(error).__name__}
        return
    sentence = {
        "absent": "not made yet; the first start makes it",
        "running": "in use by a running connector",
        "ready": "can be read",
    }[state]
    yield "ok", "Journal", sentence, {}


def _ports(settings: Settings) -> Iterator[Finding]:
    wanted: list[tuple[str, str, int]] = []
    if settings.http.enabled:
        wanted.append(("http", settings.http.host, settings.http.port))
    wanted += [
        (receiver.called, str(receiver.options.get("host", "127.0.0.1")), int(receiver.options["port"]))
        for receiver in settings.receivers
        if "port" in receiver.options
    ]
    for name, host, port in wanted:
        where = {"name": name, "host": host, "port": port}
        if port and _taken(host, port):
            yield "warning", "Ports", "{name}: {host}:{port} is taken (by a running connector?)", where
        else:
            yield "ok", "Ports", "{name}: {host}:{port} is free", where


def _taken(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _clock(settings: Settings) -> Iterator[Finding]:
    """No time server is asked: what can be seen from here is a clock that stands before the product's own files or far after."""
    now = time.time()
    newest = max((path.stat().st_mtime for path in Path(__file__).parent.glob("*.py")), default=0.0)
    from connector.engine.clock import SystemClock

    said = SystemClock().now()
    if now + 86_400 < newest:
        yield "failure", "Clock", "{now} is before this program was installed", {"now": said}
    else:
        yield "ok", "Clock", "{now} ({zone})", {"now": said, "zone": settings.zone}


def _tls(settings: Settings) -> Iterator[Finding]:
    """Certificates named in the settings: readable, and for how long still."""
    named = [(receiver.called, receiver.options) for receiver in settings.receivers]
    named += [(name, destination.options) for name, destination in settings.destinations.items()]
    for name, options in named:
        tls = options.get("tls")
        for setting in ("certificate", "authorities"):
            if isinstance(tls, dict) and isinstance(tls.get(setting), str):
                yield _certificate(name, setting, settings, tls[setting])


def _certificate(name: str, setting: str, settings: Settings, file: str) -> Finding:
    where: dict[str, object] = {"name": name, "setting": setting, "file": file}
    try:
        pem = Path(file).read_text(encoding="ascii")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=pem)
        ends = [ssl.cert_time_to_seconds(str(found["notAfter"])) for found in context.get_ca_certs()]
    except (OSError, ValueError, ssl.SSLError) as error:
        return (
            "failure",
            "TLS",
            "{name}: {setting} {file} cannot be read ({kind})",
            {**where, "kind": type(error).__name__},
        )
    days = int((min(ends) - time.time()) / 86_400) if ends else None
    if days is None:
        return "ok", "TLS", "{name}: {setting} can be read", where
    state = "failure" if days < 0 else "warning" if days < 30 else "ok"
    return state, "TLS", "{name}: {setting} ends in {days} days", {**where, "days": days}


def _secrets(settings: Settings) -> Iterator[Finding]:
    from connector.settings import SecretUnavailable, secret

    references = sorted(set(_references(settings.model_dump(mode="json"))))
    for reference in references:
        try:
            secret(reference)
        except SecretUnavailable as error:
            yield "failure", "Secrets", "{reason}", {"reason": str(error)}
    if references:
        yield "ok", "Secrets", "{count} references looked up", {"count": len(references)}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith(("env:", "file:")):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _mappings(settings: Settings) -> Iterator[Finding]:
    from connector.app import compile_site, library_mistakes

    mistakes = library_mistakes(settings)
    if mistakes:
        yield "failure", "Mappings", "{count} mistakes; `connector check` lists them", {"count": len(mistakes)}
    else:
        yield "ok", "Mappings", "version {version}", {"version": compile_site(settings).version}
