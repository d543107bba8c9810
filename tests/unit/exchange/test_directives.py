"""Directives: the ten, the conflicts, and the MSSanté matrix over every combination of flags in both modes (J07)."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from connector.exchange import rules
from connector.exchange.directives import MATRIX, REQUIRED, MatrixRow, in_matrix
from connector.exchange.documents import Directives
from connector.exchange.facts import VOLET_LPS
from connector.exchange.model import Envelope, Exchange
from connector.exchange.people import Identifier, Party
from tests.unit.exchange.sample import CONTEXT, DIRECTIVES, DOCUMENT, EXCHANGE, INS, RECIPIENT

FLAGS = list(product((False, True), repeat=7))


def directives(flags: tuple[bool, ...]) -> Directives:
    return replace(DIRECTIVES, **dict(zip(MatrixRow._fields, flags, strict=True)))


def found(exchange: Exchange, **options: str) -> list[tuple[str, str, str]]:
    context = replace(CONTEXT, options=options)
    return [(issue.severity.letter, issue.code, issue.place.path) for issue in rules.check(exchange, context)]


def listed(flags: tuple[bool, ...]) -> bool:
    """The three rows of the volet, said once more in plain words."""
    masked, no_patient, no_guardians, secret, dmp, professionals, patient = flags
    both = professionals and patient and not (masked or no_patient or no_guardians)
    professional_only = professionals and not patient and no_patient and not (masked or no_guardians)
    patient_only = patient and not professionals and not (no_patient or secret or dmp)
    return both or professional_only or patient_only


@pytest.mark.parametrize("mode", ["literal", "tolerant"])
@pytest.mark.parametrize("flags", FLAGS, ids=lambda flags: "".join("NY"[flag] for flag in flags))
def test_every_combination_of_flags(flags: tuple[bool, ...], mode: str) -> None:
    masked, no_patient, _, _, _, professionals, patient = flags
    expected = []
    if no_patient and patient:
        expected.append(("E", "DIRECTIVE_CONFLICT", "directives.to_patient"))
    if masked and professionals:
        expected.append(("E", "DIRECTIVE_CONFLICT", "directives.to_professionals"))
    if (professionals or patient) and not listed(flags):
        expected.append(("E" if mode == "literal" else "W", "DIRECTIVE_MATRIX", "directives"))
    assert found(replace(EXCHANGE, directives=directives(flags)), mssante_matrix=mode) == expected


def test_the_matrix_lists_twelve_combinations() -> None:
    assert sum(in_matrix(directives(flags)) for flags in FLAGS) == sum(map(listed, FLAGS)) == 12
    assert len(MATRIX) == 3


def test_the_commonest_case_is_not_in_the_matrix() -> None:
    # To a professional alone, hidden from nobody: refused literally, which is why tolerant is the default.
    common = replace(DIRECTIVES, to_patient=False)
    assert not in_matrix(common)
    assert found(replace(EXCHANGE, directives=common)) == [("W", "DIRECTIVE_MATRIX", "directives")]


def test_a_site_may_let_a_masked_document_go_to_professionals() -> None:
    masked = replace(EXCHANGE, directives=replace(DIRECTIVES, hidden_from_professionals=True))
    assert ("W", "DIRECTIVE_CONFLICT", "directives.to_professionals") in found(masked, masked_to_professionals="allow")


def test_nothing_lets_a_hidden_document_go_to_the_patient() -> None:
    hidden = replace(EXCHANGE, directives=replace(DIRECTIVES, hidden_from_patient=True))
    every = {name: values[-1] for name, values in rules.OPTIONS.items()}
    assert ("E", "DIRECTIVE_CONFLICT", "directives.to_patient") in found(hidden, **every)


def test_a_change_of_visibility_is_a_replacement() -> None:
    changed = replace(EXCHANGE, directives=replace(DIRECTIVES, visibility_change=True))
    assert found(changed) == [("W", "DIRECTIVE_CONFLICT", "directives.visibility_change")]
    replacing = replace(changed, intent="replace", documents=(replace(DOCUMENT, replaces="1.2.3.80"),))
    assert found(replacing) == []


@pytest.mark.parametrize(("confidentiality", "warned"), [("N", False), ("R", True), ("V", True), (None, False)])
def test_a_restricted_document_for_the_dmp_is_told(confidentiality: str | None, warned: bool) -> None:
    exchange = replace(EXCHANGE, documents=(replace(DOCUMENT, confidentiality=confidentiality),))
    assert found(exchange) == ([("W", "DIRECTIVE_CONFLICT", "directives.to_dmp")] if warned else [])


@pytest.mark.parametrize(("field", "code"), REQUIRED.items())
def test_each_of_the_ten_is_required(field: str, code: str) -> None:
    exchange = replace(EXCHANGE, directives=replace(DIRECTIVES, **{field: None}))
    issues = [each for each in rules.check(exchange, CONTEXT) if each.code == "DIRECTIVE_MISSING"]
    assert [(issue.place.path, issue.params) for issue in issues] == [(f"directives.{field}", {"expected": code})]


def test_all_ten_are_missed_when_there_are_none() -> None:
    missing = found(replace(EXCHANGE, directives=None))
    assert missing == [("E", "DIRECTIVE_MISSING", f"directives.{field}") for field in REQUIRED]


@pytest.mark.parametrize("envelope", [None, Envelope(), Envelope(profile=VOLET_LPS)])
def test_only_the_transmission_volet_requires_them(envelope: Envelope | None) -> None:
    assert found(replace(EXCHANGE, envelope=envelope, directives=None)) == []


@pytest.mark.parametrize(
    ("recipients", "expected"),
    [
        ((RECIPIENT,), []),
        ((), [("E", "RECIPIENT_MISSING", "recipients")]),
        ((Party(identifiers=(INS,)),), [("E", "RECIPIENT_MISSING", "recipients")]),
        ((RECIPIENT, Party(identifiers=(INS,))), []),
        (
            (RECIPIENT, Party(identifiers=(Identifier(value="1"),))),
            [("E", "RECIPIENT_MISSING", "recipients[2].mssante")],
        ),
    ],
)
def test_mail_needs_recipients_with_an_address(
    recipients: tuple[Party, ...], expected: list[tuple[str, str, str]]
) -> None:
    assert found(replace(EXCHANGE, recipients=recipients)) == expected
    no_mail = replace(DIRECTIVES, to_professionals=False, to_patient=False)
    assert found(replace(EXCHANGE, recipients=recipients, directives=no_mail)) == []


def test_the_dmp_needs_a_sender() -> None:
    assert found(replace(EXCHANGE, sender=None)) == [("E", "SENDER_MISSING", "sender")]
    assert found(replace(EXCHANGE, sender=None, directives=replace(DIRECTIVES, to_dmp=False))) == []
