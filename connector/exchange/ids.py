"""Ids derived from business identity, so that the same input gives the same output, twice or on another node.

Every id has a `Key`: what it is made of and the Exchange places that were read for it, relative to the value that it names
(`identifiers[1].value`; positions count from 1, as in mapping paths). `explain` needs the places: an id changes when they change.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1
from typing import NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid5

from connector.exchange.care import Encounter
from connector.exchange.documents import Document
from connector.exchange.identifiers import (
    ins_of,
    ipp_of,
    is_ins,
    is_oid,
    normalise,
)
from connector.exchange.model import Context, Exchange
from connector.exchange.people import HumanName, Identifier, Patient

__all__ = [
    "Key",
    "derived",
    "document_key",
    "encounter_key",
    "is_document_root",
    "is_uuid",
    "oid_of",
    "ordering_key",
    "patient_key",
    "root_of",
]


class Key(NamedTuple):
    """The business identity of something. Empty parts: it has none, and two such things must not become one."""

    parts: tuple[str, ...]
    places: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.parts)


_NONE = Key((), ())


@lru_cache(maxsize=64)
def _namespace(namespace: str, kind: str) -> bytes:
    return uuid5(uuid5(NAMESPACE_OID, namespace), kind).bytes


#: The digit that says the variant of RFC 4122, by the digit that the hash had there.
_VARIANT = {digit: "89ab"[number % 4] for number, digit in enumerate("0123456789abcdef")}


def derived(context: Context, kind: str, *parts: str) -> str:
    """A UUID (text) made of a kind of thing and its parts, in the site's namespace. Parts may hold any character."""
    # The length in front keeps ("a|b", "c") and ("a", "b|c") apart.
    name = "".join([f"{len(part)}:{part}" for part in parts]).encode()
    # As uuid5, without making the UUID an object: a Bundle has one for each resource.
    digits = sha1(_namespace(context.namespace, kind) + name, usedforsecurity=False).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"


def oid_of(uuid: str) -> str:
    """A UUID as an OID, `2.25.<integer>` (ITU-T X.667)."""
    return f"2.25.{UUID(uuid).int}"


def is_uuid(text: str) -> bool:
    """Whether it reads as a UUID, with or without `urn:uuid:`."""
    bare = text.removeprefix("urn:uuid:")
    if len(bare) != 36:
        return False
    try:
        UUID(bare)
    except ValueError:
        return False
    return True


# --- keys ------------------------------------------------------------------------------------------------------------


def patient_key(patient: Patient) -> Key:
    """INS under its OID, else the IPP under its domain, else any identifier, else birth name, first given name, birth date and sex."""
    chosen = ins_of(patient) or ipp_of(patient) or next(iter(patient.identifiers), None)
    if chosen is not None:
        return _identifier_key("identifiers", patient.identifiers, chosen)
    parts, places = _name_key(patient.names)
    for value, place in ((patient.birth_date, "birth_date"), (patient.sex, "sex")):
        if value is not None and parts:
            parts, places = (*parts, str(value)), (*places, place)
    return Key(parts, places)


def document_key(document: Document) -> Key:
    """Its id (XDS uniqueId), else its set and version, else its bytes."""
    if document.id is not None:
        return Key((document.id,), ("id",))
    if document.set_id is not None:
        return _filled((document.set_id, "set_id"), (document.version, "version"))
    if document.content is not None and document.content.sha256 is not None:
        return Key((document.content.sha256,), ("content.data",))
    return _NONE


def encounter_key(encounter: Encounter) -> Key:
    """The visit number in its domain, else nothing."""
    if encounter.number is None:
        return _NONE
    number = normalise(encounter.number)
    return Key(tuple(number), tuple(f"number.{leaf}" for leaf in _leaves(encounter.number)))


def _filled(*values: tuple[str | None, str]) -> Key:
    filled = [(value, place) for value, place in values if value is not None]
    return Key(tuple(value for value, _ in filled), tuple(place for _, place in filled))


def _identifier_key(path: str, identifiers: tuple[Identifier, ...], chosen: Identifier) -> Key:
    if is_ins(chosen):
        parts: tuple[str, ...] = ("INS", chosen.system or "", chosen.value.replace(" ", ""))
    else:
        # Without an OID the authority's name is what keeps two domains apart.
        parts = (chosen.system or chosen.authority or "", normalise(chosen).number)
    return Key(parts, _identifier_places(path, identifiers, chosen))


def _identifier_places(path: str, identifiers: tuple[Identifier, ...], chosen: Identifier) -> tuple[str, ...]:
    position = next(number for number, each in enumerate(identifiers, 1) if each is chosen)
    return tuple(f"{path}[{position}].{leaf}" for leaf in _leaves(chosen))


def _leaves(identifier: Identifier) -> list[str]:
    """The filled leaves that decide what an identifier means."""
    return [name for name in ("value", "system", "authority", "kind", "end") if getattr(identifier, name) is not None]


def _name_key(names: tuple[HumanName, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not names:
        return (), ()
    position, name = next(((n, each) for n, each in enumerate(names, 1) if each.use == "birth"), (1, names[0]))
    given, leaf = (name.given[0], "given[1]") if name.given else (name.birth_given, "birth_given")
    key = _filled((name.family, f"names[{position}].family"), (given, f"names[{position}].{leaf}"))
    return key.parts, key.places


# --- ids -------------------------------------------------------------------------------------------------------------


def ordering_key(exchange: Exchange) -> str:
    """What keeps deliveries in order: the INS, else the IPP in its domain, else the exchange's own id, else the document's lineage, else the message itself.

    The lineage is the set (setId), else the replaced document, else the document.
    """
    ins = ins_of(exchange.patient)
    if ins is not None:
        return f"ins|{ins.value.replace(' ', '')}"
    ipp = ipp_of(exchange.patient)
    if ipp is not None:
        return f"ipp|{ipp.system or ipp.authority or ''}|{ipp.value}"
    if exchange.id is not None:
        return f"exchange|{exchange.id}"
    for document in exchange.documents:
        lineage = document.set_id or document.replaces or document.id
        if lineage is not None:
            return f"document|{lineage}"
    envelope = exchange.envelope
    return f"message|{(envelope and envelope.control_id) or ''}"


def root_of(document_id: str) -> str:
    """The root of `root` or `root^extension`."""
    return document_id.partition("^")[0]


def is_document_root(document_id: str) -> bool:
    """Whether the root of a document id is an OID or a UUID, as CDA asks (II.root)."""
    root = root_of(document_id)
    return is_oid(root.removeprefix("urn:oid:")) or is_uuid(root)
