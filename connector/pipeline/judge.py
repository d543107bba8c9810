"""The pure half of intake: a message's whole verdict with the answers owed and the deliveries to make (design 2.6, steps 4 to 7)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import msgspec
from msgspec.structs import replace

from connector.exchange.identifiers import ins_of, ipp_of
from connector.exchange.ids import ordering_key
from connector.exchange.known import Earlier, Known
from connector.exchange.model import Context, Exchange
from connector.hl7.acknowledge import Stage, answers, not_kept
from connector.hl7.codec import Header, ParseOptions, header
from connector.hl7.wire import read_header
from connector.issues import Issue, IssueCode, Outcome, Severity, worst
from connector.mapping.language import Run
from connector.monsisra.continuation import misgrown, same
from connector.monsisra.posted import posted
from connector.pipeline.journey import Entry, Inbound, MessageState, Peeked
from connector.pipeline.route import Route, Subject, deliveries, unserved
from connector.pipeline.structured import with_contents
from connector.pipeline.translate import Reading, Translator

__all__ = ["Desk", "DeskSettings"]

#: A control id is kept up to this length, a longer one by its beginning (v2.7 MSH-10).
CONTROL_ID = 199
_SENDER = 250
_REMEMBERED = 65_536  # bytes: a larger message is not kept in memory for the sake of its header

#: Trouble that a person must look at: the message is parked, not only refused.
_FOR_A_PERSON = frozenset(
    code.name
    for code in (
        IssueCode.NOT_HL7,
        IssueCode.FRAME_BROKEN,
        IssueCode.FRAME_TOO_LARGE,
        IssueCode.CHARSET_CONFLICT,
        IssueCode.CHARSET_WINDOWS,
        IssueCode.SEPARATORS,
        IssueCode.INTERNAL,
    )
)


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a site decides about intake. `parse_options` are rules for senders, by `MSH-3|MSH-4` (`*` for any) or by receiver's name;
    `own_stores` are the destinations that are the connector's own FHIR store: what came by the FHIR API is there already, under the ids that
    it was answered; `writes` the destinations that get HL7 v2 written by the mappings, each with what it asks for (`connector.pipeline.messages.OPTIONS`)."""

    routes: tuple[Route, ...] = ()
    defer_above: int = 5_000_000
    language: str = "fr"
    parse_options: Mapping[str, ParseOptions] = {}
    own_stores: tuple[str, ...] = ()
    writes: Mapping[str, Mapping[str, str]] = {}


class Desk:
    """`connector.ports.Judge` over a translator. `context_at(now)` is the site's Context at a moment."""

    def __init__(self, translator: Translator, context_at: Callable[[str], Context], settings: DeskSettings) -> None:
        self.translator = translator
        self.context_at = context_at
        self.settings = settings
        self._last: tuple[Inbound | None, Peeked] = (None, Peeked())

    def peek(self, inbound: Inbound) -> Peeked:
        """Sender, MSH-10 and MSH-9 of the first segment alone."""
        last, peeked = self._last
        if last is not inbound:  # asked several times on the way of one message
            peeked = self._peek(inbound)
            if len(inbound.raw) < _REMEMBERED:
                self._last = (inbound, peeked)
        return peeked

    def _peek(self, inbound: Inbound) -> Peeked:
        if inbound.format == "hprim":  # no number of its own: the same bytes by the same way are the same letter
            digest = hashlib.sha256(inbound.raw).hexdigest()
            return Peeked(sender=_bounded(inbound.endpoint, _SENDER), control_id=digest, type="HPRIM")
        if inbound.filing is not None:
            return Peeked(type=inbound.filing.type)
        if inbound.format != "hl7":
            return Peeked()
        msh = header(bytes(inbound.raw))
        if msh.separators is None:
            return Peeked()
        large = 0 < self.settings.defer_above < len(inbound.raw)
        return Peeked(
            sender=_bounded(msh.sender, _SENDER),
            control_id=_bounded(msh.control_id, CONTROL_ID),
            type=_type(msh),
            defer=large,
        )

    def judge(self, inbound: Inbound, digest: str, now: str, known: Known | None = None) -> Entry:
        """The whole verdict, with what the store `known`. A frame that is broken is not read: its bytes are only a part of what was meant."""
        context = self.context_at(now)
        if known is not None:
            context = replace(context, known=known)
        if inbound.issues:
            return self._entry(inbound, digest, context, Reading(issues=inbound.issues))
        options = self._options(inbound)
        tree = Outcome(inbound.filing.tree) if inbound.filing is not None else None
        if inbound.format == "exchange":
            reading = self.translator.read_in_place(inbound.raw, context)
            if reading.exchange is not None:
                return self._handed_in(inbound, digest, context, reading, reading.exchange)
        else:
            reading = self.translator.read(bytes(inbound.raw), inbound.format, context, options=options, tree=tree)
            if inbound.format == "fhir" and reading.exchange is not None and reading.accepted:
                run = Run(context)
                exchange = with_contents(reading.exchange, run, self.translator.mappings)
                reading = replace(reading, exchange=exchange, issues=(*reading.issues, *run.issues))
        return replace(self._entry(inbound, digest, context, reading), after=_after(reading.exchange, context.known))

    def _handed_in(
        self, inbound: Inbound, digest: str, context: Context, reading: Reading, exchange: Exchange
    ) -> Entry:
        """An exchange of the profile: it repeats the one under its id, continues it, or is refused."""
        earlier = context.known.earlier if context.known is not None else None
        if earlier is not None and same(earlier.exchange, exchange):
            return Entry(inbound=inbound, digest=digest, state=MessageState.TRANSLATED, repeats=earlier.message_id)
        reading = replace(reading, issues=(*reading.issues, *posted(exchange, earlier, reading.standing)))
        entry = self._entry(inbound, digest, context, reading)
        after = _message_of(earlier) if exchange.id is not None else None
        return replace(entry, after=after, standing=tuple(reading.standing.values()))

    def received(self, inbound: Inbound, digest: str, now: str) -> Entry:
        """The raw bytes are to be kept first: CA (enhanced mode) or AA (original mode) leaves, the verdict follows."""
        peeked = self.peek(inbound)
        first = answers(
            read_header(bytes(inbound.raw)), (), self.context_at(now), stage="accept", language=self.settings.language
        )
        return Entry(
            inbound=inbound, sender=peeked.sender, control_id=peeked.control_id, type=peeked.type, digest=digest,
            state=MessageState.RECEIVED, answers=first,
        )  # fmt: skip

    def unavailable(self, inbound: Inbound, now: str) -> tuple[bytes, ...]:
        """AR or CR: nothing was kept, send again."""
        if inbound.format != "hl7":
            return ()
        return not_kept(read_header(bytes(inbound.raw)), self.context_at(now), language=self.settings.language)

    def duplicate(self, inbound: Inbound, digest: str, now: str, earlier: int) -> Entry:
        """The MSH-10 of an earlier message with other bytes: refused with 205."""
        issue = Issue.of(Severity.ERROR, IssueCode.DUPLICATE_CONTROL_ID, "MSH[1]-10")
        return self._entry(inbound, digest, self.context_at(now), Reading(issues=(issue,)))

    def broken(self, inbound: Inbound, digest: str, now: str, what: str) -> Entry:
        """Our own code failed: kept for a person, AE 207."""
        issue = Issue.of(Severity.ERROR, IssueCode.INTERNAL, what=what)
        return self._entry(inbound, digest, self.context_at(now), Reading(issues=(issue,)))

    # --- parts

    def _options(self, inbound: Inbound) -> ParseOptions | None:
        rules = self.settings.parse_options
        if not rules or inbound.format != "hl7":
            return None
        return rules.get(header(bytes(inbound.raw)).sender) or rules.get(inbound.endpoint) or rules.get("*")

    def _entry(self, inbound: Inbound, digest: str, context: Context, reading: Reading) -> Entry:
        peeked = self.peek(inbound)
        exchange = reading.exchange
        accepted = reading.accepted
        subject = Subject(
            type=peeked.type or reading.claim.type or _own_type(inbound, exchange), sender=peeked.sender, endpoint=inbound.endpoint,
            key=_key(exchange, peeked), exchange=exchange,
        )  # fmt: skip
        if accepted and (refused := unserved(subject, self.settings.routes)):
            reading = replace(reading, issues=(*reading.issues, *refused))
            accepted = False
        made = deliveries(subject, self.settings.routes, self.settings.writes) if accepted else ()
        if inbound.filing is not None:
            there = [delivery.destination for delivery in made if delivery.destination in self.settings.own_stores]
            made = tuple([delivery for delivery in made if delivery.destination not in there])
            filed = [Issue.of(Severity.INFORMATION, IssueCode.ALREADY_DELIVERED, name) for name in there]
            reading = replace(reading, issues=(*reading.issues, *filed))
        return Entry(
            inbound=inbound,
            sender=peeked.sender,
            control_id="" if inbound.issues else peeked.control_id,
            type=subject.type,
            digest=digest,
            state=_answered(_state(reading), inbound),
            informed=_informed(context.known),
            key=subject.key,
            patient=_patient(exchange),
            document_ids=tuple(document.id for document in exchange.documents if document.id) if exchange else (),
            exchange=exchange,
            issues=reading.issues,
            untranslated=tuple(dict.fromkeys(reading.untranslated)),
            mapping=f"{reading.mapping}@{self.translator.mappings.version}" if reading.mapping else "",
            answers=self._answers(inbound, peeked, reading, context),
            deliveries=made,
        )

    def _answers(self, inbound: Inbound, peeked: Peeked, reading: Reading, context: Context) -> tuple[bytes, ...]:
        if inbound.format != "hl7":
            return ()
        stage: Stage = "application" if peeked.defer and not inbound.issues else "both"
        return answers(
            read_header(bytes(inbound.raw)), reading.issues, context, stage=stage, language=self.settings.language
        )


def _state(reading: Reading) -> MessageState:
    """TRANSLATED; PARKED what a person must read first; REFUSED what its sender can correct."""
    if reading.accepted:
        return MessageState.TRANSLATED
    serious = [issue.code for issue in reading.issues if issue.severity >= Severity.ERROR]
    # The identity is settled by a person, then the message is judged again.
    if IssueCode.LOCAL_IDENTITY.name in serious:
        return MessageState.PARKED
    if reading.exchange is None and any(code in _FOR_A_PERSON for code in serious):
        return MessageState.PARKED
    return MessageState.REFUSED if worst(reading.issues) >= Severity.ERROR else MessageState.PARKED


def _answered(state: MessageState, inbound: Inbound) -> MessageState:
    """What is posted to the FHIR API and not accepted was refused to its sender, whatever a person could still do with it."""
    return MessageState.REFUSED if inbound.filing is not None and state is MessageState.PARKED else state


def _message_of(earlier: Earlier | None) -> int:
    return earlier.message_id if earlier is not None else 0


def _after(exchange: Exchange | None, known: Known | None) -> int | None:
    """A feed's exchange is kept under its id, when it has one, unless what is there is no beginning of it: another format holds less."""
    if exchange is None or exchange.id is None:
        return None
    earlier = known.earlier if known is not None else None
    if earlier is not None and (same(earlier.exchange, exchange) or any(misgrown(earlier.exchange, exchange))):
        return None
    return _message_of(earlier)


def _informed(known: Known | None) -> bool:
    return known is not None and bool(known.patient is not None or known.documents)


def _own_type(inbound: Inbound, exchange: Exchange | None) -> str:
    """`Exchange^conversation`: what an exchange of the profile is for routes and lists."""
    return f"Exchange^{exchange.mode or ''}" if inbound.format == "exchange" and exchange is not None else ""


def _type(msh: Header) -> str:
    return _bounded(f"{msh.type}^{msh.event}" if msh.event else msh.type, 40)


def _key(exchange: Exchange | None, peeked: Peeked) -> str:
    """INS, else IPP and domain, else the document's lineage; a message about nobody is ordered by its sender."""
    return (ordering_key(exchange) if exchange is not None else "") or peeked.sender


def _patient(exchange: Exchange | None) -> str:
    patient = exchange.patient if exchange is not None else None
    if patient is None:
        return ""
    found = ins_of(patient) or ipp_of(patient) or next(iter(patient.identifiers), None)
    return _bounded(found.value, 64) if found is not None else ""


def _bounded(text: str, longest: int) -> str:
    return text[:longest]
