"""What `connector validate` says: the verdict of intake, and beside it what intake does not pay for: of HL7 v2 a second opinion from a
library that we did not write, of a CDA the inspection of the whole document and what its PDF claims to be."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from connector.cda.body import PLACE, body
from connector.cda.codec import ClinicalDocument
from connector.cda.findings import RULE
from connector.cda.inspection import inspect
from connector.exchange.model import Context
from connector.hl7.validate import second_opinion
from connector.issues import Issue, IssueCode, Severity
from connector.pdf.claim import pdfa_claim
from connector.pipeline.header_places import HeaderPlaces
from connector.pipeline.translate import Reading, Translator

__all__ = ["opinion"]

#: The inspection says the same of every role, with its XPath.
_INSPECTED = "rules:national_numbers"


def opinion(translator: Translator, raw: bytes, format_name: str, context: Context) -> tuple[Issue, ...]:
    """Every issue of reading these bytes, the business rules included, and what else there is to say of them."""
    reading = translator.read(raw, format_name, context)
    if format_name == "hl7":
        return (*reading.issues, *second_opinion(raw))
    return tuple(_of_document(reading, context)) if format_name == "cda" else reading.issues


def _of_document(reading: Reading, context: Context) -> Iterable[Issue]:
    if not isinstance(reading.tree, ClinicalDocument):
        return reading.issues
    places = HeaderPlaces(reading.tree.header)
    told = [places.of(issue) for issue in reading.issues if issue.place.rule != _INSPECTED]
    return _once([*told, *inspect(reading.tree, tables=context.table), *_claim(reading.tree)])


def _once(issues: list[Issue]) -> list[Issue]:
    """Each trouble of a place once, as grave as the gravest that says it."""
    kept: dict[tuple[str, str], Issue] = {}
    for issue in issues:
        key = (issue.code, issue.place.path)
        before = kept.get(key)
        if before is None or (before.severity, bool(before.place.rule)) < (issue.severity, bool(issue.place.rule)):
            kept[key] = issue
    for issue in [each for each in kept.values() if _of_mapping(each)]:
        same = next((key for key, each in kept.items() if _says(each, issue)), None)
        if same is not None:
            del kept[issue.code, issue.place.path]
            kept[same] = replace(kept[same], severity=max(kept[same].severity, issue.severity))
    return list(kept.values())


def _of_mapping(issue: Issue) -> bool:
    return issue.code.startswith("MAP_") and (issue.place.rule or "").startswith("mappings/")


def _says(rule: Issue, mapped: Issue) -> bool:
    """Whether a rule says with what was expected what the mapping stumbled over: the same element."""
    trouble = rule.severity > Severity.INFORMATION and not _of_mapping(rule)
    return trouble and rule.place.path.partition("/@")[0] == mapped.place.path.partition("/@")[0]


def _claim(document: ClinicalDocument) -> Iterable[Issue]:
    """What the PDF of an unstructured body says that it is: the CI-SIS wants PDF/A-1. The claim is read, never verified."""
    text = document.header.find("component/nonXMLBody/text")
    if text is None or (text.get("mediaType") or "").partition(";")[0].strip().lower() != "application/pdf":
        return
    found = body(document).value
    if found is None or found.data is None or text.get("representation") != "B64":
        return
    claim = pdfa_claim(found.data) or "PDF"
    severity = Severity.INFORMATION if claim.startswith("PDF/A-1") else Severity.WARNING
    yield Issue.of(severity, IssueCode.PDF_CLAIM, PLACE, rule=RULE, found=claim)
