"""Business rules: the good message breaks none, and each change breaks the one that it should."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from connector.exchange import rules
from connector.exchange.documents import Content, Document
from connector.exchange.facts import VOLET_LPS, Facts
from connector.exchange.model import Context, Envelope, Exchange
from connector.exchange.people import Identifier, Organization, Party
from connector.issues import Issue, Severity
from tests.unit.exchange.sample import CONTEXT, DOCUMENT, EXCHANGE, FACTS, INS, PATIENT, RECIPIENT


def found(exchange: Exchange, context: Context = CONTEXT, facts: Facts = FACTS) -> list[tuple[str, str, str]]:
    return [
        (issue.severity.letter, issue.code, issue.place.path) for issue in rules.check(exchange, context, facts=facts)
    ]


def test_a_good_message_breaks_no_rule() -> None:
    assert found(EXCHANGE) == []


def test_every_issue_names_its_rule_and_no_value_of_the_message() -> None:
    bad = replace(
        EXCHANGE,
        patient=replace(PATIENT, identifiers=(replace(INS, value="279035121518988"),), identity_status="provisional"),
        documents=(replace(DOCUMENT, id="not an oid", version="v1"),),
        sender=None,
        recipients=(),
    )
    issues = rules.check(bad, CONTEXT, facts=FACTS)
    assert len(issues) > 6
    secrets = ("279035121518988", "PAT-TROIS", "DOMINIQUE", "not an oid", "1979")
    for issue in issues:
        assert issue.place.rule is not None
        assert issue.place.rule.removeprefix("rules:") in rules.RULES
        assert issue.place.path
        text = f"{issue} {issue.text('fr')} {issue.text('en')}"
        assert not any(secret in text for secret in secrets)
        assert "…" not in issue.text("fr") + issue.text("en")


def test_no_facts_no_complaint() -> None:
    assert rules.check(EXCHANGE, CONTEXT) == []


def test_a_notification_carries_no_document() -> None:
    assert found(Exchange(intent="notify"), facts=Facts()) == []


# --- MSH-11 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "processing", "refused"),
    [("test", "T", False), ("test", "D", False), ("test", "P", True), ("production", "P", False), ("production", "T", True),
     ("production", "D", True), ("production", None, False)],
)  # fmt: skip
def test_processing_id_agrees_with_the_environment(environment: str, processing: str | None, refused: bool) -> None:
    exchange = Exchange(envelope=Envelope(processing=processing))
    context = replace(CONTEXT, environment=environment)
    expected = [("E", "PROCESSING_ID", "envelope.processing")] if refused else []
    assert found(exchange, context, Facts()) == expected
    tolerant = replace(context, options={"processing_id": "tolerant"})
    assert found(exchange, tolerant, Facts()) == [("W", code, path) for _, code, path in expected]


# --- one operation ---------------------------------------------------------------------------------------------------

AGREE = [
    ("submit", Facts(event="T02", controls=("NW",), statuses=("F",))),
    ("submit", Facts(event="R01", controls=("NW",), statuses=("F", "F"))),
    ("submit", Facts(event="R01", controls=("SC",), statuses=("F",))),
    ("replace", Facts(event="T10", controls=("RO",), statuses=("C",))),
    ("delete", Facts(event="T04", controls=("CA",), statuses=("D",))),
    ("submit", Facts()),
]
CLASH = [
    ("submit", Facts(event="T02", controls=("RO",), statuses=("F",)), "MSH-9.2", "ORC-1"),
    ("submit", Facts(event="T02", controls=("NW",), statuses=("C",)), "MSH-9.2", "OBX-11"),
    ("replace", Facts(event="T04", controls=("CA",), statuses=("D",)), "MSH-9.2", "intent"),
    ("submit", Facts(event="R01", controls=("NW",), statuses=("F", "D")), "ORC-1", "OBX-11"),
    ("submit", Facts(event="R01", controls=("NW", "CA")), "ORC-1", "ORC-1"),
]


@pytest.mark.parametrize(("intent", "facts"), AGREE)
def test_one_operation_said_everywhere(intent: str, facts: Facts) -> None:
    assert list(rules.intent_agrees(Exchange(intent=intent), CONTEXT, facts)) == []


@pytest.mark.parametrize(("intent", "facts", "left", "right"), CLASH)
def test_two_operations_are_refused(intent: str, facts: Facts, left: str, right: str) -> None:
    (issue,) = rules.intent_agrees(Exchange(intent=intent), CONTEXT, facts)
    assert (issue.severity, issue.code) == (Severity.ERROR, "INTENT_CLASH")
    assert issue.params == {"left": left, "right": right}


def test_the_rendering_for_the_business_software_stays_final() -> None:
    exchange = Exchange(intent="replace", envelope=Envelope(profile=VOLET_LPS))
    facts = Facts(event="T10", controls=("RO",), statuses=("C", "F"))
    assert list(rules.intent_agrees(exchange, CONTEXT, facts)) == []


# --- documents -------------------------------------------------------------------------------------------------------

CASES: list[tuple[str, dict[str, Any], list[tuple[str, str, str]]]] = [
    ("none", {"documents": ()}, [("E", "DOCUMENT_MISSING", "documents")]),
    ("without content", {"documents": (Document(id="1.2"),)}, [("E", "DOCUMENT_MISSING", "documents[1].content")]),
    (
        "with empty content",
        {"documents": (replace(DOCUMENT, content=Content(data=b"")),)},
        [("E", "DOCUMENT_MISSING", "documents[1].content")],
    ),
    ("with its bytes kept apart", {"documents": (replace(DOCUMENT, content=Content(sha256="ab")),)}, []),
    (
        "two in an MDM",
        {"documents": (DOCUMENT, replace(DOCUMENT, id="1.2.3.82"))},
        [("E", "TOO_MANY", "documents[2]")],
    ),
    (
        "with a root that is no OID (F15)",
        {"documents": (replace(DOCUMENT, id="document-1"),)},
        [("E", "IDENTIFIER_FORM", "documents[1].id")],
    ),
    (
        "with a version that is no number (F15)",
        {"documents": (replace(DOCUMENT, version="1.0"),)},
        [("E", "DOCUMENT_VERSION", "documents[1].version")],
    ),
    (
        "with a set that is no OID",
        {"documents": (replace(DOCUMENT, set_id="set"),)},
        [("E", "IDENTIFIER_FORM", "documents[1].set_id")],
    ),
    (
        "new, and yet replacing",
        {"documents": (replace(DOCUMENT, replaces="1.2.3.80"),)},
        [("W", "INTENT_CLASH", "documents[1].replaces")],
    ),
]


@pytest.mark.parametrize(("_name", "changes", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_document(_name: str, changes: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    facts = replace(FACTS, announced_ids=(), header_ids=())
    assert found(replace(EXCHANGE, **changes), facts=facts) == expected


REPLACE = Facts(type="MDM", event="T10", controls=("RO",), statuses=("C",))


@pytest.mark.parametrize(
    ("replaces", "expected"),
    [
        ("1.2.3.80", []),
        (None, [("E", "DOCUMENT_VERSION", "documents[1].replaces")]),
        ("1.2.3.81", [("E", "DOCUMENT_VERSION", "documents[1].replaces")]),
    ],
)
def test_a_replacement_names_another_document(replaces: str | None, expected: list[tuple[str, str, str]]) -> None:
    exchange = replace(EXCHANGE, intent="replace", documents=(replace(DOCUMENT, replaces=replaces),))
    assert found(exchange, facts=REPLACE) == expected


def test_a_deletion_carries_the_last_version_itself() -> None:
    exchange = replace(EXCHANGE, intent="delete", documents=(replace(DOCUMENT, replaces="1.2.3.80"),))
    assert found(exchange, facts=Facts(type="MDM", event="T04", controls=("CA",), statuses=("D",))) == []


def test_two_documents_of_an_oru_have_each_their_id() -> None:
    facts = Facts(type="ORU", event="R01", controls=("NW",), statuses=("F", "F"))
    two = replace(EXCHANGE, documents=(DOCUMENT, replace(DOCUMENT, id="1.2.3.82")))
    assert found(two, facts=facts) == []
    same = replace(EXCHANGE, documents=(DOCUMENT, DOCUMENT))
    assert found(same, facts=facts) == [("E", "DOCUMENT_ID_CLASH", "documents[2].id")]


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        ({"announced_ids": ("1.2.3.99",), "header_ids": ("1.2.3.81",)}, "documents[1].id"),
        ({"announced_replaces": ("1.2.3.79",), "header_replaces": ("1.2.3.80",)}, "documents[1].replaces"),
        ({"announced_ids": (None,), "header_ids": ("1.2.3.81",)}, None),
        ({"announced_ids": ("1.2.3.81",), "header_ids": (None,)}, None),
        ({"announced_ids": (), "header_ids": ("1.2.3.81",)}, None),
    ],
)
def test_the_envelope_and_the_header_give_one_id(facts: dict[str, Any], place: str | None) -> None:
    expected = [("E", "DOCUMENT_ID_CLASH", place)] if place else []
    assert found(EXCHANGE, facts=replace(FACTS, **{"announced_ids": (), "header_ids": (), **facts})) == expected


def test_a_false_check_digit_only_warns() -> None:
    sender = replace(EXCHANGE.sender, identifiers=(Identifier(value="801234567866", system="1.2.250.1.71.4.2.1"),))  # type: ignore[type-var]
    assert found(replace(EXCHANGE, sender=sender)) == [("W", "IDENTIFIER_CHECK", "sender.identifiers[1].value")]


def test_every_national_number_is_looked_at() -> None:
    false = Identifier(value="801234567866", system="1.2.250.1.71.4.2.1")
    structure = Organization(identifiers=(Identifier(value="1120459876", system="1.2.250.1.71.4.2.2"),))
    document = replace(
        DOCUMENT,
        authors=(Party(), Party(identifiers=(false,), organization=structure)),
        signer=Party(identifiers=(false,)),
        custodian=structure,
    )
    warned = found(replace(EXCHANGE, documents=(document,), recipients=(replace(RECIPIENT, identifiers=(false,)),)))
    assert [(severity, path) for severity, _, path in warned] == [
        ("W", "recipients[1].identifiers[1].value"),
        ("W", "documents[1].authors[2].identifiers[1].value"),
        ("W", "documents[1].authors[2].organization.identifiers[1].value"),
        ("W", "documents[1].signer.identifiers[1].value"),
        ("W", "documents[1].custodian.identifiers[1].value"),
    ]


def test_options_have_their_default_first() -> None:
    literal = {name: values[0] for name, values in rules.OPTIONS.items()}
    bad = replace(EXCHANGE, envelope=Envelope(processing="P"))
    assert rules.check(bad, CONTEXT) == rules.check(bad, replace(CONTEXT, options=literal))


def test_the_rules_are_in_a_fixed_order() -> None:
    first: list[Issue] = rules.check(replace(EXCHANGE, documents=(), sender=None, recipients=()), CONTEXT)
    assert [issue.code for issue in first] == ["DOCUMENT_MISSING", "RECIPIENT_MISSING", "SENDER_MISSING"]
