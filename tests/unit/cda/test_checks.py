"""The structuration minimale: what is refused, what is only said, where, and with what expected."""

from __future__ import annotations

import base64

import pytest

from connector.cda.checks import check
from connector.cda.codec import parse
from connector.issues import Issue, Severity
from tests.unit.cda.sample import BASE64, document


def found(raw: bytes, *, strict: bool = False) -> list[Issue]:
    read = parse(raw)
    assert read.value is not None, read.issues
    return check(read.value, strict=strict)


def test_a_document_that_keeps_the_rules_has_no_issue() -> None:
    assert found(document()) == []
    assert found(document(), strict=True) == []


GRAVE = [
    # F15, F17 and integrity: refused also when reading
    ("id without root", ('<id root="1.2.250.1.213.1.4.10.9.1.2" extension="LETTRE-1"/>', '<id extension="LETTRE-1"/>'), "CDA_MISSING", "/ClinicalDocument/id"),
    ("id with a root that is no OID", ('<id root="1.2.250.1.213.1.4.10.9.1.2"', '<id root="MON-ID"'), "CDA_VALUE", "/ClinicalDocument/id/@root"),
    ("version going nowhere", ('value="2"', 'value="1.0"'), "DOCUMENT_VERSION", "/ClinicalDocument/versionNumber/@value"),
    ("negative version", ('value="2"', 'value="-1"'), "DOCUMENT_VERSION", "/ClinicalDocument/versionNumber/@value"),
    ("two patients", ("<author>\n    <time value=\"20260105101500+0100\"/>\n    <assignedAuthor>\n      <id root=\"1.2.250.1.71", "<recordTarget><patientRole/></recordTarget><author>\n    <time value=\"20260105101500+0100\"/>\n    <assignedAuthor>\n      <id root=\"1.2.250.1.71"), "CDA_TWO_PATIENTS", "/ClinicalDocument/recordTarget[2]"),
    ("replaces itself", ("<componentOf>", '<relatedDocument typeCode="RPLC"><parentDocument><id root="1.2.250.1.213.1.4.10.9.1.2" extension="LETTRE-1"/></parentDocument></relatedDocument><componentOf>'), "DOCUMENT_VERSION", "/ClinicalDocument/relatedDocument/parentDocument/id"),
    ("replaces nothing named", ("<componentOf>", '<relatedDocument typeCode="RPLC"><parentDocument><id nullFlavor="UNK"/></parentDocument></relatedDocument><componentOf>'), "CDA_MISSING", "/ClinicalDocument/relatedDocument/parentDocument"),
    ("body that is not base64", (BASE64, BASE64[:40] + "*" + BASE64[40:]), "DOCUMENT_ENCODING", "/ClinicalDocument/component/nonXMLBody/text"),
    ("body cut short", (BASE64, BASE64[:41]), "DOCUMENT_ENCODING", "/ClinicalDocument/component/nonXMLBody/text"),
    ("program in a PDF's clothes", (BASE64, base64.b64encode(b"MZ\x90\x00" + bytes(60)).decode()), "DOCUMENT_TYPE_CLASH", "/ClinicalDocument/component/nonXMLBody/text"),
    ("page in a PDF's clothes", (BASE64, base64.b64encode(b"<html><script>1</script></html>").decode()), "DOCUMENT_TYPE_CLASH", "/ClinicalDocument/component/nonXMLBody/text"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "code", "place"), GRAVE, ids=[case[0] for case in GRAVE])
def test_identity_and_integrity_refuse_also_when_reading(
    name: str, change: tuple[str, str], code: str, place: str
) -> None:
    errors = [issue for issue in found(document(change)) if issue.severity == Severity.ERROR]
    assert (code, place) in [(issue.code, issue.place.path) for issue in errors], name


USUAL = [
    ("realm", ('<realmCode code="FR"/>', '<realmCode code="US"/>'), "CDA_VALUE", "/ClinicalDocument/realmCode/@code"),
    ("typeId", ("POCD_HD000040", "POCD_HD000041"), "CDA_VALUE", "/ClinicalDocument/typeId"),
    ("header template", ('<templateId root="1.2.250.1.213.1.1.1.1"/>', ""), "CDA_MISSING", "/ClinicalDocument/templateId"),
    ("fourth template of an N1", ("<id root=\"1.2.250.1.213.1.4.10.9.1.2\" extension=\"LETTRE-1\"/>", '<templateId root="1.2.3"/><id root="1.2.250.1.213.1.4.10.9.1.2" extension="LETTRE-1"/>'), "CDA_VALUE", "/ClinicalDocument/templateId"),
    ("display name", (' displayName="Lettre de liaison à la sortie"', ""), "CDA_MISSING", "/ClinicalDocument"),
    ("title", ("<title>Lettre de liaison</title>", ""), "CDA_MISSING", "/ClinicalDocument"),
    ("effective time without zone", ('<effectiveTime value="20260105101500+0100"/>', '<effectiveTime value="20260105101500"/>'), "CDA_VALUE", "/ClinicalDocument/effectiveTime/@value"),
    ("effective time impossible", ('<effectiveTime value="20260105101500+0100"/>', '<effectiveTime value="20260230"/>'), "DATE_FORM", "/ClinicalDocument/effectiveTime/@value"),
    ("mask code as confidentiality", ('code="N" displayName="Normal"', 'code="MASQUE_PS" displayName="Normal"'), "CDA_VALUE", "/ClinicalDocument/confidentialityCode/@code"),
    ("language", ('"fr-FR"', '"fr"'), "CDA_VALUE", "/ClinicalDocument/languageCode/@code"),
    ("set id", ('<setId root="1.2.250.1.213.1.4.10.9.1.2" extension="LETTRES-1"/>', ""), "CDA_MISSING", "/ClinicalDocument"),
    ("version", ('<versionNumber value="2"/>', ""), "CDA_MISSING", "/ClinicalDocument"),
    ("spouse qualifier", ('<family qualifier="CL">', '<family qualifier="SP">'), "CDA_VALUE", "/ClinicalDocument/recordTarget/patientRole/patient/name/family/@qualifier"),
    ("INS without birth name", ('<family qualifier="BR">PAT-TROIS</family>', ""), "INS_INCOMPLETE", "/ClinicalDocument/recordTarget/patientRole/patient"),
    ("INS without birth place", ("<county>63220</county>", ""), "INS_INCOMPLETE", "/ClinicalDocument/recordTarget/patientRole/patient"),
    ("gender", ('code="F" displayName="Féminin"', 'code="U" displayName="Féminin"'), "CDA_VALUE", "/ClinicalDocument/recordTarget/patientRole/patient/administrativeGenderCode/@code"),
    ("author without person or device", ("<assignedAuthoringDevice>\n        <manufacturerModelName>Serveur</manufacturerModelName><softwareName>Dossier 3.2</softwareName>\n      </assignedAuthoringDevice>", ""), "CDA_MISSING", "/ClinicalDocument/author[2]/assignedAuthor"),
    ("device without software", ("<softwareName>Dossier 3.2</softwareName>", ""), "CDA_MISSING", "/ClinicalDocument/author[2]/assignedAuthor"),
    ("custodian of another domain", ('<id root="1.2.250.1.71.4.2.2" extension="1690000001"/>', '<id root="1.2.3" extension="1"/>'), "CDA_MISSING", "/ClinicalDocument/custodian"),
    ("signature", ('<signatureCode code="S"/>', '<signatureCode code="X"/>'), "CDA_VALUE", "/ClinicalDocument/legalAuthenticator/signatureCode/@code"),
    ("start of the act", ('<effectiveTime><low value="20260101"/><high value="20260105"/></effectiveTime>\n    <performer', "<performer"), "CDA_MISSING", "/ClinicalDocument/documentationOf/serviceEvent"),
    ("practice setting", ('<standardIndustryClassCode code="ETABLISSEMENT" displayName="Etablissement de santé" codeSystem="1.2.250.1.213.1.1.4.9"/>', ""), "CDA_MISSING", "/ClinicalDocument/documentationOf/serviceEvent/performer"),
    ("facility", ('<code code="SA01" displayName="Etablissement public de santé" codeSystem="1.2.250.1.71.4.2.4"/>', ""), "CDA_MISSING", "/ClinicalDocument/componentOf/encompassingEncounter"),
    ("telecom without scheme", ('"tel:0600000000"', '"0600000000"'), "CDA_VALUE", "/ClinicalDocument/recordTarget/patientRole/telecom/@value"),
    ("address in two forms", ("</streetAddressLine>", "</streetAddressLine><city>LYON</city>"), "CDA_VALUE", "/ClinicalDocument/recordTarget/patientRole/addr"),
    ("media type outside the five", ('"application/pdf"', '"application/msword"'), "CDA_VALUE", "/ClinicalDocument/component/nonXMLBody/text/@mediaType"),
    ("representation", (' representation="B64"', ""), "CDA_BODY", "/ClinicalDocument/component/nonXMLBody/text"),
    ("act of telemedicine without code", ('code="11490-0" displayName="Lettre de liaison à la sortie"', 'code="85208-7" displayName="x"'), "CDA_MISSING", "/ClinicalDocument/documentationOf/serviceEvent"),
    ("relation of another kind", ("<componentOf>", '<relatedDocument typeCode="APND"><parentDocument><id root="1.2.3"/></parentDocument></relatedDocument><componentOf>'), "CDA_VALUE", "/ClinicalDocument/relatedDocument/@typeCode"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "code", "place"), USUAL, ids=[case[0] for case in USUAL])
def test_other_departures_are_warnings_when_reading_and_errors_when_writing(
    name: str, change: tuple[str, str], code: str, place: str
) -> None:
    for strict, severity in ((False, Severity.WARNING), (True, Severity.ERROR)):
        said = [(issue.code, issue.place.path, issue.severity) for issue in found(document(change), strict=strict)]
        assert (code, place, severity) in said, name
        # One departure, one issue (a clash of the body's type may follow from its media type).
        assert len(said) == 1 or name == "media type outside the five", said


def test_a_null_flavour_everywhere_is_no_crash_and_each_place_is_named() -> None:
    """F20."""
    raw = document(
        ('<telecom value="tel:0600000000" use="MC"/>', '<telecom nullFlavor="NASK"/>'),
        ('<birthTime value="19790328"/>', '<birthTime nullFlavor="UNK"/>'),
        ('<setId root="1.2.250.1.213.1.4.10.9.1.2" extension="LETTRES-1"/>', '<setId nullFlavor="NI"/>'),
    )
    said = [issue.place.path for issue in found(raw) if issue.code == "CDA_NULL_FLAVOR"]
    assert said == [
        "/ClinicalDocument/setId",
        "/ClinicalDocument/recordTarget/patientRole/telecom",
        "/ClinicalDocument/recordTarget/patientRole/patient/birthTime",
    ]


def test_no_issue_repeats_a_value_of_the_document() -> None:
    raw = document(
        ('"tel:0600000000"', '"CANARI-1"'),
        ('"fr-FR"', '"CANARI-2"'),
        ('code="N"', 'code="CANARI-3"'),
        ('"application/pdf"', '"CANARI-4"'),
        ('value="2"', 'value="CANARI-5"'),
        ("20260105101500+0100", "CANARI-6"),
    )
    for issue in found(raw):
        assert "CANARI" not in f"{issue.text('fr')} {issue.text('en')} {issue.place} {issue.params}"


def test_unknown_national_codes_are_said_when_the_tables_are_there() -> None:
    class Table:
        def to_exchange(self, side: str, code: str) -> str | None:
            assert side == "cda"
            return None if code == "SA01" else code

    read = parse(document())
    assert read.value is not None
    issues = check(read.value, tables=lambda name: Table())
    assert [(issue.code, issue.params) for issue in issues] == [
        ("MAP_UNKNOWN_CODE", {"table": "healthcare-facilities"})
    ]
