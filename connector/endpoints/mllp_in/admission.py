"""Who may connect: addresses, names of certificates, and how many at once."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Iterator

from connector.endpoints.mllp_in.settings import MllpInSettings, Network
from connector.endpoints.tls import names_of

__all__ = ["Admission", "keep_alive"]


class Admission:
    """The rules of one receiver and the connections they count."""

    def __init__(self, settings: MllpInSettings) -> None:
        self.settings = settings
        self.total = 0
        self.addresses: Counter[str] = Counter()

    def admit(self, address: str, transport: asyncio.Transport) -> str:
        """Why a connection is not admitted, or "" (then it counts until `left`)."""
        settings = self.settings
        if settings.allow and not any(_within(address, network) for network in settings.allow):
            return "address not in the allow-list"
        names = settings.tls.names if settings.tls else ()
        if names and not names_of(transport.get_extra_info("peercert")) & set(names):
            return "name of the certificate not admitted"
        if self.total >= settings.max_connections:
            return "too many connections"
        if self.addresses[address] >= settings.max_connections_per_address:
            return "too many connections from this address"
        self.total += 1
        self.addresses[address] += 1
        return ""

    def left(self, address: str) -> None:
        """An admitted connection is gone."""
        self.total -= 1
        self.addresses[address] -= 1
        if not self.addresses[address]:
            del self.addresses[address]


def _within(address: str, network: Network) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip) in network


def keep_alive(sock: socket.socket | None) -> None:
    """Find out within about two minutes that the peer vanished without a word."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, name, value)


def _options() -> Iterator[tuple[int, int]]:
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            yield getattr(socket, name), value


_KEEPALIVE = tuple(_options())
