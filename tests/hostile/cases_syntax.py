"""B. HL7 v2 syntax and separators."""

from __future__ import annotations

import time

from connector.hl7.codec import ParseOptions
from tests.hostile.harness import CANARY, Connector, accepted, adt, case, edited, mdm, refused


@case("B01", "an MSH too short for a header cannot be answered: parked")
async def b01(c: Connector) -> None:
    assert await c.silent(b"\x0bMSH|^~\x1c\r") == b""
    (kept,) = await c.settled(1)
    assert (kept.state, kept.answers) == ("parked", ())


@case("B02", "a letter, digit or NUL as field separator is refused without an exception")
async def b02(c: Connector) -> None:
    for mark in ("a", "7", "\x00", "\r"):
        assert await c.silent(b"\x0b" + adt().replace(b"|", mark.encode()) + b"\x1c\r") == b""
    assert {kept.state for kept in await c.settled(4)} == {"parked"}


@case("B03", "separators are taken as declared; duplicates, too few and too many are refused with the reason")
async def b03(c: Connector) -> None:
    (ack,) = await c.say(adt("1", msh2="^~\\&#"))
    accepted(ack, "1")
    reordered = adt("2").replace(b"^", b"\x00").replace(b"~", b"^").replace(b"\x00", b"~")
    (ack,) = await c.say(reordered)
    accepted(ack, "2")
    for number, msh2 in enumerate(("^^\\&", "^", "^~\\&#!", ""), start=3):
        (ack,) = await c.say(adt(str(number), msh2=msh2))
        assert ack.code in ("AE", "AR")
        assert ack.errors[0].condition == "102"


@case("B04", "a corrupted repetition separator (U+02DC) is read as ~ with a warning")
async def b04(c: Connector) -> None:
    (ack,) = await c.say(adt("1", msh2="^\u02dc\\&"))
    accepted(ack, "1")
    assert "SEPARATOR_CORRUPT" in c.kept()[0].codes


@case("B05", "LF, CRLF, CR CR, mixed ends and trailing blanks are the same message; the bytes are kept")
async def b05(c: Connector) -> None:
    for number, end in enumerate((b"\n", b"\r\n", b"\r\r", b" \r"), start=1):
        raw = adt(str(number)).replace(b"\r", end)
        (ack,) = await c.say(raw)
        accepted(ack, str(number))
        kept = c.kept()[-1]
        assert kept.raw == raw
        assert "TERMINATORS" in kept.codes


@case("B06", "base64 wrapped over lines is refused with the segment's number")
async def b06(c: Connector) -> None:
    message = mdm("1")
    at = message.index(b"^Base64^") + 100
    (ack,) = await c.say(message[:at] + b"\r" + message[at:])
    assert ack.code in ("AE", "AR")
    assert "SEGMENT_NAME" in c.kept()[0].codes
    assert c.kept()[0].raw == message[:at] + b"\r" + message[at:]


@case("B06", "a rule for the sender reads it as a continuation", parse={"*": ParseOptions(continuation=True)})
async def b06_rule(c: Connector) -> None:
    message = mdm("1")
    at = message.index(b"^Base64^") + 100
    (ack,) = await c.say(message[:at] + b"\r" + message[at:])
    accepted(ack, "1")


@case("B07", "misspelt segment names are refused, never guessed")
async def b07(c: Connector) -> None:
    for number, name in enumerate(("PID ", "pid", "P1D", "PD", "PIDD"), start=1):
        (ack,) = await c.say(edited(adt(str(number)), ("PID|", f"{name}|")))
        assert ack.code in ("AE", "AR"), name
        assert c.kept()[-1].codes, name
        assert c.kept()[-1].state in ("refused", "parked")


@case("B08", "a segment of 30 000 fields, 10 000 repetitions, 25 000 segments: a limit, in linear time")
async def b08(c: Connector) -> None:
    started = time.perf_counter()
    for number, more in enumerate(("ZZZ" + "|x" * 30_000, "ZZZ|" + "x~" * 10_000 + "x", "OBX|1\r" * 25_000), start=1):
        (ack,) = await c.say(adt(str(number), more=more + "\r"))
        assert ack.code in ("AE", "AR")
        assert "TOO_MANY" in c.kept()[-1].codes
    assert time.perf_counter() - started < 30


@case("B09", "OBX-2 says ED and OBX-5 is plain text, OBX-2 empty or unknown: never published as a document")
async def b09(c: Connector) -> None:
    for number, (old, new) in enumerate(
        (("^text^XML^Base64^", f"{CANARY} "), ("|ED|", "||"), ("|ED|", "|QQ|")), start=1
    ):
        (ack,) = await c.say(edited(mdm(str(number)), (old, new)))
        assert ack.code == "AE"
        kept = c.kept()[-1]
        assert (kept.state, kept.deliveries) == ("refused", 0)


@case("B10", "junk, URL alphabet, double encoding and emptiness in base64 are refused")
async def b10(c: Connector) -> None:
    for number, wire in enumerate((b"PD94*bWw=", b"PD94_bWw-", b"", b"UERGPQ==UERGPQ=="), start=1):
        (ack,) = await c.say(mdm(str(number), wire=wire))
        assert ack.code == "AE", wire
        kept = c.kept()[-1]
        assert ("DOCUMENT_ENCODING" if wire else "FIELD_MISSING") in kept.codes
        assert kept.deliveries == 0
        assert kept.state == "refused"


@case("B11", "a document whose bytes are not of the declared type is refused")
async def b11(c: Connector) -> None:
    for number, content in enumerate(
        (
            b"%PDF-1.4\n1 0 obj",
            b"<html><body>x</body></html>",
            b"MZ\x90\x00" + b"\x00" * 99,
            b"PK\x03\x04" + b"\x00" * 99,
        ),
        start=1,
    ):
        (ack,) = await c.say(mdm(str(number), content=content, document_id=f"1.2.250.1.213.1.4.10.9.7.{number}"))
        assert ack.code == "AE", content[:4]
        assert c.kept()[-1].deliveries == 0


@case("B11", "XML that is no CDA, or not well formed, is refused")
async def b11_xml(c: Connector) -> None:
    for number, content in enumerate((b"<?xml version='1.0'?><a/>", b"<a>", b"<ClinicalDocument/>"), start=1):
        (ack,) = await c.say(mdm(str(number), content=content, document_id=f"1.2.250.1.213.1.4.10.9.7.{number}"))
        assert ack.code == "AE", content
        assert c.kept()[-1].deliveries == 0


@case("B12", 'the explicit null "" erases, and that is said; emptiness says nothing')
async def b12(c: Connector) -> None:
    await c.say(adt("1", pid=f'{CANARY}^JEANNE^JEANNE^^^^L||""|F'))
    await c.say(adt("2", pid=f"{CANARY}^JEANNE^JEANNE^^^^L|||F"))
    erased, absent = c.kept()
    assert (erased.remarks, absent.remarks) == (("MAP_ERASED",), ())
    assert b'|""|' in erased.raw
    for kept in (erased, absent):
        assert kept.exchange is not None
        assert kept.exchange.patient is not None
        assert kept.exchange.patient.birth_date is None


@case("B13", "broken escape sequences are kept verbatim, with a warning, without loss")
async def b13(c: Connector) -> None:
    for number, text in enumerate(
        (r"a\b", r"\Zxy\\", r"\X0\\", r"\XZZ\\", r"\C2842\\", r"\M1234\\", r"http://x/\T\y", "end\\E\\"), start=1
    ):
        (ack,) = await c.say(adt(str(number), more=f"NTE|1||{text}\r"))
        accepted(ack, str(number))
        kept = c.kept()[-1]
        assert text.encode() in kept.raw
        assert kept.codes == (() if text in (r"http://x/\T\y", "end\\E\\") else ("ESCAPE_UNKNOWN",)), text


@case("B14", "an escaped separator inside a name never becomes a field")
async def b14(c: Connector) -> None:
    (ack,) = await c.say(adt("1", pid=f"{CANARY}\\F\\X\\S\\Y^JEANNE^JEANNE^^^^L||19790328|F"))
    accepted(ack, "1")
    exchange = c.kept()[0].exchange
    assert exchange is not None
    assert exchange.patient is not None
    assert exchange.patient.names[0].family == f"{CANARY}|X^Y"
    assert exchange.patient.names[0].given == ("JEANNE",)


@case("B15", "line breaks and highlighting in text are carried or said to be dropped")
async def b15(c: Connector) -> None:
    (ack,) = await c.say(adt("1", more="NTE|1||a\\.br\\b\\.sp 3\\c\\H\\d\\N\\e\r"))
    accepted(ack, "1")


@case("B16", "impossible dates are refused, partial ones kept as precise as they are")
async def b16(c: Connector) -> None:
    for number, date in enumerate(("20260230", "202602291200+0260", "00001301", "abc"), start=1):
        (ack,) = await c.say(adt(str(number), pid=f"{CANARY}^JEANNE^JEANNE^^^^L||{date}|F"))
        refused(ack, "AE", "102")
        assert any("PID[1]-7" in place for place in c.kept()[-1].places)
    (ack,) = await c.say(adt("9", pid=f"{CANARY}^JEANNE^JEANNE^^^^L||1979|F"))
    assert "PID[1]-7" not in str(c.kept()[-1].places)


@case("B17", "MSH-9 that cannot be read or is not supported is rejected with 200 or 201")
async def b17(c: Connector) -> None:
    for number, (kind, condition) in enumerate(
        (("ADT~A01~ADT_A01", "201"), ("", "200"), ("XYZ^A01", "200"), ("MDM^T01", "201"), ("ADT", "201")), start=1
    ):
        (ack,) = await c.say(adt(str(number), type=kind))
        refused(ack, "AR", condition)
        assert ack.control_id == str(number)
    (ack,) = await c.say(adt("9", type="ADT^A01"))
    accepted(ack, "9")


@case("B18", "national suffixes of MSH-12 are understood, unknown versions rejected with 203")
async def b18(c: Connector) -> None:
    for number, version in enumerate(("2.5^FRA^2.11", "2.3.1", "2.8"), start=1):
        (ack,) = await c.say(adt(str(number), version=version))
        accepted(ack, str(number))
    for number, version in enumerate(("3.0", "", "2.5.9"), start=7):
        (ack,) = await c.say(adt(str(number), version=version))
        refused(ack, "AR", "203")


@case("B19", "control characters in text are refused with their position")
async def b19(c: Connector) -> None:
    for number, character in enumerate(("\x00", "\x01", "\x08", "\x1f", "\x7f"), start=1):
        (ack,) = await c.say(adt(str(number), pid=f"{CANARY}{character}^JEANNE^JEANNE^^^^L||19790328|F"))
        refused(ack, "AE", "102")
        assert "CONTROL_CHARACTER" in c.kept()[-1].codes


@case("B20", "wrong order, no PID, two PID, two MSH: 100, 101 or 198 with the place")
async def b20(c: Connector) -> None:
    base = adt("1").decode().split("\r")
    without = "\r".join([base[0], base[1], *base[3:]]).encode()
    (ack,) = await c.say(without)
    assert ack.code == "AE"
    assert {error.condition for error in ack.errors} & {"100", "101"}
    for number, extra in (("2", base[2]), ("3", base[0])):
        (ack,) = await c.say(adt(number, more=extra + "\r"))
        refused(ack, "AE", "198")
    lines = mdm("4").decode().split("\r")
    (ack,) = await c.say("\r".join([lines[0], lines[2], lines[1], *lines[3:]]).encode())
    refused(ack, "AE", "100")
    assert any(error.location.startswith(("PID^1", "EVN^1")) for error in ack.errors)


@case("B21", "a message cut short but well framed is refused")
async def b21(c: Connector) -> None:
    message = mdm("1")
    (ack,) = await c.say(message[: message.index(b"\rTXA|")])
    refused(ack, "AE", "100")
    assert "TRUNCATED" in c.kept()[0].codes
    (ack,) = await c.say(edited(message, ("|1|T|", "|2|T|"))[: message.index(b"^Base64^") + 2003])
    assert ack.code == "AE"


@case("B22", "MSA and ERR in an inbound message do not make it an acknowledgement")
async def b22(c: Connector) -> None:
    (ack,) = await c.say(adt("1", more="MSA|AA|other\rERR||||E\r"))
    accepted(ack, "1")
    assert c.kept()[0].state == "translated"
