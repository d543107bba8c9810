"""Exchange paths of rules → the places of an HL7 v2 message, so that the sender reads its own field in ERR-2."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from connector.exchange.facts import Facts
from connector.hl7.message import Message, Segment
from connector.issues import Issue, Place

__all__ = ["MessagePlaces", "document_observations", "facts_of"]

#: OBX-3.3 of an observation that says what is to be done with a document.
META = "MetaDMPMSS"

_PATH = re.compile(r"(?P<head>[a-z_]+)(?:\[(?P<number>\d+)\])?(?:\.(?P<field>[a-z_]+)(?:\[(?P<index>\d+)\])?)?")

_PATIENT = {
    "identifiers": "3", "names": "5", "birth_date": "7", "sex": "8", "birth_place": "11", "addresses": "11", "telecoms": "13",
    "account": "18", "identity_status": "32",
}  # fmt: skip
_ENVELOPE = {
    "sender": "3", "sender_facility": "4", "receiver": "5", "receiver_facility": "6", "sent_at": "7", "type": "9", "event": "9.2",
    "control_id": "10", "processing": "11", "version": "12", "charset": "18", "profile": "21",
}  # fmt: skip
_ROLES = {"sender": "SB", "recipients": "RCT", "reply_to": "REPLY"}
_TXA = {"created": "4", "id": "12", "replaces": "13", "signer": "22"}
_DIRECTIVES = {
    "hidden_from_professionals": "MASQUE_PS", "hidden_from_patient": "INVISIBLE_PATIENT", "hidden_from_guardians": "INVISIBLE_REP_LEGAUX",
    "secret_connection": "CONNEXION_SECRETE", "visibility_change": "MODIF_CONF_CODE", "to_dmp": "DESTDMP",
    "to_professionals": "DESTMSSANTEPS", "to_patient": "DESTMSSANTEPAT", "acknowledge_reception": "ACK_RECEPTION",
    "acknowledge_reading": "ACK_LECTURE_MSS", "mail_to_professionals": "CORPSMAIL_PS", "mail_to_patient": "CORPSMAIL_PATIENT",
}  # fmt: skip


class MessagePlaces:
    """The places of one message. What is looked for in it is found once, for all of its issues."""

    def __init__(self, message: Message) -> None:
        self.message = message

    def of(self, issue: Issue) -> Issue:
        """The issue with the message's own place; one whose path is no Exchange path stays as it is."""
        path = issue.place.path
        found = _PATH.match(path) if path[:1].islower() else None
        place = self._place(found) if found is not None else None
        if place is None:
            return issue
        inside = path[path.index("/") :] if "/" in path else ""
        return Issue(issue.severity, issue.code, Place(place + inside, issue.place.rule), issue.params)

    def _place(self, found: re.Match[str]) -> str | None:
        head, field = found["head"], found["field"]
        repetition = f"[{found['index']}]" if found["index"] and found["index"] != "1" else ""
        if head == "patient":
            return f"PID[1]-{_PATIENT[field]}{repetition}" if field in _PATIENT else "PID[1]"
        if head == "envelope":
            return f"MSH[1]-{_ENVELOPE[field]}" if field in _ENVELOPE else "MSH[1]"
        if head == "intent":
            return "ORC[1]-1"
        number = int(found["number"] or 1)
        if head == "documents":
            return self._document(number, field)
        if head == "directives":
            return self.directives.get(_DIRECTIVES.get(field, ""), "OBX") if field else None
        return self._participation(_ROLES[head], number) if head in _ROLES else None

    def _document(self, number: int, field: str | None) -> str:
        if field in _TXA and self.message.first("TXA") is not None:
            return f"TXA[1]-{_TXA[field]}"
        if number > len(self.documents):
            return "OBX"
        return f"{self.documents[number - 1]}-{'3' if field == 'type' else '5'}"

    def _participation(self, role: str, number: int) -> str:
        """The PRT of the nth party in a role; the segment's name alone when it is not there."""
        found = [f"PRT[{prt.number}]" for prt in self.message.all("PRT") if prt.text(4) == role]
        return found[number - 1] if number <= len(found) else "PRT"

    @cached_property
    def documents(self) -> list[str]:
        """The OBX that carry documents, in their order."""
        return [f"OBX[{obx.number}]" for obx in document_observations(self.message)]

    @cached_property
    def directives(self) -> dict[str, str]:
        """Where each directive stands, by its code."""
        return {
            obx.text(3): f"OBX[{obx.number}]-5"
            for obx in self.message.all("OBX")
            if obx.text(2) != "ED" or obx.text(3, 3) == META
        }


def document_observations(message: Message) -> list[Segment]:
    """The OBX that carry documents (volet 1 §1.3), not those that say what is done with them."""
    return [obx for obx in message.all("OBX") if obx.text(2) == "ED" and obx.text(3, 3) != META]


def facts_of(message: Message, type_: str) -> Facts:
    """What a message of a type (`MDM^T02`) says of its documents beside the Exchange (volet 1: ORC-1, OBX-11, TXA-12, TXA-13)."""
    structure, _, event = type_.partition("^")
    txa = message.first("TXA")
    return Facts(
        type=structure,
        event=event,
        controls=tuple(orc.text(1) for orc in message.all("ORC") if orc.text(1)),
        statuses=tuple(obx.text(11) for obx in document_observations(message)),
        announced_ids=(_entity(txa, 12),) if txa is not None else (),
        announced_replaces=(_entity(txa, 13),) if txa is not None else (),
    )


def _entity(txa: Any, field: int) -> str | None:
    """TXA-12/13 as root or root^extension: 12.1 = extension and 12.3 = root, else 12.1 = root alone (volet 1, TXA-12)."""
    extension, root = txa.text(field, 1), txa.text(field, 3)
    if root and extension:
        return f"{root}^{extension}"
    return extension or None
