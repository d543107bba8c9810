"""The patient index as pure decisions: by which numbers a patient is known, and what one more message says changes in what is known.

An identifier counts only in its domain, never by its number alone (hostile J05). Identity messages (ADT, PAM.fr ITI-30 and ITI-31) say
who a patient is; a document only adds what nobody has said. Nothing is rewritten silently: a record that is merged stays as it was and
says into which one, and a number that was replaced keeps its end. What is kept is what identifies and what was chosen about the DMP;
addresses and telephone numbers are not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import combinations
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from connector.exchange.identifiers import INS_OIDS, ins_of, is_ins
from connector.exchange.identity import birth_name, different_traits, folded
from connector.exchange.ids import ordering_key
from connector.exchange.model import Exchange
from connector.exchange.moments import Moment
from connector.exchange.people import HumanName, Identifier, Model, Patient
from connector.issues import IssueCode

__all__ = [
    "Key",
    "Plan",
    "Record",
    "Sighting",
    "birth_of",
    "contradicts",
    "in_domain",
    "key_of",
    "keys_of",
    "lane_keys",
    "plan",
    "searchable",
    "searched",
    "sighting",
]

#: Kinds (table 0203) that do not tell one person: shared by a family (NH), or of a stay and not of somebody.
_NOT_PERSONAL = frozenset({"NH", "AN", "VN", "MN"})
_MERGE, _RENUMBER = "A40", "A47"
_LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss"})


class Key(NamedTuple):
    """An identifier in its domain: the issuer's OID, or `authority:` and its name where it has none."""

    domain: str
    value: str


class Sighting(Model, frozen=True, kw_only=True):
    """What one message says of its patient. `source`: MSH-3|MSH-4. `identity`: an ADT says it. `act`: A40, A47 or "". `fingerprint`: a
    digest of all this, so that the same again costs nothing."""

    patient: Patient
    source: str
    identity: bool = False
    act: str = ""
    prior: Patient | None = None
    at: Moment | None = None
    fingerprint: bytes = b""


class Record(Model, frozen=True, kw_only=True):
    """One patient of the index. `identity`: an ADT has said who this is, `source` which sender."""

    id: int
    patient: Patient
    source: str
    identity: bool = False


class Plan(Model, frozen=True, kw_only=True):
    """What a sighting changes. `into`: the record that it is about (None: a new one); `patient`: its new content, None: unchanged;
    `absorbed`: records that are merged into it; `lost`: a merged identity that nobody knew, kept as a merged record; `stale`: whose
    waiting documents bear a number that is no more; `issue`: told in the journal."""

    into: int | None = None
    patient: Patient | None = None
    source: str = ""
    identity: bool = False
    absorbed: tuple[int, ...] = ()
    lost: Patient | None = None
    stale: tuple[Patient, ...] = ()
    issue: IssueCode | None = None

    def __bool__(self) -> bool:
        return self.patient is not None or bool(self.absorbed) or self.lost is not None


# --- what a message says -------------------------------------------------------------------------------------------


def sighting(exchange: Exchange, source: str) -> Sighting | None:
    """What the index learns from an Exchange; None when its patient has no identifier in a domain."""
    if exchange.patient is None:
        return None
    patient = _kept(exchange.patient)
    prior = _kept(exchange.prior) if exchange.prior is not None else None
    if not keys_of(patient):
        return None
    envelope = exchange.envelope
    identity = envelope is not None and envelope.type == "ADT"
    event = (envelope.event or "") if envelope is not None and identity else ""
    act = event if prior is not None and keys_of(prior) and event in (_MERGE, _RENUMBER) else ""
    return Sighting(
        patient=patient, source=source, identity=identity, act=act, prior=prior if act else None,
        at=(envelope.occurred_at or envelope.recorded_at or envelope.sent_at) if envelope is not None else None,
        fingerprint=b"" if act else blake2b(msgspec.json.encode((source, identity, patient)), digest_size=16).digest(),
    )  # fmt: skip


def _kept(patient: Patient) -> Patient:
    return Patient(
        identifiers=patient.identifiers, names=patient.names, birth_date=patient.birth_date, sex=patient.sex,
        birth_place=patient.birth_place, deceased=patient.deceased, deceased_at=patient.deceased_at,
        identity_unknown=patient.identity_unknown, identity_status=patient.identity_status,
        identity_attributes=patient.identity_attributes, multiple_birth=patient.multiple_birth,
        birth_order=patient.birth_order, dmp=patient.dmp,
    )  # fmt: skip


def key_of(identifier: Identifier) -> Key | None:
    """The key of an identifier that tells a person; None without a domain, and for what a family or a stay shares."""
    if identifier.kind in _NOT_PERSONAL:
        return None
    domain = identifier.system or (f"authority:{identifier.authority}" if identifier.authority else None)
    return Key(domain, identifier.value.replace(" ", "")) if domain else None


def keys_of(patient: Patient) -> tuple[Key, ...]:
    """The keys of a patient's identifiers, ended ones too: they still say who was meant."""
    return tuple(dict.fromkeys(key for each in patient.identifiers if (key := key_of(each)) is not None))


def _current(patient: Patient) -> dict[Key, Identifier]:
    return {key: each for each in patient.identifiers if each.end is None and (key := key_of(each)) is not None}


def lane_keys(patient: Patient) -> tuple[str, ...]:
    """The ordering keys under which this patient's messages may wait: one for each identifier."""
    return tuple(ordering_key(Exchange(patient=Patient(identifiers=(each,)))) for each in patient.identifiers)


def in_domain(patient: Patient, domain: str) -> Identifier | None:
    """The current identifier of a domain: `ins` or an OID."""
    if domain == "ins":
        return ins_of(patient)
    return next((each for key, each in _current(patient).items() if key.domain == domain), None)


def searchable(patient: Patient) -> list[tuple[str, str]]:
    """(family, given names) of each name for search: without accents, ligatures, hyphens and case."""
    found = []
    for name in patient.names:
        given = " ".join(dict.fromkeys([*name.given, *([name.birth_given] if name.birth_given else [])]))
        found.append((searched(name.family or ""), searched(given)))
    return list(dict.fromkeys(pair for pair in found if any(pair)))


def searched(text: str) -> str:
    """A name as it is searched: `folded`, ligatures in letters."""
    return folded(unicodedata.normalize("NFC", text).translate(_LIGATURES))


# --- what it changes -------------------------------------------------------------------------------------------------


def contradicts(seen: Sighting, known: Iterable[Record]) -> Record | None:
    """The record under the same INS whose traits, said by another source, are others (904).

    An identity server is believed before what documents said; two of them that disagree are a contradiction as two documents are.
    """
    if seen.act:
        return None
    ours = {key for each in seen.patient.identifiers if is_ins(each) and (key := key_of(each)) is not None}
    for record in known:
        if record.source == seen.source or (seen.identity and not record.identity):
            continue
        theirs = {key for each in record.patient.identifiers if is_ins(each) and (key := key_of(each)) is not None}
        if ours & theirs and different_traits(seen.patient, record.patient):
            return record
    return None


def plan(seen: Sighting, known: Sequence[Record], prior: Sequence[Record] = ()) -> Plan:
    """What to do. `known`: the living records of the message's identifiers; `prior`: those of MRG."""
    if seen.act == _MERGE:
        return _merged(seen, known, prior)
    if seen.act == _RENUMBER:
        return _renumbered(seen, known, prior)
    if not known:
        return Plan(patient=seen.patient, source=seen.source, identity=seen.identity)
    if len(known) > 1 and not _one_person(seen, known):
        return Plan(issue=IssueCode.PATIENT_AMBIGUOUS)
    if any(_somebody_else(seen.patient, record.patient) for record in known):
        return Plan(issue=IssueCode.PATIENT_AMBIGUOUS)
    first = min(known, key=lambda record: (not record.identity, record.id))
    absorbed = tuple(record.id for record in known if record is not first)
    patient = first.patient
    for record in known:
        if record is not first:
            patient = _with_identifiers(patient, record.patient)
    return _updated(seen, replace(first, patient=patient), absorbed, first.patient)


def _updated(seen: Sighting, record: Record, absorbed: tuple[int, ...], before: Patient) -> Plan:
    if seen.identity or (not record.identity and seen.source == record.source):
        patient = _with_identifiers(_over(seen.patient, record.patient), record.patient, seen.at)
        source, identity = seen.source, seen.identity or record.identity
    elif different_traits(seen.patient, record.patient) or _two_ins(seen.patient, record.patient):
        return Plan(into=record.id, absorbed=absorbed, issue=IssueCode.PATIENT_AMBIGUOUS)
    else:
        patient = _with_identifiers(_over(record.patient, seen.patient), seen.patient)
        source, identity = record.source, record.identity
    changed = patient if patient != before or (source, identity) != (record.source, record.identity) else None
    return Plan(into=record.id, patient=changed, source=source, identity=identity, absorbed=absorbed)


def _two_ins(left: Patient, right: Patient) -> bool:
    ours, theirs = ins_of(left), ins_of(right)
    return ours is not None and theirs is not None and key_of(ours) != key_of(theirs)


def _one_person(seen: Sighting, known: Sequence[Record]) -> bool:
    """Whether records that a message names together may become one: same traits, and no domain in which they have two numbers."""
    everybody = [seen.patient, *(record.patient for record in known)]
    if not all(
        name is not None and name.family and each.birth_date for each in everybody for name in [birth_name(each)]
    ):
        return False
    if any(different_traits(left, right) for left, right in combinations(everybody, 2)):
        return False
    numbers: dict[str, str] = {}
    return all(
        numbers.setdefault("ins" if key.domain in INS_OIDS else key.domain, key.value) == key.value
        for each in everybody
        for key in _current(each)
    )


def _somebody_else(left: Patient, right: Patient) -> bool:
    """Whether a number that both bear was given twice (a dummy, a number of social security): other traits, no patient number (PI) in
    common, and in some domain each has a number of its own."""
    ours, theirs = _current(left), _current(right)
    if any(key in theirs and each.kind == "PI" for key, each in ours.items()):
        return False
    numbers, others = _by_domain(ours), _by_domain(theirs)
    apart = any(numbers[domain].isdisjoint(others[domain]) for domain in numbers.keys() & others.keys())
    return apart and bool(different_traits(left, right))


def _by_domain(keys: Iterable[Key]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for key in keys:
        found.setdefault("ins" if key.domain in INS_OIDS else key.domain, set()).add(key.value)
    return found


def _merged(seen: Sighting, known: Sequence[Record], prior: Sequence[Record]) -> Plan:
    """A40: the record of MRG stays as it is and points to the one of PID."""
    assert seen.prior is not None  # noqa: S101 - what an act is
    if len(known) > 1:
        return Plan(issue=IssueCode.PATIENT_AMBIGUOUS)
    survivor = known[0] if known else Record(id=0, patient=seen.patient, source=seen.source, identity=True)
    losers = [record for record in prior if record.id != survivor.id]
    plan = _updated(seen, survivor, tuple(record.id for record in losers), survivor.patient if known else Patient())
    same = bool(prior) and not losers
    return replace(
        plan,
        into=survivor.id if known else None,
        lost=None if prior else seen.prior,
        stale=() if same else (seen.prior, *(record.patient for record in losers)),
    )


def _renumbered(seen: Sighting, known: Sequence[Record], prior: Sequence[Record]) -> Plan:
    """A47: one record, whose old number ends and stays."""
    assert seen.prior is not None  # noqa: S101 - what an act is
    records = {record.id: record for record in (*prior, *known)}
    if len(records) > 1:
        return Plan(issue=IssueCode.PATIENT_AMBIGUOUS)
    record = next(iter(records.values()), None)
    before = record.patient if record is not None else Patient()
    gone = set(keys_of(seen.prior)) - set(_current(seen.patient))
    old = _with_identifiers(before, seen.prior)
    ended = replace(
        old,
        identifiers=tuple(
            replace(each, end=seen.at) if each.end is None and key_of(each) in gone else each
            for each in old.identifiers
        ),
    )
    patient = _with_identifiers(_over(seen.patient, ended), ended)
    stale = replace(seen.prior, identifiers=tuple(each for each in seen.prior.identifiers if key_of(each) in gone))
    return Plan(
        into=record.id if record is not None else None,
        patient=patient,
        source=seen.source,
        identity=True,
        stale=(stale,),
    )


def _over(upper: Patient, lower: Patient) -> Patient:
    """What `upper` says, and of the rest what `lower` says."""
    said = {
        name: value if (value := getattr(upper, name)) not in (None, ()) else getattr(lower, name)
        for name in Patient.__struct_fields__
    }
    return Patient(**said)


def _with_identifiers(patient: Patient, other: Patient, at: Moment | None = None) -> Patient:
    """The patient with the other's identifiers behind. A person has one current INS: with `at`, an older one ends then."""
    mine = set(keys_of(patient))
    newer = ins_of(patient)
    more = []
    for each in other.identifiers:
        if (key := key_of(each)) in mine or (key is None and each in patient.identifiers):
            continue
        replaced = at is not None and newer is not None and is_ins(each) and each.end is None
        more.append(replace(each, end=at) if replaced else each)
    return replace(patient, identifiers=(*patient.identifiers, *more)) if more else patient


def birth_of(patient: Patient) -> HumanName:
    """The name to show: the birth name, else the first, else an empty one."""
    return birth_name(patient) or next(iter(patient.names), HumanName())
