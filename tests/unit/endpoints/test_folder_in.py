"""A watched folder: nothing half written is read, nothing is lost, nothing is overwritten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.endpoints import Endpoint, kind
from connector.endpoints.folder_in import FolderIn, FolderInSettings
from connector.issues import Issue, IssueCode, Severity
from connector.ports import Answer, Inbound, MessageState
from tests.waiting import until


def message(control_id: str) -> bytes:
    return f"MSH|^~\\&|A|B|C|D|20260105||ADT^A01|{control_id}|T|2.5\rPID|1||42\r".encode()


def ack(code: str, control_id: str) -> bytes:
    error = "" if code == "AA" else "ERR||PID^1^3|101^missing^HL70357|E\r"
    return f"MSH|^~\\&|C|D|A|B|20260105||ACK|X{control_id}|T|2.5\rMSA|{code}|{control_id}\r{error}".encode()


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> str:
        return "2026-01-05T10:00:00.000+01:00"

    def monotonic(self) -> float:
        return self.seconds


class Desk:
    """An intake that answers by MSH-10: E… is refused, U… finds the journal away, L… is answered late."""

    def __init__(self) -> None:
        self.received: list[Inbound] = []
        self.away = True

    async def __call__(self, inbound: Inbound) -> Answer:
        self.received.append(inbound)
        control_id = inbound.raw.split(b"|")[9].decode()
        if control_id.startswith("U") and self.away:
            return Answer(messages=(ack("AR", control_id),))
        if inbound.issues or control_id.startswith("E"):
            return Answer(messages=(ack("AE", control_id),), message_id=1)
        if control_id.startswith("L"):

            async def later() -> Answer:
                return Answer(messages=(ack("AE", control_id),), message_id=1)

            return Answer(messages=(ack("CA", control_id),), message_id=1, later=later())
        return Answer(messages=(ack("AA", control_id),), message_id=1)


def watched(
    tmp_path: Path, act: Callable[[Clock, Desk], object], met: Callable[[Desk], bool], **options: object
) -> Desk:
    """Run a receiver, do something beside it, until a condition holds."""
    clock, desk = Clock(), Desk()
    settings = FolderInSettings(path=tmp_path, poll_seconds=0.005, **options)  # type: ignore[arg-type]
    receiver = FolderIn(settings, Endpoint(name="folder", clock=clock))

    async def run() -> None:
        await receiver.start(desk)
        assert receiver.listening
        act(clock, desk)
        await until(tick)
        await receiver.stop()

    def tick() -> bool:
        clock.seconds += 1.0
        return met(desk)

    asyncio.run(run())
    return desk


def filed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_taken_answered_and_filed(tmp_path: Path) -> None:
    desk = watched(
        tmp_path,
        lambda *_: (tmp_path / "a.hl7").write_bytes(message("1")),
        lambda _: (tmp_path / "processed" / "a.hl7").exists(),
    )
    assert desk.received[0].raw == message("1")
    assert desk.received[0].remote == "a.hl7#1"
    assert filed(tmp_path / "processed") == ["a.hl7", "a.hl7.ack"]
    assert b"MSA|AA|1" in (tmp_path / "processed" / "a.hl7.ack").read_bytes()


def test_a_batch_with_a_bad_message_delivers_the_others_and_says_which_was_refused(tmp_path: Path) -> None:
    batch = b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + message("1") + message("E2") + message("3") + b"BTS|4\rFTS|1\r"
    desk = watched(
        tmp_path,
        lambda *_: (tmp_path / "lot.hl7").write_bytes(batch),
        lambda _: (tmp_path / "refused" / "lot.hl7").exists(),
    )
    assert len(desk.received) == 3
    reasons = (tmp_path / "refused" / "lot.hl7.reasons.txt").read_text(encoding="utf-8")
    assert "message 2: AE PID^1^3 101" in reasons
    assert "BTS-1" in reasons
    answer = (tmp_path / "refused" / "lot.hl7.ack").read_bytes()
    assert answer.startswith(b"FHS")
    assert answer.count(b"MSA|") == 3


def test_a_growing_file_is_not_read_until_it_is_still(tmp_path: Path) -> None:
    path = tmp_path / "big.hl7"
    reads: list[int] = []

    def grow(clock: Clock, desk: Desk) -> None:
        path.write_bytes(message("1"))

        async def growing() -> None:
            for number in range(2, 6):
                await asyncio.sleep(0.012)
                clock.seconds = 0.0
                reads.append(len(desk.received))
                with path.open("ab") as file:
                    file.write(message(str(number)))

        grow.task = asyncio.ensure_future(growing())  # type: ignore[attr-defined]

    desk = watched(tmp_path, grow, lambda _: (tmp_path / "processed" / "big.hl7").exists(), stable_seconds=20)
    assert reads == [0, 0, 0, 0]
    assert [inbound.raw.split(b"|")[9] for inbound in desk.received] == [b"1", b"2", b"3", b"4", b"5"]


def test_renamed_when_done_is_read_at_once_and_temporary_names_never(tmp_path: Path) -> None:
    def act(_: Clock, __: Desk) -> None:
        for name in ("b.hl7.part", ".c.hl7", "d.pdf", "e.hl7~"):
            (tmp_path / name).write_bytes(message("9"))
        (tmp_path / "b.hl7.part").rename(tmp_path / "b.hl7")

    desk = watched(
        tmp_path, act, lambda _: (tmp_path / "processed" / "b.hl7").exists(), ready="rename", stable_seconds=1e6
    )
    assert len(desk.received) == 1
    assert {".c.hl7", "d.pdf", "e.hl7~"} <= set(filed(tmp_path))


def test_while_the_journal_is_away_the_file_stays_and_is_read_again(tmp_path: Path) -> None:
    def met(desk: Desk) -> bool:
        if len(desk.received) == 2:
            assert filed(tmp_path / "processed") == []
            desk.away = False
        return (tmp_path / "processed" / "u.hl7").exists()

    desk = watched(tmp_path, lambda *_: (tmp_path / "u.hl7").write_bytes(message("U1")), met, ready="rename")
    assert len(desk.received) >= 3


def test_a_verdict_that_comes_late_decides_where_the_file_goes(tmp_path: Path) -> None:
    watched(
        tmp_path,
        lambda *_: (tmp_path / "l.hl7").write_bytes(message("L1")),
        lambda _: (tmp_path / "refused" / "l.hl7").exists(),
    )
    assert (tmp_path / "refused" / "l.hl7.ack").read_bytes().count(b"MSA|") == 2


@pytest.mark.parametrize("content", [b"", b"nothing of HL7", b"\x00\x01"])
def test_a_file_without_a_message_is_refused_with_a_reason(tmp_path: Path, content: bytes) -> None:
    watched(
        tmp_path,
        lambda *_: (tmp_path / "x.txt").write_bytes(content),
        lambda _: (tmp_path / "refused" / "x.txt").exists(),
    )
    assert "no message" in (tmp_path / "refused" / "x.txt.reasons.txt").read_text(encoding="utf-8")


def test_a_message_beyond_the_limit_is_refused_and_the_others_are_taken(tmp_path: Path) -> None:
    content = message("1") + message("2")[:-1] + b"9" * 5000 + b"\r" + message("3")
    desk = watched(
        tmp_path,
        lambda *_: (tmp_path / "big.hl7").write_bytes(content),
        lambda _: (tmp_path / "refused" / "big.hl7").exists(),
        max_message=2000,
    )
    assert [bool(inbound.issues) for inbound in desk.received] == [False, True, False]


def test_a_name_that_was_filed_before_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "processed").mkdir()
    (tmp_path / "processed" / "a.hl7").write_bytes(b"before")
    watched(
        tmp_path,
        lambda *_: (tmp_path / "a.hl7").write_bytes(message("1")),
        lambda _: (tmp_path / "processed" / "a-1.hl7").exists(),
    )
    assert (tmp_path / "processed" / "a.hl7").read_bytes() == b"before"


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.secret"
    outside.write_bytes(message("9"))
    watch = tmp_path / "in"
    watch.mkdir()

    def act(_: Clock, __: Desk) -> None:
        (watch / "link.hl7").symlink_to(outside)
        (watch / "z.hl7").write_bytes(message("1"))

    desk = watched(watch, act, lambda _: (watch / "processed" / "z.hl7").exists())
    assert len(desk.received) == 1


def test_the_kind_is_found_by_its_entry_point() -> None:
    assert kind("folder_in").settings is FolderInSettings


# --- HPRIM Médecin

LETTER = "\r\n".join(
    ["4471", "PAT-TROIS", "DOMINIQUE", *[""] * 3, "28/03/1979", *[""] * 5, "Texte", "****FIN****", ""]
).encode()


class Reader:
    """An intake that refuses what says so."""

    def __init__(self) -> None:
        self.received: list[Inbound] = []

    async def __call__(self, inbound: Inbound) -> Answer:
        self.received.append(inbound)
        refused = b"REFUS" in inbound.raw or bool(inbound.issues)
        issue = Issue.of(Severity.ERROR, IssueCode.TRUNCATED, "L1", expected="x")
        state = MessageState.REFUSED if refused else MessageState.TRANSLATED
        return Answer(message_id=1, state=state, issues=(issue,) if refused else ())


def read_letters(tmp_path: Path, name: str, raw: bytes, **options: object) -> Reader:
    clock, reader = Clock(), Reader()
    settings = FolderInSettings(path=tmp_path, format="hprim", ready="rename", poll_seconds=0.005, **options)  # type: ignore[arg-type]
    receiver = FolderIn(settings, Endpoint(name="hprim", clock=clock))

    async def run() -> None:
        await receiver.start(reader)
        (tmp_path / name).write_bytes(raw)
        await until(lambda: any((tmp_path / each / name).exists() for each in ("processed", "refused")))
        await receiver.stop()

    asyncio.run(run())
    return reader


@pytest.mark.parametrize("name", ["a.hpr", "a.HPRIM", "a.hpm1", "a.txt"])
def test_each_letter_of_an_hprim_file_is_a_message(tmp_path: Path, name: str) -> None:
    reader = read_letters(tmp_path, name, LETTER + LETTER.replace(b"4471", b"4472") + b"****FINFICHIER****\r\n")
    assert [(each.format, each.remote) for each in reader.received] == [("hprim", f"{name}#1"), ("hprim", f"{name}#2")]
    assert reader.received[0].raw == LETTER
    assert (tmp_path / "processed" / name).exists()


def test_a_letter_that_is_refused_keeps_its_file_apart_with_the_reason(tmp_path: Path) -> None:
    read_letters(tmp_path, "b.hpr", LETTER + LETTER.replace(b"Texte", b"REFUS"))
    reasons = (tmp_path / "refused" / "b.hpr.reasons.txt").read_text()
    assert reasons.startswith("message 2: L1 TRUNCATED")


def test_a_file_beyond_the_limit_is_kept_as_a_part(tmp_path: Path) -> None:
    reader = read_letters(tmp_path, "c.hpr", LETTER + b"x" * 2000, max_message=1024)
    assert [issue.code for issue in reader.received[0].issues] == ["FRAME_TOO_LARGE"]
    assert (tmp_path / "refused" / "c.hpr").exists()


def test_a_file_without_a_letter_says_so(tmp_path: Path) -> None:
    read_letters(tmp_path, "d.hpr", b"\r\n****FINFICHIER****\r\n")
    assert "no message" in (tmp_path / "refused" / "d.hpr.reasons.txt").read_text()
