"""Exchange paths of rules → the places of an HL7 v2 message, so that the sender reads its own field in ERR-2."""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from connector.issues import Issue

__all__ = ["at_message_places"]

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


def at_message_places(issue: Issue, message: Any) -> Issue:
    """The issue with the message's own place; one whose path is no Exchange path stays as it is."""
    path = issue.place.path
    found = _PATH.match(path)
    if found is None or not path[:1].islower():
        return issue
    place = _place(found["head"], found["number"], found["field"], found["index"], message)
    if place is None:
        return issue
    inside = path[path.index("/") :] if "/" in path else ""
    return replace(issue, place=replace(issue.place, path=place + inside))


def _place(head: str, number: str | None, field: str | None, index: str | None, message: Any) -> str | None:
    repetition = f"[{index}]" if index and index != "1" else ""
    if head == "patient":
        return f"PID[1]-{_PATIENT[field]}{repetition}" if field in _PATIENT else "PID[1]"
    if head == "envelope":
        return f"MSH[1]-{_ENVELOPE[field]}" if field in _ENVELOPE else "MSH[1]"
    if head == "intent":
        return "ORC[1]-1"
    if head == "documents":
        return _document_place(int(number or 1), field, message)
    if head == "directives":
        return _observation(message, _DIRECTIVES.get(field or "", "")) if field else None
    return _participation(message, _ROLES[head], int(number or 1)) if head in _ROLES else None


def _document_place(number: int, field: str | None, message: Any) -> str:
    if field in _TXA and message.first("TXA") is not None:
        return f"TXA[1]-{_TXA[field]}"
    seen = 0
    for position, obx in enumerate(message.all("OBX"), 1):
        if obx.text(2) == "ED" and obx.text(3, 3) != "MetaDMPMSS":
            seen += 1
            if seen == number:
                return f"OBX[{position}]-3" if field == "type" else f"OBX[{position}]-5"
    return "OBX"


def _observation(message: Any, code: str) -> str:
    """The OBX of a directive; the segment's name alone when it is not there."""
    for position, obx in enumerate(message.all("OBX"), 1):
        if obx.text(3) == code:
            return f"OBX[{position}]-5"
    return "OBX"


def _participation(message: Any, role: str, number: int) -> str:
    """The PRT of the nth party in a role; the segment's name alone when it is not there."""
    found = [position for position, prt in enumerate(message.all("PRT"), 1) if prt.text(4) == role]
    return f"PRT[{found[number - 1]}]" if number <= len(found) else "PRT"
