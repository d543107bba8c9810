"""How hard a destination may be pressed: it slows down when several lanes fail one after the other, and comes back step by step.

Without it a dead destination with many waiting keys would be tried once a key, and flooded when it returns (faults S19).
"""

from __future__ import annotations

from connector.engine.retry import wait_before
from connector.ports import Policy

__all__ = ["Pace"]

_LANES = 3  # so many different lanes fail in a row before the destination itself is held to be down
_LONGEST = 30.0  # seconds between two looks at a destination that is down


class Pace:
    """Width (deliveries at once) and pause of one destination. `now` is monotonic and given by the caller."""

    def __init__(self, parallel: int, policy: Policy) -> None:
        self._parallel = parallel
        self._policy = policy
        self._failed: set[int] = set()
        self._failures = 0
        self._until = 0.0
        self.width = parallel

    def accepted(self) -> None:
        """The peer answered: no pause, and twice the width up to the setting."""
        self._failed.clear()
        self._failures = 0
        self._until = 0.0
        self.width = min(self._parallel, self.width * 2)

    def failed(self, lane_id: int, now: float) -> None:
        """The peer could not be reached or did not answer."""
        self._failed.add(lane_id)
        if len(self._failed) < _LANES:
            return
        self._failures += 1
        self.width = 1
        self._until = now + min(_LONGEST, wait_before(self._failures, self._policy))

    def rest(self, now: float) -> float:
        """Seconds until the destination may be tried again; 0 when it may be now."""
        return max(0.0, self._until - now)
