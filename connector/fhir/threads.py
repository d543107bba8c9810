"""A thread and its messages as Communications: what a table cannot say of them.

Communication, category thread    the exchange: identifier, topic, sender, recipients (among them the CareTeam of its members)
  ← partOf       Communication    each message
  ← inResponseTo Communication    category notification: each « vu par » (partOf the thread too)
  ← target       Provenance       who typed for whom; CALLBCK: who takes the answers
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connector.exchange.documents import Content
from connector.exchange.identifiers import is_ins
from connector.exchange.people import Patient
from connector.fhir.codec import Resource
from connector.fhir.datatypes import PATIENT_DOMAIN, secure_mailbox
from connector.fhir.filing import Filing, concept
from connector.fhir.nesting import NOTIFICATION, THREAD
from connector.fhir.primitives import sha1_of
from connector.fhir.teleexpertise import write_request
from connector.fhir.tree import SHARING, SUBMISSION
from connector.issues import IssueCode, Severity
from connector.mapping.language import Run

__all__ = ["add_mailbox", "is_patient", "write_threads"]

BY = "connector/fhir/threads.py"
_NOTICE = {"system": "http://terminology.hl7.org/CodeSystem/communication-category", "code": NOTIFICATION}
_BY_MAIL = frozenset({"mail", "mon_espace_sante"})
_HTML = "text/html"


def is_patient(role: Resource, patient: Patient | None) -> bool:
    """Whether a party is the patient: its mailbox is one of Mon Espace Santé, under his matricule when he has one (a parent has his own)."""
    addresses = [each.get("value", "") for each in role.get("telecom", ())]
    owners = [each.removesuffix(PATIENT_DOMAIN) for each in addresses if each.endswith(PATIENT_DOMAIN)]
    if not owners:
        return False
    numbers = {each.value for each in patient.identifiers if is_ins(each)} if patient is not None else set()
    return not numbers or not numbers.isdisjoint(owners)


def add_mailbox(patient: Resource, tree: Resource, run: Run, place: str, *, qualified: bool) -> None:
    """The patient's Mon Espace Santé mailbox among his contacts. It holds the matricule: it leaves only when the identity is qualified.

    `place` is told when it does not leave; "": the matricule itself was told already.
    """
    address = next((each["mailbox"] for each in tree.get(SUBMISSION, ()) if "mailbox" in each), None)
    telecoms = patient.get("telecom", [])
    if qualified:
        if address is not None and all(each.get("value") != address for each in telecoms):
            patient["telecom"] = [*telecoms, secure_mailbox(address)]
        return
    kept = [each for each in telecoms if not each.get("value", "").endswith(PATIENT_DOMAIN)]
    if place and (address is not None or len(kept) != len(telecoms)):
        run.report(Severity.WARNING, IssueCode.INS_NOT_QUALIFIED, f"{place}.telecom", what="FHIR Patient.telecom")
    if kept:
        patient["telecom"] = kept
    else:
        patient.pop("telecom", None)


def write_threads(
    filing: Filing, tree: Resource, flat: Callable[[Resource, str], Resource], listed: Resource | None
) -> None:
    """Add to a Bundle what the modes need: tags and Provenance of its submission (`listed`), the thread with all that it holds.

    `flat` gives a copy of a tree's node with its references settled; what the tree holds inside it is still inside.
    """
    submission: Resource = next(iter(tree.get(SUBMISSION, ())), {})
    if listed is not None:
        _tag(filing, listed, submission)
        _type(filing, listed.pop("provenance", ()), f"urn:uuid:{listed['id']}", listed, "List[1]")
    for root in tree.get("Communication", ())[:1]:
        place = "Communication[1]"
        thread = _Thread(filing, flat(root, place), submission)
        request = next(iter(tree.get("ServiceRequest", ())), None)
        if request is not None:
            thread.ask(flat(request, "ServiceRequest[1]"))
        thread.write(place)


def _tag(filing: Filing, resource: Resource, submission: Resource) -> None:
    """Where it began, and the boxes that are ticked."""
    words = [("exchange-origins", "monsisra")] if submission.get("origin") == "monsisra" else []
    words += [("sharing-boxes", box) for box in SHARING if submission.get(box) is True]
    if words:
        resource["meta"] = {**resource.get("meta", {}), "tag": [filing.coding(table, word) for table, word in words]}


def _type(filing: Filing, hands: Any, target: str, about: Resource, place: str) -> None:
    """Who typed, on whose behalf, as a Provenance of what was typed."""
    for hand in hands:
        for agent in hand["agent"]:
            if "type" in agent and "sender" in about:
                agent["onBehalfOf"] = dict(about["sender"])
        hand["target"] = [{"reference": target}]
        first = next((each.sent for each in filing.exchange.messages), None)
        hand |= filing.recorded(about.get("sent"), about.get("date"), first)
        filing.add(hand, "provenance", target, place=f"{place}.provenance[1]")


class _Thread:
    """One thread being written."""

    def __init__(self, filing: Filing, root: Resource, submission: Resource) -> None:
        self.filing = filing
        self.root = root
        self.mode = submission.get("mode", "conversation")
        exchange = filing.exchange
        names = (
            exchange.id,
            exchange.thread.id if exchange.thread is not None else None,
            exchange.teleexpertise.id if exchange.teleexpertise is not None else None,
            next((each.id for each in exchange.messages if each.id), None),
            exchange.envelope.control_id if exchange.envelope is not None else None,
        )
        self.key = next((name for name in names if name), exchange.subject or "")
        self.url = filing.url("thread", self.key)
        _tag(filing, root, submission)
        self.kind = concept(filing.coding("exchange-modes", self.mode))
        self.medium = [concept(filing.coding("participation-modes", "mail" if self.mode in _BY_MAIL else "online"))]

    def ask(self, request: Resource) -> None:
        """The téléexpertise that the thread is about."""
        self.root["basedOn"] = [{"reference": write_request(self.filing, request, self.key, self.url)}]

    def write(self, place: str) -> None:
        """The thread's own Communication, then each message."""
        root, filing = self.root, self.filing
        messages, hands = root.pop("message", ()), root.pop("provenance", ())
        teams = [
            self._team(team, number, f"{place}.team[{number}]") for number, team in enumerate(root.pop("team", ()), 1)
        ]
        if teams:
            root["recipient"] = [*root.get("recipient", ()), *teams]
        exchange = filing.exchange
        if exchange.intent == "delete":
            root["status"] = "entered-in-error"
        elif self.mode == "mon_espace_sante":
            root.setdefault("status", "unknown")
        else:
            closed = exchange.thread is not None and exchange.thread.closed is not None
            root["status"] = "completed" if closed or self.mode == "mail" else "in-progress"
        thread = concept(filing.coding("exchange-modes", THREAD))
        root["category"] = [self.kind, thread, *root.get("category", ())]
        root["medium"] = self.medium
        for payload in root.get("payload", ()):
            payload["contentReference"] = filing.settle(payload["contentReference"])
        filing.add(root, "thread", self.key, place=place)
        _type(filing, hands, self.url, root, place)
        keys = [self._name(message, number) for number, message in enumerate(messages, 1)]
        for number, (message, key) in enumerate(zip(messages, keys, strict=True), 1):
            self._message(message, key, number, f"{place}.message[{number}]")

    def _team(self, team: Resource, number: int, place: str) -> Resource:
        closed = "end" in team.get("period", {})
        team["status"] = "inactive" if closed else "active"
        if "subject" in self.root:
            team.setdefault("subject", self.root["subject"])
        return {"reference": self.filing.add(team, "team", self.key, str(number), place=place)}

    def _name(self, message: Resource, number: int) -> tuple[str, ...]:
        """What a message's id is made of: its own identifier, else its place in the thread. Answers to it point at it."""
        for identifier in message.get("identifier", ()):
            key = ("message", identifier.get("system", ""), identifier["value"])
            self.filing.name(identifier, self.filing.url(*key))
            return key
        return "message", "", self.key, str(number)

    def _message(self, message: Resource, key: tuple[str, ...], number: int, place: str) -> None:
        filing = self.filing
        notices, hands = message.pop("notification", ()), message.pop("provenance", ())
        message["status"] = "not-done" if "statusReason" in message else "completed"
        message["partOf"] = [{"reference": self.url}]
        message["category"] = [self.kind]
        message["medium"] = self.medium
        if "inResponseTo" in message:
            message["inResponseTo"] = [filing.settle(each) for each in message["inResponseTo"]]
        contents = (
            iter(filing.exchange.messages[number - 1].photos) if number <= len(filing.exchange.messages) else iter(())
        )
        for position, payload in enumerate(message.get("payload", ()), 1):
            if "contentReference" in payload:
                payload["contentReference"] = filing.settle(payload["contentReference"])
            elif payload.get("contentAttachment", {}).get("contentType", _HTML) != _HTML:
                photo = next(contents, None)
                self._photo(payload["contentAttachment"], photo.content if photo else None, (*key, str(position)))
        url = filing.add(message, *key, place=place)
        _type(filing, hands, url, message, place)
        for position, notice in enumerate(notices, 1):
            self._notice(notice, url, f"{place}.notification[{position}]")

    def _notice(self, notice: Resource, message: str, place: str) -> None:
        notice |= {
            "partOf": [{"reference": self.url}],
            "inResponseTo": [{"reference": message}],
            "status": "completed",
            "category": [concept(_NOTICE)],
        }
        reader = notice.get("sender", {}).get("reference", notice.get("sent", ""))
        self.filing.add(notice, "notice", message, reader, place=place)

    def _photo(self, attachment: Resource, content: Content | None, key: tuple[str, ...]) -> None:
        """The bytes go to a Binary, as those of a document do."""
        data = attachment.pop("data", None)
        if data is not None:
            attachment.setdefault("size", len(data))
            attachment.setdefault("hash", sha1_of(data))
            binary = {"resourceType": "Binary", "contentType": attachment["contentType"], "data": data}
            attachment["url"] = self.filing.put(binary, self.filing.url("binary", *key).removeprefix("urn:uuid:"))
        elif content is not None and (content.sha256 or content.sha1):
            attachment["url"] = f"Binary/{self.filing.url('binary', *key).removeprefix('urn:uuid:')}"
