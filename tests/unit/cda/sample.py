"""A small CDA N1 of our own (test identity only) that tests change one thing of."""

from __future__ import annotations

import base64

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
BASE64 = base64.b64encode(PDF).decode()

DOCUMENT = f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
  <realmCode code="FR"/>
  <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
  <templateId root="2.16.840.1.113883.2.8.2.1"/>
  <templateId root="1.2.250.1.213.1.1.1.1"/>
  <templateId root="1.3.6.1.4.1.19376.1.2.20"/>
  <id root="1.2.250.1.213.1.4.10.9.1.2" extension="LETTRE-1"/>
  <code code="11490-0" displayName="Lettre de liaison à la sortie" codeSystem="2.16.840.1.113883.6.1"/>
  <title>Lettre de liaison</title>
  <effectiveTime value="20260105101500+0100"/>
  <confidentialityCode code="N" displayName="Normal" codeSystem="2.16.840.1.113883.5.25"/>
  <languageCode code="fr-FR"/>
  <setId root="1.2.250.1.213.1.4.10.9.1.2" extension="LETTRES-1"/>
  <versionNumber value="2"/>
  <recordTarget>
    <patientRole>
      <id root="1.2.250.1.213.1.4.10" extension="279035121518989"/>
      <id root="1.2.250.1.999.1.1" extension="IPP-42"/>
      <addr use="H"><streetAddressLine>12 rue des Lilas</streetAddressLine></addr>
      <telecom value="tel:0600000000" use="MC"/>
      <patient>
        <name>
          <given>DOMINIQUE MARIE-LOUISE</given>
          <given qualifier="BR">DOMINIQUE</given>
          <given qualifier="CL">DOM</given>
          <family qualifier="BR">PAT-TROIS</family>
          <family qualifier="CL">D'ARTAGNAN DE L'HERAULT</family>
        </name>
        <administrativeGenderCode code="F" displayName="Féminin" codeSystem="2.16.840.1.113883.5.1"/>
        <birthTime value="19790328"/>
        <birthplace><place><addr><county>63220</county><city>MEILHAUD</city></addr></place></birthplace>
      </patient>
    </patientRole>
  </recordTarget>
  <author>
    <time value="20260105101500+0100"/>
    <assignedAuthor>
      <id root="1.2.250.1.71.4.2.1" extension="810000000001"/>
      <code code="G15_10/SM26" displayName="Médecin généraliste" codeSystem="1.2.250.1.213.1.1.4.5"/>
      <assignedPerson><name><prefix>MME</prefix><given>Claire</given><family>SYNTH</family><suffix>DR</suffix></name></assignedPerson>
    </assignedAuthor>
  </author>
  <author>
    <time value="20260105101500+0100"/>
    <assignedAuthor>
      <id root="1.2.250.1.999.1.7" extension="AUTOMATE-1"/>
      <assignedAuthoringDevice>
        <manufacturerModelName>Serveur</manufacturerModelName><softwareName>Dossier 3.2</softwareName>
      </assignedAuthoringDevice>
    </assignedAuthor>
  </author>
  <custodian><assignedCustodian><representedCustodianOrganization>
    <id root="1.2.250.1.71.4.2.2" extension="1690000001"/><name>Centre hospitalier de Test</name>
  </representedCustodianOrganization></assignedCustodian></custodian>
  <legalAuthenticator>
    <time value="20260105101500+0100"/><signatureCode code="S"/>
    <assignedEntity>
      <id root="1.2.250.1.71.4.2.1" extension="810000000001"/>
      <assignedPerson><name><family>SYNTH</family></name></assignedPerson>
    </assignedEntity>
  </legalAuthenticator>
  <documentationOf><serviceEvent>
    <effectiveTime><low value="20260101"/><high value="20260105"/></effectiveTime>
    <performer typeCode="PRF"><assignedEntity>
      <id root="1.2.250.1.71.4.2.1" extension="810000000001"/>
      <representedOrganization>
        <standardIndustryClassCode code="ETABLISSEMENT" displayName="Etablissement de santé" codeSystem="1.2.250.1.213.1.1.4.9"/>
      </representedOrganization>
    </assignedEntity></performer>
  </serviceEvent></documentationOf>
  <componentOf><encompassingEncounter>
    <id root="1.2.250.1.999.1.3" extension="SEJOUR-9"/>
    <effectiveTime><low value="20260101"/><high value="20260105"/></effectiveTime>
    <location><healthCareFacility>
      <code code="SA01" displayName="Etablissement public de santé" codeSystem="1.2.250.1.71.4.2.4"/>
    </healthCareFacility></location>
  </encompassingEncounter></componentOf>
  <component><nonXMLBody><text mediaType="application/pdf" representation="B64">{BASE64}</text></nonXMLBody></component>
</ClinicalDocument>
"""


def document(*changes: tuple[str, str]) -> bytes:
    """The sample in UTF-8 with texts replaced; each text to replace must be there."""
    text = DOCUMENT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()
