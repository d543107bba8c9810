"""Limits of the FHIR API."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["FhirApi"]


class FhirApi(BaseModel):
    """What the FHIR API takes at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body_limit: int = Field(default=50_000_000, ge=1, description="Bytes of a request's body.")
    body_timeout: float = Field(
        default=60.0, gt=0, description="Seconds within which a request's body must have come whole."
    )
    entries: int = Field(default=2000, ge=1, description="Entries of a transaction or batch.")
    attachments: int = Field(default=1000, ge=1, description="Attachments and Binaries of a request.")
