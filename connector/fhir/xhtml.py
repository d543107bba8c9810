"""Narrative: the XHTML that a resource's text may hold (R4 §2.4.0, txt-1 to txt-3): formatting, no active content, nothing fetched."""

from __future__ import annotations

from lxml import etree

__all__ = ["NAMESPACE", "is_safe"]

NAMESPACE = "http://www.w3.org/1999/xhtml"

_ELEMENTS = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "big",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
    ]
)
_ATTRIBUTES = frozenset(
    [
        "abbr",
        "alt",
        "axis",
        "align",
        "border",
        "cellpadding",
        "cellspacing",
        "char",
        "charoff",
        "cite",
        "class",
        "colspan",
        "dir",
        "frame",
        "headers",
        "height",
        "href",
        "id",
        "lang",
        "name",
        "rel",
        "rowspan",
        "rules",
        "scope",
        "span",
        "src",
        "start",
        "style",
        "summary",
        "title",
        "type",
        "valign",
        "width",
    ]
)
_SCHEMES = ("http:", "https:", "mailto:", "tel:", "data:image/")
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def parser() -> etree.XMLParser:
    """A parser that opens nothing: no DTD, no entities, no network; lxml's size limits stand."""
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False)


def is_safe(text: str) -> bool:
    """Whether the text is one `div` of allowed elements and attributes. Anything that cannot be read is not safe."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return False
    try:
        root = etree.fromstring(text.encode(), parser())
    except (etree.XMLSyntaxError, ValueError):
        return False
    if root.tag != f"{{{NAMESPACE}}}div":
        return False
    return all(_allowed(element) for element in root.iter())


def _allowed(element: etree._Element) -> bool:
    if callable(element.tag):
        return element.tag is etree.Comment
    name = str(element.tag).removeprefix(f"{{{NAMESPACE}}}")
    if name not in _ELEMENTS:
        return False
    for attribute, value in element.attrib.items():
        if attribute not in _ATTRIBUTES and attribute != _XML_LANG:
            return False
        bare = "".join(str(value).split()).lower()
        if attribute in ("href", "src") and not bare.startswith((*_SCHEMES, "#")):
            return False
        if attribute == "style" and ("url(" in bare or "expression(" in bare or "\\" in bare):
            return False
    return True
