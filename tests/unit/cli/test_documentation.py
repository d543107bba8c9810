"""The guides say what the product does: their settings load, their overlay compiles, their commands exist."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from typer.main import get_command

from connector.app import endpoint_models, library_mistakes
from connector.cli.commands import build
from connector.settings import load_settings

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    [
        *(ROOT / "docs" / "tutorial").glob("*.md"),
        *(ROOT / "docs" / "how-to").glob("*.md"),
        ROOT / "docs" / "reference" / "cli.md",
    ]
)


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for block in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_guide_exists_with_its_options(page: Path) -> None:
    commands = get_command(build())
    for block in blocks(page, ""):
        for line in block.splitlines():
            words = line.split("#")[0].split()
            if words[:1] != ["connector"]:
                continue
            verb = getattr(commands, "commands")[words[1]]  # noqa: B009 - not an attribute of every command
            if hasattr(verb, "commands"):
                verb = verb.commands[words[2]]
            known = {option for parameter in verb.params for option in parameter.opts + parameter.secondary_opts}
            assert {word for word in words if word.startswith("--")} <= known | {"--json", "--lang", "--debug"}, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_guide_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).resolve().exists(), target


def test_the_settings_of_the_routing_guide_load(tmp_path: Path) -> None:
    models, names = endpoint_models(), set()
    for text in blocks(ROOT / "docs" / "how-to" / "route-a-document.md", "yaml"):
        file = tmp_path / "connector.yaml"
        file.write_text("site: clinique\nenvironment: test\n" + text, encoding="utf-8")
        site = load_settings(file, receivers=models["receivers"], destinations=models["destinations"], environ={})
        names |= set(site.destinations)
    assert names == {"metier", "laboratoire", "serveur-fhir", "dossier-partage"}


def test_the_overlay_of_the_mapping_guide_compiles(tmp_path: Path) -> None:
    [text] = blocks(ROOT / "docs" / "how-to" / "change-a-mapping.md", "yaml")
    file = tmp_path / "connector.yaml"
    file.write_text("site: clinique\nenvironment: test\n", encoding="utf-8")
    overlay = tmp_path / "mappings" / "hl7" / "segments" / "PID.yaml"
    overlay.parent.mkdir(parents=True)
    overlay.write_text(text, encoding="utf-8")
    table = tmp_path / "terminology" / "sex-local.csv"
    table.parent.mkdir()
    table.write_text((ROOT / "terminology" / "sex.csv").read_text("utf-8"), encoding="utf-8")
    assert library_mistakes(load_settings(file, environ={})) == []
