"""Exchanges of every mode with every field that the mode knows, for laws of the form `back(there(x)) == x`.

    exchanges(mode)           a strategy; every optional field is filled or left out
    without(value, patterns)  what is left when the places of a loss table are taken away (`documents[].body`, `*.role`)

Identities are test ones. Words that are not free (states, kinds, priorities) are those of the model.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from connector.exchange.channel import Channel
from connector.exchange.conversation import Member, Message, Photo, Seen, Thread, VisioLink
from connector.exchange.documents import Content, Directives, Document, Sharing
from connector.exchange.model import Exchange
from connector.exchange.people import Address, Concept, HumanName, Identifier, Organization, Party, Patient, Telecom
from connector.exchange.teleexpertise import STATES, Answer, Expert, Form, Opinion, Step, Teleexpertise

MODES = ("conversation", "teleexpertise", "document", "mail", "mon_espace_sante")
INS = "279035121518989"
ADDRESS = f"{INS}@patient.mssante.fr"

#: Text as people write it: letters of any script, no blank at its ends, nothing that XML cannot hold.
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12)
PROSE = st.lists(TEXT, min_size=1, max_size=3).map("\n".join) | st.lists(TEXT, min_size=1, max_size=3).map(" ".join)
CODE = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
OID = st.integers(1, 99999).map(lambda number: f"1.2.250.1.999.{number}")
DATES = st.dates().map(str)
MOMENTS = st.datetimes().map(lambda moment: f"{moment.replace(microsecond=0).isoformat()}+01:00")
WHENS = MOMENTS | DATES
DOCUMENT_IDS = st.tuples(OID, CODE).map("^".join) | OID
#: Ids as mail, messaging and software give them.
IDS = st.uuids().map(str) | OID | CODE.map(lambda name: f"<{name}@monsisra.example.test>") | CODE


def some(strategy: st.SearchStrategy[Any], most: int = 2, **more: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=most, **more).map(tuple)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


IDENTIFIERS = st.builds(
    Identifier, value=TEXT, system=OID, kind=st.sampled_from(["PI", "VN", "AN"]), authority=maybe(TEXT)
)
CONCEPTS = st.builds(Concept, code=CODE, system=OID, display=maybe(TEXT), text=maybe(TEXT))
CODINGS = st.builds(Concept, code=CODE, system=OID, display=maybe(TEXT), version=maybe(CODE))
NAMES = st.builds(
    HumanName,
    use=st.sampled_from(["birth", "usual", "maiden", None]),
    family=TEXT,
    given=some(TEXT),
    birth_given=maybe(TEXT),
    prefix=maybe(TEXT),
    suffix=maybe(TEXT),
)
ADDRESSES = st.builds(
    Address,
    use=st.sampled_from(["home", "work", None]),
    lines=some(TEXT),
    city=TEXT,
    postal_code=maybe(TEXT),
    insee=maybe(CODE),
)
TELECOMS = st.builds(
    Telecom, value=TEXT, system=st.sampled_from(["phone", "email", "fax"]), use=st.sampled_from(["home", "work", None])
)
ORGANIZATIONS = st.builds(
    Organization,
    identifiers=some(IDENTIFIERS),
    name=TEXT,
    sector=maybe(CONCEPTS),
    telecoms=some(TELECOMS),
    addresses=some(ADDRESSES),
)
MAILBOXES = CODE.map(lambda name: f"{name}@essai.mssante.fr")
PARTIES = st.builds(
    Party,
    identifiers=some(IDENTIFIERS),
    name=NAMES,
    specialty=maybe(CONCEPTS),
    function=maybe(CONCEPTS),
    telecoms=some(TELECOMS),
    organization=maybe(ORGANIZATIONS),
    mssante=maybe(MAILBOXES),
)
#: Somebody who acts: a person, or the account of a service or an establishment.
ACCOUNTS = PARTIES | st.builds(Party, organization=ORGANIZATIONS, mssante=MAILBOXES)
PATIENTS = st.builds(
    Patient,
    identifiers=some(IDENTIFIERS),
    names=st.lists(NAMES, min_size=1, max_size=2).map(tuple),
    birth_date=maybe(DATES),
    sex=st.sampled_from(["male", "female", "other", "unknown", None]),
    addresses=some(ADDRESSES),
    telecoms=some(TELECOMS),
    birth_place=maybe(ADDRESSES),
    marital_status=maybe(TEXT),
    managing=maybe(ORGANIZATIONS),
)
#: A patient whose identity is qualified.
USERS = st.builds(
    Patient,
    identifiers=st.just((Identifier(value=INS, system="1.2.250.1.213.1.4.10", kind="INS"),)),
    names=st.builds(HumanName, use=st.just("birth"), family=TEXT, given=st.tuples(TEXT), birth_given=TEXT).map(
        lambda name: (name,)
    ),
    birth_date=DATES,
    sex=st.sampled_from(["male", "female"]),
    birth_place=st.builds(Address, insee=CODE),
    identity_status=st.just("validated"),
    telecoms=some(TELECOMS),
)
DOCUMENTS = st.builds(
    Document,
    id=DOCUMENT_IDS,
    set_id=maybe(OID),
    version=maybe(CODE),
    type=maybe(CONCEPTS),
    category=maybe(CONCEPTS),
    format=maybe(CODINGS),
    title=maybe(TEXT),
    created=MOMENTS,
    language=maybe(CODE),
    confidentiality=st.sampled_from(["N", "R", "V", None]),
    authors=some(PARTIES),
    signer=maybe(PARTIES),
    custodian=maybe(ORGANIZATIONS),
    content=st.builds(Content, media_type=st.just("text/plain"), data=st.binary(min_size=1, max_size=40)),
)
PHOTOS = st.builds(
    Photo,
    content=st.builds(
        Content, media_type=st.sampled_from(["image/jpeg", "image/png"]), data=st.binary(min_size=1, max_size=20)
    ),
    title=maybe(TEXT),
    taken=maybe(WHENS),
)
VISIOS = st.builds(
    VisioLink, url=CODE.map(lambda name: f"https://visio.example.test/{name}"), title=maybe(TEXT), starts=maybe(WHENS)
)
SHARINGS = st.sampled_from(
    [
        Sharing(business_software=True),
        Sharing(regional_record=True),
        Sharing(business_software=True, regional_record=True, ma_sante_connectee=True),
    ]
)


@st.composite
def messages(
    draw: Any, documents: tuple[str, ...], people: st.SearchStrategy[Party], most: int = 3
) -> tuple[Message, ...]:
    """What was written, each answering an earlier one or one from elsewhere."""
    made: list[Message] = []
    ids = draw(st.lists(IDS, min_size=1, max_size=most, unique=True))
    for identity in ids:
        text = draw(maybe(PROSE))
        earlier = [each.id for each in made]
        made.append(
            draw(
                st.builds(
                    Message,
                    id=st.just(identity),
                    in_reply_to=maybe(st.sampled_from([*earlier, "<elsewhere@monsisra.example.test>"])),
                    sender=maybe(people),
                    enterer=maybe(PARTIES),
                    recipients=some(ACCOUNTS),
                    sent=maybe(WHENS),
                    received=maybe(WHENS),
                    text=st.just(text),
                    format=st.sampled_from([None, "html"]) if text is not None else st.none(),
                    documents=some(st.sampled_from([*documents, "1.2.250.1.999.0"])),
                    photos=some(PHOTOS),
                    visio=maybe(VISIOS),
                    seen=some(st.builds(Seen, reader=people, at=maybe(WHENS)), unique_by=lambda each: each.reader),
                    failure=maybe(PROSE),
                )
            )
        )
    return tuple(made)


def threads(documents: tuple[str, ...]) -> st.SearchStrategy[Thread]:
    return st.builds(
        Thread,
        id=maybe(IDS),
        opened=WHENS,
        closed=maybe(WHENS),
        history=st.sampled_from([True, False, None]),
        synthesis=maybe(st.sampled_from([*documents, "1.2.250.1.999.0"])),
        members=some(st.builds(Member, party=ACCOUNTS, joined=maybe(WHENS)), 3),
    )


@st.composite
def steps(draw: Any) -> tuple[Step, ...]:
    """A life that the states allow."""
    made: list[Step] = []
    state = "demandee"
    for _ in range(draw(st.integers(0, 5))):
        made.append(
            draw(st.builds(Step, state=st.just(state), at=maybe(WHENS), by=maybe(ACCOUNTS), reason=maybe(PROSE)))
        )
        if not STATES[state]:
            break
        state = draw(st.sampled_from(STATES[state]))
    return tuple(made)


def requests(documents: tuple[str, ...]) -> st.SearchStrategy[Teleexpertise]:
    one = maybe(st.sampled_from([*documents, "1.2.250.1.999.0"]))
    experts = st.builds(
        Expert,
        party=ACCOUNTS,
        kind=st.sampled_from(["expert", "equipe_ressource", None]),
        description=maybe(PROSE),
        prerequisites=maybe(PROSE),
        delay=maybe(TEXT),
        asks=st.sampled_from(["form", "conversation", None]),
        template=one,
    )
    forms = st.builds(
        Form,
        id=IDS,
        questionnaire=maybe(st.tuples(CODE, CODE).map("https://questionnaires.example.test/{0[0]}|{0[1]}".format)),
        title=maybe(TEXT),
        saved=maybe(WHENS),
        answers=some(
            st.builds(Answer, link=CODE, text=maybe(TEXT), values=some(PROSE)), 3, unique_by=lambda each: each.link
        ),
    )
    return st.builds(
        Teleexpertise,
        id=maybe(IDS),
        expert=maybe(experts),
        act=maybe(CONCEPTS),
        priority=st.sampled_from(["routine", "urgent", "asap", "stat", None]),
        requested=WHENS,
        question=maybe(PROSE),
        document=one,
        form=maybe(forms),
        steps=steps(),
        opinion=maybe(st.builds(Opinion, author=ACCOUNTS, given=maybe(WHENS), text=maybe(PROSE), document=one)),
    )


CHANNELS = st.builds(
    Channel,
    address=st.just(ADDRESS),
    reply_allowed=st.sampled_from([True, False, None]),
    closes_channel=st.sampled_from([True, False, None]),
    state=st.sampled_from(["open", "closed", None]),
    opened=maybe(WHENS),
    closed=maybe(WHENS),
)


@st.composite
def exchanges(draw: Any, mode: str) -> Exchange:
    """An exchange of the mode."""
    least = 1 if mode == "document" else 0
    documents = draw(st.lists(DOCUMENTS, min_size=least, max_size=2, unique_by=lambda each: each.id).map(tuple))
    ids = tuple(each.id for each in documents)
    made = Exchange(
        id=draw(IDS),
        mode=mode,
        origin=draw(st.sampled_from(["monsisra", "feed"])),
        documents=documents,
        sender=draw(ACCOUNTS),
        enterer=draw(maybe(PARTIES)),
        recipients=draw(some(ACCOUNTS)),
        reply_to=draw(some(PARTIES)),
        subject=draw(maybe(PROSE)),
    )
    match mode:
        case "document":
            hidden = Directives(hidden_from_patient=True) if draw(st.booleans()) else None
            sharing = draw(maybe(SHARINGS))
            return replace(made, intent="submit", patient=draw(PATIENTS), directives=hidden, sharing=sharing)
        case "mail":
            return replace(made, messages=draw(messages(ids, ACCOUNTS, 1)))
        case "mon_espace_sante":
            patient = draw(USERS)
            name = patient.names[0]
            user = Party(name=HumanName(family=name.family, given=name.given), mssante=ADDRESS)
            said = draw(messages(ids, st.just(user) | ACCOUNTS, 1))
            return replace(made, patient=patient, recipients=(user,), messages=said, channel=draw(CHANNELS))
        case "teleexpertise":
            asked = {"teleexpertise": draw(requests(ids)), "thread": draw(maybe(threads(ids)))}
            return replace(made, patient=draw(PATIENTS), messages=draw(messages(ids, ACCOUNTS, 2)), **asked)
        case _:
            thread = draw(maybe(threads(ids)))
            return replace(made, patient=draw(maybe(PATIENTS)), messages=draw(messages(ids, ACCOUNTS)), thread=thread)


def without(value: Any, patterns: list[str], place: str = "") -> Any:
    """A value without the fields at the places of a loss table; what is emptied so is absent."""
    if isinstance(value, msgspec.Struct):
        changes = {}
        for name in value.__struct_fields__:
            found = getattr(value, name)
            if found in (None, ()):
                continue
            inner = f"{place}.{name}" if place else name
            kept = None if any(covers(each, inner) for each in patterns) else without(found, patterns, inner)
            if kept is not found:
                changes[name] = () if kept is None and isinstance(found, tuple) else kept
        made = replace(value, **changes) if changes else value
        return None if changes and made == type(value)(**_required(made)) and not _required(made) else made
    if isinstance(value, tuple):
        items = [without(each, patterns, f"{place}[]") for each in value]
        kept = tuple(each for each in items if each is not None)
        return value if len(kept) == len(value) and all(a is b for a, b in zip(kept, value, strict=True)) else kept
    return value


def _required(value: msgspec.Struct) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in msgspec.structs.fields(type(value)) if each.required}


def covers(pattern: str, place: str) -> bool:
    """Whether a pattern of a loss table speaks of a place: `*` is any part, a field covers what is below it."""
    escaped = re.escape(pattern).replace(r"\*", ".*")
    return re.fullmatch(rf"{escaped}([.\[].*)?", place) is not None
