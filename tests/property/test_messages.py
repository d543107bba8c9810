"""HL7 v2 and CDA of the modes: what is written of any exchange reads back the same, but for the fields that the tables of losses name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from msgspec.structs import replace

from connector.exchange.documents import Content, Document
from connector.exchange.identifiers import is_oid
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import Concept, HumanName, Identifier, Organization, Patient
from connector.exchange.teleexpertise import Step
from connector.issues import Severity
from connector.mapping.leaves import value_leaves
from connector.pipeline.messages import STATUS
from connector.pipeline.synthesis import plain
from tests.golden.journeys_kit import ROOT, context, translator
from tests.property.exchanges import USERS, exchanges, without

BOUNDED = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)

TYPE = Concept(code="11488-4", system="2.16.840.1.113883.6.1", display="Consultation")
BODY = Content(media_type="application/pdf", data=b"%PDF-1.4")


def losses(case: str) -> list[str]:
    return (ROOT / "tests" / "losses" / f"{case}.csv").read_text("utf-8").split("\n")[1:-1]


def spelled(value: Any) -> Any:
    """As HL7 v2 spells it (docs/reference/hl7-losses.md, « Shapes »): the type of an OID, one number of an organisation, one given name
    beside the list of a birth certificate."""
    if isinstance(value, Identifier):
        kind = "ISO" if value.system is not None and is_oid(value.system) else value.system_type
        return replace(value, system_type=kind)
    if isinstance(value, HumanName):
        birth = value.use == "birth"
        return replace(
            value, given=value.given[:1] if birth else value.given, birth_given=value.birth_given if birth else None
        )
    if isinstance(value, Organization):
        value = replace(value, identifiers=value.identifiers[:1])
    if isinstance(value, msgspec.Struct):
        return replace(value, **{name: spelled(getattr(value, name)) for name in value.__struct_fields__})
    return tuple(map(spelled, value)) if isinstance(value, tuple) else value


def sayable(made: Exchange) -> Exchange:
    """With what a message needs: a patient with a number, an id of the request, a first state."""
    patient, asked = made.patient, made.teleexpertise
    assert patient is not None
    assert asked is not None
    place = replace(patient.birth_place, use=None) if patient.birth_place is not None else None
    number = Identifier(value="1", system="1.2.250.1.999.1", kind="PI")
    return replace(
        made, patient=replace(patient, identifiers=patient.identifiers or (number,), birth_place=place),
        teleexpertise=replace(asked, id=asked.id or "1", steps=asked.steps or (Step(state="demandee"),)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("case", "asked"), [("teleexpertise.hl7", {}), ("teleexpertise.referral", {"requests": "referral"})]
)
def test_the_state_of_a_teleexpertise_reads_back_the_same(case: str, asked: dict[str, str]) -> None:
    using = replace(context(), options=asked)

    @BOUNDED
    @given(exchanges("teleexpertise"))
    def holds(made: Exchange) -> None:
        exchange = spelled(sayable(made))
        written = translator().write(exchange, "hl7", using, part=STATUS)
        assert written.value is not None
        assert [
            each for each in written.issues if each.severity >= Severity.ERROR and each.place.path != "patient"
        ] == []
        back = translator().read(written.value, "hl7", using, rules=False).exchange
        assert back is not None
        lost = [*losses(case), "origin"]
        left, right = (dict(value_leaves(without(each, lost))) for each in (replace(back, envelope=None), exchange))
        assert left == right

    holds()


def test_a_mail_reads_back_the_same_from_the_volet_lps() -> None:
    """All that stands around the document; the document's own header is the CDA's law."""

    @BOUNDED
    @given(exchanges("mail"), USERS)
    def holds(made: Exchange, patient: Patient) -> None:
        document = Document(id="1.2.250.1.999.5", type=TYPE, created=Moment("2026-01-01T10:00:00+01:00"), content=BODY)
        mails = tuple(replace(each, sender=made.sender, recipients=made.recipients) for each in made.messages)
        named = spelled(replace(made, patient=patient, messages=mails, documents=(document,), intent="submit"))
        written = translator().write(named, "hl7", context(), part="1")
        assert written.value is not None
        back = translator().read(written.value, "hl7", context(), rules=False).exchange
        assert back is not None
        # OBR-4 repeats the document's type; the INS gets the authority of the national annex.
        around = ["documents", "encounter", "directives", "orders", "messages[].documents", "messages[].format"]
        lost = [*losses("mail.lps"), "origin", "patient.identifiers[].authority", *around]
        left, right = (
            dict(value_leaves(without(replace(each, documents=(), encounter=None, envelope=None), lost)))
            for each in (back, plain_text(named))
        )
        assert left == right

    holds()


def plain_text(made: Exchange) -> Exchange:
    """A rich text is said without its marks, and the first message is the document's."""
    texts = tuple(
        replace(each, text=plain(each.text)) if each.format == "html" and each.text else each for each in made.messages
    )
    return replace(made, messages=texts[:1])
