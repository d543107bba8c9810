"""The whole way in, as the connector is wired: MLLP receiver, reception, judge with the shipped mappings, journal on a disk. No network but loopback.

A case is an async function over `Connector`; `REGISTRY` holds them by the number of the list of hostile inputs. Around each case
`test_inputs.py` asserts what holds for all: no name of a patient in any log, nothing of ours failed, and a good message is accepted after it.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from connector import terminology
from connector.demo.message import demo_document, demo_message
from connector.endpoints import Endpoint
from connector.endpoints.mllp_in import MllpIn, MllpInSettings
from connector.engine.clock import SystemClock
from connector.engine.intake import Reception
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment
from connector.hl7.acknowledge import Ack, read_ack
from connector.hl7.codec import ParseOptions
from connector.hl7.mllp import frame
from connector.issues import Severity
from connector.mapping.catalogue import load_library
from connector.pipeline.formats import SHAPES
from connector.pipeline.judge import Desk, DeskSettings
from connector.pipeline.route import Route
from connector.pipeline.translate import Translator
from connector.store.journal import SqlJournal
from tests.unit.endpoints.mllp_peers import Peer
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
CANARY = "CANARI"
NOW = Moment("2026-03-04T05:06:07+01:00")


@cache
def translator() -> Translator:
    """The shipped mappings and tables, compiled once."""
    tables = terminology.load({path.name: path.read_text("utf-8") for path in (ROOT / "terminology").glob("*.csv")})
    files = {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for path in sorted((ROOT / "mappings").rglob("*.yaml"))
    }
    return Translator(load_library(files, SHAPES, tables))


@cache
def _tables() -> Any:
    return terminology.load({path.name: path.read_text("utf-8") for path in (ROOT / "terminology").glob("*.csv")})


def context_at(now: str) -> Context:
    """The site's Context: a test environment."""
    return Context(now=Moment(now), table=_tables().table, systems=_tables().systems)


# --- messages


def adt(control_id: str = "1", **parts: str) -> bytes:
    """A good ADT^A01. `msh2`, `type`, `version`, `charset`, `accept`, `application`, `pid` (PID-5 to PID-8), `more` (segments) replace its parts."""
    given = {
        "msh2": "^~\\&",
        "type": "ADT^A01^ADT_A01",
        "version": "2.5^FRA^2.11",
        "charset": "UNICODE UTF-8",
        "accept": "",
        "application": "",
        "pid": f"{CANARY}^JEANNE^JEANNE^^^^L||19790328|F",
        "more": "",
    } | parts
    lines = [
        "MSH|{msh2}|SIL|LABO|PFI|CHU|20260304050607||{type}|{id}|T|{version}|||{accept}|{application}|FRA|{charset}|||2.11^IHE_FRANCE-2.11-PAM",
        "EVN||20260304050607||||20260304050607",
        "PID|||279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||{pid}|||^^^^^^BDL^^63220|||||||||||||||||||||VALI",
        "PV1||I|MED||||||||||||||||SEJOUR-7^^^CH&1.2.250.1.213.1.4.10.9.3&ISO^VN",
    ]
    text = "\r".join(line.format_map(given | {"id": control_id}) for line in lines) + "\r" + given["more"]
    return text.encode()


def cda(document_id: str = "1.2.250.1.213.1.4.10.9.7.1") -> bytes:
    """A good CDA of the same patient as `mdm`."""
    return demo_document(NOW, document_id).replace(b"PAT-TROIS", CANARY.encode())


def mdm(
    control_id: str = "1",
    *,
    document_id: str = "1.2.250.1.213.1.4.10.9.7.1",
    content: bytes | None = None,
    wire: bytes | None = None,
) -> bytes:
    """A good MDM^T02 of the volet; `content` replaces its document, `wire` what stands in OBX-5.5."""
    message = demo_message(NOW, control_id, document_id).replace(b"PAT-TROIS", CANARY.encode())
    before, _, rest = message.partition(b"^text^XML^Base64^")
    _, _, after = rest.partition(b"|")
    encoded = base64.b64encode(cda(document_id) if content is None else content) if wire is None else wire
    return before + b"^text^XML^Base64^" + encoded + b"|" + after


def oru(control_id: str = "1", *contents: tuple[str, bytes]) -> bytes:
    """An ORU^R01 of the volet with these documents, each with its id."""
    segments = mdm(control_id).decode().split("\r")
    document = next(segment for segment in segments if segment.startswith("OBX|1|"))
    head, _, rest = document.partition("^text^XML^Base64^")
    _, _, tail = rest.partition("|")
    documents = [
        f"OBX|{number}{head[5:]}^TEXT^XML^Base64^{base64.b64encode(content).decode()}|{tail}"
        for number, (_, content) in enumerate(contents, 1)
    ]
    written: list[str] = []
    for segment in segments:
        if segment.startswith("OBX|1|"):
            written += documents
        elif segment.startswith("OBX|"):
            number, rest = segment[4:].split("|", 1)
            written.append(f"OBX|{int(number) + len(documents) - 1}|{rest.replace('CWE', 'CE', 1)}")
        elif not segment.startswith(("EVN", "TXA")):
            written.append(segment)
    text = "\r".join(written).replace("MDM^T02^MDM_T02", "ORU^R01^ORU_R01", 1).replace("|2.6|", "|2.5|", 1)
    return text.encode()


def edited(message: bytes, *changes: tuple[str, str]) -> bytes:
    """Each text replaced once; a text that is not there is a mistake of the case."""
    for old, new in changes:
        assert old.encode() in message, old
        message = message.replace(old.encode(), new.encode(), 1)
    return message


# --- the connector


class Kept(NamedTuple):
    """One message as the journal has it."""

    state: str
    control_id: str
    answer: str
    codes: tuple[str, ...]
    remarks: tuple[str, ...]
    places: tuple[str, ...]
    deliveries: int
    raw: bytes
    answers: tuple[bytes, ...]
    exchange: Exchange | None
    duplicate_of: int | None


class ShiftedClock(SystemClock):
    """The time, `days` later."""

    days = 0.0

    def now(self) -> str:
        """ISO with zone."""
        return (datetime.fromisoformat(super().now()) + timedelta(days=self.days)).isoformat(timespec="milliseconds")

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return super().monotonic() + self.days * 86_400


class Connector:
    """The running connector of one case."""

    def __init__(self, receiver: MllpIn, reception: Reception, journal: SqlJournal, clock: ShiftedClock) -> None:
        self.clock = clock
        self.receiver = receiver
        self.reception = reception
        self.journal = journal
        self.excused = False  # a case that breaks our own parts on purpose says so
        self._peers: list[Peer] = []

    async def connect(self, **options: Any) -> Peer:
        """A sender."""
        peer = await Peer.to(self.receiver, **options)
        self._peers.append(peer)
        return peer

    async def say(self, *messages: bytes) -> list[Ack]:
        """Send each in a frame on one connection; the answers in order. Fails when one is missing."""
        peer = await self.connect()
        peer.send(b"".join(map(frame, messages)))
        return [read_ack(await peer.answer()) for _ in messages]

    def held(self) -> int:
        """Bytes of the message that a sender has begun; -1 without a sender."""
        return max([connection._decoder.held for connection in self.receiver._connections], default=-1)

    async def silent(self, data: bytes) -> bytes:
        """Send bytes as they are and nothing more: once everything owed is answered the receiver closes. Returns what was answered."""
        peer = await self.connect()
        peer.send(data)
        peer.writer.write_eof()
        return await peer.closed()

    def kept(self) -> list[Kept]:
        """All messages, the oldest first."""
        found = []
        for row in reversed(self.journal.search.list_messages()):
            shown = self.journal.search.show(row.id)
            assert shown is not None
            serious = [issue for issue in shown.issues if issue.severity >= Severity.WARNING]
            body = self.journal.search.body(row.id)
            found.append(
                Kept(
                    row.state,
                    row.control_id,
                    row.answer,
                    tuple(issue.code for issue in serious),
                    tuple(issue.code for issue in shown.issues if issue.severity is Severity.INFORMATION),
                    tuple(issue.place.path for issue in serious),
                    len(shown.legs),
                    body.raw if body is not None else b"",
                    shown.answers,
                    body.exchange if body is not None else None,
                    row.possible_duplicate_of,
                )
            )
        return found

    async def settled(self, count: int) -> list[Kept]:
        """Wait until the journal holds so many messages."""
        return await until(lambda: found if len(found := self.kept()) >= count else None)

    async def leave(self) -> None:
        """Close the senders."""
        for peer in self._peers:
            peer.writer.transport.abort()


@asynccontextmanager
async def connector(
    folder: Path, *, parse: dict[str, ParseOptions] | None = None, defer_above: int = 5_000_000, **settings: Any
) -> AsyncIterator[Connector]:
    """The connector on a free port, its journal in `folder`, everything routed to one destination that nobody serves."""
    clock = ShiftedClock()
    desk = Desk(
        translator(),
        context_at,
        DeskSettings(routes=(Route(to=("dpi",)),), language="en", parse_options=parse or {}, defer_above=defer_above),
    )
    journal = SqlJournal(f"sqlite:///{folder / 'journal.db'}", clock=clock)
    await journal.start()
    reception = Reception(journal, desk, clock)
    receiver = MllpIn(MllpInSettings(port=0, **settings), Endpoint(name="lab", clock=clock))
    await receiver.start(reception)
    running = Connector(receiver, reception, journal, clock)
    try:
        yield running
    finally:
        await running.leave()
        await receiver.stop()
        await reception.stop()
        await journal.stop()


# --- the cases


class Case(NamedTuple):
    """One number of the list: what it is, what is done, the settings of the connector it is done to, and what is still missing for it."""

    number: str
    title: str
    run: Callable[[Connector], Awaitable[None]]
    settings: dict[str, Any]
    pending: str = ""


REGISTRY: dict[str, list[Case]] = {}


def case(
    number: str, title: str, *, pending: str = "", **settings: Any
) -> Callable[[Callable[[Connector], Awaitable[None]]], Any]:
    """Register a case of the list under its number. `pending` says what keeps it from holding: it must then fail, until it holds."""

    def register(run: Callable[[Connector], Awaitable[None]]) -> Any:
        REGISTRY.setdefault(number, []).append(Case(number, title, run, settings, pending))
        return run

    return register


def refused(ack: Ack, code: str, condition: str | None = None) -> None:
    """The answer is this refusal."""
    assert ack.code == code, (ack.code, ack.errors)
    if condition is not None:
        assert condition in [error.condition for error in ack.errors], ack.errors


def accepted(ack: Ack, control_id: str) -> None:
    """The answer is AA for this message."""
    assert (ack.code, ack.control_id) == ("AA", control_id), (ack.code, ack.control_id, ack.errors)
