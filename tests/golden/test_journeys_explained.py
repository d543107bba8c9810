"""`explain` of whole conversions held against the truth: each filled source place is changed and the conversion done again.

Exactly the output places that explain attributes to it change, none when it is listed as unread; what is read, unread and carried are
all the filled places. A CDA inside a message is a source of its own: its places stand behind `OBX[n]-5.5`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import Any

import pytest

from connector.cda import codec as cda
from connector.cda.document import is_cda
from connector.cda.shape import SHAPE as CDA
from connector.exchange.documents import Content
from connector.hl7 import codec as hl7
from connector.hl7.shape import Hl7Shape
from connector.issues import Severity
from connector.mapping.language import Run
from connector.mapping.leaves import value_leaves
from connector.pipeline.explain import Explanation, explain
from connector.pipeline.formats import FORMATS
from connector.pipeline.translate import Reading, opened
from tests.golden.journeys_kit import Case, cases, context, read, translator
from tests.property.metamorphic import other_texts

SHAPE = Hl7Shape()
IN_A_MESSAGE = "/ClinicalDocument"


# --- sources of which one leaf can be changed


class Source:
    """A case whose CDA documents are written by our own codec, so that a changed one differs from it in that leaf alone."""

    def __init__(self, case: Case) -> None:
        self.format = case.format
        self.documents: dict[str, Any] = {}  # the header of each CDA by the place that carries it
        self.form = FORMATS[case.format]
        if case.format == "cda":
            self.documents[""] = parsed_cda(case.raw)
            self.raw = cda.serialise(self.documents[""])
            return
        self.raw = case.raw
        if case.format == "hl7":
            tree = message(case.raw)
            for place, text in SHAPE.leaves(tree):
                if place.startswith("OBX") and place.endswith("-5.5"):
                    content = base64.b64decode(text)
                    if is_cda(Content(data=content)):
                        self.documents[place] = parsed_cda(content)
            for place, header in self.documents.items():
                self.raw = with_text(self.raw, place, base64.b64encode(cda.serialise(header)).decode())

    def leaves(self) -> Iterator[tuple[str, object]]:
        """Every filled place: of the message, and of each CDA in it (the place that carries one is that CDA)."""
        if self.format == "hl7":
            yield from ((p, t) for p, t in SHAPE.leaves(message(self.raw)) if p not in self.documents)
        if self.format == "fhir":
            yield from self.form.shape.leaves(self.tree)
        for carrier, header in self.documents.items():
            yield from ((carrier + place, text) for place, text in CDA.leaves(header))

    @cached_property
    def mapping(self) -> Any:
        """The mapping that answers for it; a changed place does not choose another one."""
        found, _ = translator().mapping_for(self.form, self.form.claim(self.form.parse(self.raw).value))
        assert found is not None
        return found

    @cached_property
    def tree(self) -> Any:
        """The tree as its mapping reads it (a Bundle linked, segments in groups)."""
        return opened(self.form, self.mapping, self.form.parse(self.raw).value, Run(context()))

    def reading(self, place: str = "", text: str = "") -> Reading:
        """What is read of it, with another text at a place."""
        for carrier, header in self.documents.items():
            if place.startswith(carrier + IN_A_MESSAGE):
                content = cda.serialise(CDA.traced(header, "", instead(place[len(carrier) :], text))[0])
                place, text = carrier, base64.b64encode(content).decode()
                if not carrier:
                    return translator().read(content, "cda", context(), rules=False)
        if self.format == "cda":
            return translator().read(self.raw, "cda", context(), rules=False)
        tree = self.form.shape.traced(self.tree, "", instead(place, text))[0]
        return translator().read_tree(self.form, self.mapping, tree, Run(context()))


def instead(place: str, text: str) -> Callable[[str, tuple[str, ...]], str]:
    return lambda old, where: text if place in where else str(old)


def message(raw: bytes) -> Any:
    found = hl7.parse(raw).value
    assert found is not None
    return found


def parsed_cda(raw: bytes) -> Any:
    found = cda.parse(raw).value
    assert found is not None
    return found.header


def with_text(raw: bytes, place: str, text: str) -> bytes:
    return hl7.serialise(SHAPE.traced(message(raw), "", instead(place, text))[0])


#: Other codes of the same table, where any other text is no code or does not change all that follows from a code.
CODES = {
    "ORC[1]-1": ("NW", "RO", "CA"),
    "PID[1]-5[2].7": ("L", "D"),
    "-3.1": ("ATTEST-RESID",),
    "/ClinicalDocument/id/@root": ("1.2.250.1.213.1.4.10.9.1007",),  # the other document of the case
    "/ClinicalDocument/code/@code": ("ATTEST-RESID",),
}


def texts(place: str, text: str) -> Iterator[str]:
    """Other texts of the same kind. Another domain is an unknown one: a known OID would also name another kind of identifier."""
    if place.endswith(("@root", "@codeSystem")):
        yield "2.3" + text[3:]
    else:
        yield from other_texts(place, text)
    if place.endswith(("-3.5", "-18.5", "-19.5")):
        yield "ZZ"  # a type of identifier that no table has
    for end, codes in CODES.items():
        if place.endswith(end):
            yield from (code for code in codes if code != text)


# --- the truth


def output(reading: Reading, target: str) -> dict[str, object] | None:
    """The leaves of what is written."""
    if reading.exchange is None:
        return None
    if target == "exchange":
        return dict(value_leaves(reading.exchange))
    form = FORMATS[target]
    run = Run(context())
    if target == "cda":
        written = translator().write(reading.exchange, "cda", context()).value
        return {place: str(text) for place, text in CDA.leaves(parsed_cda(written))} if written is not None else None
    return {place: str(text) for place, text in form.shape.leaves(translator().write_tree(reading.exchange, form, run))}


def errors(reading: Reading) -> int:
    return sum(issue.severity >= Severity.ERROR for issue in reading.issues)


def steady(place: str) -> bool:
    """Whether a place holds the length of a content, which a change of the same length leaves."""
    return place.endswith((".size",))


@cache
def source(case: Case) -> Source:
    return Source(case)


@cache
def explained(case: Case, target: str) -> Explanation:
    outcome = explain(translator(), source(case).raw, case.format, target, context())
    assert outcome.value is not None, outcome.issues
    return outcome.value


def targets(case: Case) -> list[str]:
    return ["exchange", "fhir", "hl7", *(["cda"] if read(case).exchange.documents else [])]  # type: ignore[union-attr]


#: The conversions that are tried place by place: each case, each format on both ends.
HELD = {
    "adt-a01-admission-fhir", "adt-a01-admission-hl7", "cda-alone-exchange", "cda-alone-fhir", "cda-alone-cda", "cda-alone-hl7",
    "fhir-bundle-alone-exchange", "fhir-bundle-alone-cda", "mdm-plain-pdf-exchange", "mdm-plain-pdf-cda", "mdm-t02-complete-header-fhir",
    "mdm-t04-deletion-fhir", "mdm-t10-replacement-hl7", "oru-two-documents-fhir",
}  # fmt: skip

JOURNEYS = [
    pytest.param(case, target, id=f"{case.folder.name}-{target}") for case in cases() for target in targets(case)
]


def check_place(this: Source, base: Reading, target: str, told: Explanation, place: str, text: str) -> None:
    """Change one place until all that is attributed to it was seen to change or to go. What changes is attributed, or the place decides."""
    trace = told.trace
    before = output(base, target)
    assert before is not None
    attributed = frozenset(output for output in trace.of(place) if not steady(output))
    unused = place in trace.unused
    seen: set[str] = set()
    for other in texts(place, text):
        found = this.reading(place, other)
        after = output(found, target)
        if after is None or errors(found) > errors(base):
            seen |= attributed  # refused: nothing of it would come
            continue
        moved = {output for output, value in before.items() if after.get(output) != value and not steady(output)}
        assert not unused or (not moved and after.keys() == before.keys()), (
            f"{place} is listed as unread: {sorted(moved)}"
        )
        if after.keys() == before.keys():
            assert moved <= attributed or place in trace.decides or place in trace.checks, (
                f"{place}: attributed to {sorted(attributed)}, changes {sorted(moved)}"
            )
        seen |= moved
        if seen >= attributed and not unused:
            break
    # In a list, the next one takes the place of one that goes.
    assert {_in_its_list(p) for p in seen} >= {_in_its_list(p) for p in attributed}, (
        f"{place}: attributed to {sorted(attributed)}, of which {sorted(attributed - seen)} do not change"
    )


def _in_its_list(place: str) -> str:
    return place.partition("[")[0] if place.startswith("recipients[") else place


@pytest.mark.parametrize(("case", "target"), [p for p in JOURNEYS if p.id in HELD])
def test_changing_a_place_changes_exactly_what_explain_attributes_to_it(case: Case, target: str) -> None:
    this, told = source(case), explained(case, target)
    base = this.reading()
    assert set(told.trace.outputs) == set(output(base, target) or ()), (
        "every output leaf is explained, and nothing else"
    )
    for place, text in this.leaves():
        check_place(this, base, target, told, place, str(text))


@pytest.mark.parametrize(("case", "target"), JOURNEYS)
def test_read_unread_and_carried_are_all_the_filled_places(case: Case, target: str) -> None:
    told = explained(case, target)
    filled = [place for place, _ in source(case).leaves()]
    assert len(filled) == len(set(filled))
    assert set(filled) == set(told.trace.sources) | set(told.trace.unused) | set(told.carried)
    assert not set(told.trace.sources) & set(told.trace.unused)
