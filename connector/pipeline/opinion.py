"""What `connector validate` says: the verdict of intake, and beside it what intake does not pay for: of HL7 v2 a second opinion from a
library that we did not write, of each document the inspection of the whole and what its PDF claims to be."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from connector.cda.body import PLACE, body
from connector.cda.codec import ClinicalDocument, parse
from connector.cda.document import is_cda
from connector.cda.inspection import inspect
from connector.exchange.model import Context
from connector.hl7.validate import second_opinion
from connector.issues import Issue, IssueCode, Place, Severity
from connector.pdf.claim import pdfa_claim
from connector.pipeline.bodies import claim_told, is_pdf
from connector.pipeline.header_places import HeaderPlaces
from connector.pipeline.places import MessagePlaces
from connector.pipeline.translate import Reading, Translator

__all__ = ["inspected", "opinion"]

#: The inspection says the same of every role, with its XPath.
_INSPECTED = "rules:national_numbers"


def opinion(translator: Translator, raw: bytes, format_name: str, context: Context) -> tuple[Issue, ...]:
    """Every issue of reading these bytes, the business rules included, and what else there is to say of them."""
    reading = translator.read(raw, format_name, context)
    if isinstance(reading.tree, ClinicalDocument):
        places = HeaderPlaces(reading.tree.header)
        told = [places.of(issue) for issue in reading.issues if issue.place.rule != _INSPECTED]
        return tuple(_once([*told, *inspected(reading.tree, context)]))
    within = list(_within(reading, context))
    if format_name != "hl7":
        return (*reading.issues, *within)
    # Of the people of a document the inspection speaks, with their XPath behind the OBX.
    told = [
        each
        for each in reading.issues
        if each.place.rule != _INSPECTED or not (within and each.place.path[:3] == "OBX")
    ]
    placed = map(MessagePlaces(reading.tree).of, within) if within else ()
    return (*told, *placed, *second_opinion(raw))


def inspected(document: ClinicalDocument, context: Context) -> list[Issue]:
    """What intake does not pay for: the whole document against the rules, and what its PDF claims to be."""
    return [*inspect(document, tables=context.table), *_claims(document)]


def _within(reading: Reading, context: Context) -> Iterator[Issue]:
    """The same of each document of a message or an exchange, its XPath behind the place of its bytes."""
    for number, document in enumerate(reading.exchange.documents if reading.exchange is not None else (), 1):
        content, place = document.content, f"documents[{number}].content"
        if content is None or content.data is None:
            continue
        if is_cda(content):
            parsed = parse(content.data).value
            found = inspected(parsed, context) if parsed is not None else []
            yield from (replace(each, place=Place(place + each.place.path, each.place.rule)) for each in found)
        elif is_pdf(content):
            yield claim_told(pdfa_claim(content.data), place)


def _once(issues: list[Issue]) -> list[Issue]:
    """Each trouble of a place once, as grave as the gravest that says it."""
    kept: dict[tuple[str, str, str], Issue] = {}
    for issue in issues:
        key = _trouble(issue)
        before = kept.get(key)
        if before is None or (before.severity, bool(before.place.rule)) < (issue.severity, bool(issue.place.rule)):
            kept[key] = issue
    for issue in [each for each in kept.values() if _of_mapping(each)]:
        same = next((key for key, each in kept.items() if _says(each, issue)), None)
        if same is not None:
            del kept[_trouble(issue)]
            kept[same] = replace(kept[same], severity=max(kept[same].severity, issue.severity))
    return list(kept.values())


def _trouble(issue: Issue) -> tuple[str, str, str]:
    # Several things may be missing at one place.
    missing = issue.params["expected"] if issue.code == IssueCode.CDA_MISSING.name else ""
    return issue.code, issue.place.path, missing


def _of_mapping(issue: Issue) -> bool:
    return issue.code.startswith("MAP_") and (issue.place.rule or "").startswith("mappings/")


def _says(rule: Issue, mapped: Issue) -> bool:
    """Whether a rule says with what was expected what the mapping stumbled over: the same element."""
    trouble = rule.severity > Severity.INFORMATION and not _of_mapping(rule)
    # A code without a translation is also a task for a table: it is told beside what a rule asks for.
    if mapped.code == IssueCode.MAP_UNKNOWN_CODE.name and rule.code != mapped.code:
        return False
    return trouble and rule.place.path.partition("/@")[0] == mapped.place.path.partition("/@")[0]


def _claims(document: ClinicalDocument) -> Iterator[Issue]:
    text = document.header.find("component/nonXMLBody/text")
    found = body(document).value if text is not None and text.get("representation") == "B64" else None
    if found is not None and is_pdf(found):
        yield claim_told(pdfa_claim(found.data or b""), PLACE)
