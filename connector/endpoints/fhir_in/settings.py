"""The settings of the FHIR API."""

from __future__ import annotations

from pydantic import Field

from connector.endpoints import EndpointSettings
from connector.settings.api import FhirApi

__all__ = ["FhirInSettings"]


class FhirInSettings(FhirApi, EndpointSettings):
    """The FHIR API."""

    base_url: str | None = Field(
        default=None, description="Address under which partners reach it; without it, the one that they used."
    )
    zone: str = Field(default="Europe/Paris", description="Time zone in which dates without zone are searched.")
