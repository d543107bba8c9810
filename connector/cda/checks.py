"""The CI-SIS volet "Structuration minimale de documents de santé" in our words: what a header must hold.

Strict on what we write: each departure is an ERROR. Liberal on what we read: official samples break these rules too, so a departure
is a WARNING, and only identity and integrity refuse (the document's id, one patient, a version that can be ordered, a body that is
what it says). No text ever holds a value of the document: expected values only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from connector.cda import body as body_checks
from connector.cda.codec import ClinicalDocument
from connector.cda.datatypes import is_uuid
from connector.cda.findings import ROOT, RULE, Findings, placed, spelled
from connector.cda.tree import Element
from connector.exchange import identifiers, moments
from connector.issues import Issue, IssueCode, Severity

__all__ = ["N1_TEMPLATE", "TEMPLATES", "check"]

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

Tables = Callable[[str], Any]


def check(document: ClinicalDocument, *, strict: bool = False, tables: Tables | None = None) -> list[Issue]:
    """Every departure from the structuration minimale, with its place. `tables` (a terminology look-up) adds the coded values."""
    findings = Findings(strict)
    header = document.header
    _document(header, findings)
    _patient(header, findings)
    _people(header, findings)
    _acts(header, findings)
    _relation(header, findings)
    _everywhere(header, [], findings)
    if tables is not None:
        _codes(header, findings, tables)
    findings.issues += body_checks.check(document, findings.usual)
    return findings.issues


# --- the document -----------------------------------------------------------------------------------------------------


def _document(header: Element, findings: Findings) -> None:
    if header.value("realmCode/@code") != "FR":
        findings.value(f"{ROOT}/realmCode/@code", "FR")
    if header.value("typeId/@root") != "2.16.840.1.113883.1.3" or header.value("typeId/@extension") != "POCD_HD000040":
        findings.value(f"{ROOT}/typeId", "2.16.840.1.113883.1.3, POCD_HD000040")
    _templates(header, findings)
    root = header.value("id/@root")
    if root is None:
        findings.missing(f"{ROOT}/id", "@root", grave=True)
    elif not (identifiers.is_oid(root) or is_uuid(root)):
        findings.value(f"{ROOT}/id/@root", "OID, UUID", grave=True)
    for attribute in ("@code", "@codeSystem", "@displayName"):
        findings.need(header, ROOT, f"code/{attribute}")
    findings.need(header, ROOT, "title")
    _effective_time(header, findings)
    code = findings.need(header, ROOT, "confidentialityCode/@code")
    if code is not None and code not in _CONFIDENTIALITY:
        # Mask codes of the DMP live in XDS metadata only.
        findings.value(f"{ROOT}/confidentialityCode/@code", ", ".join(_CONFIDENTIALITY))
    language = findings.need(header, ROOT, "languageCode/@code")
    if language is not None and not _LANGUAGE.fullmatch(language):
        findings.value(f"{ROOT}/languageCode/@code", "fr-FR")
    if findings.need(header, ROOT, "setId/@root") not in (None, root):
        _oid_or_uuid(header, findings, "setId")
    version = findings.need(header, ROOT, "versionNumber/@value")
    if version is not None and not (version.isascii() and version.isdigit()):
        findings.add(IssueCode.DOCUMENT_VERSION, f"{ROOT}/versionNumber/@value", grave=True, expected="1, 2, 3…")


def _oid_or_uuid(header: Element, findings: Findings, name: str) -> None:
    root = header.value(f"{name}/@root") or ""
    if not (identifiers.is_oid(root) or is_uuid(root)):
        findings.value(f"{ROOT}/{name}/@root", "OID, UUID")


def _templates(header: Element, findings: Findings) -> None:
    roots = [template.get("root") for template in header.all("templateId")]
    for template in TEMPLATES:
        if template not in roots:
            findings.missing(f"{ROOT}/templateId", template)
    if header.find("component/nonXMLBody") is None:
        if len([root for root in roots if root not in TEMPLATES]) < 1:
            findings.missing(f"{ROOT}/templateId", "templateId")
    elif [root for root in roots if root not in TEMPLATES] != [N1_TEMPLATE]:
        findings.value(f"{ROOT}/templateId", N1_TEMPLATE)


def _effective_time(header: Element, findings: Findings) -> None:
    text = findings.need(header, ROOT, "effectiveTime/@value")
    if text is None:
        return
    place = f"{ROOT}/effectiveTime/@value"
    try:
        moment = moments.from_hl7(text)
    except ValueError:
        findings.add(IssueCode.DATE_FORM, place)
        return
    if moments.precision(moment) not in ("second", "fraction") or not moments.has_zone(moment):
        findings.value(place, "YYYYMMDDhhmmss±zzzz")


# --- the patient ------------------------------------------------------------------------------------------------------


def _patient(header: Element, findings: Findings) -> None:
    targets = header.all("recordTarget")
    if len(targets) > 1:
        findings.add(IssueCode.CDA_TWO_PATIENTS, f"{ROOT}/recordTarget[2]", grave=True)
    place = f"{ROOT}/recordTarget/patientRole"
    role = header.find("recordTarget/patientRole")
    if role is None:
        findings.missing(ROOT, "recordTarget/patientRole", grave=True)
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


def _patient_ids(role: Element, place: str, findings: Findings) -> bool:
    good = [child for child in role.all("id") if child.get("root") and child.get("extension")]
    for where, child in placed(role, "id", place):
        if child.get("nullFlavor") is None and child not in good:
            # Refused only when nothing says whose document it is.
            findings.missing(where, "@root, @extension", grave=not good)
    if not role.all("id"):
        findings.missing(place, "id", grave=True)
    return any(child.get("root") in identifiers.INS_OIDS for child in good)


def _names(patient: Element, place: str, findings: Findings) -> None:
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


def _traits(patient: Element, place: str, findings: Findings) -> None:
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


def _identified(node: Element | None, place: str, findings: Findings, roots: tuple[str, ...] = ()) -> None:
    """An id with root and extension; `roots` limits the domain."""
    ids = node.all("id") if node is not None else []
    good = [child for child in ids if child.get("root") and child.get("extension")]
    if not good:
        findings.missing(place, "id/@root, id/@extension")
    elif roots and not any(child.get("root") in roots for child in good):
        findings.value(f"{place}/id/@root", ", ".join(roots))


def _people(header: Element, findings: Findings) -> None:
    if not header.all("author"):
        findings.missing(ROOT, "author")
    for place, author in placed(header, "author"):
        _author(author, place, findings)
    for place, informant in placed(header, "informant"):
        related = informant.find("relatedEntity")
        if (related is None) == (informant.find("assignedEntity") is None):
            findings.missing(place, "assignedEntity | relatedEntity")
        elif related is not None and related.get("classCode") not in _RELATED:
            findings.value(f"{place}/relatedEntity/@classCode", ", ".join(_RELATED))
    organization = header.find("custodian/assignedCustodian/representedCustodianOrganization")
    roots = [child.get("root") for child in organization.all("id")] if organization is not None else []
    if not any(root in _CUSTODIANS for root in roots):
        findings.missing(f"{ROOT}/custodian", f"representedCustodianOrganization/id/@root {' | '.join(_CUSTODIANS)}")
    signers = header.all("legalAuthenticator")
    if len(signers) != 1:
        findings.missing(ROOT, "legalAuthenticator [1..1]")
    for place, signer in placed(header, "legalAuthenticator"):
        _signature(signer, place, findings, ())
    for place, signer in placed(header, "authenticator"):
        _signature(signer, place, findings, (identifiers.PS_IDNAT,))
    for place, participant in placed(header, "participant"):
        if participant.get("typeCode") not in _PARTICIPATIONS:
            findings.value(f"{place}/@typeCode", ", ".join(_PARTICIPATIONS))
        if participant.find("time") is None:
            findings.missing(place, "time")


def _author(author: Element, place: str, findings: Findings) -> None:
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


def _signature(signer: Element, place: str, findings: Findings, roots: tuple[str, ...]) -> None:
    findings.need(signer, place, "time/@value")
    if signer.value("signatureCode/@code") != "S":
        findings.value(f"{place}/signatureCode/@code", "S")
    entity = signer.find("assignedEntity")
    _identified(entity, f"{place}/assignedEntity", findings, roots)
    if entity is not None:
        findings.need(entity, f"{place}/assignedEntity", "assignedPerson/name/family")


# --- acts, encounter, relation ----------------------------------------------------------------------------------------


def _acts(header: Element, findings: Findings) -> None:
    event = header.find("documentationOf/serviceEvent")
    place = f"{ROOT}/documentationOf/serviceEvent"
    if event is None:
        findings.missing(ROOT, "documentationOf/serviceEvent")
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
        findings.missing(ROOT, "componentOf/encompassingEncounter")
    else:
        place = f"{ROOT}/componentOf/encompassingEncounter"
        if encounter.find("effectiveTime") is None:
            findings.missing(place, "effectiveTime")
        findings.need(encounter, place, "location/healthCareFacility/code/@code")
    if header.find("component") is None:
        findings.missing(ROOT, "component")


def _relation(header: Element, findings: Findings) -> None:
    own = (header.value("id/@root"), header.value("id/@extension"))
    for place, related in placed(header, "relatedDocument"):
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
        set_id = (related.value("parentDocument/setId/@root"), related.value("parentDocument/setId/@extension"))
        own_set = (header.value("setId/@root"), header.value("setId/@extension"))
        if set_id[0] is not None and own_set[0] is not None and set_id != own_set:
            findings.add(IssueCode.DOCUMENT_VERSION, f"{place}/parentDocument/setId", expected="= setId")
        before, now = (
            node.value("versionNumber/@value") or "" for node in (related.find("parentDocument") or related, header)
        )
        if before.isdecimal() and now.isdecimal() and int(now) <= int(before):
            findings.add(
                IssueCode.DOCUMENT_VERSION, f"{ROOT}/versionNumber/@value", expected="> parentDocument/versionNumber"
            )


def _everywhere(node: Element, trail: list[Element], findings: Findings) -> None:
    """Rules of every telecom and address, and each null flavour: absent, but said so. Places are spelled only where there is one to say."""
    trail.append(node)
    for child in node.children:
        name, attributes = child.name, child.attributes
        if "nullFlavor" in attributes:
            where = spelled(trail, child)
            findings.issues.append(Issue.of(Severity.INFORMATION, IssueCode.CDA_NULL_FLAVOR, where, rule=RULE))
        if name == "telecom":
            value = attributes.get("value") or ""
            if "nullFlavor" in attributes or value.partition(":")[0] not in _SCHEMES:
                _telecom(child, spelled(trail, child), findings)
        elif name == "addr":
            names = {part.name for part in child.children}
            if "streetAddressLine" in names and len(names) > 1:
                findings.value(spelled(trail, child), "streetAddressLine | houseNumber, streetName, postalCode, city…")
        elif child.children:
            _everywhere(child, trail, findings)
    trail.pop()


def _telecom(telecom: Element, place: str, findings: Findings) -> None:
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


def _codes(header: Element, findings: Findings, tables: Tables) -> None:
    for path, table in _CODED:
        code = header.value(f"{path}/@code")
        if code is not None and tables(table).to_exchange("cda", code) is None:
            findings.add(IssueCode.MAP_UNKNOWN_CODE, f"{ROOT}/{path}/@code", table=table)
