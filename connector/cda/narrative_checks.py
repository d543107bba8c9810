"""What is wrong with a structured body as people read it: sections without narrative, links to nothing, attachments that are not what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lxml import etree

from connector.cda.codec import ClinicalDocument
from connector.cda.findings import Findings
from connector.cda.sniff import agrees
from connector.cda.tree import NAMESPACES
from connector.issues import IssueCode

__all__ = ["check_narrative", "place_of"]

_V3 = "{" + NAMESPACES[""] + "}"
#: A place costs the way to it: a document that is nothing but faults is not told to its end.
_MOST = 500
_PREFIXES = {uri: f"{prefix}:" if prefix else "" for prefix, uri in NAMESPACES.items()}


def check_narrative(document: ClinicalDocument, findings: Findings) -> None:
    """Sections, links and embedded media of `document.structured`, with XPath places. After `_MOST` findings the rest is left unsaid."""
    body, most = document.structured, len(findings.issues) + _MOST
    known = _identifiers(body, findings)
    for element in body.iter(*_RULES):
        if len(findings.issues) >= most:
            return
        _RULES[element.tag](document, element, known, findings)


def _reference(_document: ClinicalDocument, reference: Any, known: set[str], findings: Findings) -> None:
    value = reference.get("value") or ""
    if value[:1] == "#" and value[1:] not in known:
        findings.value(f"{place_of(reference)}/@value", "#ID")


def _shown(_document: ClinicalDocument, shown: Any, known: set[str], findings: Findings) -> None:
    if not set((shown.get("referencedObject") or "").split()) <= known:
        findings.value(f"{place_of(shown)}/@referencedObject", "ID")


def _identifiers(body: Any, findings: Findings) -> set[str]:
    known: set[str] = set()
    twice = 0
    for element in body.iter(tag=etree.Element):
        name = element.get("ID")
        if name is not None and name in known and twice < _MOST:
            findings.add(IssueCode.CDA_TWICE, f"{place_of(element)}/@ID", expected="ID")
            twice += 1
        elif name is not None:
            known.add(name)
    return known


def _section(_document: ClinicalDocument, section: Any, _known: set[str], findings: Findings) -> None:
    if section.find(f"{_V3}code") is None:
        findings.missing(place_of(section), "code")
    text = section.find(f"{_V3}text")
    # A section of sections may leave the narrative to these.
    if text is None and section.find(f"{_V3}component/{_V3}section") is None:
        findings.missing(place_of(section), "text")
    elif text is not None and len(text) == 0 and not (text.text or "").strip() and text.get("nullFlavor") is None:
        findings.missing(place_of(text), "text()")


def _media(document: ClinicalDocument, media: Any, _known: set[str], findings: Findings) -> None:
    value = media.find(f"{_V3}value")
    if value is None or value.get("representation") != "B64" or not value.text:
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


_RULES: dict[str, Callable[[ClinicalDocument, Any, set[str], Findings], None]] = {
    f"{_V3}section": _section,
    f"{_V3}reference": _reference,
    f"{_V3}renderMultiMedia": _shown,
    f"{_V3}observationMedia": _media,
}
