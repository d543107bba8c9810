"""`connector serve` as a process of its own, for peers that talk to it; and waiting without sleeping longer than needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from connector.demo import demo_message
from connector.exchange.moments import Moment

COMMAND = [sys.executable, "-c", "from connector.cli import main; main()"]
WRITTEN = Moment("2026-01-05T10:15:00+01:00")

T = TypeVar("T")


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """What it announced (receivers, http…); it must end with 0 when it is told to."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "LC_", "LANG"))}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--json", "--mllp", "0", "--http", "0", "--data", "data", *arguments],
            cwd=folder, env=kept, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "serve.log").read_text()
        yield json.loads(line)
        process.terminate()
        assert process.wait(60) == 0, (folder / "serve.log").read_text()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def address(told: dict[str, Any]) -> tuple[str, int]:
    """Host and port of its MLLP receiver."""
    host, _, port = told["receivers"]["mllp"].rpartition(":")
    return host, int(port)


def letter(control_id: str, number: int = 1) -> bytes:
    """The demonstration's message under a control id and a document of its own."""
    return demo_message(WRITTEN, control_id, f"1.2.250.1.213.1.4.10.9.99.{number}")


def until(look: Callable[[], T | None], seconds: float = 60.0) -> T:
    """What `look` finds, as soon as it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"nothing in {seconds} s")
