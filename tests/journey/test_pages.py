"""The status page in a real browser: it renders, says what happened, names no patient, runs nothing, asks nobody else."""

from __future__ import annotations

import json
import re
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from lxml import html

from tests.conftest import real_peers_required
from tests.journey.running_connector import PATIENT_VALUES, running

pytestmark = pytest.mark.real

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--enable-logging=stderr",
    # What the browser wants on its own account leads nowhere either.
    "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)  # fmt: skip


class Browser:
    """Headless Chromium, one run a question."""

    def __init__(self, folder: Path) -> None:
        found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if found is None:
            if real_peers_required():
                pytest.fail("Chromium is not installed")
            pytest.skip("Chromium is not installed")
        self._command = found
        self._folder = folder

    def run(self, url: str, *arguments: str, language: str = "en") -> tuple[str, str, list[str]]:
        """(what it printed, its console, the addresses that pages asked for)."""
        network = self._folder / "network.json"
        done = subprocess.run(
            [
                self._command, *FLAGS, f"--user-data-dir={self._folder / 'profile'}", f"--accept-lang={language}",
                f"--log-net-log={network}", *arguments, url,
            ],
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout, "\n".join(re.findall(r".*CONSOLE.*", done.stderr)), asked(network)

    def picture(self, url: str, width: int, height: int, name: str) -> tuple[int, int]:
        """Width and height of a screenshot."""
        path = self._folder / name
        self.run(url, f"--screenshot={path}", f"--window-size={width},{height}", "--hide-scrollbars")
        head = path.read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert path.stat().st_size > 5_000, "a blank page"
        return struct.unpack(">II", head[16:24])


def asked(network: Path) -> list[str]:
    """Every address that a page asked for or was asked for, by the browser's log of the network; not what the browser asks on its own account."""
    log: dict[str, Any] = json.loads(network.read_text(encoding="utf-8"))
    start = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    requests = [event.get("params", {}) for event in log["events"] if event["type"] == start]
    return [
        request["url"]
        for request in requests
        if "url" in request and (request["request_type"] != "other" or request["initiator"] != "not an origin")
    ]


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A running demonstration, with its document delivered."""
    with running(tmp_path_factory.mktemp("demo"), "demo", "--json", "--mllp", 0, "--http", 0) as told:
        assert told["delivered"]
        yield told


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(tmp_path)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "Everything runs and nothing waits for a person.",
                "test environment",
                "listening",
                "Last messages",
                "translated",
            ),
        ),
        (
            "fr",
            (
                "Tout fonctionne et rien n'attend une personne.",
                "environnement de test",
                "écoute",
                "Derniers messages",
                "traduit",
            ),
        ),
    ],
)
def test_the_page_says_what_runs_and_what_happened(
    browser: Browser, demonstration: dict[str, Any], language: str, words: tuple[str, ...]
) -> None:
    dom, console, addresses = browser.run(demonstration["http"] + "/", "--dump-dom", language=language)
    page = html.fromstring(dom)
    text = " ".join(page.text_content().split())
    assert page.get("lang") == language
    assert [word for word in words if word not in text] == []
    assert demonstration["control_id"] in text
    assert "MDM^T02" in text
    assert "DOSSIER-DEMO · CH-DEMO" in text
    assert demonstration["mllp"].removeprefix("mllp://") in text
    cells = [cell.text_content() for cell in page.xpath("//section[3]//tbody/tr[1]/td")]
    assert cells[0] == "documents"
    assert cells[3:] == ["0", "", "0", "0"]
    assert console == ""
    assert addresses
    strangers = {urlsplit(address).hostname for address in addresses} - {"127.0.0.1"}
    assert not strangers


def test_neither_the_page_nor_what_it_links_to_for_operators_names_a_patient(
    browser: Browser, demonstration: dict[str, Any]
) -> None:
    import httpx

    dom, _, _ = browser.run(demonstration["http"] + "/", "--dump-dom")
    page = html.fromstring(dom)
    links = page.xpath("//a/@href")
    assert {"/fhir/DocumentReference", "/metrics"} <= set(links)
    assert f"/api/messages/{demonstration['message_id']}" in links
    texts = {"/": dom}
    for link in links:
        answer = httpx.get(demonstration["http"] + "/" + link.lstrip("/"), trust_env=False, timeout=60)
        assert answer.status_code == 200, link
        if not link.startswith("/fhir"):  # where the documents themselves are
            texts[link] = answer.text
    assert not [
        (link, value) for link, text in texts.items() for value in (*PATIENT_VALUES, "DOMINIQUE") if value in text
    ]


def test_the_page_holds_no_script_and_its_style_is_the_one_that_the_policy_names(
    browser: Browser, demonstration: dict[str, Any]
) -> None:
    dom, _, addresses = browser.run(demonstration["http"] + "/", "--dump-dom")
    page = html.fromstring(dom)
    assert not page.xpath("//script | //img | //iframe | //link | //form | //@style | //@*[starts-with(name(), 'on')]")
    assert {urlsplit(address).path for address in addresses} <= {"/", "/favicon.ico"}
    assert page.xpath("//style")


@contextmanager
def stranger(page: str) -> Iterator[str]:
    """A page of another origin that wants to frame, read and post to the connector."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(30)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    connection.recv(65536)
                    body = page.encode()
                    connection.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
                        % (len(body), body)
                    )
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.getsockname()[1]}/"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def test_a_page_of_another_origin_can_neither_read_nor_change_anything(
    browser: Browser, demonstration: dict[str, Any]
) -> None:
    import httpx

    target = demonstration["http"]
    number = demonstration["message_id"]
    script = f"""<!doctype html><pre id=o></pre><script>
    const say = text => document.getElementById('o').textContent += text + ';';
    const attempt = (name, path, options) => fetch('{target}' + path, options)
        .then(answer => answer.text()).then(text => say(name + ' read ' + text.length), () => say(name + ' refused'));
    Promise.all([attempt('page', '/', {{}}), attempt('documents', '/fhir/DocumentReference', {{}}),
        attempt('replay', '/api/messages/{number}/replay', {{method: 'POST', headers: {{'X-Connector': '1'}}}}),
        attempt('simple', '/api/messages/{number}/replay', {{method: 'POST', mode: 'no-cors'}})]).then(() => say('done'));
    </script>"""
    before = httpx.get(f"{target}/api/messages/{number}", trust_env=False).json()["legs"]
    with stranger(script) as url:
        dom, console, addresses = browser.run(url, "--dump-dom", "--virtual-time-budget=8000")
    # The console and the network are seen where there is something to see: the other tests' silence means something.
    assert "CORS" in console
    assert f"{target}/fhir/DocumentReference" in addresses
    said = html.fromstring(dom).get_element_by_id("o").text_content()
    assert {"page refused", "documents refused", "replay refused", "done"} <= set(said.split(";"))
    # An opaque request may arrive; without the header it changes nothing.
    assert httpx.get(f"{target}/api/messages/{number}", trust_env=False).json()["legs"] == before


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (500, 900)], ids=["wide", "narrow"])
def test_the_page_can_be_looked_at(browser: Browser, demonstration: dict[str, Any], width: int, height: int) -> None:
    assert browser.picture(demonstration["http"] + "/", width, height, f"page-{width}.png") == (width, height)
