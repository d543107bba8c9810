"""CD, CE, CV, CS ↔ Concept (HL7 v3 Data Types R1 §2.4)."""

from __future__ import annotations

from connector.cda.said import carried
from connector.cda.tree import Element
from connector.exchange import identifiers
from connector.exchange.people import Concept
from connector.mapping.language import Run

__all__ = ["read_cd", "write_cd"]


def read_cd(node: Element, run: Run) -> Concept | None:
    """CD, CE, CV, CS: code with its system, label, version and original text. Translations and qualifiers are not read."""
    code = node.get("code")
    if code is None:
        return None
    system = node.get("codeSystem")
    systems = run.context.systems
    if system is None:
        system = node.get("codeSystemName")
    if system is not None and systems is not None:
        system = carried(systems.canonical(system), system)
    return Concept(
        code=code,
        system=system,
        display=node.get("displayName"),
        version=node.get("codeSystemVersion"),
        text=node.value("originalText"),
    )


def write_cd(value: Concept, node: Element, run: Run) -> None:
    """CD. ValueError when the system has no OID: codeSystem is an OID."""
    attributes = node.attributes
    attributes["code"] = value.code
    oid = None
    if value.system:
        systems = run.context.systems
        oid = systems.oid(value.system) if systems is not None else value.system
        oid = oid if oid and identifiers.is_oid(oid) else None
    if oid:
        attributes["codeSystem"] = oid
    if value.version:
        attributes["codeSystemVersion"] = value.version
    if value.display:
        attributes["displayName"] = value.display
    if value.text:
        node.add("originalText", text=value.text)
    if value.system and oid is None:
        raise ValueError("CD: a code system with an OID")
