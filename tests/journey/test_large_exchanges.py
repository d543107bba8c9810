"""A large exchange on its way into a real connector: the caller who goes away and the process that is killed leave nothing behind."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.journey.running_connector import COMMAND, environment
from tests.unit.monsisra.sample import DOMAIN, data
from tests.waiting import eventually

SETTINGS = f"""\
site: region
environment: test
data: data
http: {{port: 0}}
monsisra: {{domains: [{DOMAIN}]}}
destinations:
  metier: {{kind: folder, path: metier, format: exchange}}
routes:
  - to: metier
"""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with (folder / "connector.log").open("ab") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "connector.yaml", "--json"],
            cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "connector.log").read_text()
        yield process, json.loads(line)["http"]
    finally:
        process.kill()
        process.communicate()


def files(folder: Path) -> list[str]:
    return [path.name for path in (folder / "data").glob("*.contents/*/*")]


def half_sent(url: str, body: bytes) -> socket.socket:
    """A request whose body stops in the middle."""
    where = urlsplit(url)
    caller = socket.create_connection((where.hostname, where.port))
    head = f"POST /exchanges HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    caller.sendall(head.encode() + body[: len(body) // 2])
    return caller


def test_a_caller_who_goes_away_and_a_process_that_is_killed_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "connector.yaml").write_text(SETTINGS, encoding="utf-8")
    value = data("mail")
    value["documents"][0]["content"] = {"data": base64.b64encode(os.urandom(6_000_000)).decode()}
    body = json.dumps(value).encode()
    with serving(tmp_path) as (process, url):
        caller = half_sent(url, body)
        eventually(lambda: files(tmp_path))
        caller.close()
        eventually(lambda: not files(tmp_path))
        with half_sent(url, body):
            eventually(lambda: files(tmp_path))
            process.kill()
            process.wait()
    assert len(files(tmp_path)) == 1
    with serving(tmp_path) as (_, url):
        assert files(tmp_path) == []
        answer = httpx.post(f"{url}/exchanges", content=body, headers={"content-type": "application/json"}, timeout=60)
        assert answer.status_code == 201, answer.text
        found = httpx.get(f"{url}{answer.headers['location']}", timeout=60).json()
        assert found["documents"][0]["content"]["data"] == value["documents"][0]["content"]["data"]
        [written] = eventually(lambda: list((tmp_path / "metier").glob("*.json")))
        assert json.loads(written.read_bytes()) == found
        assert len(files(tmp_path)) == 1
