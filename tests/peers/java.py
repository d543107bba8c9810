"""Java peers: each folder here with a pom.xml is built once into var/peers/<name>, and run with its class path."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, real_peers_required

__all__ = ["classpath"]

_OUT = ROOT / "var" / "peers"


def classpath(name: str) -> str:
    """The class path of a peer; skips (or fails, when real peers are required) where Java, Maven or its packages are absent."""
    if not real_peers_required() and os.environ.get("SLOW") != "1":
        pytest.skip("Java peers take two minutes: SLOW=1 runs them, and CI")
    out = _OUT / name
    pom = ROOT / "tests" / "peers" / name / "pom.xml"
    listed = out / "classpath.txt"
    sources = [pom, *pom.parent.rglob("*.java")]
    if not listed.exists() or any(each.stat().st_mtime > listed.stat().st_mtime for each in sources):
        _build(pom, out, listed)
    return f"{out / 'classes'}:{listed.read_text(encoding='utf-8')}"


def _build(pom: Path, out: Path, listed: Path) -> None:
    if shutil.which("mvn") is None or shutil.which("java") is None:
        _absent("Java and Maven are not here")
    out.mkdir(parents=True, exist_ok=True)
    command = ["mvn", "-q", "-f", str(pom), f"-Dout={out}", "-DskipTests", "compile"]
    command += ["dependency:build-classpath", f"-Dmdep.outputFile={listed}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        _absent(f"the peer was not built: {(done.stdout + done.stderr)[-600:]}")


def _absent(why: str) -> None:
    if real_peers_required():
        pytest.fail(why)
    pytest.skip(why)
