"""Destinations that take PDF/A only: another PDF does not leave, and the journal says why."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.app import Application
from connector.app.pdf_claims import PdfAOnly, pdf_only_of
from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.ports import Claimed, DeliveryFailed, Receipt, Retry
from connector.settings import settings_from
from tests.unit.app.test_application import letter, sent, settings
from tests.unit.cda.sample import PDF
from tests.waiting import until

PDF_A_3 = PDF + b'<x pdfaid:part="3" pdfaid:conformance="B"/>'
PDF_A_1 = PDF + b'<x pdfaid:part="1" pdfaid:conformance="B"/>'


class Kept:
    """A `Sender` that counts."""

    def __init__(self) -> None:
        self.sent = 0

    async def deliver(self, claimed: Claimed, before_send: Any) -> Receipt:
        del claimed, before_send
        self.sent += 1
        return Receipt()

    async def close(self) -> None:
        return


def claim(*bodies: bytes, part: str = "") -> Claimed:
    documents = tuple(Document(content=Content(data=data)) for data in bodies)  # recognised by their bytes
    return Claimed(
        delivery_id=1, message_id=1, destination="dmp", key="k", attempts=0, resent=False, control_id="1", type="MDM^T02", raw=b"",
        exchange=Exchange(documents=documents), part=part,
    )  # fmt: skip


def site(tmp_path: Path, pdf: str) -> Any:
    given = {"site": "x", "environment": "test", "destinations": {"dmp": {"kind": "folder", "path": "dmp", "pdf": pdf}}}
    return settings_from(given, tmp_path, environ={})


@pytest.mark.parametrize(
    ("pdf", "claimed", "place"),
    [
        ("any", claim(PDF), None),
        ("pdfa", claim(PDF), "documents[1]"),
        ("pdfa", claim(PDF_A_3, PDF), "documents[2]"),
        ("pdfa", claim(PDF_A_3, PDF, part="1"), None),
        ("pdfa", claim(PDF_A_3, PDF_A_1), None),
        ("pdfa-1", claim(PDF_A_3), "documents[1]"),
        ("pdfa-1", claim(PDF_A_1), None),
        ("pdfa-1", claim(), None),
        ("pdfa", claim(b"some text"), None),
    ],
)
def test_a_pdf_that_claims_something_else_does_not_leave(
    pdf: str, claimed: Claimed, place: str | None, tmp_path: Path
) -> None:
    kept = Kept()
    sender = pdf_only_of(site(tmp_path, pdf), "dmp", kept)
    assert isinstance(sender, PdfAOnly) is (pdf != "any")

    async def send() -> None:
        await sender.deliver(claimed, lambda: asyncio.sleep(0))
        await sender.close()

    if place is None:
        asyncio.run(send())
        assert kept.sent == 1
        return
    with pytest.raises(DeliveryFailed) as failed:
        asyncio.run(send())
    issue = failed.value.issue
    assert (issue.code, issue.place.path, failed.value.retry, failed.value.park) == (
        "PDF_REFUSED",
        place,
        Retry.NEVER,
        False,
    )
    assert kept.sent == 0


def test_the_settings_say_which_words_there_are(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="pdfa-1"):
        site(tmp_path, "pdf/a")


def test_the_journal_says_which_leg_was_refused_and_the_other_goes_on(tmp_path: Path) -> None:
    async def scene() -> dict[str, list[str]]:
        places = {"dpi": {"kind": "folder", "path": "dpi"}, "dmp": {"kind": "folder", "path": "dmp", "pdf": "pdfa"}}
        async with Application(settings(tmp_path, destinations=places)) as running:
            assert len(await sent(running, letter("1"))) == 1

            async def settled() -> dict[str, list[str]] | None:
                shown = await running.message(1)
                assert shown is not None
                if any(leg["state"] in ("queued", "claimed", "sent") for leg in shown["legs"]):
                    return None
                return {
                    leg["destination"]: [leg["state"], *(issue.code for issue in leg["issues"])]
                    for leg in shown["legs"]
                }

            return await until(settled)

    assert asyncio.run(scene()) == {"dpi": ["accepted"], "dmp": ["rejected", "PDF_REFUSED"]}
