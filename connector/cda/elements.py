"""lxml elements → the light tree of `tree.py`: short names, texts without indentation, base64 as a view on the document's bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.cda.order import ORDER
from connector.cda.tree import NAMESPACES, Base64Text, Element

__all__ = ["Conversion", "cut_text"]

_NAMES = {uri: (f"{prefix}:" if prefix else "") for prefix, uri in NAMESPACES.items()}


class Conversion:
    """lxml elements → ours. A structuredBody is left as it is (its sections are another mapping's business)."""

    def __init__(self, token: str, cuts: Sequence[memoryview]) -> None:
        self.token = token
        self.cuts = cuts
        self.structured: Any = None
        self.names: dict[str, str] = {}

    def name(self, tag: str) -> str:
        """The short name of a Clark name."""
        if tag[0] != "{":
            return tag
        uri, _, local = tag[1:].partition("}")
        prefix = _NAMES.get(uri)
        name = self.names[tag] = tag if prefix is None else prefix + local
        return name

    def element(self, source: Any) -> Element:
        """The element and everything below."""
        tag = source.tag
        name = self.names.get(tag) or self.name(tag)
        attributes = dict(source.items())
        for key in attributes:
            if key[0] == "{":
                attributes = {self.name(key): value for key, value in attributes.items()}
                break
        element = Element(name, attributes)
        if name == "structuredBody":
            self.structured = source
            return element
        children = source.getchildren()
        if children:
            element.children = [self.element(child) for child in children]
            # What stands between the children of an element that the schema gives no text is its indentation.
            if name in ORDER:
                return element
            text = _mixed(source)
        else:
            text = source.text
        if text:
            text = text.strip()
            if text:
                element.text = self.text(text, attributes) if self.token or "representation" in attributes else text
        return element

    def text(self, text: str, attributes: dict[str, str]) -> str | Base64Text:
        """The text itself, or the view that stands behind its token."""
        cut = cut_text(text, self.token, self.cuts)
        if cut is not None:
            return cut
        if attributes.get("representation") == "B64":
            return Base64Text(text.encode("utf-8"))
        return text


def cut_text(text: str, token: str, cuts: Sequence[memoryview]) -> Base64Text | None:
    """The base64 that was cut out before parsing and that a token of the text stands for."""
    number = text[len(token) :] if token and text.startswith(token) else ""
    return Base64Text(cuts[int(number)]) if number.isdigit() and int(number) < len(cuts) else None


def _mixed(source: Any) -> str:
    """The text between the children, in document order (mixed content of names and addresses)."""
    parts = [source.text or ""]
    parts.extend(child.tail or "" for child in source)
    return " ".join(part.strip() for part in parts if part.strip())
