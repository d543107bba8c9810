"""A thread as Communications: references, categories, tags, who typed, and what never leaves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from connector.exchange.channel import Channel
from connector.exchange.conversation import Member, Message, Photo, Seen, Thread, VisioLink
from connector.exchange.documents import Content, Sharing
from connector.exchange.model import Envelope, Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import Identifier, Party, Telecom
from connector.fhir.transaction import relative
from tests.unit.fhir.site import DOCTOR, DOCUMENT, PATIENT, over_the_wire, read, resources, run, write

NURSE = Party(mssante="nina.temoin@monsisra.example.test")
SERVICE = Party(mssante="reseau.test@monsisra.example.test")
FIRST = Message(
    id="5d0f7f10-0001-4c1b-9d07-5e1f0a7c2b11", sender=SERVICE, text="Bonjour", sent=Moment("2026-05-21T13:40:00+02:00")
)
THREAD = Exchange(
    id="3f1c6d2e-8a52-4c1b-9d07-5e1f0a7c2b11",
    mode="conversation",
    origin="monsisra",
    patient=PATIENT,
    sender=SERVICE,
    recipients=(NURSE,),
    subject="Plaie",
    messages=(FIRST,),
)
ADDRESS = "279035121518989@patient.mssante.fr"
USER = Party(mssante=ADDRESS)
CHANNEL = replace(
    THREAD,
    mode="mon_espace_sante",
    recipients=(USER,),
    channel=Channel(address=ADDRESS, state="open"),
    patient=replace(PATIENT, telecoms=()),
)


def communications(exchange: Exchange) -> list[dict[str, Any]]:
    bundle = {**write(exchange)}
    return [each for each in relative(bundle) if each["resourceType"] == "Communication"]


def codes(resource: dict[str, Any], name: str = "category") -> list[str]:
    return [coding["code"] for each in resource[name] for coding in each["coding"]]


def test_each_message_is_part_of_its_thread_and_says_what_it_answers() -> None:
    second = Message(id="2", in_reply_to=FIRST.id, text="Merci")
    thread, first, answer = communications(replace(THREAD, messages=(FIRST, second)))
    name = f"Communication/{thread['id']}"
    assert [each["partOf"] for each in (first, answer)] == [[{"reference": name}]] * 2
    assert answer["inResponseTo"][0]["reference"] == f"Communication/{first['id']}"
    assert "inResponseTo" not in first


def test_an_answer_to_a_message_that_is_elsewhere_names_it() -> None:
    _, answer = communications(replace(THREAD, messages=(Message(id="2", in_reply_to="<x@ailleurs.test>"),)))
    assert answer["inResponseTo"] == [
        {"identifier": {"system": "urn:oid:1.2.250.1.213.1.4.10.9", "value": "<x@ailleurs.test>"}}
    ]


def test_each_reader_is_found_by_part_of_and_category() -> None:
    seen = (Seen(reader=NURSE, at=Moment("2026-05-21T13:52:00+02:00")), Seen(reader=DOCTOR))
    thread, message, *notices = communications(replace(THREAD, messages=(replace(FIRST, seen=seen),)))
    assert [codes(each) for each in notices] == [["notification"], ["notification"]]
    for notice in notices:
        assert notice["partOf"] == [{"reference": f"Communication/{thread['id']}"}]
        assert notice["inResponseTo"] == [{"reference": f"Communication/{message['id']}"}]
    assert notices[0]["sent"] == "2026-05-21T13:52:00+02:00"


@pytest.mark.parametrize(
    ("mode", "medium"), [("conversation", "ONLINEWRIT"), ("mail", "EMAILWRIT"), ("mon_espace_sante", "EMAILWRIT")]
)
def test_mode_and_medium_are_searchable_on_the_thread_and_on_each_message(mode: str, medium: str) -> None:
    thread, message = communications(replace(THREAD, mode=mode))
    assert codes(thread) == [mode.replace("_", "-"), "thread"]
    assert codes(message) == [mode.replace("_", "-")]
    assert {*codes(thread, "medium"), *codes(message, "medium")} == {medium}


def test_a_message_that_was_not_delivered_is_not_done_and_says_why() -> None:
    _, message = communications(replace(THREAD, messages=(replace(FIRST, failure="boîte pleine"),)))
    assert (message["status"], message["statusReason"]) == ("not-done", {"text": "boîte pleine"})


@pytest.mark.parametrize(
    ("exchange", "status"),
    [
        (replace(THREAD, thread=Thread(opened=Moment("2026-05-21"))), "in-progress"),
        (replace(THREAD, thread=Thread(opened=Moment("2026-05-21"), closed=Moment("2026-05-22"))), "completed"),
        (replace(THREAD, mode="mail"), "completed"),
        (replace(THREAD, intent="delete"), "entered-in-error"),
        (CHANNEL, "in-progress"),
        (replace(CHANNEL, channel=Channel(address=ADDRESS, state="closed")), "completed"),
        (replace(CHANNEL, channel=Channel(address=ADDRESS)), "unknown"),
    ],
)
def test_the_thread_is_open_or_closed(exchange: Exchange, status: str) -> None:
    assert communications(exchange)[0]["status"] == status


def test_who_typed_and_on_whose_behalf_is_a_provenance_and_so_is_who_takes_the_answers() -> None:
    made = write(replace(THREAD, enterer=DOCTOR, reply_to=(NURSE,), messages=(replace(FIRST, enterer=DOCTOR),)))
    thread, message = (each for each in resources(made, "Communication"))
    about = {each["target"][0]["reference"]: each["agent"] for each in resources(made, "Provenance")}
    typed, answers = about[f"urn:uuid:{thread['id']}"]
    assert typed["onBehalfOf"] == thread["sender"]
    assert codes({"role": answers["role"]}, "role") == ["CALLBCK"]
    assert [each["type"]["coding"][0]["code"] for each in about[f"urn:uuid:{message['id']}"]] == ["enterer"]


def test_members_are_a_care_team_with_the_moment_since_when() -> None:
    members = (Member(party=NURSE, joined=Moment("2026-05-21T14:20:00+02:00")), Member(party=DOCTOR))
    made = write(replace(THREAD, thread=Thread(id="T", opened=Moment("2026-05-21"), members=members, history=False)))
    (team,) = resources(made, "CareTeam")
    assert [each.get("period") for each in team["participant"]] == [{"start": "2026-05-21T14:20:00+02:00"}, None]
    assert codes(team) == ["no-history"]
    assert {"reference": f"urn:uuid:{team['id']}"} in resources(made, "Communication")[0]["recipient"]


def test_the_bytes_of_a_photo_are_a_binary_and_a_visio_link_is_an_address() -> None:
    photo = Photo(content=Content(media_type="image/jpeg", data=b"abc"), title="Pied")
    visio = VisioLink(url="https://visio.example.test/1", starts=Moment("2026-05-21T17:30:00+02:00"))
    made = write(replace(THREAD, messages=(replace(FIRST, photos=(photo,), visio=visio),)))
    (binary,) = resources(made, "Binary")
    text, pictured, linked = resources(made, "Communication")[1]["payload"]
    assert text == {"contentString": "Bonjour"}
    assert pictured["contentAttachment"]["url"] == f"urn:uuid:{binary['id']}"
    assert pictured["contentAttachment"]["size"] == 3
    assert linked["contentAttachment"] == {"url": "https://visio.example.test/1"}
    assert resources(made, "Appointment")[0]["requestedPeriod"] == [{"start": "2026-05-21T17:30:00+02:00"}]


def test_a_photo_whose_bytes_are_kept_apart_says_where_they_stand() -> None:
    photo = Photo(content=Content(media_type="image/jpeg", sha256="0" * 64, size=3))
    whole = replace(photo, content=Content(media_type="image/jpeg", data=b"abc"))
    urls = [
        resources(write(replace(THREAD, messages=(replace(FIRST, photos=(each,)),))), "Communication")[1]["payload"][1]
        for each in (photo, whole)
    ]
    apart, inside = (each["contentAttachment"]["url"] for each in urls)
    assert apart == inside.replace("urn:uuid:", "Binary/")


def test_a_document_of_the_exchange_is_referred_to_and_one_from_elsewhere_is_named() -> None:
    made = write(
        replace(THREAD, documents=(DOCUMENT,), messages=(replace(FIRST, documents=(DOCUMENT.id or "", "1.2.3")),))
    )
    (document,) = resources(made, "DocumentReference")
    _, here, elsewhere = (each.get("contentReference") for each in resources(made, "Communication")[1]["payload"])
    assert here["reference"] == f"urn:uuid:{document['id']}"
    assert elsewhere == {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}}


# --- the patient ----------------------------------------------------------------------------------------------------


def test_the_patient_is_one_patient_as_recipient_too_and_his_mailbox_is_his_contact() -> None:
    made = write(CHANNEL)
    (patient,) = resources(made, "Patient")
    thread = resources(made, "Communication")[0]
    assert thread["recipient"] == [{"reference": f"urn:uuid:{patient['id']}"}]
    assert [each["value"] for each in patient["telecom"]] == [ADDRESS]


def test_a_mailbox_that_he_has_already_is_not_said_twice() -> None:
    known = replace(PATIENT, telecoms=(Telecom(value=ADDRESS, system="mssante"),))
    assert len(resources(write(replace(CHANNEL, patient=known)), "Patient")[0]["telecom"]) == 1


@pytest.mark.parametrize("status", [None, "provisional"])
def test_the_matricule_does_not_leave_in_an_address_either(status: str | None) -> None:
    telecoms = (Telecom(value=ADDRESS, system="mssante"), Telecom(value="0102030405", system="phone"))
    using = run()
    made = write(replace(CHANNEL, patient=replace(PATIENT, identity_status=status, telecoms=telecoms)), using)
    assert "279035121518989" not in str(made)
    assert [each.code for each in using.issues] == ["INS_NOT_QUALIFIED"]
    using = run()
    bare = replace(PATIENT, identity_status=status, telecoms=telecoms, identifiers=())
    assert "279035121518989" not in str(write(replace(CHANNEL, patient=bare), using))
    assert [(each.code, each.place.path) for each in using.issues] == [("INS_NOT_QUALIFIED", "Patient[1].telecom")]


# --- the three boxes and where it began ------------------------------------------------------------------------------


def test_ticked_boxes_are_tags_of_the_submission() -> None:
    sharing = Sharing(business_software=True, regional_record=False, ma_sante_connectee=True)
    document = replace(THREAD, intent="submit", mode="document", messages=(), documents=(DOCUMENT,), sharing=sharing)
    (listed,) = resources(write(document), "List")
    assert [each["code"] for each in listed["meta"]["tag"]] == ["monsisra", "business-software", "ma-sante-connectee"]
    assert read(over_the_wire(write(document))).sharing == replace(sharing, regional_record=None)


def test_a_feed_has_no_tag() -> None:
    assert "meta" not in communications(replace(THREAD, origin="feed"))[0]


# --- ids and the message in the journal ------------------------------------------------------------------------------


def test_a_thread_that_grew_keeps_the_ids_of_what_was_there() -> None:
    grown = replace(THREAD, subject="Plaie du pied", messages=(FIRST, Message(text="Merci")))
    before, after = ([each["id"] for each in resources(write(each), "Communication")] for each in (THREAD, grown))
    assert after[:2] == before
    assert len(set(after)) == 3


def test_two_messages_without_a_name_are_two() -> None:
    made = communications(replace(THREAD, messages=(Message(text="un"), Message(text="deux"))))
    assert len({each["id"] for each in made}) == 3


def test_what_was_made_points_back_at_the_message_in_the_journal_and_the_way_back_does_not_see_it() -> None:
    sent = replace(
        THREAD, envelope=Envelope(sender=Identifier(value="DPI"), sent_at=Moment("2026-05-21T13:41:00+02:00"))
    )
    made = write(sent, run(message=42))
    (provenance,) = resources(made, "Provenance")
    assert provenance["entity"] == [
        {"role": "source", "what": {"identifier": {"system": "urn:oid:1.2.250.1.213.1.4.10.9.1", "value": "42"}}}
    ]
    assert provenance["agent"][0]["who"] == {"identifier": {"value": "DPI"}}
    assert provenance["recorded"] == "2026-05-21T13:40:00+02:00"
    assert [each["reference"] for each in provenance["target"]] == [
        f"urn:uuid:{each['id']}" for each in resources(made, "Communication")
    ]
    assert read(over_the_wire(made)) == read(over_the_wire(write(THREAD)))


# --- linear ----------------------------------------------------------------------------------------------------------


def calls(work: Callable[[], Any]) -> int:
    """How many functions are called: the work, whatever the machine."""
    count = 0

    def counted(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def long(size: int) -> Exchange:
    """Each message answers the one before and was seen by two."""
    seen = (Seen(reader=NURSE), Seen(reader=DOCTOR))
    messages = tuple(
        Message(id=f"m{n}", in_reply_to=f"m{n - 1}" if n else None, sender=SERVICE, text=f"message {n}", seen=seen)
        for n in range(size)
    )
    return replace(THREAD, messages=messages)


def test_a_conversation_of_200_messages_costs_twice_one_of_100_both_ways() -> None:
    write(long(2))
    read(write(long(2)))
    small, large = (long(size) for size in (100, 200))
    assert calls(lambda: write(large)) < 2.1 * calls(lambda: write(small))
    ones = [over_the_wire(write(each)) for each in (small, large)]
    assert calls(lambda: read(ones[1])) < 2.1 * calls(lambda: read(ones[0]))


def test_a_chain_of_parts_costs_its_length() -> None:
    def chain(size: int) -> dict[str, Any]:
        parts = [
            {
                "resourceType": "Communication",
                "id": f"c{n}",
                "status": "completed",
                "partOf": [{"reference": f"Communication/c{n + 1}"}],
            }
            for n in range(size)
        ]
        entries = [{"fullUrl": f"http://x/Communication/{each['id']}", "resource": each} for each in parts]
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}

    assert calls(lambda: read(chain(400))) < 2.2 * calls(lambda: read(chain(200)))
