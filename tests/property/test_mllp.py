"""What is always true of frames: any cutting of the stream gives the same result, and what was framed comes out."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.hl7.mllp import Frame, FrameDecoder, FrameTrouble, frame

# Bytes that mean something to the decoder come often.
PIECES = st.sampled_from(
    [b"\x0b", b"\x1c", b"\r", b"\n", b"\x1c\r", b"MSH|", b"a", b"bcd" * 9, b"GET ", b"\x16\x03", b"PROXY", b" "]
)
STREAMS = st.lists(PIECES, max_size=40).map(b"".join)


def feed(chunks: list[bytes], limit: int, require_cr: bool) -> list[Frame | FrameTrouble]:
    decoder = FrameDecoder(limit, require_cr=require_cr)
    found = [item for chunk in chunks for item in decoder.feed(chunk)]
    return found + decoder.end()


@settings(max_examples=300, deadline=None)
@given(
    stream=STREAMS,
    cuts=st.lists(st.integers(0, 400), max_size=12),
    limit=st.sampled_from([3, 20, 1000]),
    require_cr=st.booleans(),
)
def test_any_cutting_of_the_stream_gives_the_same(stream: bytes, cuts: list[int], limit: int, require_cr: bool) -> None:
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    whole = feed([stream], limit, require_cr)
    assert feed(pieces, limit, require_cr) == whole
    assert feed([bytes([byte]) for byte in stream], limit, require_cr) == whole


MESSAGES = st.binary(min_size=1, max_size=60).map(lambda data: b"M" + data.replace(b"\x0b", b"").replace(b"\x1c", b""))


@settings(max_examples=100, deadline=None)
@given(messages=st.lists(MESSAGES, max_size=8), size=st.integers(1, 50))
def test_what_was_framed_comes_out(messages: list[bytes], size: int) -> None:
    stream = b"".join(map(frame, messages))
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert feed(chunks, 1000, True) == [Frame(message) for message in messages]
