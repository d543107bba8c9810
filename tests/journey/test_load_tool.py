"""The load tool of the corpus against the product's own `serve`, default mappings in force: nothing lost, doubled or reordered, also through kill -9.

Small by default; `LOAD=20000` sends so many messages.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench.messages import mdm

pytestmark = [pytest.mark.shared, pytest.mark.slow]

MESSAGES = int(os.environ.get("LOAD", "1500"))


def ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    numbers = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return numbers


class Serve:
    """`connector serve`, and how it is started again."""

    def __init__(self, data: Path) -> None:
        self.port, self.http, self.sink = ports(3)
        start = "from connector.cli import main; main()"
        flags = f"serve --mllp {self.port} --http {self.http} --to mllp://127.0.0.1:{self.sink} --data {data} --quiet"
        self.command = [sys.executable, "-c", start, *flags.split()]
        self.log = data.parent / "serve.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not self._listens():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, "it does not listen"
            time.sleep(0.1)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    running = Serve(tmp_path / "data")
    yield running
    # The load tool starts the second one itself after a kill: both are found by the port in their command line.
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            ours = f"mllp://127.0.0.1:{running.sink}".encode() in each.read_bytes().split(b"\0")
            if ours and b"serve" in each.read_bytes():
                os.kill(int(each.parent.name), signal.SIGTERM)
        except (OSError, ValueError):
            continue
    running.process.wait(60)


@pytest.fixture
def load(shared: Path, serve: Serve) -> Callable[..., dict[str, Any]]:
    def run(template: Path, messages: int, *more: object) -> dict[str, Any]:
        command = [
            sys.executable, shared / "perf" / "e2e_load.py", "--port", serve.port, "--sink-port", serve.sink,
            "--connections", 8, "--messages", messages, "--template", template, *more,
        ]  # fmt: skip
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=1200, check=False)
        report: dict[str, Any] = json.loads(done.stdout)
        # After a kill the tool counts what was sent again as an error; the caller says how many there may be.
        assert done.returncode == 0 or "--kill-pid" in more, (
            f"{done.stdout} {done.stderr[-500:]} {serve.log.read_text()[-1000:]}"
        )
        return report

    return run


def arrived(report: dict[str, Any], messages: int) -> None:
    delivered = report["delivered"]
    assert delivered["unique"] == messages, report
    assert (delivered["lost"], delivered["reordered"], delivered["field_mismatches"]) == (0, 0, 0), report
    assert set(report["ack"]["codes"]) <= {"AA", "CA"}, report["ack"]


def test_every_acknowledged_message_arrives_once_and_in_order(shared, load):
    report = load(shared / "perf" / "templates" / "adt_1k.hl7", MESSAGES)
    arrived(report, MESSAGES)
    assert report["delivered"]["duplicates"] == 0, report


def test_kill_in_the_middle_of_the_load_loses_nothing(shared, serve, load):
    after = max(1.0, MESSAGES / 2000)
    restart = ["--restart-cmd", shlex.join(serve.command), "--restart-log", serve.log]
    kill = ["--kill-pid", serve.process.pid, "--kill-after", after, *restart]
    report = load(shared / "perf" / "templates" / "adt_1k.hl7", MESSAGES, *kill)
    arrived(report, MESSAGES)
    # One patient, so one lane: at most the one message that was on its way may come twice. MLLP cannot tell whether it had arrived.
    assert report["delivered"]["duplicates"] <= 1, report
    assert serve.process.wait(60) == -signal.SIGKILL


def test_documents_arrive_too(tmp_path, load):
    template = tmp_path / "mdm.hl7"
    template.write_bytes(mdm(30_000))
    count = max(200, MESSAGES // 10)
    arrived(load(template, count), count)
