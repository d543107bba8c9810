"""What the tests of the journal and of the engine share: entries, a judge and senders of their own, a real PostgreSQL, a running engine as a process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connector.ports import (
    Claimed,
    Delivery,
    Entry,
    Inbound,
    MessageState,
    Peeked,
    Receipt,
)
from connector.store.journal import SqlJournal


class HandClock:
    """A clock that the test moves; wall and monotonic may be moved apart."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
        self.seconds = 1000.0

    def now(self) -> str:
        return datetime.fromtimestamp(self.wall, UTC).isoformat(timespec="milliseconds")

    def monotonic(self) -> float:
        return self.seconds

    def forward(self, seconds: float) -> None:
        self.wall += seconds
        self.seconds += seconds


def raw_of(number: object, text: str = "") -> bytes:
    return f"MSH|^~\\&|SGL|CHU|PFI|CHU|20260301||MDM^T02|{number}|T|2.5|{text}\r".encode()


def entry_of(
    number: object,
    *,
    key: str = "k",
    to: tuple[str, ...] = ("dpi",),
    raw: bytes | None = None,
    state: MessageState = MessageState.TRANSLATED,
    **more: Any,
) -> Entry:
    """An entry with MSH-10 = number."""
    raw = raw_of(number) if raw is None else raw
    fields: dict[str, Any] = {
        "inbound": Inbound(raw=raw, endpoint="mllp", remote="10.0.0.1:4000", received_at="2026-03-01T00:00:00.000Z"),
        "sender": "SGL|CHU",
        "control_id": str(number),
        "type": "MDM^T02",
        "digest": hashlib.sha256(raw).hexdigest(),
        "state": state,
        "key": key,
        "answers": (b"MSH|ACK|%s\r" % str(number).encode(),),
        "deliveries": tuple(Delivery(destination=name, key=key) for name in to),
    }
    return Entry(**{**fields, **more})


class TinyJudge:
    """Reads `MSH|…|MSH-10|…` and `key=` and `to=` in the last field; enough to drive the engine without any format."""

    def peek(self, inbound: Inbound) -> Peeked:
        fields = inbound.raw.decode("latin-1").split("|")
        if len(fields) < 10:
            return Peeked()
        return Peeked(
            sender=f"{fields[2]}|{fields[3]}", control_id=fields[9], type=fields[8], defer="defer" in fields[-1]
        )

    def judge(self, inbound: Inbound, digest: str, now: str, known: object = None) -> Entry:
        peeked = self.peek(inbound)
        text = inbound.raw.decode("latin-1").rstrip("\r").split("|")[-1]
        if "bug" in text:
            raise KeyError("a patient's name")
        said = dict(item.split("=", 1) for item in text.split(";") if "=" in item)
        key = said.get("key", "k")
        answers = (b"CA|" + peeked.control_id.encode(),) if "defer" in text else ()
        return Entry(
            inbound=inbound,
            sender=peeked.sender,
            control_id=peeked.control_id,
            type=peeked.type,
            digest=digest,
            state=MessageState.TRANSLATED,
            key=key,
            answers=(*answers, b"AA|" + peeked.control_id.encode()),
            deliveries=tuple(Delivery(destination=name, key=key) for name in said.get("to", "dpi").split(",") if name),
        )

    def received(self, inbound: Inbound, digest: str, now: str) -> Entry:
        return self._short(inbound, digest, MessageState.RECEIVED, b"CA|")

    def duplicate(self, inbound: Inbound, digest: str, now: str, earlier: int) -> Entry:
        return self._short(inbound, digest, MessageState.REFUSED, b"AE205|")

    def broken(self, inbound: Inbound, digest: str, now: str, what: str) -> Entry:
        return self._short(inbound, digest, MessageState.PARKED, b"AE207|")

    def unavailable(self, inbound: Inbound, now: str) -> tuple[bytes, ...]:
        return (b"AR|" + self.peek(inbound).control_id.encode(),)

    def _short(self, inbound: Inbound, digest: str, state: MessageState, word: bytes) -> Entry:
        peeked = self.peek(inbound)
        return Entry(
            inbound=inbound,
            sender=peeked.sender,
            control_id=peeked.control_id,
            type=peeked.type,
            digest=digest,
            state=state,
            answers=(word + peeked.control_id.encode(),),
        )


class ListSender:
    """Keeps what it was given, in order; `fails` maps a control id to the exceptions of its first tries; `down` fails always."""

    def __init__(self, fails: dict[str, list[Exception]] | None = None) -> None:
        self.got: list[Claimed] = []
        self.tried: list[str] = []
        self.fails = fails or {}
        self.down: Exception | None = None
        self.delay = 0.0
        self.at_once = self.most = 0
        self.closed = False

    async def deliver(self, claimed: Claimed, before_send: Any) -> Receipt:
        import asyncio

        self.tried.append(claimed.control_id)
        if self.down is not None:
            raise self.down
        await before_send()
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.fails.get(claimed.control_id):
                raise self.fails[claimed.control_id].pop(0)
        finally:
            self.at_once -= 1
        self.got.append(claimed)
        return Receipt(reference=f"ref/{claimed.control_id}", sent=claimed.raw, answer=b"AA")

    async def close(self) -> None:
        self.closed = True


@contextlib.asynccontextmanager
async def opened(url: str | Path, **settings: Any) -> AsyncIterator[SqlJournal]:
    """A started journal, stopped at the end."""
    from connector.engine.clock import SystemClock

    journal = SqlJournal(str(url), **{"clock": SystemClock(), **settings})
    await journal.start()
    try:
        yield journal
    finally:
        await journal.stop()


# --- a real PostgreSQL


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """A server of Debian's binaries in a temporary folder, on loopback, as an unprivileged user when we are root."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.user = "postgres" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="connector-pg-"))
        if self.user:
            shutil.chown(self.folder, self.user)
        self.port = _free_port()
        self._databases = 0
        self._run(
            "initdb", "-D", str(self.folder / "data"), "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync"
        )
        self.start()

    def start(self) -> None:
        # Its own durability is not what is tested: a crash of the server is one of processes, not of the machine.
        options = f"-c fsync=off -c full_page_writes=off -p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c shared_buffers=32MB -c max_connections=60"
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"), "-o", options, "start"
        )

    def crash(self) -> None:
        """As if the server had been killed."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"j{self._databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        with contextlib.suppress(subprocess.SubprocessError):
            self.crash()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.binaries / name), *arguments],
            check=True,
            user=self.user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=300,
        )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real server, or a skip with its reason (a failure when REQUIRE_REAL=1)."""
    binaries = _binaries()
    if binaries is None:
        reason = "no PostgreSQL binaries (apt-get install postgresql)"
        if os.environ.get("REQUIRE_REAL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    server = PostgresServer(binaries)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> str:
    """The URL of an empty database of the test's own."""
    return postgres_server.database()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Both databases, one after the other."""
    if request.param == "sqlite":
        return str(tmp_path / "journal.db")
    return str(request.getfixturevalue("postgres"))
