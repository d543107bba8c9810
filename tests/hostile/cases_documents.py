"""F. XML and CDA, as they arrive inside a message; J06, the patient's identifiers."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.hostile.harness import CANARY, Connector, accepted, case, cda, edited, mdm, refused
from tests.waiting import until

#: Above this size a message is answered once it is safe, and judged afterwards.
LATER = 5_000_000


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that nobody may contact: its address, and who did."""
    visits: list[str] = []

    async def visited(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append("contacted")
        writer.close()

    server = await asyncio.start_server(visited, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", visits
    await asyncio.sleep(0.02)
    server.close()
    await server.wait_closed()
    assert visits == []


def after_declaration(text: str) -> bytes:
    """A good CDA with something between its declaration and its root."""
    declaration, _, rest = cda().partition(b"?>")
    return declaration + b"?>" + text.encode() + rest


def inside(text: str, before: bytes = b"<recordTarget>") -> bytes:
    """A good CDA with something inside."""
    assert before in cda()
    return cda().replace(before, text.encode() + before, 1)


async def refuse(c: Connector, content: bytes, *codes: str, seconds: float = 30.0) -> None:
    """The message is refused for one of these codes, in time, with nothing delivered."""
    started = time.perf_counter()
    message = mdm("1", content=content)
    (ack,) = await c.say(message)
    if len(message) > LATER:
        await until(lambda: c.kept()[-1].state != "received")
    else:
        assert ack.code == "AE", ack
    assert time.perf_counter() - started < seconds
    kept = c.kept()[-1]
    assert kept.deliveries == 0
    assert kept.state in ("refused", "parked")
    assert set(codes) & set(kept.codes), kept.codes


async def accept(c: Connector, content: bytes) -> None:
    """The message is accepted and its document kept byte for byte."""
    (ack,) = await c.say(mdm("1", content=content))
    accepted(ack, "1")
    await unchanged(c, content)


async def unchanged(c: Connector, content: bytes) -> None:
    """The document of the last message is these bytes."""
    exchange = await until(lambda: c.kept()[-1].exchange)
    assert exchange.documents[0].content is not None
    data = exchange.documents[0].content.data or b""
    assert hashlib.sha256(data).digest() == hashlib.sha256(content).digest()


def entity(definition: str, use: str = "&x;") -> bytes:
    """A good CDA with a DOCTYPE and an entity in its title."""
    return after_declaration(f"<!DOCTYPE ClinicalDocument [{definition}]>").replace(
        b"<title>", b"<title>" + use.encode(), 1
    )


@case("F01", "an external entity to a file is refused")
async def f01(c: Connector) -> None:
    await refuse(c, entity('<!ENTITY x SYSTEM "file:///etc/passwd">'), "XML_DOCTYPE")


@case("F02", "an external entity over HTTP is refused and not fetched")
async def f02(c: Connector) -> None:
    async with listening() as (url, _):
        await refuse(c, entity(f'<!ENTITY x SYSTEM "{url}/x">'), "XML_DOCTYPE")


@case("F03", "an external parameter entity is refused and not fetched")
async def f03(c: Connector) -> None:
    async with listening() as (url, _):
        await refuse(c, entity(f'<!ENTITY % p SYSTEM "{url}/p"> %p;', ""), "XML_DOCTYPE")


@case("F04", "an external DTD is refused and not fetched")
async def f04(c: Connector) -> None:
    async with listening() as (url, _):
        await refuse(c, after_declaration(f'<!DOCTYPE ClinicalDocument SYSTEM "{url}/cda.dtd">'), "XML_DOCTYPE")
        await refuse_second(c, after_declaration("<!DOCTYPE html>"))


async def refuse_second(c: Connector, content: bytes) -> None:
    """Another document under another control id."""
    (ack,) = await c.say(mdm("2", content=content))
    refused(ack, "AE")
    assert "XML_DOCTYPE" in c.kept()[-1].codes


@case("F05", "a billion laughs are refused")
async def f05(c: Connector) -> None:
    levels = '<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    await refuse(c, entity(levels, "&l9;"), "XML_DOCTYPE")


@case("F06", "quadratic blow-up is refused")
async def f06(c: Connector) -> None:
    await refuse(c, entity(f'<!ENTITY x "{"a" * 50_000}">', "&x;" * 5_000), "XML_DOCTYPE")


@case("F07", "XInclude is never followed")
async def f07(c: Connector) -> None:
    async with listening() as (url, _):
        await c.say(
            mdm("1", content=inside(f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{url}/x"/>'))
        )
        assert c.kept()[0].state in ("translated", "refused")


@case("F08", "schemaLocation is never followed")
async def f08(c: Connector) -> None:
    async with listening() as (url, _):
        content = cda().replace(
            b'xmlns="urn:hl7-org:v3"',
            f'xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:hl7-org:v3 {url}/CDA.xsd"'.encode(),
            1,
        )
        await accept(c, content)


@case("F09", "a stylesheet instruction is never followed")
async def f09(c: Connector) -> None:
    async with listening() as (url, _):
        await accept(c, after_declaration(f'<?xml-stylesheet type="text/xsl" href="{url}/CDA.xsl"?>'))


@case("F10", "a partner's sheet that reads files or the network is never run")
async def f10(c: Connector) -> None:
    async with listening() as (url, _):
        sheet = f'<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0" id="s"><xsl:include href="{url}/x"/><xsl:variable name="v" select="document(\'file:///etc/passwd\')"/></xsl:stylesheet>'
        await c.say(mdm("1", content=inside(sheet)))
        assert c.kept()[0].state in ("translated", "refused")


@case("F11", "100 000 nested elements are refused in bounded time")
async def f11(c: Connector) -> None:
    await refuse(c, inside("<a>" * 100_000 + "</a>" * 100_000), "XML_LIMIT", "XML_SYNTAX")


@case("F12", "a million attributes or namespaces are refused in bounded time")
async def f12(c: Connector) -> None:
    await refuse(
        c, inside("<a " + " ".join(f'a{n}="1"' for n in range(1_000_000)) + "/>"), "XML_LIMIT", "XML_SYNTAX", seconds=60
    )


@case("F13", "a PDF of 12 MB in a CDA is accepted")
async def f13(c: Connector) -> None:
    await accept(c, cda().replace(b"</text>", b"A" * 16_000_000 + b"</text>", 1))


@case("F14", "active content in a narrative is kept as text and never executed")
async def f14(c: Connector) -> None:
    start, _, rest = cda().partition(b"<nonXMLBody>")
    _, _, after = rest.partition(b"</nonXMLBody>")
    text = '<script>alert(1)</script><paragraph onclick="x()">a</paragraph><linkHtml href="javascript:x()">b</linkHtml><renderMultiMedia referencedObject="file:///etc/passwd"/>'
    body = f'<structuredBody><component><section><code code="55108-5" codeSystem="2.16.840.1.113883.6.1"/><title>t</title><text>{text}</text></section></component></structuredBody>'
    content = start + body.encode() + after
    await c.say(mdm("1", content=content))
    kept = c.kept()[0]
    assert kept.state in ("translated", "refused")
    if kept.exchange is not None:
        await unchanged(c, content)


@case("F15", "an id without root, a root that is no OID, a replacement of itself are refused")
async def f15(c: Connector) -> None:
    own = b'<id root="1.2.250.1.213.1.4.10.9.7.1"/>'
    for number, content in enumerate(
        (
            cda().replace(own, b"<id/>", 1),
            cda().replace(own, b'<id root="not an OID"/>', 1),
            inside(
                '<relatedDocument typeCode="RPLC"><parentDocument><id root="1.2.250.1.213.1.4.10.9.7.1"/></parentDocument></relatedDocument>',
                b"<componentOf>",
            ),
            cda().replace(b'<versionNumber value="1"/>', b'<versionNumber value="-1"/>', 1),
        ),
        start=1,
    ):
        assert content != cda()
        (ack,) = await c.say(mdm(str(number), content=content))
        assert ack.code == "AE", number
        assert c.kept()[-1].deliveries == 0


@case("F16", "a CDA of another patient than PID is refused with 902 to 905 and never filed")
async def f16(c: Connector) -> None:
    changes = (
        (b'extension="279035121518989"', b'extension="180075910203440"', {"904", "906"}),
        (b'<birthTime value="19790328"/>', b'<birthTime value="19790329"/>', {"904"}),
        (f'<family qualifier="BR">{CANARY}</family>'.encode(), b'<family qualifier="BR">AUTRE</family>', {"904"}),
        (b'administrativeGenderCode code="F"', b'administrativeGenderCode code="M"', {"904"}),
        (b'<id root="1.2.250.1.213.1.4.10" extension="279035121518989"/>', b"", {"903", "906"}),
    )
    for number, (old, new, errors) in enumerate(changes, start=1):
        assert old in cda()
        (ack,) = await c.say(mdm(str(number), content=cda().replace(old, new, 1)))
        assert ack.code == "AE", number
        assert errors & {error.application for error in ack.errors}, (number, ack.errors)
        kept = c.kept()[-1]
        assert (kept.state, kept.deliveries) == ("refused", 0)


@case("F17", "two patients in one document are refused")
async def f17(c: Connector) -> None:
    whole = cda()
    target = whole[whole.index(b"<recordTarget>") : whole.index(b"</recordTarget>") + len(b"</recordTarget>")]
    await refuse(c, inside(target.decode()), "CDA_TWO_PATIENTS")


@case("F18", "the bytes of a document never change between in and out")
async def f18(c: Connector) -> None:
    signature = (
        '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo><Reference URI=""/></SignedInfo></Signature>'
    )
    await accept(c, cda())
    await c.say(
        mdm(
            "2",
            document_id="1.2.250.1.213.1.4.10.9.7.2",
            content=cda("1.2.250.1.213.1.4.10.9.7.2").replace(
                b"</ClinicalDocument>", signature.encode() + b"</ClinicalDocument>"
            ),
        )
    )
    assert c.kept()[-1].state in ("translated", "refused")


@case("F19", "a wrong namespace is refused; a prefix, comments and instructions change nothing")
async def f19(c: Connector) -> None:
    await refuse(c, cda().replace(b"urn:hl7-org:v3", b"urn:hl7-org:v2", 1), "CDA_ROOT")
    for number, content in enumerate(
        (inside("<!-- a comment --><?a pi?>"), after_declaration("\n<!-- x -->\n<?y z?>\n"), _prefixed()), start=2
    ):
        (ack,) = await c.say(mdm(str(number), content=content))
        accepted(ack, str(number))


def _prefixed() -> bytes:
    """The same document with a prefix on every element."""
    text = cda().decode().replace('xmlns="urn:hl7-org:v3"', 'xmlns:h="urn:hl7-org:v3"', 1)
    return re.sub(r"<(/?)([A-Za-z])", r"<\1h:\2", text).encode()


@case("F20", "null flavours everywhere break nothing")
async def f20(c: Connector) -> None:
    text = cda().decode()
    for number, element in enumerate(
        (
            "code",
            "effectiveTime",
            "confidentialityCode",
            "languageCode",
            "addr",
            "name",
            "birthTime",
            "time",
            "administrativeGenderCode",
        ),
        start=1,
    ):
        content = re.sub(
            rf"<{element}(\s[^>]*)?(/>|>.*?</{element}>)", f'<{element} nullFlavor="UNK"/>', text, flags=re.DOTALL
        ).encode()
        assert content != text.encode()
        (ack,) = await c.say(mdm(str(number), content=content))
        assert ack.code in ("AA", "AE")
        assert "INTERNAL" not in c.kept()[-1].codes, element


@case("F21", "a document that carries its own sheet is kept byte for byte and the sheet not run")
async def f21(c: Connector) -> None:
    async with listening() as (url, _):
        sheet = f'<?xml-stylesheet type="text/xsl" href="#s"?><!-- <xsl:include href="{url}"/> -->'
        await accept(c, after_declaration(sheet))


@case("J06", "other identifiers in PID-3 than in the document are refused")
async def j06(c: Connector) -> None:
    (ack,) = await c.say(edited(mdm("1"), ("DEMO-0042^^^CH-DEMO", "DEMO-0043^^^CH-DEMO")))
    refused(ack, "AE", "207")
    assert "PATIENT_IDS_DIFFER" in c.kept()[0].codes
    assert c.kept()[0].deliveries == 0
