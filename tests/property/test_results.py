"""Laboratory results: what is written of any report, as HL7 v2 or as FHIR, reads back the same, but for the exact tables of losses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from connector.exchange.documents import Content
from connector.exchange.identifiers import is_oid
from connector.exchange.model import Exchange
from connector.exchange.people import Identifier, Organization, Party
from connector.exchange.results import Observation, Quantity, Range, Report, Specimen
from connector.fhir.validate import check_bundle
from connector.fhir.xml import dump_xml, load_xml
from connector.issues import Severity
from connector.mapping.leaves import value_leaves
from tests.golden.journeys_kit import ROOT, context, translator
from tests.property.exchanges import covers, without
from tests.property.results import reports, whole
from tests.unit.fhir.site import PATIENT, over_the_wire, read, run, write
from tests.unit.fhir.test_losses import bare, heads
from tests.unit.pipeline.test_losses import reasons

BOUNDED = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
PAGES = {"hl7": "hl7-losses.md", "fhir": "fhir-losses.md"}
#: Words of table 0123 and 0085 in which HL7 v2 says what FHIR distinguishes.
SAID = {
    Observation: {"amended": "corrected"},
    Report: {"amended": "corrected", "appended": "corrected", "entered-in-error": "cancelled"},
}


def by_hl7(exchange: Exchange) -> Exchange:
    written = translator().write(exchange, "hl7", context())
    assert written.value is not None
    assert [each for each in written.issues if each.severity >= Severity.ERROR] == []
    back = translator().read(written.value, "hl7", context(), rules=False)
    assert back.exchange is not None, back.issues
    return back.exchange


def by_fhir(exchange: Exchange) -> Exchange:
    made = write(exchange)
    assert check_bundle(made) == []
    wire, using = over_the_wire(made), run()
    assert load_xml(dump_xml(wire)).value == wire
    back = read(wire, using)
    assert using.issues == []
    return back


def shaped(value: Any, form: str) -> Any:
    """As the format spells it (docs/reference/hl7-losses.md and fhir-losses.md, « Shapes » and « Laboratory »)."""
    if isinstance(value, tuple):
        return tuple(shaped(each, form) for each in value)
    if not isinstance(value, msgspec.Struct):
        return value
    value = replace(value, **{name: shaped(getattr(value, name), form) for name in value.__struct_fields__})
    return _hl7(value) if form == "hl7" else _fhir(value)


def _hl7(value: Any) -> Any:
    if isinstance(value, Identifier):
        return replace(value, system_type="ISO" if value.system and is_oid(value.system) else None)
    if isinstance(value, Party | Organization | Specimen | Observation):
        value = replace(value, identifiers=value.identifiers[:1])
    if isinstance(value, Range) and value.text is not None:
        return replace(value, low=None, high=None)
    if isinstance(value, Observation | Report):
        return replace(value, status=SAID[type(value)].get(value.status or "", value.status))
    return value


def _fhir(value: Any) -> Any:
    return replace(value, size=None, sha1=None) if isinstance(value, Content) else value


def places(made: tuple[Report, ...]) -> dict[str, Any]:
    return dict(value_leaves(Exchange(reports=made)))


def gathered(sent: set[str], kept: set[str]) -> list[str]:
    """What never came back; a field below which nothing did stands for all of it."""
    every, back = (Counter(head for place in found for head in heads(place)) for found in (sent, kept))
    return sorted({next(head for head in heads(place) if every[head] and not back[head]) for place in sent - kept})


@pytest.mark.parametrize(("form", "travels"), [("hl7", by_hl7), ("fhir", by_fhir)])
def test_a_report_reads_back_the_same_but_for_its_table(
    form: str, travels: Callable[[Exchange], Exchange], request: pytest.FixtureRequest
) -> None:
    table = ROOT / "tests" / "losses" / f"laboratory.{form}.csv"
    lost = table.read_text("utf-8").splitlines()[1:]
    updating = request.config.getoption("--update-golden")
    sent: set[str] = set()
    kept: set[str] = set()

    @BOUNDED
    @example(whole())
    @given(st.lists(reports(), min_size=1, max_size=2, unique_by=lambda each: each.filler.value).map(tuple))
    def holds(made: tuple[Report, ...]) -> None:
        given_ = shaped(made, form)
        back = shaped(travels(Exchange(intent="notify", origin="feed", patient=PATIENT, reports=given_)).reports, form)
        if not updating:
            left, right = (places(without(Exchange(reports=each), lost).reports) for each in (back, given_))
            assert left == right
        left, right = places(back), places(given_)
        sent.update(map(bare, right))
        kept.update(bare(place) for place, value in left.items() if right.get(place) == value)

    holds()
    assert [name for name in fields() if not any(covers(name, place) for place in sent)] == []
    content = "\n".join(["field", *gathered(sent, kept), ""])
    if updating:
        table.write_text(content, "utf-8")
    assert table.read_text("utf-8") == content


def fields() -> list[str]:
    """Every field of the models of results: some example fills it."""
    return [f"{place}.{name}" for model, place in MODELS.items() for name in model.__struct_fields__]


#: Where each model of results stands: every field of it is filled by some example.
MODELS: dict[type[msgspec.Struct], str] = {
    Report: "reports[]",
    Observation: "reports[].observations[]",
    Quantity: "reports[].observations[].quantity",
    Range: "reports[].observations[].reference",
    Specimen: "reports[].specimen",
}


@pytest.mark.parametrize("form", sorted(PAGES))
def test_each_loss_has_its_reason(form: str) -> None:
    lost = (ROOT / "tests" / "losses" / f"laboratory.{form}.csv").read_text("utf-8").splitlines()[1:]
    found = reasons(ROOT / "docs" / "reference" / PAGES[form])
    patterns = [*found.get(f"laboratory.{form}", []), *found.get("all", [])]
    assert [each for each in lost if not any(covers(pattern, each) for pattern in patterns)] == []
    assert [each for each in found[f"laboratory.{form}"] if not any(covers(each, place) for place in lost)] == []
