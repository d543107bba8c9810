"""Limits of the FHIR API."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["FhirApi"]


class FhirApi(BaseModel):
    """Which FR Core is written, and what the FHIR API takes at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    core: Literal["2.1.0", "2.2.0"] = Field(
        default="2.1.0", description="Version of FR Core that patients claim (PDSm 3.1.1 is made on 2.1.0)."
    )
    body_limit: int = Field(default=50_000_000, ge=1, description="Bytes of a request's body.")
    body_timeout: float = Field(
        default=60.0, gt=0, description="Seconds within which a request's body must have come whole."
    )
    entries: int = Field(default=2000, ge=1, description="Entries of a transaction or batch.")
    attachments: int = Field(default=1000, ge=1, description="Attachments and Binaries of a request.")
