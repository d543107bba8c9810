"""The search parameters that are answered: resource type, name, kind, and where its values stand (R4 search parameters, PDSm 3.1.1 for ITI-66 and ITI-67)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ALIASES", "PARAMETERS", "Parameter"]


class Parameter(NamedTuple):
    """`kind`: token, string, reference, uri, date. `paths` are element names joined by dots; `extension[name]` is the one whose URL ends
    with `/name`. `targets` are the types that a reference may have; none: any."""

    kind: str
    paths: tuple[str, ...]
    targets: tuple[str, ...] = ()


def _token(*paths: str) -> Parameter:
    return Parameter("token", paths)


def _string(*paths: str) -> Parameter:
    return Parameter("string", paths)


def _date(*paths: str) -> Parameter:
    return Parameter("date", paths)


def _uri(*paths: str) -> Parameter:
    return Parameter("uri", paths)


def _to(path: str, *targets: str) -> Parameter:
    return Parameter("reference", (path,), targets)


_PEOPLE = ("Practitioner", "PractitionerRole", "Organization", "Patient", "Device", "CareTeam", "HealthcareService")
_SUBJECT = {"patient": _to("subject", "Patient"), "subject": _to("subject", "Patient")}
_NAMES = {
    "family": _string("name.family"),
    "given": _string("name.given", "name.extension.valueString"),
    "name": _string("name.family", "name.given", "name.text"),
}

#: Whom a clinical fact is about, when its element is called `patient`.
_PATIENT = {"patient": _to("patient", "Patient"), "identifier": _token("identifier")}

PARAMETERS: dict[str, dict[str, Parameter]] = {
    "AllergyIntolerance": {
        **_PATIENT,
        "category": _token("category"),
        "clinical-status": _token("clinicalStatus"),
        "code": _token("code", "reaction.substance"),
        "criticality": _token("criticality"),
        "date": _date("recordedDate"),
        "manifestation": _token("reaction.manifestation"),
        "onset": _date("onsetDateTime", "onsetPeriod"),
        "recorder": _to("recorder", *_PEOPLE),
        "type": _token("type"),
        "verification-status": _token("verificationStatus"),
    },
    "Appointment": {
        "actor": _to("participant.actor"),
        "date": _date("start"),
        "identifier": _token("identifier"),
        "patient": _to("participant.actor", "Patient"),
        "status": _token("status"),
    },
    "Binary": {},
    "CareTeam": {
        **_SUBJECT,
        "category": _token("category"),
        "date": _date("period"),
        "encounter": _to("encounter", "Encounter"),
        "identifier": _token("identifier"),
        "participant": _to("participant.member"),
        "status": _token("status"),
    },
    "Communication": {
        **_SUBJECT,
        "based-on": _to("basedOn"),
        "category": _token("category"),
        "encounter": _to("encounter", "Encounter"),
        "identifier": _token("identifier"),
        "medium": _token("medium"),
        "part-of": _to("partOf"),
        "received": _date("received"),
        "recipient": _to("recipient", *_PEOPLE),
        "sender": _to("sender", *_PEOPLE),
        "sent": _date("sent"),
        "status": _token("status"),
    },
    "Composition": {
        **_SUBJECT,
        "attester": _to("attester.party", *_PEOPLE),
        "author": _to("author", *_PEOPLE),
        "category": _token("category"),
        "confidentiality": _token("confidentiality"),
        "context": _token("event.code"),
        "date": _date("date"),
        "encounter": _to("encounter", "Encounter"),
        "entry": _to("section.entry"),
        "identifier": _token("identifier"),
        "period": _date("event.period"),
        "related-id": _token("relatesTo.targetIdentifier"),
        "section": _token("section.code"),
        "status": _token("status"),
        "title": _string("title"),
        "type": _token("type"),
    },
    "Condition": {
        **_SUBJECT,
        "abatement-date": _date("abatementDateTime", "abatementPeriod"),
        "category": _token("category"),
        "clinical-status": _token("clinicalStatus"),
        "code": _token("code"),
        "encounter": _to("encounter", "Encounter"),
        "identifier": _token("identifier"),
        "onset-date": _date("onsetDateTime", "onsetPeriod"),
        "recorded-date": _date("recordedDate"),
        "severity": _token("severity"),
        "verification-status": _token("verificationStatus"),
    },
    "Consent": {
        **_PATIENT,
        "category": _token("category"),
        "date": _date("dateTime"),
        "status": _token("status"),
    },
    "Device": {"identifier": _token("identifier"), "organization": _to("owner", "Organization")},
    "DiagnosticReport": {
        **_SUBJECT,
        "based-on": _to("basedOn", "ServiceRequest"),
        "category": _token("category"),
        "code": _token("code"),
        "date": _date("effectiveDateTime", "effectivePeriod"),
        "encounter": _to("encounter", "Encounter"),
        "identifier": _token("identifier"),
        "issued": _date("issued"),
        "performer": _to("performer", *_PEOPLE),
        "result": _to("result", "Observation"),
        "specimen": _to("specimen", "Specimen"),
        "status": _token("status"),
    },
    "DocumentReference": {
        **_SUBJECT,
        "authenticator": _to("authenticator", "Practitioner", "PractitionerRole", "Organization"),
        "author": _to("author", *_PEOPLE),
        "category": _token("category"),
        "contenttype": _token("content.attachment.contentType"),
        "creation": _date("content.attachment.creation"),
        "custodian": _to("custodian", "Organization"),
        "date": _date("date"),
        "description": _string("description"),
        "encounter": _to("context.encounter", "Encounter"),
        "event": _token("context.event"),
        "facility": _token("context.facilityType"),
        "format": _token("content.format"),
        "identifier": _token("masterIdentifier", "identifier"),
        "isArchived": _token("extension[pdsm-ext-is-archived].valueBoolean"),
        "language": _token("content.attachment.language"),
        "location": _uri("content.attachment.url"),
        "period": _date("context.period"),
        "period-end": _date("context.period.end"),
        "period-start": _date("context.period.start"),
        "related": _to("context.related"),
        "relatesto": _to("relatesTo.target", "DocumentReference"),
        "relation": _token("relatesTo.code"),
        "security-label": _token("securityLabel"),
        "setting": _token("context.practiceSetting"),
        "status": _token("status"),
        "type": _token("type"),
    },
    "Encounter": {
        **_SUBJECT,
        "class": _token("class"),
        "date": _date("period"),
        "identifier": _token("identifier"),
        "status": _token("status"),
    },
    "HealthcareService": {
        "identifier": _token("identifier"),
        "name": _string("name"),
        "organization": _to("providedBy", "Organization"),
        "specialty": _token("specialty"),
    },
    "Immunization": {
        **_PATIENT,
        "date": _date("occurrenceDateTime"),
        "lot-number": _string("lotNumber"),
        "performer": _to("performer.actor", *_PEOPLE),
        "reaction": _to("reaction.detail", "Observation"),
        "status": _token("status"),
        "vaccine-code": _token("vaccineCode"),
    },
    "List": {
        **_SUBJECT,
        "authorOrg": _to("extension[ihe-authorOrg].valueReference", "Organization"),
        "code": _token("code"),
        "date": _date("date"),
        "designationType": _token("extension[ihe-designationType].valueCodeableConcept"),
        "encounter": _to("encounter", "Encounter"),
        "identifier": _token("identifier"),
        "isArchived": _token("extension[pdsm-ext-is-archived].valueBoolean"),
        "item": _to("entry.item"),
        "source": _to("source", *_PEOPLE),
        "sourceId": _token("extension[ihe-sourceId].valueIdentifier"),
        "status": _token("status"),
        "title": _string("title"),
    },
    "Location": {"identifier": _token("identifier"), "name": _string("name")},
    "MedicationStatement": {
        **_SUBJECT,
        "category": _token("category"),
        "code": _token("medicationCodeableConcept"),
        "effective": _date("effectiveDateTime", "effectivePeriod"),
        "identifier": _token("identifier"),
        "source": _to("informationSource", *_PEOPLE),
        "status": _token("status"),
    },
    "Observation": {
        **_SUBJECT,
        "based-on": _to("basedOn", "ServiceRequest"),
        "category": _token("category"),
        "code": _token("code"),
        "date": _date("effectiveDateTime", "effectivePeriod", "effectiveInstant"),
        "derived-from": _to("derivedFrom"),
        "encounter": _to("encounter", "Encounter"),
        "has-member": _to("hasMember"),
        "identifier": _token("identifier"),
        "performer": _to("performer", *_PEOPLE),
        "specimen": _to("specimen", "Specimen"),
        "status": _token("status"),
        "value-concept": _token("valueCodeableConcept"),
    },
    "Organization": {
        "identifier": _token("identifier"),
        "name": _string("name", "alias"),
        "partof": _to("partOf", "Organization"),
        "type": _token("type"),
    },
    "Patient": {
        **_NAMES,
        "birthdate": _date("birthDate"),
        "gender": _token("gender"),
        "identifier": _token("identifier"),
        "telecom": _token("telecom.value"),
    },
    "Practitioner": {**_NAMES, "identifier": _token("identifier"), "telecom": _token("telecom.value")},
    "PractitionerRole": {
        "identifier": _token("identifier"),
        "organization": _to("organization", "Organization"),
        "practitioner": _to("practitioner", "Practitioner"),
        "role": _token("code"),
        "specialty": _token("specialty"),
        "telecom": _token("telecom.value"),
    },
    "Procedure": {
        **_SUBJECT,
        "category": _token("category"),
        "code": _token("code"),
        "date": _date("performedDateTime", "performedPeriod"),
        "encounter": _to("encounter", "Encounter"),
        "identifier": _token("identifier"),
        "performer": _to("performer.actor", *_PEOPLE),
        "status": _token("status"),
    },
    "Provenance": {
        "agent": _to("agent.who", *_PEOPLE),
        "entity": _to("entity.what"),
        "patient": _to("target", "Patient"),
        "recorded": _date("recorded"),
        "target": _to("target"),
    },
    "Questionnaire": {
        "identifier": _token("identifier"),
        "status": _token("status"),
        "title": _string("title"),
        "url": _uri("url"),
        "version": _token("version"),
    },
    "QuestionnaireResponse": {
        **_SUBJECT,
        "author": _to("author", *_PEOPLE),
        "authored": _date("authored"),
        "based-on": _to("basedOn", "ServiceRequest"),
        "identifier": _token("identifier"),
        "part-of": _to("partOf"),
        "questionnaire": _uri("questionnaire"),
        "status": _token("status"),
    },
    "RelatedPerson": {
        **_NAMES,
        "identifier": _token("identifier"),
        "patient": _to("patient", "Patient"),
    },
    "ServiceRequest": {
        **_SUBJECT,
        "authored": _date("authoredOn"),
        "based-on": _to("basedOn"),
        "category": _token("category"),
        "code": _token("code"),
        "encounter": _to("encounter", "Encounter"),
        "identifier": _token("identifier"),
        "performer": _to("performer", *_PEOPLE),
        "requester": _to("requester", *_PEOPLE),
        "requisition": _token("requisition"),
        "status": _token("status"),
    },
    "Specimen": {
        **_SUBJECT,
        "accession": _token("accessionIdentifier"),
        "identifier": _token("identifier"),
        "type": _token("type"),
    },
    "Task": {
        "authored-on": _date("authoredOn"),
        "based-on": _to("basedOn"),
        "business-status": _token("businessStatus"),
        "code": _token("code"),
        "encounter": _to("encounter", "Encounter"),
        "focus": _to("focus"),
        "identifier": _token("identifier"),
        "modified": _date("lastModified"),
        "owner": _to("owner", *_PEOPLE),
        "part-of": _to("partOf", "Task"),
        "patient": _to("for", "Patient"),
        "requester": _to("requester", *_PEOPLE),
        "status": _token("status"),
        "subject": _to("for", "Patient"),
    },
}
#: Other spellings that clients use.
ALIASES = {"relatesTo": "relatesto", "authoredon": "authored"}
