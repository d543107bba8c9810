"""The exchanges of tests/golden/exchanges, to change one thing of, and the Context that they are judged in."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from connector import terminology
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment
from connector.exchange.rules import check
from connector.issues import Issue
from connector.monsisra.codec import parse
from connector.monsisra.modes import rules_for

ROOT = Path(__file__).resolve().parents[3]
CASES = sorted(path.parent.name for path in (ROOT / "tests" / "golden" / "exchanges").glob("*/exchange.json"))
DOMAIN = "monsisra.example.test"


def raw(case: str) -> bytes:
    """The JSON of a case."""
    return (ROOT / "tests" / "golden" / "exchanges" / case / "exchange.json").read_bytes()


def data(case: str, **changes: Any) -> dict[str, Any]:
    """The JSON of a case as data; `changes` replace top fields, None takes one away."""
    found = json.loads(raw(case)) | changes
    return {name: value for name, value in found.items() if value is not None}


def read(value: dict[str, Any]) -> Exchange:
    """Data → Exchange; what is refused fails the test."""
    outcome = parse(json.dumps(value).encode())
    assert outcome.value is not None, outcome.issues
    return outcome.value


@cache
def tables() -> terminology.Tables:
    return terminology.load({path.name: path.read_text("utf-8") for path in (ROOT / "terminology").glob("*.csv")})


def context(domains: str = DOMAIN) -> Context:
    """A test environment with one MonSisra domain."""
    return Context(
        now=Moment("2026-11-24T10:00:00+01:00"), table=tables().table, systems=tables().systems,
        options={"monsisra_domains": domains},
    )  # fmt: skip


def judged(value: dict[str, Any], domains: str = DOMAIN) -> list[Issue]:
    """What the rules of its mode say of it."""
    exchange = read(value)
    return check(exchange, context(domains), rules=rules_for(exchange))


def told(value: dict[str, Any], domains: str = DOMAIN) -> list[tuple[str, str, str]]:
    """(code, field, rule) of each issue."""
    return [(issue.code, issue.place.path, (issue.place.rule or "")[6:]) for issue in judged(value, domains)]
