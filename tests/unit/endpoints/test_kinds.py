"""Endpoint kinds are found by entry point; mistakes name the entry point."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

import connector.endpoints as endpoints
from connector.endpoints import GROUP, EndpointKind, EndpointSettings, kind, kinds
from connector.endpoints.mllp_in import KIND as MLLP_IN
from connector.endpoints.mllp_out import KIND as MLLP_OUT


def installed(monkeypatch: pytest.MonkeyPatch, **entries: str) -> None:
    """Only these entry points are installed."""
    found = EntryPoints([EntryPoint(name, value, GROUP) for name, value in entries.items()])
    monkeypatch.setattr(endpoints, "entry_points", lambda group: found.select(group=group))


def test_the_mllp_kinds_are_installed() -> None:
    assert kind("mllp_in") is MLLP_IN
    assert kind("mllp_out") is MLLP_OUT


def test_kinds_are_listed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, mllp_out="connector.endpoints.mllp_out:KIND", mllp_in="connector.endpoints.mllp_in:KIND")
    assert list(kinds().items()) == [("mllp_in", MLLP_IN), ("mllp_out", MLLP_OUT)]


@pytest.mark.parametrize(
    "entries",
    [{"mllp_in": "connector.endpoints.mllp_out:KIND"}, {"x": "connector.endpoints:GROUP"}],
    ids=["another name", "not a kind"],
)
def test_an_entry_point_that_is_no_kind_of_its_name_is_told(
    entries: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, **entries)
    with pytest.raises(TypeError, match=GROUP):
        kinds()


def test_an_unknown_kind_names_those_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, mllp_in="connector.endpoints.mllp_in:KIND")
    with pytest.raises(LookupError, match="there are: mllp_in"):
        kind("mlp")


@pytest.mark.parametrize("found", [MLLP_IN, MLLP_OUT], ids=lambda found: found.name)
def test_a_kind_is_complete(found: EndpointKind) -> None:
    assert all(found.title)
    assert found.direction == ("in" if found.name.endswith("_in") else "out")
    assert issubclass(found.settings, EndpointSettings)
    fields: dict[str, Any] = found.settings.model_json_schema()["properties"]
    assert all("description" in field for field in fields.values())
