"""Large bodies: files that are whole and durable or not there, and documents found again in what holds them."""

from __future__ import annotations

import base64
import errno
import gc
import os
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.store.carving import attach, cut_of, detach
from connector.store.content import ContentFiles, sha256


def test_kept_bytes_come_back_and_are_written_once(tmp_path):
    files = ContentFiles(tmp_path)
    data = os.urandom(3_000_000)
    digest = sha256(data)
    files.keep(digest, data)
    first = files.path(digest).stat().st_ino
    files.keep(digest, data)
    assert files.path(digest).stat().st_ino == first
    assert files.read(digest) == data
    assert [file.name for file in tmp_path.glob("*/*")] == [digest]


def test_file_and_folder_are_fsynced_before_keep_returns(tmp_path, monkeypatch):
    synced = []
    real = os.fsync

    def fsync(descriptor):
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    files = ContentFiles(tmp_path)
    digest = sha256(b"x")
    files.keep(digest, b"x")
    assert synced[0] == str(tmp_path), "the new folder's name"
    assert synced[1].endswith(".part"), "the bytes"
    assert synced[2] == str(tmp_path / digest[:2]), "the file's name"


def test_a_full_disk_leaves_nothing_half(tmp_path, monkeypatch):
    files = ContentFiles(tmp_path)

    def fsync(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    files.keep(sha256(b"a"), b"a")
    monkeypatch.setattr(os, "fsync", fsync)
    folder = sha256(b"a")[:2]
    same = next(data for n in range(100_000) if sha256(data := b"%d" % n)[:2] == folder)
    with pytest.raises(OSError, match="No space"):
        files.keep(sha256(same), same)
    assert [file.name for file in tmp_path.glob("*/*")] == [sha256(b"a")]


def test_damage_on_disk_is_noticed(tmp_path):
    files = ContentFiles(tmp_path)
    digest = sha256(b"good")
    files.keep(digest, b"good")
    assert (files.read(digest), files.view(digest)) == (b"good", b"good")
    for damaged in (b"evil", b"goo", b""):
        files.path(digest).write_bytes(damaged)
        for read in (files.read, files.view):
            with pytest.raises(OSError, match="damaged"):
                read(digest)


def test_orphans_are_old_files_that_no_row_names(tmp_path):
    files = ContentFiles(tmp_path)
    for data in (b"named", b"orphan", b"fresh"):
        files.keep(sha256(data), data)
    draft = files.path(sha256(b"named")).with_name("abc.1234.part")
    draft.write_bytes(b"half")
    old = time.time() - 100
    for path in (files.path(sha256(b"named")), files.path(sha256(b"orphan")), draft):
        os.utime(path, (old, old))
    found = list(files.orphans(lambda names: {sha256(b"named")} & set(names), time.time() - 50))
    assert {path.name for path in found} == {sha256(b"orphan"), draft.name}
    os.utime(files.path(sha256(b"orphan")))
    assert [files.drop_old(path, time.time() - 50) for path in sorted(found, key=str)].count(True) == 1


def document(**contents: bytes | None) -> Document:
    return Document(**{name: Content(data=data) for name, data in contents.items() if data is not None})


def test_a_document_in_the_message_and_one_in_the_document_are_not_kept_again():
    pdf = os.urandom(5000)
    cda = b"<x>" + base64.b64encode(pdf) + b"</x>"
    raw = b"OBX|" + base64.b64encode(cda) + b"\r"
    carved = detach(raw, Exchange(documents=(document(content=cda, body=pdf),)))
    assert carved.apart == {}
    assert all(part.length for part in carved.parts)
    assert carved.exchange.documents[0].content.data is None
    back = attach(cut_of(raw), carved.exchange, carved.parts, lambda digest: pytest.fail("nothing is kept apart"))
    assert (back.documents[0].content.data, back.documents[0].body.data) == (cda, pdf)


def test_documents_that_were_given_back_are_forgotten_with_their_exchange():
    pdf = os.urandom(2_000_000)
    carved = detach(b"x", Exchange(documents=(document(content=pdf),)))
    gc.disable()  # nothing may wait for the collector
    tracemalloc.start()
    try:
        attach(cut_of(b"x"), carved.exchange, carved.parts, lambda digest: bytes(bytearray(pdf)))
        assert tracemalloc.get_traced_memory()[0] < len(pdf)
    finally:
        tracemalloc.stop()
        gc.enable()


def test_a_piece_that_is_not_there_is_damage(tmp_path):
    files = ContentFiles(tmp_path)
    files.keep(sha256(b"0123456789"), b"0123456789")
    assert files.piece(sha256(b"0123456789"), 2, 3) == b"234"
    with pytest.raises(OSError, match="damaged"):
        files.piece(sha256(b"0123456789"), 8, 3)


def test_base64_with_line_breaks_is_kept_apart():
    pdf = os.urandom(5000)
    raw = b"OBX|" + base64.encodebytes(pdf)
    carved = detach(raw, Exchange(documents=(document(content=pdf),)))
    assert list(carved.apart.values()) == [pdf]


@settings(max_examples=60, deadline=None)
@given(
    inner=st.none() | st.binary(max_size=400),
    outer=st.none() | st.binary(max_size=400),
    embedded=st.booleans(),
    noise=st.binary(max_size=30),
)
def test_attach_undoes_detach_whatever_the_documents_are(inner, outer, embedded, noise):
    if embedded and outer is not None and inner is not None:
        outer = outer + base64.b64encode(inner)
    raw = noise + (base64.b64encode(outer) if outer is not None else b"") + noise
    exchange = Exchange(documents=(document(content=outer, body=inner), document(content=inner)))
    carved = detach(raw, exchange)
    assert all(c is None or c.data is None for d in carved.exchange.documents for c in (d.content, d.body))
    back = attach(cut_of(raw), carved.exchange, carved.parts, lambda digest: carved.apart[digest])
    for before, after in zip(exchange.documents, back.documents, strict=True):
        for name in ("content", "body"):
            assert getattr(getattr(before, name), "data", None) == getattr(getattr(after, name), "data", None)
