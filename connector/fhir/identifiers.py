"""Identifiers of FHIR to canonical values and back: of people and things, of documents, of exchanges (R4 §2.24.0.11)."""

from __future__ import annotations

import re
from typing import Any

from connector.exchange.identifiers import FHIR_0203, from_fhir, is_ins, is_oid, to_fhir
from connector.exchange.people import Identifier
from connector.fhir.primitives import TYPES_0203, moment_of, period_of
from connector.mapping.language import Run

__all__ = [
    "RFC_3986",
    "read_business_id",
    "read_document_id",
    "read_identifier",
    "read_uri",
    "write_business_id",
    "write_document_id",
    "write_identifier",
    "write_uri",
]

Node = dict[str, Any]

RFC_3986 = "urn:ietf:rfc:3986"


def read_identifier(node: Node, run: Run) -> Identifier | None:
    """Identifier, R4 §2.24.0.11, with the types of FR Core (fr-core-cs-v2-0203)."""
    value = node.get("value")
    if not value:
        return None
    kind = node.get("type", {})
    codings = kind.get("coding", ())
    found = from_fhir(node.get("system"), value, codings[0].get("code") if codings else kind.get("text"))
    authority = node.get("assigner", {}).get("display")
    period = node.get("period")
    if authority is None and period is None:
        return found
    return Identifier(
        value=found.value,
        system=found.system,
        kind=found.kind,
        authority=authority,
        start=moment_of(period.get("start")) if period else None,
        end=moment_of(period.get("end")) if period else None,
    )


def write_identifier(identifier: Identifier, node: Node, run: Run) -> None:
    """Identifier; the current INS is `official` (fr-core-patient-ins), a former one `old`."""
    fhir = to_fhir(identifier)
    if is_ins(identifier):
        node["use"] = "official" if identifier.end is None else "old"
    if fhir.type is not None:
        known = fhir.type_system != FHIR_0203 or fhir.type in TYPES_0203
        node["type"] = {"coding": [{"system": fhir.type_system, "code": fhir.type}]} if known else {"text": fhir.type}
    if fhir.system is not None:
        node["system"] = fhir.system
    node["value"] = fhir.value
    if identifier.start is not None or identifier.end is not None:
        node["period"] = period_of(identifier.start, identifier.end, run)
    if identifier.authority is not None:
        node["assigner"] = {"display": identifier.authority}


def read_document_id(node: Node, run: Run) -> str | None:
    """Identifier of a document to `root` or `root^extension` (XDS uniqueId; MHD maps: OID and UUID are URIs, root and extension apart)."""
    value, system = node.get("value"), node.get("system")
    if not value:
        return None
    if system in (None, RFC_3986):
        return str(value.removeprefix("urn:oid:").removeprefix("urn:uuid:"))
    return f"{system.removeprefix('urn:oid:')}^{value}"


def write_document_id(identity: str, node: Node, run: Run) -> None:
    """`root` or `root^extension` to an Identifier."""
    root, caret, extension = identity.partition("^")
    if caret:
        node["system"] = f"urn:oid:{root}" if is_oid(root) else root
        node["value"] = extension
        return
    if is_oid(root):
        root = "urn:oid:" + root
    elif len(root) == 36 and root.count("-") == 4:
        root = "urn:uuid:" + root
    node["system"] = RFC_3986
    node["value"] = root


def read_uri(text: str, run: Run) -> str:
    """An OID or UUID as a URI, to the bare one."""
    return text.removeprefix("urn:oid:").removeprefix("urn:uuid:")


def write_uri(text: str, run: Run) -> str:
    """An OID or UUID as a URI; anything else as it is."""
    if is_oid(text):
        return f"urn:oid:{text}"
    return f"urn:uuid:{text}" if _UUID.fullmatch(text.lower()) else text


def read_business_id(node: Node, run: Run) -> str | None:
    """Identifier of a message, thread, request or form: the site's own number, else as `document-id`."""
    if node.get("system") == f"urn:oid:{run.context.namespace}":
        return node.get("value") or None
    return read_document_id(node, run)


def write_business_id(identity: str, node: Node, run: Run) -> None:
    """OID, UUID, URL and `root^extension` as `document-id`; any other text is a number of the site."""
    root, caret, _ = identity.partition("^")
    if is_oid(root) or _UUID.fullmatch(identity) or (not caret and _URL.match(identity)):
        write_document_id(identity, node, run)
    else:
        node["system"] = f"urn:oid:{run.context.namespace}"
        node["value"] = identity


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_URL = re.compile(r"https?://[^\s^]+\Z")
