"""The narrative of a CDA section (StrucDocText, CDA R2 §4.3.5) as HTML that can do nothing, and as text for a terminal.

A closed list of elements becomes HTML of ours; of any other only the text remains. No attribute of the document reaches the HTML but
column and row spans and the ids that the document's own references point at; nothing external is fetched, linked or run.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pybase64

from connector.cda.sniff import agrees
from connector.cda.tree import NAMESPACES

__all__ = ["as_html", "as_text"]

_V3 = "{" + NAMESPACES[""] + "}"
_TAGS = {
    "paragraph": "p", "content": "span", "item": "li", "caption": "span", "footnote": "small", "sub": "sub", "sup": "sup",
    "table": "table", "thead": "thead", "tbody": "tbody", "tfoot": "tfoot", "tr": "tr", "th": "th", "td": "td",
    "linkHtml": "span", "footnoteRef": "span",
}  # fmt: skip
_BLOCKS = frozenset(("paragraph", "list", "item", "table", "tr", "caption", "br"))
_STYLES = {"bold": "b", "italics": "i", "emphasis": "i", "underline": "u"}
_ID = re.compile(r"[A-Za-z_][\w.-]{0,80}\Z", re.ASCII)
_SPAN = re.compile(r"[1-9][0-9]?\Z", re.ASCII)
#: Pictures that a browser draws without running anything (SVG would).
_PICTURES = ("image/jpeg", "image/png", "image/gif")
_SPACES = re.compile(r"[ \t\r\n]+")


def as_html(text: Any) -> str:
    """An lxml `text` element of a section as HTML."""
    return "".join(_inside(text))


def _inside(node: Any) -> Iterator[str]:
    if node.text:
        yield html.escape(node.text)
    for child in node:
        if isinstance(child.tag, str):
            yield from _element(child)
        if child.tail:
            yield html.escape(child.tail)


def _element(node: Any) -> Iterator[str]:
    name = node.tag.removeprefix(_V3)
    if name == "br":
        yield "<br>"
    elif name == "renderMultiMedia":
        yield from _media(node)
    elif name == "list":
        tag = "ol" if node.get("listType") == "ordered" else "ul"
        yield from (f"<{tag}>", *_inside(node), f"</{tag}>")
    elif name in _TAGS:
        yield from (f"<{_TAGS[name]}{_attributes(node, name)}>", *_inside(node), f"</{_TAGS[name]}>")
    else:
        yield from _inside(node)


def _attributes(node: Any, name: str) -> str:
    made = ""
    if name == "caption":
        made += ' class="caption"'
    styles = [_STYLES[each.lower()] for each in (node.get("styleCode") or "").split() if each.lower() in _STYLES]
    if styles:
        made += f' class="{" ".join(styles)}"'
    if name in ("td", "th"):
        for span in ("colspan", "rowspan"):
            if _SPAN.match(node.get(span) or ""):
                made += f' {span}="{node.get(span)}"'
    if _ID.match(node.get("ID") or ""):
        made += f' id="n-{node.get("ID")}"'  # the prefix keeps a document from naming a part of the page
    return made


def _media(node: Any) -> Iterator[str]:
    """The observationMedia that is referred to: a picture is drawn, anything else is named by its type."""
    for name in (node.get("referencedObject") or "").split():
        found = _referenced(node, name)
        if found is None:
            continue
        value = found.find(_V3 + "value")
        media = value.get("mediaType") if value is not None else None
        data = _decoded(value) if media in _PICTURES else None
        if media is not None and data is not None and agrees(media, data):
            yield f'<img alt="" src="data:{media};base64,{pybase64.b64encode(data).decode()}">'
        else:
            yield f"<em>[{html.escape(media or 'objet')}]</em>"


def _referenced(node: Any, name: str) -> Any:
    body = node.getroottree().getroot()
    return next((each for each in body.iter(_V3 + "observationMedia") if each.get("ID") == name), None)


def _decoded(value: Any) -> bytes | None:
    try:
        return pybase64.b64decode("".join((value.text or "").split()), validate=True)
    except ValueError:
        return None


def as_text(text: Any) -> str:
    """The same as lines of text: paragraphs and items on lines of their own, cells between bars."""
    lines = [_SPACES.sub(" ", line).strip(" |") for line in "".join(_spoken(text)).split("\x1e")]
    return "\n".join(line for line in lines if line)


def _spoken(node: Any) -> Iterator[str]:
    if node.text:
        yield node.text.replace("\x1e", " ")
    for child in node:
        name = child.tag.removeprefix(_V3) if isinstance(child.tag, str) else ""
        if name in _BLOCKS:
            yield "\x1e"
        if name == "item":
            yield "• "
        if name:
            yield from _spoken(child)
        if name in ("td", "th"):
            yield " | "
        if name in _BLOCKS:
            yield "\x1e"
        if child.tail:
            yield child.tail.replace("\x1e", " ")
