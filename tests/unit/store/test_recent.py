"""The document types used last, read from the journal as it grows."""

from __future__ import annotations

import asyncio

from connector.exchange.documents import Document
from connector.exchange.model import Exchange
from connector.exchange.people import Concept, Identifier, Party
from connector.ports import MessageState
from connector.store.recent import RecentTypes
from tests.journal_kit import entry_of, opened


def sent(number: int, code: str, account: str, **more):
    sender = Party(identifiers=(Identifier(value=account),), mssante=f"{account}@TEST.mssante.fr")
    exchange = Exchange(
        documents=(Document(id=str(number), type=Concept(code=code, system="1.2")), Document(id=f"{number}b")),
        sender=sender,
    )
    return entry_of(number, exchange=exchange, **more)


def test_the_latest_come_first_by_account_or_by_anybody(url):
    async def case():
        async with opened(url) as journal:
            recent = RecentTypes(journal.database)
            recent.refresh()
            assert recent.codes() == []
            for number, code, account in ((1, "A", "anne"), (2, "B", "bob"), (3, "A", "bob"), (4, "C", "anne")):
                await journal.record(sent(number, code, account))
            await journal.record(sent(5, "X", "anne", state=MessageState.REFUSED))
            await journal.record(entry_of(6))
            recent.refresh()
            assert recent.codes() == ["C", "A", "B"]
            assert recent.codes("anne") == ["C", "A"]
            assert recent.codes("BOB@test.mssante.fr") == ["A", "B"]
            assert recent.codes("nobody") == []
            assert recent.codes(limit=1) == ["C"]
            await journal.record(sent(7, "B", "anne"))
            recent.refresh()
            assert recent.codes("anne") == ["B", "C", "A"]

    asyncio.run(case())
