"""MLLP framing, part A of the list of hostile inputs, without a socket."""

from __future__ import annotations

import pytest

from connector.hl7.mllp import HEAD, STRAY_LIMIT, Frame, FrameDecoder, FrameTrouble, Trouble, frame
from connector.issues import Severity

MESSAGE = b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|T|2.5\rPID|1\r"


def kinds(found: list[Frame | FrameTrouble]) -> list[object]:
    """Frames as their bytes, troubles as their kind."""
    return [item.data if isinstance(item, Frame) else item.kind for item in found]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(frame(MESSAGE), [MESSAGE], id="one frame"),
        pytest.param(frame(b"1") + frame(b"2") + frame(b"3"), [b"1", b"2", b"3"], id="A04 three frames"),
        pytest.param(frame(b"1") + b"\r\n" + frame(b"2"), [b"1", b"2"], id="blank lines between frames mean nothing"),
        pytest.param(b"hello" + frame(b"1"), [Trouble.STRAY, b"1"], id="A01 text in front of VT"),
        pytest.param(b"\x0babc\x0bdef\x1c\r", [Trouble.RESTARTED, b"def"], id="A06 VT inside a frame"),
        pytest.param(b"\x0babc\x1c\x0bdef\x1c\r", [Trouble.RESTARTED, b"def"], id="FS without CR, then the next frame"),
        pytest.param(b"\x0babc\x1cdef|MSH|\x1c\r" + frame(b"2"), [Trouble.FS_IN_DATA, b"2"], id="A07 FS in data"),
        pytest.param(b"\x0babc\x1cd\x1ce\x1c\r" + frame(b"2"), [Trouble.FS_IN_DATA, b"2"], id="A07 twice in one frame"),
        pytest.param(b"\x0babc\x1cd\x0b2\x1c\r", [Trouble.FS_IN_DATA, b"2"], id="A07 the next frame ends the skipping"),
        pytest.param(frame(b"") + frame(b"2"), [Trouble.EMPTY, b"2"], id="A10 empty frame"),
        pytest.param(frame(b" \r ") + frame(b"2"), [Trouble.EMPTY, b"2"], id="A11 spaces only"),
        pytest.param(b"\x0babc", [], id="an unfinished frame is awaited"),
        pytest.param(b"\x0babc\x1c", [], id="A02 CR is awaited"),
        pytest.param(b"\x16\x03\x01\x02\x00" + frame(b"1"), [Trouble.FOREIGN], id="A13 TLS"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", [Trouble.FOREIGN], id="A13 HTTP"),
        pytest.param(b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", [Trouble.FOREIGN], id="A13 PROXY"),
        pytest.param(b"\r\n\r\n\x00\r\nQUIT\n\x21", [Trouble.FOREIGN], id="A13 PROXY v2"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_frames_come_out_of_any_chunks(stream: bytes, expected: list[object], size: int) -> None:
    decoder = FrameDecoder()
    found: list[Frame | FrameTrouble] = []
    for start in range(0, len(stream), size):
        found += decoder.feed(stream[start : start + size])
    assert kinds(found) == expected


def test_without_required_cr_fs_alone_ends_a_frame() -> None:
    decoder = FrameDecoder(require_cr=False)
    assert kinds(decoder.feed(b"\x0babc\x1c\x0bdef\x1c\r\x0bghi\x1c")) == [b"abc", b"def", b"ghi"]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_exactly_the_limit_is_accepted_and_one_more_is_refused_while_reading(size: int) -> None:
    def run(length: int) -> tuple[list[Frame | FrameTrouble], FrameDecoder]:
        decoder, found = FrameDecoder(100), []
        stream = frame(b"x" * length) + frame(b"next")
        for start in range(0, len(stream), size):
            found += decoder.feed(stream[start : start + size])
        return found, decoder

    assert kinds(run(100)[0]) == [b"x" * 100, b"next"]
    found, decoder = run(101)
    assert kinds(found) == [Trouble.TOO_LARGE]
    assert found[0].data == b"x" * 100
    assert found[0].fatal
    assert decoder.closed
    assert decoder.held == 0


def test_of_a_frame_beyond_the_limit_only_the_head_is_kept() -> None:
    decoder = FrameDecoder(10 * HEAD)
    decoder.feed(b"\x0bMSH|")
    (trouble,) = [item for _ in range(60) for item in decoder.feed(b"y" * 1000)]
    assert isinstance(trouble, FrameTrouble)
    assert trouble.data.startswith(b"MSH|yyy")
    assert len(trouble.data) == HEAD


def test_endless_text_before_vt_closes_the_stream() -> None:
    decoder = FrameDecoder()
    found = [item for _ in range(100) for item in decoder.feed(b"z" * 1000)]
    assert [(item.kind, item.count, item.fatal) for item in found if isinstance(item, FrameTrouble)] == [
        (Trouble.STRAY, STRAY_LIMIT, True)
    ]


def test_skipping_after_fs_in_data_is_bounded_too() -> None:
    decoder = FrameDecoder(1000)
    assert kinds(decoder.feed(b"\x0babc\x1cd")) == [Trouble.FS_IN_DATA]
    assert kinds([item for _ in range(3) for item in decoder.feed(b"d" * 500)]) == [Trouble.TOO_LARGE]


def test_the_end_of_the_stream_gives_back_the_part_in_hand() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"\x0babc\x1c")
    (trouble,) = decoder.end()
    assert trouble == FrameTrouble(Trouble.INCOMPLETE, 3, b"abc")
    decoder = FrameDecoder()
    decoder.feed(b"abc")
    assert kinds(decoder.end()) == [Trouble.STRAY]
    assert FrameDecoder().end() == []
    assert decoder.feed(frame(b"x")) == []


def test_byte_by_byte_costs_no_more_than_the_frame() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"\x0b")
    for _ in range(200_000):
        decoder.feed(b"q")
    assert len(decoder._pieces) < 10
    assert decoder.held == 200_000
    (whole,) = decoder.feed(b"\x1c\r")
    assert isinstance(whole, Frame)
    assert whole.data == b"q" * 200_000


def test_begun_counts_frames_for_the_timer() -> None:
    decoder = FrameDecoder()
    decoder.feed(frame(b"1") + b"\x0b2")
    assert (decoder.begun, decoder.in_frame) == (2, True)
    decoder.feed(b"\x1c\r")
    assert (decoder.begun, decoder.in_frame) == (2, False)


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (FrameTrouble(Trouble.TOO_LARGE, 11, b"x", True, limit=10), "FRAME_TOO_LARGE"),
        (FrameTrouble(Trouble.FS_IN_DATA, 3, b"abc"), "FRAME_FS_IN_DATA"),
        (FrameTrouble(Trouble.RESTARTED, 3, b"abc"), "FRAME_BROKEN"),
        (FrameTrouble(Trouble.INCOMPLETE, 3, b"abc"), "FRAME_BROKEN"),
    ],
)
def test_a_broken_frame_is_a_fatal_issue_without_its_content(trouble: FrameTrouble, code: str) -> None:
    assert trouble.issue.code == code
    assert trouble.issue.severity is Severity.FATAL
    assert "abc" not in trouble.issue.text()
