"""What HL7 v2 and the TLM-DA cannot hold of an exchange: every field is filled, written, read back.

What is lost is exactly tests/losses/<case>.csv (`--update-golden` rewrites it), and docs/reference/hl7-losses.md says why.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from connector.exchange.documents import Content, Directives
from connector.exchange.model import Exchange
from connector.mapping.leaves import value_leaves
from connector.pipeline.messages import STATUS
from tests.golden.journeys_kit import ROOT, context, translator
from tests.property.exchanges import covers
from tests.unit.fhir.test_losses import bare, complete, heads

PAGE = ROOT / "docs" / "reference" / "hl7-losses.md"
LOSSES = ROOT / "tests" / "losses"

#: case → mode, format, what the destination asks for, which message.
CASES = {
    "teleexpertise.hl7": ("teleexpertise", "hl7", {}, STATUS),
    "teleexpertise.referral": ("teleexpertise", "hl7", {"requests": "referral"}, STATUS),
    "teleexpertise.cda": ("teleexpertise", "cda", {}, None),
    "mail.lps": ("mail", "hl7", {}, "1"),
    "document.transmission": ("document", "hl7", {"documents": "transmission"}, "1"),
}  # fmt: skip
ALL_DIRECTIVES = Directives(**{name: True for name in Directives.__struct_fields__ if not name.startswith("mail_")})


def whole(mode: str) -> Exchange:
    """Every field of the mode, with a document that a CDA can hold."""
    made = complete(mode)
    body = Content(media_type="application/pdf", data=b"%PDF-1.4")
    documents = tuple(replace(each, content=body, body=None, format=None) for each in made.documents)
    directives = replace(ALL_DIRECTIVES, patient_may_reply=False, mail_to_professionals="a", mail_to_patient="b")
    patient = made.patient
    assert patient is not None
    # A birth place is told by its use; the name of the birth certificate is the birth name.
    birth = replace(patient.birth_place, use=None) if patient.birth_place is not None else None
    names = tuple(replace(each, use="birth") for each in patient.names)
    # A mail's people are the exchange's.
    mails = tuple(replace(each, sender=made.sender, recipients=made.recipients) for each in made.messages)
    return replace(
        made, documents=documents, envelope=None, directives=directives, messages=mails,
        patient=replace(patient, birth_place=birth, names=names),
    )  # fmt: skip


@cache
def lost(case: str) -> frozenset[str]:
    mode, format_name, asked, part = CASES[case]
    exchange = whole(mode)
    using = replace(context(), options=asked)
    written = translator().write(exchange, format_name, using, part=part)
    assert written.value is not None, written.issues
    back = translator().read(written.value, format_name, using, rules=False).exchange
    assert back is not None
    if format_name == "cda":  # behind the request itself stand the documents attached to it
        back = replace(back, documents=back.documents[1:])
    before, after = dict(value_leaves(exchange)), dict(value_leaves(back))
    return frozenset(bare(place) for place, value in before.items() if after.get(place) != value)


def gathered(case: str) -> list[str]:
    """What is lost; a field below which everything is lost stands for all of it."""
    every, gone = (
        Counter(head for place in places for head in heads(place))
        for places in ({bare(place) for place, _ in value_leaves(whole(CASES[case][0]))}, lost(case))
    )
    return sorted({next(head for head in heads(place) if gone[head] == every[head]) for place in lost(case)})


@pytest.mark.parametrize("case", sorted(CASES))
def test_what_is_lost_is_what_the_table_says(case: str, request: pytest.FixtureRequest) -> None:
    path = LOSSES / f"{case}.csv"
    content = "\n".join(["field", *gathered(case), ""])
    if request.config.getoption("--update-golden"):
        path.write_text(content, "utf-8")
    assert path.read_text("utf-8") == content


def reasons(page: Path = PAGE) -> dict[str, list[str]]:
    """Case → the patterns of its table."""
    found: dict[str, list[str]] = {}
    case = ""
    for line in page.read_text("utf-8").splitlines():
        if line.startswith("## ") and "`" in line:
            case = line.split("`")[1]
        elif line.startswith("| `") and case:
            found.setdefault(case, []).append(line.split("`")[1])
    return found


@pytest.mark.parametrize("case", sorted(CASES))
def test_each_loss_has_its_reason_and_each_reason_its_loss(case: str) -> None:
    patterns = [*reasons()[case], *reasons().get("all", [])]
    gone = lost(case)
    assert [place for place in sorted(gone) if not any(covers(each, place) for each in patterns)] == []
    idle = [each for each in reasons()[case] if not any(covers(each, place) for place in gone)]
    assert idle == []
