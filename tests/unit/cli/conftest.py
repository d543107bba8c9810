"""Commands run in this process; what they write is taken together with their exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from connector.cli import run
from connector.demo import demo_message
from connector.exchange.moments import Moment


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Result]


@pytest.fixture
def command(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run `connector …` in an empty folder, in English."""
    monkeypatch.chdir(tmp_path)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "CONNECTOR_LANG", "CONNECTOR_SETTINGS", "ANS_CDA_JUDGE"):
        monkeypatch.delenv(name, raising=False)

    def run_it(*arguments: object) -> Result:
        capfdbinary.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return Result(code, out.decode(), err.decode())

    return run_it


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    """The demonstration's message as a file."""
    path = tmp_path / "letter.hl7"
    path.write_bytes(demo_message(Moment("2026-01-05T10:15:00+01:00"), "CLI0001", "1.2.250.1.213.1.4.10.9.99.5"))
    return path
