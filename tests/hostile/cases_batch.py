"""E. Batches and size. (E04, a file still being written, is met where folders are read: see ELSEWHERE in test_inputs.)"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from connector.hl7.acknowledge import read_ack
from connector.hl7.batch import BatchReader, batch_answer, read_batch
from connector.hl7.mllp import frame
from connector.ports import Inbound
from tests.hostile.harness import NOW, Connector, accepted, adt, case, cda, context_at, edited, mdm, oru

FHS = b"FHS|^~\\&|SIL|LABO|PFI|CHU|20260304||f.hl7||F1\r"
BHS = b"BHS|^~\\&|SIL|LABO|PFI|CHU|20260304||||B1\r"


async def take(c: Connector, data: bytes) -> tuple[list[str], bytes]:
    """Give each message of a file to the reception, as a folder endpoint does; the codes answered and the answer to the batch."""
    reader = BatchReader()
    answers: list[bytes] = []
    chunks = (data[start : start + 97] for start in range(0, len(data), 97))
    for message in read_batch(chunks, reader):
        issues = (message.issue,) if message.issue else ()
        inbound = Inbound(raw=message.raw, endpoint="file", remote="f.hl7", received_at=NOW, issues=issues)
        answers += (await c.reception(inbound)).messages
    whole = b"".join(batch_answer(reader, answers, context_at(NOW), language="en"))
    return [read_ack(answer).code for answer in answers], whole


@case(
    "E01",
    "wrong counts, missing trailers, nested and doubled headers: every message is handled and the answer says what is wrong",
)
async def e01(c: Connector) -> None:
    files = (
        FHS + BHS + adt("1") + adt("2") + b"BTS|7\rFTS|1\r",
        FHS + BHS + adt("3"),
        FHS + FHS + BHS + adt("4") + b"BTS|1\rFTS|1\r",
        BHS + adt("5") + BHS + adt("6") + b"BTS|1\r",
        adt("7") + adt("8"),
    )
    for number, data in enumerate(files):
        codes, whole = await take(c, data)
        assert set(codes) == {"AA"}
        if number == 0:
            assert b"BTS|2|count announced in BTS-1 differs" in whole
        elif number < 4:
            assert b"batch structure" in whole
    codes, whole = await take(c, FHS + BHS + b"BTS|0\rFTS|1\r")
    assert codes == []
    assert whole.count(b"\r") == 4
    assert [kept.control_id for kept in c.kept()] == list("12345678")


@case("E02", "a bad message in the middle is refused, the others are delivered, and the answer lists it")
async def e02(c: Connector) -> None:
    bad = edited(adt("2"), ("PID|", "pid|"))
    codes, whole = await take(c, FHS + BHS + adt("1") + bad + adt("3") + b"BTS|3\rFTS|1\r")
    assert codes[0] == codes[2] == "AA"
    assert codes[1] in ("AE", "AR")
    assert b"|2\rERR" in whole
    assert [kept.deliveries for kept in c.kept()] == [1, 0, 1]


@case("E03", "a batch of any size is read in the memory of one message")
async def e03(_c: Connector) -> None:
    reader = BatchReader()
    block = adt("1") * 200

    def chunks() -> Iterator[bytes]:
        for _ in range(300):
            yield block
            assert len(reader._buffer) < 2 * len(block)

    assert sum(1 for _ in read_batch(chunks(), reader)) == 60_000
    assert len(reader._buffer) == 0


@case("E05", "an ORU of 800 kB with two CDA is two documents, byte for byte")
async def e05(c: Connector) -> None:
    contents = []
    for number in (1, 2):
        document_id = f"1.2.250.1.213.1.4.10.9.7.{number}"
        padding = b"<!--" + b"-x" * 150_000 + b"x-->"
        contents.append(
            (
                document_id,
                cda(document_id).replace(b"<recordTarget>", padding.replace(b"--x", b"-x") + b"<recordTarget>", 1),
            )
        )
    message = oru("1", *contents)
    assert len(message) > 800_000
    (ack,) = await c.say(message)
    accepted(ack, "1")
    exchange = c.kept()[0].exchange
    assert exchange is not None
    found = [document.content.data for document in exchange.documents if document.content is not None]
    assert [hashlib.sha256(data or b"").digest() for data in found] == [
        hashlib.sha256(data).digest() for _, data in contents
    ]


@case("E06", "large documents on many connections at once stay within the budget of memory", memory=10_000_000)
async def e06(c: Connector) -> None:
    held: list[int] = []
    peers = []
    for number in range(6):
        document_id = f"1.2.250.1.213.1.4.10.9.8.{number}"
        content = cda(document_id).replace(b"</text>", b"A" * 3_000_000 + b"</text>", 1)
        peer = await c.connect()
        peer.send(frame(mdm(str(number), document_id=document_id, content=content)))
        peers.append(peer)
    budget = next(iter(c.receiver._connections))._floor.budget
    take_change = budget.may_read
    budget.may_read = lambda reader, change: (held.append(budget.held + change), take_change(reader, change))[1]  # type: ignore[method-assign]
    for number, peer in enumerate(peers):
        assert read_ack(await peer.answer(20)).control_id == str(number)
    largest = len(mdm("x", content=content))
    assert max(held) < 10_000_000 + largest + 6 * 262_144
    assert budget.held == 0
