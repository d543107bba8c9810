"""TLS of the MLLP endpoints (A16): who is refused at the handshake, and mistakes in settings told with their file."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connector.endpoints import Endpoint
from connector.endpoints.mllp_out import MllpOut, MllpOutSettings
from connector.endpoints.tls import ClientTls, ServerTls, TlsProblem, client_context, server_context
from connector.ports import DeliveryFailed, Retry
from tests.unit.endpoints.mllp_peers import Desk, FixedClock, Peer, claimed, message, nothing, receiving

HERE = Path(__file__).parent / "certificates"


def server(**more: Any) -> dict[str, Any]:
    """TLS settings of the receiver: mutual, one name admitted, revocation checked."""
    tls = {
        "certificate": HERE / "server.pem",
        "key": HERE / "server.pem",
        "authorities": HERE / "authority.pem",
        "names": ("laboratory",),
        "revocation": HERE / "revocation.pem",
    }
    return {"tls": tls | more}


def client(name: str | None, authority: str = "authority") -> ssl.SSLContext:
    """A client's context with one of the certificates."""
    path = HERE / f"{name}.pem" if name else None
    return client_context(ClientTls(authorities=HERE / f"{authority}.pem", certificate=path, key=path))


async def attempt(context: ssl.SSLContext, receiver: Any) -> bool:
    """Whether a message gets an answer."""
    try:
        peer = await Peer.to(receiver, ssl=context, server_hostname="localhost")
    except (ssl.SSLError, ConnectionError):
        return False
    try:
        await peer.good()
    except (ssl.SSLError, ConnectionError, EOFError):
        return False
    finally:
        peer.writer.transport.abort()
    return True


@pytest.mark.parametrize(
    ("name", "admitted"),
    [
        ("laboratory", True),
        (None, False),
        ("stranger", False),
        ("expired", False),
        ("revoked", False),
        ("foreign", False),
    ],
)
def test_a16_only_the_certificate_of_the_partner_is_admitted(name: str | None, admitted: bool) -> None:
    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        desk = Desk()
        async with receiving(desk, **server()) as receiver:
            assert await attempt(client(name), receiver) is admitted
            assert len(desk.taken) == admitted
            assert await attempt(client("laboratory"), receiver)

    asyncio.run(scene())


def test_clear_text_on_a_tls_port_is_not_read() -> None:
    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        desk = Desk()
        async with receiving(desk, **server()) as receiver:
            peer = await Peer.to(receiver)
            peer.send(b"\x0b" + message() + b"\x1c\r")
            await peer.closed()
            await peer.leave()
            assert desk.taken == []

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("tls", "problem"),
    [
        (
            {
                "authorities": HERE / "authority.pem",
                "certificate": HERE / "laboratory.pem",
                "key": HERE / "laboratory.pem",
            },
            "",
        ),
        ({"authorities": HERE / "another-authority.pem"}, "certificate"),
        ({"authorities": HERE / "authority.pem", "server_name": "other.example"}, "certificate"),
    ],
)
def test_a_sender_checks_the_server_and_shows_its_certificate(tls: dict[str, Any], problem: str) -> None:
    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        desk = Desk()
        async with receiving(desk, **server()) as receiver:
            settings = MllpOutSettings(host="localhost", port=receiver.addresses[0][1], tls=ClientTls(**tls))
            sender = MllpOut(settings, Endpoint(name="pfi", clock=FixedClock()))
            if problem:
                with pytest.raises(DeliveryFailed) as failed:
                    await sender.deliver(claimed(message()), nothing)
                assert failed.value.retry is Retry.SAFE
                assert problem in failed.value.issue.params["what"]
            else:
                assert (await sender.deliver(claimed(message()), nothing)).reference == "AA"
            await sender.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"certificate": HERE / "absent.pem"}, ["tls.certificate", "absent.pem", "No such file"]),
        ({"key": HERE / "laboratory.pem"}, ["tls.key", "not that of the certificate"]),
        ({"key": HERE / "README.md"}, ["tls.key", "not PEM"]),
        ({"authorities": HERE / "README.md"}, ["tls.authorities", "README.md", "PEM"]),
        ({"revocation": HERE / "absent.pem"}, ["tls.revocation", "absent.pem"]),
        ({"key_passphrase": "env:CONNECTOR_NOT_SET"}, ["tls.key_passphrase", "CONNECTOR_NOT_SET"]),
    ],
)
def test_mistakes_name_the_setting_and_the_file(change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(TlsProblem) as problem:
        server_context(ServerTls(**server(**change)["tls"]))
    assert all(word in str(problem.value) for word in words)


def test_settings_that_would_protect_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match="authorities"):
        ServerTls(certificate=HERE / "server.pem", key=HERE / "server.pem", names=("x",))
    with pytest.raises(ValidationError, match="together"):
        ClientTls(certificate=HERE / "server.pem")


def test_every_setting_is_described() -> None:
    for model in (ServerTls, ClientTls):
        assert all(field.description for field in model.model_fields.values())
