"""Load for an MLLP server, and the sink that what it delivers arrives at: `load.py JSON` prints a JSON object.

Each connection sends its next message once the last one is answered, for `seconds`; then what is still to be delivered is waited for.
Every message has an MSH-10 of its own and one of `patients`. One process, so every time stamp is from one clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

VT, END = b"\x0b", b"\x1c\r"


class Ends(asyncio.Protocol):
    """One connection: `got` is called with each whole message."""

    def __init__(self, got: Any) -> None:
        self._got = got
        self._held = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        held, seen = self._held, max(0, len(self._held) - 1)
        held += data
        while (end := held.find(END, seen)) >= 0:
            message = bytes(memoryview(held)[held.find(VT) + 1 : end])
            del held[: end + 2]
            seen = 0
            self._got(self, message)


class Load:
    """The senders and the sink."""

    def __init__(self, asked: dict[str, Any]) -> None:
        raw = Path(asked["message"]).read_bytes()
        self.asked = asked
        before, after = raw.split(asked["control_id"].encode(), 1)
        self.before = before
        self.parts = after.split(asked["patient"].encode())
        self.patients = [name.encode() for name in asked["patients"]] or [asked["patient"].encode()]
        self.count = 0
        self.waiting: dict[bytes, asyncio.Future[str]] = {}
        self.took: list[float] = []
        self.codes: Counter[str] = Counter()
        self.delivered: dict[bytes, float] = {}
        self.again = 0
        self.run = f"{time.time_ns():x}"[-8:]

    def message(self) -> tuple[bytes, list[bytes]]:
        self.count += 1
        number = f"{self.run}-{self.count}".encode()
        patient = self.patients[self.count % len(self.patients)]
        # Pieces, not one string: a large document is not copied by the generator.
        return number, [VT, self.before, number, patient.join(self.parts), END]

    def answered(self, _connection: Ends, answer: bytes) -> None:
        fields = answer[answer.index(b"\rMSA|") + 1 :].split(b"\r", 1)[0].split(b"|")
        waiting = self.waiting.pop(fields[2], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(fields[1].decode())

    def arrived(self, connection: Ends, message: bytes) -> None:
        head = message.split(b"\r", 1)[0].split(b"|")
        if head[9] in self.delivered:
            self.again += 1
        self.delivered[head[9]] = time.perf_counter()
        connection.transport.write(
            b"\x0bMSH|^~\\&|SINK|SINK|A|B|20260304102030||ACK|S%b|P|2.5\rMSA|AA|%b\r\x1c\r" % (head[9], head[9])
        )

    async def sender(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Ends(self.answered), "127.0.0.1", self.asked["port"])
        while time.perf_counter() < until and self.count < self.asked.get("most", 1 << 60):
            number, pieces = self.message()
            answer = self.waiting[number] = loop.create_future()
            started = time.perf_counter()
            connection.transport.writelines(pieces)
            self.codes[await asyncio.wait_for(answer, 60)] += 1
            self.took.append(time.perf_counter() - started)
        connection.transport.close()

    async def all(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        if self.asked["sink"]:
            await loop.create_server(lambda: Ends(self.arrived), "127.0.0.1", self.asked["sink"])
        started = time.perf_counter()
        await asyncio.gather(*[self.sender(started + self.asked["seconds"]) for _ in range(self.asked["connections"])])
        acked = time.perf_counter() - started
        accepted = self.codes["AA"] + self.codes["CA"]
        found = {
            "acks_per_s": len(self.took) / acked,
            "messages": self.count,
            "codes": dict(self.codes),
            **self.latency(),
        }
        if self.asked["sink"]:
            end = time.perf_counter() + 120
            while len(self.delivered) < accepted and time.perf_counter() < end:
                await asyncio.sleep(0.01)
            last = max(self.delivered.values(), default=started) - started
            found |= {
                "delivered": len(self.delivered),
                "delivered_per_s": len(self.delivered) / (last or 1),
                "duplicates": self.again,
            }
        return found

    def latency(self) -> dict[str, float]:
        took = sorted(self.took)
        return {f"p{part}_ms": took[min(len(took) - 1, len(took) * part // 100)] * 1000 for part in (50, 99)}


def main() -> None:
    load = Load(json.loads(sys.argv[1]))
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    print(json.dumps(run(load.all())))


if __name__ == "__main__":
    main()
