"""The exchange profile over REST, for the web to mount: a receiver beside those of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.endpoints.exchange_in import ExchangeIn
    from connector.ports import Clock
    from connector.settings import Settings
    from connector.store.journal import SqlJournal

__all__ = ["exchange_receiver"]


def exchange_receiver(settings: Settings, journal: SqlJournal, clock: Clock) -> ExchangeIn:
    """The receiver over a journal; its name in the journal is `exchanges`."""
    from connector.endpoints import Endpoint
    from connector.endpoints.exchange_in import ExchangeIn, ExchangeInSettings
    from connector.store.exchanges import SqlExchanges

    endpoint = Endpoint(
        name="exchanges",
        clock=clock,
        environment=settings.environment,
        exchanges=SqlExchanges(journal),
        draft=journal.keeping.draft,
    )
    return ExchangeIn(ExchangeInSettings(limit=settings.monsisra.max_exchange, language=settings.language), endpoint)
