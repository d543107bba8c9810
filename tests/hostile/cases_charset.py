"""C. Character sets."""

from __future__ import annotations

from connector.hl7.codec import ParseOptions
from connector.pipeline.filing import safe_name
from tests.hostile.harness import CANARY, Connector, accepted, adt, case, cda, edited, mdm, refused

NAME = f"{CANARY}É"


def named(control_id: str, charset: str, codec: str, name: str = NAME) -> bytes:
    """A message that declares a set and whose name is written in another."""
    message = adt(control_id, charset=charset, pid="@^JEANNE^JEANNE^^^^L||19790328|F")
    return message.replace(b"@", name.encode(codec))


def family(c: Connector) -> str | None:
    """The family name of the last message, as understood."""
    exchange = c.kept()[-1].exchange
    assert exchange is not None
    assert exchange.patient is not None
    return exchange.patient.names[0].family


@case("C01", "8859/1 declared, the bytes are UTF-8: parked, no mojibake")
async def c01(c: Connector) -> None:
    (ack,) = await c.say(named("1", "8859/1", "utf-8"))
    refused(ack, "AE", "102")
    kept = c.kept()[0]
    assert (kept.state, kept.codes) == ("parked", ("CHARSET_CONFLICT",))


@case("C01", "a rule for the sender reads it", parse={"*": ParseOptions(charset="UNICODE UTF-8")})
async def c01_rule(c: Connector) -> None:
    (ack,) = await c.say(named("1", "8859/1", "utf-8"))
    accepted(ack, "1")
    assert family(c) == NAME


@case("C02", "UTF-8 declared, the bytes are latin-1: refused with the byte")
async def c02(c: Connector) -> None:
    message = named("1", "UNICODE UTF-8", "latin-1")
    (ack,) = await c.say(message)
    refused(ack, "AE", "102")
    assert str(message.index(b"\xc9")) in ack.errors[0].text


@case("C03", "no set declared, the bytes are latin-1: parked")
async def c03(c: Connector) -> None:
    (ack,) = await c.say(named("1", "", "latin-1"))
    refused(ack, "AE", "102")
    assert c.kept()[0].state == "parked"


@case("C03", "the sender's default set reads it", parse={"SIL|LABO": ParseOptions(default_charset="8859/1")})
async def c03_default(c: Connector) -> None:
    (ack,) = await c.say(named("1", "", "latin-1"))
    accepted(ack, "1")
    assert family(c) == NAME


@case("C04", "A4 in 8859/15 is the euro sign")
async def c04(c: Connector) -> None:
    (ack,) = await c.say(named("1", "8859/15", "iso8859-15", f"{CANARY}€"))
    accepted(ack, "1")
    assert family(c) == f"{CANARY}€"


@case("C05", "80-9F under 8859/1 is refused")
async def c05(c: Connector) -> None:
    (ack,) = await c.say(named("1", "8859/1", "cp1252", f"{CANARY}\u2019\u0152"))
    refused(ack, "AE", "102")
    assert c.kept()[0].codes == ("CHARSET_WINDOWS",)


@case("C05", "a rule for the sender reads it as windows-1252", parse={"*": ParseOptions(charset="windows-1252")})
async def c05_rule(c: Connector) -> None:
    (ack,) = await c.say(named("1", "8859/1", "cp1252", f"{CANARY}\u2019\u0152"))
    accepted(ack, "1")
    assert family(c) == f"{CANARY}\u2019\u0152"


@case("C06", "ASCII declared and a byte above 7F: conflict")
async def c06(c: Connector) -> None:
    (ack,) = await c.say(named("1", "ASCII", "latin-1"))
    refused(ack, "AE", "102")
    assert c.kept()[0].codes == ("CHARSET_CONFLICT",)


@case("C07", "names outside the table are refused, whatever Python knows")
async def c07(c: Connector) -> None:
    for number, charset in enumerate(("UTF-16", "rot13", "zip", "../x", "ISO IR 999", "unicode_escape"), start=1):
        (ack,) = await c.say(adt(str(number), charset=charset))
        refused(ack, "AE", "102")
        assert c.kept()[-1].codes == ("CHARSET_UNKNOWN",)


@case("C08", "a byte order mark in front of MSH is removed and noted; in front of VT it is dropped")
async def c08(c: Connector) -> None:
    (ack,) = await c.say(b"\xef\xbb\xbf" + adt("1"))
    accepted(ack, "1")
    assert "BOM_REMOVED" in c.kept()[0].codes
    peer = await c.connect()
    peer.send(b"\xef\xbb\xbf\x0b" + adt("2") + b"\x1c\r")
    assert b"MSA|AA|2" in await peer.answer()


@case("C09", "overlong forms, surrogates and noncharacters are refused")
async def c09(c: Connector) -> None:
    for number, broken in enumerate(
        (b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbf\xbe", b"\xf8\x88\x80\x80\x80", b"\xef\xbf\xbd"), start=1
    ):
        (ack,) = await c.say(
            named(str(number), "UNICODE UTF-8", "ascii", CANARY).replace(CANARY.encode(), CANARY.encode() + broken)
        )
        refused(ack, "AE", "102")
        assert c.kept()[-1].codes == ("CHARSET_CONFLICT",)


@case("C10", "combining accents are compared as the letters they make and kept as received")
async def c10(c: Connector) -> None:
    composed, combined = f"{CANARY}\u00c9", f"{CANARY}E\u0301"
    document = cda().replace(CANARY.encode(), composed.encode())
    message = mdm("1", content=document).replace(f"||{CANARY}^".encode(), f"||{combined}^".encode(), 1)
    assert combined.encode() in message
    (ack,) = await c.say(message)
    accepted(ack, "1")
    assert c.kept()[0].raw == message


@case("C11", "right-to-left, zero-width and look-alike characters never reach a file name")
async def c11(c: Connector) -> None:
    for number, character in enumerate(("\u202e", "\u200b", "\u0430"), start=1):
        message = adt(str(number), pid=f"{CANARY}{character}^JEANNE^JEANNE^^^^L||19790328|F")
        await c.say(message)
        assert c.kept()[-1].raw == message
        assert safe_name(f"CR{character}gpj.exe").isascii()


@case("C12", "encodings of a CDA outside the list, contradicted or declared twice are refused")
async def c12(c: Connector) -> None:
    good = cda()
    declaration, _, rest = good.partition(b"?>")
    declared = [
        declaration.replace(b"UTF-8", b"utf-7").replace(b"utf-8", b"utf-7") + b"?>" + rest,
        declaration.replace(b"UTF-8", b"EBCDIC-CP-FR").replace(b"utf-8", b"EBCDIC-CP-FR") + b"?>" + rest,
        declaration + b"?>" + declaration + b"?>" + rest,
        good.decode().encode("utf-16"),
    ]
    assert all(document != good for document in declared)
    for number, document in enumerate(declared, start=1):
        (ack,) = await c.say(mdm(str(number), content=document))
        assert ack.code == "AE", number
        assert c.kept()[-1].deliveries == 0
    latin = declaration.replace(b"UTF-8", b"ISO-8859-1").replace(b"utf-8", b"ISO-8859-1") + b"?>" + rest
    (ack,) = await c.say(
        mdm("9", content=latin.replace(CANARY.encode(), NAME.encode())).replace(
            f"||{CANARY}^".encode(), f"||{NAME}^".encode(), 1
        )
    )
    assert ack.code == "AE"


@case("C13", "the answer is in the character set of the sender, which is named as the sender names it")
async def c13(c: Connector) -> None:
    peer = await c.connect()
    # Of another person: the good message that follows must not contradict it.
    of = ("279035121518989", "288076312345638")
    message = edited(named("1", "8859/15", "iso8859-15"), ("|LABO|", "|@|"), of).replace(
        b"@", "Hôpital".encode("iso8859-15")
    )
    peer.send(b"\x0b" + message + b"\x1c\r")
    answer = await peer.answer()
    assert "|Hôpital|".encode("iso8859-15") in answer
    assert answer.split(b"\r")[0].split(b"|")[17] == b"8859/15"
