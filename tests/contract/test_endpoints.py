"""What every kind of endpoint owes, ours or another package's: the same list for each kind that an entry point names."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from connector.demo import demo_message
from connector.endpoints import Endpoint, EndpointKind, EndpointSettings, kinds
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment
from connector.fhir.codec import dump
from connector.issues import Outcome
from connector.ports import Answer, Claimed, DeliveryFailed, Inbound, Retry
from tests.unit.fhir.site import EXCHANGE, MemoryStore, write

pytestmark = pytest.mark.anyio
KINDS = kinds()
RECEIVERS = [name for name, kind in KINDS.items() if kind.direction == "in"]
SENDERS = [name for name, kind in KINDS.items() if kind.direction == "out"]
RAW = demo_message(Moment("2026-01-05T10:15:00+01:00"), "CONTRACT1", "1.2.250.1.213.1.4.10.9.99.5")


class Place:
    """What settings may lead to: a folder of the test, a free port, a port that nobody listens on, a folder that cannot be made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.dead = server.getsockname()[1]
        (folder / "file").write_bytes(b"")
        self.impossible = folder / "file" / "folder"


#: The least that each kind asks for. A kind without a line here is a test that fails: what it needs must be said.
MINIMAL: dict[str, Callable[[Place], dict[str, Any]]] = {
    "exchange_in": lambda place: {},
    "fhir_in": lambda place: {},
    "fhir_out": lambda place: {"url": f"http://127.0.0.1:{place.dead}/fhir"},
    "folder_in": lambda place: {"path": place.folder / "in"},
    "folder_out": lambda place: {"path": place.folder / "out"},
    "mllp_in": lambda place: {"port": 0},
    "mllp_out": lambda place: {"host": "127.0.0.1", "port": place.dead},
}
#: Where nobody answers; with the minimal settings for those that go over a network already.
UNREACHABLE: dict[str, Callable[[Place], dict[str, Any]]] = MINIMAL | {
    "folder_out": lambda place: {"path": place.impossible}
}
#: Listening beyond this machine in clear: settings that need a reason.
OPEN_IN_CLEAR: dict[str, dict[str, Any]] = {
    "mllp_in": {"host": "0.0.0.0", "port": 0},
    "fhir_out": {"url": "http://fhir.example/r4"},
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class FixedClock:
    def now(self) -> str:
        return "2026-03-04T05:06:07.000+01:00"

    def monotonic(self) -> float:
        return 0.0


def written(claimed: Claimed, format_name: str) -> Outcome[bytes]:
    assert claimed.exchange is not None
    assert format_name == "fhir"
    return Outcome(dump(write(claimed.exchange)))


def built(name: str, settings: dict[str, Any]) -> Any:
    kind = KINDS[name]
    endpoint = Endpoint(name="contract", clock=FixedClock(), documents=MemoryStore(), write=written)
    return kind.build(kind.settings.model_validate(settings), endpoint)


def delivery(exchange: Exchange | None = EXCHANGE) -> Claimed:
    return Claimed(
        delivery_id=1, message_id=1, destination="contract", key="k", attempts=0, resent=False,
        control_id="CONTRACT1", type="MDM^T02", raw=RAW, exchange=exchange,
    )  # fmt: skip


async def taken(_: Inbound) -> Answer:
    return Answer(messages=())


def models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The settings and the models in them."""
    found = [model]
    for field in model.model_fields.values():
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found += models(inner)
    return found


# --- every kind


def test_every_kind_found_has_its_line_here() -> None:
    assert set(MINIMAL) == set(KINDS)
    assert len(RECEIVERS) + len(SENDERS) == len(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_settings_are_closed_constant_and_described(name: str, place: Place) -> None:
    kind: EndpointKind = KINDS[name]
    assert issubclass(kind.settings, EndpointSettings)
    for model in models(kind.settings):
        assert model.model_config.get("extra") == "forbid", model
        assert model.model_config.get("frozen"), model
        assert model.__doc__, model
        for field, about in model.model_fields.items():
            assert about.description, f"{model.__name__}.{field} says nothing of itself"
            assert about.description.strip().endswith((".", ")")), f"{model.__name__}.{field}: a sentence"
    settings = kind.settings.model_validate(MINIMAL[name](place))
    with pytest.raises(ValidationError):
        settings.nobody_knows_this = 1  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match="nobody_knows_this"):
        kind.settings.model_validate({**MINIMAL[name](place), "nobody_knows_this": 1})


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_has_a_title_in_both_languages_and_its_direction_in_its_name(name: str) -> None:
    kind = KINDS[name]
    french, english = kind.title
    assert french.strip()
    assert english.strip()
    assert french != english
    assert name.endswith(f"_{kind.direction}")


def secrets() -> list[Any]:
    """The settings, at any depth, whose name speaks of a secret."""
    return [
        pytest.param(about, id=f"{name}-{model.__name__}.{field}")
        for name, kind in KINDS.items()
        for model in models(kind.settings)
        for field, about in model.model_fields.items()
        if any(word in field for word in ("password", "passphrase", "token", "secret"))
    ]


@pytest.mark.parametrize("about", secrets())
def test_a_secret_is_named_and_never_written_in_the_settings(about: Any) -> None:
    setting: TypeAdapter[Any] = TypeAdapter(about.rebuild_annotation())
    assert setting.validate_python("env:NAME_OF_IT") == "env:NAME_OF_IT"
    with pytest.raises(ValidationError):
        setting.validate_python("hunter2")


@pytest.mark.parametrize("name", KINDS)
async def test_the_least_settings_build_and_leave_nothing_open(name: str, place: Place) -> None:
    before = {path.name for path in place.folder.iterdir()}
    endpoint = built(name, MINIMAL[name](place))
    assert {path.name for path in place.folder.iterdir()} == before, "building touches nothing: starting does"
    await (endpoint.stop() if KINDS[name].direction == "in" else endpoint.close())


@pytest.mark.parametrize("name", OPEN_IN_CLEAR)
def test_in_clear_beyond_this_machine_needs_a_reason(name: str) -> None:
    model = KINDS[name].settings
    with pytest.raises(ValidationError, match="insecure"):
        model.model_validate(OPEN_IN_CLEAR[name])
    with pytest.raises(ValidationError, match="insecure"):
        model.model_validate({**OPEN_IN_CLEAR[name], "insecure": ""})
    assert model.model_validate({**OPEN_IN_CLEAR[name], "insecure": "VPN of the hospital"})


@pytest.mark.parametrize("name", RECEIVERS)
def test_a_receiver_with_an_address_is_on_loopback_by_default(name: str, place: Place) -> None:
    settings = KINDS[name].settings.model_validate(MINIMAL[name](place))
    assert getattr(settings, "host", "127.0.0.1") == "127.0.0.1"
    if "host" in KINDS[name].settings.model_fields:
        assert name in OPEN_IN_CLEAR


# --- receivers


@pytest.mark.parametrize("name", RECEIVERS)
async def test_a_receiver_starts_and_stops_twice_and_stops_when_it_never_started(name: str, place: Place) -> None:
    receiver = built(name, MINIMAL[name](place))
    await receiver.stop()
    for _ in range(2):
        await receiver.start(taken)
        async with asyncio.timeout(5):
            await receiver.stop()
    async with asyncio.timeout(5):
        await receiver.stop()


@pytest.mark.parametrize("name", RECEIVERS)
async def test_a_receiver_says_where_it_listens_while_it_does(name: str, place: Place) -> None:
    receiver = built(name, MINIMAL[name](place))
    if not hasattr(receiver, "addresses"):
        if name == "fhir_in":
            pytest.skip("the web listens for it")
        assert receiver.listening is False
        await receiver.start(taken)
        assert receiver.listening is True
        await receiver.stop()
        assert receiver.listening is False
        return
    assert receiver.addresses == []
    await receiver.start(taken)
    ((host, port),) = receiver.addresses
    assert host == "127.0.0.1"
    reader, writer = await asyncio.open_connection(host, port)
    writer.close()
    await receiver.stop()
    del reader
    assert receiver.addresses == []
    with pytest.raises(OSError, match=r".+"):
        await asyncio.open_connection(host, port)


@pytest.mark.parametrize("name", RECEIVERS)
async def test_a_receiver_that_cannot_start_says_so_by_name_and_can_be_stopped(name: str, place: Place) -> None:
    if name in ("exchange_in", "fhir_in"):
        pytest.skip("the web listens for it")
    taken_port = socket.create_server(("127.0.0.1", 0))
    impossible = {"mllp_in": {"port": taken_port.getsockname()[1]}, "folder_in": {"path": place.impossible}}
    receiver = built(name, impossible[name])
    try:
        with pytest.raises(OSError, match=r"contract|file"):
            await receiver.start(taken)
        await receiver.stop()
    finally:
        taken_port.close()


# --- senders


@pytest.mark.parametrize("name", SENDERS)
async def test_an_unreachable_peer_is_a_failure_that_may_be_tried_again(name: str, place: Place) -> None:
    sender = built(name, UNREACHABLE[name](place))
    stamped: list[int] = []

    async def before_send() -> None:
        stamped.append(1)

    try:
        for _ in range(2):
            with pytest.raises(DeliveryFailed) as failed:
                await sender.deliver(delivery(), before_send)
            assert failed.value.retry is Retry.SAFE
            assert not failed.value.park
            assert "PAT-TROIS" not in failed.value.issue.text()
            assert "279035121518989" not in str(failed.value)
    finally:
        await sender.close()


@pytest.mark.parametrize("name", SENDERS)
async def test_closing_twice_or_before_anything_was_sent_is_nothing(name: str, place: Place) -> None:
    sender = built(name, UNREACHABLE[name](place))
    await sender.close()
    with pytest.raises(DeliveryFailed):
        await sender.deliver(delivery(), nothing)
    await sender.close()
    await sender.close()


async def nothing() -> None:
    """A `before_send` that has nothing to stamp."""


class NotOurs(Exception):
    """What `before_send` raises when the delivery has gone to another node."""


@pytest.mark.parametrize("name", SENDERS)
async def test_nothing_leaves_when_the_delivery_is_no_longer_ours(name: str, place: Place) -> None:
    """`before_send` is awaited before the first byte: when it raises, the peer has seen nothing and the sender goes on."""
    received: list[bytes] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            received.append(await reader.read(65536))
        except ConnectionError:  # closed in a hurry: nothing came
            received.append(b"")
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = {
        "fhir_out": {"url": f"http://127.0.0.1:{port}/fhir", "supersede": False},
        "folder_out": {"path": place.folder / "out"},
        "mllp_out": {"host": "127.0.0.1", "port": port},
    }[name]
    sender = built(name, settings)

    async def lost() -> None:
        raise NotOurs

    with pytest.raises(NotOurs):
        await sender.deliver(delivery(), lost)
    await sender.close()
    await asyncio.sleep(0.05)
    server.close()
    await server.wait_closed()
    assert not any(received)
    assert not (place.folder / "out").exists() or not list((place.folder / "out").iterdir())
