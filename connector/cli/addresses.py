"""Addresses as people type them, and free ports."""

from __future__ import annotations

import socket

import typer

__all__ = ["LOOPBACK", "address", "free_port"]

LOOPBACK = "127.0.0.1"


def address(text: str, option: str, *, host: str = LOOPBACK) -> tuple[str, int]:
    """`HOST:PORT`, `[v6]:PORT`, `mllp://HOST:PORT` or a port alone (on `host`). A usage error (exit code 2) names the option."""
    bare = text.removeprefix("mllp://").rstrip("/")
    name, colon, port = bare.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535 or (colon and not name):
        raise typer.BadParameter(f"{text!r}: HOST:PORT", param_hint=option)
    return (name.strip("[]") if colon else host), int(port)


def free_port(host: str, first: int, *, tries: int = 50) -> int:
    """`first` when it is free, else the next one that is, else any. Only a hint: whoever binds it may still lose the race."""
    for port in [*range(first, first + tries), 0]:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port")
