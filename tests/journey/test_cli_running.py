"""The commands that stay up, as processes: what they print, how they end, what they leave."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.journey.running_connector import COMMAND, a_letter, environment
from tests.waiting import eventually


@contextmanager
def running(tmp_path: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A command in a folder of its own, without a terminal; killed if it has not ended by then."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=tmp_path, env=environment(), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run(tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def first_json(stream: IO[str] | None) -> Any:
    """The first JSON value, over as many lines as it takes."""
    assert stream is not None
    text = ""
    for line in stream:
        text += line
        try:
            return json.loads(text)
        except ValueError:
            continue
    raise AssertionError(text)


def letter(tmp_path: Path, control_id: str) -> Path:
    path = tmp_path / f"{control_id}.hl7"
    path.write_bytes(a_letter(control_id))
    return path


def test_the_demonstration_shows_and_ends(tmp_path: Path) -> None:
    done = run(tmp_path, "demo", "--once", "--mllp", 0, "--http", 0)
    assert done.returncode == 0, done.stderr
    assert "only then answers: AA" in done.stdout
    assert "/fhir/DocumentReference/" in done.stdout
    assert str(tmp_path / "var" / "documents") in done.stdout
    assert list((tmp_path / "var" / "documents").glob("*/body.pdf"))
    assert "PAT-TROIS" not in done.stdout + done.stderr


def test_each_demonstration_sends_a_message_of_its_own_also_in_french(tmp_path: Path) -> None:
    told = [json.loads(run(tmp_path, "demo", "--once", "--json", "--mllp", 0, "--http", 0).stdout) for _ in range(2)]
    assert all(each["delivered"] and each["ack"] == ["AA"] for each in told)
    assert told[0]["control_id"] != told[1]["control_id"]
    assert told[0]["deliveries"][0]["where"] != told[1]["deliveries"][0]["where"]
    french = run(tmp_path, "--lang", "fr", "demo", "--once", "--mllp", 0, "--http", 0)
    assert "Un hôpital envoie une lettre" in french.stdout


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_demonstration_stays_up_until_it_is_told_to_end(tmp_path: Path, ending: signal.Signals) -> None:
    with running(tmp_path, "demo", "--json", "--mllp", 0, "--http", 0) as process:
        told = first_json(process.stdout)
        assert told["delivered"]
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(ending)
        assert process.wait(60) == 0


def test_a_taken_port_is_avoided_by_the_demonstration_and_refused_by_serve(tmp_path: Path) -> None:
    with running(tmp_path, "listen", "--mllp", 0) as peer:
        assert peer.stderr is not None
        port = int(peer.stderr.readline().split(":")[1].split(",")[0])
        shown = json.loads(run(tmp_path, "demo", "--once", "--json", "--mllp", port, "--http", 0).stdout)
        assert shown["delivered"]
        assert not shown["mllp"].endswith(f":{port}")
        refused = run(tmp_path, "serve", "--mllp", port, "--http", 0, "--data", "other")
        assert refused.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}" in refused.stderr


def test_flags_alone_carry_a_message_to_a_partner_unchanged(tmp_path: Path) -> None:
    message = letter(tmp_path, "FLAGS0001")
    with running(tmp_path, "listen", "--mllp", 0, "--dir", "kept") as peer:
        assert peer.stderr is not None
        where = peer.stderr.readline().split()[2].rstrip(",")
        with running(
            tmp_path, "serve", "--json", "--mllp", 0, "--http", 0, "--to", f"mllp://{where}", "--data", "d"
        ) as process:
            told = first_json(process.stdout)
            done = run(tmp_path, "send", "--mllp", told["receivers"]["mllp"], message)
            assert done.returncode == 0, done.stdout + done.stderr
            kept = tmp_path / "kept" / "000001.hl7"
            eventually(lambda: kept.exists() and kept.stat().st_size == message.stat().st_size)
            assert kept.read_bytes() == message.read_bytes()
            assert (tmp_path / "d" / "http.address").read_text(encoding="ascii").strip() == told["http"]
            again = run(tmp_path, "serve", "--mllp", 0, "--http", 0, "--data", "d")
            assert again.returncode == 1
            assert "another connector has this journal" in again.stderr
            replayed = run(tmp_path, "--json", "journal", "replay", 1, "--data", "d")
            assert replayed.returncode == 0, replayed.stderr
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            assert process.stderr is not None
            logs = process.stderr.read()
    assert "PAT-TROIS" not in logs
    assert not (tmp_path / "d" / "http.address").exists()
    listed = json.loads(run(tmp_path, "--json", "journal", "ls", "--data", "d").stdout)
    assert [(row["control_id"], row["type"], row["state"]) for row in listed] == [
        ("FLAGS0001", "MDM^T02", "translated")
    ]
    raw = subprocess.run(
        [*COMMAND, "journal", "show", "1", "--part", "raw", "--data", "d"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert raw.stdout == message.read_bytes()


def test_a_sites_folder_serves_as_it_stands(tmp_path: Path) -> None:
    assert run(tmp_path, "init", "site").returncode == 0
    settings = tmp_path / "site" / "connector.yaml"
    text = settings.read_text("utf-8").replace("port: 2575", "port: 0").replace("port: 8080", "port: 0")
    settings.write_text(text, encoding="utf-8")
    message = letter(tmp_path, "SITE0001")
    with running(tmp_path, "serve", "--json", "site") as process:
        told = first_json(process.stdout)
        assert set(told["destinations"]) == {"business", "fhir"}
        assert run(tmp_path, "send", "--mllp", told["receivers"]["mllp"], message).returncode == 0
        folder = tmp_path / "site" / "business"
        eventually(lambda: list(folder.glob("*/index.csv")))
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
