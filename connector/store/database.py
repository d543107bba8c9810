"""Where the tables are: one SQLite file with one writing connection and an exclusive lock, or the customer's PostgreSQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import ModuleType
from typing import IO, Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.pool import NullPool, QueuePool

__all__ = ["Database", "JournalDamaged", "JournalLocked", "sqlite_module", "sqlite_warning"]

# SQLite before 3.51.3 can lose a WAL reset under a concurrent checkpoint (sqlite.org/wal.html, "WAL-reset bug").
SAFE_SQLITE = (3, 51, 3)


class JournalLocked(Exception):
    """Another process has this SQLite journal."""


class JournalDamaged(Exception):
    """The file is not a readable journal; it must be restored before anything is accepted."""


def sqlite_module() -> ModuleType:
    """The SQLite that is compiled into the pysqlite3 wheel where it exists, else Python's."""
    try:
        import pysqlite3.dbapi2 as newer
    except ImportError:
        return sqlite3
    module: ModuleType = newer
    return module


def sqlite_warning() -> str | None:
    """What `connector doctor` says about the SQLite in use, or None when it is safe."""
    version: str = sqlite_module().sqlite_version
    if tuple(int(part) for part in version.split(".")) >= SAFE_SQLITE:
        return None
    return f"SQLite {version} is older than 3.51.3 (WAL-reset defect); install the pysqlite3 wheel"


class Database:
    """A database by URL. `engine` reads (SQLite: connections that cannot write); `writing()` opens a writing driver connection."""

    def __init__(self, url: str) -> None:
        self.url = _url(url)
        self.lite = self.url.get_backend_name() == "sqlite"
        self._lock: IO[str] | None = None
        if self.lite:
            self.path = Path(self.url.database or "")
            self._module = sqlite_module()
            self.engine: Engine = sa.create_engine(
                "sqlite://",
                module=self._module,
                creator=self._reading,
                poolclass=QueuePool,
                pool_size=4,
                paramstyle="named",
            )
        else:
            self.engine = sa.create_engine(self.url, pool_size=4, pool_pre_ping=True)
        self.dialect = self.engine.dialect

    def lock(self) -> None:
        """Take the exclusive lock of a SQLite journal; raises JournalLocked with the process that has it."""
        if not self.lite or self._lock is not None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        path = self.path.with_name(self.path.name + ".lock")
        file = path.open("a+", encoding="ascii")
        if not _exclusive(file):
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise JournalLocked(
                f"{self.path}: the journal is in use by process {holder}; one process at a time (see {path})"
            )
        file.truncate(0)
        file.write(str(_process_id()))
        file.flush()
        self._lock = file

    def unlock(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def writing(self) -> Any:
        """A driver connection that writes, in autocommit: transactions are begun by word. SQLite: WAL, synchronous=FULL."""
        if not self.lite:
            return self._postgres()
        try:
            connection = self._module.connect(
                str(self.path), isolation_level=None, check_same_thread=False, cached_statements=256, timeout=5.0
            )
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA wal_autocheckpoint=4000")
            connection.execute("PRAGMA journal_size_limit=67108864")
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute("PRAGMA cache_size=-32768")
        except self._module.DatabaseError as error:
            if isinstance(error, self._module.OperationalError):
                raise
            raise JournalDamaged(
                f"{self.path}: {error}; stop, keep the file, restore the last backup beside it"
            ) from error
        return connection

    def writing_engine(self) -> Engine:
        """An engine for the rare writes in plain Core (migrations); SQLite: only before the writer starts."""
        if self.lite:
            return sa.create_engine(
                "sqlite://", module=self._module, creator=self.writing, poolclass=NullPool, paramstyle="named"
            )
        return self.engine

    def close(self) -> None:
        """Close every connection and give the lock back."""
        self.engine.dispose()
        self.unlock()

    def _reading(self) -> Any:
        address = f"file:{quote(str(self.path.absolute()))}?mode=ro"
        connection = self._module.connect(address, uri=True, check_same_thread=False, timeout=5.0)
        connection.execute("PRAGMA query_only=ON")
        return connection

    def _postgres(self) -> Any:
        import psycopg

        # tcp_user_timeout and keepalives: a peer that vanished from the network is noticed like one that died.
        return psycopg.connect(
            self.url.set(drivername="postgresql").render_as_string(hide_password=False),
            autocommit=True,
            connect_timeout=5,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=8000,
        )


def _url(text: str) -> URL:
    if "://" not in text:
        return URL.create("sqlite", database=text)
    url = make_url(text)
    return url.set(drivername="postgresql+psycopg") if url.get_backend_name() == "postgresql" else url


def _process_id() -> int:
    import os

    return os.getpid()


def _exclusive(file: IO[str]) -> bool:
    """Lock the file or say False; the lock ends with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
