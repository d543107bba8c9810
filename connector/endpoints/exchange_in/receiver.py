"""The receiver: its routes, which the web mounts; what comes in goes through intake like every message."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from starlette.routing import Route

from connector.endpoints import Endpoint, EndpointKind, EndpointSettings
from connector.endpoints.exchange_in.giving import Giving
from connector.endpoints.exchange_in.refusing import answering
from connector.endpoints.exchange_in.taking import Taking
from connector.ports import Intake

__all__ = ["KIND", "ExchangeIn", "ExchangeInSettings"]


class ExchangeInSettings(EndpointSettings):
    """Exchanges over REST."""

    limit: int = Field(default=25_000_000, ge=1024, description="Largest exchange in bytes, its files included.")
    language: Literal["fr", "en"] = Field(
        default="fr", description="Language of the sentences when the caller asks for none (Accept-Language)."
    )


class ExchangeIn:
    """A `Receiver` whose requests come from the web; before it is started and after it is stopped it answers 503."""

    def __init__(self, settings: ExchangeInSettings, endpoint: Endpoint) -> None:
        self._taking = Taking(endpoint, settings.limit, settings.language)
        self._giving = Giving(endpoint.exchanges, settings.language)

    async def start(self, intake: Intake) -> None:
        """Take from now on."""
        self._taking.intake = intake

    async def stop(self) -> None:
        """Take no more."""
        self._taking.intake = None

    @property
    def listening(self) -> bool:
        """Whether exchanges are taken; the web listens for it."""
        return self._taking.intake is not None

    def routes(self) -> list[Route]:
        """`/exchanges` and `/exchanges/{id}`."""
        language = self._taking.language
        return [
            Route("/exchanges", answering(self._taking.post, language), methods=["POST"]),
            Route("/exchanges", answering(self._giving.search, language), methods=["GET"]),
            Route("/exchanges/{id:path}", answering(self._giving.read, language), methods=["GET"]),
        ]


KIND = EndpointKind(
    name="exchange_in",
    direction="in",
    title=("Échanges par REST", "Exchanges over REST"),
    settings=ExchangeInSettings,
    build=ExchangeIn,
)
