"""Processes that are measured: the connector's own `serve`, other servers, and what /proc says of them (Linux)."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.messages import CONTROL_ID, PATIENT, patients

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
CONNECTOR = Path(sys.executable).with_name("connector")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def json_of(command: list[str], seconds: float = 300) -> dict[str, Any]:
    """What a child printed on its last line. Raises RuntimeError with its last words."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=seconds, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no output"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int, name: str = "VmRSS") -> float:
    """Resident memory: now (VmRSS) or the most there was (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


class Running:
    """A server in a process of its own."""

    def __init__(self, pid: int, port: int, sink: int) -> None:
        self.pid, self.port, self.sink = pid, port, sink

    def load(
        self, message: Path, connections: int, seconds: float, *, persons: int = 200, most: int = 0
    ) -> dict[str, Any]:
        """Put it under load; adds the server's CPU a message and its memory."""
        asked: dict[str, Any] = {
            "port": self.port, "sink": self.sink, "connections": connections, "seconds": seconds, "message": str(message),
            "control_id": CONTROL_ID, "patient": PATIENT, "patients": patients(persons) if persons > 1 else [],
        }  # fmt: skip
        if most:
            asked["most"] = most
        before = cpu_seconds(self.pid)
        found = json_of([sys.executable, str(HERE / "load.py"), json.dumps(asked)], 200 + seconds)
        return {
            **found,
            "cpu_ms": (cpu_seconds(self.pid) - before) * 1000 / max(1, found["messages"]),
            "peak_mb": memory_mb(self.pid, "VmHWM"),
        }


@contextlib.contextmanager
def started(command: list[str], port: int, sink: int = 0) -> Iterator[Running]:
    """A server that listens on `port` when this gives it; stopped at the end."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 60
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                raise RuntimeError(
                    ((process.communicate()[1] or "").strip().splitlines() or ["it does not listen"])[-1]
                )
            time.sleep(0.05)
        time.sleep(0.5)
        yield Running(process.pid, port, sink)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def connector() -> Iterator[Running]:
    """The product: `connector serve --mllp PORT --to mllp://SINK --data DIR`, the shipped mappings in force."""
    port, sink = free_port(), free_port()
    with folder() as data:
        command = [
            str(CONNECTOR),
            "serve",
            "--mllp",
            str(port),
            "--to",
            f"mllp://127.0.0.1:{sink}",
            "--data",
            str(data),
            "--quiet",
        ]
        with started(command, port, sink) as running:
            yield running


@contextlib.contextmanager
def other(kind: str, python: Path) -> Iterator[Running]:
    """A server of `servers.py`."""
    port = free_port()
    with (
        folder() as data,
        started([str(python), str(HERE / "servers.py"), kind, str(port), str(data / "floor.db")], port) as running,
    ):
        yield running


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder on the disk of the checkout: /tmp may be memory, and fsync would cost nothing."""
    base = ROOT / "var" / "bench"
    base.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=base, prefix="data-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _listens(port: int) -> bool:
    # Asked of the kernel: a connection to try would be the server's first.
    wanted = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(fields[1].endswith(wanted) and fields[3] == "0A" for fields in map(str.split, lines))
