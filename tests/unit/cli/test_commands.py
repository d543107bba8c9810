"""The frame of every verb: options anywhere, exit codes, two languages."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command

import connector.cli
from connector.cli.commands import build, exit_code, global_options
from connector.cli.terminal import Refused, Terminal, visible
from connector.cli.texts import FRENCH, translate

from .conftest import Command

SOURCES = sorted(Path(connector.cli.__file__).parent.glob("*.py"))


def test_the_options_of_every_verb_are_taken_wherever_they_stand() -> None:
    terminal, rest = global_options(
        ["journal", "--json", "ls", "--lang", "fr", "--limit", "3", "--debug", "--", "--json"]
    )
    assert (terminal.as_json, terminal.language, terminal.debug) == (True, "fr", True)
    assert rest == ["journal", "ls", "--limit", "3", "--", "--json"]


@pytest.mark.parametrize(
    ("variable", "value", "language"),
    [
        ("LANG", "fr_FR.UTF-8", "fr"),
        ("LANG", "en_GB", "en"),
        ("LANG", "C", "en"),
        ("LC_ALL", "fr_CA", "fr"),
        ("CONNECTOR_LANG", "fr", "fr"),
    ],
)
def test_the_language_is_that_of_the_locale(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, language: str
) -> None:
    for name in ("CONNECTOR_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    assert global_options([])[0].language == language


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["convert", "--help"], 0),
        (["nonsense"], 2),
        (["--lang", "de", "doctor"], 2),
        (["convert", "absent.hl7"], 2),
        (["convert", "letter.hl7", "--to", "word"], 2),
        (["send", "letter.hl7"], 2),
        (["send", "letter.hl7", "--mllp", "127.0.0.1:99999"], 2),
        (["listen", "--mllp", "0", "--answer", "perhaps"], 2),
        (["journal", "ls"], 1),
        (["send", "letter.hl7", "--mllp", "127.0.0.1:1", "--timeout", "2"], 1),
        (["doctor", "--settings", "absent.yaml"], 2),
    ],
)
def test_exit_codes(command: Command, letter: Path, arguments: list[str], code: int) -> None:
    result = command(*arguments)
    assert result.code == code, result
    assert result.out or result.err


def test_an_error_of_our_own_is_code_3_and_its_text_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(ValueError("PAT-TROIS"), Terminal()) == 3
    told = capsys.readouterr()
    assert told.err == "internal error (ValueError); --debug shows where\n"


def test_a_refusal_has_its_reasons_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(Refused(["because"]), Terminal(as_json=True)) == 1
    assert '"because"' in capsys.readouterr().out


def test_help_is_told_in_french(command: Command) -> None:
    told = command("--lang", "fr", "--help").out
    assert "Porte les échanges" in told
    assert "Convertir un message" in command("--lang", "fr", "convert", "--help").out


def _sentences() -> set[str]:
    found: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                given = [node.args[0]] if name in ("text", "say", "note") and node.args else []
                given += [keyword.value for keyword in node.keywords if keyword.arg in ("help", "epilog")]
                found |= {
                    value.value for value in given if isinstance(value, ast.Constant) and isinstance(value.value, str)
                }
    return found


def _all_strings() -> set[str]:
    return {
        node.value
        for path in SOURCES
        if path.name != "texts.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_sentence_has_its_french() -> None:
    assert sorted(_sentences() - FRENCH.keys()) == []


def test_no_french_is_left_over() -> None:
    states = {
        "accepted",
        "rejected",
        "parked",
        "queued",
        "claimed",
        "sent",
        "failed",
        "cancelled",
        "translated",
        "refused",
        "received",
    }
    told = {"pending", "told", "untold", "none", "information", "warning", "error", "fatal", "test", "production"}
    trouble = {"connection closed without an answer", "no answer asked for"}
    assert sorted(FRENCH.keys() - _all_strings() - states - told - trouble) == []


def test_both_languages_fill_the_same_names() -> None:
    for english, french in FRENCH.items():
        names = {part.split("}")[0] for part in english.split("{")[1:]}
        assert names == {part.split("}")[0] for part in french.split("{")[1:]}, english


def test_another_language_is_english() -> None:
    assert translate("no answer", "en") == "no answer"


def test_every_option_and_verb_has_a_help() -> None:
    def missing(command: object, path: str) -> list[str]:
        found = [] if getattr(command, "help", None) else [path]
        found += [f"{path} {each.name}" for each in getattr(command, "params", ()) if not getattr(each, "help", None)]
        for name, inner in getattr(command, "commands", {}).items():
            found += missing(inner, f"{path} {name}")
        return found

    assert missing(get_command(build()), "connector") == []


def test_every_verb_of_the_reference_exists(root: Path) -> None:
    page = (root / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    verbs = set(getattr(get_command(build()), "commands", {}))
    assert {
        line.removeprefix("## `connector ").split()[0].rstrip("`")
        for line in page.splitlines()
        if line.startswith("## `")
    } == verbs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("é\u202egnp", "é<U+202E>gnp"),
        ("a\x1b[31mb", "a␛[31mb"),
        ("a\rb\tc", "a␍b␉c"),
        ("x\u200by", "x<U+200B>y"),
        ("plain", "plain"),
    ],
)
def test_what_would_move_the_cursor_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_what_serves_loads_no_library_before_it_is_needed() -> None:
    code = (
        "import sys, connector.app.graph, connector.pipeline.translate, connector.web.app; "
        "heavy = {'fpdf', 'PIL', 'fontTools', 'saxonche', 'hl7apy'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_help_starts_quickly_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from connector.cli import run; run(['--help']); "
        "heavy = {'pydantic', 'sqlalchemy', 'lxml', 'starlette', 'httpx', 'fastapi', 'rich.table', 'uvicorn'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert time.perf_counter() - started < 30  # it does not hang; what it costs is measured by what it loads
