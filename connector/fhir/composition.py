"""A document's header and sections as a Composition, beside its DocumentReference or as a FHIR document of its own, and back.

In the tree the Composition stands in its DocumentReference (tree.HELD). What the tables cannot say of it is here: times that the profiles
put elsewhere, the body of an unstructured document, required elements, and which of the two speaks when both say something
(ANS CDA ↔ FHIR maps; HL7 fhir-clinical-document; R4 §2.40, §3.3).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from connector.exchange.documents import Document
from connector.exchange.ids import derived
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import to_instant
from connector.fhir.codec import Resource
from connector.fhir.datatypes import RFC_3986
from connector.fhir.filing import ABSENT, Filing, order_of
from connector.fhir.transaction import pointers
from connector.fhir.tree import LINK, TARGET
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run

__all__ = ["closed", "closed_bundle", "has_composition", "hold", "prepared", "related", "write_composition"]

BY = "connector/fhir/composition.py"
_CLINICAL = "http://hl7.org/fhir/uv/fhir-clinical-document/StructureDefinition/"
_INFORMANT = _CLINICAL + "informant-extension"
_RECIPIENT = _CLINICAL + "information-recipient-extension"
#: How the tree tells an informant who is close to the patient from a professional; both are the same extension.
_RELATED = _INFORMANT + "#related"
_TIME = "https://interop.esante.gouv.fr/ig/fhir/document-core/StructureDefinition/fr-author-time-extension"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
#: A recipient of whom nobody said whether he is the first one or has a copy.
_ANY_RECIPIENT = {"url": "type", "valueCodeableConcept": {"coding": [{"system": _PARTICIPATION, "code": "IRCP"}]}}
_EMPTY = '<div xmlns="http://www.w3.org/1999/xhtml">—</div>'
_TAG = re.compile("<[^>]*>")
#: Media types of a CDA itself, which is no body.
_CDA = frozenset({"text/xml", "application/xml", "application/hl7-cda+xml"})


# --- writing ---------------------------------------------------------------------------------------------------------


def closed(context: Context) -> bool:
    """Whether a FHIR document is asked for: one Bundle that holds all that its Composition refers to."""
    return context.options.get("shape") == "document"


def prepared(tree: Resource, exchange: Exchange, context: Context) -> Resource:
    """The tree with its Compositions as FHIR has them; the one of a document without sections stays out of a transaction."""
    nodes = tree.get("DocumentReference", ())
    if not any("composition" in node for node in nodes):
        return tree
    documents = []
    for node, document in zip(nodes, exchange.documents, strict=True):
        rest = {key: value for key, value in node.items() if key != "composition"}
        if "composition" in node and (document.sections or closed(context)):
            rest["composition"] = [_arranged(node["composition"][0])]
        documents.append(rest)
    return {**tree, "DocumentReference": documents}


def _arranged(composition: Resource) -> Resource:
    made = dict(composition)
    if "author" in made:
        made["author"] = [_dated(each) for each in made["author"]]
    if "extension" in made:
        made["extension"] = [_timed(each) for each in made["extension"]]
    if "event" in made:
        made["event"] = [
            {**event, "extension": [{**each, "valueReference": _dated(each["valueReference"])} for each in event["extension"]]}
            if "extension" in event else event
            for event in made["event"]
        ]  # fmt: skip
    if "section" in made:
        made["section"] = [_filled(each) for each in made["section"]]
    return made


def _dated(reference: Resource) -> Resource:
    """When somebody took part stands on the reference to him, not on what he is."""
    target = reference[TARGET]
    times = [each for each in target.get("extension", ()) if each["url"] == _TIME]
    if not times:
        return reference
    others = [each for each in target["extension"] if each["url"] != _TIME]
    rest = {key: value for key, value in target.items() if key != "extension"}
    return {TARGET: {**rest, "extension": others} if others else rest, "extension": times}


def _timed(extension: Resource) -> Resource:
    """A participation with its moment as the Period that the profiles ask for, and its type."""
    url = extension["url"]
    if "extension" not in extension:
        return extension
    parts = [_period(each) for each in extension["extension"]]
    if url == _RECIPIENT and all(each["url"] != "type" for each in parts):
        parts = [_ANY_RECIPIENT, *parts]
    return {**extension, "url": _INFORMANT if url == _RELATED else url, "extension": parts}


def _period(part: Resource) -> Resource:
    if part["url"] != "time" or "valueDateTime" not in part:
        return part
    moment = part["valueDateTime"]
    return {"url": "time", "valuePeriod": part.get("valuePeriod") or {"start": moment, "end": moment}}


def _filled(section: Resource) -> Resource:
    """R4 cmp-1: a section holds a text, entries or sections; txt-2: a text that says nothing is none."""
    said = section["text"].get("div", "") if "text" in section else "?"
    if not _TAG.sub("", said).strip() and "<img" not in said:
        section = {name: value for name, value in section.items() if name != "text"}
    if "section" in section:
        return {**section, "section": [_filled(each) for each in section["section"]]}
    if "text" in section or "entry" in section:
        return section
    return {**section, "text": {"status": "empty", "div": _EMPTY}}


def write_composition(
    flat: Resource, identity: str, put: Callable[[Resource, str], str], run: Run, place: str
) -> str:  # fmt: skip
    """Put the Composition of a document, complete, under an id made of the document's. Returns its full URL."""
    absent = {
        "status": "final",
        "type": {"text": "?"},
        **({} if "date" in flat else {"_date": ABSENT}),
        "author": [ABSENT],
        **({} if "title" in flat else {"_title": ABSENT}),
    }
    for name in absent.keys() - flat.keys():
        for leaf in _LEAVES[name]:
            run.derived(f"{place}.{leaf}", (), BY)
    run.derived(f"{place}.id", (), BY)
    whole = {**absent, **flat}
    resource = {name: whole[name] for name in order_of("Composition") if name in whole}
    return put(resource, derived(run.context, "composition", identity))


#: Where an absent element's reason stands.
_LEAVES = {
    "status": ("status",),
    "type": ("type.text",),
    "_date": ("_date.extension[1].url", "_date.extension[1].valueCode"),
    "author": ("author[1].extension[1].url", "author[1].extension[1].valueCode"),
    "_title": ("_title.extension[1].url", "_title.extension[1].valueCode"),
}


def related(document: Resource, url: str) -> None:
    """Say on a DocumentReference which Composition is of the same document (context.related)."""
    document.setdefault("context", {}).setdefault("related", []).append({"reference": url})


def closed_bundle(
    filing: Filing, tree: Resource, flat: Callable[[Resource, str], Resource], entries: list[Resource]
) -> Resource:
    """The first document as a Bundle of type document: the Composition, then what it leads to. Others are told, TOO_MANY.

    DOCUMENT_MISSING when there is none: the Bundle is empty then.
    """
    run = filing.run
    documents: list[Resource] = tree.get("DocumentReference", [])
    if not documents:
        run.report(Severity.ERROR, IssueCode.DOCUMENT_MISSING, "Bundle.entry")
        return {"resourceType": "Bundle", "type": "document", "entry": []}
    if len(documents) > 1:
        run.report(Severity.WARNING, IssueCode.TOO_MANY, "DocumentReference", limit=1, what="document")
    place = "DocumentReference[1].composition[1]"
    node = documents[0]
    composition = dict(node["composition"][0])
    body = _body(filing.exchange, node)
    if body is not None and "section" not in composition:
        composition["section"] = [{"entry": [{TARGET: body}]}]
        run.derived(f"{place}.section[1].entry[1]->Binary.contentType", (), BY)
    made = flat(composition, place)
    identifier: Resource | None = node.get("masterIdentifier")
    identity = ":".join(map(str, identifier.values())) if identifier else str(filing.exchange.documents)
    url = write_composition(made, identity, filing.put, run, place)
    if identifier is None:
        identifier = {"system": RFC_3986, "value": url}
    reached = _reached(entries, url)
    ordered = sorted((each for each in entries if each["fullUrl"] in reached), key=lambda each: each["fullUrl"] != url)
    return {
        "resourceType": "Bundle",
        "id": derived(run.context, "bundle", identity),
        "identifier": identifier,
        "type": "document",
        "timestamp": to_instant(run.context.now, run.context.zone) or run.context.now,
        "entry": [{"fullUrl": each["fullUrl"], "resource": each["resource"]} for each in ordered],
    }


def _body(exchange: Exchange, node: Resource) -> Resource | None:
    """What an unstructured document is: the body of its CDA, or the file itself."""
    document = exchange.documents[0] if exchange.documents else Document()
    content = document.body or document.content
    if content is None or content.data is None or content.media_type in _CDA:
        return None
    media = content.media_type or "application/octet-stream"
    return {"resourceType": "Binary", "contentType": media, "data": content.data}


def _reached(entries: list[Resource], url: str) -> set[str]:
    """What the Composition leads to (R4 §3.3.1: nothing else stands in a document)."""
    resources = {each["fullUrl"]: each["resource"] for each in entries}
    found, open_ = {url}, [url]
    while open_:
        for reference in pointers(resources[open_.pop()]):
            if reference in resources and reference not in found:
                found.add(reference)
                open_.append(reference)
    return found


def has_composition(tree: Resource) -> bool:
    """Whether a Bundle as it came, a resource alone, or the linked tree of one holds a Composition."""
    if "resourceType" not in tree:
        return any("composition" in each for each in tree.get("DocumentReference", ()))
    entries = tree.get("entry")
    kinds = [each.get("resource") for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    return any(isinstance(each, dict) and each.get("resourceType") == "Composition" for each in (tree, *kinds))


# --- reading ---------------------------------------------------------------------------------------------------------


def hold(
    tree: Resource, pairs: list[tuple[Resource, Resource]], find: Callable[[str], Resource | None], bundle: Resource
) -> None:
    """Put each Composition into the DocumentReference of the same document, or into one made for it; the tree then says one thing once."""
    compositions = tree.pop("Composition", ())
    if not compositions:
        return
    raws = {id(made): raw for raw, made in pairs}
    documents = tree.setdefault("DocumentReference", [])
    named = [
        (made, [find(each["reference"]) for each in raw.get("context", {}).get("related", ()) if "reference" in each])
        for raw, made in pairs
        if raw["resourceType"] == "DocumentReference"
    ]
    patients = tree.get("Patient", ())
    for composition in compositions:
        _opened(composition)
        if patients:
            _as_people(composition, patients[0])
        raw = raws[id(composition)]
        holder = next((made for made, targets in named if any(each is raw for each in targets)), None)
        if holder is not None:
            _yield(holder, composition)
        else:
            holder = _alone(composition, bundle)
            documents.append(holder)
        holder["composition"] = [composition]


def _alone(composition: Resource, bundle: Resource) -> Resource:
    """The DocumentReference of a Composition without one: its number is the Bundle's, its status and what it replaces say the intent."""
    holder: Resource = {"resourceType": "DocumentReference"}
    if "identifier" in bundle:
        holder["masterIdentifier"] = bundle["identifier"]
    if composition.get("status") == "entered-in-error":
        holder["status"] = "entered-in-error"
    if any(each.get("code") == "replaces" for each in composition.get("relatesTo", ())):
        holder["relatesTo"] = [{"code": "replaces"}]
    _take_body(holder, composition)
    return holder


def _take_body(holder: Resource, composition: Resource) -> None:
    """A document of one section that holds nothing but a file is that file."""
    sections = composition.get("section", ())
    if len(sections) != 1 or sections[0].keys() - {"entry", "title", "code"} or len(sections[0].get("entry", ())) != 1:
        return
    target = sections[0]["entry"][0].get(TARGET, {})
    if target.get("resourceType") == "Binary":
        attachment = {name: target[name] for name in ("contentType", "data") if name in target}
        holder["content"] = [{"attachment": attachment}]
        del composition["section"]


#: What a Composition says better than the DocumentReference beside it.
_SAID = {
    "author": "author",
    "attester": "authenticator",
    "custodian": "custodian",
    "type": "type",
    "category": "category",
}


def _yield(document: Resource, composition: Resource) -> None:
    """The DocumentReference keeps what it alone says: the file, its format, its status, what it is related to."""
    composition.pop("status", None)
    for said, ours in _SAID.items():
        if said in composition:
            document.pop(ours, None)
    context = dict(document.get("context", {}))
    if "event" in composition:
        for name in ("event", "period", "practiceSetting"):
            context.pop(name, None)
    if TARGET in composition.get("encounter", ()):
        context.pop("encounter", None)
    context["related"] = [
        each
        for each in context.get("related", ())
        if each.get(LINK) != "->Composition" and not _ordered(each, composition)
    ]
    document["context"] = context


def _ordered(reference: Resource, composition: Resource) -> bool:
    """Whether a number is that of an order which the Composition names whole."""
    codes = {each.get("code") for each in reference.get("identifier", {}).get("type", {}).get("coding", ())}
    orders = any(each["url"].endswith("/event-basedOn") for each in composition.get("extension", ()))
    return orders and not codes.isdisjoint({"PLAC", "FILL", "ACSN"})


def _opened(composition: Resource) -> None:
    """The Composition as the tables read it: the contrary of `_arranged`, on a tree of our own."""
    composition["author"] = [_undated(each) for each in composition.get("author", ())]
    composition["extension"] = [_untimed(each) for each in composition.get("extension", ())]
    for event in composition.get("event", ()):
        event["extension"] = [
            {**each, "valueReference": _undated(each["valueReference"])} if "valueReference" in each else each
            for each in event.get("extension", ())
        ]
    _unfilled(composition.get("section", ()))


def _as_people(composition: Resource, patient: Resource) -> None:
    """The patient as an author, signer or participant is somebody like the others."""
    parties = [each for each in composition["author"] if each.get(LINK) == "->Patient"]
    parties += [
        each["party"] for each in composition.get("attester", ()) if each.get("party", {}).get(LINK) == "->Patient"
    ]
    parts = [part for each in composition["extension"] for part in each.get("extension", ())]
    parties += [each["valueReference"] for each in parts if each.get("valueReference", {}).get(LINK) == "->Patient"]
    for party in parties:
        del party[LINK]
        person = {name: patient[name] for name in ("identifier", "name", "address") if name in patient}
        role: Resource = {
            "resourceType": "PractitionerRole",
            "practitioner": {TARGET: {"resourceType": "Practitioner", **person}},
        }
        party[TARGET] = {**role, "telecom": patient["telecom"]} if "telecom" in patient else role


def _undated(reference: Resource) -> Resource:
    times = [each for each in reference.get("extension", ()) if each.get("url") == _TIME]
    if not times or TARGET not in reference:
        return reference
    target = reference[TARGET]
    return {TARGET: {**target, "extension": [*target.get("extension", ()), *times]}}


def _untimed(extension: Resource) -> Resource:
    if "extension" not in extension:
        return extension
    url, parts = extension["url"], [_moment(each) for each in extension["extension"] if each != _ANY_RECIPIENT]
    if url == _INFORMANT and any(
        each.get("valueReference", {}).get(TARGET, {}).get("resourceType") == "RelatedPerson" for each in parts
    ):
        url = _RELATED
    return {**extension, "url": url, "extension": parts}


def _moment(part: Resource) -> Resource:
    period = part.get("valuePeriod", {})
    if part.get("url") == "time" and "start" in period and period["start"] == period.get("end"):
        return {"url": "time", "valueDateTime": period["start"]}
    return part


def _unfilled(sections: Any) -> None:
    for section in sections:
        if section.get("text", {}).get("status") == "empty":
            del section["text"]
        _unfilled(section.get("section", ()))
