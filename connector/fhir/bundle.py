"""What a mapping says of resources becomes a transaction Bundle, and back: which resources, their ids, references and requests.

Every id is derived, every entry is `PUT Type/<id>`: a Bundle sent twice changes nothing the second time. Places are those of the linked
tree (tree.py). People, organisations and devices are kept as they were said at that moment: their id comes from their content, so that
a later, poorer message never overwrites them.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from connector.exchange.documents import Content, Document
from connector.exchange.identifiers import INS_OIDS
from connector.exchange.ids import Key, derived, document_key, encounter_key, patient_key
from connector.exchange.model import Exchange
from connector.exchange.moments import to_instant
from connector.fhir.clinical import COMPLETED
from connector.fhir.codec import Resource
from connector.fhir.composition import closed, closed_bundle, prepared, related, write_composition
from connector.fhir.documents import classified, missing, ordered, report, settle_choices, stay, visibility
from connector.fhir.filing import ABSENT, Filing, link_to_message, stored
from connector.fhir.fr_core import claim_patient
from connector.fhir.gathering import take_apart
from connector.fhir.pdsm import PDSM_OPTIONS, claim_document, claim_submission, filled, orphans
from connector.fhir.results import apart, completed, file_results, plain, report_id
from connector.fhir.threads import add_mailbox, is_patient, write_threads
from connector.fhir.tree import LINK, SUBMISSION, TARGET, VISIBILITY
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run

__all__ = ["assemble", "take_apart"]

BY = "connector/fhir/bundle.py"
_COMPLETED = {**COMPLETED, "Encounter": stay}
#: An Encounter that says nothing but whose it is.
_NO_STAY = {"resourceType", "subject"}
#: What makes a List worth writing: who sent to whom.
_SENT = {"source", "extension", "title", "provenance"}


def assemble(tree: Resource, exchange: Exchange, run: Run) -> Resource:
    """The transaction Bundle of a linked tree. Document bytes stay `bytes` in `Binary.data`; the codec encodes them.

    Reports as WARNING what PDSm requires of a DocumentReference and the Exchange does not hold (MAP_REQUIRED). The tree is not changed.
    """
    return _Assembly(tree, exchange, run).bundle()


class _Assembly:
    """One Bundle under construction."""

    def __init__(self, tree: Resource, exchange: Exchange, run: Run) -> None:
        self.tree = prepared(tree, exchange, run.context)
        self.exchange = exchange
        self.run = run
        self.context = run.context
        self.explaining = run.derivations is not None
        self.entries: list[Resource] = []
        self.done: dict[tuple[str, str], Resource] = {}
        self.urls: dict[str, str] = {}  # root type → full URL
        self.claimed = 0  # documents that claim PDSm
        self.people: dict[bytes, str] = {}  # what a linked resource says → its full URL

    def bundle(self) -> Resource:
        """Roots first, each after what it points at."""
        self._patient()
        self._encounter()
        if closed(self.context):
            filing = Filing(self.exchange, self.run, self._put, self.entries)
            return closed_bundle(filing, self.tree, self._flat, self.entries)
        documents = [
            self._document(number, node) for number, node in enumerate(self.tree.get("DocumentReference", ()), 1)
        ]
        self._reports()
        listed = self._list(documents)
        filing = Filing(self.exchange, self.run, self._put, self.entries)
        write_threads(filing, self.tree, self._flat, listed)
        link_to_message(filing, self.entries)
        entries = orphans(self.entries) if self.claimed else self.entries
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}

    # --- entries ---------------------------------------------------------------------------------------------------

    def _put(self, resource: Resource, identity: str) -> str:
        """Add an entry; the same resource twice is one. Returns its full URL."""
        kind = resource["resourceType"]
        known = self.done.get((kind, identity))
        if known is not None and known != resource:
            # Two different things under one business identity in one message: the later one is named by its content.
            identity = self._content_id(resource)
            known = self.done.get((kind, identity))
        url = f"urn:uuid:{identity}"
        if known is None:
            self.done[kind, identity] = resource
            named: Resource = {"resourceType": kind, "id": identity}
            if "meta" in resource:
                named["meta"] = resource["meta"]
            named.update(resource)
            request = {"method": "PUT", "url": f"{kind}/{identity}"}
            self.entries.append({"fullUrl": url, "resource": named, "request": request})
        return url

    def _put_content(self, resource: Resource) -> str:
        return self._put(resource, self._content_id(resource))

    def _content_id(self, resource: Resource) -> str:
        content = orjson.dumps(resource, default=plain, option=orjson.OPT_SORT_KEYS).decode()
        return derived(self.context, resource["resourceType"], content)

    def _settle(self, node: Resource, place: str) -> str:
        """The full URL of a target, after what it points at itself."""
        flat = self._flat(node, place)
        complete = _COMPLETED.get(flat["resourceType"])
        if complete is not None:
            flat = complete(flat)
        file_results(flat, self._put, self.done, self.context)
        self._systems(flat, place)
        identity = apart(flat, self._content_id(flat), self.done, self.context)
        if self.explaining:
            self._derived(f"{place}.id", ())
        return self._put(flat, identity)

    def _systems(self, flat: Resource, place: str) -> None:
        """A number of a professional or structure whose domain nobody said: said to be unknown (Annuaire Santé requires one)."""
        if flat["resourceType"] not in ("Practitioner", "Organization"):
            return
        for number, identifier in enumerate(flat.get("identifier", ()), 1):
            if "system" not in identifier:
                identifier["_system"] = ABSENT
                for leaf in ("url", "valueCode"):
                    self._derived(f"{place}.identifier[{number}]._system.extension[1].{leaf}", ())
        if flat["resourceType"] == "Organization" and "identifier" not in flat and "name" not in flat:
            flat["_name"] = ABSENT  # org-1: its sector alone is known
            for leaf in ("url", "valueCode"):
                self._derived(f"{place}._name.extension[1].{leaf}", ())

    def _settled(self, node: Resource, place: str) -> str:
        """As `_settle`; in a thread the same people come again and again."""
        if self.explaining or "Communication" not in self.tree or node["resourceType"] == "Observation":
            return self._settle(node, place)
        content = orjson.dumps(node, default=plain)
        url = self.people.get(content)
        if url is None:
            url = self.people[content] = self._settle(node, place)
        return url

    def _flat(self, node: Resource, place: str) -> Resource:
        """A copy in which references are URLs; a link to a root that is not there is left out."""
        made: Resource = {}
        at = place
        for key, value in node.items():
            kind = type(value)
            if kind is dict:
                if self.explaining:
                    at = f"{place}.{key}"
                child = self._child(value, at) if TARGET in value or LINK in value else self._flat(value, at)
                if child:
                    made[key] = child
            elif kind is list:
                children = []
                for number, item in enumerate(value, 1):
                    if type(item) is not dict:
                        children.append(item)
                        continue
                    if self.explaining:
                        at = f"{place}.{key}[{number}]"
                    child = self._child(item, at) if TARGET in item or LINK in item else self._flat(item, at)
                    if child:
                        children.append(child)
                if children:
                    made[key] = children
            else:
                made[key] = value
        return made

    def _child(self, node: Resource, place: str) -> Resource:
        if TARGET in node:
            target = node[TARGET]
            if target["resourceType"] == "Encounter" and target.keys() <= _NO_STAY:
                return {}
            if "Patient" in self.urls and is_patient(target, self.exchange.patient):
                return {"reference": self.urls["Patient"]}
            url = self._settled(target, f"{place}->{target['resourceType']}")
            if len(node) == 1:
                return {"reference": url}
            return {"reference": url, **{key: value for key, value in node.items() if key != TARGET}}
        linked = self.urls.get(node[LINK][2:])
        made = {key: value for key, value in node.items() if key != LINK}
        return {"reference": linked, **made} if linked else made

    def _derived(self, place: str, sources: Iterable[str]) -> None:
        self.run.derived(place, sources, BY)

    def _identity(self, kind: str, key: Key, path: str, place: str, *fallback: str) -> str:
        """A derived id, with the Exchange places that it was made of."""
        envelope = self.exchange.envelope
        if key:
            self._derived(f"{place}.id", [f"{path}.{each}" for each in key.places])
            return derived(self.context, kind, *key.parts)
        self._derived(f"{place}.id", ["envelope.control_id"] if envelope and envelope.control_id else [])
        return derived(self.context, kind, "", (envelope.control_id if envelope else None) or "", *fallback)

    # --- roots -----------------------------------------------------------------------------------------------------

    def _patient(self) -> None:
        nodes, patient = self.tree.get("Patient", ()), self.exchange.patient
        if not nodes or patient is None:
            return
        place = "Patient[1]"
        flat = self._flat(nodes[0], place)
        settle_choices(flat)
        qualified = patient.identity_status == "validated"
        leaves = qualified or self._of_a_document(patient.identity_status)
        matricule = [each for each in flat.get("identifier", ()) if each.get("system", "")[8:] in INS_OIDS]
        if matricule and not leaves:
            # The matricule and its OID leave only with a qualified identity (référentiel INS, INS/va1.53).
            self.run.report(
                Severity.WARNING, IssueCode.INS_NOT_QUALIFIED, f"{place}.identifier", what="FHIR Patient.identifier"
            )
            flat["identifier"] = [each for each in flat["identifier"] if each not in matricule]
            if not flat["identifier"]:
                del flat["identifier"]
        add_mailbox(flat, self.tree, self.run, "" if matricule else place, qualified=leaves)
        ins = bool(matricule) and qualified and self._ins_complete(flat, place)
        status = ["patient.identity_status"] if patient.identity_status else []
        for filled_place in claim_patient(flat, self.context.options.get("fr_core", ""), ins=ins):
            self._derived(f"{place}.{filled_place}", ())
        for number in range(1, len(flat["meta"]["profile"]) + 1):
            self._derived(f"{place}.meta.profile[{number}]", status)
        identity = self._identity("patient", patient_key(patient), "patient", place)
        self.urls["Patient"] = self._put(flat, identity)

    def _of_a_document(self, status: str | None) -> bool:
        """Whether a document alone speaks of the patient: a CDA says nothing of the identity's state and holds the matricule only of a qualified
        one (CI-SIS; the ANS maps recordTarget to a patient with INS). Nobody says so again: the profile that asks for the state is not claimed."""
        told = self.exchange
        return status is None and told.envelope is None and told.origin == "feed"

    def _ins_complete(self, flat: Resource, place: str) -> bool:
        """What fr-core-patient-ins asks beyond fr-core-patient; a missing part is told and the plain profile is named."""
        official = [name for name in flat.get("name", ()) if name.get("use") == "official"]
        checks = {
            "name[use=official].given[1]": len(official) == 1 and len(official[0].get("given", ())) == 1,
            "name[use=official].extension[fr-core-patient-birth-list-given-name]": any(
                "extension" in n for n in official
            ),
            "extension[patient-birthPlace]": any(
                e["url"].endswith("patient-birthPlace") for e in flat.get("extension", ())
            ),
            "gender": "gender" in flat,
            "birthDate": "birthDate" in flat,
        }
        missing = [name for name, there in checks.items() if not there]
        for name in missing:
            self.run.report(Severity.WARNING, IssueCode.MAP_REQUIRED, place, expected=f"fr-core-patient-ins: {name}")
        return not missing

    def _encounter(self) -> None:
        nodes, encounter = self.tree.get("Encounter", ()), self.exchange.encounter
        if not nodes or encounter is None:
            return
        flat = stay(self._flat(nodes[0], "Encounter[1]"))
        identity = self._identity("encounter", encounter_key(encounter), "encounter", "Encounter[1]")
        self.urls["Encounter"] = self._put(flat, identity)

    def _document(self, number: int, node: Resource) -> str:
        place, path = f"DocumentReference[{number}]", f"documents[{number}]"
        document = self.exchange.documents[number - 1] if number <= len(self.exchange.documents) else Document()
        flat = self._flat(node, place)
        compositions = flat.pop("composition", ())
        identity = self._identity("document", document_key(document), path, place, str(number))
        if self.exchange.intent == "delete":
            flat["status"] = "entered-in-error"
        flat.setdefault("status", "current")
        if document.status == "preliminary":
            flat["docStatus"] = "preliminary"
        self._date(flat, document, place, path)
        self._labels(flat, place)
        self._stay(flat)
        classified(flat, document, self.run, place, path)
        self._content(flat, document.content, identity, place)
        for composition in compositions:
            where = f"{place}.composition[1]"
            related(flat, write_composition(composition, identity, self._put, self.run, where))
        flat = self._claimed(flat, document, place)
        return self._put(ordered(flat), identity)

    def _claimed(self, flat: Resource, document: Document, place: str) -> Resource:
        """The document as PDSm has it, when nothing of it is missing with what the site's settings say; else told, and as it is."""
        if flat["status"] == "entered-in-error":  # a deletion owes nothing
            return flat
        lacking = missing(flat)
        site = bool(lacking) and not PDSM_OPTIONS.isdisjoint(self.context.options)
        if site and not missing(filled(flat, document, self.exchange, lambda _: "#", self.run)):
            flat, lacking = filled(flat, document, self.exchange, self._put_content, self.run), []
        report(lacking, self.run, place)
        if not lacking and flat["content"][0]["attachment"].keys() >= {"url", "size", "hash"}:
            self.claimed += claim_document(flat, document, self._entry, self.urls.get("Patient"), self.run, place)
        return flat

    def _entry(self, url: str) -> Resource | None:
        """The resource at a full URL of this Bundle."""
        found: Resource | None = next((each["resource"] for each in self.entries if each["fullUrl"] == url), None)
        return found

    def _date(self, flat: Resource, document: Document, place: str, path: str) -> None:
        """When the reference was made: the document's moment when it is an instant, else the message's (R4 DocumentReference.date)."""
        zone = self.context.zone
        moments = [(document.created, f"{path}.created")]
        if self.exchange.envelope is not None:
            moments.append((self.exchange.envelope.sent_at, "envelope.sent_at"))
        for moment, source in moments:
            instant = to_instant(moment, zone) if moment is not None else None
            if instant is not None:
                flat["date"] = instant
                self._derived(f"{place}.date", [source])
                return

    def _labels(self, flat: Resource, place: str) -> None:
        """The visibility of the whole submission, on each document (JDV_J08)."""
        for node in self.tree.get(SUBMISSION, ()):
            for name in VISIBILITY:
                if node.get(name) is not True:
                    continue
                coding = visibility(name, self.run)
                labels = flat.setdefault("securityLabel", [])
                labels.append({"coding": [coding]})
                for key in coding:
                    self._derived(
                        f"{place}.securityLabel[{len(labels)}].coding[1].{key}", [f"directives.{_DIRECTIVE[name]}"]
                    )

    def _stay(self, flat: Resource) -> None:
        """A document's own stay prevails over the message's; the facility of the stay is said on each document that says no other."""
        context = flat.get("context", {})
        own = [each for each in context.get("encounter", ()) if each.get("reference") != self.urls.get("Encounter")]
        if own:
            context["encounter"] = own
            return
        for node in self.tree.get(SUBMISSION, ()):
            if "facilityType" in node and "facilityType" not in flat.get("context", {}):
                flat.setdefault("context", {})["facilityType"] = self._flat(node["facilityType"], "")

    def _content(self, flat: Resource, content: Content | None, identity: str, place: str) -> None:
        """The bytes go to a Binary; the attachment points at it."""
        contents = flat.get("content") or [{}]
        flat["content"] = contents
        attachment = contents[0].get("attachment") or {}
        attachment.pop("url", None)
        binary = derived(self.context, "binary", identity)
        if "data" in attachment:
            stored(attachment, binary, self._put)
        elif content is not None and (content.sha256 or content.sha1):
            attachment["url"] = f"Binary/{binary}"
        contents[0] = {**contents[0], "attachment": attachment or dict(ABSENT)}

    def _reports(self) -> None:
        """Reports of results, each after its observations."""
        envelope = self.exchange.envelope
        control = (envelope.control_id if envelope else None) or ""
        for number, node in enumerate(self.tree.get("DiagnosticReport", ()), 1):
            place = f"DiagnosticReport[{number}]"
            flat = completed(self._flat(node, place))
            file_results(flat, self._put, self.done, self.context)
            self._derived(f"{place}.id", [f"reports[{number}].filler.value"])
            self._put(flat, report_id(self.exchange.reports[number - 1], self.context, control, str(number)))

    def _list(self, documents: list[str]) -> Resource | None:
        """The submission, when it says who sent to whom (MHD SubmissionSet)."""
        nodes = self.tree.get("List", ())
        if not nodes or not documents or not (_SENT & nodes[0].keys() or self.exchange.origin == "monsisra"):
            return None
        flat = self._flat(nodes[0], "List[1]")
        flat["status"], flat["mode"] = "current", "working"
        for extension in flat.get("extension", ()):  # PDSm's own is for professionals
            if extension.get("valueReference", {}).get("reference", "") == self.urls.get("Patient"):
                extension["url"] = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-intendedRecipient"
        flat["entry"] = [{"item": {"reference": url}} for url in documents]
        envelope = self.exchange.envelope
        control = (envelope.control_id if envelope else None) or ""
        sender = envelope.sender if envelope else None
        self._derived("List[1].id", ["envelope.control_id"] if control else [])
        name = (sender.system or sender.value) if sender else ""
        identity = derived(self.context, "submission", name, control, *documents)
        if self.claimed == len(documents):
            monsisra = self.exchange.origin == "monsisra"
            claim_submission(flat, identity, self._entry, self.run, sender, monsisra=monsisra)
        self._put(flat, identity)
        listed: Resource = self.entries[-1]["resource"]
        return listed


_DIRECTIVE = dict(
    zip(VISIBILITY, ("hidden_from_professionals", "hidden_from_patient", "hidden_from_guardians"), strict=True)
)
