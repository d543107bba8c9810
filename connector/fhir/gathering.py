"""A Bundle taken apart for the mappings: linked, and what FHIR repeats on each document said once."""

from __future__ import annotations

from collections.abc import Iterable

from connector.fhir.codec import Resource
from connector.fhir.link import link
from connector.fhir.modes import gather_mode, with_attached
from connector.fhir.tree import LINK, SUBMISSION, TARGET, VISIBILITY
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run

__all__ = ["UNKNOWN_CLASS", "take_apart"]

#: What assemble writes where R4 requires the class of a stay and nobody said it.
UNKNOWN_CLASS = {"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK"}
_VISIBILITY = frozenset(VISIBILITY)


def take_apart(resource: Resource, run: Run) -> Resource:
    """A Bundle (or one resource with its contained ones) as the linked tree that mappings read.

    What FHIR says on each document is gathered: the operation and the visibility under `Submission`.
    Two Patients are an ERROR: what belongs to whom could not be said.
    """
    tree = with_attached(link(resource, run), run)
    if len(tree.get("Patient", ())) > 1:
        run.report(Severity.ERROR, IssueCode.FHIR_INVALID, "Patient[2]", expected="one Patient")
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
