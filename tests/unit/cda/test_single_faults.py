"""One fault at a time in a valid document: `connector validate` says it at its place, and nothing else but what follows from it.

The documents are those of the golden cases (an unstructured one with every element of the header, a TLM-DA) and the small sample of
these tests. A fault is a change of one thing in the tree; places are written as issues write them.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from connector.app import Workbench
from connector.cda.codec import parse
from connector.cda.inspection import inspect
from connector.issues import Issue, Severity
from connector.settings import Settings
from tests.golden.journeys_kit import context
from tests.unit.cda.sample import BASE64, DOCUMENT

BENCH = Workbench(Settings(site="faults", environment="test"), fixed=True)
PDF_A = b'%PDF-1.4\n<x:xmpmeta><rdf:Description pdfaid:part="1" pdfaid:conformance="B"/></x:xmpmeta>\n%%EOF\n'
BODY = "component/nonXMLBody/text"
ROLE = "recordTarget/patientRole"
PATIENT = f"{ROLE}/patient"
ACT = "documentationOf/serviceEvent"
STAY = "componentOf/encompassingEncounter"
PARENT = "relatedDocument/parentDocument"
SECTION = "component/structuredBody/component[2]/section"
MEDIA = "component/structuredBody/component[3]/section/entry/organizer/component[2]/observationMedia"

_V3 = "urn:hl7-org:v3"
_REAL = (
    ("810000000001", "810000000009"),  # numbers with a true check digit
    ("1690000001", "1690000005"),
    ("1630000404", "1690000005"),
)

Change = Callable[[Any], None]


# --- changes ----------------------------------------------------------------------------------------------------------


def at(root: Any, path: str) -> Any:
    """The element at a place, without its root."""
    steps = "/".join(step if ":" in step else f"v:{step}" for step in path.split("/"))
    found = root.xpath(steps, namespaces={"v": _V3, "sdtc": "urn:hl7-org:sdtc"})
    assert found, path
    return found[0]


def put(path: str, **attributes: str | None) -> Change:
    """Give attributes another value; None takes one away."""

    def change(root: Any) -> None:
        element = at(root, path)
        for name, value in attributes.items():
            if value is None:
                del element.attrib[name]
            else:
                element.set(name, value)

    return change


def drop(path: str) -> Change:
    """Take an element away."""

    def change(root: Any) -> None:
        element = at(root, path)
        element.getparent().remove(element)

    return change


def twice(path: str) -> Change:
    """Let an element follow itself."""

    def change(root: Any) -> None:
        element = at(root, path)
        element.addnext(etree.fromstring(etree.tostring(element)))

    return change


def text(path: str, value: str | None) -> Change:
    """Give an element another text."""

    def change(root: Any) -> None:
        at(root, path).text = value

    return change


def last(path: str) -> Change:
    """Put an element behind all its brothers."""

    def change(root: Any) -> None:
        element = at(root, path)
        element.getparent().append(element)

    return change


def inside(path: str, xml: str) -> Change:
    """Put an element first into another one."""

    def change(root: Any) -> None:
        at(root, path).insert(0, etree.fromstring(re.sub(r"^<(\w+)", rf'<\1 xmlns="{_V3}"', xml)))

    return change


def behind(path: str, xml: str) -> Change:
    """Let a new element follow another one."""

    def change(root: Any) -> None:
        at(root, path).addnext(etree.fromstring(re.sub(r"^<(\w+)", rf'<\1 xmlns="{_V3}"', xml)))

    return change


def renamed(path: str, name: str) -> Change:
    """Call an element by another name."""

    def change(root: Any) -> None:
        at(root, path).tag = f"{{{_V3}}}{name}"

    return change


# --- documents --------------------------------------------------------------------------------------------------------


def _everything(root: Path) -> bytes:
    given = (root / "tests/golden/cda/n1-everything/in.cda.xml").read_text()
    for old, new in _REAL:
        given = given.replace(old, new)
    return re.sub(r'(representation="B64">)[^<]*', rf"\1{base64.b64encode(PDF_A).decode()}", given).encode()


def _small(root: Path) -> bytes:
    del root
    given = DOCUMENT.replace(BASE64, base64.b64encode(PDF_A).decode())
    for old, new in _REAL:
        given = given.replace(old, new)
    return given.encode()


def _request(root: Path) -> bytes:
    given = (root / "tests/golden/cda/tlm-da/in.cda.xml").read_text()
    whole = '<representedCustodianOrganization><id root="1.2.250.1.71.4.2.2" extension="1690000005"/>'
    return given.replace('<representedCustodianOrganization><id root="1.2.250.1.71.4.2.2"/>', whole).encode()


BASES = {"everything": _everything, "small": _small, "tlm-da": _request}


def faults(raw: bytes, bench: Workbench = BENCH) -> list[Issue]:
    """What `validate` says beside what is only information."""
    name, issues = bench.validate(raw)
    assert name == "cda"
    return [issue for issue in issues if issue.severity > Severity.INFORMATION]


def changed(base: bytes, change: Change) -> bytes:
    tree = etree.fromstring(base)
    change(tree)
    return etree.tostring(tree, xml_declaration=True, encoding="UTF-8")


@pytest.mark.parametrize("name", BASES)
def test_the_documents_have_no_fault(name: str, root: Path) -> None:
    assert faults(BASES[name](root)) == []


# --- faults -----------------------------------------------------------------------------------------------------------

#: What is done, to which document, and what is said: code and place; what follows from it behind.
FAULTS: list[tuple[str, str, Change, list[tuple[str, str]]]] = [
    ("realm", "small", put("realmCode", code="US"), [("CDA_VALUE", "realmCode/@code")]),
    ("realm twice", "small", twice("realmCode"), [("CDA_TWICE", "realmCode[2]")]),
    ("typeId", "small", put("typeId", extension="POCD_HD000041"), [("CDA_VALUE", "typeId")]),
    ("header template absent", "small", drop("templateId[2]"), [("CDA_MISSING", "templateId")]),
    ("no model of an unstructured document", "small", drop("templateId[3]"), [("CDA_VALUE", "templateId")]),
    ("id without root", "small", put("id", root=None), [("CDA_MISSING", "id")]),
    ("id whose root is a name", "small", put("id", root="MON-LOGICIEL"), [("CDA_VALUE", "id/@root"), ("IDENTIFIER_FORM", "id")]),
    ("id twice", "small", twice("id"), [("CDA_TWICE", "id[2]")]),
    ("type unknown", "everything", put("code", code="99999-9"), [("MAP_UNKNOWN_CODE", "code/@code")]),
    ("type under another system", "everything", put("code", codeSystem="1.2.250.1.213.1.1.4.12"), [("CDA_VALUE", "code/@codeSystem")]),
    ("type of another model", "tlm-da", put("code", code="11488-4"), [("CDA_VALUE", "code/@code")]),
    ("title absent", "small", drop("title"), [("CDA_MISSING", "")]),
    ("title twice", "small", twice("title"), [("CDA_TWICE", "title[2]")]),
    ("title misspelt", "small", renamed("title", "titel"), [("CDA_MISSING", ""), ("CDA_ELEMENT", "titel")]),
    ("time of the document without zone", "small", put("effectiveTime", value="20260105101500"), [("CDA_VALUE", "effectiveTime/@value")]),
    ("impossible time of the document", "small", put("effectiveTime", value="20260230101500+0100"), [("DATE_FORM", "effectiveTime/@value")]),
    ("mask code as confidentiality", "small", put("confidentialityCode", code="MASQUE_PS"), [("MAP_UNKNOWN_CODE", "confidentialityCode"), ("CDA_VALUE", "confidentialityCode/@code")]),
    ("confidentiality under another system", "small", put("confidentialityCode", codeSystem="1.2.250.1.213.1.1.4.13"), [("CDA_VALUE", "confidentialityCode/@codeSystem")]),
    ("language without country", "small", put("languageCode", code="fr"), [("CDA_VALUE", "languageCode/@code")]),
    ("set absent", "small", drop("setId"), [("CDA_MISSING", "")]),
    ("version that is no number", "small", put("versionNumber", value="1.0"), [("DOCUMENT_VERSION", "versionNumber/@value")]),
    ("header out of order", "small", last("languageCode"), [("CDA_ORDER", "languageCode")]),
    ("role out of order", "everything", last("legalAuthenticator/assignedEntity/id"), [("CDA_ORDER", "legalAuthenticator/assignedEntity/id")]),
    ("no patient", "small", drop("recordTarget"), [("CDA_MISSING", "")]),
    ("two patients", "small", twice("recordTarget"), [("CDA_TWO_PATIENTS", "recordTarget[2]")]),
    ("key of the matricule", "small", put(f"{ROLE}/id", extension="279035121518988"), [("INS_KEY", f"{ROLE}/id/@extension")]),
    ("matricule in a domain that is none", "small", put(f"{ROLE}/id", root="1.2.250.1.213.1.4.99"), [("CDA_VALUE", f"{ROLE}/id/@root")]),
    ("name without qualifier", "small", put(f"{PATIENT}/name/family", qualifier=None), [("CDA_VALUE", f"{PATIENT}/name/family/@qualifier"), ("INS_INCOMPLETE", PATIENT)]),
    ("birth name absent", "small", drop(f"{PATIENT}/name/family[1]"), [("INS_INCOMPLETE", PATIENT)]),
    ("birth place absent", "small", drop(f"{PATIENT}/birthplace"), [("INS_INCOMPLETE", PATIENT)]),
    ("birth place by its name", "small", text(f"{PATIENT}/birthplace/place/addr/county", "MEILHAUD"), [("CDA_VALUE", f"{PATIENT}/birthplace/place/addr/county")]),
    ("gender", "small", put(f"{PATIENT}/administrativeGenderCode", code="X"), [("MAP_UNKNOWN_CODE", f"{PATIENT}/administrativeGenderCode"), ("CDA_VALUE", f"{PATIENT}/administrativeGenderCode/@code"), ("INS_INCOMPLETE", PATIENT)]),
    ("impossible birth date", "small", put(f"{PATIENT}/birthTime", value="19790230"), [("DATE_FORM", f"{PATIENT}/birthTime/@value"), ("INS_INCOMPLETE", PATIENT)]),
    ("telecom without scheme", "small", put(f"{ROLE}/telecom", value="0600000000"), [("CDA_VALUE", f"{ROLE}/telecom/@value")]),
    ("use of a telecom", "small", put(f"{ROLE}/telecom", use="MOBILE"), [("CDA_VALUE", f"{ROLE}/telecom/@use")]),
    ("use of an address", "small", put(f"{ROLE}/addr", use="HOME"), [("CDA_VALUE", f"{ROLE}/addr/@use")]),
    ("address in two forms", "small", behind(f"{ROLE}/addr/streetAddressLine", "<city>LYON</city>"), [("CDA_VALUE", f"{ROLE}/addr")]),
    ("no author", "small", lambda root: (drop("author[2]")(root), drop("author")(root))[0], [("CDA_MISSING", "")]),
    ("author without person or device", "small", drop("author/assignedAuthor/assignedPerson"), [("CDA_MISSING", "author/assignedAuthor")]),
    ("author without time", "small", drop("author/time"), [("CDA_MISSING", "author")]),
    ("function unknown", "everything", put("author/functionCode", code="CHEF"), [("MAP_UNKNOWN_CODE", "author/functionCode/@code")]),
    ("specialty unknown", "small", put("author/assignedAuthor/code", code="G15_10/SM99"), [("MAP_UNKNOWN_CODE", "author/assignedAuthor/code/@code")]),
    ("RPPS without its prefix", "small", put("author/assignedAuthor/id", extension="10000000009"), [("CDA_VALUE", "author/assignedAuthor/id/@extension")]),
    ("RPPS too short", "small", put("author/assignedAuthor/id", extension="81000000000"), [("CDA_VALUE", "author/assignedAuthor/id/@extension")]),
    ("check digit of an RPPS", "small", put("author/assignedAuthor/id", extension="810000000001"), [("IDENTIFIER_CHECK", "author/assignedAuthor/id/@extension")]),
    ("title in front of a name", "small", text("author/assignedAuthor/assignedPerson/name/prefix", "DR"), [("CDA_VALUE", "author/assignedAuthor/assignedPerson/name/prefix")]),
    ("device without software", "small", drop("author[2]/assignedAuthor/assignedAuthoringDevice/softwareName"), [("CDA_MISSING", "author[2]/assignedAuthor")]),
    ("custodian in another domain", "small", put("custodian/assignedCustodian/representedCustodianOrganization/id", root="1.2.3.4"), [("CDA_MISSING", "custodian")]),
    ("check digit of a FINESS", "small", put("custodian/assignedCustodian/representedCustodianOrganization/id", extension="1690000001"), [("IDENTIFIER_CHECK", "custodian/assignedCustodian/representedCustodianOrganization/id/@extension")]),
    ("custodian without number", "small", put("custodian/assignedCustodian/representedCustodianOrganization/id", extension=None), [("CDA_MISSING", "custodian/assignedCustodian/representedCustodianOrganization/id")]),
    ("no custodian", "small", drop("custodian"), [("CDA_MISSING", "custodian")]),
    ("nobody signs", "small", drop("legalAuthenticator"), [("CDA_MISSING", "")]),
    ("signature", "small", put("legalAuthenticator/signatureCode", code="X"), [("CDA_VALUE", "legalAuthenticator/signatureCode/@code")]),
    ("recipient in another domain", "everything", put("informationRecipient/intendedRecipient/id", root="1.2.3.4"), [("CDA_VALUE", "informationRecipient/intendedRecipient/id/@root")]),
    ("participation", "everything", put("participant", typeCode="AUT"), [("CDA_VALUE", "participant/@typeCode")]),
    ("participant without time", "everything", drop("participant/time"), [("CDA_MISSING", "participant")]),
    ("class of a participant", "everything", put("participant/associatedEntity", classCode="DOC"), [("CDA_VALUE", "participant/associatedEntity/@classCode")]),
    ("informant who is nobody", "everything", put("informant[2]/relatedEntity", classCode="AMI"), [("CDA_VALUE", "informant[2]/relatedEntity/@classCode")]),
    ("relation unknown", "everything", put("informant[2]/relatedEntity/code", code="COPAIN"), [("MAP_UNKNOWN_CODE", "informant[2]/relatedEntity/code/@code")]),
    ("request without number", "everything", drop("inFulfillmentOf/order/id"), [("CDA_MISSING", "inFulfillmentOf/order")]),
    ("no documented act", "small", drop("documentationOf"), [("CDA_MISSING", "")]),
    ("act of nobody", "small", drop(f"{ACT}/performer"), [("CDA_MISSING", ACT)]),
    ("act without beginning", "small", drop(f"{ACT}/effectiveTime/low"), [("CDA_MISSING", ACT)]),
    ("act that ends before it begins", "small", put(f"{ACT}/effectiveTime/high", value="20251231"), [("CDA_VALUE", f"{ACT}/effectiveTime/high/@value")]),
    ("act of telemedicine without code", "tlm-da", drop(f"{ACT}/code"), [("CDA_MISSING", ACT)]),
    ("sector unknown", "small", put(f"{ACT}/performer/assignedEntity/representedOrganization/standardIndustryClassCode", code="HOPITAL"), [("MAP_UNKNOWN_CODE", f"{ACT}/performer/assignedEntity/representedOrganization/standardIndustryClassCode/@code")]),
    ("relation of another kind", "everything", put("relatedDocument", typeCode="APND"), [("CDA_VALUE", "relatedDocument/@typeCode")]),
    ("replaces nothing named", "everything", drop(f"{PARENT}/id"), [("CDA_MISSING", PARENT)]),
    ("replaces itself", "everything", put(f"{PARENT}/id", root="1.2.250.1.213.1.4.10.9.1.2"), [("DOCUMENT_VERSION", f"{PARENT}/id")]),
    ("replaces a document of another set", "everything", behind(f"{PARENT}/id", '<setId root="1.2.250.1.213.1.4.10.9.8"/>'), [("DOCUMENT_VERSION", f"{PARENT}/setId")]),
    ("version not higher", "everything", behind(f"{PARENT}/id", '<versionNumber value="2"/>'), [("DOCUMENT_VERSION", "versionNumber/@value")]),
    ("consent not given", "everything", put("authorization/consent/statusCode", code="active"), [("CDA_VALUE", "authorization/consent/statusCode/@code")]),
    ("no encounter", "small", drop("componentOf"), [("CDA_MISSING", "")]),
    ("kind of encounter", "everything", put(f"{STAY}/code", code="HOSPIT"), [("MAP_UNKNOWN_CODE", f"{STAY}/code/@code")]),
    ("way out under another system", "everything", put(f"{STAY}/dischargeDispositionCode", codeSystem="1.2.3.4"), [("CDA_VALUE", f"{STAY}/dischargeDispositionCode/@codeSystem")]),
    ("participation in the encounter", "everything", put(f"{STAY}/encounterParticipant", typeCode="PRF"), [("CDA_VALUE", f"{STAY}/encounterParticipant/@typeCode")]),
    ("facility absent", "small", drop(f"{STAY}/location"), [("CDA_MISSING", STAY)]),
    ("facility without label", "small", put(f"{STAY}/location/healthCareFacility/code", displayName=None), [("CDA_MISSING", f"{STAY}/location/healthCareFacility/code")]),
    ("gender under another system", "small", put(f"{PATIENT}/administrativeGenderCode", codeSystem="2.16.840.1.113883.5.2"), [("CDA_VALUE", f"{PATIENT}/administrativeGenderCode/@codeSystem")]),
    ("code without system", "everything", put("authenticator/assignedEntity/code", codeSystem=None), [("CDA_MISSING", "authenticator/assignedEntity/code")]),
    ("participant of no class", "everything", put("participant/associatedEntity", classCode=None), [("CDA_MISSING", "participant/associatedEntity")]),
    ("facility unknown", "small", put(f"{STAY}/location/healthCareFacility/code", code="XX01"), [("MAP_UNKNOWN_CODE", f"{STAY}/location/healthCareFacility/code/@code")]),
    ("media type that no body has", "small", put(BODY, mediaType="application/msword"), [("CDA_VALUE", f"{BODY}/@mediaType"), ("DOCUMENT_TYPE_CLASH", BODY)]),
    ("representation absent", "small", put(BODY, representation=None), [("CDA_BODY", BODY)]),
    ("body that is not base64", "small", text(BODY, "JVBERi0x*S4K"), [("DOCUMENT_ENCODING", BODY)]),
    ("body that is no PDF", "small", text(BODY, base64.b64encode(b"plain text").decode()), [("DOCUMENT_TYPE_CLASH", BODY)]),
    ("empty body", "small", text(BODY, None), [("CDA_BODY", BODY)]),
    ("PDF that claims nothing", "small", text(BODY, BASE64), [("PDF_CLAIM", BODY)]),
    ("no body", "small", drop("component"), [("CDA_MISSING", "")]),
    ("section without narrative", "tlm-da", drop(f"{SECTION}/text"), [("CDA_MISSING", SECTION), *((("CDA_VALUE", f"{SECTION}/entry/substanceAdministration/{way}/reference/@value")) for way in ("text", "consumable/manufacturedProduct/manufacturedMaterial/code/originalText"))]),
    ("link to nothing", "tlm-da", put(f"{SECTION}/entry/substanceAdministration/text/reference", value="#nulle-part"), [("CDA_VALUE", f"{SECTION}/entry/substanceAdministration/text/reference/@value")]),
    ("section without code", "tlm-da", drop(f"{SECTION}/code"), [("CDA_MISSING", SECTION)]),
    ("media that is no base64", "tlm-da", text(f"{MEDIA}/value", "JVBERi0x*S4K"), [("DOCUMENT_ENCODING", f"{MEDIA}/value")]),
    ("media of another type", "tlm-da", put(f"{MEDIA}/value", mediaType="image/jpeg"), [("DOCUMENT_TYPE_CLASH", f"{MEDIA}/value")]),
    ("picture that is shown and not there", "tlm-da", put(MEDIA, ID="DOC-9"), [("CDA_VALUE", "component/structuredBody/component[3]/section/text/list/item/renderMultiMedia/@referencedObject")]),
    ("two elements of one name", "tlm-da", twice(f"{SECTION}/text/content"), [("CDA_TWICE", f"{SECTION}/text/content[2]/@ID")]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "base", "change", "expected"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_fault_is_said_at_its_place_and_nothing_else(
    name: str, base: str, change: Change, expected: list[tuple[str, str]], root: Path
) -> None:
    found = faults(changed(BASES[base](root), change))
    said = [(issue.code, issue.place.path.removeprefix("/ClinicalDocument").lstrip("/")) for issue in found]
    assert said == expected, name
    assert all(issue.place.rule for issue in found), "each names its rule"


def test_a_test_matricule_in_production_is_said(root: Path) -> None:
    production = Workbench(Settings(site="faults", environment="production"), fixed=True)
    said = [(issue.code, issue.place.path) for issue in faults(_small(root), production)]
    assert said == [
        ("INS_ENVIRONMENT", f"/ClinicalDocument/{ROLE}/id/@root"),
        ("TEST_PATIENT", f"/ClinicalDocument/{PATIENT}/name"),
    ]


def test_there_are_forty_kinds_and_more() -> None:
    assert len({name for name, *_ in FAULTS}) == len(FAULTS) >= 40


def test_what_a_pdf_claims_to_be_is_information(root: Path) -> None:
    _, issues = BENCH.validate(_small(root))
    (claim,) = [issue for issue in issues if issue.code == "PDF_CLAIM"]
    assert claim.severity == Severity.INFORMATION
    assert claim.text("fr") == "le PDF se déclare PDF/A-1B ; le CI-SIS demande PDF/A-1"


def test_a_document_that_is_nothing_but_faults_is_not_told_to_its_end(root: Path) -> None:
    links = b"".join(b'<reference value="#r%d"/>' % number for number in range(5_000))
    raw = _request(root).replace(
        b"<structuredBody>", b"<structuredBody><component><section>" + links + b"</section></component>", 1
    )
    assert 500 <= len(faults(raw)) < 520


@pytest.mark.slow
def test_the_national_examples_raise_no_false_alarm() -> None:
    """Numbers that were made up, links to nothing and empty narratives are in them; order, counts, names and value sets are right."""
    folder = os.environ.get("ANS_CDA_JUDGE")
    if not folder:
        pytest.skip("ANS_CDA_JUDGE does not name a checkout of ansforge/TestContenuCDA-3-0")
    examples = sorted(Path(folder, "ExemplesCDA").glob("*.xml"))
    assert len(examples) > 90
    wrong = {"CDA_ORDER", "CDA_TWICE", "CDA_ELEMENT", "MAP_UNKNOWN_CODE"}
    for example in examples:
        read = parse(example.read_bytes()).value
        assert read is not None, example.name
        found = inspect(read, tables=context().table)
        assert [issue.place for issue in found if issue.code in wrong or issue.severity >= Severity.ERROR] == [], (
            example.name
        )
