"""HD, EI, CX, and the identifiers inside XCN and XON, as canonical identifiers; a document's EI as `root` or `root^extension`.

The type of a universal id (table 0301) is kept as given; where none is known, an OID is written as ISO and a URI as URI.
"""

from __future__ import annotations

from connector.exchange.identifiers import INS_OIDS, is_oid
from connector.exchange.moments import Moment, from_hl7, to_hl7
from connector.exchange.people import Identifier
from connector.hl7.datatypes.said import all_said, below_said, carried, erased, put, said
from connector.hl7.message import Repetition
from connector.mapping.language import Erase, Run

__all__ = [
    "domain_of",
    "read_cx",
    "read_document_id",
    "read_ei",
    "read_hd",
    "read_pln",
    "read_xcn_id",
    "read_xon_id",
    "type_of",
    "write_cx",
    "write_document_id",
    "write_ei",
    "write_hd",
    "write_pln",
    "write_xcn_id",
    "write_xon_id",
]

# CX-4.1 of the INS, which the national annex of PAM fixes; the test and demo series stand under the name of the NIR.
_INS_AUTHORITY = {oid: "ASIP-SANTE-INS-NIA" if oid.endswith(".9") else "ASIP-SANTE-INS-NIR" for oid in INS_OIDS}


def _implied(system: str) -> str:
    """The type of a universal id that its form says."""
    return "ISO" if is_oid(system) else "URI" if ":" in system else ""


def domain_of(authority: str | None, system: str | None, kind: str | None) -> tuple[str | None, str | None, str | None]:
    """(authority, system, its type) of an HD. An OID that stands alone in the place of the name is the system."""
    if system is None and authority is not None and is_oid(authority):
        return None, authority, "ISO"
    return authority, system, kind if system is not None else None


def type_of(identifier: Identifier) -> str | None:
    """The type of an identifier's domain (table 0301), as given or as the form of the domain says; None without a domain."""
    if identifier.system is None:
        return None
    return identifier.system_type or _implied(identifier.system) or None


def _moment(text: str | None) -> Moment | None:
    return None if text is None else Moment(carried(from_hl7(text), text))


def _identifier(
    node: Repetition, domain: int, value: str, kind: str | None, start: str | None = None, end: str | None = None
) -> Identifier:
    """An identifier whose domain is the component of this number."""
    authority, system, system_type = domain_of(*below_said(node, domain))
    return Identifier(
        value=value,
        authority=authority,
        system=system,
        system_type=system_type,
        kind=kind,
        start=_moment(start),
        end=_moment(end),
    )


def _write_domain(identifier: Identifier, node: Repetition, component: int, authority: str | None = None) -> None:
    put(node, identifier.authority or authority, component)
    if identifier.system is not None:
        node.put(identifier.system, component, 2)
        put(node, type_of(identifier), component, 3)


def read_hd(node: Repetition, run: Run) -> Identifier | Erase | None:
    """HD, v2.6 §2.A.33: value is the namespace; without a namespace, value and system are both the universal id."""
    value, system, kind = all_said(node, 1, 2, 3)
    value = value or system
    if value is None or value == '""':
        return erased(node)
    _, system, kind = domain_of(None, system, kind)
    return Identifier(value=value, system=system, system_type=kind)


def write_hd(identifier: Identifier, node: Repetition, run: Run) -> None:
    """HD."""
    if identifier.value != identifier.system:
        node.put(identifier.value, 1)
    if identifier.system is not None:
        node.put(identifier.system, 2)
        put(node, identifier.system_type or _implied(identifier.system) or None, 3)


def read_ei(node: Repetition, run: Run) -> Identifier | Erase | None:
    """EI, v2.6 §2.A.28."""
    value, *domain = all_said(node, 1, 2, 3, 4)
    if value is None:
        return erased(node)
    authority, system, kind = domain_of(*domain)
    return Identifier(value=value, authority=authority, system=system, system_type=kind)


def write_ei(identifier: Identifier, node: Repetition, run: Run) -> None:
    """EI."""
    node.put(identifier.value, 1)
    put(node, identifier.authority, 2)
    if identifier.system is not None:
        node.put(identifier.system, 3)
        put(node, identifier.system_type or _implied(identifier.system) or None, 4)


def read_cx(node: Repetition, run: Run) -> Identifier | Erase | None:
    """CX, v2.6 §2.A.14; the INS has the kind INS and its OID (annexe FR of PAM)."""
    value, kind, start, end = all_said(node, 1, 5, 7, 8)
    if value is None:
        return erased(node)
    return _identifier(node, 4, value, kind, start, end)


def write_cx(identifier: Identifier, node: Repetition, run: Run) -> None:
    """CX; an INS without the name of its authority gets the one that the national annex fixes."""
    node.put(identifier.value, 1)
    _write_domain(identifier, node, 4, _INS_AUTHORITY.get(identifier.system or ""))
    put(node, identifier.kind, 5)
    put(node, identifier.start and to_hl7(identifier.start)[:8], 7)
    put(node, identifier.end and to_hl7(identifier.end)[:8], 8)


def read_xcn_id(node: Repetition, run: Run) -> Identifier | Erase | None:
    """XCN-1, -9, -13, -19, -20 as an identifier, v2.6 §2.A.86; types of table 0203 as Interop'Santé extends it (RPPS, IDNPS, INS…)."""
    value, kind, start, end = all_said(node, 1, 13, 19, 20)
    if value is None:
        return erased(node)
    return _identifier(node, 9, value, kind, start, end)


def write_xcn_id(identifier: Identifier, node: Repetition, run: Run) -> None:
    """XCN-1, -9, -13, -19, -20."""
    node.put(identifier.value, 1)
    _write_domain(identifier, node, 9)
    put(node, identifier.kind, 13)
    put(node, identifier.start and to_hl7(identifier.start), 19)
    put(node, identifier.end and to_hl7(identifier.end), 20)


def read_xon_id(node: Repetition, run: Run) -> Identifier | Erase | None:
    """XON-10 (before v2.5 XON-3), -6, -7 as an identifier, v2.6 §2.A.88."""
    number, older, kind = all_said(node, 10, 3, 7)
    value = number or older
    if value is None:
        return erased(node)
    return _identifier(node, 6, value, kind)


def write_xon_id(identifier: Identifier, node: Repetition, run: Run) -> None:
    """XON-10, -6, -7."""
    _write_domain(identifier, node, 6)
    put(node, identifier.kind, 7)
    node.put(identifier.value, 10)


def read_pln(node: Repetition, run: Run) -> Identifier | Erase | None:
    """PLN, v2.6 §2.A.54: the number and its type; PLN-3 (qualifying information) holds the issuer's OID."""
    value = said(node, 1)
    if value is None:
        return erased(node)
    return Identifier(value=value, kind=said(node, 2), system=said(node, 3))


def write_pln(identifier: Identifier, node: Repetition, run: Run) -> None:
    """PLN."""
    node.put(identifier.value, 1)
    put(node, identifier.kind, 2)
    put(node, identifier.system, 3)


def read_document_id(node: Repetition, run: Run) -> str | Erase | None:
    """TXA-12 and -13 of the volet: `root` in EI-1 alone, or extension in EI-1 and root in EI-3 (as `root^extension`, XDS uniqueId)."""
    first, root = said(node, 1), said(node, 3)
    if first is None:
        return erased(node)
    kind = said(node, 4)
    return carried(f"{root}^{first}", first, root, kind) if root is not None else first


def write_document_id(identity: str, node: Repetition, run: Run) -> None:
    """EI-1 = root, or EI-1 = extension, EI-3 = root, EI-4 = ISO."""
    root, caret, extension = identity.partition("^")
    if not caret:
        node.put(root, 1)
        return
    node.put(extension, 1)
    node.put(root, 3)
    put(node, _implied(root) or None, 4)
