"""The same exchange again: identical, grown by additions only, or another one under its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connector.exchange.content import detach
from connector.monsisra.continuation import misgrown, same
from tests.unit.monsisra.sample import CASES, data, read

MESSAGE = {"id": "new", "text": "Merci.", "sent": "2026-12-01T10:00:00+01:00"}


@pytest.mark.parametrize("case", CASES)
def test_an_exchange_is_the_same_as_itself_without_its_bytes(case: str) -> None:
    exchange = read(data(case))
    assert same(detach(exchange)[0], exchange)
    assert list(misgrown(detach(exchange)[0], exchange)) == []


def grown(case: str, change: Callable[[dict[str, Any]], Any]) -> list[tuple[str, str]]:
    value = data(case)
    earlier = detach(read(value))[0]
    change(value)
    later = read(value)
    assert not same(earlier, later)
    return [(issue.code, issue.place.path) for issue in misgrown(earlier, later)]


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("conversation", lambda x: x["messages"].append(MESSAGE)),
        (
            "conversation",
            lambda x: x["messages"][2]["seen"].append({"reader": x["sender"], "at": "2026-12-01T10:00:00+01:00"}),
        ),
        ("conversation", lambda x: x["thread"]["members"].append({"party": {"mssante": "a@monsisra.example.test"}})),
        ("conversation", lambda x: x["thread"].update(closed="2026-12-01T10:00:00+01:00")),
        ("teleexpertise", lambda x: x["teleexpertise"]["steps"].append({"state": "cloturee"})),
        ("mail", lambda x: x["messages"][0].update(received="2026-12-01T10:00:00+01:00")),
        ("mon-espace-sante", lambda x: x["channel"].update(state="closed")),
    ],
)
def test_what_only_adds_is_a_continuation(case: str, change: Callable[[dict[str, Any]], Any]) -> None:
    assert grown(case, change) == []


@pytest.mark.parametrize(
    ("case", "change", "place"),
    [
        ("conversation", lambda x: x["messages"][0].update(text="Autre chose."), "messages[1].text"),
        ("conversation", lambda x: x["messages"].pop(), "messages"),
        ("conversation", lambda x: x["messages"].insert(0, MESSAGE), "messages[1].id"),
        ("conversation", lambda x: x.pop("patient"), "patient"),
        ("conversation", lambda x: x.update(mode="mail"), "mode"),
        ("document", lambda x: x["documents"][0]["content"].update(data="YQ=="), "documents[1].content.size"),
        ("document", lambda x: x["sharing"].update(regional_record=False), "sharing.regional_record"),
        ("teleexpertise", lambda x: x["teleexpertise"]["steps"][1].update(state="annulee"), "teleexpertise.steps[2].state"),
        ("teleexpertise", lambda x: x["teleexpertise"]["form"]["answers"][0].update(values=["0"]), "teleexpertise.form.answers[1].values[1]"),
        ("mon-espace-sante-fin", lambda x: x["channel"].update(state="open"), "channel.state"),
    ],
)  # fmt: skip
def test_what_changes_or_takes_away_is_another_exchange(
    case: str, change: Callable[[dict[str, Any]], Any], place: str
) -> None:
    assert grown(case, change) == [("EXCHANGE_CONFLICT", place)]


@pytest.mark.parametrize(
    ("case", "close"),
    [
        ("conversation", lambda x: x["thread"].update(closed="2026-11-30T10:00:00+01:00")),
        ("teleexpertise", lambda x: x["teleexpertise"]["steps"].append({"state": "cloturee"})),
        ("mon-espace-sante-fin", lambda x: x),
    ],
)
def test_what_is_closed_takes_no_message(case: str, close: Callable[[dict[str, Any]], Any]) -> None:
    value = data(case)
    close(value)
    earlier = read(value)
    value["messages"].append(MESSAGE)
    assert [issue.code for issue in misgrown(earlier, read(value))] == ["MODE_CLOSED"]
