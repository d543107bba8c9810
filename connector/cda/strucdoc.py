"""The narrative of a section, StrucDoc (CDA R2 §4.3.5) ↔ one XHTML `div` of the subset that FHIR takes (R4 §2.4.0), both ways.

A closed list of elements and attributes on either side; of anything else only the text remains. Ids are kept, style codes are classes,
runs of blanks are one. Nothing external: a file shown in the text, a link out of the document and a note keep what they point at in
`title`, which no reader fetches.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lxml import etree

from connector.cda.tree import NAMESPACES, Markup

__all__ = ["XHTML", "Narrative", "read_narrative", "words", "write_narrative"]

XHTML = "http://www.w3.org/1999/xhtml"
_V3 = "{" + NAMESPACES[""] + "}"
_X = "{" + XHTML + "}"
_BLANKS = re.compile(r"[ \t\r\n]+")
_ID = re.compile(r"[A-Za-z_][\w.-]{0,200}\Z")
_CLASS = re.compile(r"[\w.:-]{1,64}\Z")
_NUMBER = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,2})?%?\Z")
_WORD = re.compile(r"[a-z]{1,10}\Z")
#: The id that `write_narrative` gives a text without one, so that entries can refer to it; it is not read back.
_OURS = re.compile(r"narrative-[0-9]+\Z")

#: Elements that mean the same on both sides.
_SAME = {
    "br": "br", "sub": "sub", "sup": "sup", "table": "table", "thead": "thead", "tbody": "tbody", "tfoot": "tfoot", "tr": "tr", "th": "th",
    "td": "td", "colgroup": "colgroup", "col": "col", "content": "span", "paragraph": "p", "item": "li",
}  # fmt: skip
#: Elements of StrucDoc that XHTML says by a class of `span`, with the attribute whose value stands in `title`.
_CLASSED = {
    "renderMultiMedia": "referencedObject",
    "linkHtml": "href",
    "footnote": "",
    "footnoteRef": "IDREF",
    "caption": "",
}
#: Where text cannot stand.
_NO_TEXT = frozenset(("table", "thead", "tbody", "tfoot", "tr", "colgroup", "list", "ul", "ol", "renderMultiMedia"))
_CELLS = frozenset(("td", "th"))
_NUMBERS = ("colspan", "rowspan", "width", "border", "span", "cellspacing", "cellpadding")
_WORDS = ("align", "valign")
_ALLOWED = {
    "table": ("border", "width", "cellspacing", "cellpadding"),
    "thead": _WORDS, "tbody": _WORDS, "tfoot": _WORDS, "tr": _WORDS,
    "td": ("colspan", "rowspan", *_WORDS), "th": ("colspan", "rowspan", *_WORDS),
    "col": ("span", "width", *_WORDS), "colgroup": ("span", "width", *_WORDS),
}  # fmt: skip


class Narrative(NamedTuple):
    """A narrative as StrucDoc: the id of the whole, what stands inside, the id by its words, the objects that it shows."""

    id: str
    inside: Markup
    ids: dict[str, str]
    objects: tuple[str, ...]


def words(node: Any, limit: int | None = None) -> str | None:
    """What a narrative element says, blanks as a browser shows them; None when nothing, or more than the limit."""
    parts: list[str] = []
    size = 0
    for part in _said(node):
        parts.append(part)
        size += len(part)
        if limit is not None and size > limit:
            return None
    return " ".join("".join(parts).split()) or None


def _said(node: Any) -> Iterator[str]:
    if node.text:
        yield node.text
    for child in node:
        if isinstance(child.tag, str):
            if child.tag[-2:] == "br" or child.tag.endswith(("}td", "}th", "}tr", "}p", "}paragraph", "}item", "}li")):
                yield " "
            yield from _said(child)
        if child.tail:
            yield child.tail


# --- StrucDoc → XHTML -------------------------------------------------------------------------------------------------


def read_narrative(text: Any, ids: dict[str, Any]) -> str:
    """An lxml `text` as an XHTML div. Each element that bears an ID is put into `ids`."""
    identity = text.get("ID") or ""
    opening = f'<div xmlns="{XHTML}"'
    if identity:
        ids.setdefault(identity, text)
        if not _OURS.match(identity):
            opening += _id(identity)
    parts = [opening, ">"]
    _inside(text, parts, ids, False)
    parts.append("</div>")
    return "".join(parts)


def _inside(node: Any, parts: list[str], ids: dict[str, Any], bare: bool) -> None:
    """Children and text; `bare`: text between them is indentation."""
    text = node.text
    if text and not bare:
        parts.append(_text(text))
    for child in node:
        tag = child.tag
        if type(tag) is str:
            _element(tag.removeprefix(_V3), child, parts, ids)
        tail = child.tail
        if tail and not bare:
            parts.append(_text(tail))


def _text(text: str) -> str:
    said = _BLANKS.sub(" ", text)
    return html.escape(said, quote=False) if "&" in said or "<" in said or ">" in said else said


def _element(name: str, node: Any, parts: list[str], ids: dict[str, Any]) -> None:
    attributes = ""
    if node.attrib:
        identity = node.get("ID")
        if identity:
            ids.setdefault(identity, node)
            attributes = _id(identity)
        attributes += _classes(node.get("styleCode"), name if name in _CLASSED else "")
        for allowed in _ALLOWED.get(name, ()):
            value = node.get(allowed)
            if value and (_WORD if allowed in _WORDS else _NUMBER).match(value):
                attributes += f' {allowed}="{value}"'
    elif name in _CLASSED:
        attributes = f' class="{name}"'
    if name == "br":
        parts.append(f"<br{attributes}/>")
        return
    if name == "caption" and node.getparent().tag == _V3 + "table":
        tag, attributes = "caption", attributes.replace(' class="caption"', "")
    elif name == "list":
        tag = "ol" if node.get("listType") == "ordered" else "ul"
    elif name in _CLASSED:
        tag = "span"
        pointed = node.get(_CLASSED[name]) if _CLASSED[name] else None
        if pointed:
            attributes += f' title="{html.escape(pointed)}"'
    else:
        tag = _SAME.get(name, "")
    if tag:
        parts.append(f"<{tag}{attributes}>")
    if name == "renderMultiMedia":  # a place holder: FHIR takes no narrative that shows nothing
        parts.append(_text(f"[{node.get('referencedObject') or ''}]"))
    _inside(node, parts, ids, name in _NO_TEXT)
    if tag:
        parts.append(f"</{tag}>")


def _id(identity: str) -> str:
    return f' id="{html.escape(identity)}"' if _ID.match(identity) else ""


def _classes(codes: str | None, first: str = "") -> str:
    kept = [first] if first else []
    kept += [code for code in (codes or "").split() if _CLASS.match(code)]
    return f' class="{" ".join(kept)}"' if kept else ""


# --- XHTML → StrucDoc -------------------------------------------------------------------------------------------------

_STYLED = {
    "b": "Bold",
    "strong": "Bold",
    "i": "Italics",
    "em": "Italics",
    "cite": "Italics",
    "u": "Underline",
    "ins": "Underline",
}
_BACK = {said: name for name, said in _SAME.items()}
_BLOCKS = frozenset(
    (
        "p",
        "div",
        "ul",
        "ol",
        "dl",
        "table",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "pre",
        "li",
        "dt",
        "dd",
        "hr",
    )
)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))


class _Writer:
    """One narrative under way; `used` are the ids of the document, of which each may stand once."""

    def __init__(self, used: set[str]) -> None:
        self.used = used
        self.parts: list[str] = []
        self.ids: dict[str, str] = {}
        self.objects: list[str] = []

    def inside(self, node: Any, inline: bool, bare: bool = False) -> None:
        """Children and text. `inline`: blocks are not allowed here, so of a block its text stands between line breaks."""
        if node.text and not bare:
            self.parts.append(_text(node.text))
        for child in node:
            if isinstance(child.tag, str):
                self.element(child.tag.removeprefix(_X), child, inline)
            if child.tail and not bare:
                self.parts.append(_text(child.tail))

    def element(self, name: str, node: Any, inline: bool) -> None:
        classes = (node.get("class") or "").split()
        if name == "span" and classes and classes[0] in _CLASSED:
            self.classed(classes[0], classes[1:], node)
        elif inline and name in _BLOCKS:
            self.broken(node)
        elif name in ("ul", "ol"):
            kind = ' listType="ordered"' if name == "ol" else ""
            self.wrap("list", kind + self.attributes("list", node, classes), node, False, bare=True)
        elif name == "dl":
            self.wrap("list", "", node, False, bare=True)
        elif name in ("dt", "dd"):
            self.wrap("item", "", node, False)
        elif name in ("br", "hr"):
            self.parts.append("<br/>")
        elif name in _HEADINGS:
            self.wrap("paragraph", self.attributes("paragraph", node, [*classes, "Bold"]), node, True)
        elif name in _STYLED:
            self.wrap("content", self.attributes("content", node, [*classes, _STYLED[name]]), node, True)
        elif name == "caption":
            self.wrap("caption", self.attributes("caption", node, classes), node, True)
        elif name == "img":
            self.parts.append(_text(node.get("alt") or ""))
        elif name in _BACK:
            target = _BACK[name]
            inline = target in ("content", "paragraph", "sub", "sup")
            self.wrap(target, self.attributes(target, node, classes), node, inline, bare=target in _NO_TEXT)
        elif name in ("p", "div", "blockquote", "pre") and not any(_is_block(child) for child in node):
            self.wrap("paragraph", self.attributes("paragraph", node, classes), node, True)
        else:
            self.inside(node, inline)

    def classed(self, name: str, classes: list[str], node: Any) -> None:
        """What only StrucDoc has: a shown object, a link, a note."""
        pointed = node.get("title") or ""
        said = f' {_CLASSED[name]}="{html.escape(pointed)}"' if _CLASSED[name] and pointed else ""
        if name == "renderMultiMedia":
            self.objects += pointed.split()
        if name in ("renderMultiMedia", "footnoteRef") and not said:
            self.inside(node, True)
            return
        self.wrap(name, said + self.attributes(name, node, classes), node, True, bare=name in _NO_TEXT)

    def broken(self, node: Any) -> None:
        """A block where the schema allows none."""
        self.parts.append("<br/>")
        self.inside(node, True)

    def wrap(self, name: str, attributes: str, node: Any, inline: bool, bare: bool = False) -> None:
        self.parts.append(f"<{name}{attributes}>")
        self.inside(node, inline, bare)
        self.parts.append(f"</{name}>")

    def attributes(self, name: str, node: Any, classes: list[str]) -> str:
        """ID, style codes, and what the element may bear."""
        made = ""
        identity = node.get("id")
        if identity and _ID.match(identity) and identity not in self.used:
            self.used.add(identity)
            made = f' ID="{identity}"'
            said = words(node)
            if said:
                self.ids.setdefault(said, identity)
        if classes:
            made += f' styleCode="{html.escape(" ".join(dict.fromkeys(classes)))}"'
        for allowed in _ALLOWED.get(name, ()):
            value = node.get(allowed)
            if value and (_WORD if allowed in _WORDS else _NUMBER).match(value):
                made += f' {allowed}="{value}"'
        return made


def _is_block(node: Any) -> bool:
    return isinstance(node.tag, str) and node.tag.removeprefix(_X) in _BLOCKS


def write_narrative(text: str, number: int, used: set[str]) -> Narrative:
    """An XHTML div as StrucDoc; `number` makes the id of one that has none; an id of `used` is not written a second time. ValueError when it is
    not well-formed."""
    if "<!DOCTYPE" in text:
        raise ValueError("one well-formed XHTML div")
    # Not the default parser: nothing outside is opened, whoever wrote the text.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError:
        raise ValueError("one well-formed XHTML div") from None
    identity = root.get("id") or ""
    if not _ID.match(identity) or identity in used:
        identity = f"narrative-{number}"
    used.add(identity)
    writer = _Writer(used)
    writer.inside(root, False)
    return Narrative(identity, Markup("".join(writer.parts)), writer.ids, tuple(writer.objects))
