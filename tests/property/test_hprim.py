"""Laws of HPRIM Médecin: no bytes raise, what is written reads back, and no text escapes its place."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.exchange.documents import Content, Document
from connector.exchange.model import Exchange
from connector.exchange.people import Address, HumanName, Identifier, Party, Patient
from connector.hprim.codec import parse, serialise, split, writable
from connector.issues import Severity
from tests.golden.journeys_kit import context, translator

LETTERS = st.characters(codec="latin-1", exclude_categories=("C", "Z"), exclude_characters="&|*")
WORD = st.text(LETTERS, min_size=1, max_size=12)
NAME = WORD.filter(lambda text: not any(map(str.isdigit, text)))
LINE = st.lists(NAME, min_size=1, max_size=4).map(" ".join)
DAY = st.dates(date(1900, 1, 1), date(2099, 12, 31)).map(date.isoformat)
CODE = st.integers(1, 9_999_999_999).map(str)
PARTY = st.builds(
    lambda code, name: Party(identifiers=(Identifier(value=code),), name=HumanName(text=name)), CODE, LINE
)
ADDRESS = st.builds(
    lambda lines, code, city: Address(lines=tuple(lines), postal_code=code, city=city),
    st.lists(LINE, min_size=1, max_size=2), st.integers(10000, 98999).map(str), LINE,
)  # fmt: skip
PATIENT = st.builds(
    lambda code, family, given, day, address: Patient(
        identifiers=(Identifier(value=code, kind="PI"),), names=(HumanName(family=family, given=(given,)),),
        birth_date=day, addresses=(address,),
    ),
    CODE, LINE, LINE, DAY, ADDRESS,
)  # fmt: skip
TEXT = st.text(st.characters(codec="cp1252"), max_size=120)


@settings(max_examples=50, deadline=None)
@given(PATIENT, PARTY, PARTY, DAY)
def test_a_header_reads_back_as_it_was(patient: Patient, sender: Party, recipient: Party, day: str) -> None:
    document = Document(created=day, content=Content(media_type="text/plain", data=b"Bonjour"))
    exchange = Exchange(patient=patient, sender=sender, recipients=(recipient,), documents=(document,))
    written = translator().write(exchange, "hprim", context())
    assert written.value is not None
    assert not written.issues
    back = translator().read(written.value, "hprim", context()).exchange
    assert back is not None
    assert (back.patient, back.sender, back.recipients) == (patient, sender, (recipient,))
    assert back.documents[0].created == day


def another_encoding(raw: bytes) -> bool:
    """Bytes that also are UTF-8, or look like MacRoman (ˆ, Ž and bytes that windows-1252 does not have): rare, and read as such."""
    try:
        return not raw.decode("utf-8").isascii()
    except UnicodeDecodeError:
        return any(byte in raw for byte in b"\x88\x8d\x8e\x8f")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200), st.text(max_size=40))
def test_any_text_is_written_and_stays_in_its_letter(text: str, name: str) -> None:
    document = Document(title=name, content=Content(media_type="text/plain", data=text.encode("utf-8", "replace")))
    exchange = Exchange(patient=Patient(names=(HumanName(family=name or "X"),)), documents=(document,))
    written = translator().write(exchange, "hprim", context())
    assert written.value is not None
    assert len(split(written.value)) == 1
    again = parse(written.value)
    assert again.value is not None
    if b"&" not in written.value and not another_encoding(written.value):  # an entity is read as its letter
        assert serialise(again.value) == written.value


@settings(max_examples=50, deadline=None)
@given(TEXT)
def test_a_text_of_windows_1252_is_written_exactly_once(text: str) -> None:
    once, exact = writable(text, line=False)
    assert writable(once, line=False)[0] == once or once.startswith(" ")
    assert exact or any(ord(character) in range(0x80, 0xA0) for character in text)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_have_a_verdict(raw: bytes, headed: bool) -> None:
    whole = b"\r\n".join([b"x"] * 12) + b"\r\n" + raw if headed else raw
    for each in (whole, *split(whole)):
        outcome = parse(each)
        assert (outcome.value is None) == any(issue.severity >= Severity.ERROR for issue in outcome.issues)
    reading = translator().read(whole, "hprim", context())
    assert reading.accepted or reading.issues
