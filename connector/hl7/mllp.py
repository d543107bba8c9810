"""MLLP frames without a socket (HL7 v2.5.1 appendix C, minimal lower layer protocol): feed bytes in any chunking, take whole messages out.

`VT message FS CR`. What is not a frame comes out as `FrameTrouble`, in the order met; a fatal one ends the stream: the decoder
then ignores what follows and the connection is to be closed. Any cutting of a stream gives the same list.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from connector.issues import Issue, IssueCode, Severity

__all__ = ["CR", "DEFAULT_LIMIT", "FS", "VT", "Frame", "FrameDecoder", "FrameTrouble", "Trouble", "frame"]

VT, FS, CR = b"\x0b", b"\x1c", b"\x0d"
_VT, _FS, _CR, _LF = 0x0B, 0x1C, 0x0D, 0x0A

#: 50 MB: twice the largest mail of MSSanté, and what hospitals set on their engines.
DEFAULT_LIMIT = 50_000_000
#: What is kept of a frame beyond the limit: enough for its header segment, so that it can be answered.
HEAD = 4096
#: Bytes in front of a frame that are dropped before the connection is given up.
STRAY_LIMIT = 65_536
#: Pieces shorter than this are gathered: one object for each byte of a slow sender would cost fifty times the frame.
_SMALL, _GATHERED = 8_192, 65_536

#: First bytes that are certainly another protocol, and its name for the log.
_FOREIGN = (
    (b"\x16\x03", "TLS"),
    (b"GET ", "HTTP"),
    (b"POST ", "HTTP"),
    (b"PUT ", "HTTP"),
    (b"HEAD ", "HTTP"),
    (b"OPTIONS ", "HTTP"),
    (b"CONNECT ", "HTTP"),
    (b"HTTP/", "HTTP"),
    (b"PRI * HTTP/2", "HTTP/2"),
    (b"PROXY ", "PROXY"),
    (b"\r\n\r\n\x00\r\nQUIT\n", "PROXY"),
    (b"SSH-", "SSH"),
)
_LONGEST_FOREIGN = max(len(prefix) for prefix, _ in _FOREIGN)


class Trouble(Enum):
    """What was met in place of a frame."""

    STRAY = "stray"  # bytes in front of VT
    FOREIGN = "foreign"  # the first bytes of TLS, HTTP, PROXY, SSH
    EMPTY = "empty"  # a frame without content
    RESTARTED = "restarted"  # VT inside a frame: the first part is broken, a new frame begins
    FS_IN_DATA = "fs-in-data"  # FS not followed by CR: the part before is truncated, the rest is skipped
    TOO_LARGE = "too-large"
    INCOMPLETE = "incomplete"  # the stream ended inside a frame


class Frame(msgspec.Struct, frozen=True):
    """One whole message, without VT, FS, CR."""

    data: bytes


class FrameTrouble(msgspec.Struct, frozen=True):
    """`data` is what was read of a broken frame (its first bytes when too large), `count` the bytes concerned; never for a log."""

    kind: Trouble
    count: int
    data: bytes = b""
    fatal: bool = False
    protocol: str = ""
    limit: int = 0

    @property
    def issue(self) -> Issue:
        """The same as an issue for the journal and the answer."""
        if self.kind is Trouble.TOO_LARGE:
            return Issue.of(Severity.FATAL, IssueCode.FRAME_TOO_LARGE, limit=self.limit)
        if self.kind is Trouble.FS_IN_DATA:
            return Issue.of(Severity.FATAL, IssueCode.FRAME_FS_IN_DATA, offset=len(self.data))
        return Issue.of(Severity.FATAL, IssueCode.FRAME_BROKEN)


class _State(Enum):
    BETWEEN = 0
    INSIDE = 1
    ENDING = 2  # FS was read, CR is awaited
    SKIPPING = 3  # after FS_IN_DATA: up to the frame's real end
    SKIP_ENDING = 4
    CLOSED = 5


class FrameDecoder:
    """Takes frames out of a stream. `limit` is the largest message in bytes; `require_cr` False takes FS alone as the end.

    A message is copied once: out of the chunk that holds it, or when the pieces of several chunks are joined.
    """

    __slots__ = ("_found", "_head", "_pieces", "_size", "_state", "_stray", "begun", "limit", "require_cr")

    def __init__(self, limit: int = DEFAULT_LIMIT, *, require_cr: bool = True) -> None:
        self.limit = limit
        self.require_cr = require_cr
        self.begun = 0
        """How many frames have begun: a change says that a timer for the frame in hand starts anew."""
        self._state = _State.BETWEEN
        self._pieces: list[bytes | bytearray] = []
        self._size = 0
        self._stray = 0
        self._head = b""
        self._found: list[Frame | FrameTrouble] = []

    @property
    def in_frame(self) -> bool:
        """True from VT to the frame's end."""
        return self._state not in (_State.BETWEEN, _State.CLOSED)

    @property
    def closed(self) -> bool:
        """True after a fatal trouble."""
        return self._state is _State.CLOSED

    @property
    def held(self) -> int:
        """Bytes of the frame in hand."""
        return self._size

    def feed(self, chunk: bytes) -> list[Frame | FrameTrouble]:
        """Take the next bytes of the stream; give what they completed."""
        self._found = []
        position, end = 0, len(chunk)
        while position < end:
            state = self._state
            if state is _State.INSIDE:
                position = self._inside(chunk, position)
            elif state is _State.BETWEEN:
                position = self._between(chunk, position)
            elif state is _State.ENDING:
                position = self._ending(chunk, position)
            elif state is _State.CLOSED:
                break
            else:
                position = self._skip(chunk, position)
        return self._found

    def end(self) -> list[Frame | FrameTrouble]:
        """The stream has ended: what is left is trouble."""
        self._found = []
        if self._state is _State.BETWEEN:
            self._flush_stray()
        elif self._state in (_State.INSIDE, _State.ENDING):
            count = self._size
            self._found.append(FrameTrouble(Trouble.INCOMPLETE, count, self._take()))
        self._close()
        return self._found

    def _between(self, chunk: bytes, position: int) -> int:
        start = chunk.find(VT, position)
        stop = len(chunk) if start < 0 else start
        if stop > position:
            if self._drop(chunk, position, stop):
                return len(chunk)
            if start < 0:
                return stop
        self._flush_stray()
        self._state = _State.INSIDE
        self.begun += 1
        return start + 1

    def _drop(self, chunk: bytes, position: int, stop: int) -> bool:
        """Count what stands outside of frames; True when the stream is given up. CR and LF after a frame's end are common and mean nothing."""
        if len(self._head) < _LONGEST_FOREIGN:
            self._head += chunk[position : min(stop, position + _LONGEST_FOREIGN - len(self._head))]
            for prefix, protocol in _FOREIGN:
                if self._head.startswith(prefix):
                    self._found.append(FrameTrouble(Trouble.FOREIGN, len(prefix), fatal=True, protocol=protocol))
                    self._close()
                    return True
        blank = chunk.count(CR, position, stop) + chunk.count(b"\n", position, stop)
        self._stray += stop - position - blank
        if self._stray > STRAY_LIMIT:
            self._found.append(FrameTrouble(Trouble.STRAY, STRAY_LIMIT, fatal=True))
            self._close()
            return True
        return False

    def _flush_stray(self) -> None:
        if self._stray:
            self._found.append(FrameTrouble(Trouble.STRAY, self._stray))
        self._stray = 0
        self._head = b""

    def _inside(self, chunk: bytes, position: int) -> int:
        stop = chunk.find(FS, position)
        if stop < 0:
            stop = len(chunk)
        again = chunk.find(VT, position, stop)
        if again >= 0:
            stop = again
        if not self._keep(chunk, position, stop) or stop == len(chunk):
            return stop
        if stop == again:
            self._restart()
        elif not self.require_cr:
            self._complete()
        else:
            self._state = _State.ENDING
        return stop + 1

    def _keep(self, chunk: bytes, position: int, stop: int) -> bool:
        """Add the piece; False when the frame has become too large."""
        size = stop - position
        over = self._size + size > self.limit
        if over:
            size = self.limit - self._size
        if size:
            piece = chunk if size == len(chunk) else chunk[position : position + size]
            pieces = self._pieces
            if size >= _SMALL:
                pieces.append(piece)
            elif pieces and type(pieces[-1]) is bytearray and len(pieces[-1]) < _GATHERED:
                pieces[-1] += piece
            else:
                # A frame that is whole in its first chunk, the common case, needs no gathering.
                pieces.append(piece if stop < len(chunk) and not pieces else bytearray(piece))
            self._size += size
        if over:
            head = bytearray()
            for kept in self._pieces:
                head += kept[: HEAD - len(head)]
            self._found.append(
                FrameTrouble(Trouble.TOO_LARGE, self.limit + 1, bytes(head), fatal=True, limit=self.limit)
            )
            self._close()
        return not over

    def _ending(self, chunk: bytes, position: int) -> int:
        byte = chunk[position]
        if byte == _CR:
            self._complete()
            return position + 1
        if byte == _VT:  # FS without CR, then the next frame
            self._restart()
            return position + 1
        count = self._size
        self._found.append(FrameTrouble(Trouble.FS_IN_DATA, count, self._take()))
        self._state = _State.SKIPPING
        return position

    def _skip(self, chunk: bytes, position: int) -> int:
        if self._state is _State.SKIP_ENDING and chunk[position] == _CR:
            self._size = 0
            self._state = _State.BETWEEN
            return position + 1
        self._state = _State.SKIPPING
        stop = chunk.find(FS, position)
        stop = len(chunk) if stop < 0 else stop
        again = chunk.find(VT, position, stop)
        stop = again if again >= 0 else stop
        self._size += stop - position
        if self._size > self.limit:
            self._found.append(FrameTrouble(Trouble.TOO_LARGE, self.limit + 1, fatal=True, limit=self.limit))
            self._close()
            return len(chunk)
        if again >= 0:
            self._size = 0
            self._state = _State.INSIDE
            self.begun += 1
        elif stop < len(chunk):
            self._state = _State.SKIP_ENDING
        return stop + 1

    def _restart(self) -> None:
        count = self._size
        self._found.append(FrameTrouble(Trouble.RESTARTED, count, self._take()))
        self._state = _State.INSIDE
        self.begun += 1

    def _complete(self) -> None:
        data = self._take()
        self._state = _State.BETWEEN
        if not data or data.isspace():
            self._found.append(FrameTrouble(Trouble.EMPTY, len(data)))
        else:
            self._found.append(Frame(data))

    def _take(self) -> bytes:
        pieces, self._pieces, self._size = self._pieces, [], 0
        if len(pieces) == 1 and type(pieces[0]) is bytes:
            return pieces[0]
        return b"".join(pieces)

    def _close(self) -> None:
        self._pieces, self._size, self._stray, self._head = [], 0, 0, b""
        self._state = _State.CLOSED


def frame(message: bytes) -> bytes:
    """The message between VT and FS CR."""
    return b"%b%b%b%b" % (VT, message, FS, CR)
