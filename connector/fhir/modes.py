"""What says the mode of an exchange, gathered from categories, tags and kinds of resources into the tree's `Submission`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector.exchange.ids import derived, oid_of
from connector.fhir.codec import Resource
from connector.fhir.datatypes import PATIENT_DOMAIN, RFC_3986, secure_mailbox, system_uri
from connector.fhir.nesting import NOTIFICATION, codes
from connector.fhir.primitives import read_base64, sha1_of
from connector.fhir.tree import LINK, SUBMISSION, TARGET
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run

__all__ = ["gather_mode", "patient_party", "with_attached"]

_STRUCTURE = ("category", "medium", "status")


def gather_mode(tree: Resource, run: Run) -> None:
    """Put mode, origin, boxes and the patient's mailbox under `Submission`. Two threads in one Bundle are an ERROR: an exchange has one."""
    roots = tree.get("Communication", [])
    if len(roots) > 1:
        run.report(Severity.ERROR, IssueCode.FHIR_INVALID, "Communication[2]", expected="one thread")
    submission: Resource = tree[SUBMISSION][0] if SUBMISSION in tree else {}
    for holder in (*roots[:1], *tree.get("List", ())[:1]):
        _gather_tags(holder, submission, run)
    if roots or "ServiceRequest" in tree:
        _gather_thread(tree, submission, run)
    for request in tree.get("ServiceRequest", ()):
        for task in request.get("task", ()):
            _gather_state(task, run)
    if submission:
        tree[SUBMISSION] = [submission]


def with_attached(tree: Resource, run: Run) -> Resource:
    """The tree with a DocumentReference for each file that stands inside a message, named by its content; photos and rich text stay."""
    documents = []
    for root in tree.get("Communication", ()):
        for message in root.get("message", ()):
            for payload in message.get("payload", ()):
                attachment = payload.get("contentAttachment", {})
                kind = attachment.get("contentType", "")
                if "data" not in attachment or kind == "text/html" or kind.startswith("image/"):
                    continue
                oid = oid_of(derived(run.context, "document", sha1_of(read_base64(attachment["data"], run))))
                named = {"system": RFC_3986, "value": f"urn:oid:{oid}"}
                document = {"resourceType": "DocumentReference", "masterIdentifier": named, "status": "current"}
                documents.append({**document, "content": [{"attachment": payload.pop("contentAttachment")}]})
                payload["contentReference"] = {LINK: "->DocumentReference", "identifier": dict(named)}
    if documents:
        tree["DocumentReference"] = [*tree.get("DocumentReference", ()), *documents]
    return tree


def _gather_tags(holder: Resource, submission: Resource, run: Run) -> None:
    meta = holder.get("meta", {})
    kept = []
    for tag in meta.get("tag", ()):
        origin, box = _word("exchange-origins", tag, run), _word("sharing-boxes", tag, run)
        if origin is not None:
            submission["origin"] = origin
        elif box is not None:
            submission[box] = True
        else:
            kept.append(tag)
    if len(kept) != len(meta.get("tag", ())):
        holder["meta"] = {name: value for name, value in {**meta, "tag": kept}.items() if value}


def _gather_thread(tree: Resource, submission: Resource, run: Run) -> None:
    root: Resource = next(iter(tree.get("Communication", ())), {})
    mode = submission["mode"] = _mode(tree, root, run)
    if submission.get("intent") == "submit":
        del submission["intent"]
    if root.get("status") == "entered-in-error":
        submission["intent"] = "delete"
    patient: Resource = next(iter(tree.get("Patient", ())), {})
    telecoms = patient.get("telecom", [])
    mailbox = next((each["value"] for each in telecoms if each.get("value", "").endswith(PATIENT_DOMAIN)), None)
    party = patient_party(patient, mailbox)
    if mode == "mon_espace_sante" and mailbox is not None:
        submission["mailbox"] = mailbox
        patient["telecom"] = [each for each in telecoms if each.get("value") != mailbox]
    state = root.get("status") if mode == "mon_espace_sante" else None
    # What code says while writing is taken away again; other categories (may it be answered) are the mapping's.
    ours = _own_codes(run)
    for communication in _communications(root):
        others = [each for each in communication.get("category", ()) if not codes({"category": [each]}) & ours]
        for name in _STRUCTURE:
            communication.pop(name, None)
        if others:
            communication["category"] = others
        if _is_patient(communication.get("sender")):
            communication["sender"] = {TARGET: party}
        if "recipient" in communication:
            communication["recipient"] = [
                {TARGET: party} if _is_patient(each) else each for each in communication["recipient"]
            ]
    if state in ("in-progress", "completed"):
        root["status"] = state


def _communications(root: Resource) -> Iterator[Resource]:
    if root:
        yield root
    for message in root.get("message", ()):
        yield message
        yield from message.get("notification", ())


def _mode(tree: Resource, root: Resource, run: Run) -> str:
    """By our category; else by what is there."""
    for category in root.get("category", ()):
        for coding in category.get("coding", ()):
            word = _word("exchange-modes", coding, run)
            if word is not None and word not in ("thread", "opinion"):
                return word
    if "ServiceRequest" in tree:
        return "teleexpertise"
    if any(map(_is_patient, root.get("recipient", ()))):
        return "mon_espace_sante"
    written = {coding.get("code") for each in root.get("medium", ()) for coding in each.get("coding", ())}
    return "mail" if "EMAILWRIT" in written else "conversation"


def _word(table: str, coding: Resource, run: Run) -> str | None:
    """The canonical word of a coding of our own system."""
    if run.context.table is None:
        return None
    found = run.context.table(table)
    word: str | None = found.to_exchange("fhir", coding.get("code", ""))
    if word is None:
        return None
    system = found.from_exchange("fhir", word).system
    return word if coding.get("system") == system_uri(system or "", run) else None


def _own_codes(run: Run) -> set[str]:
    if run.context.table is None:
        return set()
    return {*run.context.table("exchange-modes").reads("fhir"), NOTIFICATION}


def _is_patient(reference: Any) -> bool:
    """Whether it points at the one Patient."""
    return isinstance(reference, dict) and reference.get(LINK) == "->Patient"


def patient_party(patient: Resource, mailbox: str | None) -> Resource:
    """The Patient as somebody who writes or reads: the birth name and the mailbox."""
    names = patient.get("name", ())
    official: Resource = next((each for each in names if each.get("use") == "official"), next(iter(names), {}))
    role: Resource = {"resourceType": "PractitionerRole"}
    spoken = {key: official[key] for key in ("family", "given") if key in official}
    if spoken:
        role["practitioner"] = {TARGET: {"resourceType": "Practitioner", "name": [spoken]}}
    if mailbox is not None:
        role["telecom"] = [secure_mailbox(mailbox)]
    return role


def _gather_state(task: Resource, run: Run) -> None:
    """A Task that names no history has been in one state: its own."""
    if task.get("step"):
        return
    state: Any = task.get("businessStatus")
    if state is None and run.context.table is not None and task.get("status") not in (None, "requested", "draft"):
        table = run.context.table("teleexpertise-states")
        word = next((row.exchange for row in table.rows if row.get("class") == task["status"]), None)
        coded = table.from_exchange("fhir", word) if word is not None else None
        state = {"coding": [{"system": system_uri(coded.system or "", run), "code": coded.code}]} if coded else None
    if state is None:
        return
    step: Resource = {"resourceType": "Provenance", "activity": state}
    if "lastModified" in task:
        step["occurredDateTime"] = task["lastModified"]
    if "owner" in task:
        step["agent"] = [{"who": task["owner"]}]
    if "statusReason" in task:
        step["reason"] = [task["statusReason"]]
    task["step"] = [step]
