"""The rules of the five modes, each a small function (spec: the MonSisra guides; every starred field, and what each mode can carry).

They judge exchanges that began on MonSisra (`origin: monsisra`); a feed from HL7 v2 or FHIR has the rules of its volet. Whether a
correspondent is a MonSisra account is known by the domain of its address (setting `monsisra.domains`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from connector.exchange.conversation import Message
from connector.exchange.facts import Facts
from connector.exchange.identifiers import is_ins
from connector.exchange.model import Context, Exchange
from connector.exchange.moments import Moment, ordered
from connector.exchange.people import Party
from connector.exchange.rules import Rule
from connector.issues import Issue, IssueCode, Severity
from connector.monsisra import request, usager
from connector.monsisra.words import MODES

__all__ = ["RULES", "is_account", "rules_for"]

#: Kinds (table 0203) of a social-security number that is no INS.
_SOCIAL_SECURITY = frozenset({"SS", "NH"})
_CAPITALS = re.compile(r"[^\W\d_]{2,}")


def rules_for(exchange: Exchange) -> dict[str, Rule]:
    """The rules of the exchange's mode; none for a feed."""
    return RULES.get(exchange.mode or "", {}) if exchange.origin == "monsisra" else {}


def is_account(party: Party, context: Context) -> bool | None:
    """Whether it is a MonSisra account; None when the domains of the settings are not known."""
    domains = context.options.get("monsisra_domains", "").split()
    if party.mssante is None:
        return False
    domain = party.mssante.rpartition("@")[2].lower()
    return any(fnmatchcase(domain, each.lower()) for each in domains) if domains else None


def _absent(exchange: Exchange, place: str, expected: str) -> Issue:
    mode = MODES[exchange.mode or ""]
    return Issue.of(Severity.ERROR, IssueCode.MODE_FIELD, place, mode=mode, expected=expected)


def _not_ours(exchange: Exchange, place: str, what: str) -> Issue:
    return Issue.of(Severity.ERROR, IssueCode.MODE_NOT_OURS, place, mode=MODES[exchange.mode or ""], what=what)


# --- every mode ------------------------------------------------------------------------------------------------------


def acting_account(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """« Agir en tant que » is starred in every mode."""
    if exchange.sender is None:
        yield _absent(exchange, "sender", "« Agir en tant que »")


def objet(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """« Objet » is starred in a conversation, a mail and an exchange with a patient."""
    if exchange.subject is None or not exchange.subject.strip():
        yield _absent(exchange, "subject", "« Objet »")


def destinataires(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """« Destinataires » is starred; each has an address."""
    if not exchange.recipients:
        yield _absent(exchange, "recipients", "« Destinataires »")
    for position, party in enumerate(exchange.recipients, 1):
        if party.mssante is None:
            yield _absent(exchange, f"recipients[{position}].mssante", "name@domain")


def messages_said(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """A message says something, under an id of its own; a conversation, a mail and an exchange with a patient begin with one."""
    if not exchange.messages and exchange.mode != "teleexpertise":
        yield _absent(exchange, "messages", "message")
    seen: set[str] = set()
    for place, message in _messages(exchange):
        if not (message.text or message.documents or message.photos or message.visio):
            yield Issue.of(Severity.ERROR, IssueCode.MODE_EMPTY_MESSAGE, place)
        if message.id is not None and message.id in seen:
            yield Issue.of(Severity.ERROR, IssueCode.MODE_TWICE, f"{place}.id", what="messages")
        seen.add(message.id or "")


def references(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """Documents and answered messages that are named are in the exchange."""
    known = {document.id for document in exchange.documents}
    thread, asked = exchange.thread, exchange.teleexpertise
    named = [
        ("thread.synthesis", thread.synthesis if thread else None),
        ("teleexpertise.document", asked.document if asked else None),
        ("teleexpertise.opinion.document", asked.opinion.document if asked and asked.opinion else None),
        ("teleexpertise.expert.template", asked.expert.template if asked and asked.expert else None),
    ]
    named += [
        (f"{place}.documents[{position}]", name)
        for place, message in _messages(exchange)
        for position, name in enumerate(message.documents, 1)
    ]
    for place, name in named:
        if name is not None and name not in known:
            yield Issue.of(Severity.ERROR, IssueCode.MODE_REFERENCE, place, what="documents[].id")
    if exchange.mode in ("conversation", "teleexpertise"):  # a mail answers one that is elsewhere
        yield from _answered(exchange)


def _answered(exchange: Exchange) -> Iterator[Issue]:
    earlier: set[str | None] = set()
    for place, message in _messages(exchange):
        if message.in_reply_to is not None and message.in_reply_to not in earlier:
            yield Issue.of(Severity.ERROR, IssueCode.MODE_REFERENCE, f"{place}.in_reply_to", what="messages[].id")
        earlier.add(message.id)


def in_order(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """Messages stand in the order in which they were sent, steps in that in which they were made."""
    steps = exchange.teleexpertise.steps if exchange.teleexpertise else ()
    yield from _descending([(f"messages[{n}].sent", each.sent) for n, each in enumerate(exchange.messages, 1)], context)
    yield from _descending([(f"teleexpertise.steps[{n}].at", each.at) for n, each in enumerate(steps, 1)], context)


def _descending(moments: Iterable[tuple[str, Moment | None]], context: Context) -> Iterator[Issue]:
    latest: Moment | None = None
    for place, moment in moments:
        if moment is None:
            continue
        if latest is not None and ordered(latest, moment, context.zone) is False:
            yield Issue.of(Severity.ERROR, IssueCode.MODE_ORDER, place, what=place.rpartition(".")[2])
        latest = moment


def _messages(exchange: Exchange) -> Iterator[tuple[str, Message]]:
    for position, message in enumerate(exchange.messages, 1):
        yield f"messages[{position}]", message


# --- conversation ----------------------------------------------------------------------------------------------------


def conversation_members(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """« Membres de la conversation » is starred, and every member is a MonSisra account (rule 1)."""
    thread = exchange.thread
    members = [(f"thread.members[{n}].party", each.party) for n, each in enumerate(thread.members, 1)] if thread else []
    members += [(f"recipients[{n}]", party) for n, party in enumerate(exchange.recipients, 1)]
    if not members:
        yield _absent(exchange, "thread.members", "« Membres de la conversation »")
    if exchange.sender is not None:
        members.append(("sender", exchange.sender))
    accounts = [(place, is_account(party, context)) for place, party in members]
    unknown = [place for place, account in accounts if account is None]
    for place in unknown[:1]:  # the setting is missing: said once
        yield Issue.of(Severity.WARNING, IssueCode.MODE_MEMBER_UNKNOWN, place)
    for place, account in accounts:
        if account is False:
            yield Issue.of(Severity.ERROR, IssueCode.MODE_MEMBER, place)


# --- téléexpertise ---------------------------------------------------------------------------------------------------


def one_expert(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """Exactly one expert or équipe ressource (rule 2): the recipient is nobody else."""
    expert = exchange.teleexpertise.expert if exchange.teleexpertise else None
    if expert is None:
        yield _absent(exchange, "teleexpertise.expert", "« Expert »")
        return
    if expert.kind is None:
        yield _absent(exchange, "teleexpertise.expert.kind", "expert, equipe_ressource")
    for position, party in enumerate(exchange.recipients, 1):
        if position > 1 or party.mssante != expert.party.mssante:
            yield Issue.of(Severity.ERROR, IssueCode.MODE_ONE_EXPERT, f"recipients[{position}]")


def patient_numbered(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """« Patient concerné » is starred, with an INS or a social-security number (rule 2)."""
    if exchange.patient is None:
        yield _absent(exchange, "patient", "« Patient concerné »")
    elif not any(is_ins(each) or each.kind in _SOCIAL_SECURITY for each in exchange.patient.identifiers):
        yield Issue.of(Severity.ERROR, IssueCode.MODE_PATIENT_NUMBER, "patient.identifiers")


# --- envoyer un document ---------------------------------------------------------------------------------------------


def documents_only(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """At least one document and nothing written beside it (rule 3)."""
    if not exchange.documents:
        yield _absent(exchange, "documents", "document")
    if exchange.messages:
        yield _not_ours(exchange, "messages", "messages")
    if exchange.subject is not None:
        yield _not_ours(exchange, "subject", "« Objet »")


def patient_concerned(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """« Patient concerné » is starred (rule 3)."""
    if exchange.patient is None:
        yield _absent(exchange, "patient", "« Patient concerné »")


def documents_described(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """Each document has a date, a title and a type of the national tree (rule 3, JDV_J07)."""
    for position, document in enumerate(exchange.documents, 1):
        place = f"documents[{position}]"
        for field, said in (("created", "« Date du document »"), ("title", "« Titre »"), ("type", "« Type »")):
            if getattr(document, field) is None:
                yield _absent(exchange, f"{place}.{field}", said)
        types = context.table("document-types") if context.table is not None else None
        if document.type is not None and types is not None and document.type.code not in types:
            yield Issue.of(Severity.ERROR, IssueCode.MODE_DOCUMENT_TYPE, f"{place}.type.code")


# --- mail sécurisé ---------------------------------------------------------------------------------------------------


def no_patient(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """A mail has no patient as data (rule 4)."""
    if exchange.patient is not None:
        yield _not_ours(exchange, "patient", "« Patient concerné »")


def subject_names(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """The patient's name belongs in the subject (rule 4): a warning when no word of it looks like a family name."""
    words = _CAPITALS.findall(exchange.subject or "")
    capitals = [word for word in words if word[0].isupper()]
    if not any(word.isupper() and len(word) > 2 for word in capitals) and len(capitals) < 2:
        yield Issue.of(Severity.WARNING, IssueCode.MODE_SUBJECT_NAME, "subject")


_ALL: dict[str, Rule] = {"acting_account": acting_account, "references": references, "in_order": in_order}

#: mode → name → rule; the name stands in the place of every issue (`rules:conversation_members`).
RULES: dict[str, dict[str, Rule]] = {
    "conversation": {
        **_ALL,
        "objet": objet,
        "messages_said": messages_said,
        "conversation_members": conversation_members,
    },
    "teleexpertise": {
        **_ALL,
        "messages_said": messages_said,
        "one_expert": one_expert,
        "patient_numbered": patient_numbered,
        "form_first": request.form_first,
        "steps_possible": request.steps_possible,
        "opinion_in_time": request.opinion_in_time,
    },
    "document": {
        **_ALL,
        "documents_only": documents_only,
        "destinataires": destinataires,
        "patient_concerned": patient_concerned,
        "documents_described": documents_described,
    },
    "mail": {
        **_ALL,
        "objet": objet,
        "destinataires": destinataires,
        "messages_said": messages_said,
        "no_patient": no_patient,
        "subject_names": subject_names,
    },
    "mon_espace_sante": {
        **_ALL,
        "objet": objet,
        "messages_said": messages_said,
        "one_patient": usager.one_patient,
        "ins_of_the_address": usager.ins_of_the_address,
        "identity_qualified": usager.identity_qualified,
        "fin": usager.fin,
    },
}
