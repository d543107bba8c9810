"""IHE SVS: RetrieveValueSetResponse and RetrieveMultipleValueSetsResponse → editions (ITI TF-2 §3.48, §3.60), with the days that the ANS adds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from connector.terminology.edition import Edition, Official, bare, day, distinct
from connector.terminology.tables import TerminologyError

__all__ = ["read_svs"]

_NAMESPACE = "{urn:ihe:iti:svs:2008}"
_ROOTS = ("RetrieveValueSetResponse", "RetrieveMultipleValueSetsResponse")
_DECLARED = re.compile(rb"""\A(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ENCODINGS = ("utf-8", "us-ascii", "iso-8859-1", "windows-1252")
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def read_svs(place: str, raw: bytes) -> Iterator[Edition]:
    """The value sets of an SVS answer. No DOCTYPE, a closed list of encodings, nothing external ever followed."""
    root = _tree(place, raw)
    if root.tag not in [_NAMESPACE + name for name in _ROOTS]:
        raise TerminologyError(place, f"expected {' or '.join(_ROOTS)} of urn:ihe:iti:svs:2008")
    found = [each for each in root if each.tag in (f"{_NAMESPACE}ValueSet", f"{_NAMESPACE}DescribedValueSet")]
    if not found:
        raise TerminologyError(place, "no ValueSet in the answer")
    for element in found:
        yield _edition(f"{place}:{element.sourceline}", place, element)


def _tree(place: str, raw: bytes) -> Any:
    declared = _DECLARED.match(raw[:300])
    encoding = declared.group(1).decode().lower() if declared else "utf-8"
    if encoding not in _ENCODINGS:
        raise TerminologyError(f"{place}:1", f"XML encoding not allowed; allowed: {', '.join(_ENCODINGS)}")
    try:
        text = raw.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        raise TerminologyError(place, f"the bytes are not {encoding} (offset {error.start})") from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise TerminologyError(place, "a DOCTYPE is refused")
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, attribute_defaults=False,
        huge_tree=False, recover=False, remove_comments=True, remove_pis=True, collect_ids=False,
    )  # fmt: skip
    try:
        return etree.fromstring(text.encode("utf-8"), parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise TerminologyError(f"{place}:{line or 1}", f"XML not well formed (column {column or 1})") from None


def _edition(place: str, file: str, element: Any) -> Edition:
    said = {**{_local(child): (child.text or "").strip() for child in element if len(child) == 0}, **element.attrib}
    name = str(said.get("displayName", "")).removesuffix(".tabs")
    identifiers = bare((said.get("id"), said.get("urlFichier")))
    days = (said.get(key) for key in ("dateMaj", "revisionDate", "RevisionDate", "effectiveDate", "EffectiveDate"))
    effective = next((found for each in days if (found := day(each))), "")
    version = said.get("version") or said.get("dateMaj") or ""
    concepts = distinct([_official(file, concept) for concept in _concepts(place, element)])
    return Edition("ValueSet", name, place, identifiers, version, effective, said.get("Source") or name, concepts)


def _concepts(place: str, element: Any) -> list[Any]:
    """Those of the French list, else of the first."""
    lists = element.findall(f"{_NAMESPACE}ConceptList")
    if not lists:
        raise TerminologyError(place, "the value set has no ConceptList")
    french = [each for each in lists if each.get(_LANGUAGE, "").lower().startswith("fr")]
    found: list[Any] = (french or lists)[0].findall(f"{_NAMESPACE}Concept")
    return found


def _official(file: str, concept: Any) -> Official:
    label = " ".join(concept.get("displayName", "").split())
    return Official(
        concept.get("code", ""), concept.get("codeSystem", ""), label, f"{file}:{concept.sourceline}", False,
        day(concept.get("dateValid")), day(concept.get("dateFin")),
    )  # fmt: skip


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
