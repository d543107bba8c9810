"""Business rules over an Exchange: what must hold whatever the format it came in (identity and directives have their own modules).

Options of the Context that a site may set: `mssante_matrix` tolerant (default) or literal; `masked_to_professionals` refuse (default)
or allow; `patient_identifiers` strict (default) or tolerant; `processing_id` strict (default) or tolerant; `unknown_original` warn
(default) or refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec.structs import replace

from connector.exchange import directives, identity, lineage, sharing
from connector.exchange.documents import Document
from connector.exchange.facts import VOLET_LPS, Facts
from connector.exchange.ids import is_document_root
from connector.exchange.model import Context, Exchange
from connector.issues import Issue, IssueCode, Place, Severity

__all__ = ["INTENTS", "OPTIONS", "RULES", "Rule", "check"]

Rule = Callable[[Exchange, Context, Facts], Iterable[Issue]]

#: What a site may decide, and between what; the first is the default.
OPTIONS = {
    "mssante_matrix": ("tolerant", "literal"),
    "masked_to_professionals": ("refuse", "allow"),
    "patient_identifiers": ("strict", "tolerant"),
    "processing_id": ("strict", "tolerant"),
    "unknown_original": ("warn", "refuse"),
}

#: intent → (event of MSH-9.2, ORC-1, OBX-11): the flow table of the volet.
INTENTS = {"submit": ("T02", "NW", "F"), "replace": ("T10", "RO", "C"), "delete": ("T04", "CA", "D")}
_EVENTS = {event: intent for intent, (event, _, _) in INTENTS.items()}
_CONTROLS = {control: intent for intent, (_, control, _) in INTENTS.items()}
_STATUSES = {status: intent for intent, (_, _, status) in INTENTS.items()}


def check(
    exchange: Exchange, context: Context, *, facts: Facts | None = None, rules: Mapping[str, Rule] | None = None
) -> list[Issue]:
    """Every issue of every rule (of `RULES`, or those given), in their order. Places are Exchange paths (`patient.identifiers[1].value`, from 1)."""
    known = facts if facts is not None else Facts()
    return [
        replace(issue, place=Place(issue.place.path, f"rules:{name}"))
        for name, rule in (RULES if rules is None else rules).items()
        for issue in rule(exchange, context, known)
    ]


# --- envelope --------------------------------------------------------------------------------------------------------


def processing_id(exchange: Exchange, context: Context, _facts: Facts) -> Iterator[Issue]:
    """MSH-11 agrees with the environment: P in production, T or D in a test one (volet, MSH-11)."""
    processing = exchange.envelope.processing if exchange.envelope is not None else None
    if processing is None:
        return
    allowed = ("P",) if context.environment == "production" else ("T", "D")
    if processing not in allowed:
        tolerant = context.options.get("processing_id") == "tolerant"
        severity = Severity.WARNING if tolerant else Severity.ERROR
        expected = f"{context.environment}: {', '.join(allowed)}"
        yield Issue.of(severity, IssueCode.PROCESSING_ID, "envelope.processing", expected=expected)


def intent_agrees(exchange: Exchange, _context: Context, facts: Facts) -> Iterator[Issue]:
    """The event, ORC-1 and OBX-11 say the same operation, else the platform refuses (volet, ORC-1)."""
    profile = exchange.envelope.profile if exchange.envelope is not None else None
    # Towards the business software the second observation is a rendering of the first and stays F.
    statuses = facts.statuses[:1] if profile == VOLET_LPS else facts.statuses
    said = [("MSH-9.2", _EVENTS.get(facts.event or ""))]
    said += [("ORC-1", _CONTROLS.get(control)) for control in facts.controls]
    said += [("OBX-11", _STATUSES.get(status)) for status in statuses]
    said.append(("intent", exchange.intent if exchange.intent in INTENTS else None))
    known = [(name, intent) for name, intent in said if intent is not None]
    for name, intent in known[1:]:
        if intent != known[0][1]:
            yield Issue.of(Severity.ERROR, IssueCode.INTENT_CLASH, "intent", left=known[0][0], right=name)
            return


# --- documents -------------------------------------------------------------------------------------------------------


def documents_present(exchange: Exchange, _context: Context, facts: Facts) -> Iterator[Issue]:
    """A document message carries one document at least, with its content or what it says in sections; an MDM exactly one."""
    if exchange.intent not in INTENTS:
        return
    if not exchange.documents:
        yield Issue.of(Severity.ERROR, IssueCode.DOCUMENT_MISSING, "documents")
    for place, document in _documents(exchange):
        content = document.content
        if (content is None or (not content.data and not content.sha256)) and not document.sections:
            yield Issue.of(Severity.ERROR, IssueCode.DOCUMENT_MISSING, f"{place}.content")
    profile = exchange.envelope.profile if exchange.envelope is not None else None
    if facts.type == "MDM" and profile != VOLET_LPS and len(exchange.documents) > 1:
        yield Issue.of(Severity.ERROR, IssueCode.TOO_MANY, "documents[2]", limit=1, what="document (MDM)")


def document_identity(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """The root of an id is an OID or a UUID, a version is an integer, and no two documents share an id."""
    seen: set[str] = set()
    for place, document in _documents(exchange):
        for field, value in (("id", document.id), ("set_id", document.set_id), ("replaces", document.replaces)):
            if value is not None and not is_document_root(value):
                yield Issue.of(Severity.ERROR, IssueCode.IDENTIFIER_FORM, f"{place}.{field}", what="OID, UUID")
        if document.version is not None and not (document.version.isascii() and document.version.isdigit()):
            yield Issue.of(
                Severity.ERROR, IssueCode.DOCUMENT_VERSION, f"{place}.version", expected="versionNumber: integer"
            )
        if document.id is not None and document.id in seen:
            yield Issue.of(Severity.ERROR, IssueCode.DOCUMENT_ID_CLASH, f"{place}.id", left="documents", right=place)
        seen.add(document.id or "")


def document_replacement(exchange: Exchange, _context: Context, _facts: Facts) -> Iterator[Issue]:
    """A replacement names what it replaces, and never itself (900)."""
    for place, document in _documents(exchange):
        path = f"{place}.replaces"
        if document.replaces is None:
            if exchange.intent == "replace":
                expected = "relatedDocument RPLC, TXA-13"
                yield Issue.of(Severity.ERROR, IssueCode.DOCUMENT_VERSION, path, expected=expected)
            continue
        if document.replaces == document.id:
            yield Issue.of(Severity.ERROR, IssueCode.DOCUMENT_VERSION, path, expected="parentDocument/id ≠ id")
        if exchange.intent == "submit":
            yield Issue.of(Severity.WARNING, IssueCode.INTENT_CLASH, path, left="intent", right="relatedDocument RPLC")


def document_ids_agree(exchange: Exchange, _context: Context, facts: Facts) -> Iterator[Issue]:
    """TXA-12 and TXA-13 say the same ids as the CDA's header (906)."""
    pairs = (
        ("id", facts.announced_ids, facts.header_ids, "TXA-12", "ClinicalDocument/id"),
        ("replaces", facts.announced_replaces, facts.header_replaces, "TXA-13", "relatedDocument/parentDocument/id"),
    )
    for field, announced, header, left, right in pairs:
        for position, (ours, theirs) in enumerate(zip(announced, header, strict=False), 1):
            if ours is not None and theirs is not None and ours != theirs:
                path = f"documents[{position}].{field}"
                yield Issue.of(Severity.ERROR, IssueCode.DOCUMENT_ID_CLASH, path, left=left, right=right)


def _documents(exchange: Exchange) -> Iterator[tuple[str, Document]]:
    for position, document in enumerate(exchange.documents, 1):
        yield f"documents[{position}]", document


#: Name → rule; the name stands in the place of every issue (`rules:ins_key`).
RULES: dict[str, Rule] = {
    "processing_id": processing_id,
    "intent_agrees": intent_agrees,
    "documents_present": documents_present,
    "document_identity": document_identity,
    "document_replacement": document_replacement,
    "document_ids_agree": document_ids_agree,
    "document_lineage": lineage.document_lineage,
    "ins_key": identity.ins_key,
    "ins_environment": identity.ins_environment_rule,
    "ins_traits": identity.ins_traits,
    "ins_qualified": identity.ins_qualified,
    "local_identity": identity.local_identity,
    "no_test_identity": identity.no_test_identity,
    "patient_of_document": identity.patient_of_document,
    "directives_complete": directives.directives_complete,
    "directives_conflict": directives.directives_conflict,
    "mssante_matrix": directives.mssante_matrix,
    "dmp_types": directives.dmp_types,
    "recipients_present": directives.recipients_present,
    "sender_present": directives.sender_present,
    "national_numbers": identity.national_numbers,
    "sharing_possible": sharing.sharing_possible,
}
