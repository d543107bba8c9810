"""Batch files: every message comes out in bounded memory, what headers and trailers say wrongly is reported (E01-E03)."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.hl7.acknowledge import acknowledge, read_ack, read_header
from connector.hl7.batch import BatchMessage, BatchReader, batch_answer, read_batch

CONTEXT = Context(now=Moment("2026-03-04T05:06:07+01:00"))


def m(number: int) -> bytes:
    """A message."""
    return f"MSH|^~\\&|SIL|LABO|PFI|CHU|20260304||ORU^R01|{number}|P|2.5\rPID|1\rOBX|1|TX|x||MSH is not at the start\r".encode()


FHS = b"FHS|^~\\&|SIL|LABO|PFI|CHU|20260304||f.hl7||F1\r"
BHS = b"BHS|^~\\&|SIL|LABO|PFI|CHU|20260304||||B1\r"


def read(data: bytes, size: int = 10_000, limit: int = 1_000_000) -> tuple[list[BatchMessage], BatchReader]:
    """All messages of a file and its reader."""
    reader = BatchReader(limit)
    chunks = (data[start : start + size] for start in range(0, len(data), size))
    return list(read_batch(chunks, reader)), reader


@pytest.mark.parametrize("size", [1, 3, 7, 64, 10_000])
@pytest.mark.parametrize(
    ("data", "numbers", "batches", "issues"),
    [
        pytest.param(FHS + BHS + m(1) + m(2) + b"BTS|2\rFTS|1\r", [1, 2], [1, 1], [], id="whole"),
        pytest.param(
            FHS + BHS + m(1) + b"BTS|1\r" + BHS + m(2) + b"BTS|1\rFTS|2", [1, 2], [1, 2], [], id="two batches"
        ),
        pytest.param(FHS + BHS + m(1) + b"BTS\rFTS", [1], [1], [], id="counts are optional"),
        pytest.param(BHS + m(1) + b"BTS|1", [1], [1], [], id="no file header"),
        pytest.param(FHS + m(1) + m(2) + b"FTS|1\r", [1, 2], [0, 0], [], id="no batch header"),
        pytest.param(m(1) + m(2), [1, 2], [0, 0], [], id="no header at all"),
        pytest.param(b"\xef\xbb\xbf\r\n" + m(1), [1], [0], [], id="byte order mark"),
        pytest.param(b"", [], [], [], id="nothing"),
        pytest.param(FHS + BHS + b"BTS|0\rFTS|1\r", [], [], [], id="empty batch"),
        pytest.param(
            FHS + BHS + m(1) + b"BTS|7\rFTS|3\r",
            [1],
            [1],
            [("BATCH_COUNT", "BTS-1"), ("BATCH_COUNT", "FTS-1")],
            id="wrong counts",
        ),
        pytest.param(BHS + m(1) + b"BTS|one\r", [1], [1], [("BATCH_COUNT", "BTS-1")], id="no number"),
        pytest.param(
            FHS + BHS + m(1), [1], [1], [("BATCH_STRUCTURE", "BTS"), ("BATCH_STRUCTURE", "FTS")], id="no trailers"
        ),
        pytest.param(FHS + BHS + m(1) + b"FTS|1\r", [1], [1], [("BATCH_STRUCTURE", "FTS")], id="no batch trailer"),
        pytest.param(
            BHS + m(1) + BHS + m(2) + b"BTS|1\r", [1, 2], [1, 2], [("BATCH_STRUCTURE", "BHS[2]")], id="two BHS"
        ),
        pytest.param(FHS + FHS + m(1) + b"FTS|1\r", [1], [0], [("BATCH_STRUCTURE", "FHS")], id="nested FHS"),
        pytest.param(
            m(1) + b"BTS|1\rFTS|1\r",
            [1],
            [0],
            [("BATCH_STRUCTURE", "BTS"), ("BATCH_STRUCTURE", "FTS")],
            id="trailers alone",
        ),
        pytest.param(b"hello\r" + m(1), [1], [0], [("BATCH_STRUCTURE", "")], id="text in front"),
    ],
)
def test_e01_every_message_is_handled_and_what_does_not_fit_is_reported(
    data: bytes, numbers: list[int], batches: list[int], issues: list[tuple[str, str]], size: int
) -> None:
    messages, reader = read(data, size)
    assert [message.raw for message in messages] == [m(number) for number in numbers]
    assert [message.number for message in messages] == list(range(1, len(numbers) + 1))
    assert [message.batch for message in messages] == batches
    assert [(issue.code, issue.place.path) for issue in reader.issues] == issues


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_other_terminators_are_read_and_the_bytes_kept(end: bytes) -> None:
    data = (FHS + BHS + m(1) + m(2) + b"BTS|2\rFTS|1\r").replace(b"\r", end)
    messages, reader = read(data, 5)
    assert [message.raw for message in messages] == [m(n).replace(b"\r", end) for n in (1, 2)]
    assert reader.issues == []


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_e02_a_message_beyond_the_limit_is_reported_and_the_others_come_out(size: int) -> None:
    large = b"MSH|^~\\&|A|B|C|D|1||ORU^R01|big|P|2.5\rOBX|1|ED|||" + b"x" * 9000 + b"\r"
    messages, reader = read(BHS + m(1) + large + m(3) + b"BTS|3\r", size, limit=5000)
    assert [message.raw for message in (messages[0], messages[2])] == [m(1), m(3)]
    assert messages[1].issue is not None
    assert messages[1].issue.code == "FRAME_TOO_LARGE"
    assert messages[1].raw == large[: len(messages[1].raw)]
    assert reader.issues == []


def test_e03_a_large_file_is_read_in_the_memory_of_one_message() -> None:
    block = m(1) * 500

    def chunks() -> object:
        for _ in range(200):
            yield block  # 12 MB in all

    reader = BatchReader()
    tracemalloc.start()
    count = sum(1 for _ in read_batch(chunks(), reader))  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100_000
    assert peak < 2_000_000


def test_the_answer_lists_every_message_and_the_wrong_counts() -> None:
    messages, reader = read(FHS + BHS + m(1) + m(2) + b"BTS|3\rFTS|1\r")
    acks = []
    for message, code in zip(messages, ("AA", "AE"), strict=True):
        header = read_header(message.raw)
        assert header is not None
        acks.append(acknowledge(header, code, (), CONTEXT))
    answer = b"".join(batch_answer(reader, acks, CONTEXT, language="en"))
    lines = answer.decode().split("\r")
    assert lines[0].startswith("FHS|^~\\&|PFI|CHU|SIL|LABO|20260304050607+0100||||")
    assert lines[0].split("|")[11] == "F1"
    assert lines[1].split("|")[11] == "B1"
    assert lines[-3] == "BTS|2|count announced in BTS-1 differs from the number of messages (2)"
    assert lines[-2] == "FTS|1"
    again, _ = read(answer)
    assert [(read_ack(item.raw).code, read_ack(item.raw).control_id) for item in again] == [("AA", "1"), ("AE", "2")]


def test_a_file_without_headers_is_answered_by_its_acknowledgements() -> None:
    _, reader = read(m(1))
    assert b"".join(batch_answer(reader, [b"ACK\r"], CONTEXT)) == b"ACK\r"


@pytest.mark.shared
@pytest.mark.parametrize("size", [100, 100_000])
def test_batches_of_the_corpus_lose_nothing(shared: Path, size: int) -> None:
    for path in sorted((shared / "corpus" / "hl7v2").iterdir()):
        data = path.read_bytes()
        if not data.lstrip(b"\xef\xbb\xbf\x0b\r\n ").startswith((b"MSH", b"FHS", b"BHS")):
            continue
        messages, _ = read(data, size, limit=10_000_000)
        assert messages, path.name
        assert all(message.raw.startswith(b"MSH") for message in messages), path.name
        assert sum(message.raw.count(b"\rPID|") + message.raw.count(b"\nPID|") for message in messages) == data.count(
            b"\rPID|"
        ) + data.count(b"\nPID|"), path.name
