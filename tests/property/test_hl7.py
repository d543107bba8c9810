"""What is always true of the HL7 v2 codec and datatypes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.exchange.care import Place
from connector.exchange.documents import Content
from connector.exchange.model import Context
from connector.exchange.moments import Moment
from connector.exchange.people import Address, Concept, HumanName, Identifier, Organization, Party, Period, Telecom
from connector.exchange.results import Range
from connector.hl7.codec import header, parse, serialise
from connector.hl7.datatypes import DATATYPES
from connector.hl7.datatypes.results import INTERPRETATION
from connector.hl7.escapes import Separators, escape, kept_escapes, unescape
from connector.hl7.message import Message, Repetition
from connector.hl7.shape import Hl7Shape
from connector.mapping.language import Run
from tests.unit.fhir.site import tables

BOUNDED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

#: Separators, escapes, line breaks and accents come up often; control characters and damaged text never.
characters = st.one_of(
    st.sampled_from(list("|^~\\&#ABCFHNSTREPXZ0159.;éœ\n\r\t ")),
    st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")).filter(lambda c: c != "�"),
)
texts = st.text(characters, min_size=1, max_size=20)
words = st.text(st.sampled_from("ABCabcé0189-'&^|\\"), min_size=1, max_size=12).filter(lambda word: word != '""')
oids = st.integers(1, 999).map(lambda number: f"1.2.250.1.213.1.4.10.{number}")
days = st.dates().map(lambda day: Moment(f"{day.year:04d}-{day.month:02d}-{day.day:02d}"))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def identifiers(draw: st.DrawFn, *, kind: bool = True, dates: bool = True) -> Identifier:
    system = draw(maybe(oids))
    return Identifier(
        value=draw(words),
        system=system,
        system_type="ISO" if system else None,
        authority=draw(maybe(words)),
        kind=draw(maybe(words)) if kind else None,
        start=draw(maybe(days)) if dates else None,
        end=draw(maybe(days)) if dates else None,
    )


@st.composite
def names(draw: st.DrawFn) -> HumanName:
    use = draw(maybe(st.sampled_from(["birth", "usual", "pseudonym"])))
    given_names = draw(st.lists(words, max_size=1 if use == "birth" else 3))
    return HumanName(
        use=use,
        family=draw(words),
        given=tuple(given_names),
        birth_given=draw(maybe(words)) if use == "birth" else None,
        prefix=draw(maybe(words)),
        suffix=draw(maybe(words)),
    )


unbirth = names().filter(lambda name: name.use != "birth")
lines = st.lists(words, max_size=2).map(tuple)
addresses = st.builds(
    Address, use=maybe(st.sampled_from(["home", "work", "temp"])), lines=lines, city=words, district=maybe(words),
    postal_code=maybe(words), country=maybe(words), insee=maybe(words),
)  # fmt: skip
telecoms = st.one_of(
    st.builds(
        Telecom, value=words, system=st.sampled_from(["phone", "fax"]), use=maybe(st.sampled_from(["home", "work"]))
    ),
    st.builds(Telecom, value=words, system=st.just("phone"), use=st.just("mobile")),
    st.builds(Telecom, value=words, system=st.sampled_from(["email", "mssante"])),
)
concepts = st.builds(
    Concept, code=words, display=maybe(texts), system=maybe(words), version=maybe(words), text=maybe(texts)
)
organizations = st.builds(
    Organization, name=words, identifiers=st.lists(identifiers(dates=False), max_size=1).map(tuple)
)
parties = st.builds(Party, identifiers=identifiers().map(lambda one: (one,)), name=maybe(unbirth))
places = st.builds(Place, unit=words, room=maybe(words), bed=maybe(words), facility=maybe(words))
numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-999, max_value=999, places=2).map(str)
interpreters = st.builds(
    Party,
    identifiers=identifiers(kind=False, dates=False).map(lambda one: (one,)),
    name=maybe(st.builds(HumanName, family=words, given=lines, prefix=maybe(words), suffix=maybe(words))),
)
contents = st.builds(
    Content,
    media_type=st.sampled_from(["text/xml", "application/pdf", "image/png"]),
    data=st.binary(min_size=1, max_size=60),
)
times = st.datetimes().map(
    lambda time: Moment(f"{time.year:04d}-{time.month:02d}-{time.day:02d}T{time.hour:02d}:{time.minute:02d}")
)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "cx": identifiers(), "xcn-id": identifiers(), "ei": identifiers(kind=False, dates=False), "xon-id": identifiers(dates=False),
    "hd": st.builds(Identifier, value=words), "pln": st.builds(Identifier, value=words, kind=maybe(words), system=maybe(oids)), "document-id": st.one_of(oids, st.tuples(oids, oids).map("^".join)),
    "xpn": names(), "xcn-name": unbirth, "xcn": parties, "xon": organizations, "xad": addresses, "xtn": telecoms, "pl": places,
    "ndl": interpreters, "interpretation": concepts.filter(lambda one: one.system is not None) | st.builds(Concept, code=st.sampled_from(["H", "LL", "<"]), system=st.just(INTERPRETATION), display=maybe(texts)),
    "reference-range": st.builds(Range, low=numbers, high=numbers) | st.builds(Range, low=numbers) | st.builds(Range, high=numbers) | st.builds(Range, text=words),
    "sn-text": st.from_regex(r"1:\d{1,4}|\d\+", fullmatch=True),
    "cwe": concepts, "ce": concepts, "cne": concepts, "dr": st.builds(Period, start=days, end=maybe(times)),
    "ft": texts.filter(lambda text: "\\" not in text), "tx": texts.filter(lambda text: "\\" not in text),
    "vid": st.sampled_from(["2.5", "2.5^FRA^2.11", "2.6"]), "ed": contents, "ed-2.5": contents, "ed-text": texts, "ed-text-2.5": texts,
    "st": texts, "id": words, "is": words, "pt": words, "dtm": st.one_of(days, times), "ts": st.one_of(days, times), "dt": days,
    "nm": st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str), "si": st.integers(0, 9999), "yes-no": st.booleans(),
    "base64": st.binary(min_size=1, max_size=60),
}  # fmt: skip


def test_every_datatype_has_a_strategy() -> None:
    assert set(VALUES) == set(DATATYPES)


@pytest.mark.parametrize("name", sorted(DATATYPES))
def test_what_a_datatype_writes_it_reads_back(name: str) -> None:
    datatype = DATATYPES[name]
    # of the site's tables, the one that a datatype asks
    context = Context(now=Moment("2026-01-15"), table=tables().table if name == "interpretation" else None)

    @BOUNDED
    @given(VALUES[name])
    def law(value: Any) -> None:
        run = Run(context)
        assert datatype.write is not None
        if not datatype.node:
            assert datatype.read(unescape(escape(datatype.write(value, run))), run) == value
            return
        node = Repetition()
        datatype.write(value, node, run)
        node.trim()
        assert datatype.read(Repetition(node.raw()), run) == value
        assert run.issues == []

    law()


separators = st.permutations(list("|^~\\&#@%")).map(
    lambda marks: Separators(
        field=marks[0],
        component=marks[1],
        repetition=marks[2],
        escape=marks[3],
        subcomponent=marks[4],
        truncation=marks[5],
    )
)


@BOUNDED
@given(texts, separators)
def test_an_escaped_text_reads_back_and_holds_no_separator(text: str, marks: Separators) -> None:
    wire = escape(text, marks)
    assert unescape(wire, marks) == text
    assert not set(wire) & {marks.field, marks.component, marks.repetition, marks.subcomponent}
    assert "\r" not in wire


@BOUNDED
@given(texts)
def test_what_an_unescape_keeps_is_written_as_it_came(wire: str) -> None:
    text = unescape(wire.replace("\n", "").replace("\r", ""))
    assert unescape(escape(text)) == text
    assert kept_escapes(wire) >= 0


@st.composite
def messages(draw: st.DrawFn) -> Message:
    marks = draw(separators)
    message = Message(separators=marks)
    message.add("MSH").put("UNICODE UTF-8", 18)
    for name in draw(st.lists(st.sampled_from(["PID", "OBX", "ZBE", "NTE"]), max_size=5)):
        segment = message.add(name)
        for _ in range(draw(st.integers(1, 4))):
            positions = [draw(st.integers(1, limit)) for limit in (9, 5, 3, 3)]
            segment.put(draw(texts), *positions)
        segment.trim()
    return message


@BOUNDED
@given(messages())
def test_a_message_that_is_written_reads_back_leaf_by_leaf(message: Message) -> None:
    shape = Hl7Shape()
    raw = serialise(message)
    again = parse(raw)
    assert again.value is not None, again.issues
    assert list(shape.leaves(again.value)) == list(shape.leaves(message))
    assert serialise(again.value) == raw
    for place, text in shape.leaves(message):
        assert again.value.get(place) == text


@BOUNDED
@given(messages(), st.sampled_from(["\n", "\r\n", "\r\r"]))
def test_the_terminator_does_not_change_the_tree(message: Message, end: str) -> None:
    shape = Hl7Shape()
    raw = serialise(message)
    other = raw.replace(b"\r", end.encode())
    first, second = parse(raw).value, parse(other).value
    assert first is not None
    assert second is not None
    assert list(shape.leaves(first)) == list(shape.leaves(second))
    assert serialise(second) == other


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda tail: b"MSH|^~\\&|A|B\r" + tail)))
def test_no_bytes_raise(data: bytes) -> None:
    header(data)
    outcome = parse(data)
    assert (outcome.value is None) <= bool(outcome.issues)
    if outcome.value is not None:
        assert serialise(outcome.value) == data
        list(Hl7Shape().leaves(outcome.value))
