"""Environments of the peers under `var/bench`: made by the first run, one a peer, so that none meets the dependencies of another or ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["PEERS", "python_of"]

#: What is installed for a peer. Versions are fixed: figures are compared over time.
PEERS = {
    "hl7": "hl7==0.4.5",
    "hl7apy": "hl7apy==1.3.5",
    "hl7types": "hl7types==0.9.5",
    "brightohir": "brightohir==2.1.2",
    "v2fhir": "hl7v2-fhir-bridge==0.1.0",
}

_SECONDS = 180


def python_of(peer: str, folder: Path) -> tuple[Path | None, str]:
    """The interpreter of a peer's environment, or None and why there is none. What could not be installed is tried again at the next run."""
    place = folder / peer
    python = place / "bin" / "python"
    done = place / "installed"
    if done.exists() and done.read_text() == PEERS[peer]:
        return python, ""
    try:
        if not python.exists():
            _run([sys.executable, "-m", "venv", str(place)])
        _run(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--only-binary",
                ":all:",
                PEERS[peer],
            ]
        )
    except subprocess.TimeoutExpired:
        return None, f"{PEERS[peer]} could not be installed within {_SECONDS} s"
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or ["no reason given"]
        return None, f"{PEERS[peer]} could not be installed: {last[0]}"
    done.write_text(PEERS[peer])
    return python, ""


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS)
