"""TLS as settings say it: what every side shares, and what a client needs (contexts are made in `connector.endpoints.tls`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector.settings.references import SecretReference

__all__ = ["ClientTls", "Tls"]


class Tls(BaseModel):
    """What every side of TLS shares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minimum: Literal["1.2", "1.3"] = Field(default="1.2", description="Oldest version of TLS that is spoken.")
    revocation: Path | None = Field(
        default=None,
        description="PEM file with the revocation lists of the authorities; with it, a certificate without a valid list is refused.",
    )


class ClientTls(Tls):
    """TLS of a sender. The server's certificate is always checked."""

    authorities: Path | None = Field(
        default=None,
        description="PEM file of the authorities that the server's certificate must come from; empty: those of the system.",
    )
    certificate: Path | None = Field(
        default=None, description="PEM file of our certificate, when the server asks for one."
    )
    key: Path | None = Field(default=None, description="PEM file of its private key.")
    key_passphrase: SecretReference | None = Field(
        default=None, description="Passphrase of the key, as env:NAME or file:PATH."
    )
    server_name: str | None = Field(
        default=None,
        description="Name that the server's certificate must bear, when it is not the host of the address.",
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> ClientTls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` go together")
        return self
