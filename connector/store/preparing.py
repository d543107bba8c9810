"""An entry as rows: made on the caller's side, so that the writer only inserts."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from connector.exchange.decoding import ins_of_address
from connector.exchange.lineage import Step, answerable, steps
from connector.exchange.registry import Sighting, sighting
from connector.issues import Issue, worst
from connector.monsisra.continuation import state_of
from connector.ports import Entry
from connector.store.carving import Carved, detach
from connector.terminology import Untranslated

__all__ = ["INLINE", "Held", "Prepared", "bounded", "bucket_of", "clean", "codes_of", "identity_of", "prepare"]

INLINE = 256 * 1024  # larger bodies are files (design decision 10)
_LONGEST = 240  # characters of an indexed text; PostgreSQL's index rows end at 2,700 bytes
_BUCKETS = 64
_NOT_FLAGGED = ("delete", "notify")

_encode = msgspec.json.Encoder().encode
pack_answers = msgspec.msgpack.Encoder().encode
unpack_answers = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode


def clean(text: str) -> str:
    """Text that both databases can hold: no NUL, no lone surrogate."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def bounded(text: str) -> str:
    """Text for an index: long ones as their digest, so that they stay themselves and comparable."""
    text = clean(text)
    return text if len(text) <= _LONGEST else "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def identity_of(sender: str, control_id: str) -> str | None:
    """What makes a message the same again: MSH-3, MSH-4 and MSH-10; None when there is no MSH-10."""
    return bounded(f"{sender}\x1f{control_id}") if control_id else None


def bucket_of(destination: str, key: str) -> int:
    """The bucket of a lane, at most 64 a destination: the number of the lock that owns it on PostgreSQL."""
    return (zlib.crc32(destination.encode()) % (1 << 25)) * _BUCKETS + zlib.crc32(key.encode()) % _BUCKETS


class Held(msgspec.Struct, frozen=True):
    """An exchange under its own id: the row of `exchange` when it is `accepted`; `after` is the message that the verdict knows to hold it."""

    id: str
    after: int
    accepted: bool
    mode: str
    state: str
    patients: tuple[tuple[str, str], ...]


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as rows, made on the caller's side so that the writer only inserts. `files`: contents to keep before the commit."""

    row: dict[str, Any]
    identity: str | None
    digest: str
    judged_apart: bool  # the duplicate verdict is already taken: no second one
    lanes: tuple[tuple[str, str, str], ...]  # destination, key, part: one a delivery
    documents: tuple[str, ...]
    roles: tuple[tuple[str, str, str], ...]  # document id, what the message does to it, detail: rows of `document`
    flagged: bool  # a document id seen before is told
    steps: tuple[Step, ...]  # earlier documents that it replaces or deletes
    held: Held | None  # under its own id
    sighting: Sighting | None  # what it says of its patient
    informed: bool  # the verdict knows what the store knows
    untranslated: tuple[Untranslated, ...]
    bodies: tuple[tuple[str, bytes | None], ...]  # contents of their own; None when it is a file


def prepare(entry: Entry, now: float) -> Prepared:
    """The rows of an entry. Documents are detached; issues, answers and Exchange are encoded."""
    inbound = entry.inbound
    carved = detach(inbound.raw, entry.exchange, entry.standing) if entry.exchange is not None else None
    # A broken frame's bytes are only a part of a message: they never claim its MSH-10.
    identity = None if inbound.issues else identity_of(entry.sender, entry.control_id)
    accepted = entry.exchange if entry.state == "translated" else None
    followed = steps(accepted) if accepted is not None else ()
    row = {
        "id": 0,
        "received": now,
        "received_at": inbound.received_at,
        "endpoint": inbound.endpoint,
        "remote": inbound.remote,
        "format": inbound.format,
        "sender": clean(entry.sender),
        "control_id": clean(entry.control_id)[:1000],
        "identity": identity,
        "digest": entry.digest,
        "size": len(inbound.raw),
        "conflicts_with": entry.conflicts_with,
        "raw": inbound.raw,
        **verdict_columns(entry, carved, now),
    }
    return Prepared(
        row=row,
        identity=identity,
        digest=entry.digest,
        judged_apart=entry.conflicts_with is not None,
        lanes=tuple([(item.destination, bounded(item.key), item.part) for item in entry.deliveries]),
        documents=tuple(dict.fromkeys([bounded(item) for item in entry.document_ids])),
        roles=_roles(entry, followed),
        flagged=entry.exchange is None or (entry.exchange.intent not in _NOT_FLAGGED and not entry.after),
        steps=followed,
        held=_held(entry),
        sighting=sighting(accepted, entry.sender or inbound.endpoint) if accepted is not None else None,
        informed=entry.informed,
        untranslated=entry.untranslated,
        bodies=tuple(carved.apart.items()) if carved else (),
    )


def _held(entry: Entry) -> Held | None:
    exchange = entry.exchange
    if entry.after is None or exchange is None or exchange.id is None:
        return None
    numbers = (
        [(each.value, each.system or each.authority or "") for each in exchange.patient.identifiers]
        if exchange.patient
        else []
    )
    if exchange.channel is not None and (number := ins_of_address(exchange.channel.address or "")):
        numbers.append((number.upper(), ""))
    return Held(
        id=bounded(exchange.id), after=entry.after, accepted=entry.state == "translated", mode=exchange.mode or "",
        state=state_of(exchange), patients=tuple({(bounded(value), bounded(system)): None for value, system in numbers}),
    )  # fmt: skip


def _roles(entry: Entry, followed: Sequence[Step]) -> tuple[tuple[str, str, str], ...]:
    """What the message does to documents, by id: its own, and those that they replace."""
    exchange = entry.exchange
    act = exchange.intent if exchange is not None and exchange.intent in ("replace", "delete") else "submit"
    roles = {bounded(step.target): ("replaced", step.successor or "") for step in followed if step.act == "replace"}
    roles |= {bounded(name): (act, "") for name in entry.document_ids}
    if exchange is not None and entry.state == "translated":
        named = [document for document in exchange.documents if document.id]
        roles |= {bounded(each.id or ""): (act, "\n".join(sorted(answerable(exchange, each)))) for each in named}
    return tuple([(name, role, clean(detail)) for name, (role, detail) in roles.items()])


def verdict_columns(entry: Entry, carved: Carved | None, now: float) -> dict[str, Any]:
    """The columns that a verdict fills."""
    return {
        "type": clean(entry.type)[:200],
        "state": entry.state.value,
        "key": bounded(entry.key),
        "patient": bounded(entry.patient),
        "mapping": entry.mapping,
        "answer": "pending" if entry.answers else "none",
        "severity": int(worst(entry.issues)),
        "codes": codes_of(entry.issues),
        "possible_duplicate_of": entry.possible_duplicate_of,
        "judged": None if entry.state == "received" else now,
        "answers": pack_answers(entry.answers),
        "issues": _encode(entry.issues),
        "contents": _encode(carved.parts if carved else ()),
        "exchange": _encode(carved.exchange) if carved else None,
    }


def codes_of(issues: Sequence[Issue]) -> str:
    """The codes of the issues, each between blanks."""
    names = sorted({issue.code for issue in issues})
    return f" {' '.join(names)} " if names else ""
