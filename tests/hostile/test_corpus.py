"""The corpus of HL7 v2 messages from everywhere: each file is a tree that is written back byte for byte, or a refusal with place and reason."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.hl7.batch import BatchReader, read_batch
from connector.hl7.codec import parse, serialise
from connector.hl7.mllp import Frame, FrameDecoder, frame
from connector.hl7.validate import second_opinion, validate
from connector.issues import Severity
from connector.ports import Inbound
from tests.hostile.harness import NOW, connector

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def files(shared: Path) -> list[Path]:
    """Every file of the corpus, whatever its form."""
    found = sorted((shared / "corpus" / "hl7v2").iterdir())
    assert len(found) > 80
    return found


def messages(data: bytes) -> Iterator[bytes]:
    """The messages of a file: framed, in a batch, or one behind the other; the whole file when none begins in it."""
    if data[:1] == b"\x0b":
        decoder = FrameDecoder()
        yield from (item.data for item in [*decoder.feed(data), *decoder.end()] if isinstance(item, Frame))
        return
    found = [message.raw for message in read_batch([data], BatchReader())]
    yield from found or [data]


def test_every_message_is_a_tree_written_back_exactly_or_a_refusal_with_its_reason(files: list[Path]) -> None:
    outcomes: Counter[str] = Counter()
    for path in files:
        for raw in messages(path.read_bytes()):
            outcome = parse(raw)
            if outcome.value is None:
                refusals = [issue for issue in outcome.issues if issue.severity >= Severity.ERROR]
                assert refusals, path.name
                assert all(issue.text("fr") and "…" not in issue.text("fr") for issue in refusals), path.name
                outcomes["refused"] += 1
                continue
            assert serialise(outcome.value) == raw, path.name
            touched = [segment.raw() for segment in outcome.value.segments]
            assert all(touched), path.name
            assert all(isinstance(issue.place.path, str) for issue in validate(outcome.value)), path.name
            outcomes["tree"] += 1
    assert outcomes["tree"] > 80
    assert outcomes["refused"] >= 10


def test_the_second_opinion_never_raises(files: list[Path]) -> None:
    for path in files[::6]:
        for raw in list(messages(path.read_bytes()))[:1]:
            assert all(issue.severity is Severity.INFORMATION for issue in second_opinion(raw)), path.name


def test_every_message_is_taken_in_answered_and_kept(files: list[Path], tmp_path: Path) -> None:
    """Through the whole connector: no exception of ours, the bytes kept as they came, each told what became of it."""

    async def scene() -> None:
        async with connector(tmp_path) as running:
            states: Counter[str] = Counter()
            for path in files:
                for raw in messages(path.read_bytes()):
                    inbound = Inbound(raw=raw, endpoint="corpus", remote=path.name, received_at=NOW)
                    answer = await running.reception(inbound)
                    if answer.later is not None:
                        await answer.later
                    assert answer.message_id is not None, path.name
                    shown = running.journal.search.show(answer.message_id)
                    body = running.journal.search.body(answer.message_id)
                    assert shown is not None, path.name
                    assert body is not None, path.name
                    assert "INTERNAL" not in [issue.code for issue in shown.issues], path.name
                    assert body.raw == raw, path.name
                    states[shown.message.state] += 1
            assert states["translated"] > 25, states
            assert set(states) <= {"translated", "refused", "parked"}, states

    asyncio.run(scene())


#: What keeps official samples out, beside their one MSH-10 for all and MSH-11 = P with test identities: the samples' own faults
#: (a line of text in place of a CDA, another patient in the CDA than in PID, a replacement that names nothing, a production OID).
FAULTS = {"DOCUMENT_TYPE_CLASH", "DOCUMENT_VERSION", "INS_DIFFERS", "INS_ENVIRONMENT", "PATIENT_IDS_DIFFER"}


def as_sent_to_a_test_site(raw: bytes, number: int) -> bytes:
    """The sample with a control id of its own and MSH-11 = T."""
    end = b"\r" if b"\r" in raw else b"\n"
    first, *rest = raw.split(end)
    header = first.split(b"|")
    header[9], header[10] = f"S{number}".encode(), b"T"
    return end.join([b"|".join(header), *rest])


def test_official_messages_are_accepted_but_for_their_own_faults(files: list[Path], tmp_path: Path) -> None:
    async def scene() -> None:
        async with connector(tmp_path) as running:
            refused = 0
            samples = [
                path
                for path in files
                if path.name.startswith("ans__") and "_ack." not in path.name and "metier" not in path.name
            ]
            for number, path in enumerate(samples):
                peer = await running.connect()
                peer.send(frame(as_sent_to_a_test_site(path.read_bytes(), number)))
                if b"MSA|AA" in await peer.answer(10):
                    continue
                refused += 1
                shown = running.journal.search.show(running.journal.search.list_messages()[0].id)
                assert shown is not None
                faults = {issue.code for issue in shown.issues if issue.severity >= Severity.ERROR}
                assert faults
                assert faults <= FAULTS, path.name
            assert len(samples) >= 24
            assert refused <= 11

    asyncio.run(scene())
