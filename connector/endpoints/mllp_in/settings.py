"""Settings of an MLLP receiver."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from connector.endpoints import EndpointSettings
from connector.endpoints.tls import ServerTls
from connector.hl7.mllp import DEFAULT_LIMIT

__all__ = ["MllpInSettings", "Network"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _listed(value: Any) -> Any:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


class MllpInSettings(EndpointSettings):
    """Settings of an MLLP receiver."""

    host: str = Field(default="127.0.0.1", description="Address it listens on; `0.0.0.0` or `::` for all.")
    port: int = Field(default=2575, ge=0, le=65535, description="Port; 0 takes a free one.")
    tls: ServerTls | None = Field(default=None, description="TLS, with the authorities whose clients are admitted.")
    insecure: str | None = Field(
        default=None,
        description="Why it may listen beyond loopback without TLS (e.g. `VPN to the laboratory`). Required then: MLLP itself protects nothing.",
    )
    allow: Annotated[tuple[Network, ...], BeforeValidator(_listed)] = Field(
        default=(), description="Addresses or networks that may connect (`10.1.2.3, 10.4.0.0/16`); empty: any."
    )
    max_message: int = Field(default=DEFAULT_LIMIT, ge=1024, description="Largest message in bytes.")
    max_connections: int = Field(default=1000, ge=1, description="Connections open at once.")
    max_connections_per_address: int = Field(
        default=100, ge=1, description="Connections open at once from one address."
    )
    in_flight: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Messages of one connection that are judged at once. 1 keeps the sender's order for certain; more helps senders that do not wait for answers. Answers always leave in order.",
    )
    memory: int = Field(
        default=256_000_000,
        ge=1_000_000,
        description="Bytes of messages in hand over all connections; beyond it one connection at a time is read.",
    )
    frame_timeout: float = Field(
        default=120.0, gt=0, description="Seconds from the first to the last byte of a message."
    )
    idle_timeout: float = Field(
        default=3600.0, gt=0, description="Seconds without a byte after which a connection is closed."
    )
    require_cr: bool = Field(
        default=True,
        description="Whether FS must be followed by CR. `false` for senders that end a message with FS alone.",
    )
    drain: float = Field(default=10.0, ge=0, description="Seconds that a stop waits for messages in hand.")

    @model_validator(mode="after")
    def _protected(self) -> MllpInSettings:
        if self.tls is None and not self.insecure and not _loopback(self.host):
            raise ValueError(
                "listens beyond loopback without TLS: give `tls`, keep 127.0.0.1, or say in `insecure` why this is acceptable"
            )
        return self


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
