"""The container's files, without Docker: the entry point and the health check as processes, the Dockerfile and compose by their rules."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector.settings import settings_from
from tests.waiting import eventually

PORT = re.compile(r"0\.0\.0\.0:(\d+)")


@pytest.fixture
def folder(tmp_path: Path, root: Path) -> Path:
    """Where a container would run: the commands of this environment on its PATH, data of its own."""
    (tmp_path / "data").mkdir()
    return tmp_path


def variables(folder: Path, **given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "LC_", "LANG"))}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CONNECTOR_DATA": str(folder / "data"),
        "CONNECTOR_MLLP_PORT": "0",
        "CONNECTOR_HTTP_PORT": "0",
        **given,
    }


def run(root: Path, script: str, folder: Path, *words: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", root / "docker" / script, *words],
        cwd=folder, env=variables(folder, **given), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def entered(root: Path, folder: Path, *words: str, **given: str) -> Iterator[subprocess.Popen[str]]:
    """The entry point as a process; killed if it has not ended by then."""
    process = subprocess.Popen(
        ["sh", root / "docker" / "entrypoint.sh", *words],
        cwd=folder, env=variables(folder, **given), stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def up(process: subprocess.Popen[str]) -> str:
    """What it said until its data folder, the last line of its announcement."""
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if line.startswith("data: "):
            return told
    assert process.stderr is not None
    raise AssertionError(told + process.stderr.read())


def healthy(root: Path, folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """The health check once it is well: right after its announcement a lane may still be starting."""

    def look() -> subprocess.CompletedProcess[str] | None:
        found = run(root, "healthcheck.sh", folder, **given)
        return None if found.returncode else found

    return eventually(look)


def test_the_entry_point_serves_beyond_loopback_is_healthy_and_ends_with_0(root: Path, folder: Path) -> None:
    with entered(root, folder) as process:
        told = up(process)
        assert len(PORT.findall(told)) == 2, told  # MLLP and HTTP, on free ports
        assert "environment: test" in told
        # A proxy that the environment names is not asked about the loopback.
        found = healthy(root, folder, http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9")
        assert found.returncode == 0, found.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    after = run(root, "healthcheck.sh", folder)
    assert after.returncode == 1
    assert "not ready" in after.stderr
    assert "Traceback" not in after.stderr
    assert (folder / "data" / "journal.sqlite").exists()


def test_a_connector_that_was_killed_is_not_healthy_although_its_address_stays(root: Path, folder: Path) -> None:
    with entered(root, folder) as process:
        up(process)
        process.kill()
        process.wait(60)
    assert (folder / "data" / "http.address").exists()
    assert run(root, "healthcheck.sh", folder).returncode == 1


def test_words_after_serve_are_its_options_and_prevail(root: Path, folder: Path) -> None:
    with entered(root, folder, "serve", "--http", "127.0.0.1:0", "--quiet") as process:
        told = up(process)
        assert len(PORT.findall(told)) == 1, told
        assert healthy(root, folder).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize("by", ["variable", "word"])
def test_a_sites_settings_say_where_it_listens(root: Path, folder: Path, by: str) -> None:
    assert run(root, "entrypoint.sh", folder, "init", "site").returncode == 0
    settings = folder / "site" / "connector.yaml"
    text = settings.read_text("utf-8").replace("port: 2575", "port: 0")
    settings.write_text(
        text.replace("host: 127.0.0.1\n    port", "host: 0.0.0.0\n    insecure: trial\n    port"), "utf-8"
    )
    named = {"CONNECTOR_SETTINGS": str(folder / "site")} if by == "variable" else {"CONNECTOR_SETTINGS": ""}
    words = ["serve"] if by == "variable" else ["serve", str(settings)]
    compose = {"CONNECTOR_HTTP_HOST": "0.0.0.0", "CONNECTOR_HTTP_INSECURE": "published on loopback"}
    with entered(root, folder, *words, **named, **compose) as process:
        told = up(process)
        assert len(PORT.findall(told)) == 2, told
        assert f"data: {folder / 'data'}" in told
        assert healthy(root, folder, **named).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_settings_that_are_named_and_absent_are_refused_rather_than_replaced(root: Path, folder: Path) -> None:
    found = run(root, "entrypoint.sh", folder, CONNECTOR_SETTINGS=str(folder / "none.yaml"))
    assert found.returncode == 2
    assert "none.yaml" in found.stderr


def test_any_other_word_is_a_command(root: Path, folder: Path) -> None:
    found = run(root, "entrypoint.sh", folder, "doctor")
    assert found.returncode == 0, found.stdout + found.stderr
    assert str(folder / "data") in found.stdout
    asked = json.loads(run(root, "entrypoint.sh", folder, "--json", "doctor").stdout)
    assert {each["state"] for each in asked} <= {"ok", "warning"}
    assert run(root, "entrypoint.sh", folder, "no-such-command").returncode == 2


# --- the Dockerfile


def instructions(root: Path) -> list[tuple[str, str]]:
    """(instruction, what follows) of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n", " ", (root / "docker" / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines()]
    pairs = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(word.upper(), rest.strip()) for word, _, rest in pairs]


def of(root: Path, instruction: str) -> list[str]:
    return [rest for word, rest in instructions(root) if word == instruction]


def test_bases_are_pinned_and_the_same(root: Path) -> None:
    bases = {rest.split()[0] for rest in of(root, "FROM")}
    assert len(bases) == 1
    tag = bases.pop().partition(":")[2]
    assert re.fullmatch(r"\d+\.\d+-[a-z]+-[a-z]+", tag), "Python's minor version, the variant and the distribution"


def test_the_image_runs_without_rights_and_says_how_it_is(root: Path) -> None:
    stage = instructions(root)[max(n for n, (word, _) in enumerate(instructions(root)) if word == "FROM") :]
    words = [word for word, _ in stage]
    user = next(rest for word, rest in stage if word == "USER")
    assert int(user.split(":")[0]) >= 10_000, "a number, so that an orchestrator sees that it is not root"
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "RUN" not in words[words.index("USER") :]
    assert words.count("HEALTHCHECK") == 1
    for word in ("ENTRYPOINT", "CMD"):
        form = json.loads(next(rest for found, rest in stage if found == word))
        assert form in (["entrypoint.sh"], ["serve"])
    health = next(rest for word, rest in stage if word == "HEALTHCHECK")
    assert json.loads(health.partition("CMD ")[2]) == ["healthcheck.sh"]


def test_nothing_is_fetched_by_add_and_no_secret_is_built_in(root: Path) -> None:
    assert not of(root, "ADD")
    assert not of(root, "ARG")
    for rest in [*of(root, "ENV"), *of(root, "LABEL"), *of(root, "RUN")]:
        assert not re.search(r"passw|secret|token|api_?key|://[^/\s]*:[^/\s]*@", rest, re.IGNORECASE), rest
    assert not any(re.search(r"\|\s*(ba)?sh\b", rest) for rest in of(root, "RUN"))


def test_what_is_copied_is_there_and_the_context_holds_nothing_else(root: Path) -> None:
    copied = [
        source
        for rest in of(root, "COPY")
        if "--from=" not in rest
        for source in [word for word in shlex.split(rest) if not word.startswith("--")][:-1]
    ]
    assert {"pyproject.toml", "connector", "mappings", "terminology"} <= set(copied)
    assert all((root / source).exists() for source in copied)
    ignored = (root / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == set(copied)


def test_variables_of_the_image_are_settings(root: Path, folder: Path) -> None:
    named = dict(word.split("=", 1) for rest in of(root, "ENV") for word in shlex.split(rest))
    ours = {name: value for name, value in named.items() if name.startswith("CONNECTOR_")}
    settings = settings_from({"site": "image", "environment": "test"}, folder, environ=ours)
    assert str(settings.data) == "/var/lib/connector"
    exposed = {port for rest in of(root, "EXPOSE") for port in rest.split()}
    script = (root / "docker" / "entrypoint.sh").read_text(encoding="utf-8")
    assert exposed == set(re.findall(r"_PORT:-(\d+)", script))


# --- compose


@pytest.fixture
def compose(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / "docker" / "compose.yaml").read_text(encoding="utf-8"))
    return found


def test_the_connector_has_no_rights_and_a_file_system_that_it_cannot_write(compose: dict[str, Any]) -> None:
    service = compose["services"]["connector"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & set(service)
    assert all(port.startswith("127.0.0.1:") for port in service["ports"]), "beyond this machine is the site's decision"
    assert "data:/var/lib/connector" in service["volumes"]
    assert all(volume.endswith(":ro") for volume in service["volumes"] if volume.startswith("."))


def test_the_connector_waits_for_its_database_which_publishes_nothing(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"connector", "database"}
    assert compose["services"]["connector"]["depends_on"]["database"]["condition"] == "service_healthy"
    database = compose["services"]["database"]
    assert re.fullmatch(r"postgres:\d+(\.\d+)?-[a-z]+", database["image"])
    assert "ports" not in database
    assert "healthcheck" in database


def test_secrets_are_files_outside_the_repository(compose: dict[str, Any], root: Path) -> None:
    for service in compose["services"].values():
        assert set(service["secrets"]) <= set(compose["secrets"])
        for name, value in service["environment"].items():
            if re.search("PASSWORD|SECRET|TOKEN", name):
                assert name.endswith("_FILE"), name
                assert str(value).removeprefix("/run/secrets/") in service["secrets"]
            assert not re.search(r"://[^/@\s:]*:[^/@\s]+@", str(value)), name
    for secret in compose["secrets"].values():
        ignored = (root / "docker" / ".gitignore").read_text(encoding="utf-8").split()
        assert f"{Path(secret['file']).parent.name}/" in ignored


def test_the_variables_of_compose_are_settings_of_the_database_that_it_starts(
    compose: dict[str, Any], folder: Path
) -> None:
    from sqlalchemy import make_url

    environ = {name: str(value) for name, value in compose["services"]["connector"]["environment"].items()}
    settings = settings_from({"site": "compose", "environment": "test"}, folder, environ=environ)
    url = make_url(settings.database)
    database = compose["services"]["database"]["environment"]
    assert (url.username, url.database) == (database["POSTGRES_USER"], database["POSTGRES_DB"])
    assert url.host in compose["services"]
    assert url.drivername == "postgresql+psycopg"
    assert settings.database_password == f"file:{database['POSTGRES_PASSWORD_FILE']}"
    assert settings.http.host == "0.0.0.0"
    assert settings.http.insecure
