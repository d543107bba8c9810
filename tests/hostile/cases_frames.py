"""A. MLLP framing and TCP."""

from __future__ import annotations

import asyncio
from pathlib import Path

from connector.endpoints.tls import ClientTls, ServerTls, client_context
from connector.hl7.acknowledge import read_ack
from connector.hl7.mllp import frame
from tests.hostile.harness import CANARY, Connector, accepted, adt, case, refused
from tests.waiting import time_passes, until

CERTIFICATES = Path(__file__).resolve().parents[1] / "unit" / "endpoints" / "certificates"


@case("A01", "text in front of VT is dropped and counted; the third time the connection is closed")
async def a01(c: Connector) -> None:
    peer = await c.connect()
    for number in ("1", "2"):
        peer.send(CANARY.encode() + frame(adt(number)))
        accepted(read_ack(await peer.answer()), number)
    peer.send(CANARY.encode() + frame(adt("3")))
    assert await peer.closed() == b""
    assert [kept.control_id for kept in c.kept()] == ["1", "2"]
    assert c.receiver.counts["stray"] == 3


@case("A02", "FS without CR waits, then closes, without an answer", frame_timeout=20)
async def a02(c: Connector) -> None:
    peer = await c.connect()
    peer.send(b"\x0b" + adt() + b"\x1c")
    await until(lambda: c.held() == len(adt()))
    time_passes(21)
    assert await peer.closed() == b""
    (kept,) = await c.settled(1)
    assert (kept.state, kept.codes, kept.raw) == ("parked", ("FRAME_BROKEN",), adt())
    accepted((await c.say(adt()))[0], "1")  # the same MSH-10, whole this time


@case("A02", "FS alone ends a message when the setting says so", require_cr=False)
async def a02_option(c: Connector) -> None:
    peer = await c.connect()
    peer.send(b"\x0b" + adt() + b"\x1c")
    accepted(read_ack(await peer.answer()), "1")


@case("A03", "FS and CR in two segments are one message")
async def a03(c: Connector) -> None:
    peer = await c.connect()
    peer.send(frame(adt())[:-1])
    await until(lambda: c.held() == len(adt()))
    assert c.kept() == []
    peer.send(b"\r")
    accepted(read_ack(await peer.answer()), "1")
    assert len(c.kept()) == 1


@case("A04", "three frames in one segment: three messages, three answers, in order")
async def a04(c: Connector) -> None:
    for ack, number in zip(await c.say(adt("1"), adt("2"), adt("3")), "123", strict=True):
        accepted(ack, number)
    assert [kept.control_id for kept in c.kept()] == ["1", "2", "3"]


@case("A05", "a frame byte by byte is closed after the total time", frame_timeout=10_000)
async def a05(c: Connector) -> None:
    peer = await c.connect()
    peer.send(b"\x0b")
    for count, byte in enumerate(adt()[:20], 1):
        peer.send(bytes([byte]))
        await until(lambda count=count: c.held() == count)
        assert not c.receiver.counts["frame timeout"]
        time_passes(501)  # each byte would restart a timer of single reads
    assert await peer.closed() == b""
    assert c.receiver.counts["frame timeout"] == 1
    assert c.receiver.counts["messages"] == 1  # what was read is kept for a person, and nothing answered
    (kept,) = await c.settled(1)
    assert (kept.state, kept.codes) == ("parked", ("FRAME_BROKEN",))


@case("A06", "VT inside a frame: the first part is kept as broken, the second handled")
async def a06(c: Connector) -> None:
    peer = await c.connect()
    peer.send(b"\x0b" + adt("1")[:100] + frame(adt("2")))
    accepted(read_ack(await peer.answer()), "2")
    broken, good = c.kept()
    assert (broken.state, broken.codes, broken.raw) == ("parked", ("FRAME_BROKEN",), adt("1")[:100])
    assert (good.state, good.control_id) == ("translated", "2")
    accepted((await c.say(adt("1")))[0], "1")


@case("A07", "FS inside data: refused AR, the rest is not a message, and the whole message may come again")
async def a07(c: Connector) -> None:
    peer = await c.connect()
    peer.send(frame(adt("1", more="OBX|1|TX|x||a\x1cMSH|^~\\&|b\r")) + frame(adt("2")))
    ack = read_ack(await peer.answer())
    refused(ack, "AR", "207")
    assert "FS in data" in ack.errors[0].text
    accepted(read_ack(await peer.answer()), "2")
    assert [kept.codes for kept in c.kept()] == [("FRAME_FS_IN_DATA",), ()]
    accepted((await c.say(adt("1")))[0], "1")


@case("A08", "a frame beyond the limit is refused while it is read", max_message=100_000)
async def a08(c: Connector) -> None:
    peer = await c.connect()
    peer.send(b"\x0b" + adt("1", more="NTE|1||"))
    for _ in range(60):
        peer.send(b"x" * 50_000)
    refused(read_ack(await peer.answer()), "AR", "207")
    assert await peer.closed() == b""
    (kept,) = c.kept()
    assert (kept.state, kept.codes) == ("parked", ("FRAME_TOO_LARGE",))
    assert len(kept.raw) <= 4096


@case("A09", "exactly the limit is accepted, one byte more refused", max_message=50_000)
async def a09(c: Connector) -> None:
    start = adt("1", more="NTE|1||")
    (ack,) = await c.say(start + b"x" * (50_000 - len(start)))
    accepted(ack, "1")
    start = adt("2", more="NTE|1||")
    (ack,) = await c.say(start + b"x" * (50_001 - len(start)))
    refused(ack, "AR", "207")


@case("A10", "an empty frame is ignored and counted")
async def a10(c: Connector) -> None:
    assert await c.silent(frame(b"")) == b""
    assert (c.receiver.counts["empty"], c.kept()) == (1, [])


@case("A11", "a frame of spaces is ignored and counted")
async def a11(c: Connector) -> None:
    assert await c.silent(frame(b"  \r ")) == b""
    assert (c.receiver.counts["empty"], c.kept()) == (1, [])


@case("A12", "connections without data are capped and the partner still connects", max_connections_per_address=20)
async def a12(c: Connector) -> None:
    crowd = [await c.connect() for _ in range(40)]
    assert c.receiver.counts["refused connections"] == 20
    partner = await c.connect(local_addr=("127.0.0.2", 0))
    partner.send(frame(adt("partner")))
    accepted(read_ack(await partner.answer()), "partner")
    for peer in crowd:
        peer.writer.transport.abort()
    await until(lambda: len(c.receiver._connections) == 1)


@case("A13", "TLS, HTTP and PROXY on a clear port are closed and named in the log")
async def a13(c: Connector) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01",
        f"GET /{CANARY} HTTP/1.1\r\n\r\n".encode(),
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    ):
        peer = await c.connect()
        peer.send(data)
        assert await peer.closed() == b""
    assert c.receiver.counts["foreign"] == 3
    assert c.kept() == []


@case("A14", "a peer that vanished frees its socket after the idle time", idle_timeout=20)
async def a14(c: Connector) -> None:
    peer = await c.connect()
    peer.send(frame(adt("1")))
    accepted(read_ack(await peer.answer()), "1")
    time_passes(21)
    assert await peer.closed() == b""
    assert c.receiver.counts["idle timeout"] == 1


@case("A15", "a sender that closes before its answer: kept, and the resent message gets the stored answer")
async def a15(c: Connector) -> None:
    peer = await c.connect()
    peer.send(frame(adt("1")))
    peer.writer.close()
    (kept,) = await c.settled(1)
    assert kept.state == "translated"
    (ack,) = await c.say(adt("1"))
    accepted(ack, "1")
    assert len(c.kept()) == 1


@case(
    "A15",
    "the journal knows that the answer was not heard",
)
async def a15_untold(c: Connector) -> None:
    peer = await c.connect()
    peer.send(frame(adt("1")))
    peer.writer.close()
    await c.settled(1)
    await until(lambda: c.kept()[0].answer != "pending")
    assert c.kept()[0].answer == "untold"


@case(
    "A16",
    "only the certificate of the partner is admitted",
    tls=ServerTls(
        certificate=CERTIFICATES / "server.pem",
        key=CERTIFICATES / "server.pem",
        authorities=CERTIFICATES / "authority.pem",
        names=("laboratory",),
        revocation=CERTIFICATES / "revocation.pem",
    ),
)
async def a16(c: Connector) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    for name in (None, "foreign", "expired", "revoked", "stranger"):
        path = CERTIFICATES / f"{name}.pem" if name else None
        context = client_context(ClientTls(authorities=CERTIFICATES / "authority.pem", certificate=path, key=path))
        try:
            peer = await c.connect(ssl=context, server_hostname="localhost")
            peer.send(frame(adt(str(name))))
            assert await peer.closed() == b"", name
        except OSError:
            continue
    assert c.kept() == []


@case("A17", "an address outside the allow-list is closed before anything is read", allow="127.0.0.9, 127.0.0.1")
async def a17(c: Connector) -> None:
    peer = await c.connect(local_addr=("127.0.0.2", 0))
    peer.send(frame(adt("1")))
    assert await peer.closed() == b""
    assert c.kept() == []
