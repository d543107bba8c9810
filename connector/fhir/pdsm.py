"""PDSm 3.1.1: documents and submissions that hold all that the comprehensive profiles require claim them, with their people contained.

A document that lacks something keeps its people as resources of their own and claims nothing (documents.complete says what is missing).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connector.exchange.documents import Document
from connector.exchange.identifiers import FHIR_0203_FR, fhir_system
from connector.exchange.model import Exchange
from connector.exchange.people import Identifier
from connector.fhir.codec import Resource
from connector.fhir.datatypes import RFC_3986, system_uri
from connector.fhir.gathering import unique_id
from connector.fhir.transaction import pointers
from connector.mapping.language import Run

__all__ = [
    "DOCUMENT",
    "PDSM_OPTIONS",
    "PROVIDE",
    "SUBMISSION_SET",
    "claim_document",
    "claim_submission",
    "filled",
    "orphans",
]

BY = "connector/fhir/pdsm.py"
PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/"
IHE = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/"
DOCUMENT = PDSM + "pdsm-comprehensive-document-reference"
SUBMISSION_SET = PDSM + "pdsm-submissionset-comprehensive"
PROVIDE = PDSM + "pdsm-comprehensive-provide-document-bundle"
#: Kinds of resources that are contained where they are referred to.
_PEOPLE = ("PractitionerRole", "Practitioner", "Organization", "Device")
#: What a site says once where its senders say nothing: option → (path in DocumentReference.context, table).
_DEFAULTS = {"facility_type": ("facilityType", "healthcare-facilities"), "practice_setting": ("practiceSetting", "practice-settings")}  # fmt: skip
#: Options of the Context that fill what PDSm requires.
PDSM_OPTIONS = frozenset({*_DEFAULTS, "custodian"})
Find = Callable[[str], Resource | None]


def filled(
    flat: Resource, document: Document, exchange: Exchange, put: Callable[[Resource], str], run: Run
) -> Resource:
    """A copy with what the site's settings say (facility, practice setting, custodian) and, of a MonSisra exchange, what follows from it:
    the format from the media type, the act's day from the document's date, the reference's date from the clock."""
    options, made = run.context.options, dict(flat)
    around = made["context"] = dict(made.get("context", {}))
    for option, (name, table) in _DEFAULTS.items():
        code = options.get(option, "")
        if code and name not in around:
            around[name] = {"coding": [_coding(table, code, run)]}
    if "custodian" not in made and options.get("custodian"):
        made["custodian"] = {"reference": put(_custodian(options["custodian"], options.get("custodian_finess", "")))}
    if exchange.origin == "monsisra":
        if document.created is not None:
            around.setdefault("period", {"start": document.created})
        made.setdefault("date", run.context.now)
        media, contents = document.content.media_type if document.content else None, made.get("content")
        if contents and "format" not in contents[0] and (coding := _format(media, run)):
            made["content"] = [{**contents[0], "format": coding}]
        attachment = made["content"][0].get("attachment", {}) if made.get("content") else {}
        if attachment and "language" not in attachment:
            made["content"] = [{**made["content"][0], "attachment": {**attachment, "language": "fr-FR"}}]
        made.setdefault("securityLabel", [{"coding": [_coding("confidentiality", "N", run)]}])
    return made


def _custodian(name: str, finess: str) -> Resource:
    made: Resource = {"resourceType": "Organization"}
    if finess:
        kind = {"coding": [{"system": FHIR_0203_FR, "code": "FINEG"}]}
        made["identifier"] = [{"type": kind, "system": "https://finess.esante.gouv.fr", "value": finess}]
    return {**made, "name": name}


def _format(media_type: str | None, run: Run) -> Resource | None:
    """The format of an unstructured document (ASS_A12)."""
    table = run.context.table("formats-by-media") if run.context.table is not None else None
    word = table.to_exchange("cda", media_type) if table is not None and media_type else None
    return _coding("formats-by-media", word, run) if word else None


def _coding(table: str, code: str, run: Run) -> Resource:
    coded = run.context.table(table).from_exchange("fhir", code) if run.context.table is not None else None
    if coded is None:
        return {"code": code}
    system = system_uri(coded.system, run) if coded.system else None
    parts = {"system": system, "code": coded.code, "display": coded.display}
    return {name: value for name, value in parts.items() if value}


def claim_document(flat: Resource, document: Document, find: Find, patient: str | None, run: Run, place: str) -> bool:
    """Claim the profile and contain authors, authenticator, custodian and the patient as the document knew it; False when it is not a person or system that wrote it."""
    if document.status == "preliminary" or patient is None:
        return False
    authors = [find(each.get("reference", "")) for each in flat.get("author", ())]
    if not all(each is not None and each["resourceType"] in ("PractitionerRole", "Device") for each in authors):
        return False
    root = find(patient)
    if root is None:
        return False
    box = _Box(find)
    for name in ("author", "authenticator", "custodian"):
        if name in flat:
            flat[name] = box.moved(flat[name])
    context = flat["context"] = dict(flat["context"])
    context["sourcePatientInfo"] = {"reference": box.hold(patient, _as_known(root))}
    flat["contained"] = box.contained
    flat["masterIdentifier"] = {"use": "usual", **flat["masterIdentifier"]}
    flat["meta"] = {"profile": [DOCUMENT]}
    for name in ("meta.profile[1]", "masterIdentifier.use"):
        run.derived(f"{place}.{name}", (), BY)
    return True


def _as_known(patient: Resource) -> Resource:
    """The patient for sourcePatientInfo: identity without what links elsewhere."""
    kept = ("resourceType", "id", "extension", "identifier", "name", "gender", "birthDate", "address")
    return {name: patient[name] for name in kept if name in patient}


def claim_submission(
    flat: Resource, identity: str, find: Find, run: Run, sender: Identifier | None, *, monsisra: bool
) -> None:
    """Claim the profile of the List when who sent, when and for what activity are known; its people are contained."""
    if monsisra:  # its own submission: it is made now
        flat.setdefault("date", run.context.now)
    source = find(flat.get("source", {}).get("reference", ""))
    number, activity = unique_id(identity), _activity(source, find, run)
    if source is None or number is None or activity is None or not {"date", "subject"} <= flat.keys():
        return
    box = _Box(find)
    flat["source"] = box.moved(flat["source"])
    extensions = [box.moved(each) for each in flat.get("extension", ())]
    extensions.append({"url": IHE + "ihe-designationType", "valueCodeableConcept": activity})
    extensions.append({"url": IHE + "ihe-sourceId", "valueIdentifier": _source_id(sender, run)})
    flat["extension"] = extensions
    identifiers = flat.setdefault("identifier", [])
    if not any(each.get("use") == "usual" for each in identifiers):
        identifiers.append({"use": "usual", "system": RFC_3986, "value": number})
    flat["contained"] = box.contained
    flat["meta"] = {**flat.get("meta", {}), "profile": [SUBMISSION_SET]}
    run.derived("List[1].meta.profile[1]", (), BY)


def _activity(source: Resource | None, find: Find, run: Run) -> Resource | None:
    """JDV_J03: what the site's settings say, else the sector of the sender's organisation when it is one of that set."""
    code = run.context.options.get("designation_type", "")
    if code:
        return {"coding": [_coding("content-types", code, run)]}
    table = run.context.table("content-types") if run.context.table is not None else None
    organization: Resource = find((source or {}).get("organization", {}).get("reference", "")) or {}
    for kind in organization.get("type", ()):
        if table is not None and any(
            table.to_exchange("fhir", each.get("code", "")) for each in kind.get("coding", ())
        ):
            found: Resource = kind
            return found
    return None


def _source_id(sender: Identifier | None, run: Run) -> Resource:
    """The sending application under its own system, else this site's OID (XDS sourceId)."""
    system = fhir_system(sender) if sender is not None and sender.system else None
    if sender is not None and system:
        return {"system": system, "value": sender.value}
    return {"system": RFC_3986, "value": f"urn:oid:{run.context.namespace}"}


class _Box:
    """What one resource contains: each target once, what it refers to beside it."""

    def __init__(self, find: Find) -> None:
        self.find = find
        self.contained: list[Resource] = []
        self.held: dict[str, str] = {}

    def moved(self, node: Any) -> Any:
        """A copy whose references to people are local ones."""
        if isinstance(node, list):
            return [self.moved(each) for each in node]
        if not isinstance(node, dict):
            return node
        made = {name: self.moved(value) for name, value in node.items()}
        target = self.find(node["reference"]) if isinstance(node.get("reference"), str) else None
        if target is not None and target["resourceType"] in _PEOPLE:
            made["reference"] = self.hold(node["reference"], target)
        return made

    def hold(self, url: str, target: Resource) -> str:
        """The local reference of a resource, contained now."""
        known = self.held.get(url)
        if known is None:
            known = self.held[url] = f"#{target['id']}"
            inner = {name: self.moved(value) for name, value in target.items()}
            self.contained.append(inner)
        return known


def orphans(entries: list[Resource]) -> list[Resource]:
    """The entries without people that nothing refers to any more, because they are contained."""
    said = [(each, pointers(each["resource"])) for each in entries]
    while True:
        used = set().union(*(references for _, references in said))
        kept = [one for one in said if one[0]["resource"]["resourceType"] not in _PEOPLE or one[0]["fullUrl"] in used]
        if len(kept) == len(said):
            return [entry for entry, _ in kept]
        said = kept
