"""`connector advise` and `connector monsisra schema`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.monsisra.sample import data

from .conftest import Command

SITE = "site: region\nenvironment: test\nmonsisra: {domains: [monsisra.example.test]}\n"
ACCOUNT, OTHER = "marc.modele@monsisra.example.test", "paul@autre.example.test"


@pytest.fixture
def region(tmp_path: Path) -> str:
    (tmp_path / "connector.yaml").write_text(SITE, encoding="utf-8")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("words", "mode", "code"),
    [
        (("--to", ACCOUNT, "--text", "--photo", "--visio"), "conversation", 0),
        (("--to", ACCOUNT, "--inactive", ACCOUNT, "--document"), "document", 0),
        (("--to", OTHER, "--to", ACCOUNT, "--text"), "mail", 0),
        (("--expert", ACCOUNT, "--text"), "teleexpertise", 0),
        (("--team", ACCOUNT), "teleexpertise", 0),
        (("--to", "279035121518989@patient.mssante.fr", "--text"), "mon_espace_sante", 0),
        (("--to", "279035121518989@patient.mssante.fr", "--to", ACCOUNT), None, 1),
        ((), None, 1),
    ],
)
def test_the_mode_follows_from_the_options(
    words: tuple[str, ...], mode: str | None, code: int, command: Command, region: str
) -> None:
    found = command("--json", "advise", *words, "--settings", region)
    assert (found.code, found.data["mode"]) == (code, mode)
    assert found.data["why"]


def test_it_is_told_in_french_with_what_is_missing(command: Command, region: str) -> None:
    found = command("--lang", "fr", "advise", "--to", ACCOUNT, "--text", "--settings", region)
    assert found.out.splitlines()[0] == "Conversation (conversation)"
    assert "Il manque, avant l'envoi :" in found.out
    assert (
        "sender: champ obligatoire du mode « Conversation » absent : « Agir en tant que »  [acting_account]"
        in found.out
    )


def test_a_draft_is_read_from_a_file_and_a_wrong_one_refused(command: Command, region: str, tmp_path: Path) -> None:
    draft = tmp_path / "draft.json"
    draft.write_text(json.dumps(data("document", mode=None, origin=None)), encoding="utf-8")
    found = command("--json", "advise", str(draft), "--settings", region)
    assert (found.code, found.data["mode"], found.data["missing"]) == (0, "document", [])
    draft.write_text('{"recipient": []}', encoding="utf-8")
    assert command("advise", str(draft), "--settings", region).code == 1


def test_the_schema_is_written(command: Command) -> None:
    assert json.loads(command("monsisra", "schema").out)["title"] == "Exchange profile"
