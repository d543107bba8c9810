"""FHIR that comes in: JSON or XML, then checked: our tables and fhir.resources (R4B)."""

from __future__ import annotations

from connector.fhir.codec import Resource, load
from connector.fhir.validate import validate
from connector.fhir.xml import load_xml
from connector.issues import Issue, IssueCode, Outcome, Severity

__all__ = ["parse"]


def parse(raw: bytes | memoryview) -> Outcome[Resource]:
    """One resource of either syntax. FHIR_SYNTAX: it cannot be read (no value). FHIR_INVALID: it is read and is not FHIR R4."""
    head = bytes(raw[:256]).lstrip(b"\xef\xbb\xbf \t\r\n")
    read = load_xml(bytes(raw)) if head.startswith(b"<") else load(raw)
    if read.value is None:
        return read
    try:
        return Outcome(read.value, tuple(validate(read.value)))
    except RecursionError:
        return Outcome(None, (Issue.of(Severity.FATAL, IssueCode.FHIR_SYNTAX, expected="less depth"),))
