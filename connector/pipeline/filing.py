"""What is filed for the business software: from a message and its Exchange to folders of named bytes. Pure; folder_out writes them.

A folder's name is the document's id and version when these are plain ASCII words; else a readable part and a hash, so that no path,
control, right-to-left or look-alike character ever reaches a file system.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from connector.cda.body import body as unstructured_body
from connector.cda.document import is_cda
from connector.cda.sniff import extension
from connector.exchange.documents import Content, Document
from connector.exchange.identifiers import ins_of
from connector.exchange.model import Exchange
from connector.exchange.people import Concept, Patient

__all__ = ["COLUMNS", "INDEX", "Drop", "body_of", "drops", "operation_of", "safe_name"]

#: The message itself beside or in place of documents: its name and media type.
_MESSAGES = {
    "message.hl7": "x-application/hl7-v2+er7",
    "message.json": "application/json",
    "message.xml": "application/xml",
    "message.mime": "multipart/form-data",
}

#: Version of the index; a reader refuses one that it does not know.
INDEX = "monsisra-folder/1"

#: Columns of index.csv, in order.
COLUMNS = (
    "document_id", "set_id", "version", "replaces", "operation", "type_code", "type_system", "type_display", "title", "created",
    "patient_ins", "patient_ins_oid", "patient_birth_name", "patient_birth_given", "patient_usual_name", "patient_birth_date",
    "patient_sex", "document_file", "document_media_type", "document_sha256", "body_file", "body_media_type", "control_id",
)  # fmt: skip

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,119}\Z")  # no capitals: on Windows shares two ids could meet
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|\Z)", re.IGNORECASE
)  # names that Windows shares cannot hold
_OUTSIDE = re.compile(r"[^A-Za-z0-9.-]+")


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """One folder: its name, its files in the order of writing (the index last), and what tells the same content from another.

    `number` is the document's place in the Exchange, 1-based, 0 for the message itself.
    """

    name: str
    files: tuple[tuple[str, bytes], ...]
    fingerprint: str
    number: int


def safe_name(*parts: str) -> str:
    """A file name of these parts joined by `_`: as they are when plain, else a readable beginning and 16 hex digits of SHA-256."""
    text = "_".join(part for part in parts if part)
    if _PLAIN.match(text) and not _RESERVED.match(text) and not text.endswith(".") and ".." not in text:
        return text
    readable = _OUTSIDE.sub("-", text)[:60].strip("-.") or "document"
    if _RESERVED.match(readable):
        readable = f"document-{readable}"
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{readable.replace('..', '-')}_{digest[:16]}"


def drops(
    raw: bytes | memoryview,
    exchange: Exchange | None,
    *,
    control_id: str,
    type: str,  # noqa: A002 - MSH-9's own name
    body: bool = True,
    message: bool = False,
    table: bool = False,
) -> tuple[Drop, ...]:
    """The folders of one message: one a document, or one for the message itself when it holds none."""
    envelope = {"control_id": control_id, "type": type}
    documents = exchange.documents if exchange else ()
    if not documents:
        return (_message_drop(bytes(raw), exchange, envelope),)
    assert exchange is not None  # noqa: S101 - it has documents
    carried = ((_message_name(raw), bytes(raw)),) if message else ()
    return tuple(
        _document_drop(exchange, document, number, envelope, carried, body=body, table=table)
        for number, document in enumerate(documents, 1)
    )


def _message_name(raw: bytes | memoryview) -> str:
    head = bytes(raw[:16]).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return {b"{": "message.json", b"<": "message.xml", b"-": "message.mime"}.get(head, "message.hl7")


def _message_drop(raw: bytes, exchange: Exchange | None, envelope: dict[str, str]) -> Drop:
    digest = hashlib.sha256(raw).hexdigest()
    files = [(_message_name(raw), raw)]
    index: dict[str, Any] = {
        "index": INDEX,
        "fingerprint": digest,
        "message": envelope,
        "files": [_described("message", *files[0], _MESSAGES[files[0][0]])],
    }
    index |= _common(exchange)
    name = safe_name("message", envelope["control_id"], digest[:12])
    return Drop(name=name, files=(*files, ("index.json", _json(index))), fingerprint=digest, number=0)


def _document_drop(
    exchange: Exchange,
    document: Document,
    number: int,
    envelope: dict[str, str],
    carried: tuple[tuple[str, bytes], ...],
    *,
    body: bool,
    table: bool,
) -> Drop:
    files: list[tuple[str, bytes]] = []
    described: list[dict[str, Any]] = []
    for role, content in _contents(document, body=body):
        files.append((f"{role}.{extension(content.media_type)}", content.data or b""))
        described.append(_described(role, *files[-1], content.media_type or ""))
    for name, data in carried:
        files.append((name, data))
        described.append(_described("message", name, data, _MESSAGES[name]))
    operation = operation_of(exchange, document)
    fingerprint = _fingerprint(document, operation, described)
    index: dict[str, Any] = {"index": INDEX, "fingerprint": fingerprint, "operation": operation, "message": envelope}
    index |= {"document": _plain(document), **_common(exchange), "files": described}
    if table:
        files.append(("index.csv", _csv(exchange, document, operation, described, envelope)))
    files.append(("index.json", _json(index)))
    identity = document.id or f"document-{fingerprint[:24]}"
    version = f"v{document.version}" if document.version else ""
    name = safe_name(identity, version, operation if operation == "delete" else "")
    return Drop(name=name, files=tuple(files), fingerprint=fingerprint, number=number)


def _contents(document: Document, *, body: bool) -> Iterator[tuple[str, Content]]:
    if document.content is not None and document.content.data is not None:
        yield "document", document.content
    inner = body_of(document) if body else None
    if inner is not None and inner.data is not None:
        yield "body", inner


def body_of(document: Document) -> Content | None:
    """The unstructured body: as it was read, else decoded from the CDA now."""
    if document.body is not None and document.body.data is not None:
        return document.body
    whole = document.content
    return (
        unstructured_body(whole.data).value if whole is not None and whole.data is not None and is_cda(whole) else None
    )


def operation_of(exchange: Exchange, document: Document) -> str:
    """What is asked of a document: submit, replace, delete…, as it or its exchange says."""
    if document.status == "deletion" or exchange.intent == "delete":
        return "delete"
    if document.status == "replacement" or exchange.intent == "replace":
        return "replace"
    return exchange.intent or "submit"


def _fingerprint(document: Document, operation: str, described: list[dict[str, Any]]) -> str:
    """What must be equal for a resend to be the same: identity, version, operation and the document's bytes (not the message around them)."""
    bytes_of = [str(file["sha256"]) for file in described if file["role"] == "document"]
    parts = (document.id or "", document.version or "", operation, *bytes_of)
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _described(role: str, name: str, data: bytes, media_type: str) -> dict[str, Any]:
    return {
        "role": role,
        "name": name,
        "media_type": media_type,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _common(exchange: Exchange | None) -> dict[str, Any]:
    if exchange is None:
        return {}
    names = (
        "intent",
        "mode",
        "origin",
        "patient",
        "encounter",
        "orders",
        "directives",
        "sender",
        "recipients",
        "reply_to",
    )
    values = {name: getattr(exchange, name) for name in names}
    return {name: msgspec.to_builtins(value) for name, value in values.items() if value not in (None, ())}


def _plain(document: Document) -> Any:
    """The document's metadata; its bytes are the files."""
    without = msgspec.structs.replace(document, content=None, body=None)
    return msgspec.to_builtins(without)


def _json(index: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n"


def _csv(
    exchange: Exchange, document: Document, operation: str, described: list[dict[str, Any]], envelope: dict[str, str]
) -> bytes:
    """One header line and one row, `;` between, UTF-8 with BOM as spreadsheets expect it."""
    kind = document.type or Concept(code="")
    files = {str(file["role"]): file for file in described}
    row = {
        "document_id": document.id, "set_id": document.set_id, "version": document.version, "replaces": document.replaces,
        "operation": operation, "type_code": kind.code, "type_system": kind.system, "type_display": kind.display,
        "title": document.title, "created": document.created, "control_id": envelope["control_id"],
        **_patient_columns(exchange.patient),
    }  # fmt: skip
    for role in ("document", "body"):
        file = files.get(role, {})
        row |= {
            f"{role}_file": file.get("name"),
            f"{role}_media_type": file.get("media_type"),
            f"{role}_sha256": file.get("sha256"),
        }
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerow([_cell(row.get(column)) for column in COLUMNS])
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8")


def _patient_columns(patient: Patient | None) -> dict[str, str | None]:
    if patient is None:
        return {}
    ins = ins_of(patient)
    names = {name.use: name for name in reversed(patient.names)}
    birth, usual = names.get("birth"), names.get("usual")
    return {
        "patient_ins": ins.value if ins else None,
        "patient_ins_oid": ins.system if ins else None,
        "patient_birth_name": birth.family if birth else None,
        "patient_birth_given": (birth.birth_given or " ".join(birth.given)) if birth else None,
        "patient_usual_name": usual.family if usual else None,
        "patient_birth_date": patient.birth_date,
        "patient_sex": patient.sex,
    }


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula, on one line."""
    text = " ".join(str(value or "").split())
    return f"'{text}" if text[:1] in "=+-@\t" and text else text
