"""Bytes in hand over all connections of a receiver."""

from __future__ import annotations

from collections import deque
from typing import Protocol

__all__ = ["Budget", "Reader"]


class Reader(Protocol):
    """A connection as the budget sees it."""

    gone: bool

    def relieved(self) -> None:
        """It may read on."""
        ...


class Budget:
    """Bytes in hand over all connections. Beyond the limit one connection, the favoured, is read to the end of its message; the others wait."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.favoured: Reader | None = None
        self.starved: deque[Reader] = deque()

    def may_read(self, connection: Reader, change: int) -> bool:
        """Take a change of what the connection holds; False when it must wait for `relieved`."""
        self.held += change
        if self.held <= self.limit:
            return True
        if self.favoured is None:
            self.favoured = connection
        if self.favoured is connection:
            return True
        if connection not in self.starved:
            self.starved.append(connection)
        return False

    def release(self, connection: Reader, count: int) -> None:
        """The connection holds `count` bytes less."""
        self.held -= count
        if self.favoured is connection and (count or connection.gone):
            self.favoured = None
        if connection.gone and connection in self.starved:
            self.starved.remove(connection)
        while self.starved and (self.held <= self.limit or self.favoured is None):
            waiting = self.starved.popleft()
            if self.held > self.limit:
                self.favoured = waiting
            waiting.relieved()
