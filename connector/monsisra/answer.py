"""What is said about an exchange, as JSON for whoever posted it: issues by field and rule, in French or English."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from connector.issues import Issue
from connector.monsisra.advice import Advice

__all__ = ["advice_told", "language_of", "told"]


def told(issues: Iterable[Issue], language: str) -> list[dict[str, str]]:
    """The issues: severity, code, field, rule and sentence."""
    return [
        {
            "severity": issue.severity.name.lower(),
            "code": issue.code,
            "field": issue.place.path,
            "rule": (issue.place.rule or "").removeprefix("rules:"),
            "text": issue.text(language),
        }
        for issue in issues
    ]


def advice_told(advice: Advice, language: str) -> dict[str, Any]:
    """An advice in one language."""
    return {
        "mode": advice.mode,
        "name": advice.name,
        "why": [msgspec.structs.asdict(reason)[language] for reason in advice.why],
        "missing": told(advice.missing, language),
    }


def language_of(accepted: str, default: str) -> str:
    """`fr` or `en`: the first of them that Accept-Language names, else the default."""
    for item in accepted.lower().split(","):
        word = item.strip()[:2]
        if word in ("fr", "en"):
            return word
    return default
