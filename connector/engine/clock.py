"""The one real clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["SystemClock"]


class SystemClock:
    """`connector.ports.Clock` of the machine."""

    def now(self) -> str:
        """Wall clock in UTC, ISO with milliseconds."""
        return datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251 - this is the edge

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
