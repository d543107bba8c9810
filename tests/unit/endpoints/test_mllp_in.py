"""The MLLP receiver against peers of every kind (part A of the list of hostile inputs)."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest
from pydantic import ValidationError

from connector.endpoints import Endpoint
from connector.endpoints.mllp_in import MllpIn, MllpInSettings
from connector.hl7.mllp import frame
from connector.ports import Answer, Inbound
from tests.unit.endpoints.mllp_peers import Desk, FixedClock, Peer, ack, control_id_of, message, receiving
from tests.waiting import time_passes, until


def run(coroutine: Any) -> None:
    """Run on a fresh loop."""
    asyncio.run(coroutine)


@pytest.fixture(autouse=True)
def no_content_in_logs(caplog: pytest.LogCaptureFixture) -> Any:
    """No test may leave a name in a log."""
    caplog.set_level(logging.DEBUG)
    yield
    assert "CANARI" not in caplog.text


def test_messages_are_answered_and_arrive_untouched() -> None:
    async def scene() -> None:
        desk = Desk()
        async with receiving(desk) as receiver:
            peer = await Peer.to(receiver)
            for number in range(3):
                await peer.good(str(number))
            await peer.leave()
        assert [inbound.raw for inbound in desk.taken] == [message(str(n)) for n in range(3)]
        assert desk.taken[0].endpoint == "lab"
        assert desk.taken[0].remote.startswith("127.0.0.1:")
        assert desk.told == [True] * 3
        assert receiver.counts["messages"] == 3

    run(scene())


def test_a04_three_frames_in_one_segment_get_three_answers_in_order_whatever_the_order_of_verdicts() -> None:
    async def scene() -> None:
        gates = {str(n): asyncio.Event() for n in range(3)}

        async def verdict(inbound: Inbound) -> Answer:
            await gates[control_id_of(inbound.raw)].wait()
            return Answer(messages=(ack(control_id_of(inbound.raw)),))

        desk = Desk(verdict)
        async with receiving(desk, in_flight=3) as receiver:
            peer = await Peer.to(receiver)
            peer.send(b"".join(frame(message(str(n))) for n in range(3)))
            await until(lambda: len(desk.taken) == 3)
            gates["2"].set()
            gates["1"].set()
            await asyncio.sleep(0.02)
            gates["0"].set()
            assert [await peer.answer() for _ in range(3)] == [ack(str(n)) for n in range(3)]
            await peer.leave()

    run(scene())


def test_a03_fs_and_cr_in_two_segments_are_one_message() -> None:
    async def scene() -> None:
        desk = Desk()
        async with receiving(desk) as receiver:
            peer = await Peer.to(receiver)
            data = frame(message())
            peer.send(data[:-1])
            await until(lambda: any(connection._decoder.in_frame for connection in receiver._connections))
            assert desk.taken == []
            peer.send(data[-1:])
            assert await peer.answer() == ack("1")
            await peer.leave()

    run(scene())


def test_a01_text_in_front_is_dropped_twice_and_closes_at_the_third() -> None:
    async def scene() -> None:
        desk = Desk()
        async with receiving(desk) as receiver:
            peer = await Peer.to(receiver)
            for number in range(2):
                peer.send(b"CANARI" + frame(message(str(number))))
                assert await peer.answer() == ack(str(number))
            peer.send(b"CANARI" + frame(message("3")))
            assert await peer.closed() == b""
            assert receiver.counts["stray"] == 3
            await peer.leave()
            other = await Peer.to(receiver)
            await other.good()
            await other.leave()
        assert len(desk.taken) == 3

    run(scene())


@pytest.mark.parametrize(
    "data", [b"\x0b" + message(), b"\x0b" + message() + b"\x1c"], ids=["A05 unfinished", "A02 FS without CR"]
)
def test_a02_a05_an_unfinished_frame_is_closed_after_the_total_time_and_not_answered(data: bytes) -> None:
    async def scene() -> None:
        desk = Desk()
        async with receiving(desk, frame_timeout=200) as receiver:
            peer = await Peer.to(receiver)
            for start, end in ((0, 2), (2, 30), (30, len(data))):  # each part would restart a timer of single reads
                peer.send(data[start:end])
                whole = len(data[1:end].rstrip(b"\x1c"))
                await until(
                    lambda whole=whole: [each._decoder.held >= whole for each in receiver._connections] == [True]
                )
                time_passes(90)
            assert await peer.closed() == b""
            await peer.leave()
            assert receiver.counts["frame timeout"] == 1
            other = await Peer.to(receiver)
            await other.good()
            await other.leave()
        broken, good = desk.taken
        assert broken.raw == message()
        assert [issue.code for issue in broken.issues] == ["FRAME_BROKEN"]
        assert good.issues == ()
        assert desk.told == [False, True]

    run(scene())


def test_a06_vt_inside_a_frame_keeps_the_first_part_as_broken_and_handles_the_second() -> None:
    async def scene() -> None:
        desk = Desk()
        async with receiving(desk) as receiver:
            peer = await Peer.to(receiver)
            peer.send(b"\x0b" + message("1")[:70] + frame(message("2")))
            assert await peer.answer() == ack("2")
            await peer.leave()
        assert [(inbound.raw, [issue.code for issue in inbound.issues]) for inbound in desk.taken] == [
            (message("1")[:70], ["FRAME_BROKEN"]),
            (message("2"), []),
        ]

    run(scene())


def test_a07_fs_inside_data_is_refused_and_the_rest_is_not_a_message() -> None:
    async def scene() -> None:
        desk = Desk()
        async with receiving(desk) as receiver:
            peer = await Peer.to(receiver)
            peer.send(frame(message("1", "OBX|1|ED|||\x1cMSH|x")) + frame(message("2")))
            assert [await peer.answer(), await peer.answer()] == [ack("1", "AR"), ack("2")]
            await peer.leave()
        assert [[issue.code for issue in inbound.issues] for inbound in desk.taken] == [["FRAME_FS_IN_DATA"], []]

    run(scene())


def test_a08_a09_beyond_the_limit_is_refused_while_reading_and_told_before_closing() -> None:
    async def scene() -> None:
        desk = Desk()
        limit = 100_000
        exact = message("exact", "NTE|1||").ljust(limit, b"x")
        async with receiving(desk, max_message=limit) as receiver:
            peer = await Peer.to(receiver)
            peer.send(frame(exact))
            assert await peer.answer() == ack("exact")
            peer.send(frame(message("large", "NTE|1||") + b"x" * 3_000_000))
            assert await peer.answer() == ack("large", "AR")
            assert await peer.closed() == b""
            await peer.leave()
            other = await Peer.to(receiver)
            await other.good()
            await other.leave()
        assert [issue.code for issue in desk.taken[1].issues] == ["FRAME_TOO_LARGE"]
        assert len(desk.taken[1].raw) < 5000

    run(scene())


def test_a10_a11_empty_frames_are_counted_and_not_answered() -> None:
    async def scene() -> None:
        desk = Desk()
        async with receiving(desk) as receiver:
            peer = await Peer.to(receiver)
            peer.send(frame(b"") + frame(b"   "))
            await peer.good()
            await peer.leave()
        assert receiver.counts["empty"] == 2
        assert len(desk.taken) == 1

    run(scene())


def test_a12_connections_are_capped_by_address_and_in_all() -> None:
    async def scene() -> None:
        async with receiving(Desk(), max_connections=3, max_connections_per_address=2) as receiver:
            first, second = await Peer.to(receiver), await Peer.to(receiver)
            third = await Peer.to(receiver)
            assert await third.closed() == b""
            legitimate = await Peer.to(receiver, local_addr=("127.0.0.2", 0))
            await legitimate.good()
            fourth = await Peer.to(receiver, local_addr=("127.0.0.3", 0))
            assert await fourth.closed() == b""
            await first.leave()
            await until(lambda: len(receiver._connections) == 2)
            fifth = await Peer.to(receiver)
            await fifth.good()
            for peer in (second, third, legitimate, fourth, fifth):
                await peer.leave()
            assert receiver.counts["refused connections"] == 2

    run(scene())


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x16\x03\x01\x02\x00\x01", "TLS"),
        (b"GET /CANARI HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY"),
    ],
)
def test_a13_other_protocols_are_named_in_the_log_and_closed(
    data: bytes, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        desk = Desk()
        async with receiving(desk) as receiver:
            peer = await Peer.to(receiver)
            peer.send(data)
            assert await peer.closed() == b""
            await peer.leave()
        assert desk.taken == []

    run(scene())
    assert f"looks like {name} on an MLLP port" in caplog.text


def test_a14_a_silent_connection_is_closed_after_the_idle_time_and_kept_alive_by_the_system() -> None:
    async def scene() -> None:
        async with receiving(Desk(), idle_timeout=20) as receiver:
            peer = await Peer.to(receiver)
            await peer.good()
            (connection,) = receiver._connections
            sock = connection._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            time_passes(21)
            assert await peer.closed() == b""
            await peer.leave()
            await until(lambda: not receiver._connections)
            assert receiver.counts["idle timeout"] == 1

    run(scene())


def test_a15_a_sender_that_left_before_its_answer_is_kept_and_the_answer_untold() -> None:
    async def scene() -> None:
        gate = asyncio.Event()
        told: list[bool] = []

        async def verdict(inbound: Inbound) -> Answer:
            await gate.wait()
            return Answer(messages=(ack(control_id_of(inbound.raw)),), told=told.append)

        desk = Desk(verdict)
        async with receiving(desk) as receiver:
            peer = await Peer.to(receiver)
            peer.send(frame(message()))
            await until(lambda: desk.taken)
            (connection,) = receiver._connections
            peer.writer.transport.abort()
            await until(lambda: connection._ended or connection.gone)
            gate.set()
            await until(lambda: told)
            assert told == [False]
            await until(lambda: not receiver._connections)

    run(scene())


def test_a_sender_that_only_half_closes_still_gets_its_answers() -> None:
    async def scene() -> None:
        async def verdict(inbound: Inbound) -> Answer:
            await asyncio.sleep(0.05)
            return Answer(messages=(ack(control_id_of(inbound.raw)),))

        async with receiving(Desk(verdict)) as receiver:
            peer = await Peer.to(receiver)
            peer.send(frame(message("1")) + frame(message("2")))
            peer.writer.write_eof()
            assert [await peer.answer(), await peer.answer()] == [ack("1"), ack("2")]
            assert await peer.closed() == b""
            await peer.leave()

    run(scene())


def test_a17_an_address_outside_the_allow_list_is_closed_before_reading() -> None:
    async def scene() -> None:
        desk = Desk()
        async with receiving(desk, allow="127.0.0.9, 10.0.0.0/8") as receiver:
            peer = await Peer.to(receiver)
            peer.send(frame(message()))
            assert await peer.closed() == b""
            allowed = await Peer.to(receiver, local_addr=("127.0.0.9", 0))
            await allowed.good()
            await peer.leave()
            await allowed.leave()
        assert len(desk.taken) == 1

    run(scene())


def test_messages_in_hand_are_bounded_and_reading_waits() -> None:
    async def scene() -> None:
        gate = asyncio.Event()

        async def verdict(inbound: Inbound) -> Answer:
            await gate.wait()
            return Answer(messages=(ack(control_id_of(inbound.raw)),))

        desk = Desk(verdict)
        async with receiving(desk, in_flight=3) as receiver:
            peer = await Peer.to(receiver)
            peer.send(b"".join(frame(message(str(n))) for n in range(50)))
            await until(lambda: len(desk.taken) == 3)
            (connection,) = receiver._connections
            await until(lambda: connection._paused)
            await asyncio.sleep(0.05)
            assert len(desk.taken) == 3
            gate.set()
            assert [await peer.answer() for _ in range(50)] == [ack(str(n)) for n in range(50)]
            assert not connection._paused
            await peer.leave()

    run(scene())


def test_memory_is_bounded_over_all_connections_and_every_large_message_still_arrives() -> None:
    async def scene() -> None:
        desk = Desk()
        async with receiving(desk, memory=1_000_000, max_message=900_000) as receiver:
            peers = [await Peer.to(receiver) for _ in range(6)]
            held = []

            async def watch() -> None:
                while True:
                    held.append(next(iter(receiver._connections))._floor.budget.held if receiver._connections else 0)
                    await asyncio.sleep(0)

            watcher = asyncio.create_task(watch())
            for number, peer in enumerate(peers):
                peer.send(frame(message(str(number), "NTE|1||") + b"x" * 800_000))
            assert [await peer.answer() for peer in peers] == [ack(str(n)) for n in range(6)]
            watcher.cancel()
            # One favoured message beyond the budget, and what a paused transport had already read (256 kB each).
            assert max(held) < 1_000_000 + 900_000 + 6 * 262_144
            assert next(iter(receiver._connections))._floor.budget.held == 0
            for peer in peers:
                await peer.leave()

    run(scene())


def test_answers_that_follow_later_are_written_when_they_come() -> None:
    async def scene() -> None:
        gate = asyncio.Event()
        told: list[bool] = []

        async def later(number: str) -> Answer:
            await gate.wait()
            return Answer(messages=(ack(number, "AA"),), told=told.append)

        async def verdict(inbound: Inbound) -> Answer:
            number = control_id_of(inbound.raw)
            return Answer(messages=(ack(number, "CA"),), later=later(number))

        async with receiving(Desk(verdict)) as receiver:
            peer = await Peer.to(receiver)
            peer.send(frame(message("1")) + frame(message("2")))
            assert [await peer.answer(), await peer.answer()] == [ack("1", "CA"), ack("2", "CA")]
            gate.set()
            assert [await peer.answer(), await peer.answer()] == [ack("1"), ack("2")]
            assert told == [True, True]
            await peer.leave()

    run(scene())


def test_an_intake_that_fails_says_nothing_and_closes(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        async def verdict(inbound: Inbound) -> Answer:
            raise RuntimeError(inbound.raw.decode())

        async with receiving(Desk(verdict)) as receiver:
            peer = await Peer.to(receiver)
            peer.send(frame(message()))
            assert await peer.closed() == b""
            await peer.leave()

    run(scene())
    assert "intake failed: RuntimeError" in caplog.text


def test_nothing_asked_for_means_nothing_written() -> None:
    async def scene() -> None:
        async def verdict(inbound: Inbound) -> Answer:
            return Answer() if control_id_of(inbound.raw) == "quiet" else Answer(messages=(ack("loud"),), close=True)

        async with receiving(Desk(verdict)) as receiver:
            peer = await Peer.to(receiver)
            peer.send(frame(message("quiet")) + frame(message("loud")))
            assert await peer.closed() == frame(ack("loud"))
            await peer.leave()

    run(scene())


def test_a_stop_answers_what_is_in_hand() -> None:
    async def scene() -> None:
        async def verdict(inbound: Inbound) -> Answer:
            await asyncio.sleep(0.1)
            return Answer(messages=(ack(control_id_of(inbound.raw)),))

        desk = Desk(verdict)
        async with receiving(desk, drain=60) as receiver:
            peer = await Peer.to(receiver)
            peer.send(frame(message()))
            await until(lambda: desk.taken)
            await receiver.stop()
        assert await peer.closed() == frame(ack("1"))
        await peer.leave()

    run(scene())


def test_listening_beyond_loopback_in_clear_needs_a_reason() -> None:
    with pytest.raises(ValidationError, match="insecure"):
        MllpInSettings(host="0.0.0.0")
    assert MllpInSettings(host="0.0.0.0", insecure="VPN").insecure == "VPN"
    assert MllpInSettings(host="127.0.0.1").insecure is None
    assert MllpInSettings(host="localhost").insecure is None


def test_every_setting_is_described() -> None:
    assert all(field.description for field in MllpInSettings.model_fields.values())


def test_a_port_in_use_is_told_with_the_name_of_the_endpoint() -> None:
    async def scene() -> None:
        async with receiving(Desk()) as receiver:
            second = MllpIn(MllpInSettings(port=receiver.addresses[0][1]), Endpoint(name="lab", clock=FixedClock()))
            with pytest.raises(OSError, match="lab: cannot listen on"):
                await second.start(Desk())

    run(scene())


def test_uvloop_carries_it_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def scene() -> None:
        desk = Desk()
        async with receiving(desk, max_message=50_000) as receiver:
            peer = await Peer.to(receiver)
            await peer.good("1")
            peer.send(frame(message("large", "NTE|1||") + b"x" * 300_000))
            assert await peer.answer() == ack("large", "AR")
            assert await peer.closed() == b""
            await peer.leave()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())
