"""The order of children that the CDA R2 schema wants (POCD_MT000040 with the extensions that the CI-SIS allows): the header, sections and the entries that we write."""

from __future__ import annotations

__all__ = ["ORDER"]

_COMMON = "realmCode typeId templateId "
_ORGANIZATION = _COMMON + "id name telecom addr standardIndustryClassCode asOrganizationPartOf"
_PERSON = _COMMON + "name sdtc:desc sdtc:asPatientRelationship"
_ASSIGNED = _COMMON + "id code addr telecom assignedPerson assignedAuthoringDevice representedOrganization sdtc:patient"
_WHO = "subject specimen performer author informant participant "

#: Element → its children in order. Parts of names and addresses stand in the order they were written.
_SEQUENCES = {
    "ClinicalDocument": _COMMON + "id code title effectiveTime confidentialityCode languageCode setId versionNumber copyTime recordTarget author "
    "dataEnterer informant custodian informationRecipient legalAuthenticator authenticator participant inFulfillmentOf documentationOf "
    "relatedDocument authorization componentOf component sdtc:statusCode",
    "recordTarget": _COMMON + "patientRole",
    "patientRole": _COMMON + "id addr telecom patient providerOrganization",
    "patient": _COMMON + "id name sdtc:desc administrativeGenderCode birthTime sdtc:deceasedInd sdtc:deceasedTime sdtc:multipleBirthInd "
    "sdtc:multipleBirthOrderNumber maritalStatusCode religiousAffiliationCode raceCode sdtc:raceCode ethnicGroupCode sdtc:ethnicGroupCode "
    "guardian birthplace languageCommunication",
    "guardian": _COMMON + "id code addr telecom guardianPerson guardianOrganization",
    "birthplace": _COMMON + "place",
    "place": _COMMON + "name addr",
    "author": _COMMON + "functionCode time assignedAuthor",
    "assignedAuthor": _ASSIGNED,
    "assignedEntity": _ASSIGNED,
    "assignedAuthoringDevice": _COMMON + "code manufacturerModelName softwareName asMaintainedEntity",
    "dataEnterer": _COMMON + "time assignedEntity",
    "informant": _COMMON + "assignedEntity relatedEntity",
    "relatedEntity": _COMMON + "code addr telecom effectiveTime relatedPerson",
    "custodian": _COMMON + "assignedCustodian",
    "assignedCustodian": _COMMON + "representedCustodianOrganization",
    "informationRecipient": _COMMON + "intendedRecipient name sdtc:desc",
    "intendedRecipient": _COMMON + "id addr telecom informationRecipient receivedOrganization",
    "legalAuthenticator": _COMMON + "time signatureCode sdtc:signatureText assignedEntity",
    "authenticator": _COMMON + "time signatureCode assignedEntity sdtc:signatureText",
    "participant": _COMMON + "functionCode time awarenessCode associatedEntity participantRole",
    "associatedEntity": _COMMON + "id code addr telecom associatedPerson scopingOrganization",
    "inFulfillmentOf": _COMMON + "order",
    "order": _COMMON + "id code priorityCode ps3-20:accessionNumber",
    "documentationOf": _COMMON + "serviceEvent",
    "serviceEvent": _COMMON + "id code lab:statusCode effectiveTime performer",
    "performer": _COMMON + "functionCode time assignedEntity",
    "relatedDocument": _COMMON + "parentDocument",
    "parentDocument": _COMMON + "id code text setId versionNumber",
    "authorization": _COMMON + "consent",
    "consent": _COMMON + "id code statusCode",
    "componentOf": _COMMON + "encompassingEncounter",
    "encompassingEncounter": _COMMON + "id code effectiveTime dischargeDispositionCode responsibleParty encounterParticipant location",
    "responsibleParty": _COMMON + "assignedEntity",
    "encounterParticipant": _COMMON + "time assignedEntity",
    "location": _COMMON + "healthCareFacility name addr",
    "healthCareFacility": _COMMON + "id code location serviceProviderOrganization",
    "component": _COMMON + "sequenceNumber nonXMLBody structuredBody section act observation observationMedia organizer procedure substanceAdministration",
    "nonXMLBody": _COMMON + "text confidentialityCode languageCode",
    "effectiveTime": "low center width high",
    "time": "low center width high",
    "code": "originalText qualifier translation",
    # sections and their entries
    "structuredBody": "component",
    "section": _COMMON + "id code title text confidentialityCode languageCode subject author informant entry component",
    "entry": _COMMON + "act observation observationMedia organizer procedure substanceAdministration",
    "act": _COMMON + "id code text statusCode effectiveTime priorityCode languageCode " + _WHO + "entryRelationship reference precondition",
    "observation": _COMMON + "id code derivationExpr text statusCode effectiveTime priorityCode repeatNumber languageCode value "
    "interpretationCode methodCode targetSiteCode " + _WHO + "entryRelationship reference precondition referenceRange",
    "observationMedia": _COMMON + "id languageCode value " + _WHO + "entryRelationship reference precondition",
    "organizer": _COMMON + "id code statusCode effectiveTime " + _WHO + "reference precondition component",
    "procedure": _COMMON + "id code text statusCode effectiveTime priorityCode languageCode methodCode approachSiteCode targetSiteCode "
    + _WHO + "entryRelationship reference precondition",
    "substanceAdministration": _COMMON + "id code text statusCode effectiveTime priorityCode repeatNumber routeCode approachSiteCode doseQuantity "
    "rateQuantity maxDoseQuantity administrationUnitCode consumable " + _WHO + "entryRelationship reference precondition",
    "entryRelationship": _COMMON + "sequenceNumber act observation observationMedia organizer procedure substanceAdministration",
    "specimen": _COMMON + "specimenRole",
    "specimenRole": _COMMON + "id specimenPlayingEntity",
    "consumable": _COMMON + "manufacturedProduct",
    "manufacturedProduct": _COMMON + "id manufacturedLabeledDrug manufacturedMaterial manufacturerOrganization",
    "manufacturedMaterial": _COMMON + "code name lotNumberText",
    "participantRole": _COMMON + "id code addr telecom playingDevice playingEntity scopingEntity",
    "playingEntity": _COMMON + "code quantity name desc",
    "referenceRange": _COMMON + "observationRange",
    "observationRange": _COMMON + "code text value interpretationCode",
    "doseQuantity": "low center width high",
    **dict.fromkeys(
        (
            "representedOrganization",
            "representedCustodianOrganization",
            "receivedOrganization",
            "scopingOrganization",
            "guardianOrganization",
            "providerOrganization",
            "serviceProviderOrganization",
            "wholeOrganization",
        ),
        _ORGANIZATION,
    ),
    **dict.fromkeys(("assignedPerson", "relatedPerson", "associatedPerson", "guardianPerson"), _PERSON),
}  # fmt: skip

ORDER: dict[str, dict[str, int]] = {
    name: {child: number for number, child in enumerate(children.split())} for name, children in _SEQUENCES.items()
}
