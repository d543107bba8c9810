"""The MLLP sender against peers of every kind (part D of the list of hostile inputs)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from connector.endpoints import Endpoint
from connector.endpoints.mllp_out import MllpOut, MllpOutSettings
from connector.hl7.mllp import frame
from connector.issues import Issue, IssueCode, Outcome, Severity
from connector.ports import Claimed, DeliveryFailed, Retry
from tests.unit.endpoints.mllp_peers import (
    FixedClock,
    Script,
    ack,
    claimed,
    control_id_of,
    delivering,
    message,
    nothing,
    unanswered,
)
from tests.waiting import until

Answering = Callable[[bytes, Script], Awaitable[None]]


@pytest.fixture(autouse=True)
def no_content_in_logs(caplog: pytest.LogCaptureFixture) -> Any:
    """No test may leave a name in a log."""
    caplog.set_level(logging.DEBUG)
    yield
    assert "CANARI" not in caplog.text


async def accept(raw: bytes, script: Script) -> None:
    """AA."""
    script.write(frame(ack(control_id_of(raw))))


def saying(*answers: bytes) -> Answering:
    """These bytes, whatever the message."""

    async def answer(raw: bytes, script: Script) -> None:
        for part in answers:
            script.write(part)

    return answer


async def fails(sender: MllpOut, raw: bytes) -> DeliveryFailed:
    """The failure of a delivery."""
    with pytest.raises(DeliveryFailed) as failed:
        await sender.deliver(claimed(raw), nothing)
    assert "CANARI" not in str(failed.value)
    return failed.value


def test_the_bytes_go_out_unchanged_and_the_answer_comes_back() -> None:
    async def scene() -> None:
        script = Script(accept)
        async with delivering(script) as (sender, kept):
            stamped: list[str] = []

            async def before_send() -> None:
                stamped.append(f"{len(script.taken)} sent")

            for number in range(3):
                receipt = await sender.deliver(claimed(message(str(number))), before_send)
                assert (receipt.reference, receipt.sent, receipt.answer) == (
                    "AA",
                    message(str(number)),
                    ack(str(number)),
                )
            assert script.taken == [message(str(n)) for n in range(3)]
            assert stamped == ["0 sent", "1 sent", "2 sent"]
            assert script.accepted == 1
            assert kept == []

    asyncio.run(scene())


def test_messages_travel_in_parallel_up_to_the_number_of_connections() -> None:
    async def scene() -> None:
        gate = asyncio.Event()

        async def answer(raw: bytes, script: Script) -> None:
            writer = script.writer
            await gate.wait()
            writer.write(frame(ack(control_id_of(raw))))

        script = Script(answer)
        async with delivering(script, connections=3) as (sender, _):
            tasks = [asyncio.create_task(sender.deliver(claimed(message(str(n))), nothing)) for n in range(10)]
            await until(lambda: len(script.taken) == 3)
            await asyncio.sleep(0.05)
            assert len(script.taken) == script.accepted == 3
            gate.set()
            assert [(await task).reference for task in tasks] == ["AA"] * 10
            assert script.accepted == 3

    asyncio.run(scene())


def test_nothing_listens_is_safe_to_try_again() -> None:
    async def scene() -> None:
        server = await asyncio.start_server(Script(accept), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        sender = MllpOut(MllpOutSettings(host="127.0.0.1", port=port), Endpoint(name="pfi", clock=FixedClock()))
        failed = await fails(sender, message())
        assert (failed.retry, failed.issue.code, failed.park) == (Retry.SAFE, "UNREACHABLE", False)
        assert f"127.0.0.1:{port}" in failed.issue.params["what"]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("code", "retry", "park"),
    [("AE", Retry.NEVER, True), ("CE", Retry.NEVER, True), ("AR", Retry.SAFE, False), ("CR", Retry.SAFE, False)],
)
def test_d04_what_a_refusal_means_by_default(code: str, retry: Retry, park: bool) -> None:
    async def scene() -> None:
        answer = ack("1", code) + b"ERR||PID^1^3|204^x^HL70357|E|902^x|||Patient CANARI inconnu\r"
        async with delivering(Script(saying(frame(answer)))) as (sender, _):
            failed = await fails(sender, message())
            assert (failed.retry, failed.park, failed.issue.code) == (retry, park, "ANSWER_REFUSED")
            assert failed.issue.params["what"] == f"{code} 204 902"
            assert (failed.answer, failed.sent) == (answer, message())

    asyncio.run(scene())


def test_d04_a_partner_that_inverts_the_codes_has_its_own_table() -> None:
    async def scene() -> None:
        async with delivering(Script(saying(frame(ack("1", "AE")))), answers={"AE": "retry"}) as (sender, _):
            assert (await fails(sender, message())).retry is Retry.SAFE
        async with delivering(Script(saying(frame(ack("1", "AR")))), answers={"AR": "accepted"}) as (sender, _):
            assert (await sender.deliver(claimed(message()), nothing)).reference == "AR"

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("answers", "settings", "outcome"),
    [
        ([ack("1", "CA")], {}, "CA"),
        ([ack("1", "CA"), ack("1", "AA")], {"await_application": True}, "AA"),
        ([ack("1", "CA"), ack("1", "AE")], {"await_application": True}, Retry.NEVER),
        ([ack("1", "AA")], {"await_application": True}, "AA"),
    ],
    ids=["CA alone", "CA then AA", "CA then AE", "AA without CA"],
)
def test_d04_commit_and_application_acknowledgements(
    answers: list[bytes], settings: dict[str, Any], outcome: object
) -> None:
    async def scene() -> None:
        async with delivering(Script(saying(*map(frame, answers))), **settings) as (sender, _):
            if isinstance(outcome, Retry):
                failed = await fails(sender, message())
                assert failed.retry is outcome
                assert failed.answer.startswith(answers[0])
            else:
                assert (await sender.deliver(claimed(message()), nothing)).reference == outcome

    asyncio.run(scene())


def test_d04_a_commit_acknowledgement_that_nothing_follows_is_not_enough() -> None:
    async def scene() -> None:
        answer = ack("1", "CA")
        async with delivering(Script(saying(frame(answer))), await_application=True) as (sender, _):
            failed = await unanswered(sender, message(), lambda: any(line._commit for line in sender._lines))
            assert (failed.retry, failed.answer) == (Retry.AMBIGUOUS, answer)

    asyncio.run(scene())


def test_d01_an_acknowledgement_of_another_message_is_kept_and_the_current_one_stays_unknown() -> None:
    async def scene() -> None:
        foreign = ack("other")
        async with delivering(Script(saying(frame(foreign)))) as (sender, kept):
            failed = await unanswered(sender, message("1"), lambda: kept)
            assert (failed.retry, failed.issue.code) == (Retry.AMBIGUOUS, "NO_ANSWER")
            assert kept == [foreign]
            assert sender.counts["unmatched"] == 1

    asyncio.run(scene())


def test_d01_a_foreign_acknowledgement_does_not_hide_the_right_one() -> None:
    async def scene() -> None:
        async with delivering(Script(saying(frame(ack("other")), frame(ack("1"))))) as (sender, kept):
            assert (await sender.deliver(claimed(message("1")), nothing)).answer == ack("1")
            assert kept == [ack("other")]

    asyncio.run(scene())


def test_d02_a_late_acknowledgement_is_kept_and_never_taken_for_the_next_message() -> None:
    async def scene() -> None:
        late = asyncio.Event()

        async def answer(raw: bytes, script: Script) -> None:
            writer = script.writer
            if control_id_of(raw) == "slow":
                await late.wait()
            writer.write(frame(ack(control_id_of(raw), "AE" if control_id_of(raw) == "slow" else "AA")))

        script = Script(answer)
        async with delivering(script, connections=2) as (sender, kept):
            assert (await unanswered(sender, message("slow"), lambda: script.taken)).retry is Retry.AMBIGUOUS
            assert (await sender.deliver(claimed(message("next")), nothing)).answer == ack("next")
            late.set()
            await until(lambda: kept)
            assert kept == [ack("slow", "AE")]

    asyncio.run(scene())


def test_a_partner_with_one_connection_is_not_blocked_by_one_that_listens_for_a_late_answer() -> None:
    async def scene() -> None:
        async def answer(raw: bytes, script: Script) -> None:
            if control_id_of(raw) != "lost":
                await accept(raw, script)

        script = Script(answer)
        async with delivering(script, connections=1) as (sender, _):
            await unanswered(sender, message("lost"), lambda: script.taken)
            assert (await sender.deliver(claimed(message("next")), nothing)).reference == "AA"
            await until(lambda: len(sender._lines) == 1)
            assert script.accepted == 2

    asyncio.run(scene())


def test_d03_a_second_acknowledgement_of_one_message_is_counted_and_ignored() -> None:
    async def scene() -> None:
        async def twice(raw: bytes, script: Script) -> None:
            script.write(frame(ack(control_id_of(raw))) + frame(ack(control_id_of(raw), "AE")))

        async with delivering(Script(twice)) as (sender, kept):
            for number in range(2):
                assert (await sender.deliver(claimed(message(str(number))), nothing)).reference == "AA"
                await until(lambda number=number: len(kept) == number + 1)
            assert kept == [ack("0", "AE"), ack("1", "AE")]

    asyncio.run(scene())


@pytest.mark.parametrize(
    "answer",
    [
        frame(b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5\r"),
        frame(b"MSA|AA|1\r"),
        frame(b""),
        frame(b"<html>CANARI</html>"),
        frame(ack("1", "aa")),
        frame(ack("1", "OK")),
        frame(ack("1") + b"x" * 1_000_001),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"z" * 70_000,
    ],
    ids=["no MSA", "no MSH", "empty", "HTML", "lower case", "OK", "D06 too large", "HTTP", "endless text"],
)
def test_d05_d06_an_unreadable_answer_is_never_success(answer: bytes) -> None:
    async def scene() -> None:
        said = [answer]

        async def once(raw: bytes, script: Script) -> None:
            script.write(said.pop() if said else frame(ack(control_id_of(raw))))

        async with delivering(Script(once)) as (sender, _):
            failed = await fails(sender, message("1"))
            assert (failed.retry, failed.issue.code) == (Retry.AMBIGUOUS, "ANSWER_UNREADABLE")
            assert (await sender.deliver(claimed(message("2")), nothing)).reference == "AA"

    asyncio.run(scene())


def test_d06_an_answer_that_never_ends_is_given_up_in_time() -> None:
    async def scene() -> None:
        async with delivering(Script(saying(b"\x0b" + ack("1")))) as (sender, _):
            failed = await unanswered(sender, message("1"), lambda: any(line._decoder.held for line in sender._lines))
            assert failed.retry is Retry.AMBIGUOUS

    asyncio.run(scene())


def test_a_connection_lost_after_sending_is_ambiguous_and_the_next_message_connects_again() -> None:
    async def scene() -> None:
        async def reset(raw: bytes, script: Script) -> None:
            if control_id_of(raw) == "1":
                script.writer.transport.abort()
            else:
                await accept(raw, script)

        async with delivering(Script(reset)) as (sender, _):
            failed = await fails(sender, message("1"))
            assert (failed.retry, failed.issue.code) == (Retry.AMBIGUOUS, "NO_ANSWER")
            assert failed.sent == message("1")
            assert (await sender.deliver(claimed(message("2")), nothing)).reference == "AA"

    asyncio.run(scene())


def test_a_connection_closed_by_the_peer_while_idle_is_replaced() -> None:
    async def scene() -> None:
        script = Script(accept)
        async with delivering(script) as (sender, _):
            await sender.deliver(claimed(message("1")), nothing)
            script.writers[0].close()
            await until(lambda: not sender._lines)
            await sender.deliver(claimed(message("2")), nothing)
            assert script.accepted == 2

    asyncio.run(scene())


def test_a_node_that_lost_its_lane_sends_nothing() -> None:
    async def scene() -> None:
        class Lost(Exception):
            pass

        async def before_send() -> None:
            raise Lost

        script = Script(accept)
        async with delivering(script) as (sender, _):
            with pytest.raises(Lost):
                await sender.deliver(claimed(message("1")), before_send)
            assert (await sender.deliver(claimed(message("2")), nothing)).reference == "AA"
            assert script.taken == [message("2")]
            assert script.accepted == 1

    asyncio.run(scene())


def test_a_cancelled_delivery_does_not_leave_its_connection_to_the_next() -> None:
    async def scene() -> None:
        async def answer(raw: bytes, script: Script) -> None:
            if control_id_of(raw) != "1":
                await accept(raw, script)

        script = Script(answer)
        async with delivering(script) as (sender, _):
            task = asyncio.create_task(sender.deliver(claimed(message("1")), nothing))
            await until(lambda: script.taken)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await sender.deliver(claimed(message("2")), nothing)
            assert script.accepted == 2

    asyncio.run(scene())


def test_what_is_not_hl7_is_not_sent() -> None:
    async def scene() -> None:
        script = Script(accept)
        async with delivering(script) as (sender, _):
            failed = await fails(sender, b'{"resourceType": "Patient"}')
            assert (failed.retry, failed.park, failed.issue.code) == (Retry.NEVER, True, "NOT_HL7")
            assert script.accepted == 0

    asyncio.run(scene())


@pytest.mark.parametrize("written", [message("written"), None])
def test_a_destination_with_a_format_gets_what_the_mappings_write(written: bytes | None) -> None:
    issue = Issue.of(Severity.ERROR, IssueCode.MAP_REQUIRED, "PID-3", expected="identifiers")

    def write(delivery: Claimed, form: str) -> Outcome[bytes]:
        assert form == "hl7"
        return Outcome(written, () if written else (issue,))

    async def scene() -> None:
        script = Script(accept)
        server = await asyncio.start_server(script, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        sender = MllpOut(
            MllpOutSettings(host="127.0.0.1", port=port, format="hl7"),
            Endpoint(name="pfi", clock=FixedClock(), write=write),
        )
        if written:
            assert (await sender.deliver(claimed(message("raw")), nothing)).sent == written
            assert script.taken == [written]
        else:
            failed = await fails(sender, message("raw"))
            assert (failed.retry, failed.issue) == (Retry.NEVER, issue)
        await sender.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)

    asyncio.run(scene())


def test_control_ids_are_compared_as_they_are_said() -> None:
    async def scene() -> None:
        raw = b"MSH$%~!&$A$B$C$D$1$$ADT%A01$7!S!x$T$2.5\rPID$1\r"
        answer = b"MSH|^~\\&|C|D|A|B|1||ACK|1|T|2.5\rMSA|AA|7%x\r"
        async with delivering(Script(saying(frame(answer)))) as (sender, _):
            assert (await sender.deliver(claimed(raw), nothing)).reference == "AA"

    asyncio.run(scene())


def test_settings_are_closed_and_described() -> None:
    assert all(field.description for field in MllpOutSettings.model_fields.values())
    with pytest.raises(ValidationError):
        MllpOutSettings(host="x", port=1, answers={"XX": "retry"})
    with pytest.raises(ValidationError):
        MllpOutSettings(host="x", port=1, unknown=1)


def test_clear_text_beyond_loopback_is_told(caplog: pytest.LogCaptureFixture) -> None:
    MllpOut(MllpOutSettings(host="192.0.2.1", port=1), Endpoint(name="pfi", clock=FixedClock()))
    assert "pfi: messages travel in clear to 192.0.2.1" in caplog.text
