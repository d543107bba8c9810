"""The journal's own clock: wall time at the start, carried on by the monotonic clock, so that a jump of the wall clock moves nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from connector.ports import Clock

__all__ = ["Timeline"]


class Timeline:
    """Seconds since the epoch that never go back while the process lives (faults S20)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = datetime.fromisoformat(clock.now()).timestamp() - clock.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock.monotonic() + self._offset


def iso(seconds: float | None) -> str | None:
    """Seconds since the epoch as ISO text in UTC with milliseconds."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
