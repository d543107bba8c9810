"""The bodies behind the rows: raw bytes, Exchange with its documents, large contents; a small memory of what was just recorded."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa

from connector.exchange.model import Exchange
from connector.ports import Claimed, Entry
from connector.store.carving import Cut, Part, attach, cut_of
from connector.store.content import ContentFiles
from connector.store.database import Database
from connector.store.lanes import Waiting
from connector.store.tables import content, message

__all__ = ["Bodies", "Body", "Recent", "claimed", "within"]

log = logging.getLogger(__name__)

_exchange = msgspec.json.Decoder(Exchange).decode
_parts = msgspec.json.Decoder(tuple[Part, ...]).decode


class Body(msgspec.Struct, frozen=True):
    """A message's bytes (a view of the disk when it is a large exchange) and its Exchange with documents."""

    raw: bytes | memoryview
    exchange: Exchange | None


class Recent:
    """What was just recorded and is about to be delivered, so that the common path reads nothing back. Bounded in bytes; losing it costs a read."""

    def __init__(self, limit: int = 32 << 20, largest: int = 4 << 20) -> None:
        self._limit = limit
        self._largest = largest
        self._size = 0
        self._kept: OrderedDict[int, tuple[Body, int, int]] = OrderedDict()

    def put(self, message_id: int, entry: Entry) -> None:
        """Keep until its deliveries are settled, unless it is large or contents were left in its raw bytes."""
        raw = entry.inbound.raw
        size = 3 * len(raw) + 2000
        if not entry.deliveries or size > self._largest or entry.standing or not isinstance(raw, bytes):
            return
        self._kept[message_id] = (Body(raw, entry.exchange), size, len(entry.deliveries))
        self._size += size
        while self._size > self._limit:
            _, (_, old, _) = self._kept.popitem(last=False)
            self._size -= old

    def get(self, message_id: int) -> Body | None:
        """The body, when it is still here."""
        found = self._kept.get(message_id)
        return found[0] if found else None

    def settled(self, message_id: int) -> None:
        """One of its deliveries is settled."""
        found = self._kept.get(message_id)
        if found is None:
            return
        body, size, left = found
        if left > 1:
            self._kept[message_id] = (body, size, left - 1)
        else:
            del self._kept[message_id]
            self._size -= size


class Bodies:
    """Reads bodies on the reading connections. Blocking: called in threads."""

    def __init__(self, database: Database, files: ContentFiles | None) -> None:
        self._database = database
        self._files = files

    def of(self, message_ids: Sequence[int]) -> dict[int, Body]:
        """The bodies of messages, by id, without those whose content is missing or damaged."""
        names = ("id", "format", "digest", "raw", "exchange", "contents")
        columns = [message.c[name] for name in names]
        with self._database.engine.connect() as connection:
            rows = connection.execute(sa.select(*columns).where(message.c.id.in_(message_ids))).all()
            found = {}
            for row in rows:
                try:
                    found[row.id] = self._body(connection, row)
                except OSError as error:
                    log.error("message %d: %s", row.id, type(error).__name__)
            return found

    def raw(self, message_id: int) -> bytes | None:
        """The bytes as received, or None."""
        with self._database.engine.connect() as connection:
            row = connection.execute(
                sa.select(message.c.digest, message.c.raw).where(message.c.id == message_id)
            ).one_or_none()
            return None if row is None else self._raw(connection, row.digest, row.raw)

    def content(self, digest: str) -> bytes:
        """A content by digest."""
        with self._database.engine.connect() as connection:
            return self._content(connection, digest)

    def _raw(self, connection: sa.Connection, digest: str, raw: bytes | None) -> bytes:
        return self._content(connection, digest) if raw is None else bytes(raw)

    def _body(self, connection: sa.Connection, row: Any) -> Body:
        whole: bytes | memoryview
        cut: Cut
        if row.raw is None and row.format == "exchange" and self._files is not None:
            whole, cut = self._files.view(row.digest), partial(self._files.piece, row.digest)
        else:
            whole = self._raw(connection, row.digest, row.raw)
            cut = cut_of(whole)
        if row.exchange is None:
            return Body(whole, None)
        read: Callable[[str], bytes] = lambda wanted: self._content(connection, wanted)  # noqa: E731 - bound to the connection in hand
        return Body(whole, attach(cut, _exchange(row.exchange), _parts(row.contents), read))

    def _content(self, connection: sa.Connection, digest: str) -> bytes:
        found: Any = connection.execute(sa.select(content.c.body).where(content.c.sha256 == digest)).scalar()
        if found is not None:
            return bytes(found)
        if self._files is None:
            raise FileNotFoundError(f"content {digest} is in no row and there is no folder of contents")
        return self._files.read(digest)


def within(waiting: Sequence[Waiting], limit: int) -> list[Waiting]:
    """As many as fit in memory, at least one."""
    chosen = [waiting[0]]
    size = waiting[0].size
    for item in waiting[1:]:
        size += item.size
        if size > limit:
            break
        chosen.append(item)
    return chosen


def claimed(item: Waiting, body: Body, destination: str, key: str) -> Claimed:
    """What a sender needs."""
    return Claimed(
        delivery_id=item.delivery_id,
        message_id=item.message_id,
        destination=destination,
        key=key,
        attempts=item.attempts,
        resent=item.resent,
        in_flight=item.in_flight,
        control_id=item.control_id,
        type=item.type,
        raw=body.raw,
        exchange=body.exchange,
        part=item.part,
    )
