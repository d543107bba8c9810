"""The tree of a CDA header: elements with local names, light enough to read 40 rules from and to copy when explaining.

An element of `urn:hl7-org:v3` is named by its local name, one of a known extension by its usual prefix (`sdtc:deceasedInd`), any
other by `{namespace}local`. Comments and processing instructions are not part of it. Places are XPath with the default namespace
left out: `/ClinicalDocument/author[2]/time/@value`; a first child bears no number; the text of an element is the element's place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pybase64

__all__ = ["NAMESPACES", "Base64Text", "Element", "Markup", "walk_leaves"]

#: Prefix → namespace, for the names that this package uses.
NAMESPACES = {
    "": "urn:hl7-org:v3",
    "sdtc": "urn:hl7-org:sdtc",
    "lab": "urn:oid:1.3.6.1.4.1.19376.1.3.2",
    "pharm": "urn:ihe:pharm:medication",
    "ps3-20": "urn:dicom-org:ps3-20",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xml": "http://www.w3.org/XML/1998/namespace",
}

_PIECE = 1 << 16  # a piece and what it decodes to stay in the cache
_GROUPS = 3 << 14  # bytes that are such a piece of text, without padding between
_PAD = ord("=")
_BLANKS = b" \t\r\n"
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


class Base64Text:
    """Base64 left where it is: a view on the document's own bytes, decoded when somebody asks; or bytes that we write (`of`), encoded
    piece by piece straight into the document, so that a large body is never there a second time."""

    __slots__ = ("_plain", "_view")

    def __init__(self, view: memoryview | bytes) -> None:
        self._view = memoryview(view)
        self._plain: bytes | None = None

    @classmethod
    def of(cls, plain: bytes) -> Base64Text:
        """The base64 of these bytes."""
        text = cls(b"")
        text._plain = plain
        return text

    @property
    def view(self) -> memoryview:
        """The text whole."""
        return self._view if self._plain is None else memoryview(pybase64.b64encode(self._plain))

    def pieces(self) -> Iterator[memoryview | bytes]:
        """The text in order, piece by piece."""
        if self._plain is None:
            yield self._view
            return
        plain = memoryview(self._plain)
        for start in range(0, len(plain), _GROUPS):
            yield pybase64.b64encode(plain[start : start + _GROUPS])

    def __len__(self) -> int:
        return len(self._view) if self._plain is None else (len(self._plain) + 2) // 3 * 4

    def __str__(self) -> str:
        return str(self.view, "ascii", "replace")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Base64Text) and self.view == other.view

    def __hash__(self) -> int:
        return hash(bytes(self.view))

    def head(self, size: int = 1024) -> bytes:
        """The first bytes, after the whole text was found to be base64; decodes piece by piece, so that a large body costs no memory.

        Raises ValueError like `decode`.
        """
        if self._plain is not None:
            return self._plain[:size]
        first, rest, padded = b"", b"", False
        for start in range(0, len(self.view), _PIECE):
            part = self.view[start : start + _PIECE]
            try:
                if rest or padded:
                    raise ValueError
                decoded, padded = pybase64.b64decode(part, validate=True), part[-1] == _PAD
            except ValueError:
                decoded, rest, padded = self._piece(start, rest, padded)
            first = first or decoded[:size]
        if rest:
            raise ValueError(f"base64 incomplete at offset {len(self.view)}")
        return bytes(first)

    def _piece(self, start: int, rest: bytes, padded: bool) -> tuple[bytes, bytes, bool]:
        """One piece whose white space must go first: what it decodes to, what is left of its last group, whether padding was met."""
        part = bytes(self.view[start : start + _PIECE])
        piece = rest + part.translate(None, _BLANKS)
        whole = len(piece) - len(piece) % 4
        if not piece:
            return b"", b"", padded
        stray = piece.translate(None, _ALPHABET)
        if stray:
            raise ValueError(f"not base64 at offset {start + part.find(stray[:1])}")
        try:
            if padded:
                raise ValueError
            decoded = bytes(pybase64.b64decode(piece[:whole], validate=True))
        except ValueError:
            raise ValueError(f"not base64 at offset {start}") from None
        return decoded, piece[whole:], piece[whole - 1 : whole] == b"="

    def decode(self) -> bytes:
        """The bytes. White space is passed over; ValueError with the offset of the first other thing that is not base64."""
        if self._plain is not None:
            return self._plain
        try:
            return bytes(pybase64.b64decode(self.view, validate=True))
        except ValueError:
            # White space is legal in xs:base64Binary: take it out, then nothing but the alphabet may be there.
            packed = bytes(self.view).translate(None, _BLANKS)
        stray = packed.translate(None, _ALPHABET)
        if stray:
            raise ValueError(f"not base64 at offset {bytes(self.view).find(stray[:1])}")
        try:
            return bytes(pybase64.b64decode(packed, validate=True))
        except ValueError:
            raise ValueError(f"base64 incomplete at offset {len(self.view)}") from None


class Markup(str):
    """XML of ours that is written as it is: the mixed content of a narrative, which elements and texts here cannot hold."""

    __slots__ = ()


class Element:
    """One element: `name`, `attributes` in their order, stripped `text` (None when there is none), `children`."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(
        self,
        name: str,
        attributes: dict[str, str] | None = None,
        text: str | Base64Text | None = None,
        children: list[Element] | None = None,
    ) -> None:
        self.name = name
        self.attributes = attributes if attributes is not None else {}
        self.text = text
        self.children = children if children is not None else []

    def __repr__(self) -> str:
        # Names only: what an element holds may be a patient's.
        return f"<{self.name}: {len(self.attributes)} attributes, {len(self.children)} children>"

    def get(self, name: str) -> str | None:
        """An attribute, None when absent or empty."""
        return self.attributes.get(name) or None

    def all(self, name: str) -> list[Element]:
        """The children of a name, in order."""
        return [child for child in self.children if child.name == name]

    def find(self, path: str) -> Element | None:
        """The first element down a path of names `a/b/c`, None when there is none. Each step takes the first child of its name."""
        node = self
        for name in path.split("/"):
            for child in node.children:
                if child.name == name:
                    node = child
                    break
            else:
                return None
        return node

    def value(self, path: str) -> str | None:
        """The text or (`a/@b`) the attribute at a path of first children; None when absent or empty."""
        steps, _, attribute = path.rpartition("@")
        node = self.find(steps.rstrip("/") if attribute and path != attribute else path) if path[0] != "@" else self
        if node is None:
            return None
        if steps or path[0] == "@":
            return node.attributes.get(attribute) or None
        return node.text if isinstance(node.text, str) else None

    def add(self, name: str, attributes: dict[str, str] | None = None, text: str | None = None) -> Element:
        """Append a child and return it."""
        child = Element(name, attributes, text)
        self.children.append(child)
        return child

    def empty(self) -> bool:
        """Whether it says nothing: no attribute, no text, no child."""
        return not self.attributes and not self.text and not self.children


def numbered(node: Element) -> Iterator[tuple[str, Element]]:
    """Each child with its step in a place: `author`, `author[2]`…"""
    seen: dict[str, int] = {}
    for child in node.children:
        number = seen[child.name] = seen.get(child.name, 0) + 1
        yield (child.name if number == 1 else f"{child.name}[{number}]"), child


def walk_leaves(node: Element, place: str) -> Iterator[tuple[str, str | Base64Text]]:
    """Every filled attribute and text below (and of) a node, with its place."""
    for name, value in node.attributes.items():
        if value:
            yield f"{place}/@{name}", value
    if node.text:
        yield place, node.text
    for step, child in numbered(node):
        yield from walk_leaves(child, f"{place}/{step}")


def copy_tree(
    node: Element, place: str, make: Callable[[str, tuple[str, ...]], str], places: dict[int, str]
) -> Element:
    """A copy whose leaves are `make(text, (place,))`; leaves that come back empty are left out. Fills `places` by id of the copies."""
    attributes = {}
    for name, value in node.attributes.items():
        changed = make(value, (f"{place}/@{name}",))
        if changed:
            attributes[name] = changed
    text = make(str(node.text), (place,)) if node.text else None
    copy = Element(node.name, attributes, text or None)
    places[id(copy)] = place
    copy.children = [copy_tree(child, f"{place}/{step}", make, places) for step, child in numbered(node)]
    return copy
