"""The journal as a person reads it, beside a running connector or without one; and what a person asks of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from connector.app.journal import database_url, open_journal

if TYPE_CHECKING:
    from connector.settings import Settings
    from connector.store.journal import SqlJournal
    from connector.store.search import Filters, MessageRow, Shown
    from connector.store.tasks import Task

__all__ = ["JournalBusy", "Records", "journal_state"]


class JournalBusy(Exception):
    """A running connector has the journal: what changes it is asked of that connector."""


def journal_state(settings: Settings) -> str:
    """`absent`, `running` (a connector has it) or `ready`. Raises what the database driver raises when it cannot be reached."""
    from connector.store.database import Database, JournalLocked

    database = Database(database_url(settings))
    try:
        if database.lite:
            if not database.path.exists():
                return "absent"
            try:
                database.lock()
            except JournalLocked:
                return "running"
            database.unlock()
        with database.engine.connect():
            return "ready"
    finally:
        database.close()


class Records:
    """Reads of the journal; blocking. FileNotFoundError when there is none yet."""

    def __init__(self, settings: Settings) -> None:
        from connector.engine.clock import SystemClock
        from connector.store.patient_search import Patients
        from connector.store.search import Search

        self._settings = settings
        journal = open_journal(settings, SystemClock())  # not started: it says where the bytes are, no more
        self._database = journal.database
        if self._database.lite and not self._database.path.exists():
            raise FileNotFoundError(self._database.path)
        self.search = Search(self._database, journal.files)
        self.patients = Patients(self._database)

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()

    def messages(self, filters: Filters) -> list[MessageRow]:
        """The newest first."""
        return list(self.search.list_messages(filters))

    def show(self, message_id: int) -> Shown | None:
        """One message with its legs."""
        return self.search.show(message_id)

    def tasks(self) -> list[Task]:
        """Codes met without a translation, those met most often first."""
        from connector.store.tasks import list_tasks

        return list_tasks(self._database)

    def recent_types(self, account: str = "") -> list[str]:
        """The document types used last, by an account or by anybody."""
        from connector.store.recent import RecentTypes

        recent = RecentTypes(self._database)
        recent.refresh()
        return recent.codes(account)

    def change(self, act: str, *arguments: Any) -> Any:
        """`retry`, `cancel`, `replay` or `judge` by this process. Raises JournalBusy when a running connector has the journal."""
        return asyncio.run(_changed(self._settings, act, arguments))


async def _changed(settings: Settings, act: str, arguments: tuple[Any, ...]) -> Any:
    from connector.engine.clock import SystemClock
    from connector.store.database import JournalLocked

    journal = open_journal(settings, SystemClock())
    try:
        await journal.start()
    except JournalLocked as error:
        raise JournalBusy from error
    try:
        if act == "judge":
            return await _judged(settings, journal, *arguments)
        return await getattr(journal, act)(*arguments)
    finally:
        await journal.stop()


async def _judged(settings: Settings, journal: SqlJournal, message_id: int) -> str | None:
    """Judge a refused or parked message again; its deliveries leave at the next start."""
    from connector.app.compiled import compile_site, site_context
    from connector.app.routing import desk_settings
    from connector.engine.clock import SystemClock
    from connector.engine.intake import Reception
    from connector.pipeline.judge import Desk

    compiled = compile_site(settings)
    desk = Desk(compiled.translator, site_context(settings, compiled.tables), desk_settings(settings))
    reception = Reception(journal, desk, SystemClock())
    try:
        await reception.rejudge(message_id)
    finally:
        await reception.stop()
    shown = journal.search.show(message_id)
    return shown.message.state if shown is not None else None
