"""Reports of results with every field, for laws of the form `back(there(x)) == x`.

reports()   a strategy; every optional field is filled or left out, each kind of value has its own HL7 type
whole()     reports that fill every field, whatever a run draws
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from connector.exchange.documents import Content
from connector.exchange.people import Address, Concept, HumanName, Identifier, Organization, Party, Period, Telecom
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


def whole() -> tuple[Report, ...]:
    """Two reports that fill every field; each kind of value is a result of the first."""
    return (_filled("1", TOLD), replace(_filled("2", ()), status="preliminary"))


def _number(value: str) -> Identifier:
    return Identifier(value=value, system="1.2.250.1.999.1", authority="ESSAI", kind="PI")


def _code(code: str) -> Concept:
    return Concept(code=code, system="1.2.250.1.999.2", display=f"libellé {code}", version="V1", text=f"texte {code}")


def _party(name: str) -> Party:
    address = Address(use="work", lines=("1 rue",), city="LYON", postal_code="69000", insee="69123")
    telecom = Telecom(value="0400000000", system="phone", use="work")
    organization = Organization(
        identifiers=(_number(f"S{name}"),), name="Labo", sector=_code("SA07"), telecoms=(telecom,), addresses=(address,)
    )
    called = HumanName(use="usual", family=name, given=("Ada",), birth_given="ADA ÈVE", prefix="DR", suffix="MD")
    return Party(
        identifiers=(_number(f"P{name}"),), name=called, specialty=_code("10"), function=_code("ATTPHYS"), telecoms=(telecom,),
        organization=organization, mssante="ada@essai.mssante.fr",
    )  # fmt: skip


#: OBX-2 → a value.
TOLD: tuple[tuple[str | None, dict[str, Any]], ...] = (
    ("NM", {"quantity": Quantity(value="1.50", unit=_code("mg"))}),
    ("SN", {"quantity": Quantity(value="3.00", comparator="<", unit=_code("mL"))}),
    ("SN", {"range": Range(low="1.00", high="2.00"), "quantity": Quantity(unit=_code("g"))}),
    ("CE", {"coded": (_code("A"),)}),
    ("CWE", {"coded": (_code("B"), _code("C"))}),
    ("TX", {"text": "clair"}),
    ("FT", {"text": "trouble"}),
    ("TS", {"moment": "2026-02-03T04:05:06+01:00"}),
    ("DT", {"moment": "2026-02-03"}),
    ("ED", {"content": Content(media_type="image/png", data=b"png")}),
    (None, {"boolean": True}),
)


def _filled(number: str, told: tuple[tuple[str | None, dict[str, Any]], ...]) -> Report:
    period = Period(start="2026-01-02T03:04:05+01:00", end="2026-01-03T03:04:05+01:00")
    specimen = Specimen(
        identifiers=(_number(f"E{number}"),), type=_code("BLD"), site=_code("ARM"), collected=period, received="2026-01-04T03:04:05+01:00"
    )  # fmt: skip
    return Report(
        placer=_number(f"D{number}"), filler=_number(f"F{number}"), code=_code(f"BIO{number}"),
        category=Concept(code="CH", system="http://terminology.hl7.org/CodeSystem/v2-0074", display="Chimie"), status="final",
        collected=period, issued="2026-01-05T03:04:05+01:00", requester=_party("DEMANDE"), interpreter=_party("BIOLOGISTE"),
        reason=_code("R"), specimen=specimen, notes=("un", "deux"),
        observations=tuple(_result(f"{number}-{position}", kind, value) for position, (kind, value) in enumerate(told)),
    )  # fmt: skip


def _result(number: str, kind: str | None, value: dict[str, Any]) -> Observation:
    return Observation(
        kind=kind, code=_code(f"O{number}"), sub_id="1", identifiers=(_number(f"O{number}"),),
        reference=Range(text="selon l'âge") if kind == "FT" else Range(low="1.00", high="9.00"),
        interpretation=(_code("I"), Concept(code="H", system=INTERPRETATION)), status="final",
        observed="2026-01-02T03:04:05+01:00", analysed="2026-01-02T04:04:05+01:00", performer=_party("TECHNIQUE"), producer=_code("LABO"),
        method=_code("M"), notes=("bien",), **value,
    )  # fmt: skip
