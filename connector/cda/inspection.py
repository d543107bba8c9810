"""What `connector validate` looks for beyond the checks of every reading (`checks.py`): the whole header against the schema's order and
counts, and what the national schematrons leave unsaid (prefixes and check digits of national numbers, code systems, uses, titles).

A closed list of rules. Reading a message does not pay for them, and they refuse nothing: each departure is a WARNING with its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec.structs import replace

from connector.cda.checks import N1_TEMPLATE, Tables
from connector.cda.codec import ClinicalDocument
from connector.cda.datatypes import is_uuid
from connector.cda.findings import ROOT, RULE, Findings
from connector.cda.narrative_checks import check_narrative
from connector.cda.order import ORDER
from connector.cda.tree import Element, numbered
from connector.exchange import identifiers
from connector.exchange.people import Identifier
from connector.issues import Issue, IssueCode, Place

__all__ = ["inspect"]

#: Children that may stand more than once. Of the patient, the name and the legal authenticator `checks.py` speaks.
_MANY = (
    "realmCode templateId id addr telecom name author informant informationRecipient authenticator participant inFulfillmentOf "
    "documentationOf authorization guardian performer encounterParticipant translation qualifier languageCommunication raceCode "
    "sdtc:raceCode ethnicGroupCode sdtc:ethnicGroupCode recordTarget legalAuthenticator sdtc:asPatientRelationship"
)
_REPEATED = frozenset(_MANY.split())
_ONCE_IN_DOCUMENT = ("realmCode", "id")
_ADDRESS_USES = ("H", "HP", "HV", "WP", "TMP")
_TELECOM_USES = ("H", "HP", "HV", "WP", "DIR", "PUB", "EC", "MC", "PG")
_CIVILITIES = ("M", "MME")
_TITLES = ("DR", "PR", "MC", "MG", "PC", "PG")
_COMMUNE = re.compile(r"[0-9][0-9AB][0-9]{3}")
_INS_ARC = re.compile(r"1\.2\.250\.1\.213\.1\.4\.\d+")
_OLD_INS = ("1.2.250.1.213.1.4.1", "1.2.250.1.213.1.4.2")  # INS-A, INS-C
#: Document model → the only type that it has (volet TLM-DA).
_TYPES = {"1.2.250.1.213.1.1.1.38": "75496-0"}
_DISCHARGE = "1.2.250.1.213.2.14"


class _Look:
    """One inspection: where findings go, and the tables when there are any."""

    def __init__(self, tables: Tables | None) -> None:
        self.findings = Findings(strict=False)
        self.tables = tables

    def among(self, node: Element, attribute: str, place: str, words: tuple[str, ...]) -> None:
        """An attribute that is there is one of the words."""
        if node.get(attribute) not in (None, *words):
            self.findings.value(f"{place}/@{attribute}", ", ".join(words))

    def coded(self, node: Element, place: str, table: str, *, said: bool = False) -> None:
        """A code of a value set, under its system. `said`: `checks.py` speaks of a code that is absent or unknown."""
        code, system = node.get("code"), node.get("codeSystem")
        if code is None or self.tables is None:
            return
        known = self.tables(table)
        word = known.to_exchange("cda", code, system)
        if word is None:
            if not said:
                self.findings.add(IssueCode.MAP_UNKNOWN_CODE, f"{place}/@code", table=table)
            return
        wanted = known.from_exchange("cda", word).system
        if system is None and not said:
            self.findings.missing(place, "@codeSystem")
        elif system is not None and wanted not in (None, system):
            self.findings.value(f"{place}/@codeSystem", wanted)


def inspect(document: ClinicalDocument, *, tables: Tables | None = None) -> list[Issue]:
    """What the checks of every reading leave unsaid, with places. `tables` (a terminology look-up) adds the value sets."""
    look = _Look(tables)
    _visit(document.header, ROOT, look)
    _model(document.header, look.findings)
    if document.structured is not None:
        check_narrative(document, look.findings)
    return look.findings.issues


def _visit(node: Element, place: str, look: _Look) -> None:
    order = ORDER.get(node.name)
    if order is not None:
        _ordered(node, place, order, look.findings)
    for step, child in numbered(node):
        where = f"{place}/{step}"
        rule = _RULES.get(child.name) or _RULES.get(f"{node.name}/{child.name}")
        if rule is not None:
            rule(child, where, look)
        if child.children:
            _visit(child, where, look)


def _ordered(node: Element, place: str, order: dict[str, int], findings: Findings) -> None:
    """Each child is one of the schema's, in the schema's order (told once a parent), once where the schema says so."""
    highest, last, told = -1, "", False
    for step, child in numbered(node):
        name, rank = child.name, order.get(child.name)
        if rank is None:
            if ":" not in name:  # an extension in a namespace of its own is its author's
                findings.add(IssueCode.CDA_ELEMENT, f"{place}/{step}", expected=", ".join(order))
            continue
        if rank < highest and not told:
            findings.add(IssueCode.CDA_ORDER, f"{place}/{step}", expected=last)
            told = True
        elif rank > highest:
            highest, last = rank, name
        once = name not in _REPEATED or (place == ROOT and name in _ONCE_IN_DOCUMENT)
        if once and step.endswith("[2]"):
            findings.add(IssueCode.CDA_TWICE, f"{place}/{step}", expected=name)


def _model(header: Element, findings: Findings) -> None:
    """The document's model has a type of its own; a model of sections has no unstructured body."""
    roots = [template.get("root") or "" for template in header.all("templateId")]
    kind = header.value("code/@code")
    for template in roots:
        wanted = _TYPES.get(template)
        if wanted is not None and kind is not None and kind != wanted:
            findings.value(f"{ROOT}/code/@code", wanted)
    if N1_TEMPLATE in roots and header.find("component/structuredBody") is not None:
        findings.value(f"{ROOT}/component/structuredBody", "nonXMLBody")


# --- one element ------------------------------------------------------------------------------------------------------


def _id(node: Element, place: str, look: _Look) -> None:
    """A root is an OID or a UUID; an organisation has a number; a national number its prefix, its length and a true check digit."""
    root, extension = node.get("root"), node.get("extension")
    if root is None:
        return
    if not (identifiers.is_oid(root) or is_uuid(root)):
        if place != f"{ROOT}/id":
            look.findings.value(f"{place}/@root", "OID, UUID")
    elif root == identifiers.STRUCT_IDNAT and extension is None:
        # The schematrons let an organisation without number pass: who keeps or made the document stays unknown.
        look.findings.missing(place, "@extension")
    elif root in (identifiers.PS_IDNAT, identifiers.STRUCT_IDNAT) and extension is not None:
        _national(Identifier(value=extension, system=root), f"{place}/@extension", look.findings)
    elif _INS_ARC.fullmatch(root) and root not in (*identifiers.INS_OIDS, *_OLD_INS):
        look.findings.value(f"{place}/@root", ", ".join(sorted(identifiers.INS_OIDS)))


def _national(identifier: Identifier, place: str, findings: Findings) -> None:
    number = identifiers.normalise(identifier)
    if number.register in ("IDNPS", "IDNST") or number.number == identifier.value.replace(" ", ""):
        of_person = identifier.system == identifiers.PS_IDNAT
        findings.value(place, "8 + RPPS, 0 + ADELI…" if of_person else "1 + FINESS, 2 + SIREN, 3 + SIRET…")
    else:
        findings.issues += [replace(issue, place=Place(place, RULE)) for issue in identifiers.check(identifier)]


def _within(*roots: str) -> Callable[[Element, str, _Look], None]:
    """The ids of an element are in one of the domains."""

    def rule(node: Element, place: str, look: _Look) -> None:
        for step, child in numbered(node):
            if child.name == "id" and child.get("nullFlavor") is None and child.get("root") not in roots:
                look.findings.value(f"{place}/{step}/@root", ", ".join(roots))

    return rule


def _table(name: str, *, said: bool = False) -> Callable[[Element, str, _Look], None]:
    return lambda node, place, look: look.coded(node, place, name, said=said)


def _words(attribute: str, *words: str, needed: bool = False) -> Callable[[Element, str, _Look], None]:
    def rule(node: Element, place: str, look: _Look) -> None:
        look.among(node, attribute, place, words)
        if needed:
            look.findings.need(node, place, f"@{attribute}")

    return rule


def _professional(node: Element, place: str, look: _Look) -> None:
    for name, words in (("prefix", _CIVILITIES), ("suffix", _TITLES)):
        part = node.find(name)
        if part is not None and part.text and part.text not in words:
            look.findings.value(f"{place}/{name}", ", ".join(words))


def _confidentiality(node: Element, place: str, look: _Look) -> None:
    if node.get("code") is not None:
        look.findings.need(node, place, "@displayName")
        if node.get("codeSystem") != "2.16.840.1.113883.5.25":
            look.findings.value(f"{place}/@codeSystem", "2.16.840.1.113883.5.25")


def _county(node: Element, place: str, look: _Look) -> None:
    if isinstance(node.text, str) and not _COMMUNE.fullmatch(node.text):
        look.findings.value(place, "COG, 5")


def _needed(*paths: str) -> Callable[[Element, str, _Look], None]:
    def rule(node: Element, place: str, look: _Look) -> None:
        for path in paths:
            look.findings.need(node, place, path)

    return rule


def _consent(node: Element, place: str, look: _Look) -> None:
    if node.value("statusCode/@code") != "completed":
        look.findings.value(f"{place}/statusCode/@code", "completed")


def _code(node: Element, place: str, look: _Look) -> None:
    """A code stands with its system, or says why it is none."""
    if node.get("nullFlavor") is None:
        for attribute in ("@code", "@codeSystem"):
            look.findings.need(node, place, attribute)


def _labelled(table: str) -> Callable[[Element, str, _Look], None]:
    """A code of a value set with its system and its label, which the national header requires; `checks.py` speaks of the code."""

    def rule(node: Element, place: str, look: _Look) -> None:
        if node.get("code") is not None:
            for attribute in ("@codeSystem", "@displayName"):
                look.findings.need(node, place, attribute)
        look.coded(node, place, table, said=True)

    return rule


def _gender(node: Element, place: str, look: _Look) -> None:
    if node.get("code") is not None and node.get("codeSystem") != "2.16.840.1.113883.5.1":
        look.findings.value(f"{place}/@codeSystem", "2.16.840.1.113883.5.1")


def _interval(node: Element, place: str, look: _Look) -> None:
    """Nothing ends before it begins; days are compared, what stands behind them may be in two zones."""
    low, high = (node.value(f"{end}/@value") or "" for end in ("low", "high"))
    if low[:8].isdigit() and high[:8].isdigit() and len(low) >= 8 and len(high) >= 8 and high[:8] < low[:8]:
        look.findings.value(f"{place}/high/@value", "≥ low")


#: Name of an element, or `parent/name` → its rule.
_RULES: dict[str, Callable[[Element, str, _Look], None]] = {
    "id": _id,
    "addr": _words("use", *_ADDRESS_USES),
    "telecom": _words("use", *_TELECOM_USES),
    "county": _county,
    "effectiveTime": _interval,
    "functionCode": _table("author-functions"),
    "ClinicalDocument/code": _table("document-types", said=True),
    "ClinicalDocument/confidentialityCode": _confidentiality,
    "assignedAuthor/code": _table("author-specialties"),
    "assignedPerson/name": _professional,
    "associatedPerson/name": _professional,
    "intendedRecipient": _within(identifiers.PS_IDNAT),
    "associatedEntity": _words("classCode", "PROV", "AGNT", needed=True),
    "relatedEntity/code": _table("patient-relations"),
    "order": _needed("id/@root"),
    "consent": _consent,
    "serviceEvent/code": _code,
    "order/code": _code,
    "consent/code": _code,
    "assignedEntity/code": _code,
    "associatedEntity/code": _code,
    "standardIndustryClassCode": _labelled("practice-settings"),
    "patient/administrativeGenderCode": _gender,
    "encompassingEncounter/code": _table("encounter-types"),
    "encounterParticipant": _words("typeCode", "ADM", "ATND", "CON", "DIS", "REF", "RESP", needed=True),
    "responsibleParty/assignedEntity": _within(identifiers.PS_IDNAT),
    "healthCareFacility/code": _labelled("healthcare-facilities"),
    "dischargeDispositionCode": _words("codeSystem", _DISCHARGE, needed=True),
}
