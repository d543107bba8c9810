"""Kinds of endpoints by the word that settings use: `mllp` listens as `mllp_in` and delivers as `mllp_out`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

    from connector.endpoints import Endpoint, EndpointKind
    from connector.endpoints.fhir_in import FhirIn
    from connector.settings import Settings

__all__ = ["endpoint_models", "kind_of"]

#: Receivers that the web mounts by itself: not something that settings list.
_MOUNTED = frozenset({"fhir_in", "exchange_in"})


def endpoint_models() -> dict[str, dict[str, type[BaseModel]]]:
    """Settings models by kind word, as `receivers` and `destinations` of `connector.settings.load_settings` take them."""
    from connector.endpoints import kinds

    models: dict[str, dict[str, type[BaseModel]]] = {"receivers": {}, "destinations": {}}
    for name, kind in kinds().items():
        if name not in _MOUNTED:
            word = name.removesuffix(f"_{kind.direction}")
            models["receivers" if kind.direction == "in" else "destinations"][word] = kind.settings
    return models


def kind_of(word: str, direction: str) -> EndpointKind:
    """The kind that settings call `word`. LookupError names those that exist."""
    from connector.endpoints import kind

    return kind(f"{word}_{direction}")


def built(word: str, direction: str, options: dict[str, Any], endpoint: Any) -> Any:
    """A `Receiver` or `Sender` of a kind from its options."""
    found = kind_of(word, direction)
    return found.build(found.settings.model_validate(options), endpoint)


def fhir_api(settings: Settings, endpoint: Endpoint) -> FhirIn:
    """The FHIR API, which the web mounts, as the receiver that gives what is posted to the intake."""
    from connector.endpoints.fhir_in import FhirIn, FhirInSettings

    limits = settings.fhir.model_dump(include=set(FhirInSettings.model_fields))
    return FhirIn(FhirInSettings(base_url=settings.base_url or None, zone=settings.zone, **limits), endpoint)
