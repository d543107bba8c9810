"""The reference pages say what the code says: every issue code, every field of the model."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from connector.exchange import (
    attachment,
    care,
    channel,
    clinical,
    conversation,
    documents,
    facts,
    model,
    people,
    results,
    teleexpertise,
)
from connector.issues import Issue, IssueCode, Severity

STRUCTS = [
    each
    for module in (model, people, attachment, documents, clinical, conversation, teleexpertise, channel, care, results, facts)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, msgspec.Struct) and each.__module__ == module.__name__
    and each is not people.Model
]  # fmt: skip


@pytest.fixture(scope="module")
def issues(root: Path) -> dict[str, str]:
    """Heading → its paragraph."""
    text = (root / "docs/reference/issues.md").read_text(encoding="utf-8")
    parts = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0].strip(): part.partition("\n")[2].partition("\n## ")[0].strip() for part in parts}


def test_every_issue_code_has_its_paragraph_and_no_other(issues: dict[str, str]) -> None:
    assert sorted(issues) == sorted(IssueCode.__members__)


@pytest.mark.parametrize("code", IssueCode, ids=lambda code: code.name)
def test_the_paragraph_gives_what_the_answer_will_hold(code: IssueCode, issues: dict[str, str]) -> None:
    paragraph = issues.get(code.name)
    if paragraph is None:
        pytest.fail(f"{code.name} has no paragraph in docs/reference/issues.md")
    assert f"ERR-3 `{code.condition}`" in paragraph
    assert (f"ERR-5 `{code.application}`" in paragraph) is bool(code.application)
    assert len(paragraph) > 80


@pytest.mark.parametrize("code", IssueCode, ids=lambda code: code.name)
def test_both_languages_take_the_same_parameters(code: IssueCode) -> None:
    names = [set(re.findall(r"\{(\w+)\}", text)) for text in (code.french, code.english)]
    assert names[0] == names[1]
    filled = Issue.of(Severity.ERROR, code, **dict.fromkeys(names[0], "x"))
    assert "{" not in filled.text("fr") + filled.text("en")


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_of_the_model_is_on_its_page(struct: type[msgspec.Struct], root: Path) -> None:
    text = (root / "docs/reference/exchange.md").read_text(encoding="utf-8")
    section = re.search(rf"^### {struct.__name__}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None, f"no section for {struct.__name__}"
    written = re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE)
    assert written == [field.name for field in msgspec.structs.fields(struct)]
