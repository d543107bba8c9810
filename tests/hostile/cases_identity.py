"""J. Identity and directives: matricule, traits, local numbers, merges, and documents that follow others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from connector.exchange.identifiers import nir_key
from connector.hl7.acknowledge import Ack
from tests.hostile.harness import CANARY, Connector, accepted, adt, case, cda, edited, mdm, refused

INS = "279035121518989"
IPP = "DEMO-0042^^^CH-DEMO&1.2.250.1.213.1.4.10.9.1&ISO^PI"
DOCUMENT = "1.2.250.1.213.1.4.10.9.7."


def of_matricule(value: str, oid: str = "1.2.250.1.213.1.4.10") -> bytes:
    """A good ADT under another matricule, which is its MSH-10 too."""
    return edited(
        adt(value), (f"{INS}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&", f"{value}^^^ASIP-SANTE-INS-NIR&{oid}&")
    )


def document(number: int, control_id: str, *, replaces: int = 0, changes: Sequence[tuple[str, str]] = ()) -> bytes:
    """An MDM with document `number`; `replaces`: a T10 for that one. `changes` in the message and in its CDA alike."""
    this, old = f"{DOCUMENT}{number}", f"{DOCUMENT}{replaces}"
    content = cda(this).decode()
    if replaces:
        related = (
            f'<relatedDocument typeCode="RPLC"><parentDocument><id root="{old}"/></parentDocument></relatedDocument>'
        )
        content = content.replace("<componentOf>", f"{related}<componentOf>", 1)
        assert related in content
    for before, after in changes:
        content = content.replace(before, after)
    message = mdm(control_id, document_id=this, content=content.encode()).decode()
    for before, after in changes:
        message = message.replace(before, after)
    if replaces:
        message = _act(message, "T10", "RO", "C").replace(f"|{this}||", f"|{this}|{old}|", 1)
    return message.encode()


def deletion(number: int, control_id: str, changes: Sequence[tuple[str, str]] = ()) -> bytes:
    """The MDM^T04 of a document."""
    return _act(document(number, control_id, changes=changes).decode(), "T04", "CA", "D").encode()


def _act(message: str, event: str, control: str, status: str) -> str:
    segments = message.replace("MDM^T02^MDM_T02", f"MDM^{event}^MDM_T02").split("\r")
    out = []
    for segment in segments:
        if segment.startswith("ORC|NW"):
            segment = f"ORC|{control}"
        if segment.startswith("OBX|1|"):
            segment = segment[: segment.rindex("|F")] + f"|{status}" + segment[segment.rindex("|F") + 2 :]
        out.append(segment)
    return "\r".join(out)


def from_another(message: bytes) -> bytes:
    """The same from another sender."""
    return edited(message, ("|DOSSIER-DEMO|CH-DEMO|", "|LABO|AILLEURS|"))


async def tell(c: Connector, *messages: bytes) -> list[Ack]:
    """One after the other, so that each is committed before the next."""
    return [(await c.say(message))[0] for message in messages]


def application(ack: Ack) -> list[str]:
    """ERR-5 of the answer."""
    return [error.application.partition("^")[0] for error in ack.errors if error.application]


# --- the matricule ---------------------------------------------------------------------------------------------------


@case("J01", "a real INS in a test environment is refused, as a test INS is in production (test_identity)")
async def j01(c: Connector) -> None:
    (ack,) = await c.say(of_matricule(INS, "1.2.250.1.213.1.4.8"))
    refused(ack, "AE", "207")
    assert c.kept()[-1].codes == ("INS_ENVIRONMENT",)
    assert c.kept()[-1].places == ("PID[1]-3",)


@case(
    "J02", "a false key, 13 characters, a letter in the wrong place: refused; Corsica's 2A and 2B are computed and pass"
)
async def j02(c: Connector) -> None:
    for value in ("279035121518988", "2790351215189", "27903512151898", "27903B121518989", "979035121518989"):
        (ack,) = await tell(c, of_matricule(value))
        refused(ack, "AE", "207")
        assert "INS_KEY" in c.kept()[-1].codes
    for first13 in ("185032A004005", "160122B033004"):
        (ack,) = await tell(c, of_matricule(first13 + nir_key(first13)))
        assert ack.code == "AA", ack.errors


@case(
    "J03",
    "an identity that is not validated: nothing of it goes to the DMP or to the patient, and the traits must be whole",
)
async def j03(c: Connector) -> None:
    (ack,) = await c.say(edited(mdm("1"), ("|N|VALI", "|N|PROV")))
    refused(ack, "AE", "207")
    assert "INS_NOT_QUALIFIED" in c.kept()[-1].codes
    (ack,) = await c.say(edited(adt("2"), ("|||^^^^^^BDL^^63220", "|||")))
    refused(ack, "AE", "207")
    assert application(ack) == ["905"]


@case(
    "J04",
    "an INS known locally with another birth date, or first names in another order: 904, parked, nothing delivered",
)
async def j04(c: Connector) -> None:
    known = edited(adt("0"), ("JEANNE^JEANNE^", "DOMINIQUE^DOMINIQUE MARIE^"))
    accepted((await tell(c, known))[0], "0")

    def named(first: str, names: str) -> list[tuple[str, str]]:
        return [
            ("^DOMINIQUE^DOMINIQUE^^^^L", f"^{first}^{names}^^^^L"),
            ("<given>DOMINIQUE</given>", f"<given>{names}</given>"),
            ('qualifier="BR">DOMINIQUE</given>', f'qualifier="BR">{first}</given>'),
        ]

    day = [*named("DOMINIQUE", "DOMINIQUE MARIE"), ("19790328", "19790329")]
    for number, changes in enumerate((day, named("MARIE", "MARIE DOMINIQUE")), 1):
        (ack,) = await tell(c, document(number, str(number), changes=changes))
        refused(ack, "AE", "207")
        assert application(ack) == ["904"]
        kept = c.kept()[-1]
        assert (kept.state, kept.deliveries) == ("parked", 0)
        assert "LOCAL_IDENTITY" in kept.codes
    assert len(c.kept()) == 3
    # Its own sender may correct it, and what agrees with the correction is then judged well.
    corrected = edited(known, ("|0|T|", "|8|T|"), ("|19790328|", "|19790329|"), ("ADT^A01^ADT_A01", "ADT^A31^ADT_A05"))
    assert (await tell(c, corrected))[0].code == "AA"
    assert await c.reception.rejudge(2)
    assert (c.kept()[1].state, c.kept()[1].deliveries) == ("translated", 1)
    assert await c.reception.rejudge(3)
    assert c.kept()[2].state == "parked"


@case("J05", "the same local number of two establishments: two patients, never one")
async def j05(c: Connector) -> None:
    first = of_matricule("288076312345638")
    other = of_matricule("179037412301230")
    local = "288076312345638^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS"
    one = edited(first, (local, "0042^^^CH-A&1.2.250.1.213.1.4.10.9.61&ISO^PI"))
    two = edited(
        other,
        (
            "179037412301230^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS",
            "0042^^^CH-B&1.2.250.1.213.1.4.10.9.62&ISO^PI",
        ),
        ("JEANNE^JEANNE", "PAUL^PAUL"),
    )
    assert [ack.code for ack in await tell(c, one, two)] == ["AA", "AA"]
    found = c.journal.patients.search(number="0042")
    assert sorted(each.given for each in found) == ["JEANNE", "PAUL"]
    assert len({each.id for each in found}) == 2


# --- directives ------------------------------------------------------------------------------------------------------


@case(
    "J07",
    "masked to professionals and sent to one is refused; hidden from the patient never reaches him (the 2^7 rows: test_directives)",
)
async def j07(c: Connector) -> None:
    for number, code in enumerate(("MASQUE_PS", "INVISIBLE_PATIENT"), 1):
        label = next(line for line in mdm("1").decode().split("\r") if f"|{code}^" in line)
        message = edited(mdm(str(number)), (label, label.replace("||N^^", "||Y^^")))
        (ack,) = await c.say(message)
        refused(ack, "AE", "207")
        assert "DIRECTIVE_CONFLICT" in c.kept()[-1].codes


@case("J09", "a document type that the DMP does not take is refused before anything is sent there")
async def j09(c: Connector) -> None:
    to_dmp = next(line for line in mdm("1").decode().split("\r") if "|DESTDMP^" in line)
    yes = (to_dmp, to_dmp.replace("||N^^", "||Y^^"))
    kind = [("11490-0", "51851-4")]
    (ack,) = await c.say(edited(document(1, "1", changes=kind), yes))
    refused(ack, "AE", "207")
    assert "DMP_TYPE" in c.kept()[-1].codes
    (ack,) = await c.say(edited(document(2, "2"), yes))
    assert ack.code == "AA", ack.errors


# --- documents that follow others ------------------------------------------------------------------------------------


@case(
    "J10",
    "a replacement before its original is told on both; a second deletion or the same replacement again is no fault",
)
async def j10_early(c: Connector) -> None:
    replacement, original = document(2, "1", replaces=1), document(1, "2")
    assert [ack.code for ack in await tell(c, replacement, original)] == ["AA", "AA"]
    assert [kept.codes for kept in c.kept()] == [("DOCUMENT_NOT_FOUND",), ("DOCUMENT_OVERTAKEN",)]
    assert [kept.deliveries for kept in c.kept()] == [1, 1]
    again = [ack.code for ack in await tell(c, document(2, "3", replaces=1), deletion(2, "4"), deletion(2, "5"))]
    assert again == ["AA", "AA", "AA"]


@case("J10", "a deletion of the unknown is told, a replacement of what is replaced or deleted is refused with 900")
async def j10_versions(c: Connector) -> None:
    told = await tell(c, deletion(9, "1"), document(1, "2"), document(2, "3", replaces=1))
    assert [ack.code for ack in told] == ["AA", "AA", "AA"]
    assert c.kept()[0].codes == ("DOCUMENT_NOT_FOUND",)
    crossing, outdated = await tell(c, document(3, "4", replaces=1), deletion(1, "5"))
    gone = (await tell(c, deletion(2, "6"), document(4, "7", replaces=2)))[1]
    for ack in (crossing, outdated, gone):
        refused(ack, "AE", "207")
        assert application(ack) == ["900"]
    assert [kept.state for kept in c.kept()].count("refused") == 3


@case("J10", "another organisation may neither delete nor replace: 901")
async def j10_author(c: Connector) -> None:
    accepted((await tell(c, document(1, "1")))[0], "1")
    # The whole message, its CDA included, comes from elsewhere.
    others = [("801234567897", "810000023084"), ("630000404", "300017985"), ("1630000404", "1300017985")]
    for message in (deletion(1, "2", others), document(2, "3", replaces=1, changes=others)):
        (ack,) = await tell(c, from_another(message))
        refused(ack, "AE", "207")
        assert application(ack) == ["901"]
    assert c.kept()[-1].deliveries == 0


# --- merges ----------------------------------------------------------------------------------------------------------


def merging(event: str, prior: str) -> bytes:
    """An A40 or A47 about the patient of `document`; `prior` is MRG-1."""
    structure = {"A40": "ADT_A39", "A47": "ADT_A30"}[event]
    message = edited(
        adt("merge"),
        ("ADT^A01^ADT_A01", f"ADT^{event}^{structure}"),
        ("JEANNE^JEANNE^", "DOMINIQUE^DOMINIQUE^"),
        ("&ISO^INS||", "&ISO^INS~NEW-7^^^CH-DEMO&1.2.250.1.213.1.4.10.9.1&ISO^PI||"),
    )
    segments = message.decode().split("\r")
    return "\r".join([*segments[:3], f"MRG|{prior}", ""]).encode()


async def waiting(c: Connector) -> None:
    """A document of a patient who has only a local number waits for its destination; two others do, of somebody else."""
    without_ins = [
        (f"{INS}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS~", ""),
        (f'<id root="1.2.250.1.213.1.4.10" extension="{INS}"/>', ""),
        ("DESTMSSANTEPAT^Destinataire Patient^MetaDMPMSS||Y", "DESTMSSANTEPAT^Destinataire Patient^MetaDMPMSS||N"),
    ]
    elsewhere = [*without_ins, ("DEMO-0042", "DEMO-0043")]
    told = await tell(c, document(1, "1", changes=without_ins), document(2, "2", changes=elsewhere))
    assert [ack.code for ack in told] == ["AA", "AA"], told


def legs(c: Connector) -> list[list[tuple[str, list[str]]]]:
    """State and issues of each delivery, by message, the oldest first."""
    rows = reversed(c.journal.search.list_messages())
    shown = [c.journal.search.show(row.id) for row in rows]
    return [[(leg.state, [issue.code for issue in leg.issues]) for leg in each.legs] for each in shown if each]


@case(
    "J13",
    "a merge parks the documents that wait for the losing number, and nothing else; what comes later under it is told",
)
async def j13_merge(c: Connector) -> None:
    await waiting(c)
    accepted((await tell(c, merging("A40", IPP)))[0], "merge")
    assert legs(c) == [[("parked", ["PATIENT_MERGED"])], [("queued", [])], [("queued", [])]]
    old, new = (c.journal.patients.search(number=number)[0] for number in ("DEMO-0042", "NEW-7"))
    assert (old.merged_into, old.merged_by, old.family) == (new.id, 3, CANARY)
    assert new.merged_into is None
    without_ins = [
        (f"{INS}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS~", ""),
        (f'<id root="1.2.250.1.213.1.4.10" extension="{INS}"/>', ""),
        ("DESTMSSANTEPAT^Destinataire Patient^MetaDMPMSS||Y", "DESTMSSANTEPAT^Destinataire Patient^MetaDMPMSS||N"),
    ]
    assert (await tell(c, document(5, "5", changes=without_ins)))[0].code == "AA"
    assert "PATIENT_MERGED" in c.kept()[-1].codes
    assert await c.journal.retry([1]) == 1, "a person may send it all the same"
    await asyncio.sleep(0)


@case("J13", "a merge of several patients at once is refused: only one of them would be read")
async def j13_several(c: Connector) -> None:
    segments = merging("A40", IPP).decode().split("\r")
    twice = "\r".join([*segments[:4], *segments[2:4], ""]).encode()
    (ack,) = await tell(c, twice)
    refused(ack, "AE", "198")
    assert set(c.kept()[-1].codes) == {"SEGMENT_TWICE"}


@case("J13", "a change of number parks what waits for the old one and keeps one record")
async def j13_number(c: Connector) -> None:
    await waiting(c)
    accepted((await tell(c, merging("A47", IPP)))[0], "merge")
    assert legs(c)[0] == [("parked", ["PATIENT_MERGED"])]
    (old,) = c.journal.patients.search(number="DEMO-0042")
    (new,) = c.journal.patients.search(number="NEW-7")
    assert old.id == new.id
    assert old.merged_into is None
