"""Document bytes leave an Exchange and come back, without a copy."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from connector.exchange.clinical import Section
from connector.exchange.content import attach, detach
from connector.exchange.conversation import Message, Photo
from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.exchange.results import Observation, Report

CDA = b"<ClinicalDocument/>"
PDF = b"%PDF-1.4"


def exchange() -> Exchange:
    document = Document(id="1.2", content=Content(data=CDA, media_type="text/xml"), body=Content(data=PDF))
    return Exchange(intent="submit", documents=(document, Document(id="1.3", content=Content(data=CDA))))


def test_bytes_are_kept_once_by_their_digest_and_not_copied() -> None:
    without, kept = detach(exchange())
    assert set(kept) == {hashlib.sha256(CDA).hexdigest(), hashlib.sha256(PDF).hexdigest()}
    assert kept[hashlib.sha256(CDA).hexdigest()] is CDA
    assert b"ClinicalDocument" not in msgspec.json.encode(without)
    content = without.documents[0].content
    assert content is not None
    assert (content.data, content.size, content.media_type) == (None, len(CDA), "text/xml")


def test_what_was_detached_comes_back_the_same() -> None:
    without, kept = detach(exchange())
    back = attach(without, kept.__getitem__)
    assert [document.content and document.content.data for document in back.documents] == [CDA, CDA]
    assert back.documents[0].body is not None
    assert back.documents[0].body.data is PDF
    assert detach(back) == (without, kept)


def test_a_digest_that_is_there_is_believed() -> None:
    _, kept = detach(Exchange(documents=(Document(content=Content(data=CDA, sha256="known")),)))
    assert kept == {"known": CDA}


def test_an_exchange_without_bytes_stays_itself() -> None:
    empty = Exchange(documents=(Document(id="1.2"),))
    assert detach(empty)[0] is empty
    assert attach(empty, {}.__getitem__) is empty


def test_bytes_that_cannot_be_found_raise() -> None:
    without, _ = detach(exchange())
    with pytest.raises(KeyError):
        attach(without, {}.__getitem__)


def test_photos_and_results_that_are_bytes_are_detached_too() -> None:
    photo = Photo(content=Content(data=b"jpeg"))
    result = Observation(content=Content(data=b"ecg"))
    whole = Exchange(
        messages=(Message(photos=(photo,)), Message(text="x")),
        reports=(Report(observations=(result, Observation(text="1"))),),
    )
    without, kept = detach(whole)
    assert sorted(kept.values()) == [b"ecg", b"jpeg"]
    assert without.messages[0].photos[0].content.data is None
    assert without.messages[1] is whole.messages[1]
    back = attach(without, kept.__getitem__)
    assert [back.messages[0].photos[0].content.data, back.reports[0].observations[0].content] == [
        b"jpeg",
        attached(b"ecg"),
    ]


def test_files_in_sections_are_detached_wherever_they_stand() -> None:
    inner = Section(
        media=(Content(data=b"png"),), vital_signs=(Report(observations=(Observation(content=Content(data=b"ecg")),)),)
    )
    result = Report(observations=(Observation(content=Content(data=b"curve")),))
    outer = Section(sections=(inner,), results=(result,), observations=(Observation(content=Content(data=b"wave")),))
    whole = Exchange(documents=(Document(sections=(outer, Section(title="x"))),))
    without, kept = detach(whole)
    assert sorted(kept.values()) == [b"curve", b"ecg", b"png", b"wave"]
    assert without.documents[0].sections[1] is whole.documents[0].sections[1]
    back = attach(without, kept.__getitem__)
    assert detach(back) == (without, kept)
    assert back.documents[0].sections[0].sections[0].media == (attached(b"png"),)


def attached(data: bytes) -> Content:
    return Content(data=data, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
