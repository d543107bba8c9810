"""Reports of results with every field, for laws of the form `back(there(x)) == x`.

reports()   a strategy; every optional field is filled or left out, each kind of value has its own HL7 type
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from connector.exchange.documents import Content
from connector.exchange.people import Concept, Period
from connector.exchange.results import Observation, Quantity, Range, Report, Specimen
from connector.hl7.datatypes.results import INTERPRETATION
from tests.property.exchanges import CODE, IDENTIFIERS, MOMENTS, OID, PARTIES, TEXT, WHENS, maybe, some

#: What FT and TX hold: a backslash begins a formatting command.
NOTES = st.lists(TEXT.filter(lambda text: "\\" not in text), min_size=1, max_size=2).map("\n".join)
NUMBERS = st.decimals(-9999, 9999, places=2).map(str)
CODED = st.builds(Concept, code=CODE, system=OID, display=maybe(TEXT), version=maybe(CODE), text=maybe(TEXT))
UNITS = CODED | st.builds(Concept, code=TEXT)
PERIODS = st.builds(Period, start=WHENS, end=maybe(WHENS))
REFERENCES = st.one_of(
    st.builds(Range, low=NUMBERS, high=maybe(NUMBERS), text=maybe(st.just("de … à …"))),
    st.builds(Range, high=NUMBERS),
    st.builds(Range, text=st.just("selon l'âge")),
)
INTERPRETATIONS = CODED | st.builds(Concept, code=st.sampled_from(["H", "LL", "R"]), system=st.just(INTERPRETATION))
CONTENTS = st.builds(
    Content, media_type=st.sampled_from(["application/pdf", "image/png"]), data=st.binary(min_size=1, max_size=20)
)
QUANTITIES = st.builds(Quantity, value=NUMBERS, unit=maybe(UNITS))
COMPARED = st.builds(Quantity, value=NUMBERS, comparator=st.sampled_from(["<", ">", "<=", ">="]), unit=maybe(UNITS))
BOUNDED = st.builds(Range, low=NUMBERS, high=maybe(NUMBERS)) | st.builds(Range, high=NUMBERS)

#: OBX-2 → the fields that hold the value.
VALUES: dict[str | None, dict[str, st.SearchStrategy[Any]]] = {
    "NM": {"quantity": QUANTITIES},
    "SN": {"quantity": COMPARED},
    "SN-range": {"range": BOUNDED, "quantity": maybe(st.builds(Quantity, unit=UNITS))},
    "CE": {"coded": st.tuples(CODED)},
    "CWE": {"coded": st.lists(CODED, min_size=1, max_size=3).map(tuple)},
    "TX": {"text": NOTES},
    "FT": {"text": NOTES},
    "TS": {"moment": MOMENTS},
    "DT": {"moment": st.dates().map(str)},
    "ED": {"content": CONTENTS},
    None: {"boolean": st.booleans()},
}


@st.composite
def observations(draw: Any) -> Observation:
    """One result of any kind."""
    kind = draw(st.sampled_from(list(VALUES)))
    return draw(
        st.builds(
            Observation,
            kind=st.just(kind and kind[:2]) if kind != "CWE" else st.just(kind),
            code=CODED,
            sub_id=maybe(CODE),
            identifiers=some(IDENTIFIERS),
            reference=maybe(REFERENCES),
            interpretation=some(INTERPRETATIONS),
            status=maybe(st.sampled_from(["registered", "preliminary", "final", "corrected", "amended", "cancelled", "entered-in-error"])),
            observed=maybe(WHENS),
            analysed=maybe(WHENS),
            performer=maybe(PARTIES),
            producer=maybe(CODED),
            method=maybe(CODED),
            notes=some(NOTES),
            **VALUES[kind],
        )
    )  # fmt: skip


SPECIMENS = st.builds(
    Specimen, identifiers=some(IDENTIFIERS), type=maybe(CODED), site=maybe(CODED), collected=maybe(PERIODS), received=maybe(WHENS)
)  # fmt: skip


def reports() -> st.SearchStrategy[Report]:
    """A report with a few results."""
    return st.builds(
        Report,
        placer=maybe(IDENTIFIERS),
        filler=IDENTIFIERS,
        code=maybe(CODED),
        category=maybe(
            st.builds(
                Concept,
                code=st.sampled_from(["HM", "CH", "MB"]),
                system=st.just("http://terminology.hl7.org/CodeSystem/v2-0074"),
                display=maybe(TEXT),
            )
        ),
        status=maybe(st.sampled_from(["registered", "partial", "preliminary", "final", "corrected", "amended", "appended", "cancelled", "entered-in-error"])),
        collected=maybe(PERIODS),
        issued=maybe(MOMENTS),
        requester=maybe(PARTIES),
        interpreter=maybe(PARTIES),
        reason=maybe(CODED),
        specimen=maybe(SPECIMENS),
        notes=some(NOTES),
        observations=some(observations(), 3),
    )  # fmt: skip
