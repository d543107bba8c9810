"""Replacements and deletions against what came before (J10)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from connector.exchange import rules
from connector.exchange.identifiers import PS_IDNAT, STRUCT_IDNAT
from connector.exchange.known import Known, KnownDocument
from connector.exchange.lineage import Step, answerable, fault, followed, steps
from connector.exchange.people import Identifier, Organization, Party
from tests.unit.exchange.sample import CONTEXT, DOCUMENT, EXCHANGE

OURS, THEIRS = frozenset({"FINESS|300017985"}), frozenset({"FINESS|630000404"})
REPLACING = Step(act="replace", target="A", path="documents[1].replaces", by=OURS, successor="B")
DELETING = Step(act="delete", target="A", path="documents[1].id", by=OURS)
CURRENT, DELETED = KnownDocument(by=OURS), KnownDocument(state="deleted", by=OURS)
BY_B, BY_C = (KnownDocument(state="replaced", by=OURS, successor=name) for name in "BC")


@pytest.mark.parametrize(
    ("step", "known", "expected"),
    [
        (REPLACING, None, "DOCUMENT_NOT_FOUND"),
        (REPLACING, CURRENT, None),
        (REPLACING, BY_B, None),  # the same again
        (REPLACING, BY_C, "DOCUMENT_VERSION"),  # two replacements crossing
        (REPLACING, DELETED, "DOCUMENT_VERSION"),
        (REPLACING, KnownDocument(by=THEIRS), "DOCUMENT_AUTHOR"),
        (REPLACING, KnownDocument(), None),  # nobody knows whose it is
        (replace(REPLACING, by=frozenset()), CURRENT, None),
        (DELETING, None, "DOCUMENT_NOT_FOUND"),
        (DELETING, CURRENT, None),
        (DELETING, DELETED, None),  # the same again
        (DELETING, BY_B, "DOCUMENT_VERSION"),
        (DELETING, KnownDocument(by=THEIRS), "DOCUMENT_AUTHOR"),
    ],
)
def test_what_is_wrong_with_a_step(step: Step, known: KnownDocument | None, expected: str | None) -> None:
    found = fault(step, known)
    assert (found.name if found else None) == expected


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ([], None),
        ([("replaced", "B")], None),  # only its replacement came
        ([("submit", "FINESS|300017985")], CURRENT),
        ([("submit", "FINESS|300017985"), ("replaced", "B")], BY_B),
        ([("replaced", "B"), ("submit", "FINESS|300017985")], BY_B),
        ([("submit", "FINESS|300017985"), ("delete", "")], DELETED),
    ],
)
def test_the_state_of_a_document_is_what_messages_did_to_it(
    roles: list[tuple[str, str]], expected: KnownDocument | None
) -> None:
    assert followed(roles) == expected


def test_who_answers_for_a_document_whatever_the_writing_of_the_number() -> None:
    finess = Identifier(value="1300017985", system=STRUCT_IDNAT, kind="IDNST")
    author = Party(identifiers=(Identifier(value="810000023084", system=PS_IDNAT, kind="IDNPS"),))
    document = replace(DOCUMENT, authors=(author,), custodian=Organization(identifiers=(finess,)))
    assert answerable(replace(EXCHANGE, sender=None), document) == {"RPPS|10000023084", "FINESS|300017985"}


@pytest.mark.parametrize(("option", "letter"), [("warn", "W"), ("refuse", "E")])
def test_an_unknown_original_is_told_or_refused_as_the_site_says(option: str, letter: str) -> None:
    exchange = replace(EXCHANGE, intent="replace", documents=(replace(DOCUMENT, replaces="1.2.3.80"),))
    context = replace(CONTEXT, options={"unknown_original": option}, known=Known(documents={"1.2.3.80": None}))
    told = [
        (issue.severity.letter, issue.code, issue.place.path)
        for issue in rules.check(exchange, context)
        if issue.place.rule == "rules:document_lineage"
    ]
    assert told == [(letter, "DOCUMENT_NOT_FOUND", "documents[1].replaces")]
    assert steps(exchange)[0].successor == DOCUMENT.id


def test_nothing_is_said_without_knowledge() -> None:
    exchange = replace(EXCHANGE, intent="delete")
    assert [
        issue.code for issue in rules.check(exchange, CONTEXT) if issue.place.rule == "rules:document_lineage"
    ] == []
