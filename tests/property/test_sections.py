"""Laws of documents with sections: through FHIR as a transaction and as a FHIR document they come back the same, and what leaves is FHIR."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from connector.exchange.documents import Document
from connector.exchange.model import Exchange
from connector.exchange.people import Party, Period
from connector.fhir.validate import check_bundle
from connector.fhir.xml import dump_xml, load_xml
from tests.property.clinical import SECTIONS
from tests.property.exchanges import (
    CONCEPTS,
    DATES,
    DOCUMENTS,
    MOMENTS,
    NAMES,
    ORGANIZATIONS,
    PARTIES,
    PATIENTS,
    maybe,
    some,
)
from tests.unit.fhir.site import over_the_wire, read, run, write

QUICK = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example]
)
TIMED = st.builds(replace, PARTIES, time=maybe(MOMENTS))
CLOSE = st.builds(Party, role_class=st.sampled_from(["NOK", "ECON"]), relation=maybe(CONCEPTS), name=NAMES)
PARTICIPANTS = st.builds(
    Party,
    role=st.sampled_from(["INF", "REF", None]),
    role_class=st.sampled_from(["PROV", "AGNT", None]),
    function=maybe(CONCEPTS),
    time=maybe(MOMENTS),
    name=NAMES,
    organization=maybe(ORGANIZATIONS),
) | st.builds(Party, role=st.just("REF"), period=st.builds(Period, start=DATES), name=NAMES)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A document with its header and sections; its status is said, for R4 requires one."""
    return replace(
        draw(DOCUMENTS),
        content=None,
        format=None,
        status="final",
        sections=draw(SECTIONS),
        authors=draw(some(TIMED)),
        signer=draw(maybe(TIMED)),
        authenticators=draw(some(TIMED)),
        enterer=draw(maybe(TIMED)),
        informants=(*draw(some(TIMED)), *draw(some(CLOSE))),
        recipients=draw(some(st.builds(replace, PARTIES, role=st.sampled_from(["PRCP", "TRC", None])))),
        participants=draw(some(PARTICIPANTS)),
        consents=draw(some(CONCEPTS)),
        templates=draw(some(st.integers(1, 99).map(lambda n: f"1.2.250.1.213.{n}"))),
    )


EXCHANGES = st.builds(
    Exchange,
    intent=st.just("submit"),
    mode=st.just("document"),
    origin=st.just("feed"),
    patient=PATIENTS,
    documents=st.tuples(documents()),
)


@pytest.mark.parametrize("options", [{"sections": "true"}, {"shape": "document"}], ids=["transaction", "document"])
def test_a_document_with_sections_comes_back_the_same(options: dict[str, str]) -> None:
    @QUICK
    @given(EXCHANGES)
    def holds(exchange: Exchange) -> None:
        made = write(exchange, run(options=options))
        assert check_bundle(made) == []
        wire, using = over_the_wire(made), run()
        assert read(wire, using) == exchange
        assert using.issues == []
        assert load_xml(dump_xml(wire)).value == wire

    holds()
