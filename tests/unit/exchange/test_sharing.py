"""The three boxes: what each refuses, and what is shared."""

from __future__ import annotations

import pytest

from connector.exchange.documents import Directives, Document, Sharing
from connector.exchange.facts import Facts
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import DmpConsent, Identifier, Patient
from connector.exchange.sharing import BOXES, as_shared, box_refusals, sharing_possible, ticked
from connector.issues import Severity

CONTEXT = Context(now=Moment("2026-11-24T10:00:00+01:00"))
INS = Identifier(value="279035121518989", system="1.2.250.1.213.1.4.10", kind="INS")
KNOWN = Patient(identifiers=(INS,), identity_status="validated")


def exchange(
    patient: Patient | None = KNOWN, confidentiality: str = "N", directives: Directives | None = None
) -> Exchange:
    return Exchange(
        mode="document",
        patient=patient,
        documents=(Document(id="1.2.3", confidentiality=confidentiality),),
        directives=directives,
        sharing=Sharing(business_software=True, regional_record=True, ma_sante_connectee=True),
    )


@pytest.mark.parametrize(
    ("given", "regional", "patient"),
    [
        (exchange(), [], []),
        (exchange(patient=None), ["SHARING_NOT_QUALIFIED"], ["SHARING_NOT_QUALIFIED"]),
        (exchange(Patient(identifiers=(INS,))), ["SHARING_NOT_QUALIFIED"], ["SHARING_NOT_QUALIFIED"]),
        (exchange(Patient(identity_status="validated")), ["SHARING_NOT_QUALIFIED"], ["SHARING_NOT_QUALIFIED"]),
        (exchange(confidentiality="R"), ["SHARING_RESTRICTED"], ["SHARING_RESTRICTED"]),
        (exchange(confidentiality="V"), ["SHARING_RESTRICTED"], ["SHARING_RESTRICTED"]),
        (
            exchange(
                Patient(identifiers=(INS,), identity_status="validated", dmp=DmpConsent(feeding="opposed")),
            ),
            ["SHARING_OPPOSED"],
            ["SHARING_OPPOSED"],
        ),
        (exchange(directives=Directives(hidden_from_patient=True)), [], ["DIRECTIVE_CONFLICT"]),
    ],
)
def test_a_record_refuses_by_rule_and_the_own_software_never(
    given: Exchange, regional: list[str], patient: list[str]
) -> None:
    expected = {"business_software": [], "regional_record": regional, "ma_sante_connectee": patient}
    assert {box: [issue.code for issue in box_refusals(given, box)] for box in BOXES} == expected
    told = list(sharing_possible(given, CONTEXT, Facts()))
    assert sorted(issue.code for issue in told) == sorted(regional + patient)
    assert {issue.severity for issue in told} <= {Severity.WARNING}


def test_a_box_that_is_not_ticked_refuses_nothing() -> None:
    unticked = Exchange(documents=(Document(confidentiality="R"),), sharing=Sharing(business_software=True))
    assert ticked(unticked) == ("business_software",)
    assert not list(sharing_possible(unticked, CONTEXT, Facts()))


@pytest.mark.parametrize(
    ("visible", "directives", "hidden"),
    [
        (False, None, True),
        (True, None, False),
        (True, Directives(hidden_from_professionals=True), False),
        (False, Directives(hidden_from_patient=False), False),
        (True, Directives(hidden_from_patient=True), True),
    ],
)
def test_what_is_shared_is_hidden_from_the_patient_unless_his_box_is_served(
    visible: bool, directives: Directives | None, hidden: bool
) -> None:
    given = Exchange(
        mode="teleexpertise", subject="x", sharing=Sharing(), directives=directives, documents=(Document(),)
    )
    made = as_shared(given, visible=visible)
    assert made.directives is not None
    assert made.directives.hidden_from_patient is hidden
    assert (made.mode, made.subject, made.sharing, made.documents) == ("document", None, None, (Document(),))
