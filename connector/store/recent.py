"""The document types that were used lately, by the account that sent them: read from the journal, kept in memory."""

from __future__ import annotations

from collections import deque

import msgspec
import sqlalchemy as sa

from connector.store.database import Database
from connector.store.tables import message

__all__ = ["RecentTypes"]

_KEPT = 2000  # uses
_AT_ONCE = 500  # messages read in one go


class _Coded(msgspec.Struct):
    code: str | None = None


class _Document(msgspec.Struct):
    type: _Coded | None = None


class _Identifier(msgspec.Struct):
    value: str | None = None


class _Account(msgspec.Struct):
    identifiers: tuple[_Identifier, ...] = ()
    mssante: str | None = None


class _Said(msgspec.Struct):
    documents: tuple[_Document, ...] = ()
    sender: _Account | None = None


_decode = msgspec.json.Decoder(_Said).decode


class RecentTypes:
    """Codes by use, the latest first. Blocking; one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last = 0
        self._uses: deque[tuple[str, frozenset[str]]] = deque(maxlen=_KEPT)

    def refresh(self) -> None:
        """Read what came since the last time."""
        chosen = (
            sa.select(message.c.id, message.c.exchange)
            .where(message.c.id > self._last, message.c.state == "translated", message.c.exchange.is_not(None))
            .order_by(message.c.id.desc())
            .limit(_AT_ONCE)
        )
        with self._database.engine.connect() as connection:
            rows = connection.execute(chosen).all()
        for number, exchange in reversed(rows):
            self._last = max(self._last, number)
            said = _decode(bytes(exchange))
            account = _names(said.sender)
            for document in said.documents:
                if document.type is not None and document.type.code:
                    self._uses.append((document.type.code, account))

    def codes(self, account: str = "", limit: int = 10) -> list[str]:
        """The types used last, by this account (its mailbox or an identifier) or by anybody."""
        wanted = account.lower()
        found: dict[str, None] = {}
        for code, names in reversed(self._uses):
            if not wanted or wanted in names:
                found.setdefault(code)
                if len(found) == limit:
                    break
        return list(found)


def _names(account: _Account | None) -> frozenset[str]:
    if account is None:
        return frozenset()
    names = (account.mssante, *(each.value for each in account.identifiers))
    return frozenset(name.lower() for name in names if name)
