"""A Bundle taken apart for the mappings: linked, and what FHIR repeats on each document said once."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from connector.fhir.codec import Resource
from connector.fhir.datatypes import PATIENT_DOMAIN
from connector.fhir.link import link
from connector.fhir.modes import gather_mode, patient_party, with_attached
from connector.fhir.tree import LINK, SUBMISSION, TARGET, VISIBILITY
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run

__all__ = ["CHOICES", "UNKNOWN_CLASS", "take_apart", "unique_id"]

#: Of these the second says the first too; R4 takes one of them.
CHOICES = (("deceasedBoolean", "deceasedDateTime"), ("multipleBirthBoolean", "multipleBirthInteger"))

#: What assemble writes where R4 requires the class of a stay and nobody said it.
UNKNOWN_CLASS = {"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK"}
INTENDED_RECIPIENT = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-intended-recipient"
_VISIBILITY = frozenset(VISIBILITY)


def take_apart(resource: Resource, run: Run) -> Resource:
    """A Bundle (or one resource with its contained ones) as the linked tree that mappings read.

    What FHIR says on each document is gathered: the operation and the visibility under `Submission`.
    Two Patients are an ERROR: what belongs to whom could not be said.
    """
    tree = with_attached(link(resource, run), run)
    if len(tree.get("Patient", ())) > 1:
        run.report(Severity.ERROR, IssueCode.FHIR_INVALID, "Patient[2]", expected="one Patient")
    for patient in tree.get("Patient", ()):
        for plain, exact in CHOICES:
            if exact in patient:
                patient.setdefault(plain, True)
    for submission_set in tree.get("List", ()):
        _drop_own_number(submission_set)
        for extension in submission_set.get("extension", ()):
            if extension.get("valueReference", {}).get(LINK) == "->Patient":  # the one who is sent to is the patient
                extension["url"] = INTENDED_RECIPIENT
                extension["valueReference"] = {TARGET: _recipient(tree["Patient"][0])}
    documents = tree.get("DocumentReference", ())
    for encounter in _encounters(tree, documents):
        if encounter.get("class") == UNKNOWN_CLASS:
            del encounter["class"]
    if documents:
        submission: Resource = {}
        for document in documents:
            _gather(document, submission)
        _gather_facility(documents, submission)
        tree[SUBMISSION] = [submission]
    gather_mode(tree, run)
    return tree


def _recipient(patient: Resource) -> Resource:
    """The patient as a recipient: matricule, name, and the mailbox that the matricule makes (only such a recipient is written as the Patient)."""
    numbers = [each for each in patient.get("identifier", ()) if each.get("use") == "official"]
    addresses = [each.get("value", "") for each in patient.get("telecom", ())]
    addresses += [f"{each.get('value', '')}{PATIENT_DOMAIN}" for each in numbers]
    role = patient_party(patient, next((each for each in addresses if each.endswith(PATIENT_DOMAIN)), None))
    person = role.setdefault("practitioner", {TARGET: {"resourceType": "Practitioner"}})[TARGET]
    if numbers:
        person["identifier"] = numbers
    for name in person.get("name", ()):
        name["use"] = "official"
    return role


def _drop_own_number(listed: Resource) -> None:
    """The uniqueId that assemble makes of a List's id is no control id."""
    own = unique_id(listed.get("id", ""))
    kept = [each for each in listed.get("identifier", ()) if own is None or each.get("value") != own]
    if "identifier" in listed:
        listed["identifier"] = kept


def unique_id(identity: str) -> str | None:
    """A UUID as an OID of arc 2.25; None for another id."""
    try:
        return f"urn:oid:2.25.{uuid.UUID(identity).int}"
    except ValueError:
        return None


def _encounters(tree: Resource, documents: Iterable[Resource]) -> Iterable[Resource]:
    """The message's own and those of its documents."""
    yield from tree.get("Encounter", ())
    for document in documents:
        for reference in document.get("context", {}).get("encounter", ()):
            if TARGET in reference:
                yield reference[TARGET]


def _gather(document: Resource, submission: Resource) -> None:
    """The status in the words of terminology/reference-status.csv; operation and visibility to the submission; the reference's date as the document's when alone."""
    replaces = any(each.get("code") == "replaces" for each in document.get("relatesTo", ()))
    status = document.get("status")
    if status == "current" and document.get("docStatus") == "preliminary":
        document["status"] = document.pop("docStatus")
    elif status == "current" and replaces:
        document["status"] = "replacement"
    intent = "delete" if status == "entered-in-error" else "replace" if replaces else "submit"
    if submission.get("intent") in (None, "submit"):
        submission["intent"] = intent
    labels = []
    for label in document.get("securityLabel", ()):
        codes = {coding.get("code") for coding in label.get("coding", ())}
        named = codes & _VISIBILITY
        submission.update(dict.fromkeys(named, True))
        if not named:
            labels.append(label)
    if "securityLabel" in document:
        document["securityLabel"] = labels
    attachment = next((each["attachment"] for each in document.get("content", ()) if "attachment" in each), None)
    if attachment is not None and "creation" not in attachment and "date" in document:
        attachment["creation"] = document.pop("date")


def _gather_facility(documents: list[Resource], submission: Resource) -> None:
    """The facility of the one stay that all documents point at belongs to the stay."""
    contexts = [document.get("context", {}) for document in documents]
    facilities = [context.get("facilityType") for context in contexts]
    of_the_stay = all(context.get("encounter") == [{LINK: "->Encounter"}] for context in contexts)
    if facilities[0] is not None and of_the_stay and all(each == facilities[0] for each in facilities):
        submission["facilityType"] = facilities[0]
        for context in contexts:
            del context["facilityType"]
