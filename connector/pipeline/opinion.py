"""What `connector validate` says: the verdict of intake, and beside it a second opinion from a library that we did not write."""

from __future__ import annotations

from connector.exchange.model import Context
from connector.hl7.validate import second_opinion
from connector.issues import Issue
from connector.pipeline.translate import Translator

__all__ = ["opinion"]


def opinion(translator: Translator, raw: bytes, format_name: str, context: Context) -> tuple[Issue, ...]:
    """Every issue of reading these bytes, the business rules included; for HL7 v2 also what hl7apy thinks (INFORMATION only)."""
    issues = translator.read(raw, format_name, context).issues
    return (*issues, *second_opinion(raw)) if format_name == "hl7" else issues
