"""The MLLP servers beside ours, each in a process of its own: `servers.py KIND PORT [FILE]`.

`group`: the floor. Splits MSH, commits whatever waits in one SQLite transaction (WAL, synchronous=FULL) on a writer thread, then answers;
nothing is parsed, mapped or delivered. `hl7`: python-hl7's own asyncio server, which parses and answers; nothing is kept.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import sys
import threading
import time

VT, END = b"\x0b", b"\x1c\r"


def acknowledgement(message: bytes) -> bytes:
    """AA with MSA-2, framed."""
    head = message.split(b"\r", 1)[0].split(b"|")
    now = time.strftime("%Y%m%d%H%M%S").encode()
    return b"\x0bMSH|^~\\&|%b|%b|%b|%b|%b||ACK|A%b|P|2.5\rMSA|AA|%b\r\x1c\r" % (
        head[4], head[5], head[2], head[3], now, head[9], head[9],
    )  # fmt: skip


class Group:
    """The writer: one transaction for all that waits."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []
        self._some = threading.Event()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(
            "CREATE TABLE message (id INTEGER PRIMARY KEY, control_id BLOB, received REAL, body BLOB)"
        )
        self._connection.execute("CREATE INDEX message_id ON message (control_id)")
        threading.Thread(target=self._write, daemon=True).start()

    def take(self, transport: asyncio.Transport, message: bytes) -> None:
        self._waiting.append((transport, message))
        self._some.set()

    def _write(self) -> None:
        while self._some.wait():
            self._some.clear()
            taken, self._waiting = self._waiting, []
            if not taken:
                continue
            rows = [(message.split(b"|", 10)[9], time.time(), message) for _, message in taken]
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO message (control_id, received, body) VALUES (?, ?, ?)", rows)
            self._connection.execute("COMMIT")
            self._loop.call_soon_threadsafe(self._answer, taken)

    def _answer(self, taken: list[tuple[asyncio.Transport, bytes]]) -> None:
        for transport, message in taken:
            transport.write(acknowledgement(message))


class Frames(asyncio.Protocol):
    """Cuts frames out of the stream."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._held = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        held, seen = self._held, max(0, len(self._held) - 1)
        held += data
        while (end := held.find(END, seen)) >= 0:
            message = bytes(memoryview(held)[held.find(VT) + 1 : end])
            del held[: end + 2]
            seen = 0
            self._group.take(self._transport, message)


async def group(port: int, path: str) -> None:
    loop = asyncio.get_running_loop()
    writer = Group(path, loop)
    server = await loop.create_server(lambda: Frames(writer), "127.0.0.1", port, backlog=256)
    await server.serve_forever()


async def hl7(port: int, _path: str) -> None:
    from hl7.mllp import start_hl7_server

    async def talk(reader, writer):
        try:
            while not writer.is_closing():
                message = await reader.readmessage()
                writer.writemessage(message.create_ack())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    # Its own limit of 64 KiB refuses any message with a document.
    async with await start_hl7_server(talk, "127.0.0.1", port, encoding="utf-8", limit=50_000_000) as server:
        await server.serve_forever()


def main() -> None:
    logging.disable(logging.CRITICAL)
    kind, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    run({"group": group, "hl7": hl7}[kind](port, path))


if __name__ == "__main__":
    main()
