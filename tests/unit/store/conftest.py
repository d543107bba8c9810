"""Both databases for every test of the store."""

from tests.journal_kit import postgres, postgres_server, url

__all__ = ["postgres", "postgres_server", "url"]
