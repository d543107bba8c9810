"""The CI-SIS volet "Structuration minimale de documents de santé" in our words: what a header must hold.

Strict on what we write: each departure is an ERROR. Liberal on what we read: official samples break these rules too, so a departure
is a WARNING, and only identity and integrity refuse (the document's id, one patient, a version that can be ordered, a body that is
what it says). No text ever holds a value of the document: expected values only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from connector.cda import body as body_checks
from connector.cda.codec import ClinicalDocument
from connector.cda.datatypes import is_uuid
from connector.cda.tree import Element, numbered
from connector.exchange import identifiers, moments
from connector.issues import Issue, IssueCode, Severity

__all__ = ["N1_TEMPLATE", "TEMPLATES", "check"]

RULE = "CI-SIS structuration minimale"
#: The two header templates of every document, and the model of an unstructured one (IHE XDS-SD).
TEMPLATES = ("2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1")
N1_TEMPLATE = "1.3.6.1.4.1.19376.1.2.20"
_CONFIDENTIALITY = ("L", "M", "N", "R", "U", "V")
_LANGUAGE = re.compile(r"[a-z]{2}-[A-Z]{2}")
_PARTICIPATIONS = ("REF", "REFB", "INF", "RESP", "PRF", "CON", "VRF")
_CUSTODIANS = (identifiers.STRUCT_IDNAT, "1.2.250.1.213.4.1")
_RELATED = ("ECON", "NOK", "CON", "CAREGIVER", "PAT")
_SCHEMES = ("tel", "fax", "mailto", "http", "https", "ftp", "mllp")
_TELEMEDICINE = ("85208-7", "75496-0")  # their act is mandatory, and no schematron catches its absence
_ROOT = "/ClinicalDocument"

Tables = Callable[[str], Any]


class _Findings:
    """Issues in the making; `strict` makes each departure an ERROR."""

    def __init__(self, strict: bool) -> None:
        self.issues: list[Issue] = []
        self.usual = Severity.ERROR if strict else Severity.WARNING

    def add(self, code: IssueCode, place: str, *, grave: bool = False, **params: object) -> None:
        severity = Severity.ERROR if grave else self.usual
        self.issues.append(Issue.of(severity, code, place, rule=RULE, **params))

    def missing(self, place: str, expected: str, *, grave: bool = False) -> None:
        self.add(IssueCode.CDA_MISSING, place, grave=grave, expected=expected)

    def value(self, place: str, expected: str, *, grave: bool = False) -> None:
        self.add(IssueCode.CDA_VALUE, place, grave=grave, expected=expected)

    def need(self, node: Element, place: str, path: str, *, grave: bool = False) -> str | None:
        """The text or attribute at a path; an issue when there is none."""
        found = node.value(path)
        if found is None:
            self.missing(place, path, grave=grave)
        return found


def check(document: ClinicalDocument, *, strict: bool = False, tables: Tables | None = None) -> list[Issue]:
    """Every departure from the structuration minimale, with its place. `tables` (a terminology look-up) adds the coded values."""
    findings = _Findings(strict)
    header = document.header
    _document(header, findings)
    _patient(header, findings)
    _people(header, findings)
    _acts(header, findings)
    _relation(header, findings)
    _everywhere(header, _ROOT, findings)
    if tables is not None:
        _codes(header, findings, tables)
    findings.issues += body_checks.check(document, findings.usual)
    return findings.issues


# --- the document -----------------------------------------------------------------------------------------------------


def _document(header: Element, findings: _Findings) -> None:
    if header.value("realmCode/@code") != "FR":
        findings.value(f"{_ROOT}/realmCode/@code", "FR")
    if header.value("typeId/@root") != "2.16.840.1.113883.1.3" or header.value("typeId/@extension") != "POCD_HD000040":
        findings.value(f"{_ROOT}/typeId", "2.16.840.1.113883.1.3, POCD_HD000040")
    _templates(header, findings)
    root = header.value("id/@root")
    if root is None:
        findings.missing(f"{_ROOT}/id", "@root", grave=True)
    elif not (identifiers.is_oid(root) or is_uuid(root)):
        findings.value(f"{_ROOT}/id/@root", "OID, UUID", grave=True)
    for attribute in ("@code", "@codeSystem", "@displayName"):
        findings.need(header, _ROOT, f"code/{attribute}")
    findings.need(header, _ROOT, "title")
    _effective_time(header, findings)
    code = findings.need(header, _ROOT, "confidentialityCode/@code")
    if code is not None and code not in _CONFIDENTIALITY:
        # Mask codes of the DMP live in XDS metadata only.
        findings.value(f"{_ROOT}/confidentialityCode/@code", ", ".join(_CONFIDENTIALITY))
    language = findings.need(header, _ROOT, "languageCode/@code")
    if language is not None and not _LANGUAGE.fullmatch(language):
        findings.value(f"{_ROOT}/languageCode/@code", "fr-FR")
    if findings.need(header, _ROOT, "setId/@root") not in (None, root):
        _oid_or_uuid(header, findings, "setId")
    version = findings.need(header, _ROOT, "versionNumber/@value")
    if version is not None and not (version.isascii() and version.isdigit()):
        findings.add(IssueCode.DOCUMENT_VERSION, f"{_ROOT}/versionNumber/@value", grave=True, expected="1, 2, 3…")


def _oid_or_uuid(header: Element, findings: _Findings, name: str) -> None:
    root = header.value(f"{name}/@root") or ""
    if not (identifiers.is_oid(root) or is_uuid(root)):
        findings.value(f"{_ROOT}/{name}/@root", "OID, UUID")


def _templates(header: Element, findings: _Findings) -> None:
    roots = [template.get("root") for template in header.all("templateId")]
    for template in TEMPLATES:
        if template not in roots:
            findings.missing(f"{_ROOT}/templateId", template)
    if header.find("component/nonXMLBody") is None:
        if len([root for root in roots if root not in TEMPLATES]) < 1:
            findings.missing(f"{_ROOT}/templateId", "templateId")
    elif [root for root in roots if root not in TEMPLATES] != [N1_TEMPLATE]:
        findings.value(f"{_ROOT}/templateId", N1_TEMPLATE)


def _effective_time(header: Element, findings: _Findings) -> None:
    text = findings.need(header, _ROOT, "effectiveTime/@value")
    if text is None:
        return
    place = f"{_ROOT}/effectiveTime/@value"
    try:
        moment = moments.from_hl7(text)
    except ValueError:
        findings.add(IssueCode.DATE_FORM, place)
        return
    if moments.precision(moment) not in ("second", "fraction") or not moments.has_zone(moment):
        findings.value(place, "YYYYMMDDhhmmss±zzzz")


# --- the patient ------------------------------------------------------------------------------------------------------


def _patient(header: Element, findings: _Findings) -> None:
    targets = header.all("recordTarget")
    if len(targets) > 1:
        findings.add(IssueCode.CDA_TWO_PATIENTS, f"{_ROOT}/recordTarget[2]", grave=True)
    place = f"{_ROOT}/recordTarget/patientRole"
    role = header.find("recordTarget/patientRole")
    if role is None:
        findings.missing(_ROOT, "recordTarget/patientRole", grave=True)
        return
    with_ins = _patient_ids(role, place, findings)
    patient = role.find("patient")
    if patient is None:
        findings.missing(place, "patient", grave=True)
        return
    _names(patient, f"{place}/patient", findings)
    gender = findings.need(patient, f"{place}/patient", "administrativeGenderCode/@code")
    if gender is not None and gender not in ("M", "F", "UN"):
        findings.value(f"{place}/patient/administrativeGenderCode/@code", "M, F, UN")
    birth = findings.need(patient, f"{place}/patient", "birthTime/@value")
    if birth is not None and not _possible(birth):
        findings.add(IssueCode.DATE_FORM, f"{place}/patient/birthTime/@value")
    if with_ins:
        _traits(patient, place, findings)


def _patient_ids(role: Element, place: str, findings: _Findings) -> bool:
    good = [child for child in role.all("id") if child.get("root") and child.get("extension")]
    for where, child in _placed(role, "id", place):
        if child.get("nullFlavor") is None and child not in good:
            # Refused only when nothing says whose document it is.
            findings.missing(where, "@root, @extension", grave=not good)
    if not role.all("id"):
        findings.missing(place, "id", grave=True)
    return any(child.get("root") in identifiers.INS_OIDS for child in good)


def _names(patient: Element, place: str, findings: _Findings) -> None:
    names = patient.all("name")
    if len(names) != 1:
        findings.missing(place, "name [1..1]")
    for name in names[:1]:
        if not name.all("family"):
            findings.missing(f"{place}/name", "family")
        if not name.all("given"):
            findings.missing(f"{place}/name", "given")
        for family in name.all("family"):
            if family.get("qualifier") not in ("BR", "CL"):
                findings.value(f"{place}/name/family/@qualifier", "BR, CL")


def _traits(patient: Element, place: str, findings: _Findings) -> None:
    """With a matricule INS the strict traits must all be there (RNIV)."""
    name = patient.find("name") or Element("name")
    qualifiers = {(part.name, part.get("qualifier")) for part in name.children if part.text}
    traits = {
        "family BR": ("family", "BR") in qualifiers,
        "given BR": ("given", "BR") in qualifiers,
        "given": ("given", None) in qualifiers,
        "birthplace/place/addr/county": patient.value("birthplace/place/addr/county") is not None,
        "birthTime": patient.value("birthTime/@value") is not None,
        "administrativeGenderCode": patient.value("administrativeGenderCode/@code") is not None,
    }
    absent = ", ".join(trait for trait, there in traits.items() if not there)
    if absent:
        findings.add(IssueCode.INS_INCOMPLETE, f"{place}/patient", what=absent)


def _possible(text: str) -> bool:
    try:
        moments.from_hl7(text)
    except ValueError:
        return False
    return True


# --- everybody else ---------------------------------------------------------------------------------------------------


def _placed(node: Element, name: str, place: str = _ROOT) -> Iterator[tuple[str, Element]]:
    return ((f"{place}/{step}", child) for step, child in numbered(node) if child.name == name)


def _identified(node: Element | None, place: str, findings: _Findings, roots: tuple[str, ...] = ()) -> None:
    """An id with root and extension; `roots` limits the domain."""
    ids = node.all("id") if node is not None else []
    good = [child for child in ids if child.get("root") and child.get("extension")]
    if not good:
        findings.missing(place, "id/@root, id/@extension")
    elif roots and not any(child.get("root") in roots for child in good):
        findings.value(f"{place}/id/@root", ", ".join(roots))


def _people(header: Element, findings: _Findings) -> None:
    if not header.all("author"):
        findings.missing(_ROOT, "author")
    for place, author in _placed(header, "author"):
        _author(author, place, findings)
    for place, informant in _placed(header, "informant"):
        related = informant.find("relatedEntity")
        if (related is None) == (informant.find("assignedEntity") is None):
            findings.missing(place, "assignedEntity | relatedEntity")
        elif related is not None and related.get("classCode") not in _RELATED:
            findings.value(f"{place}/relatedEntity/@classCode", ", ".join(_RELATED))
    organization = header.find("custodian/assignedCustodian/representedCustodianOrganization")
    roots = [child.get("root") for child in organization.all("id")] if organization is not None else []
    if not any(root in _CUSTODIANS for root in roots):
        findings.missing(f"{_ROOT}/custodian", f"representedCustodianOrganization/id/@root {' | '.join(_CUSTODIANS)}")
    signers = header.all("legalAuthenticator")
    if len(signers) != 1:
        findings.missing(_ROOT, "legalAuthenticator [1..1]")
    for place, signer in _placed(header, "legalAuthenticator"):
        _signature(signer, place, findings, ())
    for place, signer in _placed(header, "authenticator"):
        _signature(signer, place, findings, (identifiers.PS_IDNAT,))
    for place, participant in _placed(header, "participant"):
        if participant.get("typeCode") not in _PARTICIPATIONS:
            findings.value(f"{place}/@typeCode", ", ".join(_PARTICIPATIONS))
        if participant.find("time") is None:
            findings.missing(place, "time")


def _author(author: Element, place: str, findings: _Findings) -> None:
    findings.need(author, place, "time/@value")
    assigned = author.find("assignedAuthor")
    if assigned is None:
        findings.missing(place, "assignedAuthor")
        return
    _identified(assigned, f"{place}/assignedAuthor", findings)
    person, device = assigned.find("assignedPerson"), assigned.find("assignedAuthoringDevice")
    if (person is None) == (device is None):
        findings.missing(f"{place}/assignedAuthor", "assignedPerson | assignedAuthoringDevice")
    elif person is not None:
        findings.need(assigned, f"{place}/assignedAuthor", "assignedPerson/name/family")
    else:
        for name in ("manufacturerModelName", "softwareName"):
            findings.need(assigned, f"{place}/assignedAuthor", f"assignedAuthoringDevice/{name}")


def _signature(signer: Element, place: str, findings: _Findings, roots: tuple[str, ...]) -> None:
    findings.need(signer, place, "time/@value")
    if signer.value("signatureCode/@code") != "S":
        findings.value(f"{place}/signatureCode/@code", "S")
    entity = signer.find("assignedEntity")
    _identified(entity, f"{place}/assignedEntity", findings, roots)
    if entity is not None:
        findings.need(entity, f"{place}/assignedEntity", "assignedPerson/name/family")


# --- acts, encounter, relation ----------------------------------------------------------------------------------------


def _acts(header: Element, findings: _Findings) -> None:
    event = header.find("documentationOf/serviceEvent")
    place = f"{_ROOT}/documentationOf/serviceEvent"
    if event is None:
        findings.missing(_ROOT, "documentationOf/serviceEvent")
    else:
        findings.need(event, place, "effectiveTime/low/@value")
        performers = [child for child in event.all("performer") if child.get("typeCode") == "PRF"]
        if len(performers) != 1:
            findings.missing(place, "performer [typeCode=PRF] [1..1]")
        for performer in performers[:1]:
            entity = performer.find("assignedEntity")
            _identified(entity, f"{place}/performer/assignedEntity", findings)
            findings.need(
                performer,
                f"{place}/performer",
                "assignedEntity/representedOrganization/standardIndustryClassCode/@code",
            )
        if header.value("code/@code") in _TELEMEDICINE:
            findings.need(event, place, "code/@code")
    encounter = header.find("componentOf/encompassingEncounter")
    if encounter is None:
        findings.missing(_ROOT, "componentOf/encompassingEncounter")
    else:
        place = f"{_ROOT}/componentOf/encompassingEncounter"
        if encounter.find("effectiveTime") is None:
            findings.missing(place, "effectiveTime")
        findings.need(encounter, place, "location/healthCareFacility/code/@code")
    if header.find("component") is None:
        findings.missing(_ROOT, "component")


def _relation(header: Element, findings: _Findings) -> None:
    own = (header.value("id/@root"), header.value("id/@extension"))
    for place, related in _placed(header, "relatedDocument"):
        if related.get("typeCode") != "RPLC":
            findings.value(f"{place}/@typeCode", "RPLC")
            continue
        parent = (related.value("parentDocument/id/@root"), related.value("parentDocument/id/@extension"))
        if parent[0] is None:
            findings.missing(f"{place}/parentDocument", "id/@root", grave=True)
        elif parent == own:
            findings.add(
                IssueCode.DOCUMENT_VERSION, f"{place}/parentDocument/id", grave=True, expected="relatedDocument ≠ id"
            )


def _everywhere(node: Element, place: str, findings: _Findings) -> None:
    """Rules of every telecom and address, and each null flavour: absent, but said so."""
    for step, child in numbered(node):
        where = f"{place}/{step}"
        if child.get("nullFlavor") is not None:
            findings.issues.append(Issue.of(Severity.INFORMATION, IssueCode.CDA_NULL_FLAVOR, where, rule=RULE))
        if child.name == "telecom":
            _telecom(child, where, findings)
        elif child.name == "addr":
            names = {part.name for part in child.children}
            if "streetAddressLine" in names and len(names) > 1:
                findings.value(where, "streetAddressLine | houseNumber, streetName, postalCode, city…")
        elif child.children and child.name != "structuredBody":
            _everywhere(child, where, findings)


def _telecom(telecom: Element, place: str, findings: _Findings) -> None:
    value = telecom.get("value")
    if (value is None) == (telecom.get("nullFlavor") is None):
        findings.missing(place, "@value | @nullFlavor")
    elif value is not None and value.partition(":")[0] not in _SCHEMES:
        findings.value(f"{place}/@value", ", ".join(f"{scheme}:" for scheme in _SCHEMES))


_CODED = (
    ("code", "document-types"),
    ("componentOf/encompassingEncounter/location/healthCareFacility/code", "healthcare-facilities"),
    (
        "documentationOf/serviceEvent/performer/assignedEntity/representedOrganization/standardIndustryClassCode",
        "practice-settings",
    ),
)


def _codes(header: Element, findings: _Findings, tables: Tables) -> None:
    for path, table in _CODED:
        code = header.value(f"{path}/@code")
        if code is not None and tables(table).to_exchange("cda", code) is None:
            findings.add(IssueCode.MAP_UNKNOWN_CODE, f"{_ROOT}/{path}/@code", table=table)
