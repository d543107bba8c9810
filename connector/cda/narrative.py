"""The narrative of a section that somebody else can read too: a table of questions and answers, written and read back.

Each row bears an ID of its own (`q3-` and the linkId, written as an XML name), each value is a paragraph, a line break a `br`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from connector.cda.tree import NAMESPACES, Element

__all__ = ["Row", "plain", "read_rows", "write_rows"]

_V3 = "{" + NAMESPACES[""] + "}"
_ROW = re.compile(r"q\d+-(.+)", re.DOTALL)
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]")
_ESCAPED = re.compile(r"_x([0-9A-F]+)_")


class Row(NamedTuple):
    """A question, by its link and as it was shown, and its values."""

    link: str
    text: str | None
    values: tuple[str, ...]


def write_rows(rows: Iterable[Row], caption: str | None = None) -> Element:
    """The `text` of a section: one table (StrucDoc, CDA R2 §4.3.5)."""
    text = Element("text")
    table = text.add("table", {"border": "0"})
    if caption:
        table.add("caption", text=caption)
    head = table.add("thead").add("tr")
    head.add("th", text="Question")
    head.add("th", text="Réponse")
    body = table.add("tbody")
    for number, row in enumerate(rows, 1):
        line = body.add("tr", {"ID": f"q{number}-{_name(row.link)}"})
        line.add("td", text=row.text)
        answer = line.add("td")
        for value in row.values:
            _lines(answer.add("paragraph"), value)
    if not body.children:
        body.add("tr").add("td", text="Non renseigné")
    return text


def read_rows(text: Any) -> tuple[str | None, list[Row]]:
    """The caption and the rows of a section's `text` (as parsed) that bear our IDs; other narrative gives none."""
    caption = next((_said(each) for each in text.iter(_V3 + "caption")), None)
    return caption, list(_rows(text))


def _rows(text: Any) -> Iterator[Row]:
    for line in text.iter(_V3 + "tr"):
        named = _ROW.fullmatch(line.get("ID") or "")
        cells = line.findall(_V3 + "td")
        if named is None or len(cells) != 2:
            continue
        values = tuple(_said(each) for each in cells[1].findall(_V3 + "paragraph"))
        yield Row(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), named[1]), _said(cells[0]) or None, values)


def plain(text: Any) -> str:
    """What any narrative says, one line a row or paragraph, blanks as a browser shows them."""
    lines = (
        " ".join(" ".join(map(_said, _cells(each))).split())
        for each in text.iter(_V3 + "tr", _V3 + "paragraph", _V3 + "item")
    )
    said = "\n".join(line for line in lines if line)
    return said or " ".join(_said(text).split())


def _cells(line: Any) -> list[Any]:
    return [each for each in line if each.tag in (_V3 + "td", _V3 + "th")] or [line]


def _name(link: str) -> str:
    """A linkId as the tail of an XML name (ISO 9075-14: `_x20_` for what a name cannot hold)."""
    return _UNSAFE.sub(lambda found: f"_x{ord(found[0]):X}_", link)


def _lines(node: Element, text: str) -> None:
    first, *rest = text.split("\n")
    if not rest:
        node.text = text
        return
    for number, line in enumerate((first, *rest)):
        if number:
            node.add("br")
        if line:
            node.add("content", text=line)


def _said(node: Any) -> str:
    if node.tag == _V3 + "br":
        return "\n"
    return (node.text or "") + "".join(_said(child) + (child.tail or "") for child in node)
