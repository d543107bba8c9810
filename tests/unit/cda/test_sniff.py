"""What bytes are, whatever they are said to be (B11)."""

from __future__ import annotations

import pytest

from connector.cda.sniff import agrees, extension, sniff
from tests.unit.cda.sample import PDF, document

KINDS = [
    (PDF, "application/pdf"),
    (b"\r\n\r\n%PDF-1.7 after white space", "application/pdf"),
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
    (b"II*\x00\x08\x00\x00\x00", "image/tiff"),
    (b"MM\x00*\x00\x00\x00\x08", "image/tiff"),
    (b"{\\rtf1\\ansi Bonjour}", "text/rtf"),
    (b"<!DOCTYPE html><html></html>", "text/html"),
    (b"  <HTML><body onload=x>", "text/html"),
    (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "text/html"),
    (b"MZ\x90\x00\x03", "application/vnd.microsoft.portable-executable"),
    (b"\x7fELF\x02\x01", "application/x-elf"),
    (b"PK\x03\x04\x14\x00", "application/zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1", "application/x-ole-storage"),
    (b"#!/bin/sh\n", "application/x-sh"),
    (b"Bonjour, l'\xc3\xa9t\xc3\xa9.\r\n", "text/plain"),
    ("Été latin".encode("latin-1"), "text/plain"),
    (document(), "text/xml"),
    (b"\xef\xbb\xbf<?xml version='1.0'?><ClinicalDocument/>", "text/xml"),
    (b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>", "text/xml"),
    (bytes(40), "application/octet-stream"),
    (b"", "application/octet-stream"),
]


@pytest.mark.parametrize(("data", "kind"), KINDS)
def test_bytes_say_what_they_are(data: bytes, kind: str) -> None:
    assert sniff(data) == kind


@pytest.mark.parametrize(
    ("declared", "data", "expected"),
    [
        ("application/pdf", PDF, True),
        ("Application/PDF; version=1.4", PDF, True),
        ("image/jpg", b"\xff\xd8\xff\xe0", True),
        ("application/rtf", b"{\\rtf1}", True),
        ("text/plain", b"<a note in angle brackets", True),
        ("text/plain", b"<html>", False),
        ("application/pdf", b"{\\rtf1}", False),
        ("application/pdf", b"", False),
        ("text/plain", b"MZ\x90\x00", False),
        ("image/jpeg", PDF, False),
        ("text/xml", document(), True),
        ("text/xml", PDF, False),
        ("application/dicom", bytes(128) + b"DICM", True),
        ("application/dicom", b"MZ\x90\x00", False),
        ("application/dicom", b"PK\x03\x04", False),
    ],
)
def test_a_declared_type_must_fit_the_bytes(declared: str, data: bytes, expected: bool) -> None:
    assert agrees(declared, data) is expected


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/pdf", "pdf"),
        ("text/xml", "xml"),
        ("image/tif", "tif"),
        ("application/x-unknown", "bin"),
        (None, "bin"),
    ],
)
def test_file_extensions(media_type: str | None, expected: str) -> None:
    assert extension(media_type) == expected
