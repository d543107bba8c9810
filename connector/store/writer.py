"""The one writer thread of a connection: takes what waits, applies it in one transaction, and tells everybody at once (group commit)."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from connector.ports import JournalUnavailable
from connector.store.statements import Cursor

__all__ = ["Operation", "Transaction", "Writer", "translated", "unavailable"]

log = logging.getLogger(__name__)

# Deadlock and serialization failure (PostgreSQL): the order of locks makes them impossible among us, a foreign session may cause them.
_TRANSIENT = ("40P01", "40001")
_UNAVAILABLE = ("OperationalError", "InterfaceError")


class Operation:
    """One thing to do in the next transaction; `result` is set by whoever applies it, an exception in it is raised to the caller."""

    __slots__ = ("argument", "future", "kind", "loop", "result")

    def __init__(self, kind: str, argument: Any, future: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.kind = kind
        self.argument = argument
        self.future = future
        self.loop = loop
        self.result: Any = None


class Transaction:
    """The cursor of an open transaction, and what to do in memory (and with session locks) once it is committed."""

    __slots__ = ("_after", "cursor", "groups")

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.groups: dict[str, list[Operation]] = {}
        self._after: list[Callable[[], None]] = []

    def then(self, operation: Operation) -> None:
        """Apply one more operation in a phase that is still to come."""
        self.groups.setdefault(operation.kind, []).append(operation)

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do `act` when the transaction is committed, never when it is rolled back."""
        self._after.append(act)

    def committed(self) -> None:
        """Run what waited for the commit."""
        for act in self._after:
            act()


Apply = Callable[[Transaction, Sequence[Operation]], None]


def unavailable(error: BaseException) -> bool:
    """Whether the database (or the disk) is at fault, not what was asked: full, locked, damaged, gone."""
    if isinstance(error, OSError | MemoryError):
        return True
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names.intersection(_UNAVAILABLE)) or type(error).__name__ == "DatabaseError"


def translated(error: Exception) -> Exception:
    """SQLAlchemy wraps the driver's error; what is the database's fault is JournalUnavailable."""
    original = getattr(error, "orig", None) or error
    return JournalUnavailable(type(original).__name__) if unavailable(original) else error


class Writer:
    """Owns one writing connection. `phases` names the kinds of operations in the order in which a transaction applies them.

    `opened` runs on each new connection, `lost` when one is given up; `pulse` seconds without work call `beat` (PostgreSQL: the owner
    session says that it lives). A connection that failed is replaced at the next work: no restart of the process is needed.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Any],
        phases: dict[str, Apply],
        *,
        group: int = 256,
        pulse: float | None = None,
        began: str = "BEGIN",
        opened: Callable[[Any], None] | None = None,
        answered: Callable[[float], None] | None = None,
        now: Callable[[], float] | None = None,
        lost: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._connect = connect
        self.phases = phases
        self._group = group
        self._pulse = pulse
        self._began = began
        self._opened = opened
        self._answered = answered
        self._now = now
        self._lost = lost
        self._queue: queue.SimpleQueue[Operation | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: Any = None
        self._cursor: Any = None
        self._stopping = False
        self.available = True  # whether the last transaction could be made
        self.transactions = 0
        self.operations = 0

    def start(self) -> None:
        """Open the connection (errors are the caller's) and start the thread."""
        self._open()
        self._thread = threading.Thread(target=self._run, name=f"journal-{self._name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Apply what waits, then close. Blocks: call it in a thread."""
        if self._thread is None or self._stopping:
            return
        self._stopping = True
        self._queue.put(None)
        self._thread.join()
        self._close()

    def submit(self, kind: str, argument: Any) -> asyncio.Future[Any]:
        """Queue one operation; the future ends when its transaction is durable. Raises JournalUnavailable (also in the future)."""
        if self._stopping or self._thread is None:
            raise JournalUnavailable("the journal is stopped")
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._queue.put(Operation(kind, argument, future, loop))
        return future

    def run_now(self, sql: str, parameters: Any) -> None:
        """On the writer's thread only: one statement outside a transaction (session locks, after a commit)."""
        self._cursor.execute(sql, parameters)

    def _run(self) -> None:
        last = False
        while not last:
            batch, last = self._take()
            if batch:
                self._serve(batch)
            elif not last:
                self._beat()

    def _take(self) -> tuple[list[Operation], bool]:
        try:
            first = self._queue.get(timeout=self._pulse) if self._pulse else self._queue.get()
        except queue.Empty:
            return [], False
        if first is None:
            return [], True
        batch = [first]
        while len(batch) < self._group:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return batch, True
            batch.append(following)
        return batch, False

    def _serve(self, batch: list[Operation]) -> None:
        """Apply together; when what was asked is at fault, one by one, so that one bad operation fails alone."""
        error = self._attempt(batch)
        if error is not None and len(batch) > 1 and not isinstance(error, JournalUnavailable):
            for operation in batch:
                failure = self._attempt([operation])
                if failure is not None:
                    operation.result = failure
        elif error is not None:
            for operation in batch:
                operation.result = error
        self._tell(batch)

    def _attempt(self, batch: list[Operation]) -> Exception | None:
        for _again in range(3):
            try:
                self._transact(batch)
                self.available = True
                return None
            except Exception as error:
                self._back_out(error)
                if getattr(error, "sqlstate", None) in _TRANSIENT:
                    log.warning("journal: transaction replayed (%s)", getattr(error, "sqlstate", ""))
                    continue
                if unavailable(error):
                    if self.available:
                        log.error("journal unavailable: %s", type(error).__name__)
                    self.available = False
                    failure = JournalUnavailable(type(error).__name__)
                    failure.__cause__ = error
                    return failure
                return error
        return JournalUnavailable("transaction replayed too often")

    def _transact(self, batch: list[Operation]) -> None:
        if self._connection is None:
            self._open()
        started = self._now() if self._now else 0.0
        transaction = Transaction(self._cursor)
        self._cursor.execute(self._began)
        for operation in batch:
            transaction.then(operation)
        for kind, apply in self.phases.items():
            if kind in transaction.groups:
                apply(transaction, transaction.groups[kind])
        self._cursor.execute("COMMIT")
        transaction.committed()
        self.transactions += 1
        self.operations += len(batch)
        if self._answered:
            self._answered(started)

    def _back_out(self, error: Exception) -> None:
        """Roll back; a connection on which even that fails, or that the server ended, is given up."""
        if self._connection is None:
            return
        try:
            if getattr(self._connection, "in_transaction", True):
                self._cursor.execute("ROLLBACK")
        except Exception:
            self._close()
            return
        if getattr(self._connection, "closed", False) or isinstance(error, MemoryError):
            self._close()

    def _beat(self) -> None:
        try:
            if self._connection is None:
                self._open()
            started = self._now() if self._now else 0.0
            self._cursor.execute("SELECT 1")
            self._cursor.fetchall()
            if self._answered:
                self._answered(started)
        except Exception as error:
            log.warning("journal: no answer from the database (%s)", type(error).__name__)
            self._close()

    def _open(self) -> None:
        connection = self._connect()
        try:
            if self._opened:
                self._opened(connection)
            self._cursor = connection.cursor()
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _close(self) -> None:
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is None:
            return
        if self._lost:
            self._lost()
        try:
            connection.close()
        except Exception as error:
            log.debug("journal: closing: %s", type(error).__name__)

    def _tell(self, batch: list[Operation]) -> None:
        loops: dict[asyncio.AbstractEventLoop, list[Operation]] = {}
        for operation in batch:
            loops.setdefault(operation.loop, []).append(operation)
        for loop, operations in loops.items():
            try:
                loop.call_soon_threadsafe(_resolve, operations)
            except RuntimeError:  # the loop is closed: nobody waits any more, what was committed stays
                log.debug("journal: %d results for a closed loop", len(operations))


def _resolve(operations: list[Operation]) -> None:
    for operation in operations:
        if operation.future.done():
            continue
        if isinstance(operation.result, BaseException):
            operation.future.set_exception(operation.result)
        else:
            operation.future.set_result(operation.result)
