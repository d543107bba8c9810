"""D. Acknowledgements, identity of messages, duplicates."""

from __future__ import annotations

import asyncio

import pytest

from connector.hl7.acknowledge import read_ack
from connector.hl7.mllp import frame
from connector.ports import DeliveryFailed, Retry
from tests.hostile.harness import CANARY, Connector, accepted, adt, case, edited, mdm, refused
from tests.unit.endpoints.mllp_peers import Script, claimed, delivering, nothing, unanswered
from tests.waiting import until


def answer_to(control_id: str, code: str = "AA", more: str = "", codec: str = "utf-8", charset: str = "") -> bytes:
    """An answer of a partner."""
    return f"MSH|^~\\&|PFI|CHU|SIL|LABO|20260304||ACK^A01^ACK|9|T|2.5||||||{charset}\rMSA|{code}|{control_id}\r{more}".encode(
        codec
    )


def saying(*answers: bytes) -> Script:
    """A partner that answers so to everything."""

    async def answer(_raw: bytes, script: Script) -> None:
        for part in answers:
            script.write(part)

    return Script(answer)


async def failure(sender: object, raw: bytes) -> DeliveryFailed:
    """The failure of a delivery."""
    with pytest.raises(DeliveryFailed) as failed:
        await sender.deliver(claimed(raw), nothing)  # type: ignore[attr-defined]
    return failed.value


@case("D01", "an acknowledgement of another message is kept; the current one stays unknown")
async def d01(_c: Connector) -> None:
    async with delivering(saying(frame(answer_to("other")))) as (sender, kept):
        assert (await unanswered(sender, adt("1"), lambda: kept)).retry is Retry.AMBIGUOUS
        assert kept == [answer_to("other")]


@case("D02", "a late acknowledgement after the message was sent again: both kept, one delivery")
async def d02(_c: Connector) -> None:
    late = asyncio.Event()

    async def slowly(raw: bytes, script: Script) -> None:
        writer = script.writer
        if len(script.taken) == 1:
            await late.wait()
        writer.write(frame(answer_to("1")))

    script = Script(slowly)
    async with delivering(script, connections=2) as (sender, kept):
        assert (await unanswered(sender, adt("1"), lambda: script.taken)).retry is Retry.AMBIGUOUS
        assert (await sender.deliver(claimed(adt("1")), nothing)).reference == "AA"
        late.set()
        await until(lambda: kept)
        assert kept == [answer_to("1")]


@case("D03", "two acknowledgements of one message: the second is counted and changes nothing")
async def d03(_c: Connector) -> None:
    async with delivering(saying(frame(answer_to("1")) + frame(answer_to("1", "AE")))) as (sender, kept):
        assert (await sender.deliver(claimed(adt("1")), nothing)).reference == "AA"
        await until(lambda: kept)
        assert kept == [answer_to("1", "AE")]


@case("D04", "codes are judged by the partner's table: AR and CR again, AE and CE for a person")
async def d04(_c: Connector) -> None:
    for code, retry, park in (
        ("AE", Retry.NEVER, True),
        ("CE", Retry.NEVER, True),
        ("AR", Retry.SAFE, False),
        ("CR", Retry.SAFE, False),
    ):
        async with delivering(saying(frame(answer_to("1", code)))) as (sender, _):
            failed = await failure(sender, adt("1"))
            assert (failed.retry, failed.park) == (retry, park)
    async with delivering(saying(frame(answer_to("1", "AE"))), answers={"AE": "retry"}) as (sender, _):
        assert (await failure(sender, adt("1"))).retry is Retry.SAFE
    async with delivering(saying(frame(answer_to("1", "CA"))), await_application=True) as (sender, _):
        failed = await unanswered(sender, adt("1"), lambda: any(line._commit for line in sender._lines))
        assert failed.retry is Retry.AMBIGUOUS


@case("D05", "an answer that is none is unknown, never success")
async def d05(_c: Connector) -> None:
    for answer in (
        b"MSA|AA|1\r",
        answer_to("1", "aa"),
        answer_to("1", "OK"),
        b"",
        f"<html>{CANARY}</html>".encode(),
        answer_to("1").split(b"MSA")[0],
    ):
        async with delivering(saying(frame(answer))) as (sender, _):
            failed = await failure(sender, adt("1"))
            assert (failed.retry, failed.issue.code) == (Retry.AMBIGUOUS, "ANSWER_UNREADABLE")


@case("D06", "an answer of more than 1 MB, or without end, is bounded and unknown")
async def d06(_c: Connector) -> None:
    async with delivering(saying(frame(answer_to("1") + b"x" * 1_100_000))) as (sender, _):
        failed = await failure(sender, adt("1"))
        assert (failed.retry, failed.issue.code) == (Retry.AMBIGUOUS, "ANSWER_UNREADABLE")
    async with delivering(saying(b"\x0b" + answer_to("1"))) as (sender, _):
        failed = await unanswered(sender, adt("1"), lambda: any(line._decoder.held for line in sender._lines))
        assert failed.retry is Retry.AMBIGUOUS


@case("D07", "an answer in 8859/15 with accents is decoded and can be shown")
async def d07(_c: Connector) -> None:
    answer = answer_to(
        "1", "AE", "ERR||PID^1^3|207^x^HL70357|E|902|||Identifiant refusé à 3 €\r", "iso8859-15", "8859/15"
    )
    async with delivering(saying(frame(answer))) as (sender, _):
        failed = await failure(sender, adt("1"))
    assert read_ack(failed.answer).errors[0].text == "Identifiant refusé à 3 €"


@case("D08", "the same message again gets the stored answer, and there is one delivery")
async def d08(c: Connector) -> None:
    peer = await c.connect()
    answers = []
    for _ in range(2):
        peer.send(frame(adt("1")))
        answers.append(await peer.answer())
    assert answers[0] == answers[1]
    (kept,) = c.kept()
    assert kept.deliveries == 1


@case("D09", "the same MSH-10 with other bytes is refused and never delivered")
async def d09(c: Connector) -> None:
    await c.say(adt("1"))
    (ack,) = await c.say(adt("1", more="NTE|1||other\r"))
    refused(ack, "AE", "205")
    first, second = c.kept()
    assert (first.state, first.deliveries) == ("translated", 1)
    assert (second.state, second.deliveries, second.codes) == ("refused", 0, ("DUPLICATE_CONTROL_ID",))


@case("D10", "the same document under another control id is seen as a duplicate")
async def d10(c: Connector) -> None:
    (first,) = await c.say(mdm("1"))
    accepted(first, "1")
    await c.say(mdm("2"))
    assert c.kept()[-1].duplicate_of is not None


@case("D11", "MSH-10 empty is rejected with 101, of 300 characters accepted and bounded")
async def d11(c: Connector) -> None:
    (ack,) = await c.say(adt(""))
    refused(ack, "AR", "101")
    long = "9" * 300
    (ack,) = await c.say(adt(long))
    accepted(ack, long)
    assert len(c.kept()[-1].control_id) <= 199


@case("D12", "a control id belongs to its sender and to its time")
async def d12(c: Connector) -> None:
    await c.say(adt("1"))
    (ack,) = await c.say(edited(adt("1"), ("|SIL|", "|RIS|")))
    accepted(ack, "1")
    c.clock.days = 400
    (ack,) = await c.say(adt("1", more="NTE|1||a year later\r"))
    accepted(ack, "1")
    assert [kept.deliveries for kept in c.kept()] == [1, 1, 1]


@case("D13", "exactly the acknowledgements of MSH-15 and MSH-16 are given")
async def d13(c: Connector) -> None:
    asked = (
        ("AL", "AL", ["CA", "AA"]),
        ("NE", "NE", []),
        ("ER", "", []),
        ("SU", "SU", ["CA", "AA"]),
        ("AL", "NE", ["CA"]),
        ("NE", "AL", ["AA"]),
    )
    for number, (accept, application, codes) in enumerate(asked):
        peer = await c.connect()
        peer.send(frame(adt(f"{number}a", accept=accept, application=application)) + frame(adt(f"{number}b")))
        given = [read_ack(await peer.answer()) for _ in range(len(codes) + 1)]
        assert [ack.code for ack in given] == [*codes, "AA"], (accept, application)
        assert [ack.control_id for ack in given] == [f"{number}a"] * len(codes) + [f"{number}b"]


ZAM = "MSH|^~\\&|PFI|CHU|SIL|LABO|20260304||ZAM^{event}^ZAM_Z01|{id}|T|2.6|||||FRA|UNICODE UTF-8|||2.1^CISIS_CDA_HL7_V2\rEVN||20260304\rOBX|1|CWE|{code}||15|N^^expandedYes-NoIndicator||||||F\rERR|||{condition}^x^messageErrorCondition|E|{error}\r"


@case("D14", "a ZAM with N is never taken for a success, whatever its condition says")
async def d14(c: Connector) -> None:
    (ack,) = await c.say(
        ZAM.format(
            event="Z01", id="1", code="ACK_RECEPTION_DMP", condition="0", error="DMPClosed^x^DMP_ERROR_CODE"
        ).encode()
    )
    refused(ack, "AR", "200")
    assert c.kept()[0].state == "refused"
    assert not read_ack(answer_to("1", "AE", "ERR|||0^Message accepted^HL70357|I\r")).accepted


@case("D15", "SMTP 252 in a ZAM neither proves nor denies a delivery")
async def d15(c: Connector) -> None:
    (ack,) = await c.say(
        ZAM.format(event="Z02", id="1", code="ACK_RECEPTION_MSS", condition="207", error="252^x^SMTPERRORCODE").encode()
    )
    refused(ack, "AR", "200")
    assert c.kept()[0].deliveries == 0
