"""The exchange profile over REST: `POST /exchanges` (one, a form with files, or an NDJSON stream), `GET /exchanges` and `GET /exchanges/{id}`."""

from connector.endpoints.exchange_in.receiver import KIND, ExchangeIn, ExchangeInSettings

__all__ = ["KIND", "ExchangeIn", "ExchangeInSettings"]
