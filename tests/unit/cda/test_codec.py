"""CDA bytes: what is read, what is refused, and that nothing outside is ever touched."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from connector.cda.body import body
from connector.cda.codec import Limits, parse, serialise
from connector.cda.tree import Base64Text, Element, walk_leaves
from connector.issues import Outcome, Severity
from tests.unit.cda.sample import BASE64, DOCUMENT, PDF, document


def codes(outcome: Outcome[object]) -> list[str]:
    return [issue.code for issue in outcome.issues]


def test_a_document_keeps_its_bytes_and_gives_its_tree() -> None:
    raw = document()
    read = parse(raw)
    assert read.value is not None
    assert read.issues == ()
    assert read.value.raw is raw
    assert read.value.media_type == "text/xml"
    header = read.value.header
    assert header.name == "ClinicalDocument"
    assert header.value("title") == "Lettre de liaison"
    assert header.value("recordTarget/patientRole/id/@extension") == "279035121518989"
    assert [name.text for name in header.find("recordTarget/patientRole/patient/name").children][
        -1
    ] == "D'ARTAGNAN DE L'HERAULT"  # type: ignore[union-attr]


def test_a_memoryview_is_read_like_its_bytes() -> None:
    read = parse(memoryview(document()))
    assert read.value is not None
    assert read.value.raw == document()


SECRET = "/etc/hostname"
DOCTYPES = [
    f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{SECRET}">]>',
    '<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:9/e">]>',
    '<!DOCTYPE x [<!ENTITY % e SYSTEM "http://127.0.0.1:9/e"> %e;]>',
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://127.0.0.1:9/x.dtd">',
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    "<!-- a comment --><?pi?><!DOCTYPE x>",
    "<!doctype x>",
]


@pytest.mark.parametrize("doctype", DOCTYPES)
def test_any_doctype_is_refused_without_opening_a_file_or_socket(doctype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """F01-F06: nothing is opened while it is read (audit hooks see every open and connect of the interpreter)."""
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a socket was connected"))
    opened: list[str] = []
    watching = True

    def audit(event: str, _arguments: object) -> None:
        if watching and event in ("open", "socket.connect", "socket.getaddrinfo"):
            opened.append(event)

    sys.addaudithook(audit)
    head, rest = DOCUMENT.split("\n", 1)
    read = parse(f"{head}\n{doctype}\n{rest}".replace("Lettre de liaison<", "&e;<").encode())
    watching = False
    assert read.value is None
    assert codes(read) == ["XML_DOCTYPE"]
    assert opened == []


def test_an_external_reference_is_reported_and_never_followed() -> None:
    """F07-F09."""
    raw = document(
        ("?>\n<Clinical", '?>\n<?xml-stylesheet type="text/xsl" href="http://127.0.0.1:9/x.xsl"?>\n<Clinical'),
        (
            'xmlns="urn:hl7-org:v3"',
            'xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:hl7-org:v3 http://127.0.0.1:9/cda.xsd"',
        ),
        ("<title>", '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/hostname"/><title>'),
    )
    read = parse(raw)
    assert read.value is not None
    assert {issue.params["what"] for issue in read.issues} == {"xml-stylesheet", "xsi:schemaLocation", "xi:include"}
    assert {issue.code for issue in read.issues} == {"CDA_ACTIVE_CONTENT"}
    assert read.value.header.value("title") == "Lettre de liaison"


ENCODINGS = [
    ("utf-16", DOCUMENT.replace("UTF-8", "UTF-16").encode("utf-16")),
    ("utf-16 without mark", DOCUMENT.replace("UTF-8", "UTF-16").encode("utf-16-le")),
    ("utf-32", DOCUMENT.replace("UTF-8", "UTF-32").encode("utf-32")),
    ("utf-7", DOCUMENT.replace("UTF-8", "UTF-7").encode("utf-7")),
    ("utf-7 by bytes alone", "+ADw-".encode("ascii") + DOCUMENT.encode()),
    ("ebcdic", DOCUMENT.replace("UTF-8", "cp037").encode("cp037", "replace")),
    ("declared twice", document(('"?>', '"?><?xml version="1.0" encoding="UTF-8"?>'))),
    ("unknown", document(("UTF-8", "x-user-defined"))),
    ("version 1.1", document(('version="1.0"', 'version="1.1"'))),
    ("mark against declaration", b"\xef\xbb\xbf" + document(("UTF-8", "ISO-8859-1"))),
]


@pytest.mark.parametrize(("name", "raw"), ENCODINGS, ids=[name for name, _ in ENCODINGS])
def test_only_four_encodings_are_read(name: str, raw: bytes) -> None:
    """C12."""
    read = parse(raw)
    assert read.value is None, name
    assert codes(read) == ["XML_ENCODING"]


@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1", "ISO-8859-15", "windows-1252"])
def test_accents_survive_each_encoding(encoding: str) -> None:
    read = parse(document(("UTF-8", encoding)).decode().encode(encoding))
    assert read.value is not None
    assert read.issues == ()
    assert read.value.header.value("code/@displayName") == "Lettre de liaison à la sortie"


@pytest.mark.parametrize(
    ("declared", "actual"), [("ISO-8859-1", "utf-8"), ("windows-1252", "utf-8"), ("UTF-8", "latin-1")]
)
def test_bytes_that_contradict_the_declared_encoding_are_refused_with_the_offset(declared: str, actual: str) -> None:
    """C12: nothing is guessed, and no replacement character is ever made."""
    read = parse(document(("UTF-8", declared)).decode().encode(actual))
    assert read.value is None
    assert codes(read) == ["CHARSET_CONFLICT"]
    assert int(read.issues[0].params["offset"]) > 0


def test_a_byte_order_mark_before_utf_8_is_accepted() -> None:
    assert parse(b"\xef\xbb\xbf" + document()).value is not None


def _deep() -> bytes:
    return b'<ClinicalDocument xmlns="urn:hl7-org:v3">' + b"<a>" * 100_000


def _attributes() -> bytes:
    return b"<ClinicalDocument " + b" ".join(b'a%d="1"' % n for n in range(1_000_000)) + b"/>"


def _namespaces() -> bytes:
    return b"<ClinicalDocument " + b" ".join(b'xmlns:a%d="u:%d"' % (n, n) for n in range(1_000_000)) + b"/>"


def _elements() -> bytes:
    return b'<ClinicalDocument xmlns="urn:hl7-org:v3">' + b"<a/>" * 600_000 + b"</ClinicalDocument>"


@pytest.mark.parametrize(
    ("make", "what"),
    [(_deep, "depth"), (_attributes, "attributes"), (_namespaces, "attributes"), (_elements, "elements")],
)
def test_what_would_cost_too_much_is_refused_in_bounded_time(make: object, what: str) -> None:
    """F11, F12."""
    raw = make()  # type: ignore[operator]
    start = time.perf_counter()
    read = parse(raw)
    assert time.perf_counter() - start < 20
    assert read.value is None
    assert codes(read) == ["XML_LIMIT"]
    assert read.issues[0].params["what"] == what


def test_a_document_beyond_the_size_limit_is_refused_before_reading() -> None:
    read = parse(document(), limits=Limits(size=100))
    assert codes(read) == ["XML_LIMIT"]
    assert read.issues[0].params == {"what": "bytes", "limit": "100"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"<a",
        document().replace(b"</title>", b""),
        document()[:-60],
        document(("<title>", "<title>&nope;")),
    ],
)
def test_what_is_not_well_formed_is_refused_with_line_and_column(raw: bytes) -> None:
    read = parse(raw)
    assert codes(read) == ["XML_SYNTAX"]
    assert int(read.issues[0].params["line"]) >= 1


@pytest.mark.parametrize("namespace", ["urn:hl7-org:v2", "http://127.0.0.1/v3", ""])
def test_a_wrong_namespace_is_not_a_cda(namespace: str) -> None:
    """F19."""
    assert codes(parse(document(("urn:hl7-org:v3", namespace)))) == ["CDA_ROOT"]


def test_a_prefix_comments_and_instructions_change_nothing() -> None:
    """F19."""
    plain = parse(document()).value
    text = DOCUMENT.replace("<", "<c:").replace("<c:/", "</c:").replace("<c:?", "<?").replace("xmlns=", "xmlns:c=")
    text = text.replace("<c:title>Lettre ", "<!-- x --><c:title>Lettre <!-- y --><?pi z?>")
    prefixed = parse(f"{text}<!-- end --><?pi?>".encode()).value
    assert plain is not None
    assert prefixed is not None
    assert serialise(prefixed.header) == serialise(plain.header)


def test_a_document_that_carries_its_style_sheet_is_read_and_named_and_not_run() -> None:
    """F21: auto-présentable."""
    head, rest = DOCUMENT.split("\n", 1)
    raw = (
        f'{head}<?xml-stylesheet type="text/xsl" href="#"?><xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
        f'<d xmlns="urn:x">{rest}</d><xsl:template match="/"><xsl:value-of select="document(\'file:///etc/hostname\')"/></xsl:template></xsl:stylesheet>'
    ).encode()
    read = parse(raw)
    assert read.value is not None
    assert read.value.media_type == "application/xslt+xml"
    assert read.value.raw is raw
    assert read.value.header.value("title") == "Lettre de liaison"
    assert {issue.severity for issue in read.issues} == {Severity.INFORMATION}


def large(size: int) -> tuple[bytes, bytes]:
    pdf = b"%PDF-1.4\n" + bytes(range(256)) * (size // 256)
    return document((BASE64, base64.b64encode(pdf).decode())), pdf


def test_a_body_beyond_the_parsers_own_limit_is_read_in_place() -> None:
    """F13: 12 MB of PDF are 16 MB of text, libxml2 stops at 10; the bytes are not copied and the limit stays on."""
    raw, pdf = large(12_000_000)
    tracemalloc.start()
    read = parse(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read.value is not None
    assert peak < 1_000_000
    text = read.value.header.find("component/nonXMLBody/text")
    assert text is not None
    assert isinstance(text.text, Base64Text)
    assert text.text.view.obj is raw
    found = body(read.value)
    assert found.value is not None
    assert found.value.data == pdf


def test_a_long_text_that_is_no_base64_stays_with_the_parser() -> None:
    raw = document(("Lettre de liaison<", "A" * 20_000 + "<"))
    read = parse(raw)
    assert read.value is not None
    assert read.value.header.value("title") == "A" * 20_000


def test_a_text_cut_out_inside_a_comment_or_cdata_changes_no_other_text() -> None:
    decoy = f'<text mediaType="application/pdf" representation="B64">{"B" * 20_000}</text>'
    raw = document(("<title>", f"<!-- {decoy} --><title>"), (BASE64, base64.b64encode(PDF * 100).decode()))
    read = parse(raw)
    assert read.value is not None
    assert read.value.header.value("title") == "Lettre de liaison"
    found = body(read.value)
    assert found.value is not None
    assert found.value.data == PDF * 100


def test_a_document_cannot_forge_the_token_of_a_cut() -> None:
    raw = document(("Lettre de liaison<", "base64-0-0<"), (BASE64, base64.b64encode(PDF * 100).decode()))
    read = parse(raw)
    assert read.value is not None
    assert read.value.header.value("title") == "base64-0-0"


def test_writing_and_reading_again_gives_the_same_tree() -> None:
    first = parse(document())
    assert first.value is not None
    again = parse(serialise(first.value.header))
    assert again.value is not None
    assert serialise(again.value.header) == serialise(first.value.header)


@pytest.mark.parametrize("text", ["a & b", "<b>", 'say "x"', "l'été", "a\tb", "x ]]> y", "\U0001f600", "é\r\nà"])
def test_special_characters_survive_writing(text: str) -> None:
    root = Element("ClinicalDocument")
    root.add("title", {"x": text}, text)
    read = parse(serialise(root))
    assert read.value is not None
    title = read.value.header.find("title")
    assert title is not None
    assert title.attributes["x"] == text
    assert title.text == text


def test_extensions_are_written_with_their_namespace() -> None:
    root = Element("ClinicalDocument")
    root.add("sdtc:deceasedInd", {"value": "true"})
    raw = serialise(root)
    assert b'xmlns:sdtc="urn:hl7-org:sdtc"' in raw
    read = parse(raw)
    assert read.value is not None
    assert read.value.header.value("sdtc:deceasedInd/@value") == "true"


@pytest.mark.parametrize("text", ["\x00", "a\x0bb", "\ufffe", "\ud800"])
def test_characters_that_xml_cannot_hold_are_not_written(text: str) -> None:
    root = Element("ClinicalDocument")
    root.add("title", text=text)
    with pytest.raises(ValueError, match="XML"):
        serialise(root)


def test_a_foreign_name_is_not_written() -> None:
    root = Element("ClinicalDocument")
    root.add("{urn:x}y", {"value": "1"})
    with pytest.raises(ValueError, match="namespace"):
        serialise(root)


def test_no_representation_of_an_element_shows_what_it_holds() -> None:
    read = parse(document())
    assert read.value is not None
    assert "PAT-TROIS" not in repr(read.value.header.find("recordTarget/patientRole/patient/name"))


def structured_document() -> bytes:
    unstructured = f'<nonXMLBody><text mediaType="application/pdf" representation="B64">{BASE64}</text></nonXMLBody>'
    sections = "<structuredBody><component><section><title>A</title></section></component></structuredBody>"
    return document((unstructured, sections))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("<component>", "<!-- <structuredBody> --><component>"),
        ("<component>", "<?note <structuredBody>?><component>"),
    ],
)
def test_a_header_alone_is_the_header_of_the_whole(old: str, new: str) -> None:
    raw = structured_document().replace(old.encode(), new.encode(), 1)
    whole, alone = parse(raw).value, parse(raw, header_only=True).value
    assert whole is not None
    assert alone is not None
    assert list(walk_leaves(alone.header, "")) == list(walk_leaves(whole.header, ""))
    assert (alone.raw, len(alone.structured)) == (raw, 0 if not old else 1)


def test_a_header_alone_does_not_meet_what_is_wrong_in_the_sections() -> None:
    raw = structured_document().replace(b"</section>", b"</sektion>")
    assert parse(raw).value is None
    assert parse(raw, header_only=True).value is not None


def test_a_broken_header_is_refused_as_the_whole_document_is() -> None:
    raw = structured_document().replace(b"</title>", b"</titel>", 1)
    assert parse(raw, header_only=True) == parse(raw)
    assert parse(raw).value is None


def test_a_large_body_is_encoded_straight_into_the_document() -> None:
    """A body of 12 MB is 16 MB of text: the document is there once, and its body nowhere else."""
    pdf = b"%PDF-1.4\n" + bytes(range(256)) * 47_000
    root = Element("text", {"representation": "B64"}, Base64Text.of(pdf))
    tracemalloc.start()
    written = serialise(root)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert base64.b64decode(written[written.index(b">", 60) + 1 : written.rindex(b"<")]) == pdf
    assert peak < 1.3 * len(written)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 49_151, 49_152, 49_153, 100_000])
def test_base64_of_ours_is_base64_in_every_way_of_asking(size: int) -> None:
    plain = bytes(index % 251 for index in range(size))
    text, expected = Base64Text.of(plain), base64.b64encode(plain)
    assert (bytes(text.view), b"".join(text.pieces()), str(text), len(text)) == (
        expected,
        expected,
        expected.decode(),
        len(expected),
    )
    assert (text.decode(), text.head(100), text == Base64Text(expected)) == (plain, plain[:100], True)


MEASURED = """
import pathlib, sys
from connector.cda.body import body
from connector.cda.codec import parse
raw = pathlib.Path(sys.argv[1]).read_bytes()
def resident(name):
    status = pathlib.Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024
parse(raw[:100])
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = resident("VmRSS")
read = parse(raw)
print(read.value is not None and len(read.value.header.find("component/nonXMLBody/text").text), resident("VmHWM") - before)
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the peak of memory is counted by Linux")
def test_75_megabytes_are_read_in_their_own_bytes(tmp_path: Path) -> None:
    """Counted by the kernel, so that what libxml2 takes is seen too."""
    raw, _ = large(56_000_000)
    file = tmp_path / "large.xml"
    file.write_bytes(raw)
    done = subprocess.run([sys.executable, "-c", MEASURED, str(file)], check=True, capture_output=True, text=True)
    length, grown = done.stdout.split()
    assert int(length) > 74_000_000
    assert float(grown) < 10
