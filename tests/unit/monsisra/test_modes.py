"""The rules of the five modes: each breach names its field and its rule, in French and English; the guides' own examples break none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from connector.issues import IssueCode, Severity
from tests.unit.monsisra.sample import CASES, DOMAIN, data, judged, told

OUTSIDE = {"mssante": "paul.ailleurs@autre.mssante.example.test"}
NOBODY = {"name": {"family": "SANS-ADRESSE"}}


def changed(case: str, path: str, value: Any) -> dict[str, Any]:
    """The case with one place changed (`messages.0.text`); None takes it away, a place at the end of a list adds."""
    whole = data(case)
    *steps, last = path.split(".")
    node: Any = whole
    for step in steps:
        node = node[int(step)] if step.isdigit() else node[step]
    if isinstance(node, list):
        node[int(last) : int(last) + 1] = [] if value is None else [value]
    elif value is None:
        del node[last]
    else:
        node[last] = value
    return whole


@pytest.mark.parametrize("case", CASES)
def test_the_examples_of_the_guides_break_no_rule(case: str) -> None:
    assert judged(data(case)) == []


ALL = [case for case in CASES if case != "mon-espace-sante-fin"]
#: (case, place, new value, code, field, rule)
BREACHES = [
    *[(case, "sender", None, "MODE_FIELD", "sender", "acting_account") for case in ALL],
    *[(case, "subject", None, "MODE_FIELD", "subject", "objet") for case in ("conversation", "mail", "mon-espace-sante")],
    *[(case, "messages", None, "MODE_FIELD", "messages", "messages_said") for case in ("conversation", "mail", "mon-espace-sante")],
    ("conversation", "subject", "   ", "MODE_FIELD", "subject", "objet"),
    ("conversation", "thread.members", None, "MODE_FIELD", "thread.members", "conversation_members"),
    ("conversation", "thread.members.1.party", OUTSIDE, "MODE_MEMBER", "thread.members[2].party", "conversation_members"),
    ("conversation", "thread.members.1.party", NOBODY, "MODE_MEMBER", "thread.members[2].party", "conversation_members"),
    ("conversation", "recipients", [OUTSIDE], "MODE_MEMBER", "recipients[1]", "conversation_members"),
    ("conversation", "sender", OUTSIDE, "MODE_MEMBER", "sender", "conversation_members"),
    ("conversation", "messages.0", {"id": "x"}, "MODE_EMPTY_MESSAGE", "messages[1]", "messages_said"),
    ("conversation", "messages.1.id", "5d0f7f10-0001-4c1b-9d07-5e1f0a7c2b11", "MODE_TWICE", "messages[2].id", "messages_said"),
    ("conversation", "messages.0.in_reply_to", "nobody", "MODE_REFERENCE", "messages[1].in_reply_to", "references"),
    ("conversation", "messages.0.documents", ["1.2.3"], "MODE_REFERENCE", "messages[1].documents[1]", "references"),
    ("conversation", "thread.synthesis", "1.2.3", "MODE_REFERENCE", "thread.synthesis", "references"),
    ("conversation", "messages.2.sent", "2026-05-20T10:00:00+02:00", "MODE_ORDER", "messages[3].sent", "in_order"),
    ("teleexpertise", "teleexpertise.expert", None, "MODE_FIELD", "teleexpertise.expert", "one_expert"),
    ("teleexpertise", "teleexpertise.expert.kind", None, "MODE_FIELD", "teleexpertise.expert.kind", "one_expert"),
    ("teleexpertise", "recipients.1", OUTSIDE, "MODE_ONE_EXPERT", "recipients[2]", "one_expert"),
    ("teleexpertise", "recipients.0", OUTSIDE, "MODE_ONE_EXPERT", "recipients[1]", "one_expert"),
    ("teleexpertise", "patient", None, "MODE_FIELD", "patient", "patient_numbered"),
    ("teleexpertise", "patient.identifiers", None, "MODE_PATIENT_NUMBER", "patient.identifiers", "patient_numbered"),
    ("teleexpertise", "teleexpertise.form.saved", None, "MODE_FORM_FIRST", "messages[1]", "form_first"),
    ("teleexpertise", "teleexpertise.form.saved", "2026-05-21T14:00:00+02:00", "MODE_FORM_FIRST", "messages[1]", "form_first"),
    ("teleexpertise", "teleexpertise.steps.0", None, "MODE_STEP", "teleexpertise.steps[1].state", "steps_possible"),
    ("teleexpertise", "teleexpertise.steps.2.state", "refusee", "MODE_STEP", "teleexpertise.steps[4].state", "steps_possible"),
    ("teleexpertise", "teleexpertise.steps.4.state", "annulee", "MODE_OPINION", "teleexpertise.opinion", "opinion_in_time"),
    ("teleexpertise", "teleexpertise.steps.3.at", "2026-05-20T10:00:00+02:00", "MODE_ORDER", "teleexpertise.steps[4].at", "in_order"),
    ("teleexpertise", "teleexpertise.opinion.document", "1.2.3", "MODE_REFERENCE", "teleexpertise.opinion.document", "references"),
    ("document", "documents", None, "MODE_FIELD", "documents", "documents_only"),
    ("document", "messages", [{"text": "Bonjour"}], "MODE_NOT_OURS", "messages", "documents_only"),
    ("document", "subject", "Ordonnance", "MODE_NOT_OURS", "subject", "documents_only"),
    ("document", "recipients", None, "MODE_FIELD", "recipients", "destinataires"),
    ("document", "recipients.0", NOBODY, "MODE_FIELD", "recipients[1].mssante", "destinataires"),
    ("document", "patient", None, "MODE_FIELD", "patient", "patient_concerned"),
    ("document", "documents.0.created", None, "MODE_FIELD", "documents[1].created", "documents_described"),
    ("document", "documents.0.title", None, "MODE_FIELD", "documents[1].title", "documents_described"),
    ("document", "documents.0.type", None, "MODE_FIELD", "documents[1].type", "documents_described"),
    ("document", "documents.0.type.code", "ordd", "MODE_DOCUMENT_TYPE", "documents[1].type.code", "documents_described"),
    ("mail", "patient", {"sex": "male"}, "MODE_NOT_OURS", "patient", "no_patient"),
    ("mail", "subject", "Votre courrier", "MODE_SUBJECT_NAME", "subject", "subject_names"),
    ("mail", "subject", "Résultats du 21/05", "MODE_SUBJECT_NAME", "subject", "subject_names"),
    ("mail", "recipients", None, "MODE_FIELD", "recipients", "destinataires"),
    ("mon-espace-sante", "recipients.1", OUTSIDE, "MODE_ONE_RECIPIENT", "recipients", "one_patient"),
    ("mon-espace-sante", "recipients.0", OUTSIDE, "MODE_ONE_RECIPIENT", "recipients[1].mssante", "one_patient"),
    ("mon-espace-sante", "patient.sex", "male", "MODE_ADDRESS_DIFFERS", "patient.sex", "ins_of_the_address"),
    ("mon-espace-sante", "patient.birth_date", "1989-07-14", "MODE_ADDRESS_DIFFERS", "patient.birth_date", "ins_of_the_address"),
    ("mon-espace-sante", "patient.birth_date", "1988-08-14", "MODE_ADDRESS_DIFFERS", "patient.birth_date", "ins_of_the_address"),
    ("mon-espace-sante", "patient.birth_place.insee", "43157", "MODE_ADDRESS_DIFFERS", "patient.birth_place.insee", "ins_of_the_address"),
    ("mon-espace-sante", "patient.identifiers.0.value", "279035121518989", "MODE_ADDRESS_DIFFERS", "patient.identifiers", "ins_of_the_address"),
    ("mon-espace-sante", "patient.identity_status", "provisional", "INS_NOT_QUALIFIED", "patient.identity_status", "identity_qualified"),
    ("mon-espace-sante", "subject", "[FIN]", "MODE_FIN", "subject", "fin"),
    ("mon-espace-sante-fin", "subject", "[fin] merci", "MODE_FIN", "channel.closes_channel", "fin"),
    ("mon-espace-sante-fin", "channel.state", "open", "MODE_FIN", "channel.state", "fin"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "place", "value", "code", "field", "rule"), BREACHES)
def test_a_breach_names_its_field_and_its_rule(
    case: str, place: str, value: Any, code: str, field: str, rule: str
) -> None:
    assert (code, field, rule) in told(changed(case, place, value))


def test_the_cases_meet_every_rule() -> None:
    from connector.monsisra.modes import RULES

    assert {rule for *_, rule in BREACHES} == {name for rules in RULES.values() for name in rules}


def test_every_rule_is_on_the_reference_page(root: Path) -> None:
    from connector.monsisra.modes import RULES

    page = (root / "docs" / "reference" / "exchange-profile.md").read_text("utf-8")
    told = {
        name: {word.strip() for word in modes.split(",")}
        for name, modes in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE)
    }
    where = {
        name: {mode for mode, rules in RULES.items() if name in rules} for rules in RULES.values() for name in rules
    }
    assert {name: {"all"} if modes == set(RULES) else modes for name, modes in where.items()} == {
        name: modes for name, modes in told.items() if name not in ("posted", "continuation")
    }


@pytest.mark.parametrize(
    "address",
    [
        "279035121518989@mssante.fr",  # not the patients' domain
        "279035121518980@patient.mssante.fr",  # false key
        "2790351215189@patient.mssante.fr",  # no key
        "2A9035121518989@patient.mssante.fr",
        "@patient.mssante.fr",
        "PAT-TROIS.DOMINIQUE@patient.mssante.fr",
    ],
)
def test_an_address_without_a_well_formed_ins_is_refused(address: str) -> None:
    value = data("mon-espace-sante", patient=None, recipients=[{"mssante": address}])
    value["channel"]["address"] = address
    assert told(value) == [("MODE_ADDRESS", "channel.address", "ins_of_the_address")]


def test_a_corsican_address_is_read_in_either_case() -> None:
    from connector.exchange.identifiers import nir_key

    number = "279032A004001"
    for written in (number, number.lower()):
        address = f"{written}{nir_key(number)}@patient.mssante.fr"
        value = data("mon-espace-sante", patient=None, recipients=[{"mssante": address}])
        value["channel"]["address"] = address
        assert told(value) == []


def test_a_social_security_number_stands_in_for_the_ins_in_a_teleexpertise() -> None:
    value = data("teleexpertise")
    value["patient"]["identifiers"] = [{"value": "288014315700126", "kind": "SS"}]
    assert told(value) == []


def test_without_domains_nobody_can_tell_an_account_and_the_exchange_is_taken() -> None:
    issues = judged(data("conversation"), domains="")
    assert [(issue.code, issue.severity) for issue in issues] == [("MODE_MEMBER_UNKNOWN", Severity.WARNING)]


def test_a_pattern_of_domains_takes_what_is_below_it() -> None:
    assert told(changed("conversation", "thread.members.1.party.mssante", "a@chu.monsisra.example.test")) != []
    value = changed("conversation", "thread.members.1.party.mssante", "a@CHU.monsisra.example.test")
    assert told(value, f"*.{DOMAIN} {DOMAIN}") == []


def test_a_feed_is_judged_by_its_volet_and_not_by_the_modes() -> None:
    assert told(data("document", origin="feed", recipients=None, sender=None)) == []


@pytest.mark.parametrize("subject", ["ESSAI-SEPT Henri", "M. Henri Essai : adressage", "Dossier de Mme DUPONT"])
def test_a_subject_with_a_name_is_not_warned_about(subject: str) -> None:
    assert told(changed("mail", "subject", subject)) == []


@pytest.mark.parametrize(
    "code", [code for code in IssueCode if code.name.startswith("MODE_")], ids=lambda code: code.name
)
def test_french_sentences_are_french(code: IssueCode) -> None:
    assert code.french != code.english
    assert " :" in code.french or ":" not in code.french
    assert not any(quote in code.french for quote in "“”\"'"[:3])
