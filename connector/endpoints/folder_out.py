"""Files for the business software: a folder for each document with its exact bytes, its body (a PDF…) and an index.

    <path>/<document>/            appears whole, by one rename, or not at all
        document.xml              the document exactly as it came (CDA; else .pdf, .jpg… after its media type)
        body.pdf                  the unstructured body of a CDA, decoded
        message.hl7               the message itself, when the setting asks for it or when it holds no document
        index.json                what it is: document, patient, encounter, directives, recipients, files with size and SHA-256
        index.csv                 the same in one row, when the setting asks for it

As `hprim`, files beside each other instead: `<day>_<document>.pdf` and the letter `<day>_<document>.hpr` that names it, which comes last.
As `exchange`, the whole exchange as one file of the profile: `exchange_<id>_….json`, another one for each version.

Nothing is ever overwritten. The same document, version and operation again writes nothing and says so; other content under the
same document and version is refused and kept for a person.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import Field

from connector.endpoints import Endpoint, EndpointKind, EndpointSettings
from connector.exchange.model import Exchange
from connector.issues import Issue, IssueCode, Severity
from connector.pipeline.filing import Drop, drops, operation_of, safe_name
from connector.pipeline.letters import attachment, stem
from connector.ports import Claimed, DeliveryFailed, Receipt, Retry

__all__ = ["KIND", "FolderOut", "FolderOutSettings"]


class FolderOutSettings(EndpointSettings):
    """Where the business software fetches its documents."""

    path: Path = Field(description="Folder that document folders are put into; made when it does not exist.")
    format: Literal["index", "hprim", "exchange"] = Field(
        default="index",
        description="`index`: a folder for each document, with its bytes and an index; `hprim`: an HPRIM Médecin letter for each document, with its PDF beside it under the same name; `exchange`: the exchange profile, one file for each version (with these two `csv`, `body` and `message` have no meaning).",
    )
    csv: bool = Field(
        default=False,
        description="Also write `index.csv`: one header line, one row, `;` between columns, UTF-8 with BOM.",
    )
    body: bool = Field(
        default=True, description="Also write the unstructured body of a CDA (a PDF…) as a file of its own."
    )
    message: bool = Field(
        default=False,
        description="Also write the message as it came (`message.hl7`); always done when it holds no document.",
    )
    mode: str = Field(
        default="0640",
        pattern=r"0[0-7]{3}$",
        description="Rights of the files, octal; folders get the search right with each read right.",
    )


class FolderOut:
    """A `Sender` that puts document folders in a directory. A full or unreachable disk may be tried again (SAFE)."""

    def __init__(self, settings: FolderOutSettings, endpoint: Endpoint) -> None:
        self._settings = settings
        self._root = settings.path
        self._name = endpoint.name
        self._mode = int(settings.mode, 8)
        self._write = endpoint.write
        if settings.format != "index" and endpoint.write is None:
            raise ValueError(f"{endpoint.name}: `format: {settings.format}` needs the mappings")

    async def deliver(self, claimed: Claimed, before_send: Callable[[], Awaitable[None]]) -> Receipt:
        """Write the documents of one message. Raises DeliveryFailed: SAFE for the disk, NEVER for content that contradicts a folder there."""
        make = {"index": self._drops, "hprim": self._letters, "exchange": self._exchange}[self._settings.format]
        prepared = await asyncio.to_thread(make, claimed)
        await before_send()
        try:
            return await asyncio.to_thread(self._put_all, prepared, claimed)
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, type(error).__name__)
            issue = Issue.of(Severity.ERROR, IssueCode.UNREACHABLE, what=f"{self._name}, {reason}")
            raise DeliveryFailed(Retry.SAFE, issue) from error

    async def close(self) -> None:
        """Nothing is kept open."""

    def _drops(self, claimed: Claimed) -> tuple[Drop, ...]:
        settings = self._settings
        return drops(
            claimed.raw,
            claimed.exchange,
            control_id=claimed.control_id,
            type=claimed.type,
            body=settings.body,
            message=settings.message,
            table=settings.csv,
        )

    def _letters(self, claimed: Claimed) -> tuple[Drop, ...]:
        """A letter for each document, or one for results alone; what a letter names comes before it. Raises DeliveryFailed (NEVER, for a person)."""
        exchange = claimed.exchange
        if exchange is None or not (exchange.documents or exchange.reports):
            raise _refused(Issue.of(Severity.ERROR, IssueCode.DOCUMENT_MISSING, "documents"))
        made = []
        for number, document in enumerate(exchange.documents, 1):
            operation = operation_of(exchange, document)
            beside = attachment(document, operation)
            letter = self._written(claimed, msgspec.structs.replace(exchange, documents=(document,)), "hprim")
            name = stem(document, operation)
            files = ((beside.name, beside.data),) if beside is not None else ()
            made.append(Drop(name=name, files=(*files, (f"{name}.hpr", letter)), fingerprint="", number=number))
        if not made:
            letter, name = self._written(claimed, exchange, "hprim"), hashlib.sha256(claimed.raw).hexdigest()[:16]
            made.append(Drop(name=name, files=((f"{name}.hpr", letter),), fingerprint="", number=0))
        return tuple(made)

    def _exchange(self, claimed: Claimed) -> tuple[Drop, ...]:
        """The exchange as one file; another version of it has another name. Raises DeliveryFailed (NEVER, for a person)."""
        if claimed.exchange is None:
            raise _refused(Issue.of(Severity.ERROR, IssueCode.DOCUMENT_MISSING))
        made = self._written(claimed, claimed.exchange, "exchange")
        digest = hashlib.sha256(made).hexdigest()
        name = f"{safe_name('exchange', claimed.exchange.id or claimed.control_id or digest[:16], digest[:12])}.json"
        return (Drop(name=name, files=((name, made),), fingerprint=digest, number=0),)

    def _written(self, claimed: Claimed, exchange: Exchange, form: str) -> bytes:
        assert self._write is not None  # noqa: S101 - asked for when it was built
        written = self._write(msgspec.structs.replace(claimed, exchange=exchange), form)
        if written.value is None or not written.accepted:
            raise _refused(next(issue for issue in written.issues if issue.severity >= Severity.ERROR))
        return written.value

    def _put_all(self, prepared: tuple[Drop, ...], claimed: Claimed) -> Receipt:
        self._root.mkdir(parents=True, exist_ok=True)
        flat = self._settings.format != "index"
        put = self._put_files if flat else self._put
        there = [drop for drop in prepared if not put(drop, claimed.delivery_id)]
        issues = tuple(
            Issue.of(Severity.INFORMATION, IssueCode.ALREADY_DELIVERED, f"documents[{drop.number}]") for drop in there
        )
        paths = "\n".join(str(self._root / (drop.files[-1][0] if flat else drop.name)) for drop in prepared)
        return Receipt(reference=paths, answer=b"already there" if there else b"written", issues=issues)

    def _put(self, drop: Drop, delivery_id: int) -> bool:
        """Write one folder; False when the same one is already there."""
        final = self._root / drop.name
        if _taken(final):
            return self._compare(final, drop)
        temporary = self._root / f".{drop.name[:80]}.{delivery_id}.part"
        shutil.rmtree(temporary, ignore_errors=True)  # ours, of an attempt that a crash cut short
        temporary.mkdir(mode=0o700)
        try:
            for name, content in drop.files:
                _write(temporary / name, content, self._mode)
            temporary.chmod(self._mode | (self._mode & 0o444) >> 2)
            _sync(temporary)
            temporary.rename(final)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR) and _taken(final):
                return self._compare(final, drop)
            raise
        _sync(self._root)
        return True

    def _put_files(self, drop: Drop, delivery_id: int) -> bool:
        """Write files beside each other, each whole under its name at once; False when all are already there. Raises DeliveryFailed."""
        fresh = False
        for name, content in drop.files:
            temporary = self._root / f".{name}.{delivery_id}.part"
            temporary.unlink(missing_ok=True)  # ours, of an attempt that a crash cut short
            _write(temporary, content, self._mode)
            try:
                fresh = _named(temporary, self._root / name) or fresh
            except FileExistsError:
                if not _holds(self._root / name, content):
                    issue = Issue.of(Severity.ERROR, IssueCode.NAME_TAKEN, f"documents[{drop.number}]", what=self._name)
                    raise _refused(issue) from None
            finally:
                temporary.unlink(missing_ok=True)
        _sync(self._root)
        return fresh

    def _compare(self, final: Path, drop: Drop) -> bool:
        """False when the folder there holds what would be written. Raises DeliveryFailed (NEVER, for a person) otherwise."""
        if not final.is_symlink() and final.is_dir() and _fingerprint(final / "index.json") == drop.fingerprint:
            return False
        issue = Issue.of(Severity.ERROR, IssueCode.NAME_TAKEN, f"documents[{drop.number}]", what=self._name)
        raise _refused(issue)


def _refused(issue: Issue) -> DeliveryFailed:
    return DeliveryFailed(Retry.NEVER, issue, park=True)


def _named(temporary: Path, final: Path) -> bool:
    """Give a file its name, never over another one (FileExistsError)."""
    try:
        os.link(temporary, final, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        if _taken(final):  # a share without hard links: nobody but us writes here under such names
            raise FileExistsError(errno.EEXIST, "taken") from None
        temporary.rename(final)
    return True


def _holds(path: Path, content: bytes) -> bool:
    return not path.is_symlink() and path.is_file() and path.read_bytes() == content


def _taken(path: Path) -> bool:
    return os.path.lexists(path)


def _fingerprint(index: Path) -> str:
    try:
        found: dict[str, Any] = msgspec.json.decode(index.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return ""
    return str(found.get("fingerprint", ""))


def _write(path: Path, content: bytes, mode: int) -> None:
    """A new file, durable when this returns; an existing one is an error (O_EXCL), a symbolic link is never followed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


KIND = EndpointKind(
    name="folder_out",
    direction="out",
    title=("Dossier pour le logiciel métier", "Folder for the business software"),
    settings=FolderOutSettings,
    build=FolderOut,
)
