"""What is wrong with a structured body as people read it: sections without narrative, links to nothing, attachments that are not what they say."""

from __future__ import annotations

from typing import Any

from connector.cda.codec import ClinicalDocument
from connector.cda.findings import Findings
from connector.cda.sniff import agrees
from connector.cda.tree import NAMESPACES
from connector.issues import IssueCode

__all__ = ["check_narrative", "place_of"]

_V3 = "{" + NAMESPACES[""] + "}"
_PREFIXES = {uri: f"{prefix}:" if prefix else "" for prefix, uri in NAMESPACES.items()}


def check_narrative(document: ClinicalDocument, findings: Findings) -> None:
    """Sections, links and embedded media of `document.structured`, with XPath places."""
    body = document.structured
    known = _identifiers(body, findings)
    for section in body.iter(f"{_V3}section"):
        _section(section, findings)
    for reference in body.iter(f"{_V3}reference"):
        value = reference.get("value") or ""
        if value[:1] == "#" and value[1:] not in known:
            findings.value(f"{place_of(reference)}/@value", "#ID")
    for shown in body.iter(f"{_V3}renderMultiMedia"):
        if not set((shown.get("referencedObject") or "").split()) <= known:
            findings.value(f"{place_of(shown)}/@referencedObject", "ID")
    for media in body.iter(f"{_V3}observationMedia"):
        for value in media.iterchildren(f"{_V3}value"):
            _media(document, value, findings)


def _identifiers(body: Any, findings: Findings) -> set[str]:
    known: set[str] = set()
    for element in body.iter(tag=None):
        name = element.get("ID") if isinstance(element.tag, str) else None
        if name is not None and name in known:
            findings.add(IssueCode.CDA_TWICE, f"{place_of(element)}/@ID", expected="ID")
        elif name is not None:
            known.add(name)
    return known


def _section(section: Any, findings: Findings) -> None:
    if section.find(f"{_V3}code") is None:
        findings.missing(place_of(section), "code")
    text = section.find(f"{_V3}text")
    # A section of sections may leave the narrative to these.
    if text is None and section.find(f"{_V3}component/{_V3}section") is None:
        findings.missing(place_of(section), "text")
    elif text is not None and len(text) == 0 and not (text.text or "").strip() and text.get("nullFlavor") is None:
        findings.missing(place_of(text), "text()")


def _media(document: ClinicalDocument, value: Any, findings: Findings) -> None:
    if value.get("representation") != "B64" or not value.text:
        return
    try:
        head = document.binary(value.text.strip()).head()
    except ValueError as error:
        offset = str(error).rpartition(" ")[2]
        findings.add(IssueCode.DOCUMENT_ENCODING, place_of(value), offset=offset)
        return
    declared = value.get("mediaType")
    if declared is None:
        findings.missing(place_of(value), "@mediaType")
    elif not agrees(declared, head):
        findings.add(IssueCode.DOCUMENT_TYPE_CLASH, place_of(value), expected="@mediaType")


def place_of(element: Any) -> str:
    """The XPath of an element of the body, as places are written: `/ClinicalDocument/component/structuredBody/component[2]/section`."""
    steps: list[str] = []
    while element is not None:
        tag = element.tag
        uri, _, local = tag[1:].partition("}") if tag[0] == "{" else ("", "", tag)
        number = 1 + sum(1 for _ in element.itersiblings(tag, preceding=True))
        name = _PREFIXES.get(uri, f"{{{uri}}}") + local
        steps.append(name if number == 1 else f"{name}[{number}]")
        element = None if name == "ClinicalDocument" else element.getparent()
    return "/" + "/".join(reversed(steps))
