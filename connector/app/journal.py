"""Where a site's journal is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.ports import Clock
    from connector.settings import Settings
    from connector.store.journal import SqlJournal

__all__ = ["database_url", "open_journal"]


def database_url(settings: Settings) -> str:
    """The SQLAlchemy URL of the journal with its password. Raises SecretUnavailable."""
    from urllib.parse import quote

    from connector.settings import secret

    url = settings.database or f"sqlite:///{settings.data / 'journal.sqlite'}"
    if settings.database_password is None:
        return url
    scheme, _, rest = url.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}://{user}:{quote(secret(settings.database_password), safe='')}{at}{host}"


def open_journal(settings: Settings, clock: Clock) -> SqlJournal:
    """The journal of a site, not started."""
    from connector.store.journal import SqlJournal

    window = float(settings.duplicates.window_days)
    return SqlJournal(database_url(settings), clock=clock, contents=settings.contents, window_days=window)
