"""Who may work on a lane: on SQLite the one process; on PostgreSQL whoever's owner session holds the advisory lock of its bucket."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

from connector.store.statements import Cursor, Statement
from connector.store.tables import lane

__all__ = ["AdvisoryBuckets", "OneProcess", "Watch", "boot_seconds", "guard_session"]

_LANE_LOCKS = 7102

log = logging.getLogger(__name__)

Ready = tuple[int, str, int, int]


def boot_seconds() -> float:
    """A clock that also counts while the machine is suspended: a thawed node must know that it was away."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def guard_session(connection: Any, what: str, freeze: float, *, beats: bool = True) -> None:
    """PostgreSQL ends the session of a node that froze, and so frees its lanes: no heartbeat rows, no election.

    `beats`: the session says something also when it has nothing to do. The name tells `Watch` of every node when it is dead.
    """
    limit = int(freeze * 1000)
    connection.execute(f"SET application_name = 'connector {what} {limit} ms'")
    connection.execute(f"SET idle_in_transaction_session_timeout = '{limit}ms'")
    if beats:
        connection.execute(f"SET idle_session_timeout = '{limit}ms'")


class Watch:
    """Ends the sessions, of any node, that fell silent inside a transaction where PostgreSQL's own timer does not run.

    That timer starts with the answer to a Sync and stops with the next message, whatever it is: it does not run while a batch has
    arrived in part, nor after the Flush with which the driver ends a batch. A node that froze there would keep its locks for ever.
    """

    def __init__(self, clock: Callable[[], float] = boot_seconds) -> None:
        self._clock = clock
        self._silent: dict[tuple[int, Any], float] = {}

    def look(self, connection: Any) -> None:
        """Note who waits for its client, and end whom two looks, `freeze` seconds apart, find with no word between (our clock, not the server's)."""
        now = self._clock()
        found = connection.execute(_SILENT).fetchall()
        self._silent = {(pid, since): self._silent.get((pid, since), now) for pid, since, _ in found}
        for pid, since, limit in found:
            if now - self._silent[pid, since] >= limit / 1000:
                log.warning("journal: a session that was silent inside a transaction for %d ms is ended", limit)
                connection.execute(_END, {"pid": pid, "since": since})


_SILENT = """
SELECT pid, state_change, substring(application_name from '^connector [a-z]+ ([0-9]+) ms$')::int FROM pg_stat_activity
WHERE datname = current_database() AND xact_start IS NOT NULL AND wait_event IN ('ClientRead', 'ClientWrite')
  AND application_name ~ '^connector [a-z]+ [0-9]+ ms$'"""
# Asked again in the same breath: one that woke meanwhile is left alone.
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %(pid)s AND state_change = %(since)s"


def _ready(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(lane.c.id, lane.c.key, lane.c.bucket, lane.c.version)
        .where(
            lane.c.destination == sa.bindparam("destination", type_=sa.Text),
            lane.c.active,
            lane.c.due <= sa.bindparam("now", type_=sa.Double),
            *conditions,
        )
        .order_by(lane.c.due, lane.c.id)
        .limit(sa.bindparam("wanted", type_=sa.Integer))
    )


class OneProcess:
    """SQLite: the lock file makes this process the only owner."""

    contended = False

    def __init__(self, dialect: Dialect) -> None:
        self._ready = Statement(_ready(), dialect)

    def ready(self, cursor: Cursor, destination: str, now: float, wanted: int, held: frozenset[int]) -> list[Ready]:
        """Due lanes not in hand, earliest first."""
        found = self._ready.rows(cursor, destination=destination, now=now, wanted=wanted + len(held))
        return [row for row in found if row[0] not in held][:wanted]

    def drop(self, buckets: set[int]) -> None:
        """Nothing is locked."""


class AdvisoryBuckets:
    """PostgreSQL: session advisory locks, at most 64 a destination however many keys wait (one a lane would fill the lock table).

    A node locks only as many buckets as it has room for lanes, and gives a bucket up with its last lane in hand.
    """

    def __init__(self, dialect: Dialect, run: Callable[[str, dict[str, Any]], None]) -> None:
        numbers = postgresql.ARRAY(sa.Integer)
        mine = lane.c.bucket == sa.func.any(sa.bindparam("buckets", type_=numbers))
        others = lane.c.bucket != sa.func.all(sa.bindparam("buckets", type_=numbers))
        self._mine = Statement(_ready(mine), dialect)
        self._others = Statement(_ready(others), dialect)
        self._run = run
        self._locked: set[int] = set()
        self.contended = False

    def ready(self, cursor: Cursor, destination: str, now: float, wanted: int, held: frozenset[int]) -> list[Ready]:
        """Due lanes in buckets that this session holds or can lock."""
        refused: set[int] = set()
        fresh: set[int] = set()
        while True:
            # Read after the lock: another node may have emptied a lane, or put it off, since the candidates were read.
            mine = (
                self._rows(cursor, self._mine, destination, now, wanted + len(held), self._locked)
                if self._locked
                else []
            )
            mine = [row for row in mine if row[0] not in held][:wanted]
            if len(mine) >= wanted:
                break
            candidates = self._rows(cursor, self._others, destination, now, 4 * wanted + 64, self._locked | refused)
            if not candidates:
                break
            fresh |= self._lock(cursor, candidates, wanted - len(mine), refused)
        self.contended = bool(refused)
        unused = fresh.difference(row[2] for row in mine)
        if unused:
            self.drop(unused, cursor)
        return mine

    def drop(self, buckets: set[int], cursor: Cursor | None = None) -> None:
        """Unlock; another node may take them at once."""
        ours = sorted(buckets & self._locked)
        self._locked -= buckets
        if ours:
            sql = "SELECT pg_advisory_unlock(%(space)s, n) FROM unnest(%(numbers)s::int[]) AS n"
            parameters = {"space": _LANE_LOCKS, "numbers": ours}
            if cursor is not None:
                cursor.execute(sql, parameters)
            else:
                self._run(sql, parameters)

    def forget(self) -> None:
        """The session is gone, and its locks with it."""
        self._locked.clear()

    def _lock(self, cursor: Cursor, candidates: Iterable[Ready], room: int, refused: set[int]) -> set[int]:
        got: set[int] = set()
        for _, _, bucket, _ in candidates:
            if bucket in got:
                room -= 1
            elif bucket not in refused:
                cursor.execute(
                    "SELECT pg_try_advisory_lock(%(space)s, %(number)s)", {"space": _LANE_LOCKS, "number": bucket}
                )
                if cursor.fetchone()[0]:
                    got.add(bucket)
                    self._locked.add(bucket)
                    room -= 1
                else:
                    refused.add(bucket)
            if room <= 0:
                break
        return got

    @staticmethod
    def _rows(
        cursor: Cursor, statement: Statement, destination: str, now: float, wanted: int, buckets: set[int]
    ) -> list[Ready]:
        return statement.rows(cursor, destination=destination, now=now, wanted=wanted, buckets=sorted(buckets))
