"""What R4 and PDSm ask of resources that no table says: one of a choice, the class of a type, and a warning for each part that nobody said.

PDSm 3.1.1 (pdsm-comprehensive-document-reference on MHD 4.2.3). Nothing is invented: absent stays absent.
"""

from __future__ import annotations

from typing import Any

from connector.exchange.documents import Document
from connector.fhir.codec import Resource
from connector.fhir.datatypes import system_uri
from connector.fhir.gathering import CHOICES, UNKNOWN_CLASS
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run

__all__ = ["REQUIRED", "classified", "missing", "ordered", "report", "settle_choices", "stay", "visibility"]

BY = "connector/fhir/documents.py"

#: Paths that PDSm requires, and that this side can fill; `content[1]` is the only content.
REQUIRED = (
    "masterIdentifier.value",
    "type.coding",
    "category",
    "subject",
    "date",
    "author",
    "custodian",
    "securityLabel",
    "content.format",
    "content.attachment.contentType",
    "content.attachment.language",
    "content.attachment.title",
    "content.attachment.creation",
    "context.period.start",
    "context.facilityType",
    "context.practiceSetting",
    "context.sourcePatientInfo",
)


def classified(flat: Resource, document: Document, run: Run, place: str, path: str) -> None:
    """Add the class of the document's type when it has none."""
    if "category" not in flat and document.type is not None:
        category = _class_of(document.type.code, run)
        if category is not None:
            flat["category"] = [{"coding": [category]}]
            for key in category:
                run.derived(f"{place}.category[1].coding[1].{key}", [f"{path}.type.code"], BY)


def missing(flat: Resource) -> list[str]:
    """What PDSm requires and is not there."""
    return [required for required in REQUIRED if not _has(flat, required.split("."))]


def report(lacking: list[str], run: Run, place: str) -> None:
    """Tell what PDSm misses."""
    for required in lacking:
        run.report(Severity.WARNING, IssueCode.MAP_REQUIRED, f"{place}.{required}", expected=f"PDSm: {required}")


def _class_of(code: str, run: Run) -> Resource | None:
    """The class (TRE_A03) of a document type, as the national tree says (ASS_X04)."""
    table = run.context.table
    if table is None:
        return None
    found = table("document-types").get(code, "class")
    if not found:
        return None
    coded = table("document-classes").from_exchange("fhir", found)
    if coded is None:
        return None
    coding = {"code": coded.code}
    if coded.system and (uri := system_uri(coded.system, run)):
        coding = {"system": uri, "code": coded.code}
    if coded.display:
        coding["display"] = coded.display
    return coding


def _has(node: Any, names: list[str]) -> bool:
    for name in names:
        if isinstance(node, list):
            node = node[0] if node else {}
        node = node.get(name) if isinstance(node, dict) else None
        if not node:
            return False
    return True


def settle_choices(flat: Resource) -> None:
    """What R4 says once: a date of death is a death, a rank of birth is a multiple birth. A contact has no birth certificate (FR Core)."""
    for plain, exact in CHOICES:
        if exact in flat:
            flat.pop(plain, None)
    for contact in flat.get("contact", ()):
        contact.get("name", {}).pop("extension", None)


def stay(flat: Resource) -> Resource:
    """What R4 requires of an Encounter and nobody said is said to be unknown."""
    return {
        "resourceType": "Encounter",
        **({"meta": flat["meta"]} if "meta" in flat else {}),
        "status": "unknown",
        "class": dict(UNKNOWN_CLASS),
        **{key: value for key, value in flat.items() if key not in ("resourceType", "meta")},
    }


_FIRST = (
    "resourceType",
    "meta",
    "contained",
    "extension",
    "masterIdentifier",
    "identifier",
    "status",
    "docStatus",
    "type",
    "category",
    "subject",
    "date",
)


def ordered(flat: Resource) -> Resource:
    """Identity first, for whoever reads the JSON."""
    return {key: flat[key] for key in (*_FIRST, *flat) if key in flat}


def visibility(name: str, run: Run) -> Resource:
    """The code of TRE_A07 with its label."""
    table = run.context.table("visibility") if run.context.table is not None else None
    coded = table.from_exchange("fhir", name) if table is not None else None
    if coded is None:
        return {"code": name}
    parts = {"system": coded.system, "code": coded.code, "display": coded.display}
    return {key: value for key, value in parts.items() if value}
