"""What may be forgotten, and when: whole messages after their time, contents that nobody names, lanes that sleep for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from connector.store.content import ContentFiles
from connector.store.database import Database
from connector.store.journal import SqlJournal
from connector.store.statements import Statement, any_of, many
from connector.store.tables import content, content_use, delivery, document, exchange, exchange_patient, lane, message
from connector.store.writer import Operation, Transaction

__all__ = ["Forgotten", "Keep", "Retention"]

_DAY = 86_400.0
_AT_ONCE = 100  # messages a transaction: others wait for it only for milliseconds
_DRAFTS = 86_400.0  # seconds after which a file that no row names is an orphan


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """Days. A message stays longer while anything about it is open: a delivery that waits or is parked, a verdict to come."""

    messages_days: float = 365.0


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What one run removed."""

    messages: int = 0
    contents: int = 0
    files: int = 0
    lanes: int = 0


class Retention:
    """Prunes a running journal in small transactions. Create it before the journal starts."""

    def __init__(self, journal: SqlJournal) -> None:
        self._journal = journal
        self._statements = _Pruning(journal.database.dialect)
        journal.add_phases({"prune": self._statements.prune, "prune_lanes": self._statements.prune_lanes})

    async def prune(self, keep: Keep) -> Forgotten:
        """Forget what is older than `keep` says, never what lies within the duplicate window."""
        before = self._journal.timeline.now() - max(keep.messages_days * _DAY, self._journal.window)
        messages = contents = 0
        while True:
            found, unnamed = await self._journal.write("prune", before)
            messages += found
            contents += unnamed
            if found < _AT_ONCE:
                break
        lanes = await self._journal.write("prune_lanes", before)
        files = 0
        if self._journal.files is not None:
            files = await asyncio.to_thread(_sweep, self._journal.database, self._journal.files)
        return Forgotten(messages=messages, contents=contents, files=files, lanes=lanes)


class _Pruning:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        of_message = delivery.c.message_id == message.c.id
        self._old = Statement(
            sa.select(message.c.id)
            .where(
                message.c.received < sa.bindparam("before", type_=sa.Double),
                message.c.state != sa.literal_column("'received'"),
                ~sa.exists().where(
                    of_message, sa.or_(delivery.c.open, delivery.c.state == sa.literal_column("'parked'"))
                ),
            )
            .order_by(message.c.received)
            .limit(sa.bindparam("at_once", type_=sa.Integer)),
            dialect,
        )
        ids, owners = "ids", "owners"
        self._deliveries = Statement(
            sa.select(delivery.c.id).where(any_of(delivery.c.message_id, ids, dialect)), dialect
        )
        self._uses = Statement(
            sa.delete(content_use).where(any_of(content_use.c.owner, owners, dialect)).returning(content_use.c.sha256),
            dialect,
        )
        self._contents = Statement(
            sa.delete(content)
            .where(
                any_of(content.c.sha256, "digests", dialect),
                ~sa.exists().where(content_use.c.sha256 == content.c.sha256),
            )
            .returning(content.c.sha256),
            dialect,
        )
        self._messages = [
            Statement(sa.delete(table).where(any_of(column, ids, dialect)), dialect)
            for table, column in (
                (document, document.c.message_id),
                (exchange, exchange.c.message_id),
                (delivery, delivery.c.message_id),
                (message, message.c.id),
            )
        ]
        held = sa.select(exchange.c.id).where(any_of(exchange.c.message_id, ids, dialect))
        self._patients = Statement(sa.delete(exchange_patient).where(exchange_patient.c.exchange_id.in_(held)), dialect)
        self._lanes = Statement(
            sa.delete(lane)
            .where(~lane.c.active, lane.c.due < sa.bindparam("before", type_=sa.Double))
            .returning(lane.c.id),
            dialect,
        )

    def prune(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """Time before which to forget → (messages, contents) forgotten."""
        cursor = transaction.cursor
        for operation in operations:
            ids = [row[0] for row in self._old.rows(cursor, before=operation.argument, at_once=_AT_ONCE)]
            operation.result = (len(ids), 0)
            if not ids:
                continue
            chosen = many(ids, self._dialect)
            legs = [row[0] for row in self._deliveries.rows(cursor, ids=chosen)]
            owners = [f"m{number}" for number in ids] + [f"d{number}" for number in legs]
            digests = sorted({row[0] for row in self._uses.rows(cursor, owners=many(owners, self._dialect))})
            gone = self._contents.rows(cursor, digests=many(digests, self._dialect)) if digests else []
            self._patients.run(cursor, ids=chosen)
            for statement in self._messages:
                statement.run(cursor, ids=chosen)
            operation.result = (len(ids), len(gone))

    def prune_lanes(self, transaction: Transaction, operations: Sequence[Operation]) -> None:
        """Time before which a sleeping lane is forgotten → how many."""
        for operation in operations:
            operation.result = len(self._lanes.rows(transaction.cursor, before=operation.argument))


def _sweep(database: Database, files: ContentFiles) -> int:
    """Files that no row names, older than a day. A file that is about to be named was just written or touched."""

    def known(digests: list[str]) -> set[str]:
        with database.engine.connect() as connection:
            chosen = sa.select(content.c.sha256).where(content.c.sha256.in_(digests))
            return set(connection.execute(chosen).scalars())

    before = datetime.now(UTC).timestamp() - _DRAFTS  # noqa: TID251 - compared with the file system's own time
    return sum(files.drop_old(path, before) for path in files.orphans(known, before))
