"""Which mode to use, why, and what is missing before « ENVOYER » is active: the decision page of the guides as a function.

A draft is an Exchange without mode: the correspondents (recipients, members, the expert), what was written and attached, the patient.
What is missing is what the rules of the chosen mode say of the draft.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from connector.exchange.decoding import ins_of_address
from connector.exchange.facts import Facts
from connector.exchange.model import Context, Exchange
from connector.exchange.people import Model, Party
from connector.exchange.rules import check
from connector.exchange.strict_json import JsonRefused, read_json
from connector.issues import Issue, IssueCode, Outcome, Severity
from connector.monsisra.codec import from_tree
from connector.monsisra.modes import is_account, rules_for
from connector.monsisra.words import MODES

__all__ = ["Advice", "Reason", "advise", "asked"]

_DEPTH = 24
_SIZE = 32 * 1024 * 1024


class Reason(Model, frozen=True):
    """A sentence of the guides, in both languages."""

    fr: str
    en: str


class Advice(Model, frozen=True):
    """`mode` is a code of the profile, None when no one mode does it all; `name` what the guides call it; `missing`: what keeps « ENVOYER » grey."""

    mode: str | None = None
    name: str | None = None
    why: tuple[Reason, ...] = ()
    missing: tuple[Issue, ...] = ()


_NOBODY = Reason(
    fr="Aucun correspondant : rechercher dans l'annuaire, ou taper une adresse sécurisée en entier.",
    en="No correspondent: search the directory, or type a whole secure address.",
)
_APART = Reason(
    fr="Un patient et des professionnels ne se joignent pas dans un même envoi : écrire au patient sur Mon Espace Santé, et aux autres à part.",
    en="A patient and professionals are not reached by one message: write to the patient on Mon Espace Santé, and to the others apart.",
)
_PATIENT = Reason(
    fr="Mon Espace Santé : pour communiquer avec le patient par voie sécurisée, texte et document.",
    en="Mon Espace Santé: to reach the patient by a secure way, with text and documents.",
)
_EXPERT = Reason(
    fr="Téléexpertise : une demande d'avis sécurisée à un expert, ou la sollicitation d'une équipe ressource.",
    en="Téléexpertise: a secure request for an expert's opinion, or the call upon an équipe ressource.",
)
_CONVERSATION = Reason(
    fr="Conversation : tous les correspondants utilisent MonSisra ; envoi instantané de texte, document, photo ou visio.",
    en="Conversation: every correspondent uses MonSisra; text, document, photo or visio at once.",
)
_DOCUMENT = Reason(
    fr="Envoyer un document : un correspondant au moins utilise une autre messagerie sécurisée ou n'est pas actif sur MonSisra ; document uniquement, identité du patient obligatoire.",
    en="Envoyer un document: one correspondent at least uses another secure mail or is not active on MonSisra; documents only, with the patient's identity.",
)
_MAIL = Reason(
    fr="Mail sécurisé : un correspondant au moins utilise une autre messagerie sécurisée ou n'est pas actif sur MonSisra, et il y a du texte.",
    en="Mail sécurisé: one correspondent at least uses another secure mail or is not active on MonSisra, and there is text.",
)
_MAIL_PATIENT = Reason(
    fr="L'identité du patient n'est pas accessible dans un mail : mettre au moins son nom dans l'objet.",
    en="A mail does not carry the patient's identity: put at least the name in the subject.",
)
_ONLY_MONSISRA = Reason(
    fr="Photo et visio ne passent qu'entre utilisateurs de MonSisra : joindre la photo comme document, proposer la visio autrement.",
    en="Photo and visio pass between MonSisra users only: attach the photo as a document, propose the visio otherwise.",
)
_UNKNOWN = Reason(
    fr="Un correspondant ne peut pas être reconnu comme compte MonSisra (réglage monsisra.domains vide) : il est traité comme une autre messagerie.",
    en="One correspondent cannot be recognised as a MonSisra account (setting monsisra.domains is empty): taken as another secure mail.",
)


def advise(draft: Exchange, context: Context, *, inactive: Collection[str] = ()) -> Advice:
    """The mode for a draft. `inactive`: addresses whose owners are not active on MonSisra (no green badge)."""
    mode, why = _chosen(draft, context, frozenset(address.lower() for address in inactive))
    if mode is None:
        return Advice(why=why)
    whole = replace(draft, mode=mode, origin="monsisra", patient=None if mode == "mail" else draft.patient)
    found = check(whole, context, facts=Facts(), rules=rules_for(whole))
    missing = tuple(issue for issue in found if issue.severity >= Severity.ERROR)
    return Advice(mode=mode, name=MODES[mode], why=why, missing=missing)


def asked(raw: bytes) -> Outcome[tuple[Exchange, tuple[str, ...]]]:
    """`{"exchange": a draft, "inactive": [addresses]}` → both. EXCHANGE_SYNTAX and the codes of the profile for what is not that."""
    try:
        tree = read_json(raw, depth=_DEPTH, size=_SIZE)
    except JsonRefused as error:
        return _unread(str(error))
    if not isinstance(tree, dict) or not {"exchange"} <= tree.keys() <= {"exchange", "inactive"}:
        return _unread("exchange, inactive")
    inactive = tree.get("inactive", [])
    if not isinstance(inactive, list) or not all(isinstance(each, str) for each in inactive):
        return _unread("inactive: [string]")
    draft = from_tree(tree["exchange"])
    return Outcome((draft.value, tuple(inactive)) if draft.value is not None else None, draft.issues)


def _unread(expected: str) -> Outcome[tuple[Exchange, tuple[str, ...]]]:
    return Outcome(None, (Issue.of(Severity.FATAL, IssueCode.EXCHANGE_SYNTAX, expected=expected),))


def _chosen(draft: Exchange, context: Context, inactive: Collection[str]) -> tuple[str | None, tuple[Reason, ...]]:
    correspondents = _correspondents(draft)
    patients = [party for party in correspondents if ins_of_address(party.mssante or "") is not None]
    if draft.channel is not None or patients:
        return ("mon_espace_sante", (_PATIENT,)) if len(patients) == len(correspondents) else (None, (_APART,))
    if draft.teleexpertise is not None:
        return "teleexpertise", (_EXPERT,)
    if not correspondents:
        return None, (_NOBODY,)
    accounts = [is_account(party, context) for party in correspondents]
    active = [
        account
        for account, party in zip(accounts, correspondents, strict=True)
        if account and not _asleep(party, inactive)
    ]
    if len(active) == len(correspondents):
        return "conversation", (_CONVERSATION,)
    return _outside(draft, (_UNKNOWN,) if None in accounts else ())


def _outside(draft: Exchange, why: tuple[Reason, ...]) -> tuple[str, tuple[Reason, ...]]:
    """Somebody is not reached by MonSisra: documents alone, or a mail."""
    if any(message.photos or message.visio for message in draft.messages):
        why = (*why, _ONLY_MONSISRA)
    if draft.documents and not any(message.text for message in draft.messages):
        return "document", (_DOCUMENT, *why)
    return "mail", (_MAIL, *why, *((_MAIL_PATIENT,) if draft.patient is not None else ()))


def _correspondents(draft: Exchange) -> list[Party]:
    members = [member.party for member in draft.thread.members] if draft.thread is not None else []
    return [*draft.recipients, *(party for party in members if party not in draft.recipients)]


def _asleep(party: Party, inactive: Collection[str]) -> bool:
    return (party.mssante or "").lower() in inactive
