"""CDA data types ↔ canonical values (HL7 v3 Data Types R1 as the CI-SIS uses them): II, CD/CE, PN, AD, TEL, TS, BL, INT, ED.

Each is a reader and a writer side by side. A null flavour reads as absent; the place keeps its `@nullFlavor`, which shows as unread.
Names of organisations (ON) and texts (ST) are the text of their element and need no type.
"""

from __future__ import annotations

from typing import Any

from connector.cda.coded import read_cd, write_cd
from connector.cda.names import read_ad, read_pn, read_tel, write_ad, write_pn, write_tel
from connector.cda.quantities import QUANTITIES
from connector.cda.said import carried
from connector.cda.tree import Base64Text, Element
from connector.exchange import identifiers, moments
from connector.exchange.moments import Moment
from connector.exchange.people import Address, Concept, HumanName, Identifier, Telecom
from connector.mapping.language import Datatype, Run

__all__ = ["DATATYPES"]


# --- II ---------------------------------------------------------------------------------------------------------------


def read_ii(node: Element, run: Run) -> Identifier | None:
    """II: root and extension (HL7 v3 DT R1 §2.9). A root alone is the value; an extension without root has no domain."""
    del run
    root, extension = node.get("root"), node.get("extension")
    if root is None:
        return Identifier(value=extension, authority=node.get("assigningAuthorityName")) if extension else None
    found = identifiers.from_cda(root, extension)
    return Identifier(
        value=found.value,
        system=found.system,
        kind=carried(found.kind, root) if found.kind else None,
        authority=node.get("assigningAuthorityName"),
    )


def write_ii(value: Identifier, node: Element, run: Run) -> None:
    """II. National numbers get the prefix of PS_IdNat and Struct_IdNat. ValueError when the domain has no OID: a root is an OID or a UUID."""
    del run
    root, extension = identifiers.to_cda(value)
    if value.authority:
        node.attributes["assigningAuthorityName"] = value.authority
    if root is None and value.system is None and extension and _is_root(extension):
        node.attributes["root"] = extension
    elif root is None:
        raise ValueError("II: an identifier in a domain with an OID")
    else:
        node.attributes["root"] = root
        if extension:
            node.attributes["extension"] = extension


def _is_root(text: str) -> bool:
    return identifiers.is_oid(text) or is_uuid(text)


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in its usual writing."""
    return len(text) == 36 and text.count("-") == 4 and text.replace("-", "").isalnum() and _hexadecimal(text)


def _hexadecimal(text: str) -> bool:
    try:
        int(text.replace("-", ""), 16)
    except ValueError:
        return False
    return [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12]


def read_unique_id(node: Element, run: Run) -> str | None:
    """A document id as XDS names it: `root`, or `root^extension`."""
    del run
    root, extension = node.get("root"), node.get("extension")
    if root is None:
        return None
    # Sums, not an f-string: explain follows both ends.
    return root + "^" + extension if extension else root


def write_unique_id(value: str, node: Element, run: Run) -> None:
    """`root` or `root^extension`. ValueError when the root is neither OID nor UUID."""
    del run
    root, _, extension = value.partition("^")
    if not _is_root(root):
        raise ValueError("a document id whose root is an OID or a UUID")
    node.attributes["root"] = root
    if extension:
        node.attributes["extension"] = extension


def read_request_id(node: Element, run: Run) -> str | None:
    """The id of a request: an extension below the site's own OID, else as a document's id."""
    root, extension = node.get("root"), node.get("extension")
    return extension if extension and root == run.context.namespace else read_unique_id(node, run)


def write_request_id(value: str, node: Element, run: Run) -> None:
    """An OID or UUID as it is; any other text stands below the site's OID."""
    if _is_root(value.partition("^")[0]):
        write_unique_id(value, node, run)
    else:
        node.attributes |= {"root": run.context.namespace, "extension": value}


def read_previous_version(node: Element, run: Run) -> str | None:
    """The version after that of a parentDocument (CDA R2 §4.2.3.1: a replacement counts one further). ValueError when it is no number."""
    del run
    text = node.get("value")
    return str(int(text) + 1) if text is not None else None


def write_previous_version(value: str, node: Element, run: Run) -> None:
    """The version before a replacement's own; nothing before the first."""
    del run
    if value.isdecimal() and int(value) > 1:
        node.attributes["value"] = str(int(value) - 1)


# --- leaves -----------------------------------------------------------------------------------------------------------


def read_ts(text: str, run: Run) -> Moment:
    """TS: YYYY[MM[DD[HHMM[SS]]]][±ZZZZ]; impossible dates are ValueError."""
    del run
    return moments.from_hl7(text)


def write_ts(value: Moment, run: Run) -> str:
    """TS, as precise as the moment."""
    del run
    return moments.to_hl7(value)


def read_bl(text: str, run: Run) -> bool:
    """BL: true or false."""
    del run
    if text not in ("true", "false", "1", "0"):
        raise ValueError("BL: true or false")
    return text in ("true", "1")


def write_bl(value: bool, run: Run) -> str:
    """BL."""
    del run
    return "true" if value else "false"


def read_int(text: str, run: Run) -> int:
    """INT."""
    del run
    if len(text) > 10:
        raise ValueError("INT: ten digits at most")
    return int(text)


def write_int(value: int, run: Run) -> str:
    """INT."""
    del run
    return str(value)


def read_base64(text: str | Base64Text, run: Run) -> bytes:
    """ED with representation B64. ValueError with the offset of what is not base64."""
    del run
    return (text if isinstance(text, Base64Text) else Base64Text(text.encode())).decode()


def write_base64(value: bytes, run: Run) -> Base64Text:
    """ED with representation B64; the text goes into the document without another copy."""
    del run
    return Base64Text.of(value)


def _node(name: str, read: Any, write: Any, value: Any) -> Datatype:
    return Datatype(name=name, read=read, write=write, node=True, value=value)


def _leaf(name: str, read: Any, write: Any, value: Any) -> Datatype:
    return Datatype(name=name, read=read, write=write, node=False, value=value)


DATATYPES: dict[str, Datatype] = {
    datatype.name: datatype
    for datatype in (
        _node("ii", read_ii, write_ii, Identifier),
        _node("unique-id", read_unique_id, write_unique_id, str),
        _node("previous-version", read_previous_version, write_previous_version, str),
        _node("request-id", read_request_id, write_request_id, str),
        _node("cd", read_cd, write_cd, Concept),
        _node("pn", read_pn, write_pn, HumanName),
        _node("ad", read_ad, write_ad, Address),
        _node("tel", read_tel, write_tel, Telecom),
        _leaf("ts", read_ts, write_ts, str),
        _leaf("bl", read_bl, write_bl, bool),
        _leaf("int", read_int, write_int, int),
        _leaf("base64", read_base64, write_base64, bytes),
        *QUANTITIES,
    )
}
