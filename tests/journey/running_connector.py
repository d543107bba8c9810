"""A real `connector serve` or `connector demo` process, for tests in which somebody else's software speaks to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connector.demo import demo_message
from connector.exchange.moments import Moment

COMMAND = [sys.executable, "-c", "from connector.cli import main; main()"]
SERVE = ("serve", "--json", "--mllp", "0", "--http", "0", "--data", "d")

#: Values of the demonstration's patient: none of them may stand where people look without a reason.
PATIENT_VALUES = ("PAT-TROIS", "279035121518989", "DEMO-0042", "19790328")


def environment() -> dict[str, str]:
    """This process's, without what would change the connector's settings or language."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "LC_", "LANG"))}


@contextmanager
def running(folder: Path, *arguments: object) -> Iterator[dict[str, Any]]:
    """The command in a folder of its own; what it told at its start. It must end with 0 on SIGTERM, without a patient's value in its logs."""
    logs = folder / "connector.log"
    with logs.open("wb") as stderr:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True,
        )  # fmt: skip
        try:
            yield _told(process, logs)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, logs.read_text("utf-8")
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()
    written = logs.read_text("utf-8")
    assert not [value for value in PATIENT_VALUES if value in written]


def _told(process: subprocess.Popen[str], logs: Path) -> dict[str, Any]:
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:
            continue
        return found
    raise AssertionError(text + logs.read_text("utf-8"))


def mllp(told: dict[str, Any]) -> tuple[str, int]:
    """Host and port of its MLLP receiver."""
    host, _, port = told["receivers"]["mllp"].rpartition(":")
    return host, int(port)


def a_letter(control_id: str, number: int = 1) -> bytes:
    """The demonstration's message: an MDM^T02 with a CDA, in it a PDF."""
    return demo_message(Moment("2026-01-05T10:15:00+01:00"), control_id, f"1.2.250.1.213.1.4.10.9.99.{number}")
